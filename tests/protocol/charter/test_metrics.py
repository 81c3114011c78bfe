"""What a charter asks of its metrics: one test per refusal, each with the line to mend."""

from decimal import Decimal

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.metrics import ALONE, BINS_MAX, PAIRED
from fermata.protocol.charter.parse import parse_charter
from harness.chains import MODULUS_BITS_MIN
from harness.protocol.panels import aggregate, charter_file, charter_of, metric, panel_of, statement

A = metric("a", "-10", "10", "0.5")
B = metric("b", "-10", "20", "0.5")
ELSEWHERE = metric("c", panel="q")
WIDE = metric("wide", "0", "9" * 30, "0.01")
#: 54 bits, whose squares have 107 or 108; one bit less fits for sure.
SQUARE_MAX, SQUARE_TOO_WIDE = str(2**53 - 1), str(2**53)


def refused(*parts: str, message: str, line: str, panels: tuple[str, ...] = ("p",)) -> None:
    """The message names the last line on which ``line`` stands."""
    text = charter_file(*parts, panels=panels)
    numbers = [i for i, row in enumerate(text.split("\n"), 1) if line in row]
    with pytest.raises(ConfigError) as caught:
        parse_charter(text.encode(), MODULUS_BITS_MIN)
    assert caught.value.reason == "CHARTER"
    assert message in str(caught.value)
    assert f"charter line {numbers[-1]}: " in str(caught.value)


def test_all_statistics_are_read() -> None:
    parts = (aggregate("a", *ALONE[:6], *PAIRED, other="b", histogram=["0"], count_above=["1"]),)
    a, b = panel_of(A, B, *parts, statement("a", at_most="9.5"), statement("b", equals="a")).metrics
    assert a.statistics == ALONE[:6]
    assert a.paired == tuple((s, "b") for s in PAIRED)
    assert a.partners == ("b",)
    assert (a.edges, a.thresholds, a.limits, a.equal_to) == ((20,), (22,), (39,), ())
    assert (b.statistics, b.paired, b.limits, b.equal_to) == ((), (), (), ("a",))


def test_a_histogram_alone_is_enough_to_ask_for() -> None:
    assert panel_of(A, aggregate("a", histogram=["0", "0.5"])).metrics[0].edges == (20, 21)
    assert panel_of(A, aggregate("a", count_above=["-9.5", "10"])).metrics[0].thresholds == (1, 40)


def test_decoding_is_exact() -> None:
    (a,) = panel_of(A).metrics
    assert [a.decode(k) for k in (0, 1, 40)] == [Decimal(-10), Decimal("-9.5"), Decimal(10)]


# Statistics.


@pytest.mark.parametrize("name", ["median", "Sum", "covariances", ""])
def test_a_statistic_that_is_not_known_is_refused(name: str) -> None:
    message = "aggregate[0].statistics: must be some of sum, mean, count, variance"
    refused(A, aggregate("a", "sum", name), message=message, line="statistics =")


def test_a_statistic_twice_is_refused() -> None:
    message = "aggregate[0].statistics: must name each statistic once"
    refused(A, aggregate("a", "variance", "variance"), message=message, line="statistics =")


def test_an_aggregate_that_asks_for_nothing_is_refused() -> None:
    refused(
        A, aggregate("a"), message="aggregate[0].statistics: must name a statistic", line="[[agg"
    )


@pytest.mark.parametrize("name", PAIRED)
def test_a_paired_statistic_needs_the_other_metric(name: str) -> None:
    message = "aggregate[0].with: must be there for covariance, weighted-mean, ratio"
    refused(A, B, aggregate("a", name), message=message, line="[[aggregate]]")


def test_another_metric_without_a_paired_statistic_is_refused() -> None:
    message = "aggregate[0].with: must be there for"
    refused(A, B, aggregate("a", "sum", other="b"), message=message, line="with =")


@pytest.mark.parametrize("other", ["a", "c", "nothing"])
def test_the_other_metric_is_another_of_the_same_panel(other: str) -> None:
    refused(
        A,
        B,
        ELSEWHERE,
        aggregate("a", "ratio", other=other),
        message="aggregate[0].with: must be another metric of the same panel",
        line="with =",
        panels=("p", "q"),
    )


def test_an_aggregate_of_no_metric_or_of_one_twice_is_refused() -> None:
    message = "aggregate[0].metric: must name a metric, and z is not one"
    refused(A, aggregate("z", "sum"), message=message, line='metric = "z"')
    twice = (aggregate("a", "sum"), aggregate("a", "mean"))
    message = "aggregate[1].metric: a must have only one [[aggregate]]"
    refused(A, *twice, message=message, line='metric = "a"')


@pytest.mark.parametrize("name", ["variance", "stddev", "concentration"])
def test_squares_have_their_limit(name: str) -> None:
    panel_of(metric("a", high=SQUARE_MAX), aggregate("a", name))
    refused(
        metric("a", high=SQUARE_TOO_WIDE),
        aggregate("a", name),
        message="aggregate[0].statistics: must have squares of at most 107 bits",
        line="statistics =",
    )


