"""What statistics say of fresh figures, and how many labs block or read a sum."""

import pytest

from fermata.assessment.fresh import (
    blockers,
    companions_of,
    nearly_revealing_statistics,
    organisations_of,
    quieted_pause,
    readers,
    revealing_statistics,
)
from fermata.protocol.charter.disclosure_terms import DisclosureTerms, fresh_min_of
from fermata.protocol.charter.parse import Charter, parse_charter
from harness.chains import MODULUS_BITS_MIN, make_deployment
from harness.deployments import PAUSE_TABLE, PAUSE_TABLES
from harness.protocol.panels import aggregate, charter_of, metric
from harness.protocol.rule_texts import leaf, rule, text_of

PRODUCTS = (
    metric("x"),
    metric("y"),
    metric("z"),
    aggregate("x", "sum", "covariance", other="y"),
    aggregate("z", "weighted-mean", other="y"),
)


@pytest.mark.parametrize(
    ("cohort_min", "organisations", "expected"), [(5, 5, 3), (5, 13, 5), (3, 13, 3), (4, 7, 4)]
)
def test_half_of_the_organisations_are_fresh_unless_it_is_said(
    cohort_min: int, organisations: int, expected: int
) -> None:
    assert fresh_min_of(DisclosureTerms(), cohort_min, organisations) == expected


def test_who_is_silent_blocks_and_who_pools_reads() -> None:
    assert (blockers(13, 5), readers(5)) == (9, 4)
    assert blockers(3, 3) == 1


def test_a_product_counts_for_both_of_its_metrics() -> None:
    found = companions_of(charter_of(*PRODUCTS).panels[0])
    assert found == {"x": {"y"}, "y": {"x", "z"}, "z": {"y"}}


def test_a_ratio_opens_no_product() -> None:
    body = (metric("x"), metric("y"), aggregate("x", "ratio", other="y"))
    assert companions_of(charter_of(*body).panels[0]) == {"x": frozenset(), "y": frozenset()}


def test_products_with_too_many_metrics_are_refused_and_one_below_is_warned_of() -> None:
    charter = charter_of(*PRODUCTS)
    assert [line.split()[0] for line in revealing_statistics(charter, charter.panels[0], 3)] == [
        "x",
        "y",
        "z",
    ]
    assert [line.split()[0] for line in revealing_statistics(charter, charter.panels[0], 4)] == [
        "y"
    ]
    assert revealing_statistics(charter, charter.panels[0], 5) == []
    assert [
        line.split()[0] for line in nearly_revealing_statistics(charter, charter.panels[0], 4)
    ] == ["x", "z"]
    assert [
        line.split()[0] for line in nearly_revealing_statistics(charter, charter.panels[0], 5)
    ] == ["y"]
    assert nearly_revealing_statistics(charter, charter.panels[0], 6) == []


@pytest.mark.parametrize("statistic", ["variance", "stddev", "concentration"])
def test_squares_of_fewer_than_five_figures_are_refused(statistic: str) -> None:
    charter = charter_of(metric("x"), aggregate("x", "sum", statistic))
    assert (
        f"x has {statistic}: the sum and the squares of 4 figures"
        in revealing_statistics(charter, charter.panels[0], 4)[0]
    )
    assert revealing_statistics(charter, charter.panels[0], 5) == []


def test_a_sum_alone_is_allowed_with_three_figures() -> None:
    plain = charter_of(metric("x"), aggregate("x", "sum"))
    assert revealing_statistics(plain, plain.panels[0], 3) == []


def test_more_than_two_edges_for_each_figure_are_warned_of() -> None:
    edges = [str(k) for k in range(1, 8)]
    charter = charter_of(metric("x"), aggregate("x", "sum", histogram=edges))
    assert "x has 7 edges" in nearly_revealing_statistics(charter, charter.panels[0], 3)[0]
    assert nearly_revealing_statistics(charter, charter.panels[0], 4) == []


def charter_with_pause(*, is_safe: bool) -> Charter:
    dark = rule("dark", kind="no-result", panel="p", at_least="2") if is_safe else ""
    pause = PAUSE_TABLE
    if is_safe:
        pause = pause.replace('["hot"]', '["hot", "dark"]').replace('fail_safe = "none"\n', "")
    rules = (leaf("hot", at_least="100"), leaf("calm", below="60"), dark, pause)
    return parse_charter(text_of(*rules).encode(), MODULUS_BITS_MIN)


def test_a_pause_that_one_silent_lab_keeps_off_is_refused_without_no_result() -> None:
    unsafe, safe = (charter_with_pause(is_safe=is_safe) for is_safe in (False, True))
    (panel,) = unsafe.panels
    everybody = organisations_of(unsafe, panel)
    assert "one that is silent" in quieted_pause(unsafe, panel, everybody)
    assert quieted_pause(unsafe, panel, everybody - 1) == ""
    assert quieted_pause(safe, panel, everybody) == ""


@pytest.mark.parametrize(("count", "is_refused"), [(7, False), (8, True), (32, True)])
def test_dues_with_so_many_bands_that_they_tell_figures_are_refused(
    count: int, is_refused: bool
) -> None:
    band = '[[dues.band]]\nat_most = "{}"\namount = "{}"\n'
    bands = "".join(band.format(k, k) for k in range(1, count))
    bands += f'[[dues.band]]\namount = "{count}"\n'
    deployment = make_deployment(extra=f'[dues]\nunit = "EUR"\nmetric = "hours"\n{bands}')
    said = revealing_statistics(deployment.charter, deployment.charter.panels[0], 3)
    assert any(f"the dues have {count} bands" in line for line in said) is is_refused


def test_a_panel_is_judged_by_its_own_number_of_new_figures_and_by_its_own_dues() -> None:
    bands = "".join(f'[[dues.band]]\nat_most = "{k}"\namount = "{k}"\n' for k in range(1, 20))
    bands += '[[dues.band]]\namount = "20"\n'
    charter = make_deployment(extra=f'[dues]\nunit = "EUR"\nmetric = "hours"\n{bands}').charter
    alpha, beta = charter.panels
    assert revealing_statistics(charter, alpha, 3) != []
    assert revealing_statistics(charter, beta, 3) == []


def test_a_panel_that_no_trigger_reads_keeps_none_quiet() -> None:
    charter = make_deployment(extra=PAUSE_TABLES).charter
    alpha, beta = charter.panels
    many = organisations_of(charter, beta)
    assert quieted_pause(charter, beta, many) == ""
    assert quieted_pause(charter, alpha, organisations_of(charter, alpha)) != ""
