import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.group import Q
from fermata.crypto.report.statements import (
    Equality,
    LinearForm,
    Product,
    Range,
    StatementSet,
    Value,
    comparison,
    compliance,
    linear_form,
    multiplication,
    one_hot,
)
from fermata.errors import InvalidEncoding
from harness.crypto.proof_world import SAMPLE_VALUES, charters, sample


def make(values: tuple[Value, ...] = (Value(7), Value(9)), **fields: Any) -> StatementSet:
    return StatementSet(values, **{"modulus_bits": 512, **fields})


def reason_of(values: tuple[Value, ...] = (Value(7), Value(9)), **fields: Any) -> str:
    with pytest.raises(InvalidEncoding) as caught:
        make(values, **fields)
    return caught.value.reason


def test_every_value_has_its_own_range() -> None:
    owned = make((Value(7), Value(9, enc=False))).all_ranges
    assert owned == (Range(linear_form({0: 1}), 7), Range(linear_form({1: 1}), 9))


def test_a_comparison_implies_the_range_of_its_figure() -> None:
    statements = make((Value(300), Value(1)), ranges=comparison(0, 1, 100, 300))
    own = Range(linear_form({1: 1}), 1)
    assert statements.all_ranges == (own, *comparison(0, 1, 100, 300))


def test_half_a_comparison_implies_nothing() -> None:
    for half in comparison(0, 1, 100, 300):
        assert len(make((Value(300), Value(1)), ranges=(half,)).all_ranges) == 3


def test_a_comparison_by_something_else_than_a_bit_implies_nothing() -> None:
    statements = make((Value(300), Value(2)), ranges=comparison(0, 1, 100, 300))
    assert len(statements.all_ranges) == 4


def test_a_comparison_for_another_bound_implies_nothing() -> None:
    statements = make((Value(301), Value(1)), ranges=comparison(0, 1, 100, 300))
    assert len(statements.all_ranges) == 4


def test_two_bits_do_not_vouch_for_each_other() -> None:
    mutual = (*comparison(0, 1, 1, 1), *comparison(1, 0, 1, 1))
    statements = make((Value(1), Value(1)), ranges=mutual)
    assert statements.all_ranges[:2] == (
        Range(linear_form({0: 1}), 1),
        Range(linear_form({1: 1}), 1),
    )


@given(st.integers(1, 60), st.data(), st.sampled_from((2, 4, 16)))
@settings(max_examples=100, deadline=None)
def test_a_comparison_holds_for_the_right_bit_only(
    bound: int, data: st.DataObject, base: int
) -> None:
    threshold = data.draw(st.integers(1, bound))
    pair = comparison(0, 1, threshold, bound, base)
    for x in range(-70, 140):
        for bit in (0, 1):
            holds = all(0 <= r.form.at((x, bit)) <= r.bound for r in pair)
            assert holds == (0 <= x <= bound and bit == (x >= threshold))


@pytest.mark.parametrize("threshold", [0, -1, 8])
def test_a_comparison_needs_a_threshold_within_the_bound(threshold: int) -> None:
    with pytest.raises(ValueError):
        comparison(0, 1, threshold, 7)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("base", [1, 0, -1, -(10**30)])
def test_a_comparison_by_a_base_below_two_is_misuse_and_ends(base: int) -> None:
    with pytest.raises(ValueError, match="a base >= 2"):
        comparison(0, 1, 5, 9, base)


def test_macros_say_what_they_mean() -> None:
    assert compliance(1, 5) == Range(LinearForm(((1, 1),)), 5)
    assert one_hot((2, 0)) == Equality(LinearForm(((0, 1), (2, 1)), -1))
    square = multiplication(0, 0, 1)
    assert square.a == square.b == LinearForm(((0, 1),))
    assert linear_form({3: 0, 1: -2}, 4) == LinearForm(((1, -2),), 4)


@pytest.mark.parametrize("bound", [0, -1, 1 << 107])
def test_a_bound_out_of_range_is_refused(bound: int) -> None:
    assert reason_of((Value(bound),)) == "STATEMENT_VALUE"


def test_a_value_that_is_not_encrypted_may_be_longer() -> None:
    assert make((Value(3), Value(1 << 120, enc=False)), base=16).layout.size == 64
    assert make((Value((1 << 107) - 1),)).packing.ciphertexts == 1


