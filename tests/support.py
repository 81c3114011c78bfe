"""A small deployment with every key in it, its log written by hand, and its nodes in process."""

import base64
import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fermata.crypto.dealer import deal
from fermata.crypto.key_record import KeyRecord
from fermata.crypto.opening import KeyShare
from fermata.crypto.paillier import EncryptionTable, PublicKey
from fermata.crypto.signing import SigningKey
from fermata.errors import IdentityError
from fermata.log.checkpoint import add_signatures, cosign
from fermata.protocol import auditor as auditor_role
from fermata.protocol import coordinator as coordinator_role
from fermata.protocol.agent import Agent
from fermata.protocol.charter import Charter, parse_charter
from fermata.protocol.codec import key_record_to_wire, leaf_of, sha256
from fermata.protocol.envelope import charter_message, seal_charter, seal_statement
from fermata.protocol.fold import apply
from fermata.protocol.lab import Measurement
from fermata.protocol.ledger import Ledger, LocalLog
from fermata.protocol.memory_store import MemoryStore
from fermata.protocol.ports import Entropy, LogPort, Receipt
from fermata.protocol.replica import Replica
from fermata.protocol.reports import make_report
from fermata.protocol.state import Round, State, Verdict
from fermata.wire.v1 import statement_pb2

MODULUS_BITS_MIN = 256
COORDINATOR = "oversight"
#: 2026-01-01T00:00:00Z.
START_MS = 1_767_225_600_000
WINDOW_S = 3600


