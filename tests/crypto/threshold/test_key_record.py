from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import pytest

from fermata.crypto.integers import multi_powmod, powmod
from fermata.crypto.threshold.key_record import (
    DELTA,
    NMAX,
    KeyRecord,
    check_key,
    epoch_id,
    key_id,
    lagrange,
    verification_base,
)
from fermata.errors import FermataError, InvalidEncoding, InvalidProof
from harness.crypto.keys import dealt, primes

RECORD = dealt().record
ROSTER = ("a1", "a2", "a3", "a4", "a5")
SUBSETS = [s for size in range(1, NMAX) for s in combinations(range(1, NMAX), size)]


def with_verification(index: int, value: int) -> KeyRecord:
    values = list(RECORD.verification)
    values[index - 1] = value
    return replace(RECORD, verification=tuple(values))


def refused(record: KeyRecord) -> tuple[type[FermataError], str]:
    with pytest.raises(FermataError) as error:
        check_key(record)
    return type(error.value), error.value.reason


def test_delta_is_8_factorial() -> None:
    assert DELTA == 40320


@pytest.mark.parametrize(
    ("subset", "coefficients"),
    [
        ((1,), (40320,)),
        ((7,), (40320,)),
        ((1, 2), (80640, -40320)),
        ((1, 2, 3), (120960, -120960, 40320)),
        ((2, 5, 7), (94080, -94080, 40320)),
        ((1, 2, 3, 4, 5, 6, 7), (282240, -846720, 1411200, -1411200, 846720, -282240, 40320)),
    ],
)
def test_lagrange_coefficients_are_the_known_ones(
    subset: tuple[int, ...], coefficients: tuple[int, ...]
) -> None:
    assert tuple(lagrange(i, subset) for i in subset) == coefficients


@pytest.mark.parametrize("subset", SUBSETS)
def test_every_subset_interpolates_exactly_and_with_even_coefficients(
    subset: tuple[int, ...],
) -> None:
    def polynomial(x: int) -> int:
        return sum((3**k + k) * (-1) ** k * x**k for k in range(len(subset)))

    coefficients = [lagrange(i, subset) for i in subset]
    exact = [DELTA * Fraction(1) for _ in subset]
    for position, i in enumerate(subset):
        for j in subset:
            if j != i:
                exact[position] *= Fraction(j, j - i)
    assert coefficients == exact
    assert all(c % 2 == 0 for c in coefficients)
    values = [polynomial(i) for i in subset]
    total = sum(c * v for c, v in zip(coefficients, values, strict=True))
    assert total == DELTA * polynomial(0)


