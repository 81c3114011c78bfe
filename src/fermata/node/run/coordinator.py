"""The coordinator's process: the log behind a lock, the server in front and the loop beside it."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import grpc

from fermata.errors import ConfigError, VerificationError
from fermata.node.ceremony.epochs.epoch_relay import EpochRelay
from fermata.node.ceremony.relay_server import relay_handler
from fermata.node.config import ListenText, NodeConfig
from fermata.node.files import read_file
from fermata.node.observe.telemetry import VALUE_CHARS_MAX, Telemetry
from fermata.node.pki.authority import Authority
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.engine.choose import make_engine
from fermata.node.rpc.engine.own_process import MANY
from fermata.node.rpc.engine.spread import Engine
from fermata.node.rpc.guard import Guard
from fermata.node.run.assembly import Base, make_node, running
from fermata.node.run.loop import Wake
from fermata.node.run.parts import clock_ms, entropy, write_address
from fermata.node.run.serving import (
    authority_of,
    make_server,
    self_issue,
    start_servers,
    write_addresses,
)
from fermata.node.run.shared_log_writer import SharedLogWriter
from fermata.node.run.succession.board_folder import BoardFolder
from fermata.node.run.succession.board_service import board_handler
from fermata.node.run.succession.coordinators import Pinning
from fermata.node.run.succession.following import cross
from fermata.node.run.succession.standby import (
    GoingOn,
    Neighbours,
    asking_for_parts,
    look_around,
    open_board,
    open_neighbours,
    run_standby,
    sealed_parts_of,
)
from fermata.node.run.succession.standing import has_successors, leader_of
from fermata.node.storage.signatures import read_signatures, sealed_charter
from fermata.protocol.roles.driver import Driver
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.succession.sealed_parts import SealedParts
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, STATEMENT_TYPE
from fermata.protocol.wire.envelope import assemble

#: Entries of its own log that a writer looks through for missing sealed parts in one turn.
LOOKED_AT_ONCE = 64


def log_charter(config: NodeConfig, writer: LogWriter) -> None:
    """Makes the charter entry 0 of a log that has none.

    Raises ConfigError SIGNATURES until every party has signed it.
    """
    if writer.size() == 0:
        writer.append(sealed_charter(config.charter_file, config.genesis))


class KeyRecordFile:
    """The file in which the coordinator waits for the key record, and the signatures beside it."""

    def __init__(self, config: NodeConfig, writer: LogWriter, telemetry: Telemetry) -> None:
        self._path = config.path(config.text.listen.key_record) if config.text.listen else None
        self._config = config
        self._writer = writer
        self._telemetry = telemetry
        self._reported = ""

    def look(self) -> None:
        """Logs the record once it is there with all signatures; reports each fault of it once."""
        if self._writer.state.key is not None or self._path is None or not self._path.exists():
            return
        try:
            auditors = self._config.genesis.auditors
            signatures = read_signatures(self._path, self._config.genesis, auditors)
            payload = read_file(self._path, ENVELOPE_BYTES_MAX)
            self._writer.append(assemble(STATEMENT_TYPE, payload, signatures))
        except (ConfigError, VerificationError) as error:
            if str(error) != self._reported:
                self._reported = str(error)
                self._telemetry.event(
                    "key_record_waits", reason=error.reason, where=str(error)[:VALUE_CHARS_MAX]
                )
            return
        self._telemetry.event("key_record_logged")


#: The last view for which each auditor is known to have left, by auditor.
LeftViews = Callable[[], Mapping[str, int]]
#: Starts something that reads the log beside the node, and registers its end with the stack.
#: Returns the address to which it is bound, or an empty text if it was not started.
Embed = Callable[[SharedLogWriter, TlsFiles, ExitStack, LeftViews], str]


def run_coordinator(
    config: NodeConfig,
    done: Callable[[Driver | None], bool] = lambda driver: False,
    embed: Embed = lambda writer, tls, stack, left: "",
    from_genesis: bool = False,
    engine: str = "",
) -> None:
    """Runs a coordinator until it is stopped: the writer of the log, or a standby if another one
    leads. A standby has no driver, and nothing is embedded in it.

    ``from_genesis``: see ``open_base``. ``engine``: see ``make_engine``.
    Raises FermataError if it must stop.
    """
    listen = config.text.listen
    if listen is None:
        raise ConfigError("CONFIG", f"{config.file}: a coordinator needs a [listen] table")
    is_over = False
    while not is_over:
        with running(config, from_genesis) as (base, wake):
            look_around(base)
            if leader_of(base.replica) == config.text.party:
                _run_writer(base, wake, listen, done, embed, engine)
            else:
                run_standby(base, wake, listen, lambda: done(None))
            # Otherwise its log is in a view in which it has the other part.
            is_over = wake.stopping.is_set() or done(None)


def _run_writer(
    base: Base,
    wake: Wake,
    listen: ListenText,
    done: Callable[[Driver | None], bool],
    embed: Embed,
    engine_url: str,
) -> None:
    config, replica, tls, telemetry = base.config, base.replica, base.tls, base.telemetry
    authority = authority_of(config, listen.authority, telemetry)
    engine = _open_engine(base, engine_url)
    writer = SharedLogWriter(replica, base.signer.key, clock_ms, engine)
    relay = EpochRelay(config, replica, writer, telemetry)
    parts = sealed_parts_of(replica)
    succession = _Succession(base, wake, parts)
    threads = engine.terms.at_once if engine is not None and not engine.is_own else 0
    _serve(base, listen, writer, authority, wake, relay, succession, threads)
    succession.open()
    node = make_node(base, writer, wake)
    if engine is not None:
        node.driver.multiply = engine.multiply
    if address := embed(writer, tls, base.stack, succession.left):
        write_address(config.data, "dashboard", address)
    key_record = KeyRecordFile(config, writer, telemetry)

    def work() -> int:
        # SU14.3: whoever was left adds nothing; the loop ends at once.
        if succession.look():
            return 0
        # SU26: this thread alone looks what is missing, and callers read what it has seen.
        looked = parts.look(LOOKED_AT_ONCE) if succession.board is not None else 0
        before, witnessed = writer.size(), replica.witnessed.size
        try:
            key_record.look()
            relay.look()
            writer.confirm()
            node.driver.step()
        finally:
            if (writer.size(), replica.witnessed.size) != (before, witnessed):
                writer.on_growth(writer.size())
        # SU25.2: what this turn has brought into force holds as soon as it has ended.
        succession.pin()
        writer.prepare()
        return writer.size() - before + looked

    issue = self_issue(authority, tls)

    def is_done(driver: Driver) -> bool:
        return succession.has_ended() or done(driver)

    node.run(wake, work, issue, is_done, lock=writer.lock, idle_s=0.5)


@dataclass(eq=False)
class _Succession:
    """What the writer of a log does for its own succession, from when the charter in force lists
    successors on (SU25). ``board``: its board, once it has one.
    ``parts``: which sealed parts it lacks."""

    base: Base
    wake: Wake
    parts: SealedParts
    board: BoardFolder | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        base = self.base
        self._pinning = Pinning(base.config, base.tls, base.replica)
        self._neighbours: Neighbours | None = None
        self._going_on: GoingOn | None = None

    def open(self) -> None:
        """Opens the board, and goes to those of others, if there is reason to and it has not."""
        base = self.base
        if self._neighbours is not None or not has_successors(base.replica):
            return
        self.board = board = open_board(base, self.wake, self.parts)
        asking = asking_for_parts(self.parts)
        self._neighbours = open_neighbours(base, self.wake, board, asking)
        self._going_on = GoingOn(base, board, self._neighbours.exchange)

    def pin(self) -> None:
        """Has the node's TLS go by the authorities of the charter in force."""
        self._pinning.look()

    def left(self) -> Mapping[str, int]:
        """The last view for which each auditor is known to have left, by auditor."""
        return self._neighbours.exchange.heard().left if self._neighbours is not None else {}

    def look(self) -> bool:
        """Goes by the charter in force, and on with a later view; see ``has_ended``.

        Raises as ``GoingOn.look`` does.
        """
        replica = self.base.replica
        self.pin()
        self.open()
        if self._neighbours is not None and self._going_on is not None:
            self._neighbours.look()
            exchange = self._neighbours.exchange
            cross(replica, exchange.places, exchange.claims())
            # SU20: the auditors may have left this view, and come to one that it leads as well.
            if leader_of(replica) == self.base.config.text.party:
                self._going_on.look()
        return self.has_ended()

    def has_ended(self) -> bool:
        """Whether its log is, or is in the store, in another view than the one that it writes."""
        has_begun = self._going_on is not None and self._going_on.has_begun
        return has_begun or leader_of(self.base.replica) != self.base.config.text.party


