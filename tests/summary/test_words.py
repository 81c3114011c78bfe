"""The words for the facts of a log, and the serialiser of the records."""

from dataclasses import dataclass
from fractions import Fraction

import pytest

from fermata.protocol.roles.overdue import KINDS, Overdue
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.governance import Dispute, Motion
from fermata.summary import governance_words, words
from fermata.summary.documents import document
from fermata.types import (
    Cause,
    EntryIndex,
    MotionKind,
    PausePhase,
    RoundPhase,
    TimeMs,
)
from harness.dashboard import paused_chain

DAY_MS = 24 * 60 * 60 * 1000


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 s"),
        (999, "0 s"),
        (61_000, "1 min 1 s"),
        (7_500_000, "2 h 5 min"),
        (90 * DAY_MS, "90 d"),
    ],
)
def test_durations_have_their_two_largest_units(milliseconds: int, text: str) -> None:
    assert words.duration_text(milliseconds) == text
    assert words.ago_text(milliseconds) == f"{text} ago"


def test_what_is_still_to_come_was_no_time_ago() -> None:
    assert words.ago_text(-5000) == "0 s ago"


def test_one_has_no_plural() -> None:
    assert [words.count_text(n, "lab") for n in (0, 1, 2)] == ["0 labs", "1 lab", "2 labs"]


def test_shares_are_percent() -> None:
    assert words.percent_text(Fraction(1, 40)) == "2.5 %"


@pytest.mark.parametrize(
    ("statistic", "name", "unit"),
    [
        ("sum", "Sum", "h"),
        ("above:400.0", "Labs at or above 400.0", "labs"),
        ("bin:0..5", "Labs in 0 to 5", "labs"),
        ("count", "Reports", "labs"),
        ("variance", "Variance", "(h)²"),
        ("ratio:gain", "Ratio to gain", ""),
    ],
)
def test_statistics_have_names_and_units(statistic: str, name: str, unit: str) -> None:
    assert words.statistic_name(statistic) == name
    assert words.statistic_unit(statistic, "h") == unit


def test_every_kind_of_fact_has_its_words() -> None:
    assert all(map(words.phase_words, PausePhase))
    assert set(words._CAUSES) == set(Cause)
    assert set(words._ROUND_STATES) == set(RoundPhase)
    assert all(words.overdue_words(Overdue(kind, 0, "")) for kind in (*KINDS, "ruling"))


def test_rules_tell_what_they_look_at_and_what_they_do() -> None:
    charter = paused_chain().deployment.charter
    hot, calm = charter.rules
    assert words.rule_text(hot) == "level of hours: Sum, at least 100"
    assert words.rule_role(hot, charter.pause) == "triggers the pause"
    assert words.rule_role(calm, charter.pause) == "lifts the pause"
    assert words.rule_role(calm, None) == ""
    assert words.verdict_text(None) == "not judged yet"


@pytest.mark.parametrize(
    ("kind", "matter"),
    [
        (MotionKind.DISPUTE, "dispute about entry 7, lab-1"),
        (MotionKind.RULING, "dismiss the dispute of entry 7"),
        (MotionKind.APPEAL, "appeal in the dispute of entry 7"),
        (MotionKind.LIFT, "lift the pause"),
        (MotionKind.EXCLUSION, "exclude lab-1 from round 3"),
        (MotionKind.AMENDMENT, "new charter  from round 3"),
    ],
)
def test_a_motion_tells_what_it_asks_for(kind: MotionKind, matter: str) -> None:
    motion = Motion(9, kind, "member-1", 0, 0, lab="lab-1", about_entry=7, from_round=3)
    assert governance_words.motion_matter(motion) == matter
    assert governance_words.motion_subject(motion) == "lab-1"


#: One auditor, which had seen all of these entries in 1970.
TOLD = Clock().heard("auditor-1", EntryIndex(99), TimeMs(0))


def test_a_motion_tells_when_it_expires_was_decided_and_takes_effect() -> None:
    first = "1970-01-01T00:00:01Z"
    open_one = Motion(9, MotionKind.LIFT, "member-1", 0, 1000)
    assert governance_words.motion_until(open_one, Clock()) == "expires a time not told yet"
    assert governance_words.motion_until(open_one, TOLD) == f"expires {first}"
    carried = Motion(
        9, MotionKind.EXCLUSION, "m", 0, 1000, status="carried", decided_ms=1000, notice_ms=2000
    )
    told = governance_words.motion_until(carried, TOLD)
    assert told == f"decided {first}, in effect from 1970-01-01T00:00:02Z"
    filed = Motion(9, MotionKind.DISPUTE, "lab-1", 0, 1000, status="carried", decided_ms=1000)
    assert governance_words.motion_until(filed, TOLD) == ""
    assert governance_words.motion_count(filed, None) == ""


def test_a_dispute_tells_its_ruling_and_what_comes_next() -> None:
    filed = Dispute(5, "lab-1", "", 3, "", 0, 1000)
    assert governance_words.dispute_outcome(filed) == "no ruling yet"
    assert governance_words.dispute_next(filed, TOLD) == "a ruling is due 1970-01-01T00:00:01Z"
    ruled = Dispute(
        5, "lab-1", "", 3, "", 0, 0, status="upheld", is_upheld=True, ruling_entry=6,
        appeal_ms=1000,
    )  # fmt: skip
    assert governance_words.dispute_outcome(ruled) == "upheld"
    assert (
        governance_words.dispute_next(ruled, TOLD)
        == "final from 1970-01-01T00:00:01Z unless appealed"
    )


@dataclass(frozen=True)
class Fact:
    name: str
    since_ms: int | None
    labs: tuple[str, ...]


def test_a_document_has_its_keys_in_order_and_times_as_text_under_another_name() -> None:
    fact = Fact("silent", 1000, ("lab-1",))
    made = document(fact, "what=name since=since_ms since_ms labs")
    assert list(made.items()) == [
        ("what", "silent"),
        ("since", "1970-01-01T00:00:01Z"),
        ("since_ms", 1000),
        ("labs", ["lab-1"]),
    ]
    assert document(Fact("", None, ()), "since=since_ms") == {"since": None}
