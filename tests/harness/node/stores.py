"""A store with something in each of its tables, and all that it holds as one value."""

from collections.abc import Callable
from pathlib import Path

from fermata.node.storage.database.sqlite import SqliteStore
from fermata.node.storage.database.sqlite_file import check_rows
from fermata.protocol.wire.codec import leaf_of, sha256
from fermata.protocol.wire.ports import Draft

DEPLOYMENT = bytes(range(32))
OWNER = "auditor/auditor-1"


def open_store(path: Path, deployment: bytes = DEPLOYMENT, owner: str = OWNER) -> SqliteStore:
    return SqliteStore.open(path, deployment, owner, reserve_bytes=4096)


def leaf(number: int) -> bytes:
    return leaf_of(bytes(32), b"envelope %d" % number)


def first_release_leaf(number: int) -> bytes:
    """The same under the contract of the first release: time in field 1, envelope in field 2."""
    time = b"\x08%c" % number if number else b""
    return time + b"\x12\x0aenvelope %d" % number


def fill(store: SqliteStore, count: int = 3, make: Callable[[int], bytes] = leaf) -> None:
    store.extend(0, [make(n) for n in range(count)], b"head", [b"sealed part"])
    store.put_draft(Draft("endorsement/1", b"an envelope", b"a part"))
    store.put_draft(Draft("endorsement/2", b"an envelope"))
    store.settle_draft("endorsement/1", "logged")
    store.put_cosignature(count, "auditor-1", b"line\n")
    store.put_value("promises", b"1")


def check_every_row(store: SqliteStore) -> None:
    """Raises StorageError DATA_LOSS if a row is damaged or missing."""
    with store._reading():
        check_rows(store._connection)


def content(store: SqliteStore) -> tuple[object, ...]:
    return (
        store.leaves(0, store.entry_count()),
        store.checkpoint(),
        [store.find_envelope(sha256(b"envelope %d" % n)) for n in range(3)],
        store.sealed(sha256(b"sealed part")),
        [(store.draft(s), store.draft_outcome(s)) for s in ("endorsement/1", "endorsement/2")],
        store.drafts_pending(),
        store.cosignatures(3),
        store.value("promises"),
    )
