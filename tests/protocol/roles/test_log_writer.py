"""The coordinator's log: what it admits, from whom, and what it promises."""

from collections.abc import Callable

import pytest

from fermata.errors import (
    FermataError,
    IdentityError,
    InvalidEncoding,
    InvalidProof,
    InvalidSignature,
    Refusal,
    StorageError,
)
from fermata.log.checkpoint import Checkpoint, parse_note, sign_checkpoint
from fermata.log.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from fermata.memory_store import MemoryStore
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, decode, sha256
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import Receipt
from fermata.protocol.wire.submission import READ_BYTES_MAX
from fermata.types import Role
from fermata.wire.v1 import envelope_pb2, statement_pb2
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, Chain, chain_at, cosigned
from harness.forged import set_digest


def ledger_of(chain: Chain) -> LogWriter:
    """A ledger that has logged what the chain has."""
    keys, charter = chain.deployment.keys, chain.deployment.charter
    replica = Replica(charter, MemoryStore(), MODULUS_BITS_MIN)
    ledger = LogWriter(replica, keys[COORDINATOR])
    for leaf, verdict in zip(chain.leaves, chain.verdicts, strict=True):
        entry = decode(envelope_pb2.LogEntry, leaf)
        sealed = sealed_of(chain, entry.envelope) if verdict.kind == "Report" else b""
        ledger.append(entry.envelope, sealed)
    return ledger


def envelope_in(leaf: bytes) -> bytes:
    return decode(envelope_pb2.LogEntry, leaf).envelope


def sealed_of(chain: Chain, envelope: bytes) -> bytes:
    return chain.fetch(statement_of(unseal(envelope)).report.sealed_sha256)


def refused(kind: type[FermataError], reason: str, call: Callable[[], object]) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.reason == reason


def test_the_ledger_comes_to_the_state_of_the_fold(opened: Chain) -> None:
    ledger = ledger_of(opened)
    assert ledger.size() == len(opened.leaves)
    assert ledger.state.rounds[0].opening is not None


def test_a_receipt_proves_that_the_envelope_is_logged(collecting: Chain) -> None:
    ledger = ledger_of(collecting)
    statement = collecting.report_statement("lab-2")
    envelope = collecting.seal(statement)
    receipt = ledger.append_as(Role.LAB, "lab-2", envelope, sealed_of(collecting, envelope))
    assert receipt.entry == ledger.size() - 1
    head = ledger.replica.open_checkpoint(receipt.checkpoint)
    verify_inclusion(
        leaf_hash(receipt.leaf), receipt.entry, head.size, receipt.inclusion_proof, head.root
    )
    assert envelope_in(receipt.leaf) == envelope
    ledger.replica.check_receipt(envelope, receipt)


def test_a_retry_gets_the_same_receipt_also_later(reported: Chain) -> None:
    ledger = ledger_of(reported)
    envelope = envelope_in(reported.leaves[reported.round.reports["lab-1"].entry])
    first = ledger.append_as(Role.LAB, "lab-1", envelope, sealed_of(reported, envelope))
    size = ledger.size()
    ledger.append(reported.seal(reported.close_statement()))
    assert ledger.append_as(Role.LAB, "lab-1", envelope) == first
    assert ledger.size() == size + 1


def test_a_refused_statement_leaves_the_log_as_it_was(collecting: Chain) -> None:
    ledger = ledger_of(collecting)
    before = (ledger.size(), ledger.checkpoint(), ledger.state)
    late = collecting.deployment.statement("lab-2", abstention=statement_pb2.Abstention(round=2))
    envelope = collecting.seal(late)
    refused(Refusal, "NO_ROUND", lambda: ledger.append_as(Role.LAB, "lab-2", envelope))
    refused(InvalidEncoding, "ENCODING", lambda: ledger.append_as(Role.LAB, "lab-2", b"garbage"))
    forged = collecting.seal(late, "lab-3")
    refused(InvalidSignature, "SIGNERS", lambda: ledger.append_as(Role.LAB, "lab-2", forged))
    large = b"\x00" * (ENVELOPE_BYTES_MAX + 1)
    refused(InvalidEncoding, "SIZE", lambda: ledger.append_as(Role.LAB, "lab-2", large))
    assert (ledger.size(), ledger.checkpoint(), ledger.state) == before


def test_a_caller_sends_only_its_own_statements(collecting: Chain) -> None:
    ledger = ledger_of(collecting)
    statement = collecting.deployment.statement(
        "lab-2", abstention=statement_pb2.Abstention(round=1)
    )
    envelope = collecting.seal(statement)
    refused(IdentityError, "NOT_AUTHOR", lambda: ledger.append_as(Role.LAB, "lab-3", envelope))
    assert ledger.append(envelope).entry == len(collecting.leaves)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: b"", "SEALED_DIGEST"),
        (lambda data: data[:-1], "SEALED_DIGEST"),
        (lambda data: data + b"\x12\x00", "SEALED_DIGEST"),
    ],
)
def test_a_report_without_the_sealed_part_that_it_names_is_refused(
    collecting: Chain, change: Callable[[bytes], bytes], reason: str
) -> None:
    ledger = ledger_of(collecting)
    envelope = collecting.seal(collecting.report_statement("lab-2"))
    sealed = change(sealed_of(collecting, envelope))
    refused(Refusal, reason, lambda: ledger.append_as(Role.LAB, "lab-2", envelope, sealed))
    assert ledger.size() == len(collecting.leaves)


