"""The limits that have begun and not passed: what the auditors' clocks are needed for.

Normative text: docs/spec/time.md. An auditor says the time when one of these begins and when one
has passed by its own clock, so short limits do not wait for the next regular heartbeat.
"""

from collections.abc import Iterator

from fermata.protocol.charter.periods import NUMBERED
from fermata.protocol.fold.governance.amendment import charter_for_next_round
from fermata.protocol.fold.pause import settling_limit
from fermata.protocol.state.calls import next_call, patience
from fermata.protocol.state.clock import Limit
from fermata.protocol.state.governance import CARRIED, RULED, Governance
from fermata.protocol.state.pause import last_asking
from fermata.protocol.state.pleas import pleaded
from fermata.protocol.state.state import CharteredState
from fermata.types import EntryIndex


def pending(state: CharteredState) -> list[Limit]:
    """T2: the limits that something still waits for, and that have not passed."""
    limits = [*_of_rounds(state), *_of_motions(state.governance)]
    asked = last_asking(state.pause)
    limits += [asked.deadline] if asked is not None else []
    return [limit for limit in limits if not state.clock.passed(limit)]


def _of_rounds(state: CharteredState) -> Iterator[Limit]:
    current = state.current
    for round_ in (state.rounds[number - 1] for number in state.unended):
        if round_.has_ended:
            continue
        if round_.close is None:
            yield round_.deadline
            if pleaded(state, round_):
                yield round_.plea_limit
        else:
            yield settling_limit(state, round_.close, round_)
        if round_ is current:
            yield patience(round_)
    charter = charter_for_next_round(state)
    if current is not None and charter.cadence == NUMBERED:
        yield Limit(current.entry, charter.interval_s * 1000)
    if current is None and state.key is not None:
        # From here on the coordinator may open the first round.
        yield Limit(state.key.entry, 0)


def _of_motions(governance: Governance) -> Iterator[Limit]:
    for motion in governance.open_motions:
        yield motion.expiry
    waiting = (*governance.notices, *(n for n in (governance.amendment,) if n is not None))
    for entry in waiting:
        motion = governance.motions[entry]
        if motion.status == CARRIED:
            yield motion.notice
        if motion.status == CARRIED and motion.waits_for_key:
            yield motion.lapse
    for dispute in governance.unended_disputes:
        if dispute.status in RULED:
            yield dispute.appeal
        elif dispute.is_waiting:
            yield dispute.ruling


def next_date_ms(state: CharteredState) -> int | None:
    """When the calendar next lets a round be opened, in milliseconds since 1970, UTC."""
    charter = charter_for_next_round(state)
    call = next_call(charter, state.rounds, state.clock, state.time_ms)
    return call.from_ms if call is not None else None


def is_news(state: CharteredState, auditor: str, seen: EntryIndex, time_ms: int) -> bool:
    """T4: whether an auditor's heartbeat would move a limit: it is the auditor's first that has
    seen the start of one, or the first after one has passed by its clock."""
    beats = state.clock.beats.get(auditor)
    if beats is None:
        return True
    limits = pending(state)
    if any(beats.seen < limit.entry <= seen for limit in limits):
        return True
    dates = [*(state.clock.due_ms(limit) for limit in limits), next_date_ms(state)]
    return any(d is not None and beats.newest_ms < d <= time_ms for d in dates)
