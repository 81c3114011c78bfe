"""A deployment's log written by hand, and its nodes in one process."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fermata.crypto.report.proof_cache import ProofCache
from fermata.log.checkpoint import add_signatures, cosign
from fermata.log.merkle import Tree, leaf_hash
from fermata.memory_store import MemoryStore
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.heartbeats import INTERVAL_MS_MIN, next_count
from fermata.protocol.fold.limits import is_news, pending
from fermata.protocol.fold.proofs import proven_round
from fermata.protocol.fold.references import about, at, bind, next_leaf
from fermata.protocol.fold.reports import encode_report
from fermata.protocol.roles import auditor as auditor_role
from fermata.protocol.roles import coordinator as coordinator_role
from fermata.protocol.roles.driver import Driver, Signer
from fermata.protocol.roles.lab import LabTools, Measurement
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.clock import Limit
from fermata.protocol.state.pleas import waiting_for
from fermata.protocol.state.report_flags import NOTHING_ASKED
from fermata.protocol.state.state import CharteredState, Round, State, Verdict
from fermata.protocol.verify.pause_checks import Moment, moment_of
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.ports import Duty, Log, Outside
from fermata.types import EntryIndex, Role
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.deployments import (
    COORDINATOR,
    MODULUS_BITS_MIN,
    PAUSE_TABLES,
    START_MS,
    WINDOW_S,
    Deployment,
    auditor_names,
    charter_text,
    entropy_of,
    figures,
    lab_names,
    make_deployment,
    party_keys,
    seal_charter_file,
)
from harness.made_reports import made_report

__all__ = [
    "COORDINATOR",
    "MODULUS_BITS_MIN",
    "PAUSE_TABLES",
    "START_MS",
    "WINDOW_S",
    "Chain",
    "Deployment",
    "Run",
    "auditor_names",
    "beat_into",
    "chain_at",
    "charter_text",
    "cosigned",
    "deadline_of",
    "entropy_of",
    "figures",
    "lab_names",
    "make_deployment",
    "moments_of",
    "party_keys",
    "seal_charter_file",
]


class Chain:
    """A log written entry by entry through the fold, without a ledger."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.state = State(
            charter_sha256=deployment.charter.sha256, modulus_bits_min=MODULUS_BITS_MIN
        )
        self.leaves: list[bytes] = []
        self.tree = Tree()
        self.verdicts: list[Verdict] = []
        self.time_ms = START_MS
        self.sealed_parts: dict[bytes, bytes] = {}
        #: What auditors name in every heartbeat.
        self.pleas: dict[str, list[statement_pb2.Plea]] = {}
        self.entropy = entropy_of(deployment.seed, "chain")
        self.cache = ProofCache()

    def fork(self) -> "Chain":
        """Another chain with the same past."""
        twin = Chain(self.deployment)
        twin.state, twin.time_ms = self.state, self.time_ms
        twin.leaves, twin.verdicts = list(self.leaves), list(self.verdicts)
        twin.tree = self.tree.copy()
        twin.sealed_parts, twin.pleas = dict(self.sealed_parts), dict(self.pleas)
        twin.entropy, twin.cache = self.entropy, self.cache
        return twin

    def sealed(self, sealed_sha256: bytes) -> bytes | None:
        return self.sealed_parts.get(sealed_sha256)

    def fetch(self, sealed_sha256: bytes) -> bytes:
        return self.sealed_parts[sealed_sha256]

    def duties(self) -> list[Duty]:
        """What its coordinator owes, if nothing was planned before."""
        return coordinator_role.duties(self.state, lambda slot: False, self.sealed, self.cache)

    @property
    def round(self) -> Round:
        found = self.state.current
        if found is None:
            raise ValueError("no round yet")
        return found

    def put_leaf(self, leaf: bytes) -> Verdict:
        self.state, verdict = apply(self.state, leaf, self.cache)
        self.leaves.append(leaf)
        self.tree.append(leaf_hash(leaf))
        self.verdicts.append(verdict)
        return verdict

    def put(self, envelope: bytes, time_ms: int | None = None) -> Verdict:
        """Logs an envelope, one second after the last unless a time is given.

        The auditors say the time before it, if it was given or moves a limit, and after it.
        """
        if time_ms is None:
            self.time_ms += 1000
            self.tell()
        else:
            self.advance(time_ms)
        verdict = self.put_leaf(next_leaf(self.tree, envelope))
        self.tell()
        return verdict

    def advance(self, time_ms: int) -> None:
        """Sets the clocks, and lets the auditors say what time it is."""
        self.time_ms = time_ms
        self.tell(is_asked=True)

    def tell(self, *, is_asked: bool = False) -> None:
        """Logs the heartbeats that honest auditors send now; if asked, so that all know the time.

        Their regular ones would only make the log longer.
        """
        if not isinstance(self.state, CharteredState):
            return
        while self._is_far():
            # Regular heartbeats go on, so that the log is not taken for having been away (T3).
            self._tell(self.state.time_ms + self.state.clock.gap_ms, is_asked=True)
        self._tell(self.time_ms, is_asked=is_asked)

    def _is_far(self) -> bool:
        state = self.state.chartered()
        rights = [limit for limit in pending(state) if limit.is_right]
        due = [state.clock.due_ms(limit) for limit in rights]
        in_between = any(d is not None and d <= self.time_ms for d in due)
        return in_between and self.time_ms - state.time_ms > state.clock.gap_ms

    def _tell(self, time_ms: int, *, is_asked: bool) -> None:
        for auditor in self.state.chartered().charter.auditors:
            last = self.state.heartbeats.get(auditor)
            is_apart = last is not None and abs(time_ms - last.time_ms) >= INTERVAL_MS_MIN
            seen = EntryIndex(self.tree.size - 1)
            if (is_asked and is_apart) or is_news(self.state.chartered(), auditor, seen, time_ms):
                self.beat(auditor, time_ms)

    def beat(self, party: str, time_ms: int | None = None, **more: Any) -> Verdict:
        """Logs a heartbeat with the time of the party's clock, by default the chain's."""
        statement = self.beat_statement(party, time_ms, **more)
        return self.put_leaf(next_leaf(self.tree, self.seal(statement)))

    def beat_statement(
        self, party: str, time_ms: int | None = None, **more: Any
    ) -> statement_pb2.Statement:
        """The party's next heartbeat."""
        beat = statement_pb2.Heartbeat(
            count=next_count(self.state, party),
            time_ms=self.time_ms if time_ms is None else time_ms,
            **({"pleas": self.pleas.get(party, ())} | more),
        )
        charter = self.state.chartered().charter
        return statement_pb2.Statement(charter_sha256=charter.sha256, author=party, heartbeat=beat)

    def due_ms(self, limit: Limit) -> int:
        """When a limit passes, by what the auditors have told."""
        due_ms = self.state.clock.due_ms(limit)
        assert due_ms is not None
        return due_ms

    @property
    def deadline_ms(self) -> int:
        """When the newest round's window ends."""
        return self.due_ms(self.round.deadline)

    def pass_deadline(self) -> None:
        """Lets time pass until the newest round may be closed."""
        self.time_ms = self.deadline_ms
        self.tell()

    def ref(self, index: int) -> EntryRef:
        """Names an entry of this log; one that it does not have by a leaf hash of zeros."""
        known = 0 <= index < self.tree.size
        return at(self.tree, index) if known else EntryRef(index=index, leaf_hash=bytes(32))

    def bind(self, statement: statement_pb2.Statement) -> statement_pb2.Statement:
        """As a node would before it signs; a statement that has seen an entry stays as it is."""
        if not statement.HasField("seen") and not statement.HasField("key_record"):
            for named in about(statement):
                if not named.leaf_hash:
                    named.CopyFrom(self.ref(named.index))
            if self.tree.size:
                statement.seen.CopyFrom(self.ref(self.tree.size - 1))
        return statement

    def seal(self, statement: statement_pb2.Statement, *signers: str) -> bytes:
        """The envelope of a statement as of this log, by its author unless others are named."""
        return self.deployment.seal(self.bind(statement), *signers)

    def put_ok(self, envelope: bytes, time_ms: int | None = None) -> Verdict:
        verdict = self.put(envelope, time_ms)
        assert verdict.accepted, verdict
        return verdict

    def say(self, author: str, time_ms: int | None = None, **body: Any) -> Verdict:
        return self.put(self.seal(self.deployment.statement(author, **body)), time_ms)

    def start(self) -> None:
        self.put_ok(self.deployment.charter_envelope)
        self.put_ok(self.deployment.key_envelope)

    def open_round_statement(self, **changes: Any) -> statement_pb2.Statement:
        key = self.state.key
        number = len(self.state.rounds) + 1
        body = {
            "round": number,
            "period": self.deployment.charter.period(number),
            "key_id": key.key_id if key else b"",
        }
        return self.deployment.statement(
            COORDINATOR, open_round=statement_pb2.OpenRound(**(body | changes))
        )

    def open_round(self, time_ms: int | None = None) -> None:
        self.put_ok(self.seal(self.open_round_statement()), time_ms)

    def report_statement(
        self, lab: str, values: Mapping[str, str] | None = None, number: int | None = None
    ) -> statement_pb2.Statement:
        """A lab's report; its sealed part is kept."""
        assert self.state.key is not None
        number = self.round.number if number is None else number
        if values is None:
            values = figures(self.deployment, lab, number)
        asked = self.state.current.asked if self.state.current else NOTHING_ASKED
        encoded = encode_report(self.deployment.charter, lab, values)
        statement, sealed = made_report(
            self.deployment, self.state.key, encoded, number, self.entropy, asked
        )
        self.sealed_parts[sha256(sealed)] = sealed
        return statement

    def report(self, lab: str, values: Mapping[str, str] | None = None) -> Verdict:
        return self.put_ok(self.seal(self.report_statement(lab, values)))

    def abstain(self, lab: str) -> Verdict:
        return self.say(lab, abstention=statement_pb2.Abstention(round=self.round.number))

    def report_all(self, labs: Iterable[str] = ()) -> None:
        for lab in labs or self.deployment.charter.labs:
            self.report(lab)

    def close_statement(self) -> statement_pb2.Statement:
        """The close that an honest coordinator would log once it is due."""
        state = self.state.keyed()
        terms = state.charter_at(self.round.number)
        round_ = proven_round(terms, state.key, self.round, self.cache)
        return coordinator_role.close_statement(state, round_, self.sealed)

    def close(self, time_ms: int | None = None) -> Verdict:
        if time_ms is None and waiting_for(self.deployment.charter, self.round):
            self.pass_deadline()
        return self.put_ok(self.seal(self.close_statement()), time_ms)

    def endorsement_statement(self, auditor: str) -> statement_pb2.Statement:
        close = auditor_role.check_close(self.state, self.round, self.fetch, self.cache)
        return auditor_role.endorse(self.state, self.round, close, auditor)

    def endorse(self, *auditors: str) -> None:
        for auditor in auditors or self.deployment.charter.auditors:
            self.put_ok(self.seal(self.endorsement_statement(auditor)))

    def opening_statement(self, auditor: str) -> statement_pb2.Statement:
        assert self.round.close is not None
        return auditor_role.open_part(
            self.state,
            self.round,
            self.round.close,
            auditor,
            self.deployment.shares[auditor],
            self.entropy,
        )

    def open_part(self, *auditors: str) -> None:
        for auditor in auditors or self.deployment.charter.auditors:
            self.put_ok(self.seal(self.opening_statement(auditor)))