def test_only_a_report_has_a_sealed_part(collecting: Chain) -> None:
    ledger = ledger_of(collecting)
    statement = collecting.deployment.statement(
        "lab-2", abstention=statement_pb2.Abstention(round=1)
    )
    envelope = collecting.seal(statement)
    refused(InvalidEncoding, "SEALED", lambda: ledger.append_as(Role.LAB, "lab-2", envelope, b"x"))


def test_sealed_parts_are_handed_out_by_digest(reported: Chain) -> None:
    ledger = ledger_of(reported)
    digest = reported.round.reports["lab-3"].sealed_sha256
    assert sha256(ledger.fetch_sealed(digest)) == digest
    refused(Refusal, "NO_SEALED", lambda: ledger.fetch_sealed(b"\x01" * 32))


def wrong_endorsement(closed: Chain, auditor: str, fill: bytes) -> bytes:
    statement = closed.endorsement_statement(auditor)
    statement.endorsement.aggregate_sha256 = fill * 32
    return closed.seal(statement)


def test_evidence_is_logged_once_a_party_and_reason_and_round(closed: Chain) -> None:
    ledger = ledger_of(closed)
    size = ledger.size()
    for fill in (b"\x01", b"\x02", b"\x01"):
        envelope = wrong_endorsement(closed, "auditor-1", fill)
        refused(
            Refusal,
            "WRONG_CLOSE",
            lambda envelope=envelope: ledger.append_as(Role.AUDITOR, "auditor-1", envelope),  # type: ignore[misc]
        )
        assert ledger.size() == size + 1
    other = wrong_endorsement(closed, "auditor-2", b"\x01")
    refused(Refusal, "WRONG_CLOSE", lambda: ledger.append_as(Role.AUDITOR, "auditor-2", other))
    assert ledger.size() == size + 2
    assert {v.author for v in ledger.replica.rejected} == {"auditor-1", "auditor-2"}
    assert ledger.state.rounds[0].endorsements == {}


def test_a_copied_report_is_evidence_and_the_close_names_it(reported: Chain) -> None:
    ledger = ledger_of(reported)
    copied = reported.report_statement("lab-3")
    theirs = reported.round.reports["lab-2"].parts[0].ciphertext_sha256[0]
    set_digest(copied.report.parts[0], 0, theirs)
    envelope = reported.seal(copied)
    refused(Refusal, "CT_DUPLICATE", lambda: ledger.append_as(Role.LAB, "lab-3", envelope))
    entry = len(reported.leaves)
    assert ledger.state.rounds[0].excluded == ((entry, "CT_DUPLICATE"),)
    refused(Refusal, "CT_DUPLICATE", lambda: ledger.append_as(Role.LAB, "lab-3", envelope))
    assert ledger.size() == entry + 1


def test_reading_gives_at_least_one_leaf_and_no_more_than_fits(opened: Chain) -> None:
    ledger = ledger_of(opened)
    assert ledger.read(0, 1000) == ledger.replica.store.leaves(0, ledger.size())
    assert ledger.read(2, 0) == ledger.replica.store.leaves(2, 3)
    assert ledger.read(ledger.size(), 5) == []
    assert ledger.read(10**9, 5) == []
    assert sum(map(len, ledger.read(0, 1000))) <= READ_BYTES_MAX


def test_proofs_are_given_for_every_size_the_log_had(opened: Chain) -> None:
    ledger = ledger_of(opened)
    tree, size = ledger.replica.tree, ledger.size()
    leaves = ledger.read(0, size)
    for old in range(1, size + 1):
        proof = ledger.prove_consistency(old, size)
        verify_consistency(old, tree.root(old), size, tree.root(), proof)
    for entry in range(size):
        path = ledger.prove_inclusion(entry, size)
        verify_inclusion(leaf_hash(leaves[entry]), entry, size, path, tree.root())
    for start, stop in ((-1, 1), (3, 2), (0, size + 1)):
        refused(Refusal, "RANGE", lambda a=start, b=stop: ledger.prove_consistency(a, b))  # type: ignore[misc]
        refused(Refusal, "RANGE", lambda a=start, b=stop: ledger.prove_inclusion(a, b))  # type: ignore[misc]


def test_an_empty_log_has_no_head() -> None:
    refused(Refusal, "EMPTY_LOG", ledger_of(chain_at("empty")).checkpoint)


# Cosignatures.


def test_cosignatures_of_auditors_are_kept_and_handed_out(keyed: Chain) -> None:
    ledger = ledger_of(keyed)
    plain = ledger.checkpoint()
    for auditor in ("auditor-3", "auditor-1"):
        ledger.add_cosignature_as(auditor, cosigned(keyed.deployment, plain, auditor))
    names = sorted(s.name for s in parse_note(ledger.checkpoint()).signatures)
    assert names == [
        "tests.fermata/auditor/auditor-1",
        "tests.fermata/auditor/auditor-3",
        "tests.fermata/log",
    ]


