"""What a start from a snapshot has left out of the store, read while the node runs (L57)."""

from collections.abc import Callable, Iterator

from fermata.node.storage.database.row_store import CHECKED_AT_ONCE, RowStore
from fermata.protocol.roles.replica import Replica

#: Tells an event with its fields.
Tell = Callable[..., None]


class LeftOut:
    """Reads and checks the rows that the start left out, some at each ``look``; once."""

    def __init__(self, store: RowStore, replica: Replica, tell: Tell) -> None:
        self._store = store
        self._replica = replica
        self._tell = tell
        self._parts = self._all() if replica.start_size else iter(())

    def look(self) -> None:
        """Reads the next ones, and tells when there are no more. Raises StorageError DATA_LOSS."""
        next(self._parts, None)

    def _all(self) -> Iterator[None]:
        size, start = self._replica.start_size, 0
        # A later view may have replaced entries meanwhile, which were checked when they came.
        while start < min(size, self._replica.start_size):
            stop = min(start + CHECKED_AT_ONCE, self._replica.start_size)
            self._replica.leaves(start, stop)
            start = stop
            yield
        yield from self._store.checking()
        self._tell("store_checked", entries=size)
