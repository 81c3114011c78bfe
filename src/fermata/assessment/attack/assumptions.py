"""What an attacker may know about how a lab's values move from one report to the next."""

from dataclasses import dataclass
from fractions import Fraction

from fermata.errors import ConfigError
from fermata.protocol.charter.metrics import Metric

NONE, CONSTANT, MONOTONE, CHANGE = "none", "constant", "monotone", "change"


@dataclass(frozen=True, slots=True)
class Assumption:
    """``kind`` is one of the four; ``rate`` is the largest relative change a round, in [0, 1)."""

    kind: str
    rate: Fraction = Fraction(0)

    def __str__(self) -> str:
        return f"{CHANGE}={float(self.rate):g}" if self.kind == CHANGE else self.kind

    def says_something(self, metric: Metric) -> bool:
        """False if it links no two values; a relative change needs values not below 0."""
        return self.kind != NONE and (self.kind != CHANGE or metric.minimum >= 0)

    def links(self, metric: Metric, gap: int) -> tuple[tuple[float, float, float], ...]:
        """Triples (a, b, c): a * before + b * after <= c for values as shares of the range.

        ``gap`` is the number of rounds between the two reports.
        """
        if not self.says_something(metric):
            return ()
        if self.kind == MONOTONE:
            return ((1.0, -1.0, 0.0),)
        if self.kind == CONSTANT:
            return ((1.0, -1.0, 0.0), (-1.0, 1.0, 0.0))
        # With x = low + range * u: x' <= f x is u' - f u <= (f - 1) low / range; so is x' >= g x.
        offset = Fraction(metric.minimum) / (Fraction(metric.maximum) - Fraction(metric.minimum))
        most, least = (1 + self.rate) ** gap, (1 - self.rate) ** gap
        return (
            (-float(most), 1.0, float((most - 1) * offset)),
            (float(least), -1.0, float((1 - least) * offset)),
        )


def parse_assumption(text: str) -> Assumption:
    """none, constant, monotone or change=RATE. Raises ConfigError ASSUMPTION."""
    kind, _, rate = text.partition("=")
    if kind in (NONE, CONSTANT, MONOTONE) and not rate and text == kind:
        return Assumption(kind)
    try:
        limit = Fraction(rate) if kind == CHANGE else Fraction(-1)
    except (ValueError, ZeroDivisionError):
        limit = Fraction(-1)
    if not 0 <= limit < 1:
        raise ConfigError(
            "ASSUMPTION",
            f"--assume {text}: must be none, constant, monotone or change=RATE, RATE in [0, 1)",
        )
    return Assumption(kind, limit)
