"""A coordinator that says what it likes, in this process, over real gRPC and mutual TLS."""

import base64
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from fermata.errors import TransportError
from fermata.log.checkpoint import add_signatures, cosign
from fermata.memory_store import MemoryStore
from fermata.node.observe.telemetry import Telemetry
from fermata.node.pki.identity import Identity
from fermata.node.rpc.limits import Limits
from fermata.node.rpc.service import LogServer
from fermata.node.run.parts import clock_ms
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.heartbeats import next_count
from fermata.protocol.fold.references import bind, next_leaf
from fermata.protocol.fold.reports import Sealed, aggregates_to_wire, check_sealed
from fermata.protocol.roles.coordinator import close_statement
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import State, ThresholdKey
from fermata.protocol.wire.codec import STATEMENT_TYPE
from fermata.protocol.wire.envelope import assemble, seal_charter, seal_statement
from fermata.protocol.wire.ports import Log, Witness, gathered_news
from fermata.wire.v1 import statement_pb2
from harness.e2e.deployment import COORDINATOR
from harness.e2e.fleet import Fleet, wait_for

#: Ciphertexts by panel, of one report or of a close.
Numbers = Mapping[str, tuple[int, ...]]
#: Gives the products to put into a close, from the key and the listed reports.
Products = Callable[[ThresholdKey, Sequence[Sealed]], Numbers]


class RogueWriter(LogWriter):
    """A ledger whose owner can log anything."""

    def force(self, envelope: bytes) -> None:
        leaf = next_leaf(self.replica.tree, envelope)
        after, verdict = apply(self.state, leaf)
        self._commit(leaf, [], after, verdict)


class View:
    """What one server shows; the ledger behind it can be exchanged while it serves."""

    def __init__(self, ledger: RogueWriter) -> None:
        self.ledger = ledger
        self.lock = threading.RLock()
        self.notify: Callable[[int], None] = lambda size: None
        #: Parties of whom nothing is logged that they hand in.
        self.shut_out: set[str] = set()
        #: The only cosignatures that it hands out, if any are kept back.
        self.cosignatures: list[Witness] | None = None

    def force(self, envelope: bytes) -> None:
        self.do(lambda ledger: ledger.force(envelope))

    def append(self, envelope: bytes) -> None:
        self.do(lambda ledger: ledger.append(envelope))

    def do(self, call: Callable[[RogueWriter], Any]) -> Any:
        """Alone at work, and with word of what is new."""
        with self.lock:
            before = self.ledger.size()
            try:
                return call(self.ledger)
            finally:
                if self.ledger.size() != before:
                    self.notify(self.ledger.size())

    def log_for(self, caller: Identity) -> Log:
        return cast(Log, ViewedLog(self, caller))


class ViewedLog:
    """A view as one caller reaches it."""

    def __init__(self, view: View, caller: Identity) -> None:
        self.view, self.caller = view, caller

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if name == "append" and self.caller.id in self.view.shut_out:
                raise TransportError("UNREACHABLE", "log: does not answer")
            if name == "witnesses" and self.view.cosignatures is not None:
                return self.view.cosignatures
            if name == "news":
                # By this view's own parts, so that what it keeps back is kept back here too.
                return gathered_news(cast(Log, self), *arguments)
            return self.view.do(
                lambda ledger: getattr(ledger.as_caller(self.caller.role, self.caller.id), name)(
                    *arguments
                )
            )

        return call


