"""The coordinator while parties join: it serves the enrolment port and puts together what comes."""

from collections.abc import Callable, Collection, Iterable

from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.key_record import DISTRIBUTED
from fermata.errors import ConfigError, FermataError
from fermata.node.ceremony.relaying import Relaying
from fermata.node.config import NodeConfig
from fermata.node.files import ensure_directory, read_file, write_atomic
from fermata.node.joining.ceremony import DEALER_FILE, DEALT_FILE, dealer_file, place_dealt
from fermata.node.joining.setup_folder import SetupFolder, exchange_of
from fermata.node.pki.authority import Authority
from fermata.node.pki.own_certificate import open_tls
from fermata.node.pki.server import EnrolmentServer
from fermata.node.run.loop import Wake, stop_on_signal
from fermata.node.run.parts import clock_ms, entropy, passphrase_or_identity, write_address
from fermata.node.storage import keystore
from fermata.node.storage.signatures import SIGNED, sign_file, signature_states
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX, Charter, parse_charter
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX

LOOK_S = 0.5


def open_authority(config: NodeConfig) -> Authority:
    """The authority of a coordinator that enrols parties. Raises ConfigError CONFIG."""
    listen = config.text.listen
    if listen is None or not listen.authority or not listen.enrolment:
        raise ConfigError(
            "CONFIG",
            f"{config.file}: [listen] must have authority and enrolment to let others join",
        )
    unlock = passphrase_or_identity(config)
    return Authority.open(config.path(listen.authority), unlock, clock_ms, entropy)


def gather(config: NodeConfig, say: Callable[[str], None]) -> bool:
    """Serves the enrolment port until everything is there that the log begins with.

    ``say`` gets a line whenever something has changed. True when all is there, False if it was
    stopped by a signal before. Raises FermataError.
    """
    listen, authority = config.text.listen, open_authority(config)
    folder = SetupFolder.of(config)
    ensure_directory(config.data)
    tls = open_tls(config, clock_ms)
    relaying = Relaying(config, tls, authority.is_denied, say)
    gatherer = Gatherer(config, folder, relaying, say)
    server = EnrolmentServer(authority, tls, clock_ms, exchange=exchange_of(authority, folder))
    address = server.start(listen.enrolment if listen else "")
    wake = Wake()
    try:
        write_address(config.data, "enrolment", address)
        say(f"parties may join at {address}; what they hand in is kept in {folder.folder}")
        with stop_on_signal(wake):
            while not wake.stopping.is_set():
                if gatherer.look():
                    return True
                wake.wait(LOOK_S)
    finally:
        relaying.stop()
        server.stop()
    return False


class Gatherer:
    """Takes the next step as soon as all that it needs is there."""

    def __init__(
        self,
        config: NodeConfig,
        folder: SetupFolder,
        relaying: Relaying,
        say: Callable[[str], None],
    ) -> None:
        self._config, self._folder, self._say = config, folder, say
        self._relaying = relaying
        self._said = ""
        seed = keystore.load_sealed(
            config.path(config.text.keys.signing),
            keystore.SIGNING,
            config.genesis.deployment,
            passphrase_or_identity(config),
        )
        self._key = SigningKey.from_seed(seed)
        folder.keep_key(folder.charter(), config.text.party, self._key.public_key)

    def look(self) -> bool:
        """Whether everything is there. Raises FermataError."""
        folder, me = self._folder, self._config.text.party
        if not folder.complete():
            missing = set(folder.charter().missing) - set(folder.signing_keys())
            return self._wait("to join", missing)
        payload = read_file(folder.charter_file, CHARTER_BYTES_MAX)
        charter = parse_charter(payload)
        if me in (lacking := _unsigned(signature_states(folder.charter_file, payload, charter))):
            sign_file(folder.charter_file, me, self._key, payload)
            self._tell(f"all keys are there; charter hash {charter.sha256.hex()}")
            lacking = [party for party in lacking if party != me]
        if lacking:
            return self._wait("to sign the charter", lacking)
        # Before there is a log, its port is free for the relay.
        self._relaying.start(charter)
        self._relaying.look()
        return self._has_key(charter)

    def _has_key(self, charter: Charter) -> bool:
        """Whether the key record is there and all auditors have signed it."""
        folder = self._folder
        out, back = folder.folder / DEALER_FILE, folder.folder / DEALT_FILE
        if not folder.record_file.exists() and not self._relaying.place_key(folder):
            if charter.key_origin == DISTRIBUTED:
                return False
            if not out.exists():
                write_atomic(out, dealer_file(folder, charter))
            if not back.exists():
                self._tell(
                    f"all have signed; deal the key on a machine of its own: fermata keys deal"
                    f" {out.name} --out {back.name}, then put {back.name} into {folder.folder}"
                )
                return False
            try:
                place_dealt(folder, charter, back)
            except FermataError as error:
                # Another copy may be on its way.
                self._tell(f"{error} [{error.reason}]")
                return False
        payload = read_file(folder.record_file, ENVELOPE_BYTES_MAX)
        states = signature_states(folder.record_file, payload, charter)
        lacking = [party for party in _unsigned(states) if party in charter.auditors]
        return not lacking or self._wait("to check and sign the key record", lacking)

    def _wait(self, what: str, parties: Collection[str]) -> bool:
        self._tell(f"waiting for {len(parties)} {what}: {', '.join(sorted(parties))}")
        return False

    def _tell(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self._say(line)


def _unsigned(states: dict[str, str]) -> list[str]:
    pairs: Iterable[tuple[str, str]] = states.items()
    return [party for party, state in pairs if state != SIGNED]
