"""The fold: ``apply(state, leaf) -> (state, verdict)``. One rule book for every role.

Normative text: docs/spec/fold.md; the rules are numbered the same there. Nothing here looks at
a clock, a disk or another party: only at the state and the entry.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, assert_never

from fermata.crypto.paillier import PublicKey, check_modulus
from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.threshold.key_record import DEALER, DISTRIBUTED, check_key, epoch_id, key_id
from fermata.crypto.threshold.origin import check_origin
from fermata.errors import ConfigError, InvalidEncoding, Refusal, VerificationError
from fermata.log.merkle import leaf_hash
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.drills import progress
from fermata.protocol.fold import (
    heartbeats,
    open_round,
    opening,
    references,
    round_rules,
)
from fermata.protocol.fold import pause as pausing
from fermata.protocol.fold.entry import Entry, Handler, KeyedHandler
from fermata.protocol.fold.governance import motions, votes
from fermata.protocol.fold.governance.amendment import charter_bound, clock_under
from fermata.protocol.fold.governance.handover import handover
from fermata.protocol.fold.governance.next_record import check_next_record, next_key
from fermata.protocol.fold.governance.retire import record_digest
from fermata.protocol.growing import with_item
from fermata.protocol.state.clock import NO_TIME
from fermata.protocol.state.state import (
    CharteredState,
    CharterVersion,
    KeyedState,
    State,
    ThresholdKey,
    Verdict,
)
from fermata.protocol.succession.views import leader
from fermata.protocol.wire.codec import (
    CHARTER_TYPE,
    check_ceremony,
    decode_entry,
    key_record_from_wire,
)
from fermata.protocol.wire.envelope import check_signatures, statement_of, unseal
from fermata.types import EntryIndex, LeafHash, Role, RoundNumber
from fermata.wire.v1 import envelope_pb2, statement_pb2

#: What may bring a charter into force, and so is signed by the keys of that one.
BRINGS_CHARTER = frozenset({"key_record", "open_round"})
#: What may be logged before the auditors have told the time.
TIMELESS = frozenset({"key_record", "heartbeat", "handover"})


@dataclass(frozen=True, slots=True)
class _Rule:
    """How the body of a statement is handled, and the role that may say it.

    ``role`` None: the handler itself decides who may.
    """

    handle: Handler
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class _KeyedRule:
    """The same for a body that means nothing before there is a key."""

    handle: KeyedHandler
    role: Role


def apply(state: State, leaf: bytes, cache: ProofCache | None = None) -> tuple[State, Verdict]:
    """The state after one more entry, and the verdict on it.

    ``leaf`` is a LogEntry's bytes. Never raises for what the leaf contains: whatever is wrong
    with it becomes a rejecting verdict, and then only the size changes. ``cache``: proofs that
    its owner has checked; it saves time, and changes no verdict.
    """
    after, verdict, _ = judge(state, leaf, cache)
    return after, verdict


def judge(
    state: State, leaf: bytes, cache: ProofCache | None = None
) -> tuple[State, Verdict, VerificationError | None]:
    """``apply``, and for a rejected entry the error itself, which the log's guard returns."""
    before = state.position
    grown = replace(state, position=before.after(LeafHash(leaf_hash(leaf))))
    after, index, kind, author = grown, EntryIndex(before.size), "Unknown", ""
    try:
        # F2.1: one meaning must not have two leaf hashes.
        wire = decode_entry(leaf)
        # F2.2: the entry of another log, or of another place in this one, means nothing here.
        if wire.previous_root != before.root():
            raise Refusal(
                "PREVIOUS_ROOT", "log entry: must carry the root of the entries before it"
            )
        if before.size == 0:
            kind = "Charter"
            return _charter(after, wire), Verdict(index, kind, "", True), None
        # F2.3: without a charter there is no roster to check by.
        after = after.chartered()
        envelope = unseal(wire.envelope)  # F2.4: one statement, one envelope.
        statement = statement_of(envelope)  # F2.5 to F2.7: its type, its bytes, its body.
        body = statement.WhichOneof("body") or ""
        kind = type(getattr(statement, body)).__name__
        named = references.references(statement)
        present = references.look_up(before, named, wire.proofs)  # F2.8.
        author = _authenticate(after, envelope, statement, body)
        references.check_view(after, statement, named, present)  # F2.15 to F2.17.
        # F2.18: what happens before there is a time could not be late.
        if after.time_ms == NO_TIME and body not in TIMELESS:
            raise Refusal("NO_TIME", "log: too few auditors have told the time yet")
        seen = EntryIndex(statement.seen.index)
        entry = Entry(index, leaf, wire.envelope, statement, seen, cache)
        done = _handle(RULES[body], after, entry, getattr(statement, body), author)
        done = pausing.lift_by_hand(done, index, len(after.governance.lifts))
        done = pausing.pass_time(pausing.settle_rounds(done, index), index)
        done = progress.advance(done, index)
        if author:
            done = replace(done, last_entry=with_item(state.last_entry, author, index))
        return done, Verdict(index, kind, author, True), None
    except VerificationError as error:
        verdict = Verdict(index, kind, author, False, error.reason, str(error))
        if error.reason == "PROOF_OF_ENTRY":
            # The fault is the logger's, not the author's: the entry changes nothing.
            return grown, verdict, error
        if kind == "Report" and author:
            after = round_rules.exclude(after, statement.report.round, index, error.reason)
        return after, verdict, error


