"""A difference between two charters for one lab, and the orders by which values are compared.

Normative text: docs/spec/consent.md, CO2. An order takes the value of the charter before and of the
charter after, and says what the change is to the lab. It gives no change for equal values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique
from fractions import Fraction

from fermata.protocol.charter.encoding import fraction_text


@unique
class Effect(StrEnum):
    """What a change of an article is to a lab; the value is how people read it."""

    #: No figure of the lab's is better or worse protected, and nothing more is asked of it.
    SAME = "no weaker"
    STRICTER = "stricter"
    WEAKER = "weaker"
    #: The lab must report or pay less; or more, or it leaves the roster.
    LESS = "asks less of the lab"
    MORE = "needs the lab's consent"
    #: What binds all labs in a pause, or their rights before the committee.
    LABS = "needs a share of the labs' organisations"

    @property
    def is_free(self) -> bool:
        """Whether a charter may change so without the consent of the lab's owner (CO3)."""
        return self in (Effect.SAME, Effect.STRICTER, Effect.LESS)


@dataclass(frozen=True, slots=True)
class Difference:
    """One article that changes. ``change`` is what changes, in words, such as ``5 -> 3``."""

    article: str
    change: str
    effect: Effect

    @property
    def text(self) -> str:
        """The line that a person reads."""
        return f"{self.article} {self.change}: {self.effect}"


#: What changes, in words, and what that is to the lab; None for values that are equal.
Change = tuple[str, Effect] | None


@dataclass(frozen=True, slots=True)
class Amount:
    """A number that has an order, and how a person reads it."""

    size: Fraction | float
    text: str = ""

    def __str__(self) -> str:
        return self.text or str(self.size)


def _amounts(before: Amount, after: Amount, more: Effect, less: Effect) -> Change:
    if before.size == after.size:
        return None
    return f"{before} -> {after}", more if after.size > before.size else less


def larger_is_stricter(before: Amount, after: Amount) -> Change:
    """The order of least numbers of organisations, of windows and of ages."""
    return _amounts(before, after, Effect.STRICTER, Effect.WEAKER)


def smaller_is_stricter(before: Amount, after: Amount) -> Change:
    """The order of caps, and of the share that one lab may have."""
    return _amounts(before, after, Effect.WEAKER, Effect.STRICTER)


def smaller_needs_labs(before: Amount, after: Amount) -> Change:
    """The order of the times and of the quorum that guard the labs' rights."""
    return _amounts(before, after, Effect.STRICTER, Effect.LABS)


def longer_is_weaker_shorter_needs_labs(before: Amount, after: Amount) -> Change:
    """The order of how long something is kept: both who gives it and who checks it care."""
    return _amounts(before, after, Effect.WEAKER, Effect.LABS)


Set = frozenset[str]


def _sets(before: Set, after: Set, adds: Effect, drops: Effect) -> Change:
    """What is moved is dropped and added: then the effect is the one that is not free."""
    if before == after:
        return None
    added, dropped = sorted(after - before), sorted(before - after)
    words = [f"adds {', '.join(added)}"] if added else []
    words += [f"drops {', '.join(dropped)}"] if dropped else []
    is_adding = bool(added) and not (dropped and adds.is_free)
    return "; ".join(words), adds if is_adding else drops


def subset_is_stricter(before: Set, after: Set) -> Change:
    """The order of all that shows more of a figure the more there is of it."""
    return _sets(before, after, Effect.WEAKER, Effect.STRICTER)


def superset_is_stricter(before: Set, after: Set) -> Change:
    """The order of promises that a charter makes by name."""
    return _sets(before, after, Effect.STRICTER, Effect.WEAKER)


def superset_asks_more(before: Set, after: Set) -> Change:
    """The order of what a lab reports."""
    return _sets(before, after, Effect.MORE, Effect.LESS)


def any_change(effect: Effect) -> Callable[[str, str], Change]:
    """The order of texts of which no other is as good."""

    def order(before: str, after: str) -> Change:
        words = f"{before or 'none'} -> {after or 'none'}"
        return None if before == after else (words, effect)

    return order


Partition = frozenset[frozenset[str]]


def coarser_is_stricter(before: Partition, after: Partition) -> Change:
    """The order of groups, each a set of labs: the new ones are joined of the old ones.

    Labs that are not in both partitions are left out: the roster is an article of its own.
    """
    common = frozenset().union(*before) & frozenset().union(*after)
    old, new = (frozenset(g & common for g in p) - {frozenset()} for p in (before, after))
    if old == new:
        return None
    is_coarser = all(any(group <= joined for joined in new) for group in old)
    words = f"{len(before)} -> {len(after)}" + ("" if is_coarser else ", with labs moved or split")
    return words, Effect.STRICTER if is_coarser else Effect.WEAKER


@dataclass(frozen=True, slots=True)
class Price:
    """What a lab owes for a round: ``steps`` has (highest value, amount) in rising order.

    Dues that do not go by a metric have one step, and no metric.
    """

    steps: tuple[tuple[int, Fraction], ...]
    unit: str = ""
    metric: str = ""

    @property
    def most(self) -> Fraction:
        """The largest amount, which a lab owes that shows no band."""
        return max(amount for _, amount in self.steps)

    @property
    def least(self) -> Fraction:
        """The smallest amount."""
        return min(amount for _, amount in self.steps)

    def at(self, value: int) -> Fraction:
        """The amount for an encoded value; the last step has no end."""
        return next((a for high, a in self.steps if value <= high), self.steps[-1][1])

    def __str__(self) -> str:
        amounts = " / ".join(fraction_text(amount, 2) for _, amount in self.steps)
        return f"{amounts} {self.unit}".rstrip() + (f" by {self.metric}" if self.metric else "")


def dearer_asks_more(before: Price, after: Price) -> Change:
    """The order of dues: dearer if some value of the lab's figure would cost more."""
    if before == after:
        return None
    words = f"{before} -> {after}"
    if before.unit != after.unit and after.most:
        return words, Effect.MORE
    if before.metric == after.metric:
        values = {high for high, _ in (*before.steps, *after.steps)}
        is_dearer = any(after.at(v) > before.at(v) for v in values)
    else:
        is_dearer = after.most > before.least
    return words, Effect.MORE if is_dearer else Effect.LESS
