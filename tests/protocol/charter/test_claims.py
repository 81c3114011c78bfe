"""Claims: honest values satisfy what is compiled from a charter, and any single defect does not."""

import functools
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import InvalidEncoding
from fermata.protocol.charter.claims import (
    Claims,
    Slot,
    bins_of,
    compile_claims,
    totals_of,
    witness_of,
)
from fermata.protocol.charter.metrics import Metric
from harness.protocol.panels import aggregate, metric, panel_of, statement

STATISTICS = ("sum", "mean", "variance", "concentration")


@st.composite
def _metric(draw: st.DrawFn, name: str, others: list[str]) -> Metric:
    bound = draw(st.integers(1, 30))
    numbers = st.lists(st.integers(1, bound), max_size=4, unique=True).map(sorted)
    paired = [(s, o) for o in others[:1] for s in draw(st.sampled_from([(), ("covariance",)]))]
    return Metric(
        name,
        "p",
        "u",
        Decimal(0),
        Decimal(bound),
        Decimal(1),
        bound,
        statistics=tuple(draw(st.lists(st.sampled_from(STATISTICS), unique=True))),
        paired=tuple(paired),
        edges=tuple(draw(numbers)),
        thresholds=tuple(draw(numbers)),
        limits=tuple(draw(st.lists(st.integers(1, bound), max_size=1))),
    )


@st.composite
def metrics(draw: st.DrawFn) -> tuple[Metric, ...]:
    names = ["a", "b", "c"][: draw(st.integers(1, 3))]
    return tuple(draw(_metric(n, [o for o in names if o != n])) for n in names)


def compiled(chosen: tuple[Metric, ...], base: int = 0) -> Claims:
    return compile_claims(chosen, base, 10, 1024)


def drawn(data: st.DataObject, chosen: tuple[Metric, ...]) -> dict[str, int]:
    return {m.id: data.draw(st.integers(0, min((m.bound, *m.limits))), label=m.id) for m in chosen}


def holds(claims: Claims, values: tuple[int, ...]) -> bool:
    try:
        claims.statements.check(values)
    except ValueError:
        return False
    return True


@settings(max_examples=50, deadline=None)
@given(st.data(), metrics(), st.sampled_from([0, 2, 4, 16]))
def test_honest_values_satisfy_their_claims(
    data: st.DataObject, chosen: tuple[Metric, ...], base: int
) -> None:
    claims = compiled(chosen, base)
    encoded = drawn(data, chosen)
    values = witness_of(claims, chosen, encoded)
    claims.statements.check(values)
    assert len(values) == len(claims.slots) == len(claims.statements.values)
    assert [values[claims.index("value", m.id)] for m in chosen] == list(encoded.values())


@settings(max_examples=50, deadline=None)
@given(st.data(), metrics())
def test_any_single_defect_is_refused(data: st.DataObject, chosen: tuple[Metric, ...]) -> None:
    """Every value beside the metrics' own follows from them, and nothing else is taken."""
    claims = compiled(chosen)
    values = witness_of(claims, chosen, drawn(data, chosen))
    for index, (slot, known) in enumerate(zip(claims.slots, claims.statements.values, strict=True)):
        wrong = {-1, known.bound + 1}
        if slot[0] != "value":
            wrong |= {0, 1, known.bound, data.draw(st.integers(0, known.bound))}
        for value in wrong - {values[index]}:
            assert not holds(claims, (*values[:index], value, *values[index + 1 :])), slot


@settings(max_examples=50, deadline=None)
@given(st.data(), metrics())
def test_whatever_satisfies_the_claims_is_honest(
    data: st.DataObject, chosen: tuple[Metric, ...]
) -> None:
    claims = compiled(chosen)
    values = list(witness_of(claims, chosen, drawn(data, chosen)))
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(values) - 1))
        values[index] = data.draw(st.integers(-1, claims.statements.values[index].bound + 1))
    encoded = {m.id: values[claims.index("value", m.id)] for m in chosen}
    honest = all(0 <= encoded[m.id] <= min((m.bound, *m.limits)) for m in chosen)
    right = honest and witness_of(claims, chosen, encoded) == tuple(values)
    assert holds(claims, tuple(values)) == right


@functools.cache
def everything() -> tuple[Claims, tuple[Metric, ...]]:
    panel = panel_of(
        metric("a", "-5", "5", "0.5"),
        metric("b", "-5", "10", "0.5"),
        aggregate(
            "a", "variance", "covariance", other="b", histogram=["-1", "2"], count_above=["0", "4"]
        ),
        aggregate("b", "stddev"),
        statement("b", at_most="4"),
        statement("a", equals="b"),
    )
    return panel.claims, panel.metrics


