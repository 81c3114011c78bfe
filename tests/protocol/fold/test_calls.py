"""Which period is asked when: never before it is over, and once more if nothing came of it."""

from typing import Any

import pytest

from fermata.protocol.charter.periods import DAY_MS, period_end_ms
from fermata.protocol.roles.overdue import UNOPENED, overdue
from fermata.protocol.state.calls import is_over, next_call, patience, schedule
from fermata.protocol.state.state import CLOSED, COLLECTING, ENDORSED, OPENED, REFUSED
from fermata.protocol.statistics.facts import facts_of
from fermata.summary.records.dues import dues_lines
from harness.chains import (
    COORDINATOR,
    PAUSE_TABLES,
    WINDOW_S,
    Chain,
    Run,
    deadline_of,
    make_deployment,
)

WINDOW_MS = WINDOW_S * 1000
DUE_MS = period_end_ms("quarter", "2035Q4")
NEXT_DUE_MS = period_end_ms("quarter", "2036Q1")
#: The first quarter has just ended when the chain starts, and the next one has not.
LIVE = {"first": "2035Q4", "cohort_min": 3}


def live(**settings: Any) -> Chain:
    chain = Chain(make_deployment(**(LIVE | settings)))
    chain.start()
    return chain


def refused_once(**settings: Any) -> Chain:
    """Its first round was closed with too few reports."""
    chain = live(**settings)
    chain.open_round()
    chain.report("lab-2")
    chain.close(chain.deadline_ms)
    assert chain.round.refusal
    return chain


def reason(chain: Chain, period: str, time_ms: int) -> str:
    statement = chain.open_round_statement(period=period)
    return chain.fork().put(chain.seal(statement), time_ms).reason


def open_again(chain: Chain, time_ms: int | None = None) -> None:
    statement = chain.open_round_statement(period=chain.round.period)
    chain.put_ok(chain.seal(statement), time_ms)


def result_of_round(chain: Chain) -> None:
    chain.report_all(lab for lab in chain.deployment.charter.labs)
    chain.close()
    chain.endorse()
    chain.open_part()


@pytest.mark.parametrize(("cadence", "period"), [("quarter", "2036Q1"), ("month", "2036-01")])
@pytest.mark.parametrize("age_days", [0, 7])
def test_a_period_is_not_asked_before_it_is_over_and_old_enough(
    cadence: str, period: str, age_days: int
) -> None:
    chain = live(first=period, cadence=cadence, disclosure=f"age_days = {age_days}\n")
    due_ms = period_end_ms(cadence, period) + age_days * DAY_MS
    assert reason(chain, period, due_ms - 1) == "TOO_FRESH"
    assert reason(chain, period, due_ms) == ""


def test_a_refused_round_may_be_asked_once_more_at_once() -> None:
    chain = refused_once()
    assert reason(chain, "2036Q1", chain.time_ms) == "PERIOD"
    assert reason(chain, "2035Q4", chain.time_ms) == ""
    open_again(chain)
    assert [(r.number, r.period) for r in chain.state.rounds] == [(1, "2035Q4"), (2, "2035Q4")]
    result_of_round(chain)
    assert chain.round.phase(3) == OPENED


def test_a_period_is_asked_twice_at_most() -> None:
    chain = refused_once()
    open_again(chain)
    chain.close(chain.deadline_ms)
    assert chain.round.refusal
    assert reason(chain, "2035Q4", chain.time_ms) == "PERIOD"
    assert reason(chain, "2036Q1", NEXT_DUE_MS - 1) == "TOO_FRESH"
    assert reason(chain, "2036Q1", NEXT_DUE_MS) == ""


def test_a_second_call_is_over_before_the_next_period_is_due() -> None:
    chain = refused_once()
    last_ms = NEXT_DUE_MS - WINDOW_MS
    assert reason(chain, "2035Q4", last_ms) == ""
    assert reason(chain, "2035Q4", last_ms + 1) == "PERIOD"
    assert reason(chain, "2036Q1", last_ms + 1) == "TOO_FRESH"


def test_rounds_that_are_behind_their_periods_are_not_asked_twice() -> None:
    chain = refused_once(first="2025Q3")
    assert reason(chain, "2025Q3", chain.time_ms) == "PERIOD"
    assert reason(chain, "2025Q4", chain.time_ms) == ""


