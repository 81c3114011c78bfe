"""An article of a charter: by which order it is compared, and which keys of the file it covers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from fermata.protocol.charter.parse import Charter
from fermata.protocol.consent.difference import Change, Difference

Value = TypeVar("Value")
#: The differences of an article between two charters for a lab.
Compare = Callable[[Charter, Charter, str], Iterator[Difference]]


@dataclass(frozen=True, slots=True)
class Article:
    """``keys`` are those of the charter's file that it covers, with their tables."""

    keys: tuple[str, ...]
    compare: Compare


def of_charter(
    keys: str,
    name: str,
    value: Callable[[Charter, str], Value],
    order: Callable[[Value, Value], Change],
) -> Article:
    """An article that has one value for a lab."""

    def compare(old: Charter, new: Charter, lab: str) -> Iterator[Difference]:
        change = order(value(old, lab), value(new, lab))
        if change is not None:
            yield Difference(name, *change)

    return Article(tuple(keys.split()), compare)


def of_each(
    keys: str,
    name: str,
    values: Callable[[Charter, str], Mapping[str, Value]],
    order: Callable[[Value, Value], Change],
) -> Article:
    """An article with a value for each metric or panel of the lab that both charters have.

    One that is new is more that the lab must report, which the articles of panels and metrics say.
    """

    def compare(old: Charter, new: Charter, lab: str) -> Iterator[Difference]:
        before, after = values(old, lab), values(new, lab)
        for of in before:
            change = order(before[of], after[of]) if of in after else None
            if change is not None:
                yield Difference(f"{name} of {of}", *change)

    return Article(tuple(keys.split()), compare)
