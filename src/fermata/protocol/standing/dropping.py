"""A node drops the sealed parts that the term lets go: L61 and L62 of docs/spec/log.md."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from fermata.errors import VerificationError
from fermata.protocol.standing.retention import has_term, judged_size, letting_go
from fermata.protocol.state.state import State
from fermata.protocol.wire.codec import decode_entry
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import Store
from fermata.types import RoundNumber

#: In the store: the rounds before this one whose parts are let go have been dropped.
DROPPED = "sealed-dropped"
#: Entries that are read, and parts that are dropped at most, in one step.
DROPPED_AT_ONCE = 16


def reports_named(leaves: Sequence[bytes], start: int) -> Iterator[tuple[int, str, bytes]]:
    """Entry, lab and SHA-256 of the sealed part of each report among leaves from ``start`` on."""
    for entry, leaf in enumerate(leaves, start):
        # What is no statement was logged as evidence, or is the charter.
        with suppress(VerificationError):
            statement = statement_of(unseal(decode_entry(leaf).envelope))
            if statement.HasField("report"):
                yield entry, statement.author, statement.report.sealed_sha256


class Dropper:
    """Drops what is let go, a few parts at each step; after a crash it begins the round again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._below = int.from_bytes(store.value(DROPPED) or b"", "big")
        self._done: set[int] = set()
        #: The round at work, and the next of its entries to look at.
        self._at: tuple[RoundNumber, int] | None = None
        self._seen: tuple[int, ...] = ()

    def step(self, state: State, witnessed: int) -> int:
        """Drops at most ``DROPPED_AT_ONCE`` parts; 0 if there is nothing to do for now.

        ``state`` is of all entries of the store, of which so many are ``witnessed``. Raises
        StorageError.
        """
        if not has_term(state):
            return 0
        size = judged_size(state, witnessed)
        seen = _seen(state, size)
        # Between the ends of rounds nothing is let go, and there are many steps.
        if self._at is None and seen == self._seen:
            return 0
        going = letting_go(state, size)
        if self._at is None:
            left = sorted(n for n in going.gone if n >= self._below and n not in self._done)
            if not left:
                self._seen = seen
                return 0
            self._at = left[0], going.entries_of(left[0]).start
        number, start = self._at
        stop = min(start + DROPPED_AT_ONCE, going.entries_of(number).stop)
        named = reports_named(self._store.leaves(start, stop), start)
        self._store.drop_sealed([digest for at, _, digest in named if going.lets_go(at, digest)])
        self._at = number, stop
        if stop == going.entries_of(number).stop:
            self._finish(number)
        return stop - start

    def _finish(self, number: RoundNumber) -> None:
        """L62: durable only after the parts are gone, so that a crash leaves none behind."""
        self._at = None
        self._done.add(number)
        below = self._below
        while max(below, 1) in self._done:
            below = max(below, 1) + 1
        if below != self._below:
            self._below = below
            self._store.put_value(DROPPED, below.to_bytes(8, "big"))


def _seen(state: State, size: int) -> tuple[int, ...]:
    """How many rounds were opened for reports, closed and opened by so many entries."""
    closes = (round_.close for round_ in state.rounds)
    openings = (round_.opening for round_ in state.rounds)
    return (
        sum(round_.entry < size for round_ in state.rounds),
        sum(close is not None and close.entry < size for close in closes),
        sum(opening is not None and opening.entry < size for opening in openings),
    )