@pytest.mark.parametrize(
    "form",
    [
        LinearForm(((2, 1),)),
        LinearForm(((-1, 1),)),
        LinearForm(((0, 0),)),
        LinearForm(((1, 1), (0, 1))),
        LinearForm(((0, 1), (0, 1))),
        LinearForm((), 3),
    ],
)
def test_a_form_that_is_not_canonical_is_refused(form: LinearForm) -> None:
    assert reason_of(ranges=(Range(form, 5),)) == "STATEMENT_FORM"
    assert reason_of(equalities=(Equality(form),)) == "STATEMENT_FORM"
    if form.coefficients:
        good = linear_form({0: 1})
        for product in (Product(form, good, good), Product(good, good, form)):
            assert reason_of(products=(product,)) == "STATEMENT_FORM"


def test_statements_that_could_wrap_are_refused() -> None:
    quarter = Q // 4
    x = linear_form({0: 1})
    assert reason_of(ranges=(Range(linear_form({0: quarter // 7 + 1}), 1),)) == "STATEMENT_WRAP"
    assert reason_of(ranges=(Range(linear_form({0: 1}, -quarter), 1),)) == "STATEMENT_WRAP"
    assert reason_of(ranges=(Range(x, quarter),)) == "STATEMENT_WRAP"
    assert reason_of(equalities=(Equality(linear_form({0: 1}, quarter)),)) == "STATEMENT_WRAP"
    root = linear_form({0: 1 << 126})
    assert reason_of(products=(Product(root, root, x),)) == "STATEMENT_WRAP"
    assert reason_of((Value(1), Value(quarter, enc=False))) == "STATEMENT_WRAP"


@pytest.mark.parametrize("base", [1, 3, 2048, -2])
def test_a_base_that_is_no_power_of_two_up_to_1024_is_refused(base: int) -> None:
    assert reason_of(base=base) == "STATEMENT_BASE"


def test_a_packing_that_cannot_hold_a_value_is_refused() -> None:
    assert reason_of((Value(1 << 100),), modulus_bits=100) == "STATEMENT_PACKING"
    assert reason_of((Value(3, enc=False),)) == "STATEMENT_PACKING"
    assert reason_of(headroom_bits=-1) == "STATEMENT_PACKING"


def test_too_much_is_refused() -> None:
    assert reason_of(()) == "STATEMENT_SIZE"
    assert reason_of((Value(1),) * 1025) == "STATEMENT_SIZE"
    assert reason_of((Value((1 << 100) - 1),) * 64, base=2) == "STATEMENT_SIZE"
    many = (compliance(0, 0),) * 4097
    assert reason_of(ranges=many) == "STATEMENT_SIZE"


def test_a_range_has_no_negative_bound() -> None:
    assert reason_of(ranges=(compliance(0, -1),)) == "STATEMENT_VALUE"


def test_values_that_break_a_statement_are_told_apart() -> None:
    statements = sample()
    statements.check(SAMPLE_VALUES)
    cases = {
        "value 1 must be within": (250, 21, 5250, 1, 0, 1),
        "range statement": (250, 20, 5000, 0, 0, 1),
        "equality 0": (250, 20, 5000, 1, 1, 1),
        "product 0": (250, 20, 4999, 1, 0, 1),
    }
    for message, values in cases.items():
        with pytest.raises(ValueError, match=message):
            statements.check(values)
    with pytest.raises(ValueError):
        statements.check(SAMPLE_VALUES[:-1])


def test_everything_that_shapes_the_proof_changes_the_hash() -> None:
    good = sample()
    x = linear_form({0: 1})
    changes: list[dict[str, Any]] = [
        {"base": 64},
        {"headroom_bits": 11},
        {"modulus_bits": 576},
        {"values": (*good.values[:-1], Value(1, enc=False))},
        {"values": (*good.values[:-1], Value(2))},
        {"values": (*good.values, Value(1))},
        {"ranges": good.ranges[::-1]},
        {"ranges": (*good.ranges, compliance(0, 299))},
        {"equalities": ()},
        {"equalities": (Equality(linear_form({4: 1, 5: 1}, 1)),)},
        {"products": (Product(x, linear_form({1: 1}), linear_form({2: 1}, 1)),)},
        {"products": (Product(linear_form({1: 1}), x, linear_form({2: 1})),)},
    ]
    hashes = {dataclasses.replace(good, **change).statement_hash for change in changes}
    assert len(hashes | {good.statement_hash}) == len(changes) + 1
    assert len(good.statement_hash) == 64
    assert sample().statement_hash == good.statement_hash


@given(charters(512))
@settings(max_examples=50, deadline=None)
def test_the_values_that_a_charter_was_made_for_satisfy_it(
    charter: tuple[StatementSet, tuple[int, ...]],
) -> None:
    statements, values = charter
    statements.check(values)
    ranged = {c.form.coefficients[0][0] for c in statements.all_ranges if c.form.coefficients}
    assert set(range(len(values))) <= ranged | {
        index for claim in statements.ranges for index, _ in claim.form.coefficients
    }
