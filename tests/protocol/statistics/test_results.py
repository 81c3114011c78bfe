"""Statistics from sums against plain computing on the figures themselves."""

import bisect
import math
import statistics
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import InvalidEncoding
from fermata.protocol.charter.claims import witness_of
from fermata.protocol.charter.encoding import encode_panel
from fermata.protocol.charter.metrics import ALONE, PAIRED
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import Result
from fermata.protocol.statistics.results import results_of
from harness.protocol.panels import EVERY_STATISTIC, aggregate, charter_of, metric

SUITE = charter_of(
    *EVERY_STATISTIC,
)
POSITIVE = charter_of(
    metric("x", "0", "1000", "0.01"),
    metric("w", "0", "50"),
    aggregate("x", "sum", "concentration", *PAIRED, other="w"),
    aggregate("w", "sum"),
)
EDGES = [Fraction(e) for e in ("-5", "0", "0.25", "7.5")]

Rows = Sequence[Mapping[str, str]]


def opened(charter: Charter, rows: Rows) -> tuple[dict[str, Decimal], tuple[Result, ...]]:
    """What comes out when these labs report."""
    panel_id = charter.panels[0].id
    plaintexts = plaintexts_of(charter, rows)
    return results_of(charter, {panel_id: labs_of(rows)}, {panel_id: plaintexts}, {panel_id})


def plaintexts_of(charter: Charter, rows: Rows) -> tuple[int, ...]:
    """What is opened when these labs report."""
    panel = charter.panels[0]
    packing = panel.claims.statements.packing
    packed = [
        packing.pack(witness_of(panel.claims, panel.metrics, encode_panel(panel, row)))
        for row in rows
    ]
    return tuple(map(sum, zip(*packed, strict=True)))


def labs_of(rows: Rows) -> tuple[str, ...]:
    return tuple(f"lab-{i}" for i in range(len(rows)))


def said(charter: Charter, rows: Rows) -> dict[tuple[str, str], Result]:
    _, results = opened(charter, rows)
    found = {(r.metric, r.statistic): r for r in results}
    assert len(found) == len(results)
    return found


def on_grid(low: str, high: str, step: str) -> st.SearchStrategy[str]:
    count = int((Decimal(high) - Decimal(low)) / Decimal(step))
    return st.integers(0, count).map(lambda k: format(Decimal(low) + k * Decimal(step), "f"))


def rows_of(**grids: tuple[str, str, str]) -> st.SearchStrategy[list[dict[str, str]]]:
    row = st.fixed_dictionaries({name: on_grid(*grid) for name, grid in grids.items()})
    return st.lists(row, min_size=1, max_size=9)


ROWS = rows_of(x=("-10", "10", "0.25"), y=("-3", "40", "0.5"))
POSITIVE_ROWS = rows_of(x=("0", "1000", "0.01"), w=("0", "50", "1"))


def column(rows: Rows, name: str) -> list[Fraction]:
    return [Fraction(row[name]) for row in rows]


