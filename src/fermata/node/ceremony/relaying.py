"""The coordinator while auditors hold a ceremony: it serves the relay and says how far they are."""

from collections.abc import Callable

from fermata.errors import ConfigError, FermataError, InvalidSignature
from fermata.node.ceremony.relay_folder import RelayFolder
from fermata.node.ceremony.relay_server import RelayServer
from fermata.node.config import NodeConfig
from fermata.node.files import write_atomic
from fermata.node.joining.key_check import check_record
from fermata.node.joining.setup_folder import SetupFolder
from fermata.node.observe.telemetry import Telemetry
from fermata.node.pki.identity import IsDenied
from fermata.node.pki.tls import TlsFiles
from fermata.node.run.parts import clock_ms, entropy, make_telemetry, write_address
from fermata.node.storage.signatures import write_signature
from fermata.protocol.ceremony.basis import BeforeTheLog
from fermata.protocol.ceremony.key_generation import KINDS
from fermata.protocol.ceremony.plan import Kinds, Plan
from fermata.protocol.charter.parse import Charter
from fermata.protocol.wire.envelope import check_signatures, unseal
from fermata.wire.v1 import ceremony_service_pb2 as wire

#: In the coordinator's folder.
CEREMONY_RECORD = "ceremony.record"


class Relaying:
    """Serves the relay where the log will listen. One process at a time."""

    def __init__(
        self,
        config: NodeConfig,
        tls: TlsFiles,
        is_denied: IsDenied | None,
        say: Callable[[str], None],
        kinds: Kinds = KINDS,
    ) -> None:
        self._config, self._tls, self._is_denied, self._say = config, tls, is_denied, say
        self._kinds = kinds
        self._telemetry: Telemetry | None = None
        self._server: RelayServer | None = None
        self.folder: RelayFolder | None = None
        self._charter: Charter | None = None
        self._said: dict[bytes, str] = {}

    def start(self, charter: Charter) -> None:
        """Listens; the charter must be whole. Does nothing if it listens. Raises ConfigError."""
        if self._server is not None:
            return
        config, listen = self._config, self._config.text.listen
        if listen is None:
            raise ConfigError("CONFIG", f"{config.file}: a coordinator needs a [listen] table")
        self.folder = RelayFolder(
            config.file.parent / "ceremonies",
            BeforeTheLog(charter),
            tuple(self._kinds),
            clock_ms,
            entropy,
        )
        self._charter = charter
        self._telemetry = make_telemetry(config)
        server = RelayServer(
            self.folder, charter, self._tls, clock_ms, self._telemetry, self._is_denied
        )
        address = server.start(listen.address)
        self._server = server
        write_address(config.data, "log", address)
        self._say(
            f"auditors may hold their key ceremony over {address}: fermata keys ceremony"
            f" --config FILE, with --rehearsal to practise"
        )

    def look(self) -> None:
        """Says how far each ceremony is, if that has changed."""
        for plan, standing in self.folder.all_standing() if self.folder else []:
            line = standing_line(plan, standing)
            if self._said.get(plan.id) != line:
                self._said[plan.id] = line
                self._say(line)

    def place_key(self, folder: SetupFolder) -> bool:
        """Puts the key record and its signatures where the log takes them, once all signed one."""
        finished = self.folder.finished() if self.folder else None
        if finished is None:
            return False
        record, ceremony, envelopes = finished
        signed = {party: unseal(data) for party, data in envelopes.items()}
        payloads = {envelope.payload for envelope in signed.values()}
        try:
            # CE6.11: auditors of whom each signed another key.
            if len(payloads) != 1:
                raise InvalidSignature("SIGNATURES", "the auditors signed different key records")
            (payload,) = payloads
            charter = self._charter
            if charter is None:
                return False
            for party, envelope in signed.items():
                check_signatures(envelope, charter.signing_keys, (party,))
            check_record(charter, folder.charter_file, payload, folder.record_file)
        except FermataError as error:
            self._say(f"ceremony {ceremony.hex()[:16]}: {error} [{error.reason}]")
            return False
        write_atomic(self._config.file.parent / CEREMONY_RECORD, record)
        for party, envelope in signed.items():
            write_signature(folder.record_file, party, envelope.signatures[0].signature)
        folder.place_key(payload, {})
        return True

    def stop(self) -> None:
        """Frees the port. May be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()
        if self._telemetry is not None:
            self._telemetry.close()


def standing_line(plan: Plan, standing: wire.GetStandingResponse) -> str:
    """Who of a ceremony has begun and who has ended, in one line that changes seldom."""
    held = list(zip(plan.participants, standing.participants, strict=True))
    ended = [party for party, its in held if its.has_ended]
    begun = [party for party, its in held if its.has_set_up]
    what = "rehearsal" if plan.is_rehearsal else "ceremony"
    line = f"{what} {plan.id.hex()[:16]}, {plan.kind}: "
    if ended:
        return line + f"{', '.join(ended)} signed the end"
    missing = [party for party in plan.participants if party not in begun]
    if missing:
        return line + f"waiting for {', '.join(missing)} to begin"
    return line + "all take part"
