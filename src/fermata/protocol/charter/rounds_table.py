"""The charter's ``[rounds]``: cadence, first and last period, and how long a round collects."""

from typing import Annotated

from msgspec import Meta

from fermata.protocol.charter.periods import (
    CADENCES,
    NUMBERED,
    SHORTEST_DAYS,
    check_period,
    period_count,
)
from fermata.protocol.charter.toml_source import Seconds, Strict, TomlSource

#: How often an auditor says the time, in seconds; the fold takes no two within a minute.
HEARTBEAT_S, HEARTBEAT_S_MIN, HEARTBEAT_S_MAX = 900, 60, 86_400
#: The longest term after which a round is let go, in rounds that were opened.
KEPT_ROUNDS_MAX = 10_000


class RoundsText(Strict, frozen=True):
    """The table as the file writes it. Numbers are in seconds."""

    cadence: str
    first: str
    window_s: Seconds
    last: str = ""
    interval_s: Seconds | None = None
    plea_s: Seconds | None = None
    heartbeat_s: Annotated[
        int, Meta(ge=HEARTBEAT_S_MIN, le=HEARTBEAT_S_MAX, description="seconds")
    ] = HEARTBEAT_S
    kept_rounds: Annotated[int, Meta(ge=1, le=KEPT_ROUNDS_MAX, description="rounds")] | None = None
    audit_rounds: Annotated[int, Meta(ge=1, le=KEPT_ROUNDS_MAX, description="rounds")] | None = None

    @property
    def calls_max(self) -> int | None:
        """How many rounds there can be; None without a last period."""
        if not self.last:
            return None
        count = period_count(self.cadence, self.first, self.last)
        # Each period of a calendar may be asked twice.
        return count if self.cadence == NUMBERED else 2 * count

    @property
    def plea_ms(self) -> int:
        """How long a close waits for pleas, in milliseconds; by default a quarter of the window."""
        return self.window_s * 250 if self.plea_s is None else self.plea_s * 1000


def check_rounds(source: TomlSource, rounds: RoundsText) -> None:
    """Checks the table on its own (charter.md C4). Raises ConfigError with the line."""
    # C4.1.
    if rounds.cadence not in CADENCES:
        source.fail("rounds.cadence", f"must be one of {', '.join(CADENCES)}")
    # C4.2.
    check_period(rounds.cadence, rounds.first, lambda what: source.fail("rounds.first", what))
    if rounds.last:
        # C4.3.
        check_period(rounds.cadence, rounds.last, lambda what: source.fail("rounds.last", what))
        # C4.4: a charter without a round.
        if period_count(rounds.cadence, rounds.first, rounds.last) < 1:
            source.fail("rounds.last", f"must be {rounds.first} or later, got {rounds.last}")
    _check_pace(source, rounds)


def _check_pace(source: TomlSource, rounds: RoundsText) -> None:
    """Checks that a round ends before the next is due, or all later rounds would fall behind.

    The calendar says when rounds of quarters and months are due; numbered rounds need an interval.
    """
    if rounds.cadence == NUMBERED:
        # C4.5: one rule alone says when a round is due.
        if rounds.interval_s is None:
            source.fail("rounds", f'must have interval_s with cadence = "{NUMBERED}"')
        longest_s, what = rounds.interval_s, "interval_s"
    else:
        # C4.5.
        if rounds.interval_s is not None:
            source.fail(
                "rounds.interval_s",
                f'must be left out unless cadence = "{NUMBERED}": a round of a {rounds.cadence} is'
                " due when it is over",
            )
        longest_s = SHORTEST_DAYS[rounds.cadence] * 86400
        what = f"{longest_s}, the shortest {rounds.cadence}"
    # C4.6: no round may outlast its period.
    if rounds.window_s > longest_s:
        source.fail(
            "rounds.window_s",
            f"must be at most {what}, or rounds fall behind their periods, got {rounds.window_s}",
        )
    # C4.7: the next round could be opened over one whose close still waits.
    if rounds.plea_s is not None and 2 * rounds.plea_s > rounds.window_s:
        source.fail(
            "rounds.plea_s",
            f"must be at most half of window_s, {rounds.window_s}, got {rounds.plea_s}",
        )
