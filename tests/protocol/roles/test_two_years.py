"""Two years of quarters under the charter template's own terms, one result a quarter."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fermata.cli.setup.new_charter import charter_text
from fermata.protocol.charter.periods import DAY_MS, period_end_ms
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.state.calls import last_calls, schedule
from fermata.protocol.state.state import OPENED, REFUSED
from harness.chains import START_MS, Deployment, Run, figures, make_deployment

YEAR_DAYS, REST_DAYS = 366, 30
#: So long after a quarter's end its last call is over.
BUSY_DAYS = 30


def template(table: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = tomllib.loads(charter_text(5, 3, 0, "tests", "2026Q1"))[table]
    return found


def deployment() -> Deployment:
    """The template's rounds and disclosure, from the quarter on that begins with the test."""
    rounds, terms = template("rounds"), template("disclosure")
    assert "interval_s" not in rounds
    return make_deployment(
        cadence=rounds["cadence"],
        first="2036Q1",
        window_s=rounds["window_s"],
        cohort_min=terms["cohort_min"],
        disclosure="".join(f"{k} = {v}\n" for k, v in terms.items() if k != "cohort_min"),
    )


def live(years: int, delay_days: Callable[[str, str], int]) -> Run:
    """So many years. A lab's figures of a quarter are there so many days after it is over."""
    made = deployment()

    def measure(lab: str, period: str) -> Measurement | None:
        there_ms = period_end_ms("quarter", period) + delay_days(lab, period) * DAY_MS
        place = made.charter.place(period)
        return Measurement(figures(made, lab, place)) if run.now_ms >= there_ms else None

    run = Run(made, measure)
    for day in days(years):
        run.now_ms = START_MS + day * DAY_MS
        run.until_quiet()
    return run


def days(years: int) -> Iterator[int]:
    """Every day of the weeks after a quarter's end, and every second of the others.

    In those nothing is due but heartbeats, and after two days the log was not away yet (T3).
    """
    last = years * YEAR_DAYS + REST_DAYS
    ends = [period_end_ms("quarter", f"{2036 + q // 4}Q{q % 4 + 1}") for q in range(4 * years)]
    starts = [(end - START_MS) // DAY_MS for end in ends]
    for day in range(last):
        if day % 2 == 0 or any(start <= day < start + BUSY_DAYS for start in starts):
            yield day


def test_two_years_give_one_result_a_quarter_each_asked_after_its_end() -> None:
    run = live(2, lambda lab, period: 10)
    quarters = [f"{year}Q{q}" for year in (2036, 2037) for q in range(1, 5)]
    found = run.state.rounds
    assert [r.period for r in found] == quarters
    assert {r.phase(run.charter.endorsement_quorum) for r in found} == {OPENED}
    for each, planned in zip(found, schedule(run.charter, START_MS, 8), strict=True):
        assert period_end_ms("quarter", each.period) <= each.opened_ms
        assert planned.opens_ms <= each.opened_ms < planned.opens_ms + DAY_MS
        assert each.close is not None
        assert each.close.time_ms < planned.closes_ms


def test_a_quarter_whose_figures_come_late_gets_its_result_by_the_second_call() -> None:
    run = live(1, lambda lab, period: 20 if period == "2036Q3" else 10)
    quorum = run.charter.endorsement_quorum
    assert [r.phase(quorum) for r in run.state.rounds if r.period == "2036Q3"] == [REFUSED, OPENED]
    final = last_calls(run.state.rounds)
    assert [r.phase(quorum) for r in final] == [OPENED] * 4
    assert [r.number for r in final] == [1, 2, 4, 5]
