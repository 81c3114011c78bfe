from fractions import Fraction
from itertools import combinations

import pytest

from fermata.crypto.paillier import check_modulus
from fermata.crypto.threshold import factor_proof, modulus_proof
from fermata.crypto.threshold.dealer import deal
from fermata.crypto.threshold.key_record import (
    DELTA,
    MASK_SLACK_BITS,
    check_key,
    key_id,
    share_head,
    share_offset_bits,
    verification_base,
)
from fermata.crypto.threshold.opening import check_share
from harness.crypto.keys import CONTEXT, SeededEntropy, dealt, primes


@pytest.mark.parametrize(("bits", "threshold", "auditors"), [(256, 1, 1), (320, 2, 3), (512, 7, 7)])
def test_a_dealt_key_passes_every_check_of_a_lab_and_of_an_auditor(
    bits: int, threshold: int, auditors: int
) -> None:
    key = deal(bits, threshold, auditors, SeededEntropy("deal"), CONTEXT)
    check_modulus(key.record.n, bits)
    check_key(key.record)
    modulus_proof.verify(key.record.n, key.modulus_proof, CONTEXT)
    factor_proof.verify(key.record.n, key.factor_proof, CONTEXT)
    assert key.record.origin == "dealer"
    assert (key.record.kappa, key.record.theta, key.record.epoch) == (DELTA, 1, 1)
    assert [s.index for s in key.shares] == list(range(1, auditors + 1))
    for share in key.shares:
        check_share(key.record, share)
        assert share.key_id == key_id(key.record)


def test_the_primes_are_3_mod_4_far_apart_and_give_the_exact_length() -> None:
    p, q = primes()
    assert p % 4 == q % 4 == 3
    assert p.bit_length() == q.bit_length() == 256
    assert (p * q).bit_length() == 512
    assert abs(p - q).bit_length() > 256 - 100


def test_shares_lie_on_one_polynomial_whose_constant_is_the_root_exponent() -> None:
    p, q = primes()
    n, values = p * q, [s.value for s in dealt().shares]
    constant = 3 * values[0] - 3 * values[1] + values[2]
    assert constant * n % (p - 1) == DELTA % (p - 1)
    assert constant * n % (q - 1) == DELTA % (q - 1)
    assert constant % DELTA == 0
    assert values[3] == values[0] - 3 * values[1] + 3 * values[2]
    base = verification_base(n)
    assert dealt().record.verification == tuple(pow(base, DELTA * s, n) for s in values)


def coefficients(points: list[tuple[int, int]]) -> list[Fraction]:
    """Of the polynomial through three points, constant first."""
    (a, f_a), (b, f_b), (c, f_c) = points
    first = Fraction(f_b - f_a, b - a)
    second = (Fraction(f_c - f_b, c - b) - first) / (c - a)
    return [f_a - first * a + second * a * b, first - second * (a + b), second]


@pytest.mark.parametrize("pair", list(combinations(range(1, 6), 2)))
def test_two_shares_of_three_fit_every_root_exponent(pair: tuple[int, int]) -> None:
    """Shares of d instead of Delta*d would tell d modulo the product of the two indices."""
    shares = dealt().shares
    held = [(i, shares[i - 1].value) for i in pair]
    secret = int(coefficients([(s.index, s.value) for s in shares[:3]])[0])
    bound = 1 << share_offset_bits(dealt().record.n)
    for change in (1, -1, 2, 3, 5, 7, 12345):
        other = coefficients([(0, secret + DELTA * change), *held])
        assert all(a_k.denominator == 1 for a_k in other)
        assert all(bound <= a_k < 2 * bound for a_k in other[1:])
    product = pair[0] * pair[1]
    without = [
        {a_k.denominator for a_k in coefficients([(0, secret + change), *held])}
        for change in range(1, product)
    ]
    assert {1} not in without


def test_fewer_shares_than_the_threshold_are_masked_far_beyond_the_secret() -> None:
    offset = share_offset_bits(dealt().record.n)
    rests = [s.value - (share_head(s.index, 3) << offset) for s in dealt().shares]
    assert min(rests) > dealt().record.n << 128


@pytest.mark.parametrize(("threshold", "auditors"), [(2, 3), (3, 5), (4, 7), (7, 7)])
def test_the_length_of_every_exponent_follows_from_public_numbers(
    threshold: int, auditors: int
) -> None:
    key = dealt(256, threshold, auditors)
    offset = share_offset_bits(key.record.n)
    for share in key.shares:
        head = DELTA * share_head(share.index, threshold)
        assert (DELTA * share.value).bit_length() == head.bit_length() + offset


def test_the_largest_dealt_share_stays_below_the_next_head() -> None:
    """7 auditors, all of them needed, and every coefficient as large as it can be."""
    bits = 512
    rest = sum(((1 << bits + MASK_SLACK_BITS) - 1) * 7**k for k in range(1, 7))
    assert DELTA * (rest + DELTA * (1 << bits)) < 1 << share_offset_bits(1 << bits - 1)


def test_the_same_entropy_gives_the_same_key_and_other_entropy_another() -> None:
    again = deal(256, 3, 5, SeededEntropy("dealt 256 3 5"), CONTEXT)
    other = deal(256, 3, 5, SeededEntropy("other"), CONTEXT)
    assert again == dealt(256)
    assert other.record.n != again.record.n


def test_progress_is_told_step_by_step() -> None:
    steps: list[str] = []
    deal(256, 1, 1, SeededEntropy("steps"), CONTEXT, steps.append)
    assert steps == ["two primes", "proofs of the modulus", "shares"]


@pytest.mark.parametrize(
    ("bits", "threshold", "auditors"),
    [
        (255, 1, 1),
        (192, 1, 1),
        (4160, 1, 1),
        (512, 0, 3),
        (512, 4, 3),
        (512, 1, 0),
        (512, 2, 8),
        (512, 5, 20),
    ],
)
def test_l17_impossible_parameters_are_misuse(bits: int, threshold: int, auditors: int) -> None:
    with pytest.raises(ValueError):
        deal(bits, threshold, auditors, SeededEntropy("no"), CONTEXT)
