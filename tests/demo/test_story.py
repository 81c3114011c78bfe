"""The story that the demo tells, without its processes: its charter on its figures."""

import base64
import hashlib
from dataclasses import replace

import pytest

from fermata.crypto.signing import SigningKey
from fermata.dashboard.views.overview import rule_limits
from fermata.demo.charter import (
    AUDITORS,
    COMPUTE,
    COORDINATOR,
    DUTY,
    charter_text,
    demo_figures,
    invented_quarters,
)
from fermata.demo.figures import labs, quarters
from fermata.demo.run import STOPPED, STOPPED_AFTER
from fermata.demo.story import acknowledgements_text, dues_text, events_since
from fermata.log.merkle import Frontier
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.fold.disclosure import change_refusal, cohort_refusal
from fermata.protocol.fold.pause import settle_rounds
from fermata.protocol.state.pause import PAUSED, RUNNING, TRIGGERED, acknowledge, asking
from fermata.protocol.state.position import Position
from fermata.protocol.state.report_flags import Asked, Flags
from fermata.protocol.state.state import ReportSeen, State
from fermata.summary.records.pause import pause_spans
from harness.rounds import START_MS, state_of

FIGURES = demo_figures()
PARTIES = (COORDINATOR, *AUDITORS, *labs(FIGURES))
SEEDS = {party: hashlib.sha256(party.encode()).digest() for party in PARTIES}
KEYS = {
    party: base64.b64encode(SigningKey.from_seed(seed).public_key).decode()
    for party, seed in SEEDS.items()
}
CHARTER = parse_charter(charter_text(FIGURES, KEYS, 12).encode())
HISTORY = [
    {
        lab: {f.metric: f.value for f in FIGURES if (f.lab, f.quarter) == (lab, quarter)}
        for lab in labs([f for f in FIGURES if f.quarter == quarter])
    }
    for quarter in quarters(FIGURES)
]
TRIGGER, REFUSED = 3, (4, 5)


def acknowledged(state: State, entry: int, silent: str = "") -> State:
    """All labs but one say that they have seen the last change that asks for it."""
    pause = state.pause
    for place, lab in enumerate(lab for lab in CHARTER.labs if lab != silent):
        pause = acknowledge(
            pause, CHARTER.pause, entry + place, state.time_ms, asking(pause)[-1].entry, lab,
            CHARTER.labs, False,
        )  # fmt: skip
    return replace(state, pause=pause)


def seen_in(number: int, lab: str, values: dict[str, str], in_pause: bool) -> ReportSeen:
    complies = in_pause and COMPUTE in values and values[COMPUTE] <= DUTY[1]
    return ReportSeen(lab, 10 * number + 1, (), b"", b"", Flags(complies))


@pytest.fixture(scope="module")
def states() -> list[State]:
    """The state after each round; the trigger is acknowledged by all, the lift not by one."""
    whole = state_of(CHARTER, HISTORY, REFUSED)
    found = []
    state = replace(whole, rounds=())
    for number, each in enumerate(whole.rounds, 1):
        in_pause = number > TRIGGER
        reports = {
            lab: seen_in(number, lab, values, in_pause)
            for lab, values in HISTORY[number - 1].items()
        }
        absent = {lab: 0 for lab in CHARTER.labs if lab not in reports}
        if number == len(HISTORY):
            del absent[STOPPED]
        shown = replace(each, reports=reports, abstained=absent, asked=Asked(in_pause))
        state = replace(
            state,
            rounds=(*state.rounds, shown),
            clock=replace(state.clock, time_ms=START_MS + number),
            position=Position(Frontier(100 * number)),
        )
        state = settle_rounds(state, 100 * number)
        if number == TRIGGER:
            state = acknowledged(state, 310)
        if number == len(HISTORY):
            state = acknowledged(state, 710, STOPPED)
        found.append(state)
    return found


def story(state: State, since: int = -1) -> str:
    return "\n".join(text for _, text in events_since(state, since, invented_quarters(FIGURES)))