def entropy_of(seed: int, label: str) -> Entropy:
    """Bytes that depend on the seed, the label and how many draws came before."""
    drawn = 0

    def draw(count: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return hashlib.shake_256(f"tests/{seed}/{label}/{drawn}".encode()).digest(count)

    return draw


def lab_names(labs: int) -> list[str]:
    return [f"lab-{i}" for i in range(1, labs + 1)]


def auditor_names(auditors: int) -> list[str]:
    return [f"auditor-{i}" for i in range(1, auditors + 1)]


def party_keys(seed: int, labs: int, auditors: int) -> dict[str, SigningKey]:
    entropy = entropy_of(seed, "signing keys")
    names = [COORDINATOR, *auditor_names(auditors), *lab_names(labs)]
    return {name: SigningKey.from_seed(entropy(32)) for name in names}


def _party(name: str, organisation: str, keys: Mapping[str, SigningKey]) -> str:
    public_key = base64.b64encode(keys[name].public_key).decode()
    return f'id = "{name}"\norganisation = "{organisation}"\nsigning_key = "{public_key}"\n'


def charter_text(
    keys: Mapping[str, SigningKey],
    modulus_bits: int = 512,
    threshold: int = 2,
    organisations: str = "abcdef",
    cohort_min: int = 3,
    interval_s: int = 0,
    last: str = "",
) -> str:
    """Two panels. All labs have ``alpha``: one ciphertext of two metrics. All but the first have
    ``beta``: five metrics of 107 bits, in two ciphertexts at 512 bits. One letter a lab."""
    labs = lab_names(len(organisations))
    auditors = [name for name in keys if name.startswith("auditor")]
    text = f"""format = 1
deployment = "tests"
title = "For tests"

[cryptography]
modulus_bits = {modulus_bits}
threshold = {threshold}

[rounds]
cadence = "quarter"
first = "2025Q3"
window_s = {WINDOW_S}
interval_s = {interval_s}
last = "{last}"

[disclosure]
cohort_min = {cohort_min}

[coordinator]
{_party(COORDINATOR, "Oversight", keys)}
"""
    for name in auditors:
        text += f"[[auditor]]\n{_party(name, f'Audit {name}', keys)}\n"
    for name, letter in zip(labs, organisations, strict=True):
        text += f"[[lab]]\n{_party(name, f'Organisation {letter}', keys)}\n"
    beta = ", ".join(f'"{lab}"' for lab in labs[1:])
    text += f"""[[panel]]
id = "alpha"

[[panel]]
id = "beta"
labs = [{beta}]

[[metric]]
id = "hours"
panel = "alpha"
unit = "h"
min = "0"
max = "999999999999.999"
resolution = "0.001"

[[metric]]
id = "share"
panel = "alpha"
unit = "%"
min = "-100"
max = "100"
resolution = "0.5"
"""
    for i in range(1, 6):
        text += f"""
[[metric]]
id = "wide-{i}"
panel = "beta"
unit = "FLOP"
min = "0"
max = "{"9" * 30}"
resolution = "0.01"
"""
    text += """
[[aggregate]]
metric = "hours"
statistics = ["sum", "mean", "count"]

[[aggregate]]
metric = "share"
statistics = ["mean"]

[[aggregate]]
metric = "wide-1"
statistics = ["sum"]
"""
    return text


@dataclass(frozen=True)
class Deployment:
    """A charter and every key of it, as no single party ever holds them."""

    seed: int
    charter_data: bytes
    charter: Charter
    keys: Mapping[str, SigningKey] = field(repr=False)
    shares: Mapping[str, KeyShare] = field(repr=False)
    record: KeyRecord
    key_record: statement_pb2.KeyRecord
    charter_envelope: bytes
    key_envelope: bytes

    @functools.cached_property
    def table(self) -> EncryptionTable:
        return EncryptionTable.for_key(PublicKey(self.record.n))

    def statement(self, author: str, **body: Any) -> statement_pb2.Statement:
        return statement_pb2.Statement(
            charter_sha256=self.charter.sha256, author=author, **body
        )

    def seal(self, statement: statement_pb2.Statement, *signers: str) -> bytes:
        """The envelope of a statement, by its author unless others are named."""
        names = signers or (statement.author,)
        return seal_statement(statement, {name: self.keys[name] for name in names})


def seal_charter_file(data: bytes, keys: Mapping[str, SigningKey]) -> bytes:
    return seal_charter(data, {n: key.sign(charter_message(data)) for n, key in keys.items()})


@functools.cache
def make_deployment(
    modulus_bits: int = 512,
    labs: int = 6,
    auditors: int = 3,
    threshold: int = 2,
    seed: int = 0,
    organisations: str = "",
    **settings: Any,
) -> Deployment:
    """A deployment; the same one for the same parameters. ``settings`` go to the charter."""
    keys = party_keys(seed, labs, auditors)
    organisations = organisations or "abcdefghijklmnopqrstuvwxyz"[:labs]
    data = charter_text(keys, modulus_bits, threshold, organisations, **settings).encode()
    charter = parse_charter(data, MODULUS_BITS_MIN)
    dealt = deal(modulus_bits, threshold, auditors, entropy_of(seed, "dealer"), charter.sha256)
    key_record = key_record_to_wire(dealt.record, dealt.modulus_proof)
    statement = statement_pb2.Statement(charter_sha256=charter.sha256, key_record=key_record)
    return Deployment(
        seed=seed,
        charter_data=data,
        charter=charter,
        keys=keys,
        shares=dict(zip(charter.auditors, dealt.shares, strict=True)),
        record=dealt.record,
        key_record=key_record,
        charter_envelope=seal_charter_file(data, keys),
        key_envelope=seal_statement(statement, {a: keys[a] for a in charter.auditors}),
    )


def figures(deployment: Deployment, lab: str, number: int = 1) -> dict[str, str]:
    """A lab's made-up figures of a round, for the panels that it has."""
    i = deployment.charter.labs.index(lab) + 1
    values = {"hours": f"{1000 * number + i}.{i:03d}", "share": f"{i - 3}.5"}
    if i > 1:
        values |= {f"wide-{k}": f"{10**20 * k + 7 * i + number}.25" for k in range(1, 6)}
    return values


class Chain:
    """A log written entry by entry through the fold, without a ledger."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.state = State(
            charter_sha256=deployment.charter.sha256, modulus_bits_min=MODULUS_BITS_MIN
        )
        self.leaves: list[bytes] = []
        self.verdicts: list[Verdict] = []
        self.time_ms = START_MS
        self.sealed_parts: dict[bytes, bytes] = {}
        self.entropy = entropy_of(deployment.seed, "chain")

    def fork(self) -> "Chain":
        """Another chain with the same past."""
        twin = Chain(self.deployment)
        twin.state, twin.time_ms = self.state, self.time_ms
        twin.leaves, twin.verdicts = list(self.leaves), list(self.verdicts)
        twin.sealed_parts = dict(self.sealed_parts)
        twin.entropy = self.entropy
        return twin

    def sealed(self, sealed_sha256: bytes) -> bytes | None:
        return self.sealed_parts.get(sealed_sha256)

    def fetch(self, sealed_sha256: bytes) -> bytes:
        return self.sealed_parts[sealed_sha256]

    @property
    def round(self) -> Round:
        found = self.state.current
        if found is None:
            raise ValueError("no round yet")
        return found

    def put_leaf(self, leaf: bytes) -> Verdict:
        self.state, verdict = apply(self.state, leaf)
        self.leaves.append(leaf)
        self.verdicts.append(verdict)
        return verdict

    def put(self, envelope: bytes, time_ms: int | None = None) -> Verdict:
        """Logs an envelope, one second after the last unless a time is given."""
        self.time_ms = self.time_ms + 1000 if time_ms is None else time_ms
        return self.put_leaf(leaf_of(self.time_ms, envelope))

    def put_ok(self, envelope: bytes, time_ms: int | None = None) -> Verdict:
        verdict = self.put(envelope, time_ms)
        assert verdict.accepted, verdict
        return verdict

    def say(self, author: str, time_ms: int | None = None, **body: Any) -> Verdict:
        return self.put(self.deployment.seal(self.deployment.statement(author, **body)), time_ms)

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
        self.put_ok(self.deployment.seal(self.open_round_statement()), time_ms)

    def report_statement(
        self, lab: str, values: Mapping[str, str] | None = None, number: int | None = None
    ) -> statement_pb2.Statement:
        """A lab's report; its sealed part is kept."""
        assert self.state.key is not None
        number = self.round.number if number is None else number
        statement, sealed = make_report(
            self.deployment.charter,
            self.state.key,
            self.deployment.table,
            lab,
            number,
            figures(self.deployment, lab, number) if values is None else values,
            b"",
            self.entropy,
        )
        self.sealed_parts[sha256(sealed)] = sealed
        return statement

    def report(self, lab: str, values: Mapping[str, str] | None = None) -> Verdict:
        return self.put_ok(self.deployment.seal(self.report_statement(lab, values)))

    def abstain(self, lab: str) -> Verdict:
        return self.say(lab, abstention=statement_pb2.Abstention(round=self.round.number))

    def report_all(self, labs: Iterable[str] = ()) -> None:
        for lab in labs or self.deployment.charter.labs:
            self.report(lab)

    def close_statement(self) -> statement_pb2.Statement:
        """The close that an honest coordinator would log now."""
        found = coordinator_role.duties(self.state, self, self.round.deadline_ms)  # type: ignore[arg-type]
        assert len(found) == 1
        assert found[0][1].HasField("close_round")
        return found[0][1]

    def close(self, time_ms: int | None = None) -> Verdict:
        return self.put_ok(self.deployment.seal(self.close_statement()), time_ms)

    def endorsement_statement(self, auditor: str) -> statement_pb2.Statement:
        close = auditor_role.check_close(self.state, self.round, self.fetch)
        return auditor_role.endorse(self.state, self.round, close, auditor)

    def endorse(self, *auditors: str) -> None:
        for auditor in auditors or self.deployment.charter.auditors:
            self.put_ok(self.deployment.seal(self.endorsement_statement(auditor)))

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
            self.put_ok(self.deployment.seal(self.opening_statement(auditor)))


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


class DirectLog:
    """A party's way to a ledger in the same process, as the log service would treat it."""

    def __init__(self, ledger: Ledger, role: str, party: str) -> None:
        self.ledger, self.role, self.party = ledger, role, party

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        return self.ledger.append(self.role, self.party, envelope, sealed_part)

    def checkpoint(self) -> bytes:
        return self.ledger.checkpoint()

    def read(self, start: int, count_max: int) -> list[bytes]:
        return self.ledger.read(start, count_max)

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        return self.ledger.prove_consistency(old_size, new_size)

    def fetch_sealed(self, sealed_sha256: bytes) -> bytes:
        if self.role != "auditor":
            raise IdentityError("WRONG_ROLE", "log: sealed parts are for auditors only")
        return self.ledger.fetch_sealed(sealed_sha256)

    def add_cosignature(self, note: bytes) -> None:
        self.ledger.add_cosignature(self.party, note)


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
        self.ledger = Ledger(
            self._replica(COORDINATOR), deployment.keys[COORDINATOR], lambda: self.now_ms
        )
        for envelope in (deployment.charter_envelope, deployment.key_envelope):
            self.ledger.append("coordinator", COORDINATOR, envelope)
        self.agents = {COORDINATOR: self.make_agent(COORDINATOR, LocalLog(self.ledger))}
        for name in (*self.charter.auditors, *self.charter.labs):
            self.agents[name] = self.make_agent(name, self.log_of(name))

    def _replica(self, name: str) -> Replica:
        return Replica(self.charter, self.stores[name], MODULUS_BITS_MIN)

    def _measure_figures(self, lab: str, period: str) -> Measurement | None:
        number = next(k for k in range(1, 100) if self.charter.period(k) == period)
        return Measurement(figures(self.deployment, lab, number))

    def log_of(self, name: str, ledger: Ledger | None = None) -> DirectLog:
        return DirectLog(ledger or self.ledger, self.charter.parties[name].role, name)

    def make_agent(self, name: str, log: LogPort) -> Agent:
        """A node of this party; a later one finds the store of the one before."""
        replica = self.ledger.replica if name == COORDINATOR else self._replica(name)
        is_lab = self.charter.parties[name].role == "lab"
        return Agent(
            name,
            replica,
            log,
            self.deployment.keys[name],
            lambda: self.now_ms,
            entropy_of(self.deployment.seed, f"{name}/{len(self.told)}"),
            key_share=self.deployment.shares.get(name),
            measure=(lambda period: self._measure(name, period)) if is_lab else None,
            tell=lambda event, fields: self.told.append(
                (name, event, str(fields.get("reason", "")))
            ),
        )

    @property
    def state(self) -> State:
        return self.ledger.state

    def step(self, *names: str) -> int:
        self.now_ms += 1000
        return sum(self.agents[name].step() for name in names or self.agents)

    def until_quiet(self, *names: str, passes_max: int = 50) -> None:
        """Steps the named agents (all) until a pass changes nothing."""
        for _ in range(passes_max):
            if self.step(*names) == 0:
                return
        raise AssertionError("the nodes do not come to rest")

    def leaves(self) -> list[bytes]:
        return self.stores[COORDINATOR].leaves(0, self.ledger.size())

    def reasons(self, event: str) -> dict[str, str]:
        """The last reason that each node told with an event."""
        return {name: reason for name, what, reason in self.told if what == event}


def cosigned(run: Run, note: bytes, *auditors: str) -> bytes:
    """A checkpoint note with cosignatures of these auditors."""
    lines = [
        cosign(
            note,
            run.charter.witness_name(name),
            run.deployment.keys[name].sign,
            run.deployment.keys[name].public_key,
            START_MS // 1000,
        )
        for name in auditors
    ]
    return add_signatures(note, lines)