def test_numbered_rounds_are_never_asked_twice() -> None:
    chain = refused_once(first="1", cadence="number", interval_s=WINDOW_S)
    assert reason(chain, "1", chain.time_ms) == "PERIOD"
    assert reason(chain, "2", chain.time_ms) == ""


@pytest.mark.parametrize("endorsements", range(4))
def test_a_closed_round_is_asked_again_only_while_no_quorum_has_endorsed_it(
    endorsements: int,
) -> None:
    chain = live()
    chain.open_round()
    chain.report_all()
    chain.close()
    chain.endorse(*chain.deployment.charter.auditors[:endorsements]) if endorsements else None
    assert chain.round.close is not None
    again_ms = chain.state.clock.due_ms(patience(chain.round))
    assert again_ms is not None
    quorum = chain.deployment.charter.endorsement_quorum
    if endorsements >= quorum:
        assert reason(chain, "2035Q4", again_ms) == "PERIOD"
        return
    assert reason(chain, "2035Q4", again_ms - 1) == "TOO_EARLY"
    first = chain.fork()
    open_again(chain, again_ms)
    found = chain.state.rounds[0]
    assert found.phase(quorum) == REFUSED
    # Endorsements that come later find nothing to endorse: one sum a period at the most.
    late = first.seal(first.endorsement_statement("auditor-3"))
    assert chain.put(late).reason == "ROUND_REFUSED"


def test_after_the_last_period_only_its_second_call_is_left() -> None:
    chain = refused_once(last="2035Q4")
    charter = chain.deployment.charter
    assert not is_over(charter, chain.state.rounds, chain.state.clock, chain.time_ms)
    assert is_over(charter, chain.state.rounds, chain.state.clock, NEXT_DUE_MS)
    assert reason(chain, "2035Q4", NEXT_DUE_MS) == "NO_MORE_ROUNDS"
    open_again(chain)
    result_of_round(chain)
    assert is_over(charter, chain.state.rounds, chain.state.clock, chain.time_ms)
    assert reason(chain, "2036Q1", NEXT_DUE_MS) == "NO_MORE_ROUNDS"


def asked_twice(**settings: Any) -> Chain:
    """Two calls of the first quarter, of which the second gave a result, and one of the next."""
    chain = refused_once(**settings)
    open_again(chain)
    result_of_round(chain)
    statement = chain.open_round_statement(period="2036Q1")
    chain.put_ok(chain.seal(statement), NEXT_DUE_MS)
    result_of_round(chain)
    return chain


def test_rules_see_one_fact_a_period_that_of_its_second_call() -> None:
    chain = asked_twice(extra=PAUSE_TABLES)
    quorum = chain.deployment.charter.endorsement_quorum
    facts = facts_of(chain.state.rounds, quorum, chain.state.charter_at)
    assert [(f.number, f.period) for f in facts] == [(1, "2035Q4"), (2, "2036Q1")]
    assert all(f.results is not None for f in facts)
    # As of the first call nothing was known; what a rule said then does not change later.
    assert chain.state.judgements[1].holds("hot") is None
    assert chain.state.judgements[2].holds("hot") is True


def test_a_second_call_opens_nothing_of_which_the_first_had_no_newer_figures() -> None:
    """Two sums of one period differ by enough newer figures, if the first might still be known."""
    chain = live()
    chain.open_round()
    chain.report_all()
    chain.close()
    open_again(chain, chain.time_ms + WINDOW_MS)
    for lab in chain.deployment.charter.labs:
        chain.report(lab) if lab in ("lab-2", "lab-3") else chain.abstain(lab)
    chain.close()
    assert chain.round.refusal.startswith("panel alpha: 2 of at least 3 organisations")


def test_a_period_that_was_asked_twice_is_owed_for_once() -> None:
    tiers = '\n[[tier]]\nid = "a"\npanels = ["alpha"]\ndues = "10"\n\n[dues]\nunit = "EUR"\n'
    chain = asked_twice(tiers="aaaaaa", extra=tiers)
    lines = dues_lines(chain.state)
    assert sorted({line.round for line in lines}) == [2, 3]
    assert len(lines) == 2 * len(chain.deployment.charter.labs)


