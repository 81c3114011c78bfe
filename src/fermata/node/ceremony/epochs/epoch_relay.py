"""The coordinator with a log: it carries ceremonies of later epochs, and logs the records."""

from pathlib import Path

from fermata.errors import ConfigError, FermataError, InvalidSignature, VerificationError
from fermata.node.ceremony.relay_folder import RelayFolder
from fermata.node.ceremony.relaying import standing_line
from fermata.node.config import NodeConfig
from fermata.node.files import write_atomic
from fermata.node.observe.telemetry import VALUE_CHARS_MAX, Telemetry
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.run.shared_log_writer import SharedLogWriter
from fermata.protocol.ceremony.basis import LATER, BasesOfLog
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import State
from fermata.protocol.wire.codec import STATEMENT_TYPE
from fermata.protocol.wire.envelope import assemble, unseal

#: Beside the coordinator's configuration; that of a key generation has its own.
FOLDER = "ceremonies-of-epochs"


class EpochRelay:
    """The relay's folder, and the record that comes of it.

    ``look`` runs under the writer's lock.
    """

    def __init__(
        self, config: NodeConfig, replica: Replica, writer: SharedLogWriter, telemetry: Telemetry
    ) -> None:
        self._config, self._replica = config, replica
        self._writer, self._telemetry = writer, telemetry
        place = config.file.parent / FOLDER
        self.folder = RelayFolder(place, BasesOfLog(self._trusted), LATER, clock_ms, entropy)
        self._lines_told: dict[bytes, str] = {}
        self._reported = ""

    def _trusted(self) -> State:
        with self._writer.lock:
            return self._replica.trusted()

    def look(self) -> None:
        """Tells how far ceremonies are; logs the record of the next epoch once all signed it."""
        for plan, standing in self.folder.all_standing():
            line = standing_line(plan, standing)
            if self._lines_told.get(plan.id) != line:
                self._lines_told[plan.id] = line
                self._telemetry.event("ceremony", where=line[:VALUE_CHARS_MAX])
        key = self._writer.state.key
        done = self.folder.finished(key.epoch_id) if key is not None else None
        if key is None or done is None:
            return
        record, _, envelopes = done
        try:
            self._log(key.record.epoch + 1, record, envelopes)
        except (ConfigError, VerificationError) as error:
            self._report(error)
            return
        self._telemetry.event("key_record_logged")

    def _log(self, epoch: int, record: bytes, envelopes: dict[str, bytes]) -> None:
        signed = {party: unseal(data) for party, data in envelopes.items()}
        payloads = {envelope.payload for envelope in signed.values()}
        # CE10.6: auditors of whom each signed another record.
        if len(payloads) != 1:
            raise InvalidSignature("SIGNATURES", "the auditors signed different key records")
        # First: whoever exports a bundle of the log needs it.
        write_atomic(ceremony_file(self._config.file.parent, epoch), record)
        signatures = {party: e.signatures[0].signature for party, e in signed.items()}
        self._writer.append(assemble(STATEMENT_TYPE, payloads.pop(), signatures))

    def _report(self, error: FermataError) -> None:
        if str(error) != self._reported:
            self._reported = str(error)
            self._telemetry.event(
                "key_record_waits", reason=error.reason, where=str(error)[:VALUE_CHARS_MAX]
            )


def ceremony_file(folder: Path, epoch: int) -> Path:
    """Where the coordinator keeps the record of the ceremony of a later epoch."""
    return folder / f"ceremony-epoch-{epoch}.record"
