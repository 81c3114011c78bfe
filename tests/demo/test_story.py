"""The story that the demo tells, without its processes: its charter on its figures."""

import base64
import hashlib
from dataclasses import replace
from fractions import Fraction

import pytest

from fermata.cli.setup.fresh_text import unsafe_terms
from fermata.crypto.signing import SigningKey
from fermata.dashboard.views.overview import rule_limits
from fermata.demo.charter import (
    AUDITORS,
    COMPUTE,
    COORDINATOR,
    DUTY,
    MEMBERS,
    charter_text,
    demo_figures,
    invented_quarters,
)
from fermata.demo.figures import labs, quarters
from fermata.demo.layout import LATE
from fermata.demo.run import BACK_AFTER, STOPPED, STOPPED_AFTER
from fermata.demo.story import acknowledgements_text, dues_text, events_since
from fermata.log.merkle import Frontier
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.fold.pause import settle_rounds
from fermata.protocol.state.pause import PAUSED, RUNNING, TRIGGERED, acknowledge, asking
from fermata.protocol.state.position import Position
from fermata.protocol.state.report_flags import Asked
from fermata.protocol.state.state import State
from fermata.summary.records.pause import pause_spans
from fermata.summary.records.standing import StandingRecord, standing_records
from harness.rounds import START_MS, state_of

FIGURES = demo_figures()
PARTIES = (COORDINATOR, *AUDITORS, *MEMBERS, *labs(FIGURES))
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
#: By place: the round that pulls the pause, the one that brings no new sum of the scores, the one
#: that a lab misses, and that in which it is back.
TRIGGER, UNCHANGED, MISSED, BACK = 4, 5, 7, 8


def acknowledged(state: State, entry: int, silent: str = "") -> State:
    """All labs but one say that they have seen the last change that asks for it."""
    pause = state.pause
    for place, lab in enumerate(lab for lab in CHARTER.labs if lab != silent):
        pause = acknowledge(
            pause, CHARTER.pause, entry + place, state.time_ms, asking(pause)[-1].entry, lab,
            CHARTER.labs, False,
        )  # fmt: skip
    return replace(state, pause=pause)


@pytest.fixture(scope="module")
def states() -> list[State]:
    """The state after each round; all acknowledge."""
    whole = state_of(CHARTER, HISTORY, alone=LATE)
    states = []
    state = replace(whole, rounds=(), unended=())
    for number, each in enumerate(whole.rounds, 1):
        in_pause = number > TRIGGER
        reports = {
            lab: replace(seen, flags=replace(seen.flags, complies=complies(number, lab, in_pause)))
            for lab, seen in each.reports.items()
        }
        absent = {lab: 0 for lab in CHARTER.labs if lab not in reports}
        if number == MISSED:
            del absent[STOPPED]
        assert each.close is not None
        # The entries of this log are a hundred apart, and the round ends with the last of them.
        close = replace(each.close, entry=100 * number - 40)
        opening = replace(each.opening, entry=100 * number) if each.opening else None
        told = replace(
            each,
            entry=100 * number - 80,
            close=close,
            opening=opening,
            reports=reports,
            abstained=absent,
            asked=Asked(in_pause),
        )
        state = replace(
            state.with_opened(told),
            clock=replace(state.clock, time_ms=START_MS + number),
            position=Position(Frontier(100 * number)),
        )
        state = settle_rounds(state, 100 * number)
        if number in (TRIGGER, BACK):
            state = acknowledged(state, 100 * number + 10)
        states.append(state)
    return states


def complies(number: int, lab: str, in_pause: bool) -> bool:
    values = HISTORY[number - 1][lab]
    return in_pause and COMPUTE in values and values[COMPUTE] <= DUTY[1]


def story(state: State, since: int = -1) -> str:
    return "\n".join(text for _, text in events_since(state, since, invented_quarters(FIGURES)))


def standing_of(state: State, number: int) -> StandingRecord:
    return standing_records(state, state.rounds[number - 1])[0]


def test_the_scores_stand_and_only_one_real_quarter_brings_no_new_sum(states: list[State]) -> None:
    last = states[-1]
    is_opened = [standing_of(last, number).is_opened for number in range(1, len(HISTORY) + 1)]
    assert [n for n, opened in enumerate(is_opened, 1) if not opened] == [UNCHANGED]
    assert standing_of(last, UNCHANGED).unchanged == (
        "2 of at least 3 organisations have a newer figure"
    )
    # Sums of compute, which five report each quarter, come out all the same.
    assert all(r.close is not None and r.close.cells for r in last.rounds)


def test_who_has_its_first_figure_late_joins_by_its_own_word(states: list[State]) -> None:
    (late,) = LATE
    assert [f.lab for f in standing_of(states[-1], UNCHANGED).waiting if f.lab == late] == [late]
    assert late in [f.lab for f in standing_of(states[-1], UNCHANGED + 1).members]


