"""SU3 and SU4: when an auditor leaves, why, and for which view."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.protocol.succession.leaving import (
    DOUBLINGS_MAX,
    Leaving,
    OwnLeave,
    Reason,
    Watched,
    handover_wait_ms,
    leaving,
    reached_by,
)

WAIT_MS, THRESHOLD = 60_000, 2
NOW_MS = 10_000_000
#: An auditor of view 3 in whose log everything is as it should be.
HEALTHY = Watched(3, NOW_MS - 10 * WAIT_MS, NOW_MS - 1, NOW_MS - 1)
STAYED = OwnLeave(3, NOW_MS - 11 * WAIT_MS)


def due(watched: Watched, own: OwnLeave = STAYED, now_ms: int = NOW_MS) -> Leaving | None:
    return leaving(watched, own, now_ms, THRESHOLD, WAIT_MS)


def test_su4_a_healthy_coordinator_is_not_left() -> None:
    assert due(HEALTHY) is None
    assert due(replace(HEALTHY, left_for=(2, 3, 4))) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"logged_ms": NOW_MS - WAIT_MS}, Reason.SILENT),
        ({"logged_ms": 0}, Reason.SILENT),
        ({"has_proof": True}, Reason.PROOF),
        ({"left_for": (4,), "grew_ms": NOW_MS - WAIT_MS}, Reason.NO_GROWTH),
        ({"withheld_ms": NOW_MS - WAIT_MS}, Reason.WITHHELD),
    ],
)
def test_su4_each_reason_leads_to_the_next_view(changes: dict[str, int], reason: Reason) -> None:
    assert due(replace(HEALTHY, **changes)) == Leaving(4, reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"logged_ms": NOW_MS - WAIT_MS + 1},
        {"grew_ms": 0},
        {"grew_ms": 0, "left_for": (3, 2)},
        {"left_for": (9,), "grew_ms": NOW_MS - WAIT_MS + 1},
        {"withheld_ms": NOW_MS - WAIT_MS + 1},
    ],
)
def test_su4_less_is_no_reason(changes: dict[str, int]) -> None:
    assert due(replace(HEALTHY, **changes)) is None  # type: ignore[arg-type]


def test_su4_a_view_is_not_blamed_for_what_was_before_it() -> None:
    late = replace(HEALTHY, entered_ms=NOW_MS - WAIT_MS + 1, logged_ms=0, grew_ms=0)
    assert due(replace(late, left_for=(4,))) is None
    assert due(late, now_ms=NOW_MS + 1) == Leaving(4, Reason.SILENT)


def test_su4_3_t_others_are_followed_wherever_the_auditor_is() -> None:
    assert due(replace(HEALTHY, left_for=(6, 9))) == Leaving(6, Reason.OTHERS)
    gone = OwnLeave(5, NOW_MS)
    assert due(replace(HEALTHY, left_for=(6, 9)), gone) == Leaving(6, Reason.OTHERS)
    assert due(replace(HEALTHY, left_for=(5, 9)), gone) is None


def test_su3_a_handover_is_waited_for_twice_as_long_each_time() -> None:
    gone = OwnLeave(5, NOW_MS - 2 * WAIT_MS)
    assert due(HEALTHY, gone) == Leaving(6, Reason.NO_HANDOVER)
    assert due(HEALTHY, gone, NOW_MS - 1) is None
    assert handover_wait_ms(WAIT_MS, 3, 4) == WAIT_MS
    assert handover_wait_ms(WAIT_MS, 0, 1000) == WAIT_MS * 2**DOUBLINGS_MAX


def test_su3_waits_are_counted_from_the_view_that_a_quorum_has_witnessed() -> None:
    """Whoever has gone on alone waits for the next one as long as those who have not."""
    gone = OwnLeave(5, NOW_MS - 2 * WAIT_MS)
    alone = replace(HEALTHY, view=4, witnessed_view=3)
    behind = replace(HEALTHY, view=3, witnessed_view=3)
    assert due(alone, gone) == due(behind, gone) == Leaving(6, Reason.NO_HANDOVER)
    assert due(alone, gone, NOW_MS - 1) is None
    assert due(behind, gone, NOW_MS - 1) is None


def test_su3_no_reason_of_the_old_view_counts_after_a_leave() -> None:
    harmed = replace(HEALTHY, has_proof=True, logged_ms=0, grew_ms=0, left_for=(4,))
    assert due(harmed, OwnLeave(4, NOW_MS - WAIT_MS + 1)) is None


@given(
    honest=st.lists(st.integers(0, 5), max_size=6),
    lies=st.lists(st.integers(0, 2**63), max_size=3),
    view=st.integers(0, 6),
)
def test_su4_liars_lead_nobody_beyond_the_next_view_or_an_honest_auditors(
    honest: list[int], lies: list[int], view: int
) -> None:
    threshold = len(lies) + 1
    assert reached_by([*honest, *lies], threshold) <= max(honest, default=0)
    watched = Watched(view, 0, left_for=(*honest, *lies))
    made = leaving(watched, OwnLeave(), NOW_MS, threshold, WAIT_MS)
    assert made is not None
    assert view < made.view <= max([view + 1, *honest])
