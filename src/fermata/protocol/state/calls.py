"""Which period the next round asks, and from when on: F4 of docs/spec/fold.md, charter.md C4.

Pure: everyone derives the same period from the rounds so far and the log's clock, so that nobody
chooses it. A period of a calendar is asked once, and once more if nothing can come out of the
first call and the second one is over before the next period is due.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import DAY_MS, NUMBERED, period_end_ms
from fermata.protocol.state.clock import Clock, Limit
from fermata.protocol.state.state import OPENED, REFUSED, Round

#: Why nothing comes out of a round whose period was asked again, or that was never closed.
ASKED_AGAIN = "not endorsed in time; its period was asked again"
NEVER_CLOSED = "not closed in time; the next round was opened without its close"


def has_impossible_sum(round_: Round) -> bool:
    """Whether the round was opened to a sum that no reports whose proofs hold can have.

    C9.12 to C9.15 of docs/spec/charter.md. The opening itself was checked by its roots, so either
    a proof was false and held, or a listed report is not in the product.
    """
    return round_.close is not None and round_.fault not in ("", ASKED_AGAIN, NEVER_CLOSED)


@dataclass(frozen=True, slots=True)
class Call:
    """The next call of a period: ``from_ms`` is when it may be opened at the earliest, in
    milliseconds since 1970, UTC, None while too few auditors have seen what it is counted from;
    ``is_second`` if a round has asked for the period before."""

    period: str
    from_ms: int | None
    is_second: bool = False

    def is_due(self, time_ms: int) -> bool:
        """Whether it may be opened at a time, in milliseconds since 1970, UTC."""
        return self.from_ms is not None and time_ms >= self.from_ms


@dataclass(frozen=True, slots=True)
class Planned:
    """One round of a schedule, if each takes its whole window. Times in milliseconds."""

    period: str
    opens_ms: int
    closes_ms: int


def due_ms(charter: Charter, period: str) -> int:
    """From when on a period may be asked: its end plus ``age_days``; 0 for a number.

    A lab has a figure of a quarter or a month only when it is over, and a sum of unfinished
    figures would pass for one of the whole period.
    """
    if charter.cadence == NUMBERED:
        return 0
    return period_end_ms(charter.cadence, period) + charter.disclosure.age_days * DAY_MS


def patience(last: Round) -> Limit:
    """How long the next round waits for what becomes of a round that has no result yet.

    It must have been closed ``window_s`` after its deadline, and been opened or refused
    ``window_s`` after its close. No phase holds the log up for longer than that. The window is the
    round's own (G15): an amendment with a shorter one must not end the round sooner.
    """
    if last.close is None:
        # After the deadline, wherever that is: a round that may be closed now is not given up yet.
        return replace(last.deadline, then_ms=last.window_ms)
    return Limit(last.close.entry, last.window_ms)


def is_given_up(charter: Charter, clock: Clock, last: Round) -> bool:
    """Whether the next round waits no longer for a round: it has ended, or taken too long."""
    has_ended = last.phase(charter.endorsement_quorum) in (OPENED, REFUSED)
    return has_ended or clock.passed(patience(last))


def next_call(charter: Charter, rounds: Sequence[Round], clock: Clock, time_ms: int) -> Call | None:
    """What the next round asks if it is opened at ``time_ms``; None after the last period.

    ``charter`` is the one that the round would be held under. ``time_ms`` is the log's, or that of
    a reader who asks what would come later.
    """
    if not rounds:
        return Call(charter.first_period, due_ms(charter, charter.first_period))
    last = rounds[-1]
    place = charter.place(last.period)
    following = charter.period(place + 1)
    again_ms = second_call_ms(charter, rounds, clock, time_ms)
    # C4a.4: the first call may still come out before that.
    if again_ms is not None and time_ms >= again_ms:
        return Call(last.period, again_ms, is_second=True)
    if charter.last_period and place >= charter.place(charter.last_period):
        return None
    if charter.cadence == NUMBERED:
        return Call(following, clock.due_ms(Limit(last.entry, charter.interval_s * 1000)))
    return Call(following, due_ms(charter, following))


def second_call_ms(
    charter: Charter, rounds: Sequence[Round], clock: Clock, time_ms: int
) -> int | None:
    """From when on the last round's period may be asked a second time, seen from ``time_ms``.

    None if it may not be, or no longer. Only a first call of which no auditor has ground to give
    its part (fewer endorsements than the quorum) is repeated: two sums of one period, which would
    differ by corrections alone, must never come out.
    """
    if charter.cadence == NUMBERED or not rounds:
        return None
    last = rounds[-1]
    # C4a.1: no period is called for ever.
    if len(rounds) > 1 and rounds[-2].period == last.period:
        return None
    # C4a.2: parts may have been given, so a sum may come out.
    if last.has_quorum(charter.endorsement_quorum):
        return None
    if last.phase(charter.endorsement_quorum) in (OPENED, REFUSED):
        again_ms: int | None = last.close.time_ms if last.close else last.opened_ms
    else:
        again_ms = clock.due_ms(patience(last))
    if again_ms is None:
        return None
    following = charter.period(charter.place(last.period) + 1)
    # C4a.3: rounds must not come later and later.
    over_ms = max(time_ms, again_ms) + charter.window_s * 1000
    return again_ms if over_ms <= due_ms(charter, following) else None


def is_over(charter: Charter, rounds: Sequence[Round], clock: Clock, time_ms: int) -> bool:
    """Whether no further round can ever be opened: the last period has had its last call."""
    return (
        next_call(charter, rounds, clock, time_ms) is None
        and second_call_ms(charter, rounds, clock, time_ms) is None
    )


def last_calls(rounds: Sequence[Round]) -> tuple[Round, ...]:
    """The rounds without those whose period the next one asked again: one round a period."""
    return tuple(
        r for i, r in enumerate(rounds) if i + 1 == len(rounds) or rounds[i + 1].period != r.period
    )


def round_of_period(rounds: Sequence[Round], period: str) -> Round | None:
    """The newest round that asks for a period; None if there is none yet."""
    return next((r for r in reversed(rounds) if r.period == period), None)


def schedule(charter: Charter, from_ms: int, count: int) -> tuple[Planned, ...]:
    """The charter's first rounds, if it comes into force at ``from_ms`` and none is asked twice.

    Periods that are over by then are asked one after another.
    """
    planned: list[Planned] = []
    free_ms = from_ms
    last = charter.place(charter.last_period) if charter.last_period else count
    for place in range(1, min(count, last) + 1):
        period = charter.period(place)
        opens_ms = max(free_ms, due_ms(charter, period))
        closes_ms = opens_ms + charter.window_s * 1000
        planned.append(Planned(period, opens_ms, closes_ms))
        # The shortest distance between two openings of numbered rounds, and never before a close.
        free_ms = max(closes_ms, opens_ms + charter.interval_s * 1000)
    return tuple(planned)
