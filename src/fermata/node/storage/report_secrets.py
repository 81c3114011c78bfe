"""What a lab keeps of its reports for an audit on site: one age file for each, never replaced.

The files are sealed as the node's keys are, to its identity or under its passphrase, so that a
node that runs unattended can write them. Without such a file no value of its report can be opened
to anybody; with it and the key to it, all of them can.
"""

from dataclasses import dataclass
from pathlib import Path

from fermata.errors import ConfigError, StorageError
from fermata.node.causes import disk_free_bytes, no_room_text
from fermata.node.files import ensure_directory, remove_leftovers
from fermata.node.storage import keystore
from fermata.node.storage.database.sqlite_file import RESERVE_BYTES, FreeBytes, system_error
from fermata.protocol.wire.report_secrets import SECRETS_BYTES_MAX, ReportSecrets

PURPOSE = "kept-report"
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

    def find(self, number: int, sealed_sha256: bytes) -> ReportSecrets:
        """What was kept of a round's report.

        Raises ConfigError KEPT_REPORT if there is nothing, and those of ``load_sealed``.
        """
        path = self._path(number, sealed_sha256)
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
