"""Backups of a node: its store, and a lab's report secrets, in one file encrypted with age.

The file is a tar to an age recipient: ``backup.json``, ``store.db``, ``reports/*``. No key is in
it: keys are few, change seldom, and are kept apart from what they open.

A node holds its store for itself alone, so a backup of a running node is made by the node: the
command leaves a request in the data folder, which only the node's user can write to.
"""

import json
import os
import re
import shutil
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import msgspec

from fermata.errors import ConfigError, FermataError, StorageError
from fermata.node.config import NodeConfig
from fermata.node.files import read_secret, sync, temporary_directory, write_secret
from fermata.node.observe.telemetry import VALUE_CHARS_MAX, Telemetry
from fermata.node.storage.database.choose import STORE, open_database, place_of
from fermata.node.storage.database.row_store import RowStore
from fermata.node.storage.database.sqlite_file import mend_errors
from fermata.node.storage.keystore import Recipient, seal_file
from fermata.protocol.wire.ports import Entropy
from fermata.protocol.wire.strict_json import NotJson, decode_json

MANIFEST = "backup.json"
REPORTS = "reports"
REQUEST = "backup-request.json"
REQUEST_BYTES_MAX = 4096
POLL_S = 0.1
_RECIPIENT = re.compile(r"age1[0-9a-z]{1,200}\Z")
_ID = re.compile(r"[0-9a-f]{16}\Z")


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the command leaves in the data folder of a running node."""

    id: str
    recipient: str


class _Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The node's answer: the entries in the backup, or why there is none."""

    entries: Annotated[int, msgspec.Meta(ge=0)] = 0
    reason: str = ""
    message: str = ""


@contextmanager
def work_folder(data: Path) -> Iterator[Path]:
    """A private folder that is gone afterwards; after a kill the node's next start removes it."""
    with mend_errors(data):
        folder = temporary_directory(data)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_backup(config: NodeConfig, store: RowStore, to: Recipient, out: Path) -> int:
    """Writes a new backup file (mode 0600) of an open store; returns the log entries in it.

    Nothing unencrypted is left. Raises StorageError as ``SqliteStore.backup`` does.
    """
    with work_folder(config.data) as work, mend_errors(out):
        if out.exists():
            raise StorageError("BACKUP_EXISTS", f"{out}: exists; choose another name")
        entries = store.entry_count()
        store.backup(work / STORE)
        manifest = {"party": config.text.party, "charter": config.genesis.sha256.hex()}
        (work / MANIFEST).write_text(json.dumps({**manifest, "entries": entries}) + "\n")
        with tarfile.open(work / "tar", "w") as tar:
            for name in (MANIFEST, STORE):
                tar.add(work / name, name)
            # After the store: what it has a report of was kept before.
            for report in sorted((config.data / REPORTS).glob("*.age")):
                tar.add(report, f"{REPORTS}/{report.name}")
        seal_file(work / "tar", work / "sealed", to)
        _publish(work / "sealed", out)
    return entries


def _publish(made: Path, out: Path) -> None:
    """Puts a file in its place, perhaps on another disk, whole or not at all."""
    partial = out.with_name(out.name + "-partial")
    try:
        shutil.copy2(made, partial)
        sync(partial)
        # A hard link, unlike a rename, fails where a file stands.
        os.link(partial, out)
        sync(out.parent)
    except FileExistsError:
        raise StorageError("BACKUP_EXISTS", f"{out}: exists; choose another name") from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


class Backups:
    """The node's side: makes the backup that a request in its data folder asks for."""

    def __init__(self, config: NodeConfig, store: RowStore, telemetry: Telemetry) -> None:
        self._config = config
        self._store = store
        self._telemetry = telemetry

    def look(self) -> None:
        """Answers a request, if there is one; tells of it. Never raises a FermataError."""
        path = self._config.data / REQUEST
        if not path.exists():
            return
        try:
            data = read_secret(path, REQUEST_BYTES_MAX)
            asked = decode_json(data, _Request, REQUEST_BYTES_MAX)
            path.unlink()
            number, text = asked.id, asked.recipient
            if not _ID.match(number) or not _RECIPIENT.match(text):
                raise NotJson("must have an id and a recipient of their forms")
        except (NotJson, OSError, ConfigError):
            with suppress(OSError):
                path.unlink(missing_ok=True)
            self._telemetry.event("backup_refused", reason="BACKUP_REQUEST")
            return
        answer = self._config.data / f"backup-{number}"
        outcome: dict[str, object] = {}
        try:
            made = answer.with_suffix(".age")
            outcome["entries"] = write_backup(self._config, self._store, Recipient(text), made)
            self._telemetry.event("backup_made", entries=int(str(outcome["entries"])))
        except FermataError as error:
            outcome |= {"reason": error.reason, "message": str(error)}
            where = str(error)[:VALUE_CHARS_MAX]
            self._telemetry.event("backup_failed", reason=error.reason, where=where)
        with suppress(ConfigError):
            write_secret(answer.with_suffix(".json"), json.dumps(outcome).encode())


def back_up(config: NodeConfig, to: Recipient, out: Path, entropy: Entropy, wait_s: int) -> int:
    """Backs a node up, running or not; returns the number of log entries in the backup.

    Raises as ``write_backup`` does, and StorageError BACKUP_NO_ANSWER when a running node does
    not make it in time.
    """
    if out.exists():
        raise StorageError("BACKUP_EXISTS", f"{out}: exists; choose another name")
    if not config.text.store.url and not (config.data / STORE).exists():
        raise StorageError("STORE_MISSING", f"{place_of(config)}: is not there; nothing to copy")
    try:
        store = open_database(config)
    except StorageError as error:
        if error.reason != "STORE_IN_USE":
            raise
        return _ask_the_node(config, to, out, entropy(8).hex(), wait_s)
    with store:
        return write_backup(config, store, to, out)


def _ask_the_node(config: NodeConfig, to: Recipient, out: Path, number: str, wait_s: int) -> int:
    request, answer = config.data / REQUEST, config.data / f"backup-{number}.json"
    write_secret(request, json.dumps({"id": number, "recipient": to.text}).encode())
    made = answer.with_suffix(".age")
    try:
        for _ in range(int(wait_s / POLL_S)):
            if answer.exists():
                break
            time.sleep(POLL_S)
        else:
            raise StorageError(
                "BACKUP_NO_ANSWER",
                f"{config.data}: the node that has the store open made no backup within {wait_s} s;"
                " see its log, or stop it and try again",
            )
        try:
            outcome = decode_json(
                read_secret(answer, REQUEST_BYTES_MAX), _Outcome, REQUEST_BYTES_MAX
            )
        except NotJson as error:
            raise StorageError(
                "BACKUP_FAILED", f"{answer}: the node's answer {error}; try again"
            ) from None
        if outcome.reason:
            raise StorageError("BACKUP_FAILED", f"the node says: {outcome.message}")
        with mend_errors(out):
            _publish(made, out)
        return outcome.entries
    finally:
        for left in (request, answer, made):
            with suppress(OSError):
                left.unlink(missing_ok=True)
