import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto import integers
from fermata.errors import InvalidEncoding
from harness.crypto.keys import SeededEntropy

ODD = (1 << 127) - 1


@settings(max_examples=50, deadline=None)
@given(st.integers(1, ODD - 1), st.integers(-(1 << 200), 1 << 200))
def test_all_powers_agree_with_pythons_own(base: int, exponent: int) -> None:
    expected = pow(base, exponent, ODD)
    assert integers.powmod(base, exponent, ODD) == expected
    assert integers.powmod_secret(base, exponent, ODD) == expected
    assert type(integers.powmod_secret(base, exponent, ODD)) is int


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, ODD - 1), st.integers(-(1 << 40), 1 << 40)), min_size=1, max_size=8
    )
)
def test_a_multi_exponentiation_is_the_product_of_powers(terms: list[tuple[int, int]]) -> None:
    expected = 1
    for base, exponent in terms:
        expected = expected * pow(base, exponent, ODD) % ODD
    bases, exponents = zip(*terms, strict=True)
    assert integers.multi_powmod(bases, exponents, ODD) == expected


def test_a_multi_exponentiation_refuses_lists_of_different_length() -> None:
    with pytest.raises(ValueError):
        integers.multi_powmod([2, 3], [1], ODD)


def test_a_secret_power_refuses_an_even_modulus() -> None:
    with pytest.raises(ValueError, match="must be odd"):
        integers.powmod_secret(3, 5, 1 << 64)


def test_a_secret_power_with_exponent_zero_is_one() -> None:
    assert integers.powmod_secret(3, 0, ODD) == 1


def test_a_number_without_inverse_is_misuse() -> None:
    with pytest.raises(ValueError, match="no inverse"):
        integers.invert(6, 9)
    with pytest.raises(ValueError, match="no inverse"):
        integers.powmod(6, -1, 9)
    with pytest.raises(ValueError, match="no inverse"):
        integers.powmod_secret(6, -1, 9)


def test_the_product_of_nothing_is_one() -> None:
    assert integers.product_mod([], ODD) == 1
    assert integers.product_mod([2, 3, ODD - 1], ODD) == ODD - 6


@settings(max_examples=50, deadline=None)
@given(st.integers(0, (1 << 256) - 1))
def test_fixed_width_bytes_come_back(value: int) -> None:
    assert integers.int_from_bytes(integers.int_to_bytes(value, 32), 32, "number") == value


@pytest.mark.parametrize("value", [256, -1])
def test_an_integer_that_does_not_fit_is_misuse(value: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        integers.int_to_bytes(value, 1)


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\1", b"x" * (1 << 20)])
def test_another_width_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidEncoding, match="number") as error:
        integers.int_from_bytes(data, 2, "number")
    assert error.value.reason == "WIDTH"


@settings(max_examples=50, deadline=None)
@given(st.integers(1, (1 << 600) - 1))
def test_minimal_bytes_come_back(value: int) -> None:
    assert integers.minimal_from_bytes(integers.minimal_to_bytes(value), "number") == value


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=40))
def test_what_is_read_as_minimal_prints_as_it_was(data: bytes) -> None:
    if not data or data[0] == 0:
        with pytest.raises(InvalidEncoding) as error:
            integers.minimal_from_bytes(data, "number")
        assert error.value.reason == "MINIMAL"
    else:
        value = integers.minimal_from_bytes(data, "number")
        assert integers.minimal_to_bytes(value) == data


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\1", b"\1" * 513])
def test_empty_padded_or_endless_numbers_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidEncoding):
        integers.minimal_from_bytes(data, "kappa")


@pytest.mark.parametrize("value", [0, -1, 1 << 4096])
def test_a_number_without_minimal_encoding_is_misuse(value: int) -> None:
    with pytest.raises(ValueError):
        integers.minimal_to_bytes(value)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 1 << 70), st.text(max_size=8))
def test_a_draw_lies_below_its_bound(bound: int, seed: str) -> None:
    assert 0 <= integers.random_below(SeededEntropy(seed), bound) < bound


def test_a_draw_reaches_every_value() -> None:
    entropy = SeededEntropy("draws")
    assert {integers.random_below(entropy, 5) for _ in range(200)} == set(range(5))
    assert {integers.random_bits(entropy, 3) for _ in range(200)} == set(range(8))


def test_a_draw_uses_fresh_entropy_after_a_rejection() -> None:
    answers = [b"\xff", b"\x20"]
    assert integers.random_below(lambda size: answers.pop(0), 5) == 1
    assert not answers


def test_a_source_that_gives_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="entropy source"):
        integers.random_bits(lambda size: b"", 8)


def test_draws_that_make_no_sense_are_misuse() -> None:
    entropy = SeededEntropy("misuse")
    with pytest.raises(ValueError, match="bits"):
        integers.random_bits(entropy, -8)
    with pytest.raises(ValueError, match="bound"):
        integers.random_below(entropy, 0)
    with pytest.raises(ValueError, match="a prime must have"):
        integers.random_prime(entropy, 16)


def test_a_random_unit_has_no_factor_in_common() -> None:
    entropy = SeededEntropy("units")
    assert {integers.random_unit(entropy, 15) for _ in range(300)} == {1, 2, 4, 7, 8, 11, 13, 14}


def test_a_random_prime_has_two_top_bits_and_is_3_mod_4() -> None:
    entropy = SeededEntropy("primes")
    for bits in (32, 64, 128):
        prime = integers.random_prime(entropy, bits)
        assert integers.is_probable_prime(prime)
        assert prime >> (bits - 2) == 3
        assert prime % 4 == 3


def test_primes_powers_and_small_factors_are_told() -> None:
    assert integers.is_probable_prime(2**127 - 1)
    assert not integers.is_probable_prime(561)
    assert not integers.is_probable_prime(1)
    assert not integers.is_probable_prime(-7)
    assert integers.is_power((2**61 - 1) ** 3)
    assert not integers.is_power((2**61 - 1) * (2**31 - 1))
    assert integers.has_factor_up_to(1048573 * ODD, 1 << 20)
    assert not integers.has_factor_up_to(ODD, 1 << 20)


def test_a_hash_depends_on_domain_data_and_modulus() -> None:
    values = {
        integers.hash_to_zn("fermata/v1/a", b"1", ODD),
        integers.hash_to_zn("fermata/v1/b", b"1", ODD),
        integers.hash_to_zn("fermata/v1/a", b"2", ODD),
        integers.hash_to_zn("fermata/v1/a", b"1", ODD - 2),
    }
    assert len(values) == 4
    assert all(0 <= value < ODD for value in values)


@given(st.lists(st.integers(0, 1 << 200), min_size=1, max_size=5), st.integers(0, 1 << 70))
def test_powers_of_one_base_are_what_pow_gives(exponents: list[int], base: int) -> None:
    assert integers.powers_of(base, exponents, ODD) == [pow(base, e, ODD) for e in exponents]


def test_powers_of_one_base_need_exponents_that_are_not_negative() -> None:
    for exponents in ([], [3, -1]):
        with pytest.raises(ValueError, match="exponents"):
            integers.powers_of(2, exponents, ODD)


@given(st.lists(st.integers(0, 1 << 80), max_size=6))
def test_numbers_are_called_units_together_or_not_at_all(numbers: list[int]) -> None:
    n = 3 * 5 * 7 * 11
    are_units = all(integers.gcd(number, n) == 1 for number in numbers)
    assert integers.units_among(numbers, n) == (frozenset(numbers) if are_units else frozenset())