def test_slots_have_an_order_that_everyone_derives() -> None:
    claims, _ = everything()
    assert claims.slots == (
        ("value", "a", 0),
        ("value", "b", 0),
        ("square", "a", 0),
        ("product", "a", "b"),
        ("bin", "a", 0),
        ("bin", "a", 1),
        ("bin", "a", 2),
        ("above", "a", 10),
        ("above", "a", 18),
        ("square", "b", 0),
    )
    bounds = [v.bound for v in claims.statements.values]
    assert bounds == [20, 30, 400, 600, 1, 1, 1, 1, 1, 900]
    assert all(v.enc for v in claims.statements.values)
    for index, (kind, name, detail) in enumerate(claims.slots):
        assert claims.index(kind, name, detail) == index


def test_a_slot_that_is_not_there_is_our_own_fault() -> None:
    claims, _ = everything()
    with pytest.raises(KeyError):
        claims.index("square", "z")


def test_a_witness_has_every_slot() -> None:
    claims, metrics_ = everything()
    assert witness_of(claims, metrics_, {"a": 8, "b": 8}) == (8, 8, 64, 64, 0, 1, 0, 0, 0, 64)
    assert witness_of(claims, metrics_, {"a": 18, "b": 18})[4:9] == (0, 0, 1, 1, 1)
    assert witness_of(claims, metrics_, {"a": 7, "b": 7})[4:9] == (1, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("slot", "value"),
    [
        (("value", "b", 0), 9),
        (("square", "a", 0), 65),
        (("product", "a", "b"), 63),
        (("bin", "a", 0), 1),
        (("bin", "a", 1), 0),
        (("above", "a", 10), 1),
        (("above", "a", 18), 1),
        (("square", "b", 0), 0),
    ],
)
def test_each_defect_is_refused(slot: Slot, value: int) -> None:
    claims, metrics_ = everything()
    values = list(witness_of(claims, metrics_, {"a": 8, "b": 8}))
    claims.statements.check(values)
    values[claims.slots.index(slot)] = value
    with pytest.raises(ValueError, match="does not hold"):
        claims.statements.check(values)


def test_the_wrong_bin_is_refused_though_one_is_chosen() -> None:
    claims, metrics_ = everything()
    values = list(witness_of(claims, metrics_, {"a": 8, "b": 8}))
    for chosen in (0, 2):
        values[4:7] = [int(i == chosen) for i in range(3)]
        with pytest.raises(ValueError, match="range statement"):
            claims.statements.check(values)
    for chosen_bins in ([1, 1, 0], [0, 0, 0], [1, 1, 1]):
        values[4:7] = chosen_bins
        with pytest.raises(ValueError, match="does not hold"):
            claims.statements.check(values)


def test_a_limit_and_an_equality_are_kept() -> None:
    claims, metrics_ = everything()
    claims.statements.check(witness_of(claims, metrics_, {"a": 18, "b": 18}))
    with pytest.raises(ValueError, match="range statement"):
        claims.statements.check(witness_of(claims, metrics_, {"a": 19, "b": 19}))
    with pytest.raises(ValueError, match="equality"):
        claims.statements.check(witness_of(claims, metrics_, {"a": 8, "b": 9}))


def test_bins_share_every_value_once() -> None:
    _, (a, _) = everything()
    assert bins_of(a) == ((0, 7), (8, 13), (14, 20))


def test_totals_are_sums_by_slot() -> None:
    claims, metrics_ = everything()
    rows = [witness_of(claims, metrics_, {"a": k, "b": k}) for k in (0, 8, 18)]
    packing = claims.statements.packing
    plaintexts = [sum(column) for column in zip(*map(packing.pack, rows), strict=True)]
    totals = totals_of(claims, plaintexts)
    assert list(totals) == list(claims.slots)
    assert list(totals.values()) == [sum(column) for column in zip(*rows, strict=True)]


def test_bits_outside_of_the_slots_are_refused() -> None:
    claims, _ = everything()
    with pytest.raises(InvalidEncoding) as caught:
        totals_of(claims, [1 << 1000])
    assert caught.value.reason == "PACKING"


def test_what_cannot_be_proven_is_refused() -> None:
    wide = Metric("a", "p", "u", Decimal(0), Decimal(2**108), Decimal(1), 2**108)
    with pytest.raises(InvalidEncoding) as caught:
        compiled((wide,))
    assert caught.value.reason == "STATEMENT_VALUE"


@pytest.mark.parametrize("base", [3, 1, -2, 2048])
def test_a_base_that_is_no_power_of_two_is_refused(base: int) -> None:
    plain = Metric("a", "p", "u", Decimal(0), Decimal(5), Decimal(1), 5)
    with pytest.raises(InvalidEncoding) as caught:
        compiled((plain,), base)
    assert caught.value.reason == "STATEMENT_BASE"
