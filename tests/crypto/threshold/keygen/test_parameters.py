from math import gcd, prod

import pytest

from fermata.crypto.threshold.keygen.parameters import (
    STEP,
    Parameters,
    first_modulus_above,
    parameters_of,
    residue_weights,
)

ALL = [parameters_of(bits, count) for bits in (256, 512, 2048, 3072) for count in range(3, 8)]


@pytest.mark.parametrize(("bits", "largest"), [(2048, 683), (3072, 1049)])
def test_the_sieve_has_the_primes_that_the_specification_gives(bits: int, largest: int) -> None:
    parameters = parameters_of(bits, 3)
    assert parameters.sieve_bound == largest
    assert parameters.sieve == prod(
        p for p in range(11, largest + 1) if all(p % d for d in range(2, p))
    )


@pytest.mark.parametrize(
    ("bits", "candidates", "survivors"), [(2048, 3730, 1140), (3072, 7390, 2570)]
)
def test_the_expected_work_is_what_the_specification_gives(
    bits: int, candidates: int, survivors: int
) -> None:
    parameters = parameters_of(bits, 3)
    assert abs(parameters.expected_candidates - candidates) <= 5
    assert abs(parameters.expected_survivors - survivors) <= 5


@pytest.mark.parametrize("parameters", ALL)
def test_every_sum_of_parts_has_its_length_and_residues(parameters: Parameters) -> None:
    """The smallest and the largest p that parts can add up to give n its exact length."""
    step = STEP * int(parameters.sieve)
    least = parameters.offset
    most = parameters.offset + parameters.parties * step * parameters.spread
    half = parameters.prime_bits
    assert least.bit_length() == (most - 1).bit_length() == half
    assert (least**2).bit_length() == parameters.modulus_bits
    assert parameters.spread >= 1 << 64
    mod_sieve, mod_step = residue_weights(parameters.sieve)
    assert (mod_sieve % parameters.sieve, mod_sieve % STEP) == (1, 0)
    assert (mod_step % parameters.sieve, mod_step % STEP) == (0, 1)


@pytest.mark.parametrize("parameters", ALL)
def test_rings_have_room_for_what_is_opened_over_them(parameters: Parameters) -> None:
    n = 1 << parameters.modulus_bits
    count, prime = parameters.parties, 1 << (parameters.prime_bits + 1)
    blinded = count * n * prime + n * count * (1 << parameters.gcd_mask_bits)
    assert blinded < parameters.gcd_ring
    assert n < parameters.ring
    # D is below 2^(W - sigma - 72), so that the tops that are opened tell nothing of it.
    assert n * count * (1 << parameters.beta_bits) < parameters.root_ring >> (128 + 72)
    for ring in (parameters.ring, parameters.gcd_ring, parameters.root_ring, parameters.sieve):
        assert gcd(int(ring), 210) == 1


def test_a_ring_is_the_first_that_fits() -> None:
    assert [first_modulus_above(bound) for bound in (0, 1, 11, 120, 2047)] == [1, 11, 13, 121, 2053]
    assert 2049 % 3 == 0
    assert 2051 % 7 == 0


@pytest.mark.parametrize(
    ("bits", "count"), [(192, 3), (320 + 32, 3), (4160, 3), (512, 2), (512, 8)]
)
def test_lengths_and_numbers_of_auditors_out_of_range_are_refused(bits: int, count: int) -> None:
    with pytest.raises(ValueError, match=r"must have|needs 3 to 7"):
        parameters_of(bits, count)