def test_the_charter_refuses_the_two_quarters_with_too_few_labs_and_no_other() -> None:
    whole = state_of(CHARTER, HISTORY, REFUSED)
    for found in whole.rounds:
        close = found.close
        assert close is not None
        refusal = cohort_refusal(CHARTER, close.cells)
        assert bool(refusal) == (found.number in REFUSED)
        if not refusal:
            assert change_refusal(whole, found, close.cells) == ""
    assert CHARTER.disclosure.change_min == 2


def test_real_growth_pulls_the_pause_and_only_invented_quarters_lift_it(states) -> None:
    phases = [state.pause.phase for state in states]
    assert phases == [RUNNING, RUNNING, PAUSED, PAUSED, PAUSED, "lifting", RUNNING]
    changes = states[-1].pause.changes
    assert [c.after for c in changes] == [TRIGGERED, PAUSED, "lifting", RUNNING]
    invented = invented_quarters(FIGURES)
    periods = [CHARTER.period(c.round) in invented for c in changes]
    assert periods == [False, False, True, True]


def test_the_story_marks_every_invented_round_and_no_real_one(states) -> None:
    heads = [text.split("  ")[0] for text in story(states[-1]).split("\n") if text[:2] == "20"]
    assert heads == [
        "2024Q4", "2025Q1", "2025Q2", "2025Q3", "2025Q4", "2026Q1 (invented)", "2026Q2 (invented)",
    ]  # fmt: skip


def test_the_story_tells_why_it_was_triggered_and_what_became_of_it(states) -> None:
    lines = story(states[-1]).split("\n")
    for wanted in (
        "TRIGGERED by rule pull; the labs hold",
        "  high: gpqa-diamond mean 0.745125, limit at least 0.700",
        "  risen: gpqa-diamond mean changed over 2 rounds by 0.226825, limit above 0.150",
        "PAUSED: acknowledged by 9 of 13 labs, 9 needed",
        "  still PAUSED: rule calm is unknown, and lifts nothing",
        "LIFTING, 1 of 2 calm rounds: by rule calm (invented)",
        "  silent until the deadline: xai",
        "RUNNING again after 2 calm rounds: by rule calm; the labs go on (invented)",
    ):
        assert wanted in lines
    duties = [line.split(": ", 1)[1] for line in lines if "duty of the pause" in line]
    without = "proved by amazon, google, meta, oracle; not shown by microsoft"
    # The acknowledgements come at once here, so the first round of the pause asks already.
    assert duties == [without] * 3 + ["proved by amazon, google, meta, microsoft, oracle"]


def test_what_was_told_is_not_told_again(states) -> None:
    last = max(entry for entry, _ in events_since(states[4], -1, frozenset()))
    assert story(states[4], last) == ""
    assert story(states[5], last).startswith("2026Q1 (invented)  opened")


def test_acknowledgements_name_who_is_missing(states) -> None:
    assert acknowledgements_text(states[-1]).split("\n") == [
        "trigger acknowledged by 13 of 13 labs",
        f"lift acknowledged by 12 of 13 labs; missing: {STOPPED}",
    ]


def test_dues_go_by_tier(states) -> None:
    assert dues_text(states[-1]).startswith("dues of 7 rounds: 1610 thousand tokens (56 times")


def test_the_stopped_lab_reports_until_then_and_is_no_owner_of_compute() -> None:
    mine = [f for f in FIGURES if f.lab == STOPPED]
    assert max(quarters(mine)) == STOPPED_AFTER
    assert all(f.metric != COMPUTE for f in mine)


def test_charts_get_the_limits_of_levels_and_the_rounds_of_the_pause(states) -> None:
    assert rule_limits(CHARTER.rules) == {
        ("gpqa-diamond", "mean"): [("high: at least 0.700", 0.7), ("lower: below 0.680", 0.68)],
        (COMPUTE, "mean"): [("slower: below 5.450", 5.45)],
    }
    assert [pause_spans(state) for state in states] == [
        (), (), ((3, 3),), ((3, 4),), ((3, 5),), ((3, 6),), ((3, 7),),
    ]  # fmt: skip
