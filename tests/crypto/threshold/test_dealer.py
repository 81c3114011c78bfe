import pytest

from fermata.crypto.paillier import check_modulus
from fermata.crypto.threshold import factor_proof, modulus_proof
from fermata.crypto.threshold.dealer import deal
from fermata.crypto.threshold.key_record import DELTA, check_key, key_id, verification_base
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
    assert (key.record.kappa, key.record.theta, key.record.epoch) == (1, 1, 1)
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
    assert constant * n % (p - 1) == 1
    assert constant * n % (q - 1) == 1
    assert values[3] == values[0] - 3 * values[1] + 3 * values[2]
    base = verification_base(n)
    assert dealt().record.verification == tuple(pow(base, DELTA * s, n) for s in values)


def test_fewer_shares_than_the_threshold_are_masked_far_beyond_the_secret() -> None:
    assert min(s.value for s in dealt().shares) > dealt().record.n << 128


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
