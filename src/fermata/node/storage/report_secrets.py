"""What a lab keeps of its reports for an audit on site: one age file for each, never replaced, and
deleted once the charter's term lets its round go (L64 of docs/spec/log.md).

The files are sealed as the node's keys are, to its identity or under its passphrase, so that a
node that runs unattended can write them. Without such a file no value of its report can be opened
to anybody; with it and the key to it, all of them can.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from fermata.errors import ConfigError, StorageError
from fermata.node.causes import disk_free_bytes, no_room_text
from fermata.node.files import ensure_directory, remove_leftovers, sync
from fermata.node.storage import keystore
from fermata.node.storage.database.sqlite_file import RESERVE_BYTES, FreeBytes, system_error
from fermata.protocol.roles.replica import Replica
from fermata.protocol.standing.retention import (
    audit_rounds,
    has_term,
    judged_size,
    moment,
    terms_of,
)
from fermata.protocol.wire.report_secrets import SECRETS_BYTES_MAX, ReportSecrets

PURPOSE = "kept-report"
_NAME = re.compile(r"([1-9][0-9]*)-[0-9a-f]{64}\.age")
#: Files that are deleted at most between two steps of the node.
DROPPED_AT_ONCE = 16
#: Evidence of 4 MiB in base64, and values, fit many times.
#: Left free beside a file: the store keeps its reserve, and the report that follows has room.
SPARE_BYTES = 2 * RESERVE_BYTES


@dataclass(eq=False)
class ReportSecretsFolder:
    """The folder of these files, ``<round>-<SHA-256 of the sealed part>.age``."""

    folder: Path
    deployment: str
    unlock: keystore.Unlock
    free_bytes: FreeBytes = disk_free_bytes

    def prepare(self) -> None:
        """Makes the folder, and removes what a killed write left there; by its one writer.

        Raises ConfigError FILE_UNWRITABLE.
        """
        ensure_directory(self.folder)
        remove_leftovers(self.folder)

    def keep(self, kept: ReportSecrets) -> None:
        """Writes a report's file (mode 0600) durably, before anyone gets to see the report.

        Raises StorageError, at which nothing is sent: STORAGE_FULL with nothing written (a report
        that the store has no room for must not leave a file at each try), STORE_UNWRITABLE.
        """
        path = self._path(kept.round, kept.sealed_sha256)
        data = kept.to_bytes()
        try:
            free, needed = self.free_bytes(self.folder), len(data) + SPARE_BYTES
            if free < needed:
                raise StorageError("STORAGE_FULL", f"{self.folder}: {no_room_text(free, needed)}")
            keystore.save_sealed(path, data, PURPOSE, self.deployment, self.unlock)
        except OSError as error:
            raise system_error(error, self.folder) from None
        except ConfigError as error:
            if isinstance(error.__cause__, OSError):
                raise system_error(error.__cause__, self.folder) from None
            raise StorageError("STORE_UNWRITABLE", f"report not sent: {error}") from None

    def find(self, number: int, sealed_sha256: bytes, is_let_go: bool = False) -> ReportSecrets:
        """What was kept of a round's report. ``is_let_go``: whether the term has let it go (L64).

        Raises ConfigError KEPT_REPORT if there is nothing, and those of ``load_sealed``.
        """
        path = self._path(number, sealed_sha256)
        if not path.exists() and is_let_go:
            raise ConfigError(
                "KEPT_REPORT",
                f"{path}: was deleted, so no value of round {number}'s report can be opened: the"
                " charter's term for audits (audit_rounds) has let the round go",
            )
        if not path.exists():
            raise ConfigError(
                "KEPT_REPORT",
                f"{path}: is missing, so no value of round {number}'s report can be opened; it was"
                " made on another machine or removed, restore it from a backup",
            )
        data = keystore.load_sealed(
            path, PURPOSE, self.deployment, self.unlock, size_max=SECRETS_BYTES_MAX
        )
        try:
            return ReportSecrets.from_bytes(data)
        except ConfigError as error:
            raise ConfigError(error.reason, f"{path}: {error}") from None

    def _path(self, number: int, sealed_sha256: bytes) -> Path:
        return self.folder / f"{number}-{sealed_sha256.hex()}.age"


@dataclass(eq=False)
class ReportsTerm:
    """Deletes the files of rounds that the charter's term lets go, a few at each ``look``."""

    folder: Path
    replica: Replica
    _seen: tuple[int, ...] = field(default=(), init=False)

    def look(self) -> None:
        """Deletes at most ``DROPPED_AT_ONCE`` files; what is left after a crash is deleted later.

        Raises StorageError STORE_UNWRITABLE.
        """
        state = self.replica.state
        if not has_term(state, audit_rounds):
            return
        size = judged_size(state, self.replica.witnessed.size)
        seen = moment(state, size)
        # Between the ends of rounds nothing is let go, and there are many steps.
        if seen == self._seen:
            return
        if drop_files(self.folder, terms_of(state, size, audit_rounds).gone) < DROPPED_AT_ONCE:
            self._seen = seen


def drop_files(folder: Path, numbers: Collection[int]) -> int:
    """Deletes at most ``DROPPED_AT_ONCE`` files of reports of these rounds; returns how many.

    Nothing else in the folder is touched. Raises StorageError STORE_UNWRITABLE.
    """
    try:
        names = (_NAME.fullmatch(path.name) for path in sorted(folder.iterdir()))
        going = [name.string for name in names if name and int(name[1]) in numbers]
        for name in going[:DROPPED_AT_ONCE]:
            (folder / name).unlink(missing_ok=True)
        if going:
            sync(folder)
    except OSError as error:
        raise system_error(error, folder) from None
    return len(going[:DROPPED_AT_ONCE])