@pytest.mark.parametrize(
    ("index", "subset"),
    [(1, (1, 1)), (0, (0, 1)), (-1, (-1, 2)), (8, (1, 8)), (3, (1, 2)), (20, tuple(range(1, 21)))],
)
def test_impossible_subsets_are_misuse(index: int, subset: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        lagrange(index, subset)


@pytest.mark.parametrize(("threshold", "auditors"), [(1, 1), (2, 3), (3, 5), (7, 7), (1, 7)])
def test_a_dealt_record_passes(threshold: int, auditors: int) -> None:
    check_key(dealt(256, threshold, auditors).record)


def test_a_dealt_record_of_full_size_passes() -> None:
    check_key(dealt(2048).record)


@pytest.mark.parametrize("index", [1, 2, 3, 4, 5])
def test_each_tampered_verification_value_is_refused(index: int) -> None:
    v_i = RECORD.verification[index - 1]
    for other in (v_i * 4 % RECORD.n, v_i + 1, RECORD.verification[index % 5]):
        assert refused(with_verification(index, other)) == (InvalidProof, "KEY_SHARES")


def test_the_shares_of_two_keys_do_not_mix() -> None:
    shifted = (*RECORD.verification[1:], RECORD.verification[0])
    assert refused(replace(RECORD, verification=shifted)) == (InvalidProof, "KEY_SHARES")


def test_a_sign_in_the_record_goes_unnoticed_and_gives_another_epoch() -> None:
    negated = with_verification(2, RECORD.n - RECORD.verification[1])
    check_key(negated)
    assert epoch_id(negated, ROSTER) != epoch_id(RECORD, ROSTER)


@pytest.mark.parametrize("value", [0, 1, RECORD.n - 1, RECORD.n, RECORD.n + 5, -3])
def test_a_verification_value_out_of_range_is_refused(value: int) -> None:
    assert refused(with_verification(4, value)) == (InvalidEncoding, "KEY_RANGE")


def test_a_verification_value_that_is_no_unit_is_refused() -> None:
    assert refused(with_verification(4, 5 * primes()[0])) == (InvalidProof, "KEY_NOT_UNIT")


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 0},
        {"threshold": -1},
        {"threshold": 6},
        {"epoch": 0},
        {"epoch": 4097},
        {"verification": ()},
        {"verification": RECORD.verification * 2},
    ],
)
def test_an_impossible_shape_is_refused(change: dict[str, object]) -> None:
    assert refused(replace(RECORD, **change)) == (InvalidEncoding, "KEY_SHAPE")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"theta": 0},
        {"theta": -1},
        {"theta": RECORD.n},
        {"kappa": 0},
        {"kappa": -1},
        {"kappa": 1 << 400},
        {"kappa": 1},
        {"kappa": 2},
        {"kappa": DELTA**2},
        {"kappa": DELTA**3},
        {"theta": 2},
        {"epoch": 2, "theta": 2},
        {"epoch": 2, "kappa": DELTA**2},
        {"epoch": 2, "kappa": DELTA**5},
        {"epoch": 14, "kappa": DELTA**27},
    ],
)
def test_kappa_and_theta_that_are_out_of_range_or_not_a_dealers_are_refused(
    change: dict[str, int],
) -> None:
    assert refused(replace(RECORD, **change)) == (InvalidEncoding, "KEY_RANGE")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change", [{"theta": 2}, {"epoch": 2, "kappa": DELTA**3}, {"threshold": 2}]
)
def test_numbers_that_do_not_belong_to_the_shares_are_refused(change: dict[str, int]) -> None:
    changed = replace(RECORD, origin="another", **change)  # type: ignore[arg-type]
    assert refused(changed) == (InvalidProof, "KEY_SHARES")


def test_theta_with_a_factor_of_n_is_refused() -> None:
    changed = replace(RECORD, origin="another", theta=primes()[0])
    assert refused(changed) == (InvalidProof, "KEY_NOT_UNIT")


@pytest.mark.parametrize("n", [0, 1, -15, RECORD.n + 1])
def test_an_impossible_modulus_is_refused(n: int) -> None:
    assert refused(replace(RECORD, n=n)) == (InvalidEncoding, "KEY_MODULUS")


def test_a_threshold_above_the_records_is_not_noticed_but_is_another_epoch() -> None:
    higher = replace(RECORD, threshold=4)
    check_key(higher)
    assert epoch_id(higher, ROSTER) != epoch_id(RECORD, ROSTER)


def test_committed_shares_interpolate_to_a_root_exponent() -> None:
    n, base = RECORD.n, verification_base(RECORD.n)
    for subset in combinations(range(1, 6), 3):
        weights = [lagrange(i, subset) for i in subset]
        root = multi_powmod([RECORD.verification[i - 1] for i in subset], weights, n)
        assert powmod(root, n, n) == powmod(base, RECORD.scale, n)


def test_the_key_id_is_that_of_the_modulus_alone() -> None:
    assert len(key_id(RECORD)) == 32
    assert key_id(replace(RECORD, epoch=9, threshold=2, verification=())) == key_id(RECORD)
    assert key_id(replace(RECORD, n=RECORD.n + 2)) != key_id(RECORD)


@pytest.mark.parametrize(
    "change",
    [
        {"n": RECORD.n - 2},
        {"epoch": 2},
        {"threshold": 2},
        {"kappa": 2},
        {"theta": 2},
        {"verification": (*RECORD.verification[1:], RECORD.verification[0])},
    ],
)
def test_the_epoch_id_changes_with_every_field(change: dict[str, object]) -> None:
    changed = replace(RECORD, **change)  # type: ignore[arg-type]
    assert epoch_id(changed, ROSTER) != epoch_id(RECORD, ROSTER)


def test_the_epoch_id_changes_with_the_roster() -> None:
    ids = {
        epoch_id(RECORD, roster)
        for roster in (
            ROSTER,
            ("a2", "a1", "a3", "a4", "a5"),
            ("a", "1a2", "a3", "a4", "a5"),
        )
    }
    assert len(ids) == 3


def test_a_roster_of_another_length_is_misuse() -> None:
    with pytest.raises(ValueError, match="roster"):
        epoch_id(RECORD, ROSTER[:4])
