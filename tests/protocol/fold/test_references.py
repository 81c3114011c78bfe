"""A statement belongs to one place in one log (log.md 3a): F2.2, F2.8, F2.15 to F2.17."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from fermata.protocol.fold.apply import RULES
from fermata.protocol.fold.references import about, next_leaf, prove
from fermata.protocol.state.position import RECENT_ENTRIES
from fermata.protocol.state.state import State, Verdict
from fermata.protocol.wire.codec import decode, leaf_of
from fermata.protocol.wire.envelope import charter_message, seal_charter, statement_of, unseal
from fermata.wire.v1 import envelope_pb2, statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import COORDINATOR, Chain, chain_at, make_deployment
from harness.crypto.ed25519 import BASE, encoded, multiply, signed
from harness.deployments import PAUSE_TABLES, Deployment, entropy_of
from harness.drills import commit, commitment_statement, drilling_chain, part_statement
from harness.protocol.findings import finding

Wire = statement_pb2.Statement


def nothing_changed(before: State, chain: Chain) -> bool:
    return chain.state == replace(before, position=chain.state.position)


def governed() -> Chain:
    """A log with a key and a committee of three."""
    chain = Chain(make_deployment(members="xyz"))
    chain.start()
    return chain


# No field names an entry by its number alone.

#: CloseRound's lists: the leaf of the close commits to the entries.
BY_NUMBER = {"ListedReport.entry", "ExcludedReport.entry"}


def fields_below(message: Descriptor, seen: set[str]) -> list[FieldDescriptor]:
    if message.full_name in seen:
        return []
    seen.add(message.full_name)
    found = list(message.fields)
    for field in message.fields:
        if field.message_type is not None:
            found += fields_below(field.message_type, seen)
    return found


def test_every_field_that_names_an_entry_is_a_reference() -> None:
    fields = fields_below(Wire.DESCRIPTOR, set())
    integers = [f for f in fields if f.message_type is None and f.type != f.TYPE_BYTES]
    named = {f"{f.containing_type.name}.{f.name}" for f in integers if "entry" in f.name}
    assert named == BY_NUMBER
    references = {
        f"{f.containing_type.name}.{f.name}"
        for f in fields
        if f.message_type is not None and f.message_type.name == "EntryRef"
    }
    assert references == {
        "Statement.seen",
        "Vote.motion",
        "Acknowledgement.change",
        "Motion.about",
        "Endorsement.close",
        "PartialOpening.close",
        "DrillCommitment.start",
        "DrillPart.start",
        "KeyRecord.after",
        "Retire.seen",
    }


# The leaf commits to the whole log before it.


def test_an_entry_under_another_root_has_no_effect_whatever() -> None:
    chain = chain_at("collecting")
    envelope = chain.seal(chain.report_statement("lab-1"))
    wrong = [bytes(32), b"", chain.tree.root()[:31], chain.tree.root(chain.tree.size - 1)]
    for previous_root in wrong:
        before = chain.state
        verdict = chain.put_leaf(leaf_of(previous_root, envelope))
        assert (verdict.accepted, verdict.reason, verdict.author) == (False, "PREVIOUS_ROOT", "")
        assert nothing_changed(before, chain)
    assert chain.round.excluded == ()
    # It is not a known envelope either.
    assert chain.put(envelope).accepted


def test_the_first_entry_has_the_empty_root_and_no_proofs() -> None:
    deployment = make_deployment()
    chain = Chain(deployment)
    leaf = envelope_pb2.LogEntry.FromString(next_leaf(chain.tree, deployment.charter_envelope))
    leaf.proofs.add(leaf_hash=bytes(32))
    assert chain.put_leaf(leaf.SerializeToString()).reason == "PROOF_OF_ENTRY"
    chain = Chain(deployment)
    verdict = chain.put_leaf(leaf_of(bytes(32), deployment.charter_envelope))
    assert verdict.reason == "PREVIOUS_ROOT"


def test_of_two_logs_that_differ_all_later_leaves_differ() -> None:
    ours = chain_at("keyed")
    theirs = ours.fork()
    at = ours.beat("lab-1").entry
    theirs.beat("lab-2")
    for chain in (ours, theirs):
        chain.put(b"nothing")
    assert ours.tree.leaf(at + 1) != theirs.tree.leaf(at + 1)


# What was said in one log is not said in another.


def motion(chain: Chain, body: statement_pb2.Motion) -> EntryRef:
    verdict = chain.say("member-1", motion=body)
    assert verdict.accepted, verdict
    return chain.ref(verdict.entry)


def test_votes_for_one_motion_do_not_count_for_another() -> None:
    """Votes for a harmless exclusion carried one of another lab in a fork."""
    asked = governed()
    found = {lab: EntryRef(index=finding(asked, lab)) for lab in ("lab-1", "lab-2")}
    forked = asked.fork()
    kind = statement_pb2.MOTION_KIND_EXCLUSION
    mild, grave = (
        statement_pb2.Motion(kind=kind, lab=lab, from_round=1, about=about)
        for lab, about in found.items()
    )
    named, target = motion(asked, mild), motion(forked, grave)
    assert named.index == target.index
    votes = []
    for member in ("member-1", "member-2", "member-3"):
        vote = statement_pb2.Vote(motion=named, choice=statement_pb2.CHOICE_FOR)
        votes.append(asked.seal(asked.deployment.statement(member, vote=vote)))
        asked.put(votes[-1])
    assert asked.state.governance.motions[named.index].status == "carried"
    for vote in votes:
        assert forked.put(vote).reason == "SPLIT_VIEW"
    assert forked.state.governance.motions[target.index].status == "open"
    assert forked.state.governance.motions[target.index].votes == {}


def test_endorsements_and_parts_of_one_close_do_not_count_for_another() -> None:
    """The fork exchanged a report at the same entry, and its close stood at the same entry."""
    ours = chain_at("collecting")
    ours.report_all(ours.deployment.charter.labs[:-1])
    theirs = ours.fork()
    lab = ours.deployment.charter.labs[-1]
    ours.report(lab)
    theirs.report(lab)
    ours.close()
    theirs.close()
    assert ours.round.close is not None
    assert theirs.round.close is not None
    assert ours.round.close.entry == theirs.round.close.entry
    for auditor in ours.deployment.charter.auditors:
        envelope = ours.seal(ours.endorsement_statement(auditor))
        ours.put_ok(envelope)
        verdict = theirs.put(envelope)
        assert (verdict.reason, verdict.author) == ("SPLIT_VIEW", auditor)
    assert theirs.round.endorsements == {}
    theirs.endorse()
    for auditor in ours.deployment.charter.auditors:
        assert theirs.put(ours.seal(ours.opening_statement(auditor))).reason == "SPLIT_VIEW"
    assert theirs.round.opening is None


def test_whoever_saw_another_log_is_found_out_by_any_statement() -> None:
    ours = chain_at("collecting")
    theirs = ours.fork()
    ours.abstain("lab-1")
    theirs.abstain("lab-2")
    bodies = {
        "heartbeat": statement_pb2.Heartbeat(version="1", time_ms=ours.time_ms),
        "abstention": statement_pb2.Abstention(round=1),
        "motion": statement_pb2.Motion(
            kind=statement_pb2.MOTION_KIND_DISPUTE, about=EntryRef(index=1)
        ),
    }
    for name, body in bodies.items():
        envelope = theirs.seal(theirs.deployment.statement("lab-3", **{name: body}))
        verdict = ours.put(envelope)
        assert (verdict.reason, verdict.author) == ("SPLIT_VIEW", "lab-3")


def test_an_entry_that_the_log_does_not_have_yet_is_of_another_log() -> None:
    chain = chain_at("keyed")
    statement = chain.deployment.statement(
        "lab-1", heartbeat=statement_pb2.Heartbeat(version="1", time_ms=chain.time_ms)
    )
    statement.seen.CopyFrom(EntryRef(index=chain.state.size, leaf_hash=bytes(32)))
    assert chain.put(chain.seal(statement)).reason == "SPLIT_VIEW"
    statement.seen.index = 2**64 - 1
    assert chain.put(chain.seal(statement)).reason == "SPLIT_VIEW"


# What the author had folded.


def test_a_statement_that_has_seen_nothing_is_refused() -> None:
    chain = chain_at("collecting")
    statement = chain.deployment.statement("lab-1", abstention=statement_pb2.Abstention(round=1))
    assert chain.put(chain.deployment.seal(statement)).reason == "SEEN"
    for size in (0, 31, 33):
        statement.seen.CopyFrom(EntryRef(index=2, leaf_hash=bytes(size)))
        assert chain.put(chain.seal(statement)).reason == "SEEN"


def test_a_key_record_has_seen_nothing() -> None:
    deployment = make_deployment()
    chain = Chain(deployment)
    chain.put_ok(deployment.charter_envelope)
    statement = deployment.statement("", key_record=deployment.key_record)
    statement.seen.CopyFrom(chain.ref(0))
    assert chain.put(chain.seal(statement, *deployment.charter.auditors)).reason == "SEEN"


def test_a_key_record_comes_after_an_entry() -> None:
    deployment = make_deployment()
    chain = Chain(deployment)
    chain.put_ok(deployment.charter_envelope)
    statement = deployment.statement("", key_record=deployment.key_record)
    for size in (0, 31, 33):
        statement.key_record.after.leaf_hash = bytes(size)
        assert chain.put(chain.seal(statement, *deployment.charter.auditors)).reason == "SEEN"
    statement.key_record.ClearField("after")
    assert chain.put(chain.seal(statement, *deployment.charter.auditors)).reason == "SEEN"


def signed_again(deployment: Deployment, party: str, seed: bytes) -> bytes:
    """The envelope of the same charter, which a party has signed with another nonce."""
    secret = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    secret = secret & ~7 & (2**254 - 1) | 2**254
    key, message = deployment.keys[party].public_key, charter_message(deployment.charter_data)
    again, _ = signed(secret, key, 7, encoded(multiply(7, BASE)), message)
    parties = deployment.keys.items()
    signatures = {name: k.sign(message) for name, k in parties} | {party: again}
    return seal_charter(deployment.charter_data, signatures)


def test_a_key_record_that_is_moved_to_a_second_log_of_its_charter_is_refused() -> None:
    """The same charter under other signatures, all of which verify, is another entry 0."""
    deployment = make_deployment()
    seed = entropy_of(deployment.seed, "signing keys")(32)
    first = Chain(deployment)
    first.put_ok(deployment.charter_envelope)
    second = Chain(deployment)
    second.put_ok(signed_again(deployment, COORDINATOR, seed))
    assert second.state.chartered().charter.sha256 == first.state.chartered().charter.sha256
    verdict = second.put(deployment.key_envelope)
    assert (verdict.kind, verdict.reason) == ("KeyRecord", "SPLIT_VIEW")
    first.put_ok(deployment.key_envelope)


def test_a_key_record_may_come_long_after_the_charter() -> None:
    deployment = make_deployment()
    chain = Chain(deployment)
    chain.put_ok(deployment.charter_envelope)
    for _ in range(RECENT_ENTRIES):
        chain.put(b"junk")
    assert prove(chain.tree, statement_of(unseal(deployment.key_envelope)))
    chain.put_ok(deployment.key_envelope)


def paused() -> Chain:
    """A log whose rule holds after its first round, so that the labs must acknowledge."""
    return chain_at("opened", extra=PAUSE_TABLES)


def ack(chain: Chain) -> Wire:
    change = EntryRef(index=chain.state.pause.changes[0].entry)
    body = statement_pb2.Acknowledgement(change=change)
    return chain.deployment.statement("lab-1", acknowledgement=body)


def ballot(chain: Chain) -> Wire:
    about, kind = EntryRef(index=chain.state.size - 1), statement_pb2.MOTION_KIND_DISPUTE
    filed = chain.say("lab-1", motion=statement_pb2.Motion(kind=kind, about=about))
    body = statement_pb2.Motion(
        kind=statement_pb2.MOTION_KIND_RULING, about=EntryRef(index=filed.entry), is_upheld=True
    )
    vote = statement_pb2.Vote(motion=motion(chain, body), choice=statement_pb2.CHOICE_FOR)
    return chain.deployment.statement("member-2", vote=vote)


def dispute(chain: Chain) -> Wire:
    about_newest = EntryRef(index=chain.state.size - 1)
    body = statement_pb2.Motion(kind=statement_pb2.MOTION_KIND_DISPUTE, about=about_newest)
    return chain.deployment.statement("lab-1", motion=body)


def absent(chain: Chain) -> Wire:
    return chain.deployment.statement("lab-1", abstention=statement_pb2.Abstention(round=1))


def showing() -> Chain:
    """A drill in which parts are shown; what they are about is the entry with which it began."""
    chain = drilling_chain()
    commit(chain, "auditor-1", "auditor-2", "auditor-3")
    return chain


EARLY: dict[str, tuple[Callable[[], Chain], Callable[[Chain], Wire]]] = {
    "report": (lambda: chain_at("collecting"), lambda c: c.report_statement("lab-1")),
    "abstention": (lambda: chain_at("collecting"), absent),
    "close_round": (lambda: chain_at("reported"), lambda c: c.close_statement()),
    "endorsement": (lambda: chain_at("closed"), lambda c: c.endorsement_statement("auditor-1")),
    "partial_opening": (lambda: chain_at("endorsed"), lambda c: c.opening_statement("auditor-1")),
    "acknowledgement": (paused, ack),
    "drill_commitment": (drilling_chain, lambda c: commitment_statement(c, "auditor-1")),
    "drill_part": (showing, lambda c: part_statement(c, "auditor-1")),
    "vote": (governed, ballot),
    "motion": (governed, dispute),
}


def test_every_kind_that_is_about_something_is_tried_early() -> None:
    assert set(EARLY) == set(RULES) - {"key_record", "open_round", "heartbeat", "handover"}


@pytest.mark.parametrize("kind", EARLY)
def test_nobody_speaks_of_what_came_after_their_view(kind: str) -> None:
    make_chain, make = EARLY[kind]
    chain = make_chain()
    statement = chain.bind(make(chain))
    body = getattr(statement, kind)
    round_ = chain.state.round(getattr(body, "round", 0))
    newest = max([r.index for r in about(statement)] + ([round_.entry] if round_ else []))
    for seen, reason in ((newest - 1, "SEEN_BEFORE"), (newest, "")):
        statement.seen.CopyFrom(chain.ref(seen))
        verdict = chain.fork().put(chain.seal(statement))
        assert verdict.reason == reason


def test_the_view_of_a_node_does_not_go_back() -> None:
    chain = chain_at("collecting")

    def beat(seen: int) -> Verdict:
        chain.time_ms += 60_000
        chain.advance(chain.time_ms)
        statement = chain.beat_statement("lab-1")
        statement.seen.CopyFrom(chain.ref(seen))
        return chain.put(chain.seal(statement))

    assert beat(2).accepted
    assert beat(1).reason == "SEEN_BACK"
    assert beat(2).accepted
    assert beat(chain.state.size - 1).accepted


# References to old entries.


def long_log() -> tuple[Chain, Wire]:
    """A log in which a motion is older than the leaves that a state keeps, and a vote on it."""
    chain = governed()
    statement = ballot(chain)
    chain.beat("lab-6")
    chain.bind(statement)
    while chain.state.size <= RECENT_ENTRIES + statement.seen.index:
        chain.put(b"nothing")
    return chain, statement


def test_a_vote_on_an_old_motion_is_logged_with_the_loggers_proofs() -> None:
    chain, statement = long_log()
    envelope = chain.seal(statement)
    assert len(prove(chain.tree, statement)) == 2
    leaf = next_leaf(chain.tree, envelope)
    (first, second) = decode(envelope_pb2.LogEntry, leaf).proofs
    assert first.leaf_hash == statement.seen.leaf_hash
    assert second.leaf_hash == statement.vote.motion.leaf_hash
    assert chain.put(envelope).accepted
    assert "member-2" in chain.state.governance.motions[statement.vote.motion.index].votes


Proofs = list[envelope_pb2.EntryProof]
PROOF_FAULTS: dict[str, Callable[[Proofs], object]] = {
    "no proof": lambda p: p.clear(),
    "a proof too few": lambda p: p.pop(),
    "a proof too many": lambda p: p.append(p[0]),
    "in another order": lambda p: p.reverse(),
    "a path of another entry": lambda p: p[0].path.reverse(),
    "a hash too few": lambda p: p[1].path.pop(),
    "a hash too many": lambda p: p[1].path.append(bytes(32)),
    "another leaf": lambda p: setattr(p[1], "leaf_hash", bytes(32)),
    "a leaf of 31 bytes": lambda p: setattr(p[1], "leaf_hash", p[1].leaf_hash[:31]),
}


@pytest.mark.parametrize("fault", PROOF_FAULTS)
def test_the_logger_alone_is_to_blame_for_a_wrong_proof(fault: str) -> None:
    chain, statement = long_log()
    envelope, before = chain.seal(statement), chain.state
    proofs = prove(chain.tree, statement)
    PROOF_FAULTS[fault](proofs)
    leaf = leaf_of(chain.tree.root(), envelope, proofs)
    verdict = chain.put_leaf(leaf)
    assert (verdict.accepted, verdict.reason, verdict.author) == (False, "PROOF_OF_ENTRY", "")
    assert nothing_changed(before, chain)
    # The same envelope may be logged again, as it should have been.
    assert chain.put(envelope).accepted


def test_a_proof_that_nothing_needs_is_refused() -> None:
    chain = chain_at("collecting")
    envelope = chain.seal(absent(chain))
    proof = envelope_pb2.EntryProof(
        leaf_hash=chain.tree.leaf(0), path=chain.tree.inclusion_proof(0, chain.tree.size)
    )
    leaf = leaf_of(chain.tree.root(), envelope, [proof])
    assert chain.put_leaf(leaf).reason == "PROOF_OF_ENTRY"
    assert chain.put(envelope).accepted


def test_an_old_entry_of_a_fork_is_told_by_the_proof_of_our_own() -> None:
    ours = governed()
    theirs = ours.fork()
    theirs.beat("lab-6")
    statement = theirs.bind(ballot(theirs))
    while ours.state.size <= RECENT_ENTRIES + statement.seen.index:
        ours.put(b"nothing")
    assert len(prove(ours.tree, statement)) == 2
    verdict = ours.put(theirs.seal(statement))
    assert (verdict.reason, verdict.author) == ("SPLIT_VIEW", "member-2")


def test_references_cost_at_most_90_bytes() -> None:
    ref = EntryRef(index=2**31, leaf_hash=bytes(32))
    vote = statement_pb2.Vote(motion=ref, choice=statement_pb2.CHOICE_FOR)
    named = Wire(author=COORDINATOR, vote=vote, seen=ref)
    bare = Wire(author=COORDINATOR, vote=statement_pb2.Vote(choice=statement_pb2.CHOICE_FOR))
    assert len(named.SerializeToString()) - len(bare.SerializeToString()) <= 90