def rounded(value: Fraction, digits: int) -> Fraction:
    return Fraction(round(value * 10**digits), 10**digits)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_sums_means_counts_and_variances_are_exact(rows: Rows) -> None:
    xs, found = column(rows, "x"), said(SUITE, rows)
    assert found["x", "sum"].value == sum(xs)
    assert found["x", "count"].value == len(xs)
    assert found["x", "mean"].value == statistics.mean(xs)
    assert found["x", "variance"].value == statistics.pvariance(xs)
    assert found["y", "variance"].value == statistics.pvariance(column(rows, "y"))
    sums, _ = opened(SUITE, rows)
    assert {name: Fraction(total) for name, total in sums.items()} == {
        "x": sum(xs),
        "y": sum(column(rows, "y")),
    }
    assert Fraction(found["x", "sum"].text) == sum(xs)
    assert Fraction(found["x", "mean"].text) == rounded(statistics.mean(xs), 5)
    assert Fraction(found["x", "variance"].text) == rounded(statistics.pvariance(xs), 7)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_standard_deviations_are_right_to_their_last_digit(rows: Rows) -> None:
    found = said(SUITE, rows)["x", "stddev"]
    exact = statistics.pvariance(column(rows, "x"))
    assert found.value**2 <= exact < (found.value + Fraction(1, 10**5)) ** 2
    assert Fraction(found.text) == found.value


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_paired_statistics_are_exact(rows: Rows) -> None:
    xs, ys, found = column(rows, "x"), column(rows, "y"), said(SUITE, rows)
    mean_x, mean_y = statistics.mean(xs), statistics.mean(ys)
    products = [x * y for x, y in zip(xs, ys, strict=True)]
    spread = [(x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)]
    assert found["x", "covariance:y"].value == statistics.mean(spread)
    if sum(ys):
        assert found["x", "weighted-mean:y"].value == sum(products) / sum(ys)
        assert found["x", "ratio:y"].value == sum(xs) / sum(ys)
    else:
        assert ("x", "weighted-mean:y") not in found
        assert ("x", "ratio:y") not in found


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_bins_and_counts_above_are_those_of_the_figures(rows: Rows) -> None:
    xs, found = column(rows, "x"), said(SUITE, rows)
    spans = ["-10.00..-5.25", "-5.00..-0.25", "0.00..0.00", "0.25..7.25", "7.50..10.00"]
    bins = [bisect.bisect_right(EDGES, x) for x in xs]
    for index, span in enumerate(spans):
        assert found["x", f"bin:{span}"].value == bins.count(index)
    for threshold in ("-9.75", "0.00", "10.00"):
        above = sum(x >= Fraction(threshold) for x in xs)
        assert found["x", f"above:{threshold}"].value == above
    ordered = sorted(bins)
    assert found["x", "median-bin"].text == spans[statistics.median_low(ordered)]
    for name, quarter in (("quartile-1-bin", 1), ("quartile-3-bin", 3)):
        rank = math.ceil(Fraction(quarter * len(xs), 4))
        assert found["x", name].text == spans[ordered[rank - 1]]
        assert found["x", name].value == Fraction(found["x", name].text.partition("..")[0])


@settings(max_examples=50, deadline=None)
@given(POSITIVE_ROWS)
def test_concentration_is_the_sum_of_squared_shares(rows: Rows) -> None:
    xs, found = column(rows, "x"), said(POSITIVE, rows)
    if sum(xs):
        shares = [x / sum(xs) for x in xs]
        assert found["x", "concentration"].value == sum(s * s for s in shares)
        assert Fraction(1, len(xs)) <= found["x", "concentration"].value <= 1
    else:
        assert ("x", "concentration") not in found


@settings(max_examples=50, deadline=None)
@given(POSITIVE_ROWS)
def test_a_weighted_mean_lies_among_the_figures(rows: Rows) -> None:
    xs, ws, found = column(rows, "x"), column(rows, "w"), said(POSITIVE, rows)
    if not sum(ws):
        assert ("x", "weighted-mean:w") not in found
        return
    mean = found["x", "weighted-mean:w"].value
    assert mean == sum(x * w for x, w in zip(xs, ws, strict=True)) / sum(ws)
    weighed = [x for x, w in zip(xs, ws, strict=True) if w]
    assert min(weighed) <= mean <= max(weighed)
    assert Fraction(found["x", "weighted-mean:w"].text) == rounded(mean, 8)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_a_geometric_mean_is_the_power_of_the_mean_logarithm(rows: Rows) -> None:
    found = said(SUITE, rows)["x", "geometric-mean"]
    floats = 10 ** float(statistics.mean(column(rows, "x")))
    assert math.isclose(float(found.value), floats, rel_tol=1e-5)
    assert Fraction(found.text) == found.value
    assert "E" not in found.text
    assert len(found.text.replace(".", "").strip("0")) <= 6


@pytest.mark.parametrize(
    ("logs", "text"),
    [
        (["2", "2"], "100.000"),
        (["0", "1"], "3.16228"),
        (["-10", "-10"], "0.000000000100000"),
        (["10", "10"], "10000000000"),
        (["-1", "1"], "1.00000"),
    ],
)
def test_a_geometric_mean_is_printed_plainly(logs: list[str], text: str) -> None:
    rows = [{"x": x, "y": "0"} for x in logs]
    found = said(SUITE, rows)["x", "geometric-mean"]
    assert Fraction(found.text) == Fraction(text)