def test_a_second_call_that_is_not_opened_is_late() -> None:
    chain = refused_once(extra=PAUSE_TABLES)
    charter = chain.deployment.charter
    assert charter.pause is not None
    within_ms = charter.pause.open_within_ms
    told = overdue(chain.state, chain.state.pause, charter.pause, (), chain.time_ms + within_ms)
    assert UNOPENED in [late.what for late in told]


def in_phase(phase: str) -> Chain:
    chain = live()
    chain.open_round()
    if phase == REFUSED:
        chain.close(chain.deadline_ms)
        return chain
    chain.report_all()
    if phase != COLLECTING:
        chain.close()
    if phase in (ENDORSED, OPENED):
        chain.endorse()
    if phase == OPENED:
        chain.open_part()
    return chain


@pytest.mark.parametrize("phase", [COLLECTING, CLOSED, ENDORSED, OPENED, REFUSED])
@pytest.mark.parametrize("is_live", [True, False])
def test_no_phase_of_a_round_holds_up_the_log_for_ever(phase: str, is_live: bool) -> None:
    """Whatever the coordinator, labs or auditors leave undone, a next round can be opened."""
    chain = in_phase(phase)
    charter = chain.deployment.charter
    assert chain.round.phase(charter.endorsement_quorum) == phase
    given_up_ms = chain.state.clock.due_ms(patience(chain.round))
    given_up_ms = chain.time_ms if phase == REFUSED else given_up_ms
    time_ms = given_up_ms if is_live and given_up_ms is not None else NEXT_DUE_MS
    call = next_call(charter, chain.state.rounds, chain.state.clock, time_ms)
    assert call is not None
    assert call.is_second == (is_live and phase in (COLLECTING, CLOSED, REFUSED))
    statement = chain.open_round_statement(period=call.period)
    chain.put_ok(chain.seal(statement), max(time_ms, call.from_ms))
    assert chain.round.number == 2
    if phase == COLLECTING:
        assert chain.state.rounds[0].phase(charter.endorsement_quorum) == REFUSED
        assert "not closed in time" in chain.state.rounds[0].refusal


def test_a_round_that_was_never_closed_takes_neither_reports_nor_a_close() -> None:
    chain = in_phase(COLLECTING)
    close, report = chain.close_statement(), chain.report_statement("lab-2", number=1)
    open_again(chain, chain.deadline_ms + WINDOW_MS)
    before = chain.state.rounds[0]
    for statement in (close, report):
        assert chain.put(chain.seal(statement)).reason == "ROUND_CLOSED"
    assert chain.state.rounds[0] == before


def test_an_open_round_is_left_behind_only_a_window_after_its_deadline() -> None:
    chain = in_phase(COLLECTING)
    given_up_ms = chain.deadline_ms + WINDOW_MS
    assert reason(chain, "2035Q4", given_up_ms - 1) == "ROUND_OPEN"
    assert reason(chain, "2035Q4", given_up_ms) == ""


def test_a_second_call_planned_in_time_and_logged_too_late_does_not_block_the_next_period() -> None:
    run = Run(make_deployment(**LIVE, heartbeat_s=60), lambda lab, period: None)
    run.until_quiet()
    run.now_ms = deadline_of(run, 1)
    run.step(*run.charter.auditors, COORDINATOR)
    run.now_ms = NEXT_DUE_MS - WINDOW_MS - 1000
    run.step(*run.charter.auditors)
    coordinator = run.drivers[COORDINATOR]
    coordinator._plan()
    run.now_ms += 60_000
    run.step(*run.charter.auditors)
    coordinator.step()
    assert len(run.state.rounds) == 1
    run.now_ms = NEXT_DUE_MS
    run.step(*run.charter.auditors)
    coordinator.step()
    assert run.state.rounds[-1].period == "2036Q1"


def test_a_schedule_keeps_step_with_the_calendar() -> None:
    charter = make_deployment(**(LIVE | {"last": "2037Q1"})).charter
    planned = schedule(charter, DUE_MS + DAY_MS, 8)
    assert [p.period for p in planned][:2] == ["2035Q4", "2036Q1"]
    assert len(planned) == 6
    assert planned[0].opens_ms == DUE_MS + DAY_MS
    for each in planned[1:]:
        assert each.opens_ms == period_end_ms("quarter", each.period)
        assert each.closes_ms == each.opens_ms + WINDOW_MS
