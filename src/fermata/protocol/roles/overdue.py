"""What is late by the charter's times: how a coordinator that does nothing is seen.

Normative text: docs/spec/pause.md, PA11. Nothing here changes a state: a party that does nothing
leaves no entry, so this needs the reader's clock, and only tells people.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.fold.disclosure import fresh_until_ms, is_worn
from fermata.protocol.fold.round_rules import rounds_left
from fermata.protocol.state.pause import Pause, missing
from fermata.protocol.state.state import OPENED, REFUSED, Round, State

#: What is late; ``Overdue.what`` is one of these.
SILENT = "silent"
UNOPENED = "unopened"
UNCLOSED = "unclosed"
UNSETTLED = "unsettled"
UNACKNOWLEDGED = "unacknowledged"
KINDS = (SILENT, UNOPENED, UNCLOSED, UNSETTLED, UNACKNOWLEDGED)


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
    found = [
        *_silence(state, terms),
        *_opening(state, state.charter, pause, terms),
        *(late for r in state.rounds for late in _settling(r, state.charter, terms)),
        *_acknowledging(pause, labs),
    ]
    return tuple(late for late in found if now_ms >= late.since_ms)


def _silence(state: State, terms: PauseTerms) -> Iterator[Overdue]:
    """A dead man's switch: while nodes beat and are logged, the log is never silent for long."""
    detail = f"the log's last entry is {state.size - 1}"
    yield Overdue(SILENT, state.time_ms + terms.silence_ms, detail)


def _opening(state: State, charter: Charter, pause: Pause, terms: PauseTerms) -> Iterator[Overdue]:
    free_ms = _free_ms(state, charter, pause)
    if free_ms is None or rounds_left(charter, len(state.rounds)) == 0:
        return
    number = len(state.rounds) + 1
    free_ms = max(free_ms, fresh_until_ms(charter, number))
    detail = f"round {number} is not opened"
    # Not the coordinator's fault, but nobody watches over anything until there is another key.
    if state.key is not None and is_worn(charter, state.rounds, state.key.key_id):
        detail += ": the key has opened as many rounds as the charter allows"
    yield Overdue(UNOPENED, free_ms + terms.open_within_ms, detail)


def _free_ms(state: State, charter: Charter, pause: Pause) -> int | None:
    """Since when the next round could have been opened; None if it cannot be yet.

    Without an interval between rounds the next one waits for the end of the last.
    """
    current = state.current
    if current is None:
        return None if state.key is None else state.key.time_ms
    if current.close is None:
        return None
    if charter.interval_s > 0:
        return max(current.close.time_ms, current.opened_ms + charter.interval_s * 1000)
    return pause.settled.get(current.number)


def _settling(found: Round, charter: Charter, terms: PauseTerms) -> Iterator[Overdue]:
    phase = found.phase(charter.endorsement_quorum)
    if phase in (OPENED, REFUSED):
        return
    if found.close is None:
        since_ms = found.deadline_ms + terms.settle_within_ms
        yield Overdue(UNCLOSED, since_ms, f"round {found.number} is past its deadline")
    else:
        since_ms = found.close.time_ms + terms.settle_within_ms
        yield Overdue(UNSETTLED, since_ms, f"round {found.number} is {phase} and has no result")


def _acknowledging(pause: Pause, labs: Sequence[str]) -> Iterator[Overdue]:
    names = missing(pause, labs)
    if names:
        yield Overdue(UNACKNOWLEDGED, pause.deadline_ms, f"not acknowledged by {', '.join(names)}")