def _handle(
    rule: _Rule | _KeyedRule, state: CharteredState, entry: Entry, body: Any, author: str
) -> CharteredState:
    match rule:
        case _Rule():
            return rule.handle(state, entry, body, author)
        case _KeyedRule():
            # F4.1, F5.1, F7.1: without a key there is nothing to report, and no product.
            return rule.handle(state.keyed(), entry, body, author)
        case _:
            assert_never(rule)


def _charter(state: State, wire: envelope_pb2.LogEntry) -> CharteredState:
    """F1: entry 0 is the charter, pinned if its hash is known, signed by every party."""
    # F1.1: there is nothing before it to prove.
    if wire.proofs:
        raise Refusal("PROOF_OF_ENTRY", "entry 0: must have no proofs")
    envelope = unseal(wire.envelope)  # F1.2: one charter must not have two encodings.
    # F1.3: a statement must not be taken for a charter.
    if envelope.payload_type != CHARTER_TYPE:
        raise InvalidEncoding("PAYLOAD_TYPE", "entry 0: must be a charter")
    # F1.4: the log of another deployment is not the one asked for.
    payload_sha256 = hashlib.sha256(envelope.payload).digest()
    if state.charter_sha256 is not None and payload_sha256 != state.charter_sha256:
        raise Refusal("CHARTER_HASH", "entry 0: must be the charter asked for")
    # F1.5: terms that cannot be kept must not come into force.
    try:
        charter = parse_charter(envelope.payload, state.modulus_bits_min)
    except ConfigError as error:
        raise Refusal("CHARTER", str(error)) from error
    # F1.6, F1.7: everybody on the roster has agreed, and nobody else.
    check_signatures(envelope, charter.signing_keys, charter.signers)
    # F1.8: what was signed to change another charter does not begin a log.
    if charter.previous:
        raise Refusal("CHARTER", "entry 0: must have no previous charter; it changes none")
    return CharteredState(
        charter=charter,
        charters=(CharterVersion(charter, RoundNumber(1), EntryIndex(0)),),
        charter_sha256=payload_sha256,
        modulus_bits_min=state.modulus_bits_min,
        position=state.position,
        clock=clock_under(state.clock, charter),
    )


