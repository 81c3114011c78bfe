"""A log of the pause, written entry by entry: its functions alone, without a fold."""

from fractions import Fraction

import pytest

from fermata.errors import Refusal
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.state.pause import (
    LIFTING,
    PAUSED,
    RUNNING,
    Change,
    Pause,
    acknowledge,
    advance,
    asking,
    lift_by_motion,
    settle,
)

HOUR_MS = 3_600_000
TERMS = PauseTerms(("hot", "fast"), "cool", 2, HOUR_MS, Fraction(2, 3), 1, 1, 1)
LABS = ("lab-1", "lab-2", "lab-3")


class Log:
    """Entries one minute apart, each with its effect on the pause."""

    def __init__(self, terms: PauseTerms = TERMS) -> None:
        self.terms = terms
        self.pause = Pause()
        self.entry = 0
        self.time_ms = HOUR_MS
        self.round = 0
        self.labs = LABS

    def next(self, time_ms: int | None = None) -> tuple[int, int]:
        """A heartbeat that moves the time, and then the entry that is to have an effect."""
        self.entry += 1
        self.time_ms = self.time_ms + 60_000 if time_ms is None else time_ms
        self.advance()
        return self.entry, self.time_ms

    def advance(self) -> None:
        self.pause = advance(
            self.pause, self.terms, self.entry, self.time_ms, self.labs, self.is_over()
        )

    def is_over(self, change_entry: int | None = None) -> bool:
        asked = [c for c in asking(self.pause) if change_entry in (None, c.entry)]
        return bool(asked) and self.time_ms >= asked[-1].time_ms + asked[-1].acknowledge_ms

    def settle(
        self,
        is_calm: bool | None = None,
        fired: tuple[str, ...] = (),
        number: int | None = None,
        time_ms: int | None = None,
        is_swept: bool = True,
    ) -> str:
        number = self.round + 1 if number is None else number
        is_newest = number > self.round
        entry, at = self.next(time_ms)
        facts = fired, is_calm, is_swept, is_newest
        self.pause = settle(self.pause, self.terms, entry, at, number, *facts)
        self.advance()
        self.round = max(self.round, number)
        return self.pause.phase

    def fire(self, *fired: str, number: int | None = None) -> str:
        return self.settle(False, fired or ("hot",), number)

    def acknowledge(
        self, lab: str, change_entry: int | None = None, time_ms: int | None = None
    ) -> str:
        entry, at = self.next(time_ms)
        about = asking(self.pause)[-1].entry if change_entry is None else change_entry
        is_late = self.is_over(about)
        self.pause = acknowledge(self.pause, self.terms, entry, at, about, lab, self.labs, is_late)
        self.advance()
        return self.pause.phase

    def motion(self) -> str:
        entry, at = self.next()
        self.pause = lift_by_motion(self.pause, self.terms, entry, at, entry - 1)
        return self.pause.phase

    @property
    def last(self) -> Change:
        return self.pause.changes[-1]

    def reason(self, lab: str, change_entry: int) -> str:
        before = self.pause
        with pytest.raises(Refusal) as caught:
            self.acknowledge(lab, change_entry)
        assert self.pause == before
        return caught.value.reason


def triggered() -> Log:
    log = Log()
    log.fire()
    return log


def paused() -> Log:
    log = triggered()
    log.acknowledge("lab-1")
    log.acknowledge("lab-2")
    assert log.pause.phase == PAUSED
    return log


def lifting() -> Log:
    log = paused()
    assert log.settle(True) == LIFTING
    return log


def lifted() -> Log:
    log = lifting()
    assert log.settle(True) == RUNNING
    return log