def test_every_sum_is_that_of_the_figures_that_it_names(states: list[State]) -> None:
    periods = quarters(FIGURES)
    for round_ in states[-1].rounds:
        for panel in standing_records(states[-1], round_):
            figures = [HISTORY[periods.index(f.figure_of)][f.lab] for f in panel.members]
            total = sum(Fraction(values[panel.panel]) for values in figures)
            assert round_.opening is not None
            if panel.is_opened:
                assert Fraction(round_.opening.sums[panel.panel]) == total


def test_real_growth_pulls_the_pause_and_only_invented_quarters_lift_it(states) -> None:
    phases = [state.pause.phase for state in states]
    assert phases == [RUNNING] * 3 + [PAUSED, PAUSED, "lifting", "lifting", RUNNING]
    changes = states[-1].pause.changes
    # What the trigger saw holds for one round more over scores that are unchanged.
    assert [c.after for c in changes] == [TRIGGERED, PAUSED, PAUSED, "lifting", RUNNING]
    invented = invented_quarters(FIGURES)
    periods = [CHARTER.period(c.round) in invented for c in changes]
    assert periods == [False, False, False, True, True]


def test_the_silence_of_one_lab_lifts_nothing(states: list[State]) -> None:
    """The round that it misses is calm, and k stays; the lift comes with its next figure."""
    assert states[MISSED - 1].pause.calm_rounds == states[MISSED - 2].pause.calm_rounds == 1
    assert STOPPED in story(states[MISSED - 1])


def test_the_story_marks_every_invented_round_and_no_real_one(states) -> None:
    heads = [text.split("  ")[0] for text in story(states[-1]).split("\n") if text[:2] == "20"]
    assert heads == [
        "2024Q4", "2025Q1", "2025Q2", "2025Q3", "2025Q4",
        "2026Q1 (invented)", "2026Q2 (invented)", "2026Q3 (invented)",
    ]  # fmt: skip


def test_the_story_tells_why_it_was_triggered_and_what_became_of_it(states) -> None:
    lines = story(states[-1]).split("\n")
    for wanted in (
        "TRIGGERED by rule pull; the labs hold",
        "  high: gpqa-diamond mean 0.718, limit at least 0.710",
        "  risen: gpqa-diamond mean changed over 3 rounds by 0.1997, limit above 0.150",
        "PAUSED: acknowledged by 9 of 13 labs, 9 needed",
        "PAUSED: by rule pull",
        "LIFTING, 1 of 2 calm rounds: by rule calm (invented)",
        "  silent until the deadline: xai",
        "  still LIFTING: rule calm holds, and the lift waits for newer figures of xai",
        "RUNNING again after 2 calm rounds: by rule calm; the labs go on (invented)",
    ):
        assert wanted in lines
    duties = [line.split(": ", 1)[1] for line in lines if "duty of the pause" in line]
    without = "proved by amazon, google, meta, oracle; not shown by microsoft"
    # The acknowledgements come at once here, so the first round of the pause asks already.
    everybody = "proved by amazon, google, meta, microsoft, oracle"
    assert duties == [without] * 2 + [everybody] * 2


def test_what_was_told_is_not_told_again(states) -> None:
    last = max(entry for entry, _ in events_since(states[4], -1, frozenset()))
    assert story(states[4], last) == ""
    assert story(states[5], last).startswith("2026Q1 (invented)  opened")


def test_acknowledgements_name_who_is_missing(states) -> None:
    assert acknowledgements_text(states[-1]).split("\n") == [
        "trigger acknowledged by 13 of 13 labs",
        "lift acknowledged by 13 of 13 labs",
    ]
    one = replace(states[-1], pause=replace(states[-1].pause, acknowledged={}))
    one = acknowledged(one, 0, STOPPED)
    assert f"lift acknowledged by 12 of 13 labs; missing: {STOPPED}" in acknowledgements_text(one)


def test_dues_go_by_tier(states) -> None:
    assert dues_text(states[-1]).startswith("dues of 8 rounds: 1840 thousand tokens (64 times")


def test_the_stopped_lab_reports_until_then_and_is_no_owner_of_compute() -> None:
    mine = [f for f in FIGURES if f.lab == STOPPED]
    assert BACK_AFTER not in quarters(mine)
    assert STOPPED_AFTER in quarters(mine)
    assert all(f.metric != COMPUTE for f in mine)


def test_charts_get_the_limits_of_levels_and_the_rounds_of_the_pause(states) -> None:
    assert rule_limits(CHARTER.rules) == {
        ("gpqa-diamond", "mean"): [("high: at least 0.710", 0.71), ("lower: below 0.680", 0.68)],
        (COMPUTE, "mean"): [("slower: below 5.450", 5.45)],
    }
    assert [pause_spans(state) for state in states] == [
        (), (), (), ((4, 4),), ((4, 5),), ((4, 6),), ((4, 7),), ((4, 8),),
    ]  # fmt: skip


def test_the_demos_charter_is_one_that_a_check_does_not_refuse() -> None:
    assert unsafe_terms(CHARTER) == []
