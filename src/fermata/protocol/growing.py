"""Maps and lists that grow with the log and are changed in O(log n).

A state is a value: what an entry changes must leave the state before it as it was. A dict or a
tuple would be copied whole for that, at every entry. These share all but the path to the change.
They rest on the hash array mapped trie of ``immutables``, which nothing else imports.

    >>> one = GrowingMap({"b": 1})
    >>> two = one.with_item("a", 2)
    >>> one, two, two == {"a": 2, "b": 1}
    (GrowingMap({'b': 1}), GrowingMap({'a': 2, 'b': 1}), True)
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, overload

from immutables import Map

K = TypeVar("K", str, bytes, int)
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class GrowingMap(Mapping[K, V_co]):
    """A map that never changes. It is read in the order of its keys, whatever was put in first.

    The trie's own order depends on the process, since Python hashes strings with a random key.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[K, V_co] | Iterable[tuple[K, V_co]] = ()) -> None:
        self._items: Map[K, V_co] = Map(items)

    def __getitem__(self, key: K) -> V_co:
        """The value of a key. Raises KeyError."""
        return self._items[key]

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[K]:
        return iter(sorted(self._items))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self.items())})"

    def with_item(self, key: K, value: V_co) -> "GrowingMap[K, V_co]":  # type: ignore[misc]
        """The same map with one item set, in O(log n)."""
        return self._of(self._items.set(key, value))

    def with_items(self, items: Iterable[tuple[K, V_co]]) -> "GrowingMap[K, V_co]":
        """The same map with these items set."""
        changed = self._items.mutate()
        for key, value in items:
            changed[key] = value
        return self._of(changed.finish())

    @staticmethod
    def _of(items: Map[K, V_co]) -> "GrowingMap[K, V_co]":
        made = GrowingMap.__new__(GrowingMap)
        made._items = items
        return made


def with_item(items: Mapping[K, V], key: K, value: V) -> GrowingMap[K, V]:
    """A map with one item set: in O(log n), unless it has to be made from another kind of map."""
    grown = items if isinstance(items, GrowingMap) else GrowingMap(items)
    return grown.with_item(key, value)


class GrowingList(Sequence[V_co]):
    """A list that never changes; a longer one is made in O(log n)."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[V_co] = ()) -> None:
        self._items: Map[int, V_co] = Map(enumerate(items))

    @overload
    def __getitem__(self, index: int) -> V_co: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[V_co, ...]: ...
    def __getitem__(self, index: int | slice) -> V_co | tuple[V_co, ...]:
        """An item, from the end for a negative index. Raises IndexError. A slice is a tuple."""
        if isinstance(index, slice):
            return tuple(self._items[i] for i in range(*index.indices(len(self))))
        place = index if index >= 0 else index + len(self)
        if not 0 <= place < len(self):
            raise IndexError(f"item {index} must be among {len(self)}")
        return self._items[place]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[V_co]:
        return (self._items[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GrowingList):
            return NotImplemented
        return self._items == other._items

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)})"

    def with_last(self, item: V_co) -> "GrowingList[V_co]":  # type: ignore[misc]
        """The same list with another last item. Raises IndexError for an empty list."""
        if not self._items:
            raise IndexError("an empty list has no last item")
        return self._of(self._items.set(len(self) - 1, item))

    def with_appended(self, item: V_co) -> "GrowingList[V_co]":  # type: ignore[misc]
        """The same list with one more item."""
        return self._of(self._items.set(len(self), item))

    @staticmethod
    def _of(items: Map[int, V_co]) -> "GrowingList[V_co]":
        made: GrowingList[V_co] = GrowingList.__new__(GrowingList)
        made._items = items
        return made
