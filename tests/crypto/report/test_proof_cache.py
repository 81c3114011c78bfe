"""What a process remembers of proofs that it has checked: all inputs, only what held, not much."""

import dataclasses

import pytest

from fermata.crypto.report import batch as proof_batch
from fermata.crypto.report import proof_cache as proven
from fermata.crypto.report.batch import BatchItem, InvalidBatch, verify_batch
from fermata.crypto.report.codec import SealedProof
from fermata.crypto.report.proof_cache import ProofCache, proof_digests
from fermata.crypto.report.verifier import verify
from fermata.errors import InvalidProof
from harness.crypto.keys import SeededEntropy
from harness.crypto.proof_world import (
    CONTEXT,
    SAMPLE_VALUES,
    best_effort,
    forge,
    public_key,
    sample,
    sample_report,
)

KEY = public_key()
LAB = b"lab-1"
WHERE = dataclasses.replace(CONTEXT, lab_id=LAB)
REPORT = sample_report(LAB)
ITEM = BatchItem(sample(), WHERE, REPORT.open_part, REPORT.sealed)
OPEN = dataclasses.replace(ITEM, sealed=None)


class Counted:
    def __init__(self) -> None:
        self.source, self.sizes = SeededEntropy("weights"), []

    def __call__(self, size: int) -> bytes:
        self.sizes.append(size)
        return self.source(size)


def forbid(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*args: object) -> None:
        pytest.fail(f"{name} was called again")

    monkeypatch.setattr(proof_batch, name, fail)


@pytest.mark.parametrize("item", [ITEM, OPEN])
def test_what_was_checked_is_not_checked_again(
    item: BatchItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ProofCache()
    verify_batch(KEY, [item], SeededEntropy("weights"), known)
    forbid(monkeypatch, "parse_open")
    verify_batch(KEY, [item], SeededEntropy("weights"), known)
    verify_batch(KEY, [OPEN], SeededEntropy("weights"), known)


def test_after_its_open_part_only_the_sealed_part_of_a_proof_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = ProofCache()
    verify_batch(KEY, [OPEN], SeededEntropy("weights"), known)
    forbid(monkeypatch, "ec2_equation")
    verify_batch(KEY, [ITEM], SeededEntropy("weights"), known)
    good = best_effort(sample(), SAMPLE_VALUES).plaintexts[0]
    bad = forge(sample(), best_effort(sample(), SAMPLE_VALUES, plaintexts=(good + 1,)), WHERE)
    known.add(proof_digests(sample(), KEY, WHERE, bad.open_part, None))
    with pytest.raises(InvalidBatch, match="PA"):
        verify_batch(
            KEY,
            [BatchItem(sample(), WHERE, bad.open_part, bad.sealed)],
            SeededEntropy("weights"),
            known,
        )


def test_a_check_at_the_door_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    known = ProofCache()
    verify(sample(), KEY, WHERE, REPORT.open_part, REPORT.sealed, cache=known)
    forbid(monkeypatch, "parse_open")
    verify_batch(KEY, [ITEM, OPEN], SeededEntropy("weights"), known)


def test_what_failed_is_not_remembered() -> None:
    known = ProofCache()
    forged = forge(sample(), best_effort(sample(), (250, 20, 5001, 1, 0, 1)), WHERE)
    bad = BatchItem(sample(), WHERE, forged.open_part, forged.sealed)
    for _ in range(2):
        with pytest.raises(InvalidBatch, match="EC3") as caught:
            verify_batch(KEY, [ITEM, bad], SeededEntropy("weights"), known)
        assert set(caught.value.failures) == {1}
    with pytest.raises(InvalidProof):
        verify(sample(), KEY, WHERE, bad.open_part, bad.sealed, cache=known)
    assert not any(digest in known for digest in bad.digests(KEY))
    assert all(digest in known for digest in ITEM.digests(KEY))


def test_memory_does_not_change_what_is_drawn() -> None:
    known, first, second = ProofCache(), Counted(), Counted()
    for entropy in (first, second):
        verify_batch(KEY, [ITEM, OPEN], entropy, known)
    assert first.sizes == second.sizes


def test_a_digest_covers_every_input_of_a_check() -> None:
    sealed = REPORT.sealed
    shifted = SealedProof(
        (*sealed.ciphertexts, sealed.announcements[0]), sealed.announcements[1:], sealed.exponents
    )
    moved = SealedProof(
        (sealed.ciphertexts[0] + b"x",), (sealed.announcements[0][1:],), sealed.exponents
    )
    changes = [
        {"open_part": REPORT.open_part + b"\0"},
        {"context": dataclasses.replace(WHERE, lab_id=b"lab-2")},
        {"context": dataclasses.replace(WHERE, round_id=WHERE.round_id + b"\1")},
        {"context": dataclasses.replace(WHERE, charter_hash=bytes(32))},
        {"statements": dataclasses.replace(sample(), headroom_bits=9)},
        {"sealed": shifted},
        {"sealed": moved},
        {"sealed": SealedProof((), (), ())},
    ]
    found = [ITEM.digests(KEY), *(dataclasses.replace(ITEM, **c).digests(KEY) for c in changes)]
    found.append(ITEM.digests(public_key(256)))
    assert len({whole for _, whole in found}) == len(found)
    assert len({first for first, _ in found}) == 7
    assert ITEM.digests(KEY)[:1] == OPEN.digests(KEY)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proven, "PROOF_CACHE_MAX", 3)
    known = ProofCache()
    known.add([b"a", b"b"])
    known.add([b"c"])
    assert b"a" in known
    known.add([b"d"])
    assert b"a" not in known
    assert b"d" in known
