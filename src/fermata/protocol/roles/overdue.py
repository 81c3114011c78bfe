"""What is late by the charter's times: how a coordinator that does nothing is seen.

Normative text: docs/spec/pause.md, PA11. Nothing here changes a state: a party that does nothing
leaves no entry, so this needs the reader's clock, and only tells people.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.drills.drill import DrillOutcome, newest_told
from fermata.protocol.fold.disclosure import is_worn
from fermata.protocol.state.calls import next_call, patience
from fermata.protocol.state.clock import NO_TIME
from fermata.protocol.state.pause import Pause, asking, missing
from fermata.protocol.state.pleas import starving
from fermata.protocol.state.state import OPENED, REFUSED, Round, State

#: What is late; ``Overdue.what`` is one of these.
SILENT = "silent"
UNOPENED = "unopened"
UNCLOSED = "unclosed"
UNSETTLED = "unsettled"
UNACKNOWLEDGED = "unacknowledged"
UNDRILLED = "undrilled"
KINDS = (SILENT, UNOPENED, UNCLOSED, UNSETTLED, UNACKNOWLEDGED, UNDRILLED)


@dataclass(frozen=True, slots=True)
class Overdue:
    """One thing that is late. ``since_ms`` is when it became so; ``detail`` is for people."""

    what: str
    since_ms: int
    detail: str


def overdue(
    state: State, pause: Pause, terms: PauseTerms, labs: Sequence[str], now_ms: int
) -> tuple[Overdue, ...]:
    """All that is late at ``now_ms``, the reader's clock. ``labs`` are those in force.

    Empty before the log has a charter.
    """
    if state.charter is None:
        return ()
    things = [
        *_silence(state, terms),
        *_opening(state, state.charter, pause, terms, now_ms),
        *(late for r in state.rounds for late in _settling(r, state, state.charter, terms)),
        *_acknowledging(state, pause, labs),
        *_drilling(state),
    ]
    return tuple(late for late in things if now_ms >= late.since_ms)


def _silence(state: State, terms: PauseTerms) -> Iterator[Overdue]:
    """A dead man's switch: while nodes beat and are logged, the log is never silent for long."""
    detail = silence_detail(f"the log's last entry is {state.size - 1}", terms)
    if state.time_ms != NO_TIME:
        yield Overdue(SILENT, state.time_ms + terms.silence_ms, detail)


def silence_detail(newest: str, terms: PauseTerms) -> str:
    """What a silent log means to the labs, after what is known of its newest entry."""
    return f"{newest}; labs hold by their own nodes' word" if terms.holds_in_silence else newest


def _opening(
    state: State, charter: Charter, pause: Pause, terms: PauseTerms, now_ms: int
) -> Iterator[Overdue]:
    free_ms = _free_ms(state, charter, pause)
    if free_ms is None:
        return
    call = next_call(charter, state.rounds, state.clock, max(now_ms, free_ms))
    if call is None or call.from_ms is None:
        return
    detail = f"round {len(state.rounds) + 1} ({call.period}) is not opened"
    # Not the coordinator's fault, but nobody watches over anything until there is another key.
    if state.key is not None and is_worn(charter, state.rounds, state.key.key_id):
        detail += ": the key has opened as many rounds as the charter allows"
    yield Overdue(UNOPENED, max(free_ms, call.from_ms) + terms.open_within_ms, detail)


def _free_ms(state: State, charter: Charter, pause: Pause) -> int | None:
    """Since when the next round waits for nothing but its period; None if it cannot open yet."""
    current = state.current
    if current is None:
        return None if state.key is None else state.clock.start_ms(state.key.entry)
    if current.close is None:
        return None
    return pause.settled.get(current.number, state.clock.due_ms(patience(current)))


def _settling(
    round_: Round, state: State, charter: Charter, terms: PauseTerms
) -> Iterator[Overdue]:
    phase = round_.phase(charter.endorsement_quorum)
    if phase in (OPENED, REFUSED):
        return
    if round_.close is None:
        # PL3: until then it may not be closed.
        limit = round_.plea_limit if starving(state, round_) else round_.deadline
        begun, what, detail = state.clock.due_ms(limit), UNCLOSED, "is past its deadline"
    else:
        begun, what = state.clock.start_ms(round_.close.entry), UNSETTLED
        detail = f"is {phase} and has no result"
    if begun is not None:
        yield Overdue(what, begun + terms.settle_within_ms, f"round {round_.number} {detail}")


def _acknowledging(state: State, pause: Pause, labs: Sequence[str]) -> Iterator[Overdue]:
    names, asked = missing(pause, labs), asking(pause)
    due_ms = state.clock.due_ms(asked[-1].deadline) if asked else None
    if names and due_ms is not None:
        yield Overdue(UNACKNOWLEDGED, due_ms, f"not acknowledged by {', '.join(names)}")


def _drilling(state: State) -> Iterator[Overdue]:
    """Of the key in force: one auditor more that is lost, and no round opens any more."""
    drill = newest_told(state.drills, state.key.epoch_id) if state.key is not None else None
    if drill is None or drill.end is None:
        return
    begun = state.clock.start_ms(drill.end)
    # PA13.1: that too few could open must not wait for the round that needs them.
    if begun is not None and not drill.is_enough:
        names = (a for a in drill.auditors if drill.outcome(a) != DrillOutcome.ABLE)
        detail = (
            f"in drill {drill.number} {drill.agreeing} auditors could open, of {drill.needed}"
            f" wanted; not shown by {', '.join(names)}"
        )
        yield Overdue(UNDRILLED, begun, detail)