def _authenticate(
    state: CharteredState,
    envelope: envelope_pb2.Envelope,
    statement: statement_pb2.Statement,
    body: str,
) -> str:
    """F2: bound to this charter, signed by its author, whose role may say this."""
    charter = charter_bound(state, statement)
    # F2.9: statements of other deployments, or from before an amendment, are not replayed.
    if statement.charter_sha256 != charter.sha256:
        raise Refusal("CHARTER_HASH", "statement: must be bound to the charter in force")
    if body not in BRINGS_CHARTER:
        # Whose key speaks is said by the charter in force, also of a round that began before it.
        charter = state.charter
    if body == "key_record":
        # F2.10: one record, one form.
        if statement.author:
            raise InvalidEncoding(
                "AUTHOR", "key record: must not have an author, since all auditors sign it"
            )
        check_signatures(envelope, charter.signing_keys, charter.auditors)
        return ""
    # F2.11: strangers have no say.
    party = charter.parties.get(statement.author)
    if party is None:
        raise Refusal("NOT_ON_ROSTER", "statement: its author is not on the roster")
    # F2.12, F2.13: nobody puts words into another's mouth.
    check_signatures(envelope, charter.signing_keys, (party.id,))
    # F2.14: no party acts as one of another kind.
    role = RULES[body].role
    if role is not None and role != party.role:
        raise Refusal(
            "WRONG_ROLE", f"statement: its author must be {role}, and {party.id} is {party.role}"
        )
    # Of several coordinators, one has the turn; who takes it over is for the Handover's rule.
    if role == Role.COORDINATOR and body != "handover" and party.id != leader(charter, state.view):
        raise Refusal("WRONG_ROLE", f"statement: {leader(charter, state.view)} leads the log now")
    return party.id


def _key_record(
    state: CharteredState, entry: Entry, wire: statement_pb2.KeyRecord, author: str
) -> KeyedState:
    """F3: one key, as the charter asks, whose shares interpolate and whose modulus is proven."""
    charter = state.charter
    if isinstance(state, KeyedState):
        # F3.1: the key must not be exchanged under the labs' feet.
        if wire.epoch <= 1:
            raise Refusal("KEY_EXISTS", "key record: the deployment has its key already")
        return next_key(
            state, entry.statement, check_next_record(state, entry.statement, entry.index)
        )
    # F3.2, F3.3: an origin that can be checked, and one form for each number.
    record, proofs = key_record_from_wire(wire, charter.modulus_bits)
    # F3.4: where no one may have known the key, a dealer's is refused.
    if charter.key_origin == DISTRIBUTED and record.origin == DEALER:
        raise Refusal(
            "KEY_ORIGIN", "key record: a dealer made it, and the charter takes no such key"
        )
    # F3.5: the first key has no history.
    if record.epoch != 1:
        raise Refusal("KEY_EPOCH", "key record: the first key must have epoch 1")
    # F3.6: a first key belongs to the charter that the log begins with.
    if wire.after.index != 0:
        raise Refusal("KEY_AFTER", "key record: the first key must come after entry 0, the charter")
    # F3.7: fewer auditors than agreed must not be able to open.
    if record.threshold != charter.threshold or len(record.verification) != len(charter.auditors):
        raise Refusal(
            "KEY_SHAPE", "key record: threshold and number of auditors must be the charter's"
        )
    check_modulus(record.n, charter.modulus_bits)  # F3.8: not easily factored (K2).
    check_key(record)  # F3.9: the shares can open (K3).
    # F3.10 to F3.12: a dealer's proofs (K4, K10), or what a key without one must be (K19).
    check_origin(record, proofs, charter.sha256)
    check_ceremony(wire)  # F3.13: no words that nobody checks.
    key = ThresholdKey(
        record,
        PublicKey(record.n),
        key_id(record),
        epoch_id(record, charter.auditors),
        entry.index,
        charter.auditors,
        record_digest(entry.statement),
    )
    return state.with_key(key)


#: What may stand in an entry after the first, by the name of the body's field.
RULES: Mapping[str, _Rule | _KeyedRule] = MappingProxyType(
    {
        "key_record": _Rule(_key_record),
        "open_round": _KeyedRule(open_round.open_round, Role.COORDINATOR),
        "report": _KeyedRule(round_rules.report, Role.LAB),
        "abstention": _Rule(round_rules.abstention, Role.LAB),
        "close_round": _KeyedRule(round_rules.close_round, Role.COORDINATOR),
        "endorsement": _Rule(opening.endorsement, Role.AUDITOR),
        "partial_opening": _Rule(opening.partial_opening, Role.AUDITOR),
        "heartbeat": _Rule(heartbeats.heartbeat),
        "acknowledgement": _Rule(pausing.acknowledgement, Role.LAB),
        "motion": _Rule(motions.motion),
        "vote": _Rule(votes.vote),
        "drill_commitment": _Rule(progress.commitment, Role.AUDITOR),
        "handover": _Rule(handover, Role.COORDINATOR),
        "drill_part": _Rule(progress.part, Role.AUDITOR),
    }
)