class RogueCoordinator:
    """One or more logs of one deployment, each with a server of its own."""

    def __init__(self, fleet: Fleet) -> None:
        self.deployment = fleet.deployment
        self.charter = self.deployment.charter
        self._key = self.deployment.signing_key(COORDINATOR)
        self._stack = ExitStack()
        self._telemetry = Telemetry(
            COORDINATOR, "coordinator", clock_ms, self.deployment.folder / "logs" / "rogue.log"
        )
        self._stack.callback(self._telemetry.close)
        self.view = View(self._ledger(MemoryStore()))
        charter_file = self.deployment.node(COORDINATOR) / "charter.toml"
        self.view.force(seal_charter(charter_file.read_bytes(), _signatures(charter_file)))
        record = self.deployment.node(COORDINATOR) / "key-record.bin"
        self.view.force(assemble(STATEMENT_TYPE, record.read_bytes(), _signatures(record)))
        fleet.address = self.serve(self.view)

    def __enter__(self) -> "RogueCoordinator":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def state(self) -> State:
        return self.view.ledger.state

    def _ledger(self, store: MemoryStore) -> RogueWriter:
        return RogueWriter(Replica(self.charter, store, MODULUS_BITS_MIN), self._key)

    def serve(self, view: View) -> str:
        """Shows a log to whoever comes to the address."""
        server = LogServer(
            view.log_for,
            tls=self.deployment.tls(COORDINATOR),
            authorise=lambda identity: None,
            limits=Limits(),
            clock_ms=clock_ms,
            telemetry=self._telemetry,
        )
        address = server.start("127.0.0.1:0")
        self._stack.callback(server.stop, 0.5)
        view.notify = server.notify
        return address

    def fork(self) -> View:
        """Another log with the same past."""
        with self.view.lock:
            return View(self._ledger(self.view.ledger.replica.store.copy()))

    def tell(self, view: View | None = None, ahead_ms: int = 0) -> None:
        """All auditors say what time it is, or lie: that of this clock plus so much."""
        view = view or self.view
        for auditor in self.deployment.auditors:
            beat = statement_pb2.Heartbeat(
                count=next_count(view.ledger.state, auditor), time_ms=clock_ms() + ahead_ms
            )
            statement = statement_pb2.Statement(
                charter_sha256=self.charter.sha256, author=auditor, heartbeat=beat
            )
            with view.lock:
                bind(view.ledger.replica.tree, statement)
                key = self.deployment.signing_key(auditor)
                view.force(seal_statement(statement, {auditor: key}))

    def witness(self, view: View | None = None) -> None:
        """All auditors cosign the head, as their nodes would."""
        view = view or self.view
        with view.lock:
            note = view.ledger.checkpoint()
            for auditor in self.deployment.auditors:
                key, name = self.deployment.signing_key(auditor), self.charter.witness_name(auditor)
                line = cosign(note, name, key.sign, key.public_key, clock_ms() // 1000)
                view.ledger.add_cosignature_as(auditor, add_signatures(note, [line]))

    def say(self, view: View, **body: Any) -> None:
        """Signs and logs a statement."""
        statement = statement_pb2.Statement(
            charter_sha256=self.charter.sha256, author=COORDINATOR, **body
        )
        with view.lock:
            bind(view.ledger.replica.tree, statement)
            view.force(seal_statement(statement, {COORDINATOR: self._key}))

    def open_round(self) -> int:
        """Opens the next round, whatever became of the last; gives its number."""
        number = len(self.state.rounds) + 1
        opened = statement_pb2.OpenRound(
            round=number, period=self.charter.period(number), key_id=self.state.keyed().key.key_id
        )
        wait_for("the auditors tell the time", lambda: self.state.time_ms)
        self.say(self.view, open_round=opened)
        return number

    def close_round(self, view: View | None = None, products: Products | None = None) -> None:
        """Closes the newest round as an honest one would, but for the products."""
        view = view or self.view
        state, store = view.ledger.state, view.ledger.replica.store
        found = state.current
        assert found is not None
        close = close_statement(state.keyed(), found, store.sealed).close_round
        if products is not None:
            key = state.keyed().key
            reports = []
            for lab in sorted(found.reports):
                seen = found.reports[lab]
                data = store.sealed(seen.sealed_sha256) or b""
                reports.append(check_sealed(key, seen.parts, seen.sealed_sha256, data))
            del close.aggregates[:]
            for panel, numbers in aggregates_to_wire(key, products(key, reports)).items():
                close.aggregates.append(statement_pb2.SealedPanel(panel=panel, ciphertexts=numbers))
        self.say(view, close_round=close)


def _signatures(file: Path) -> dict[str, bytes]:
    folder = file.with_name(file.name + ".sig")
    return {path.name: base64.b64decode(path.read_bytes()) for path in folder.iterdir()}
