"""The dominance limit: shown by every report, or nothing comes out."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from fermata.protocol.fold.dominance import achieved_shares, share_limits
from harness.chains import Chain, make_deployment

#: Six labs, at most half of the sum before each; 24 hours to begin with.
TERMS = """dominance = "0.5"

[disclosure.dominance_start]
hours = "24"
wide-1 = "1000"
wide-2 = "1000"
wide-3 = "1000"
wide-4 = "1000"
wide-5 = "1000"
"""


def one_round(chain: Chain, *hours: str) -> None:
    chain.open_round()
    for lab, figure in zip(chain.deployment.charter.labs, hours, strict=True):
        beta = {f"wide-{k}": "100" for k in range(1, 6)} if lab != "lab-1" else {}
        chain.report(lab, {"hours": figure, "share": "1"} | beta)
    chain.close()


def opened(chain: Chain, *hours: str) -> None:
    one_round(chain, *hours)
    chain.endorse()
    chain.open_part()


def chain() -> Chain:
    fresh = Chain(make_deployment(disclosure=TERMS))
    fresh.start()
    return fresh


def test_the_first_limit_is_a_share_of_the_start_and_the_next_of_the_sum_before() -> None:
    run = chain()
    opened(run, "12", "1", "1", "1", "1", "1")
    assert run.state.rounds[0].asked.share_limits["hours"] == 12_000
    run.open_round()
    assert run.round.asked.share_limits["hours"] == 8_500


def test_a_figure_above_the_limit_waits_and_keeps_nothing_from_the_others() -> None:
    run = chain()
    opened(run, "12.001", "1", "1", "1", "1", "1")
    assert run.round.close is not None
    assert "lab-1" in run.round.close.listed
    assert "lab-1" not in run.round.close.figures["alpha"]
    assert run.round.opening is not None
    assert run.round.opening.sums["hours"] == 5


def test_what_a_lab_showed_before_stands_when_its_newer_figure_is_above_the_limit() -> None:
    run = chain()
    opened(run, "2", "2", "2", "2", "2", "2")
    opened(run, "6.001", "1", "1", "1", "1", "1")
    assert run.round.close is not None
    assert run.round.close.figures["alpha"]["lab-1"] == 1
    assert run.round.opening is not None
    assert run.round.opening.sums["hours"] == 7


def test_a_share_is_told_by_the_limit_of_each_figures_own_round() -> None:
    """lab-1's figure of round 1 was within 12 h; round 2's limit of 6 h says nothing of it."""
    run = chain()
    opened(run, "2", "2", "2", "2", "2", "2")
    opened(run, "6.001", "4", "4", "4", "4", "4")
    assert achieved_shares(run.state, run.round)["hours"] == Fraction(12, 22)


def test_a_report_that_claims_to_be_within_and_is_not_is_excluded() -> None:
    run = chain()
    run.open_round()
    statement = run.report_statement("lab-1", {"hours": "12.001", "share": "1"})
    assert not statement.report.within_shares
    statement.report.within_shares = True
    run.put_ok(run.seal(statement))
    for lab in run.deployment.charter.labs[1:]:
        beta = {f"wide-{k}": "100" for k in range(1, 6)}
        run.report(lab, {"hours": "1", "share": "1"} | beta)
    run.close()
    assert [reason for _, reason in run.round.excluded] == ["PROOF"]
    assert run.round.refusal == ""


def test_a_round_that_is_not_opened_leaves_the_limit_of_the_last_opened_sum() -> None:
    run = chain()
    opened(run, "2", "2", "2", "2", "2", "2")
    one_round(run, "7", "1", "1", "1", "1", "1")
    run.open_round()
    assert run.round.asked.share_limits["hours"] == 6_000


def test_what_no_report_is_above_is_told_of_the_rounds_own_sum() -> None:
    run = chain()
    opened(run, "2", "2", "2", "2", "2", "2")
    assert achieved_shares(run.state, run.round)["hours"] == 1
    opened(run, "2", "2", "4", "4", "4", "4")
    shares = achieved_shares(run.state, run.round)
    assert shares["hours"] == Fraction(6, 20)


def test_the_limit_is_of_the_newest_opened_sum_and_not_of_an_older_one() -> None:
    run = chain()
    opened(run, "2", "2", "2", "2", "2", "2")
    opened(run, "4", "4", "4", "4", "4", "4")
    run.open_round()
    assert run.round.asked.share_limits["hours"] == 12_000


def test_a_limit_is_at_most_what_the_metric_can_be() -> None:
    charter = chain().deployment.charter
    start = {**charter.disclosure.dominance_start, "hours": Decimal(10**18)}
    wide = replace(charter, disclosure=replace(charter.disclosure, dominance_start=start))
    hours = next(m for p in charter.panels for m in p.metrics if m.id == "hours")
    assert share_limits(wide, ())["hours"] == hours.bound


def test_without_a_limit_nothing_is_asked() -> None:
    free = Chain(make_deployment())
    free.start()
    free.open_round()
    assert free.round.asked.share_limits == {}


def test_a_sum_of_nothing_leaves_a_limit_of_one_step() -> None:
    run = chain()
    opened(run, "0", "0", "0", "0", "0", "0")
    limits = share_limits(run.deployment.charter, run.state.rounds)
    assert limits["hours"] == 1
    closed = replace(run.round, opening=None)
    assert achieved_shares(run.state, closed) == {}
