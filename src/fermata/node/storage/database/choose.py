"""Which database a node's store is in, and how it moves to another.

A store that was copied to another database refuses to be used: a node on each of the two would
sign two statements where it may sign one, and a coordinator two logs.
"""

from collections.abc import Callable
from pathlib import Path

from fermata.errors import StorageError
from fermata.node.config import POSTGRESQL, NodeConfig
from fermata.node.storage.database.postgres import PostgresStore
from fermata.node.storage.database.row_store import MOVED, RowStore
from fermata.node.storage.database.sqlite import SqliteStore

#: The store's file in the data folder.
STORE = "store.db"
Wait = Callable[[float], bool]


def wait_for_nobody(seconds: float) -> bool:
    """Says that a store which another process writes is not waited for."""
    return False


def open_database(
    config: NodeConfig, wait: Wait = wait_for_nobody, is_whole: bool = True
) -> RowStore:
    """The store of a node, where its configuration says; made if it is not there.

    ``is_whole``: whether every row is checked now, or only what does not grow with the log, and
    the rest by ``check_all`` or when it is read.

    ``wait`` is called before each pause while another process on the same PostgreSQL database is
    its writer, with the pause in seconds, and says whether to go on; a file is not waited for.
    Raises StorageError, STORE_MOVED among others; ConfigError STORE_URL, POSTGRESQL_MISSING.
    """
    where = config.text.store.url or str(config.data / STORE)
    store = _open(config, where, wait, is_whole)
    if moved := store.value(MOVED):
        store.close()
        raise StorageError(
            "STORE_MOVED",
            f"{place_of(config)}: was copied to {moved.decode()} and must not be used any more;"
            " change the [store] table to where it is now",
        )
    return store


def place_of(config: NodeConfig) -> str:
    """Where the store is, for messages."""
    return "store.url" if config.text.store.url else str(config.data / STORE)


def copy_store(config: NodeConfig, target: str) -> int:
    """Copies a stopped node's store to a URL of PostgreSQL or a new file, which it moves to.

    Returns the log entries that were copied. From the first step on the store that was copied is
    not used any more; after a failure the same call goes on. Raises StorageError STORE_IN_USE,
    STORE_MISSING, STORE_MOVED (elsewhere), STORE_TAKEN and whatever opening raises; ConfigError.
    """
    if not config.text.store.url and not (config.data / STORE).exists():
        raise StorageError("STORE_MISSING", f"{place_of(config)}: is not there; nothing to copy")
    is_url = target.startswith(POSTGRESQL)
    name = "a PostgreSQL database" if is_url else str(Path(target).absolute())
    where = config.text.store.url or str(config.data / STORE)
    with _open(config, where, wait_for_nobody) as source:
        moved = source.value(MOVED)
        if moved not in (None, name.encode()):
            raise StorageError("STORE_MOVED", f"{place_of(config)}: was copied elsewhere before")
        with _open(config, target, wait_for_nobody) as copy:
            copy.check_takes(source)
            source.put_value(MOVED, name.encode())
            copy.copy_from(source)
        return source.entry_count()


def _open(config: NodeConfig, where: str, wait: Wait, is_whole: bool = True) -> RowStore:
    whose = config.genesis.sha256, config.owner
    if where.startswith(POSTGRESQL):
        lease_s = config.text.store.lease_s
        return PostgresStore.open(where, *whose, lease_s=lease_s, wait=wait, is_whole=is_whole)
    return SqliteStore.open(Path(where), *whose, is_whole=is_whole)