def test_results_stand_in_the_order_of_the_charter() -> None:
    _, results = opened(SUITE, [{"x": "1", "y": "2"}] * 3)
    names = [(r.metric, r.statistic) for r in results]
    assert names[:7] == [("x", s) for s in ALONE]
    assert names[7:10] == [("x", f"{s}:y") for s in PAIRED]
    assert [n.partition(":")[0] for _, n in names[10:21]] == ["above"] * 3 + ["bin"] * 5 + [
        "quartile-1-bin",
        "median-bin",
        "quartile-3-bin",
    ]
    assert names[21:] == [("y", "sum"), ("y", "variance"), ("y", "concentration")]


def test_what_is_divided_by_nothing_is_left_out_alone() -> None:
    found = said(SUITE, [{"x": "1", "y": "-3"}, {"x": "1", "y": "3"}])
    missing = {("x", "weighted-mean:y"), ("x", "ratio:y"), ("y", "concentration")}
    assert missing.isdisjoint(found)
    assert found["x", "covariance:y"].value == 0
    assert found["y", "variance"].value == 9


def test_a_panel_of_which_a_cell_was_not_opened_has_no_total() -> None:
    panel_id, rows = SUITE.panels[0].id, THREE
    cells = [f"{panel_id}/{group}" for group in "ab"]
    members = {cell: labs_of(rows) for cell in cells}
    plaintexts = dict.fromkeys(cells, plaintexts_of(SUITE, rows))
    for whole, groups in (({panel_id}, ["", "a", "b"]), (set[str](), ["a", "b"])):
        sums, results = results_of(SUITE, members, plaintexts, whole)
        assert list(dict.fromkeys(r.group for r in results)) == groups
        assert set(sums) == ({"x", "y"} if whole else set())


# Sums that no proven reports give.


def refused(charter: Charter, rows: Rows, change: Mapping[tuple[str, str], int]) -> str:
    """Adds to the opened sums of some slots; returns the message."""
    panel = charter.panels[0]
    claims, packing = panel.claims, panel.claims.statements.packing
    total = [0] * packing.ciphertexts
    for row in rows:
        witness = witness_of(claims, panel.metrics, encode_panel(panel, row))
        for i, plaintext in enumerate(packing.pack(witness)):
            total[i] += plaintext
    for (kind, name), more in change.items():
        ciphertext, shift = packing.offsets[claims.index(kind, name)]
        total[ciphertext] += more << shift
    members = {panel.id: tuple(map(str, range(len(rows))))}
    with pytest.raises(InvalidEncoding) as caught:
        results_of(charter, members, {panel.id: tuple(total)}, members)
    return f"{caught.value.reason}: {caught.value}"


THREE = [{"x": "1", "y": "2"}, {"x": "2", "y": "2"}, {"x": "3", "y": "4"}]


def test_squares_that_the_values_cannot_have_are_no_result_and_no_crash() -> None:
    assert refused(SUITE, THREE, {("square", "x"): -5000}).startswith("BOUND: x: its sum of squ")


@pytest.mark.parametrize("more", [1, -1])
def test_bins_that_do_not_add_up_are_no_result(more: int) -> None:
    rows = [*THREE, {"x": "-10", "y": "2"}]
    message = refused(SUITE, rows, {("bin", "x"): more})
    assert message.startswith("BOUND: x: its bins must add up")


@pytest.mark.parametrize("slot", [("value", "x"), ("value", "y"), ("square", "y"), ("bin", "x")])
def test_a_sum_above_what_the_labs_can_give_is_no_result(slot: tuple[str, str]) -> None:
    claims = SUITE.panels[0].claims
    bound = claims.statements.values[claims.index(*slot)].bound
    message = refused(SUITE, THREE, {slot: 3 * bound + 1})
    assert message == "BOUND: panel p: a sum is above what valid reports can give"
