"""What a process remembers of proofs that it has checked: all inputs, only what held, not much."""

import dataclasses

import pytest

from fermata.crypto.paillier import PublicKey
from fermata.crypto.report import batch as proof_batch
from fermata.crypto.report import proof_cache as proven
from fermata.crypto.report.batch import BatchItem, InvalidBatch, verify_batch
from fermata.crypto.report.codec import SealedProof
from fermata.crypto.report.link import PaillierEquation
from fermata.crypto.report.proof_cache import ProofCache, proof_digests
from fermata.crypto.report.verifier import verify
from fermata.errors import InvalidProof
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


def forbid(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*args: object) -> None:
        pytest.fail(f"{name} was called again")

    monkeypatch.setattr(proof_batch, name, fail)


@pytest.mark.parametrize("item", [ITEM, OPEN])
def test_what_was_checked_is_not_checked_again(
    item: BatchItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ProofCache()
    verify_batch(KEY, [item], bytes(32), known)
    forbid(monkeypatch, "parse_open")
    verify_batch(KEY, [item], bytes(32), known)
    verify_batch(KEY, [OPEN], bytes(32), known)
    verify_batch(KEY, [OPEN], b"\1" * 32, known)


def test_after_its_open_part_only_the_sealed_part_of_a_proof_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = ProofCache()
    verify_batch(KEY, [OPEN], bytes(32), known)
    forbid(monkeypatch, "ec2_equation")
    verify_batch(KEY, [ITEM], bytes(32), known)
    good = best_effort(sample(), SAMPLE_VALUES).plaintexts[0]
    bad = forge(sample(), best_effort(sample(), SAMPLE_VALUES, plaintexts=(good + 1,)), WHERE)
    known.add(proof_digests(sample(), KEY, WHERE, bad.open_part, None))
    with pytest.raises(InvalidBatch, match="PA"):
        verify_batch(
            KEY,
            [BatchItem(sample(), WHERE, bad.open_part, bad.sealed)],
            bytes(32),
            known,
        )


def test_a_check_at_the_door_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    known = ProofCache()
    verify(sample(), KEY, WHERE, REPORT.open_part, REPORT.sealed, cache=known)
    forbid(monkeypatch, "parse_open")
    verify_batch(KEY, [ITEM, OPEN], bytes(32), known)


def test_what_failed_is_not_remembered() -> None:
    known = ProofCache()
    forged = forge(sample(), best_effort(sample(), (250, 20, 5001, 1, 0, 1)), WHERE)
    bad = BatchItem(sample(), WHERE, forged.open_part, forged.sealed)
    for _ in range(2):
        with pytest.raises(InvalidBatch, match="EC3") as caught:
            verify_batch(KEY, [ITEM, bad], bytes(32), known)
        assert set(caught.value.failures) == {1}
    with pytest.raises(InvalidProof):
        verify(sample(), KEY, WHERE, bad.open_part, bad.sealed, cache=known)
    assert not any(digest in known for digest in bad.digests(KEY))
    assert ITEM.digests(KEY)[0] in known


def test_memory_does_not_change_which_weights_an_item_gets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = BatchItem(
        sample(),
        dataclasses.replace(CONTEXT, lab_id=b"lab-2"),
        sample_report(b"lab-2").open_part,
        sample_report(b"lab-2").sealed,
    )
    weighed: list[list[int]] = []
    true_holds = proof_batch.paillier_holds

    def recorded(key: PublicKey, equations: list[PaillierEquation], weights: list[int]) -> bool:
        weighed.append(list(weights))
        return true_holds(key, equations, weights)

    monkeypatch.setattr(proof_batch, "paillier_holds", recorded)
    verify_batch(KEY, [ITEM, other], bytes(32))
    known = ProofCache()
    known.add(ITEM.digests(KEY))
    verify_batch(KEY, [ITEM, other], bytes(32), known)
    both, alone = weighed
    assert both[len(both) // 2 :] == alone


def test_the_verdict_about_a_round_is_remembered_under_its_leaf_hash_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sealed part that passed among others is not remembered as one that passes alone."""
    known = ProofCache()
    verify_batch(KEY, [ITEM], b"\1" * 32, known)
    assert ITEM.digests(KEY)[0] in known
    assert ITEM.digests(KEY)[1] not in known
    asked: list[int] = []
    true_holds = proof_batch.paillier_holds

    def recorded(key: PublicKey, equations: list[PaillierEquation], weights: list[int]) -> bool:
        asked.append(len(equations))
        return true_holds(key, equations, weights)

    monkeypatch.setattr(proof_batch, "paillier_holds", recorded)
    verify_batch(KEY, [ITEM], b"\1" * 32, known)
    assert asked == []
    verify_batch(KEY, [ITEM], b"\2" * 32, known)
    assert asked == [1]


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