def _open_engine(base: Base, url: str) -> Engine | None:
    """The engine, which connects while the node starts; the stack of ``base`` closes it.

    A process of the node's own is begun now if the charter has labs for it, and else when it is
    asked.
    """

    def tell(event: str, fields: dict[str, str | int]) -> None:
        base.telemetry.event(event, **fields)

    engine = make_engine(base.config, url, entropy, tell, base.replica.cache)
    if engine is not None:
        base.stack.callback(engine.close)
        if not engine.is_own or len(base.replica.charter.labs) >= MANY:
            engine.open()
    return engine


def _serve(
    base: Base,
    listen: ListenText,
    writer: SharedLogWriter,
    authority: Authority | None,
    wake: Wake,
    relay: EpochRelay,
    succession: _Succession,
    threads: int,
) -> None:
    """Starts all servers or none, then logs the charter; callers wait until it has."""

    def more(guard: Guard) -> list[grpc.GenericRpcHandler]:
        return [
            relay_handler(relay.folder, guard),
            board_handler(lambda: succession.board, guard),
        ]

    server = make_server(
        base,
        listen,
        authority,
        lambda caller: writer.as_caller(caller.role, caller.id),
        more,
        threads,
    )

    def grown(size: int) -> None:
        wake.now()
        server.notify(size, base.replica.witnessed.size)

    writer.on_growth = grown
    with writer.lock:
        addresses = start_servers(base, listen, server, authority)
        log_charter(base.config, writer)
    write_addresses(base, addresses)
