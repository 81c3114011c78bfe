"""Values cut into stretches of one set of labs, and their time (docs/spec/rules.md, RU6a, RU6b)."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Value:
    """A round's value: the round's number and the mean time of the figures, both in periods, and
    the labs whose figures they are."""

    number: int
    at: Fraction
    labs: frozenset[str]
    value: Fraction


class Stretches:
    """Values of one result, in the order of their rounds, cut wherever the set of labs changes."""

    def __init__(self, values: Sequence[Value]) -> None:
        """``values``: one at least."""
        parts = [[values[0]]]
        for before, value in pairwise(values):
            if value.labs != before.labs:
                parts.append([])
            parts[-1].append(value)
        self.parts: Sequence[Sequence[Value]] = parts
        #: Values that say something of a trend: all but the first of each stretch after the first.
        self.count = len(values) - len(parts) + 1
        #: How much time lies within stretches, by rounds and by figures.
        self.rounds = sum(part[-1].number - part[0].number for part in parts)
        self.figures = sum((part[-1].at - part[0].at for part in parts), Fraction(0))
        #: How much the value changed within stretches.
        self.moved = sum((part[-1].value - part[0].value for part in parts), Fraction(0))

    @property
    def are_figures_old(self) -> bool:
        """Whether the figures went on by less than half of the rounds."""
        return 2 * self.figures < self.rounds
