"""A node drops the sealed parts that the term lets go: L61, L62 and L65 of docs/spec/log.md."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

from fermata.errors import VerificationError
from fermata.protocol.standing.retention import has_term, judged_size, letting_go, moment, terms_of
from fermata.protocol.state.state import State
from fermata.protocol.wire.codec import decode_entry
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import Store
from fermata.types import RoundNumber

#: In the store: the rounds before this one whose parts are let go have been dropped.
DROPPED = "sealed-dropped"
#: The same of a lab's own drafts.
DRAFTS_DROPPED = "drafts-dropped"
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


class _Rounds:
    """Of the rounds that are let go those that are done; durable in the store under ``name``, as
    the first one that is not."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._below = int.from_bytes(store.value(name) or b"", "big")
        self._done: set[int] = set()

    def first_left(self, gone: Collection[RoundNumber]) -> RoundNumber | None:
        """The first that is not done, None if there is none."""
        return min((n for n in gone if n >= self._below and n not in self._done), default=None)

    def finish(self, number: RoundNumber) -> None:
        """L62: durable only after the parts are gone, so that a crash leaves none behind."""
        self._done.add(number)
        below = self._below
        while max(below, 1) in self._done:
            below = max(below, 1) + 1
        if below != self._below:
            self._below = below
            self._store.put_value(self._name, below.to_bytes(8, "big"))


class Dropper:
    """Drops what is let go, a few parts at each step; after a crash it begins the round again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rounds = _Rounds(store, DROPPED)
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
        seen = moment(state, size)
        # Between the ends of rounds nothing is let go, and there are many steps.
        if self._at is None and seen == self._seen:
            return 0
        going = letting_go(state, size)
        if self._at is None:
            first = self._rounds.first_left(going.gone)
            if first is None:
                self._seen = seen
                return 0
            self._at = first, going.entries_of(first).start
        number, start = self._at
        stop = min(start + DROPPED_AT_ONCE, going.entries_of(number).stop)
        named = reports_named(self._store.leaves(start, stop), start)
        self._store.drop_sealed([digest for at, _, digest in named if going.lets_go(at, digest)])
        self._at = number, stop
        if stop == going.entries_of(number).stop:
            self._at = None
            self._rounds.finish(number)
        return stop - start


class DraftDropper:
    """L65: a lab drops the sealed parts of its own drafts with those of their rounds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rounds = _Rounds(store, DRAFTS_DROPPED)
        #: Rounds of which a draft has no answer yet: they are looked at again when more is let go.
        self._waiting: set[RoundNumber] = set()
        self._seen: tuple[int, ...] = ()

    def step(self, state: State, witnessed: int) -> int:
        """Drops the parts of one round's drafts; 0 if there is nothing to do for now.

        ``state`` and ``witnessed`` as for ``Dropper``. Raises StorageError.
        """
        if not has_term(state):
            return 0
        size = judged_size(state, witnessed)
        seen = moment(state, size)
        if seen == self._seen:
            return 0
        number = self._rounds.first_left(terms_of(state, size).gone - self._waiting)
        if number is None:
            self._seen, self._waiting = seen, set()
            return 0
        slots: list[str] = []
        while self._store.draft(slot := f"answer/{number}/{len(slots)}") is not None:
            slots.append(slot)
        self._store.drop_draft_parts(slots)
        if any(self._store.draft_outcome(slot) is None for slot in slots):
            self._waiting.add(number)
        else:
            self._rounds.finish(number)
        return 1
