"""Whether a lab holds because its log is silent: SI1 to SI5 of docs/spec/silence.md.

A party that is silent leaves no entry, so this goes by the lab's own clock, and no other party's
state changes with it. The functions are pure; the node keeps ``Silence`` in its store.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.state.clock import NO_TIME
from fermata.protocol.state.state import State

#: Why a lab's node tells its hook something of silence.
SILENCE, CUT_OFF, OVER = "silence", "cut-off", "over"
#: What came of asking an auditor: its copy ends the silence no more than this node's own; it was
#: not reached; or what it answered cannot be used.
NONE, UNREACHABLE, UNUSABLE = "none", "unreachable", "unusable"


@dataclass(frozen=True, slots=True)
class Silence:
    """What a lab's node remembers of silence. Times are ms since 1970 by its own clock.

    ``size`` entries were witnessed at ``seen_ms``, when it last saw that number grow. ``last`` is
    the last change that it decided to tell, empty before the first; ``last_size`` entries were
    witnessed then, and ``count`` changes have been decided.
    """

    size: int = 0
    seen_ms: int = 0
    last: str = ""
    last_size: int = 0
    count: int = 0

    @property
    def is_holding(self) -> bool:
        """Whether the lab holds because of silence."""
        return self.last in (SILENCE, CUT_OFF)


def auditors_needed(charter: Charter) -> int:
    """SI4: how many auditors must have nothing either: so many that one of them does not lie."""
    return min(len(charter.auditors), max(2, charter.threshold))


def heard(known: Silence, size: int, now_ms: int) -> Silence:
    """What is remembered once ``size`` entries are witnessed at ``now_ms``."""
    # Without this, a clock that was set back would put the silence off until it has caught up.
    if size != known.size or now_ms < known.seen_ms:
        return replace(known, size=size, seen_ms=now_ms)
    return known


def silent_since_ms(known: Silence, state: State, terms: PauseTerms) -> int:
    """SI2: from when on the log is silent, by the reader's clock; ``state``: the witnessed one."""
    seen_ms = known.seen_ms
    if state.time_ms != NO_TIME:
        # Old entries that are handed out one by one must not pass for a log that goes on.
        seen_ms = min(seen_ms, state.time_ms)
    return seen_ms + terms.silence_ms


def is_silent(known: Silence, state: State, terms: PauseTerms | None, now_ms: int) -> bool:
    """Whether a lab is to hold in silence, by the charter in force, and the log is silent now."""
    if terms is None or not terms.holds_in_silence or known.size == 0:
        return False
    return now_ms >= silent_since_ms(known, state, terms)


def change_of(
    known: Silence, charter: Charter, state: State, answers: Mapping[str, str] | None, now_ms: int
) -> str:
    """What the node tells its hook now: SILENCE, CUT_OFF or OVER; empty for nothing.

    ``answers``: by auditor, what came of asking it just now; None if none was asked.
    """
    terms = charter.pause
    silent = is_silent(known, state, terms, now_ms)
    if known.is_holding:
        # SI4.1: neither a restart nor a clock ends the hold, but only news.
        return OVER if not silent and known.size > known.last_size else ""
    if not silent or terms is None or answers is None:
        return ""
    # SI4.2: a single auditor that lies, or hears nothing itself, holds no lab up.
    if sum(answer == NONE for answer in answers.values()) >= auditors_needed(charter):
        return SILENCE
    # SI4.3: whoever cuts a lab off from everybody must not leave it running for ever.
    if now_ms >= silent_since_ms(known, state, terms) + terms.silence_ms:
        return CUT_OFF
    return ""


def decided(known: Silence, change: str) -> Silence:
    """What is remembered once a change is decided."""
    return replace(known, last=change, last_size=known.size, count=known.count + 1)