STAGES = ("empty", "keyed", "collecting", "reported", "closed", "endorsed", "opened")


@functools.cache
def _chain_at(stage: str, deployment_key: tuple[tuple[str, Any], ...]) -> Chain:
    index = STAGES.index(stage)
    if index == 0:
        return Chain(make_deployment(**dict(deployment_key)))
    chain = _chain_at(STAGES[index - 1], deployment_key).fork()
    if stage == "keyed":
        chain.start()
    elif stage == "collecting":
        chain.open_round()
    elif stage == "reported":
        chain.report_all()
    elif stage == "closed":
        chain.close()
    elif stage == "endorsed":
        chain.endorse()
    else:
        chain.open_part()
    return chain


def chain_at(stage: str, **parameters: Any) -> Chain:
    """A fresh fork of a chain that has come so far; all labs report, all auditors take part."""
    return _chain_at(stage, tuple(sorted(parameters.items()))).fork()


class Run:
    """All nodes of a deployment in one process, over memory stores."""

    def __init__(
        self,
        deployment: Deployment,
        measure: Callable[[str, str], Measurement | None] | None = None,
    ) -> None:
        self.deployment = deployment
        self.charter = deployment.charter
        self.now_ms = START_MS
        self.told: list[tuple[str, str, str]] = []
        self._measure = measure or self._measure_figures
        self.stores = {name: MemoryStore() for name in deployment.keys}
        self.ledger = LogWriter(self._replica(COORDINATOR), deployment.keys[COORDINATOR])
        for envelope in (deployment.charter_envelope, deployment.key_envelope):
            self.ledger.append(envelope)
        self.drivers = {COORDINATOR: self.make_driver(COORDINATOR, self.ledger)}
        for name in (*self.charter.auditors, *self.charter.labs):
            self.drivers[name] = self.make_driver(name, self.log_of(name))

    def _replica(self, name: str) -> Replica:
        return Replica(self.charter, self.stores[name], MODULUS_BITS_MIN)

    def _measure_figures(self, lab: str, period: str) -> Measurement | None:
        number = next(k for k in range(1, 100) if self.charter.period(k) == period)
        return Measurement(figures(self.deployment, lab, number))

    def log_of(self, name: str, ledger: LogWriter | None = None) -> Log:
        """The log as this party reaches it in the same process."""
        return (ledger or self.ledger).as_caller(self.charter.parties[name].role, name)

    def make_driver(self, name: str, log: Log, **tools: Any) -> Driver:
        """A node of this party; a later one finds the store of the one before."""
        replica = self.ledger.replica if name == COORDINATOR else self._replica(name)
        entropy = entropy_of(self.deployment.seed, f"{name}/{len(self.told)}")

        def on_event(event: str, fields: Mapping[str, str | int]) -> None:
            self.told.append((name, event, str(fields.get("reason", ""))))

        tools.setdefault("measure", lambda period: self._measure(name, period))
        return Driver(
            Signer(name, self.deployment.keys[name]),
            replica,
            log,
            Outside(lambda: self.now_ms, entropy, on_event),
            lambda: statement_pb2.Heartbeat(version="1"),
            share=self.deployment.shares.get(name),
            tools=LabTools(**tools),
        )

    def restart(self, name: str, **tools: Any) -> Driver:
        """The node of this party again, with other tools."""
        self.drivers[name] = self.make_driver(name, self.log_of(name), **tools)
        return self.drivers[name]

    @property
    def state(self) -> State:
        return self.ledger.state

    def step(self, *names: str) -> int:
        self.now_ms += 1000
        return sum(self.drivers[name].step() for name in names or self.drivers)

    def until_quiet(self, *names: str, passes_max: int = 50) -> None:
        """Steps the named drivers (all) until a pass changes nothing."""
        for _ in range(passes_max):
            if self.step(*names) == 0:
                return
        raise AssertionError("the nodes do not come to rest")

    def leaves(self) -> list[bytes]:
        return self.stores[COORDINATOR].leaves(0, self.ledger.size())

    def reasons(self, event: str) -> dict[str, str]:
        """The last reason that each node told with an event."""
        return {name: reason for name, what, reason in self.told if what == event}


