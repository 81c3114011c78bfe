"""Whether this node's own clock is fit to run with: T5 of docs/spec/time.md."""

from collections.abc import Mapping

from fermata.errors import ConfigError
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.witness import Cosigned
from fermata.protocol.state.state import State
from fermata.protocol.wire.ports import ClockMs, Log

#: How far behind the log's time, or the other auditors, the clock of a node that starts may be.
CLOCK_BEHIND_S_MAX = 300
#: How far ahead it may seem to be, beyond the time for which auditors may have nothing to say.
CLOCK_AHEAD_S_MAX = 300


def check_clock(state: State, now_ms: int) -> None:
    """T5: a clock that is behind what enough auditors have told is wrong. Raises ConfigError CLOCK.

    An auditor with such a clock is one of those that may be wrong, and a lab misses deadlines.
    """
    behind_ms = state.time_ms - now_ms
    if behind_ms > CLOCK_BEHIND_S_MAX * 1000:
        raise ConfigError(
            "CLOCK",
            f"this clock is {behind_ms // 1000} s behind the log's time, which the auditors tell;"
            " set it and start again",
        )


def compare_clock(
    charter: Charter, cosigned: Mapping[str, Cosigned], auditor: str, now_ms: int
) -> int:
    """T5: compares an auditor's clock with the times of the other auditors' newest cosignatures.

    Returns the seconds by which it seems to be ahead of all of them, beyond ``heartbeat_s``, if
    that is more than ``CLOCK_AHEAD_S_MAX``, otherwise 0. Being ahead is not certain, since all the
    others may have been away. Being behind is: a time that somebody's right clock has shown has
    passed, however old the cosignature is. Raises ConfigError CLOCK.
    """
    newest = sorted((c.time_s for a, c in cosigned.items() if a != auditor), reverse=True)
    now_s = now_ms // 1000
    # Fewer than threshold auditors lie, so one of the newest times, threshold in number, is right.
    if len(newest) >= charter.threshold:
        behind_s = newest[charter.threshold - 1] - now_s
        if behind_s > CLOCK_BEHIND_S_MAX:
            raise ConfigError(
                "CLOCK",
                f"this clock is {behind_s} s behind those of {charter.threshold} other auditors,"
                " by their cosignatures; set it and start again",
            )
    if not newest:
        return 0
    ahead_s = now_s - newest[0] - charter.heartbeat_s
    return ahead_s if ahead_s > CLOCK_AHEAD_S_MAX else 0


class WitnessClocks:
    """An auditor's comparison with the other auditors, once, before its first heartbeat."""

    def __init__(self, auditor: str, telemetry: Telemetry, clock_ms: ClockMs) -> None:
        self._auditor = auditor
        self._telemetry = telemetry
        self._clock_ms = clock_ms
        self._is_done = False

    def look(self, replica: Replica, log: Log) -> None:
        """Reads the log and compares. Raises ConfigError CLOCK, and as ``Replica.pull`` does."""
        if self._is_done:
            return
        replica.pull(log)
        cosigned = replica.witnessed.cosigned
        ahead_s = compare_clock(replica.charter, cosigned, self._auditor, self._clock_ms())
        if ahead_s:
            self._telemetry.event("clock_may_be_ahead", ahead_s=ahead_s)
        self._is_done = True
