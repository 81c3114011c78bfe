"""A node's snapshot file: when it is written, and what a start makes of it (L50 to L55)."""

import gc
from collections.abc import Callable
from pathlib import Path

from fermata.errors import ConfigError, FermataError, StorageError
from fermata.node.files import SECRET_MODE, read_secret, write_atomic
from fermata.node.storage.snapshots.body import Expected, no_collection, read_body, write_body
from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.ports import Store

NAME = "state.snapshot"
SNAPSHOT_BYTES_MAX = 4 << 30
#: A new one is written when the log has grown by this share, and by so many entries at least: all
#: of them together cost as much as ten of the newest.
GROWTH, ENTRIES_MIN = 0.1, 1000

#: Tells an event with its fields.
Tell = Callable[..., None]


def start_replica(
    data: Path,
    charter: Charter,
    store: Store,
    modulus_bits_min: int,
    tell: Tell,
    from_genesis: bool = False,
) -> Replica:
    """A node's replica, from its snapshot if it has one that holds, and else from entry 0.

    ``data`` is the node's data folder; ``store`` may have been opened without a look at the tables
    that grow (L56). What is wrong with a snapshot is told in one event,
    ``snapshot_unused``, and costs the time of a replay. Raises StorageError DATA_LOSS for what is
    wrong with the store itself.
    """
    path = data / NAME
    if from_genesis or not path.exists():
        return _replayed(charter, store, modulus_bits_min)
    try:
        expected = Expected(
            charter.sha256,
            store.entry_count(),
            lambda entry: store.leaves(entry, entry + 1)[0],
            modulus_bits_min,
        )
        with no_collection():
            start = read_body(read_secret(path, SNAPSHOT_BYTES_MAX), expected)
            # All of it stays. Python's first search for garbage would look at each object, which
            # takes half as long as to read them; so would each later search of its oldest objects.
            gc.freeze()
        # L53: the nodes of the snapshot and the entries after it give the root of the store's head.
        replica = Replica(charter, store, modulus_bits_min, start=start)
        # L52.6: what was witnessed stays so; a store that has forgotten it is another one.
        if start.state.size > max(1, replica.witnessed.size):
            raise StorageError("SNAPSHOT_UNWITNESSED", "snapshot: is of more than is witnessed")
    except FermataError as error:
        tell("snapshot_unused", reason=error.reason, where=NAME)
        return _replayed(charter, store, modulus_bits_min)
    return replica


def _replayed(charter: Charter, store: Store, modulus_bits_min: int) -> Replica:
    # L56.3: whoever folds all entries knows that the store has all that was written.
    store.check_all()
    return Replica(charter, store, modulus_bits_min)


class Snapshots:
    """Writes a node's snapshot while the log grows; ``look`` is called between its steps.

    ``entries_min``: by how many entries the log has to grow at least.
    """

    def __init__(
        self, data: Path, replica: Replica, tell: Tell, entries_min: int = ENTRIES_MIN
    ) -> None:
        self._entries_min = entries_min
        self._path = data / NAME
        self._replica = replica
        self._tell = tell
        #: Of the newest snapshot that there is, as far as this process knows.
        self._size = replica.start_size

    def look(self) -> None:
        """Writes a new one if the witnessed log has grown enough since the last."""
        size = self._replica.witnessed.size
        if size < self._size + max(self._entries_min, int(self._size * GROWTH)):
            return
        start = self._replica.witnessed_start()
        try:
            write_atomic(self._path, write_body(start), SECRET_MODE)
        except ConfigError as error:
            # A full disk is the store's to tell; without a snapshot the next start takes longer.
            self._tell("snapshot_failed", reason=error.reason, where=NAME)
        self._size = size