def moments_of(deployment: Deployment, leaves: Iterable[bytes]) -> list[Moment]:
    """What the verifier keeps of the log after each of its entries."""
    state, moments, cache = Chain(deployment).state, [], ProofCache()
    for leaf in leaves:
        state, _ = apply(state, leaf, cache)
        moments.append(moment_of(state))
    return moments


def beat_into(deployment: Deployment, ledger: LogWriter, auditor: str, time_ms: int) -> None:
    """An auditor's heartbeat, sent to a log as its node would."""
    beat = statement_pb2.Heartbeat(
        count=next_count(ledger.state, auditor), time_ms=time_ms, version="1"
    )
    statement = deployment.statement(auditor, heartbeat=beat)
    bind(ledger.replica.tree, statement)
    ledger.append_as(Role.AUDITOR, auditor, deployment.seal(statement))


def deadline_of(run: Run, number: int) -> int:
    """When a round's window ends, by what the auditors have told."""
    due_ms = run.state.clock.due_ms(run.state.rounds[number - 1].deadline)
    assert due_ms is not None
    return due_ms


def cosigned(deployment: Deployment, note: bytes, *auditors: str) -> bytes:
    """A checkpoint note with cosignatures of these auditors."""
    lines = [
        cosign(
            note,
            deployment.charter.witness_name(name),
            deployment.keys[name].sign,
            deployment.keys[name].public_key,
            START_MS // 1000,
        )
        for name in auditors
    ]
    return add_signatures(note, lines)