def test_only_an_auditor_cosigns_and_only_for_itself(keyed: Chain) -> None:
    ledger = ledger_of(keyed)
    note = cosigned(keyed.deployment, ledger.checkpoint(), "auditor-1")
    refused(IdentityError, "WRONG_ROLE", lambda: ledger.add_cosignature_as("lab-1", note))
    refused(InvalidSignature, "UNSIGNED", lambda: ledger.add_cosignature_as("auditor-2", note))
    refused(IdentityError, "WRONG_ROLE", lambda: ledger.add_cosignature(note))


def test_a_cosignature_of_another_head_is_refused(keyed: Chain, collecting: Chain) -> None:
    ledger = ledger_of(keyed)
    longer = cosigned(keyed.deployment, ledger_of(collecting).checkpoint(), "auditor-1")
    refused(Refusal, "NOT_OUR_HEAD", lambda: ledger.add_cosignature_as("auditor-1", longer))


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_a_head_that_the_coordinators_key_signed_for_another_log_is_refused(
    keyed: Chain, size: int
) -> None:
    """A stolen key, or a coordinator that shows two logs, signs other heads of any size."""
    ledger = ledger_of(keyed)
    charter, key = keyed.deployment.charter, keyed.deployment.keys[COORDINATOR]
    other = Checkpoint(charter.log_origin, size, sha256(b"another log") if size else EMPTY_ROOT)
    head = sign_checkpoint(other, charter.log_origin, key.sign, key.public_key)
    note = cosigned(keyed.deployment, head, "auditor-1")
    refused(Refusal, "NOT_OUR_HEAD", lambda: ledger.add_cosignature_as("auditor-1", note))
    assert not ledger.replica.store.cosignatures(size)


def test_a_head_that_the_log_had_before_may_still_be_cosigned(keyed: Chain) -> None:
    ledger = ledger_of(keyed)
    note, size = cosigned(keyed.deployment, ledger.checkpoint(), "auditor-1"), ledger.size()
    ledger.append(keyed.seal(keyed.open_round_statement()))
    ledger.add_cosignature_as("auditor-1", note)
    assert set(ledger.replica.store.cosignatures(size)) == {"auditor-1"}
    assert len(parse_note(ledger.checkpoint()).signatures) == 1


# Restart.


def test_a_restarted_ledger_goes_on_where_it_was(reported: Chain) -> None:
    ledger = ledger_of(reported)
    again = Replica(reported.deployment.charter, ledger.replica.store, MODULUS_BITS_MIN)
    assert again.state == ledger.state
    assert again.tree.root() == ledger.replica.tree.root()
    restarted = LogWriter(again, reported.deployment.keys[COORDINATOR])
    assert restarted.checkpoint() == ledger.checkpoint()


@pytest.mark.parametrize("damage", ["leaf", "checkpoint", "encoding", "none", "extra"])
def test_a_store_that_does_not_fit_its_head_is_data_loss(keyed: Chain, damage: str) -> None:
    store = ledger_of(keyed).replica.store
    assert isinstance(store, MemoryStore)
    leaves, note = store.leaves(0, 2), store.checkpoint()
    assert note is not None
    broken = MemoryStore()
    if damage == "leaf":
        leaves[1] = leaves[1][:-1] + bytes([leaves[1][-1] ^ 1])
    elif damage == "checkpoint":
        note = note.replace(b"\n2\n", b"\n3\n")
    elif damage == "encoding":
        note = note[:-1]
    elif damage == "extra":
        leaves.append(leaves[1])
    broken.extend(0, leaves, note)
    if damage == "none":
        broken._checkpoint = None
    refused(
        StorageError,
        "DATA_LOSS",
        lambda: Replica(keyed.deployment.charter, broken, MODULUS_BITS_MIN),
    )


def test_a_receipt_for_another_envelope_or_without_proof_is_refused(collecting: Chain) -> None:
    ledger = ledger_of(collecting)
    envelope = envelope_in(collecting.leaves[2])
    receipt = ledger.append(envelope)
    check = ledger.replica.check_receipt
    check(envelope, receipt)
    refused(InvalidProof, "RECEIPT", lambda: check(b"another", receipt))
    cut = Receipt(receipt.entry, receipt.leaf, receipt.checkpoint, receipt.inclusion_proof[1:])
    refused(InvalidProof, "INCLUSION", lambda: check(envelope, cut))
    moved = Receipt(0, receipt.leaf, receipt.checkpoint, receipt.inclusion_proof)
    refused(InvalidProof, "INCLUSION", lambda: check(envelope, moved))
    forged = receipt.checkpoint.replace(b"\n3\n", b"\n4\n")
    unsigned = Receipt(receipt.entry, receipt.leaf, forged, receipt.inclusion_proof)
    refused(InvalidSignature, "SIGNATURE", lambda: check(envelope, unsigned))
