"""tests/vectors/statistics.json: the product, and charter.md's C9 computed from the figures."""

import json
from fractions import Fraction
from math import ceil, isqrt
from pathlib import Path

import pytest

from fermata.errors import InvalidEncoding
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.statistics.results import results_of

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests" / "vectors" / "statistics.json").read_text())
CHARTER = parse_charter(VECTORS["charter"].encode(), VECTORS["modulus_bits_min"])
(PANEL,) = CHARTER.panels
CASES = {case["what"]: case for case in VECTORS["cases"]}
#: Bins of x, lowest and highest value of each.
BINS = [("-10.00", "-5.25"), ("-5.00", "-0.25"), ("0.00", "0.00"), ("0.25", "7.25")]
BINS += [("7.50", "10.00")]


def results(count, plaintexts):
    labs = tuple(f"lab-{k}" for k in range(count))
    opened = {VECTORS["panel"]: tuple(map(int, plaintexts))}
    _, found = results_of(CHARTER, {VECTORS["panel"]: labs}, opened, {VECTORS["panel"]})
    return [[r.metric, r.statistic, r.text, str(r.value)] for r in found]


@pytest.mark.parametrize("what", CASES)
def test_the_results_of_sums_are_those_of_the_vector(what):
    case = CASES[what]
    assert results(len(case["rows"]), case["plaintexts"]) == case["results"]


@pytest.mark.parametrize("refused", VECTORS["refused"], ids=lambda case: case["what"])
def test_sums_that_no_valid_reports_give_are_refused_with_the_vectors_reason(refused):
    with pytest.raises(InvalidEncoding) as error:
        results(refused["labs"], refused["plaintexts"])
    assert error.value.reason == refused["reason"]


def test_values_stand_in_the_order_and_at_the_bits_of_the_vector():
    statements = PANEL.claims.statements
    assert [v[:3] for v in VECTORS["values"]] == [list(slot) for slot in PANEL.claims.slots]
    assert [int(v[3]) for v in VECTORS["values"]] == [v.bound for v in statements.values]
    offsets = [v[4] for v in VECTORS["values"] if v[4]]
    assert offsets == [list(offset) for offset in statements.packing.offsets]
    assert statements.statement_hash.hex() == VECTORS["statement_hash"]
    counts = [len(statements.all_ranges), len(statements.products), len(statements.equalities)]
    assert counts == [VECTORS[k] for k in ("ranges", "products", "equalities")]


def places(value, count):
    """C9: rounded half to even."""
    scaled = round(value * 10**count)
    sign, digits = "-" if scaled < 0 else "", str(abs(scaled)).rjust(count + 1, "0")
    return f"{sign}{digits[:-count]}.{digits[-count:]}" if count else f"{sign}{digits}"


def means(xs, ys):
    """Sums and what follows from them, of x with y."""
    n = len(xs)
    squares, products = sum(x * x for x in xs), sum(x * y for x, y in zip(xs, ys, strict=True))
    mean = sum(xs) / n
    variance = squares / n - mean**2
    root = Fraction(isqrt(variance.numerator * 10**10 // variance.denominator), 10**5)
    found = {
        "sum": (sum(xs), 2),
        "mean": (mean, 5),
        "variance": (variance, 7),
        "stddev": (root, 5),
        "covariance:y": (products / n - mean * sum(ys) / n, 6),
    }
    if sum(xs):
        found["concentration"] = (squares / sum(xs) ** 2, 8)
    if sum(ys):
        found |= {"weighted-mean:y": (products / sum(ys), 8), "ratio:y": (sum(xs) / sum(ys), 8)}
    return {name: [places(value, digits), str(value)] for name, (value, digits) in found.items()}


def counts(xs):
    """Counts above limits and in bins, and the bins of the quartiles."""
    found = {"count": len(xs)}
    found |= {f"above:{t}": sum(x >= Fraction(t) for x in xs) for t in ("-9.75", "0.00", "10.00")}
    places = sorted(
        next(k for k, (_, high) in enumerate(BINS) if x <= Fraction(high)) for x in xs
    )  # fmt: skip
    found |= {f"bin:{low}..{high}": places.count(k) for k, (low, high) in enumerate(BINS)}
    told = {name: [str(count)] * 2 for name, count in found.items()}
    for q, name in enumerate(("quartile-1-bin", "median-bin", "quartile-3-bin"), 1):
        low, high = BINS[places[ceil(Fraction(len(xs) * q, 4)) - 1]]
        told[name] = [f"{low}..{high}", str(Fraction(low))]
    return told


@pytest.mark.parametrize("what", CASES)
def test_the_results_of_x_follow_from_the_figures_by_the_text(what):
    case = CASES[what]
    xs, ys = ([Fraction(row[name]) for row in case["rows"]] for name in "xy")
    found = {name: [text, value] for metric, name, text, value in case["results"] if metric == "x"}
    geometric = Fraction(found.pop("geometric-mean")[1])
    assert found == means(xs, ys) | counts(xs)
    assert abs(geometric / Fraction(10 ** float(sum(xs) / len(xs))) - 1) < Fraction(1, 10**5)
