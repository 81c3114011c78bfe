from dataclasses import replace
from itertools import combinations

import pytest

from fermata.crypto.integers import powmod
from fermata.crypto.threshold.drill import (
    DrillFindings,
    check_drill_part,
    drill_commitment,
    drill_part,
    drill_root,
    judge_drill,
)
from fermata.crypto.threshold.key_record import DELTA, epoch_id
from fermata.crypto.threshold.opening import combine
from fermata.errors import InvalidEncoding, InvalidProof, VerificationError
from harness.crypto.keys import SeededEntropy, dealt, encrypt_with_root, primes
from harness.crypto.next_epochs import Epoch

KEY = dealt()
RECORD, N = KEY.record, KEY.record.n
ROSTER = ("a1", "a2", "a3", "a4", "a5")
EPOCH = epoch_id(RECORD, ROSTER)
LEAF = bytes(range(32))
ROOT = drill_root(N, EPOCH, 7, LEAF)
ENTROPY = SeededEntropy("drill")
PARTS = {s.index: drill_part(RECORD, s, ROOT, ENTROPY) for s in KEY.shares}


def test_right_parts_of_any_t_or_more_agree() -> None:
    for size in (3, 4, 5):
        for group in combinations(PARTS, size):
            found = judge_drill(RECORD, ROOT, {i: PARTS[i] for i in group})
            assert found == DrillFindings(size, ())
            assert found.is_enough(RECORD) == (size >= 4)


def test_fewer_parts_than_t_say_nothing() -> None:
    for size in (0, 1, 2):
        assert judge_drill(RECORD, ROOT, dict(list(PARTS.items())[:size])) == DrillFindings(0, ())
    wrong = {1: 5, 2: 7}
    assert judge_drill(RECORD, ROOT, wrong) == DrillFindings(0, ())


def test_an_auditor_whose_part_is_wrong_is_named_and_does_not_count() -> None:
    found = judge_drill(RECORD, ROOT, {**PARTS, 2: 4})
    assert found == DrillFindings(4, (2,))
    assert found.is_enough(RECORD)
    found = judge_drill(RECORD, ROOT, {**PARTS, 2: 4, 5: 9})
    assert found == DrillFindings(3, (2, 5))
    assert not found.is_enough(RECORD)


def test_three_wrong_parts_of_five_leave_nobody_who_could_open() -> None:
    assert judge_drill(RECORD, ROOT, {**PARTS, 1: 3, 2: 4, 5: 9}).agreeing == 0


def test_a_share_of_the_epoch_before_is_refused_and_its_part_would_be_wrong() -> None:
    first = Epoch(RECORD, {s.index: s for s in KEY.shares})
    second = first.refreshed()
    with pytest.raises(InvalidProof) as error:
        drill_part(second.record, KEY.shares[0], ROOT, ENTROPY)
    assert error.value.reason == "SHARE"
    parts = {i: drill_part(second.record, s, ROOT, ENTROPY) for i, s in second.shares.items()}
    old = pow(ROOT, N * DELTA * KEY.shares[0].value, N)
    assert judge_drill(second.record, ROOT, {**parts, 1: old}) == DrillFindings(4, (1,))


def test_where_every_auditor_is_needed_all_of_them_are_enough() -> None:
    key = dealt(256, 3, 3)
    root = drill_root(key.record.n, EPOCH, 1, LEAF)
    parts = {s.index: drill_part(key.record, s, root, ENTROPY) for s in key.shares}
    assert judge_drill(key.record, root, parts).is_enough(key.record)


def test_a_drill_opens_what_everybody_knows() -> None:
    ciphertext = encrypt_with_root(N, 0, ROOT)
    opening = combine(RECORD, ciphertext, PARTS)
    assert opening is not None
    assert (opening.plaintext, opening.root) == (0, ROOT)


@pytest.mark.parametrize("other", [(EPOCH, 8, LEAF), (bytes(32), 7, LEAF), (EPOCH, 7, bytes(32))])
def test_every_drill_has_a_root_of_its_own(other: tuple[bytes, int, bytes]) -> None:
    assert drill_root(N, *other) != ROOT


def test_a_root_that_is_no_unit_is_refused() -> None:
    """With 3 for n, a third of all roots."""
    reasons = []
    for number in range(100):
        try:
            drill_root(3, EPOCH, number, LEAF)
        except InvalidProof as error:
            reasons.append(error.reason)
    assert 10 < len(reasons) < 60
    assert set(reasons) == {"DRILL_ROOT"}


def test_t_minus_one_parts_and_the_root_give_every_other_part_without_a_share() -> None:
    """Why there are commitments: what K26 says an auditor that has lost its share could show."""
    # lambda_1 = 3 Delta, lambda_2 = -3 Delta, lambda_3 = Delta.
    whole = powmod(ROOT, RECORD.scale, N)
    left = whole * powmod(PARTS[1], -3 * DELTA, N) * powmod(PARTS[2], 3 * DELTA, N) % N
    assert left == powmod(PARTS[3], DELTA, N)


NONCE = bytes(range(32, 64))
COMMITMENT = drill_commitment(RECORD, EPOCH, 7, 2, NONCE, PARTS[2])


def test_a_part_that_its_auditor_committed_to_passes() -> None:
    check_drill_part(RECORD, EPOCH, 7, 2, NONCE, PARTS[2], COMMITMENT)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"epoch": bytes(32)}, "DRILL_COMMITMENT"),
        ({"number": 8}, "DRILL_COMMITMENT"),
        ({"index": 3}, "DRILL_COMMITMENT"),
        ({"nonce": bytes(32)}, "DRILL_COMMITMENT"),
        ({"part": PARTS[3]}, "DRILL_COMMITMENT"),
        ({"part": N - PARTS[2]}, "DRILL_COMMITMENT"),
        ({"commitment": bytes(32)}, "DRILL_COMMITMENT"),
        ({"nonce": bytes(31)}, "LENGTH"),
        ({"part": 1}, "PART_RANGE"),
        ({"part": N + 2}, "PART_RANGE"),
        ({"part": 3 * primes()[0]}, "PART_NOT_UNIT"),
    ],
)
def test_another_part_than_was_committed_to_is_refused(
    change: dict[str, object], reason: str
) -> None:
    said: dict[str, object] = {
        "epoch": EPOCH,
        "number": 7,
        "index": 2,
        "nonce": NONCE,
        "part": PARTS[2],
        "commitment": COMMITMENT,
    }
    with pytest.raises(VerificationError) as error:
        check_drill_part(RECORD, **{**said, **change})  # type: ignore[arg-type]
    assert error.value.reason == reason


def test_a_nonce_of_another_length_is_refused_before_it_is_published() -> None:
    with pytest.raises(InvalidEncoding):
        drill_commitment(RECORD, EPOCH, 7, 2, b"", PARTS[2])


def test_a_damaged_share_gives_no_part() -> None:
    with pytest.raises(InvalidProof) as error:
        drill_part(RECORD, replace(KEY.shares[0], value=5), ROOT, ENTROPY)
    assert error.value.reason == "SHARE"