@pytest.mark.parametrize("name", ["covariance", "weighted-mean"])
def test_products_have_their_limit(name: str) -> None:
    refused(
        WIDE,
        metric("b"),
        aggregate("wide", name, other="b"),
        message="panel[0]: cannot be proven",
        line="[[panel]]",
    )


def test_a_ratio_of_sums_needs_no_product() -> None:
    panel = panel_of(WIDE, metric("b"), aggregate("wide", "ratio", other="b"))
    assert panel.claims.statements.products == ()


@pytest.mark.parametrize(("low", "high"), [("0", "31"), ("-31", "0"), ("-30.5", "30")])
def test_a_geometric_mean_is_of_logarithms(low: str, high: str) -> None:
    panel_of(metric("a", "-30", "30", "0.5"), aggregate("a", "geometric-mean"))
    refused(
        metric("a", low, high, "0.5"),
        aggregate("a", "geometric-mean"),
        message="aggregate[0].statistics: geometric-mean needs log10 values from -30 to 30",
        line="statistics =",
    )


# Edges, thresholds and limits.


@pytest.mark.parametrize("value", ["-10", "-10.5", "10.5", "0.25", "1000"])
@pytest.mark.parametrize("key", ["histogram", "count_above"])
def test_an_edge_off_the_grid_or_outside_is_refused(key: str, value: str) -> None:
    refused(
        A,
        aggregate("a", **{key: [value]}),
        message=f"aggregate[0].{key}: must be above min, at most max",
        line=f"{key} =",
    )


@pytest.mark.parametrize("value", ["", "x", "1e0", "+1", "01", "١", "NaN", "1 "])
@pytest.mark.parametrize("key", ["histogram", "count_above"])
def test_an_edge_that_is_no_decimal_is_refused(key: str, value: str) -> None:
    message = f"aggregate[0].{key}: must be a plain decimal"
    refused(A, aggregate("a", **{key: [value]}), message=message, line=f"{key} =")


@pytest.mark.parametrize("values", [["1", "0"], ["1", "1"], ["0", "2", "1"], ["1", "1.0"]])
@pytest.mark.parametrize("key", ["histogram", "count_above"])
def test_edges_rise(key: str, values: list[str]) -> None:
    message = f"aggregate[0].{key}: must be in rising order, with fewer than {BINS_MAX}"
    refused(A, aggregate("a", **{key: values}), message=message, line=f"{key} =")


@pytest.mark.parametrize("key", ["histogram", "count_above"])
def test_there_is_an_end_to_edges(key: str) -> None:
    wide = metric("a", high="1000")
    most = [str(k) for k in range(1, BINS_MAX)]
    panel_of(wide, aggregate("a", **{key: most}))
    message = f"aggregate[0].{key}: must be in rising order, with fewer than"
    refused(wide, aggregate("a", **{key: [*most, "900"]}), message=message, line=f"{key} =")


@pytest.mark.parametrize("value", ["-10", "10.5", "0.25"])
def test_a_limit_off_the_grid_or_outside_is_refused(value: str) -> None:
    message = "statement[0].at_most: must be above min, at most max"
    refused(A, statement("a", at_most=value), message=message, line="at_most =")


def test_a_limit_that_is_no_decimal_is_refused() -> None:
    message = "statement[0].at_most: must be a plain decimal"
    refused(A, statement("a", at_most="ten"), message=message, line="at_most =")


def test_a_statement_of_no_metric_is_refused() -> None:
    message = "statement[0].metric: must name a metric, and z is not one"
    refused(A, statement("z", at_most="1"), message=message, line='metric = "z"')


def test_a_statement_says_one_thing() -> None:
    message = "statement[0]: must have at_most or equals"
    refused(A, B, statement("a"), message=message, line="[[statement]]")
    both = statement("a", at_most="1", equals="b")
    refused(A, B, both, message=message, line="[[statement]]")


@pytest.mark.parametrize(
    ("other", "more"),
    [
        ("a", ""),
        ("z", ""),
        ("c", metric("c", "-10", "10", "0.5", panel="q")),
        ("d", metric("d", "-9", "10", "0.5")),
        ("d", metric("d", "-10", "10", "0.25")),
    ],
    ids=["itself", "unknown", "another panel", "another minimum", "another resolution"],
)
def test_equal_metrics_are_two_of_one_panel_on_one_grid(other: str, more: str) -> None:
    refused(
        A,
        more or B,
        metric("e", panel="q"),
        statement("a", equals=other),
        message="statement[0].equals: must be another metric of the panel",
        line="equals =",
        panels=("p", "q"),
    )


def test_an_unknown_key_of_a_statement_or_an_aggregate_is_refused() -> None:
    for text in (statement("a", at_least="1"), aggregate("a", "sum", edges=["1"])):
        with pytest.raises(ConfigError):
            charter_of(A, text)
