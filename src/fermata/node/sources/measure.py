"""What a lab's node is asked, again and again: its figures of a period."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fermata.errors import ConfigError
from fermata.node.sources.gather import Gathered, Sources
from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.wire.ports import ClockMs


def read_measurement(path: Path, period: str, cadence: str) -> Measurement | None:
    """The figures of a period in a lab's own table, or None if the file has no line for it.

    The evidence is the file. Raises ConfigError METRICS_FILE naming the line.
    """
    gathered = Sources(path.parent, path, (), path.parent, cadence).gather(period, {})
    return gathered.measurement() if gathered.figures else None


def to_measurement(gathered: Gathered, abstains: bool) -> Measurement | None:
    """What a node reports of what is there: None while it is to wait for more.

    A lab that waits does so for every source; one that abstains reports what it has, and nothing
    at all if it has nothing.
    """
    if gathered.absent and not abstains:
        return None
    return gathered.measurement() if gathered.figures else Measurement({})


@dataclass(eq=False)
class Measure:
    """A lab's sources as its node asks them for the figures of a period.

    ``charter`` gives the charter by which a period is answered.

    The sources are read again only when they or that charter have changed. A figure that was
    refused once is refused again from memory, so a mistake costs nothing until it is fixed.
    """

    sources: Sources
    charter: Callable[[str], Charter]
    lab: str
    abstains: bool
    clock_ms: ClockMs

    def __post_init__(self) -> None:
        self._seen: tuple[str, bytes, tuple[object, ...]] | None = None
        self._answer: Measurement | ConfigError | None = None

    def __call__(self, period: str) -> Measurement | None:
        """See fermata.protocol.roles.lab.Measure. Raises ConfigError."""
        seen = (period, self.charter(period).sha256, self.sources.stamp(period, self.clock_ms))
        if seen != self._seen:
            self._answer = self._read(period)
            self._seen = seen
        if isinstance(self._answer, ConfigError):
            # A new one each time: one that is raised again keeps every place that it passed.
            raise ConfigError(self._answer.reason, str(self._answer))
        return self._answer

    def _read(self, period: str) -> Measurement | ConfigError | None:
        try:
            charter = self.charter(period)
            metrics = charter.metrics_of(self.lab)
            gathered = self.sources.gather(period, metrics)
            gathered.check(metrics)
            measurement = to_measurement(gathered, self.abstains)
            if measurement is not None:
                measurement.encode(charter, self.lab)
        except ConfigError as error:
            return error
        return measurement
