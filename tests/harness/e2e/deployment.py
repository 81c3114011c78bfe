"""Lays out a deployment in a folder: keys, charter, certificates, inputs, configurations.

As ``fermata demo`` does it, with a smaller key and figures whose every digit is a canary. A
laid-out folder can be copied, so that keys are dealt once a session.
"""

import base64
import random
import shutil
import socket
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.auditor_share import AuditorShare, auditor_share
from fermata.crypto.threshold.dealer import deal
from fermata.crypto.threshold.opening import KeyShare
from fermata.node.pki.authority import Authority
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.pki.tls import TlsFiles
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage import keystore
from fermata.node.storage.signatures import sealed_charter, sign_file
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.charter.periods import period_of
from fermata.protocol.fold.references import first_entry
from fermata.protocol.wire.codec import encode, key_record_to_wire
from fermata.wire.v1 import statement_pb2

COORDINATOR = "oversight"
OBSERVER = "observer-1"
MODULUS_BITS = 2048
#: Metric id to (min, max); the grid is so fine that an encoded value has nine bytes.
#: Its months are over by any clock, so that rounds follow each other at once.
FIRST = "1970-01"
METRICS = {"alpha": ("0", "1"), "beta": ("-5", "5")}
RESOLUTION = Decimal("1e-20")


@dataclass(frozen=True)
class Shape:
    """What a deployment looks like. ``figures`` counts rounds for which the labs have values.

    With ``successors`` the charter lists coordinators after the first. ``drill_s``: how often
    there are drills. With ``silence`` its charter has a pause, labs have hooks, and they ask
    auditors for copies. With ``members`` it has a committee, whose notices take a second.
    """

    name: str
    auditors: int
    threshold: int
    labs: int
    rounds: int
    figures: int = 0
    window_s: int = 240
    silence: str = ""
    drill_s: int = 0
    members: int = 0
    successors: int = 0
    heartbeat_s: int = 0


#: As the demo: four of five endorse, three of five open.
FULL = Shape("full", auditors=5, threshold=3, labs=5, rounds=2)
#: All of three endorse, two of three open; the rounds go on until the labs have no figures.
SMALL = Shape("small", auditors=3, threshold=2, labs=3, rounds=0, figures=400)
#: The same, with a drill a day.
DRILLING = Shape("drilling", auditors=3, threshold=2, labs=3, rounds=0, figures=400, drill_s=86400)

#: One round, in which a cluster's workers check the proofs.
SPREAD = Shape("spread", auditors=3, threshold=2, labs=4, rounds=1)
#: What labs do in silence: three of four witness, and the labs go on or hold.
TELL = Shape("tell", 4, 2, labs=3, rounds=1, window_s=86400, silence="tell")
HOLD = Shape("hold", 4, 2, labs=3, rounds=1, window_s=86400, silence="hold")
SILENCE_S = 1600
#: Three of four witness; the clock of such a deployment runs fast (``fast_clock``).
SUCCEEDED = Shape(
    "succeeded", 4, 2, labs=3, rounds=0, figures=400, window_s=3600, successors=2, heartbeat_s=120
)
SUCCESSION_S = 1800
CONFLICT_S = 600
#: No figure comes near the trigger.
PAUSE = """
[[rule]]
id = "high"
kind = "level"
metric = "alpha"
statistic = "mean"
at_least = "0.9"

[[rule]]
id = "low"
kind = "level"
metric = "alpha"
statistic = "mean"
below = "0.85"

[pause]
triggers = ["high"]
lift = "low"
lift_rounds = 1
acknowledge_s = 86400
acknowledge_share = "2/3"
open_within_s = 8640000
settle_within_s = 8640000
fail_safe = "none"
"""


@dataclass(frozen=True)
class Deployment:
    """A deployment that is ready to start; each party's files are under ``nodes/<party>``.

    ``stores``: URLs of the stores that are not in files, by party.
    """

    folder: Path
    shape: Shape
    stores: dict[str, str] = field(default_factory=dict)

    def copy_to(self, folder: Path) -> "Deployment":
        """The same deployment, with all its keys, elsewhere."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Deployment(folder, self.shape)

    @cached_property
    def charter(self) -> Charter:
        return parse_charter((self.folder / "charter.toml").read_bytes())

    @property
    def auditors(self) -> tuple[str, ...]:
        return tuple(f"auditor-{i}" for i in range(1, self.shape.auditors + 1))

    @property
    def labs(self) -> tuple[str, ...]:
        return tuple(f"lab-{i}" for i in range(1, self.shape.labs + 1))

    @property
    def parties(self) -> tuple[str, ...]:
        return (*self.coordinators, *self.auditors, *self.labs, *self.members)

    @property
    def coordinators(self) -> tuple[str, ...]:
        return (COORDINATOR, *(f"successor-{i}" for i in range(1, self.shape.successors + 1)))

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(f"member-{i}" for i in range(1, self.shape.members + 1))

    def node(self, party: str) -> Path:
        """A party's own folder."""
        return self.folder / "nodes" / party

    def config(self, party: str) -> Path:
        return self.node(party) / "fermata.toml"

    def inputs(self, lab: str) -> Path:
        return self.folder / "inputs" / f"{lab}.csv"

    def role(self, party: str) -> str:
        """A party's role, also of one that joins later: its id says it."""
        return "coordinator" if party in self.coordinators else party.rpartition("-")[0]

    def tls(self, party: str) -> TlsFiles:
        folder = self.node(party) / "tls"
        return TlsFiles(folder / "key.pem", folder / "cert.pem", folder / "root.pem")

    def secret(self, party: str, name: str, purpose: str) -> bytes:
        """What a party's age file holds."""
        keys = self.node(party) / "keys"
        identity = keystore.load_identity(keys / "identity.txt")
        return keystore.load_sealed(keys / name, purpose, self.charter.deployment, identity)

    def signing_key(self, party: str) -> SigningKey:
        return SigningKey.from_seed(self.secret(party, "signing.age", keystore.SIGNING))

    def key_share(self, auditor: str) -> KeyShare:
        return AuditorShare.from_bytes(self.secret(auditor, "share.age", keystore.KEY_SHARE)).share

    def authority(self, clock=clock_ms, coordinator: str = COORDINATOR) -> Authority:
        """A coordinator's authority; with another clock, its certificates are of another time."""
        node = self.node(coordinator)
        identity = keystore.load_identity(node / "keys" / "identity.txt")
        return Authority.open(node / "authority", identity, clock, entropy)

    def values(self, lab: str, period: str) -> dict[str, str]:
        """A lab's figures; no two are alike, and none is zero."""
        dice = random.Random(f"{lab}/{period}")
        found = {}
        for metric, (low, high) in METRICS.items():
            steps = (Decimal(high) - Decimal(low)) / RESOLUTION
            encoded = dice.randrange(int(steps) // 8, int(steps) * 3 // 8) | 1
            found[metric] = format(Decimal(low) + encoded * RESOLUTION, "f")
        return found

    def sums(self, period: str, labs: tuple[str, ...] = ()) -> dict[str, Decimal]:
        """The exact sums over these labs (all)."""
        rows = [self.values(lab, period) for lab in labs or self.labs]
        return {metric: sum(Decimal(row[metric]) for row in rows) for metric in METRICS}

    def write_config(self, party: str, log_address: str) -> Path:
        """A node's configuration. ``log_address`` is where the log is, or will be."""
        role = self.role(party)
        lines = ['charter = "charter.toml"', f'party = "{party}"', ""]
        lines += ["[keys]", 'identity = "keys/identity.txt"']
        if role == "auditor":
            lines.append('share = "keys/share.age"')
        lines += ["", "[telemetry]", f'log_file = "../../logs/{party}.log"', ""]
        if role == "coordinator":
            address = self.address(party) or log_address
            lines += ["[listen]", f'address = "{address}"', 'authority = "authority"']
        else:
            lines += ["[log]", f'address = "{log_address}"']
        if role == "lab":
            lines += ["", "[lab]", f'metrics = "../../inputs/{party}.csv"']
        if party in self.stores:
            lines += ["", "[store]", f'url = "{self.stores[party]}"', "lease_s = 3"]
        if self.shape.silence:
            lines += self._silence_tables(party, role)
        self.config(party).write_text("\n".join([*lines, ""]))
        return self.config(party)

    def address(self, coordinator: str) -> str:
        """Where the charter says that a coordinator is; empty in one without successors."""
        terms = self.charter.succession
        nodes = terms.nodes if terms is not None else ()
        return next((n.addresses[0] for n in nodes if n.coordinator == coordinator), "")

    def _silence_tables(self, party: str, role: str) -> list[str]:
        """An auditor's table for its server; a lab's for its hook and for the auditors' servers."""
        if role == "auditor":
            return ["", "[listen]", 'address = "127.0.0.1:0"']
        if role != "lab":
            return []
        lines = ["", "[hook]", f'command = ["{self.hook(party)}"]', "", "[silence.auditors]"]
        for auditor in self.auditors:
            address = (self.node(auditor) / "data" / "log.address").read_text().strip()
            lines.append(f'{auditor} = "{address}"')
        return lines

    def hook(self, lab: str) -> Path:
        """The program of a lab's hook."""
        return self.node(lab) / "hook" / "program"


def lay_out(folder: Path, shape: Shape) -> Deployment:
    """Makes everything that the nodes need, in the order of a real ceremony."""
    made = Deployment(folder, shape)
    name = f"e2e-{shape.name}"
    keys = {party: node_keys(made.node(party), name) for party in made.parties}
    (folder / "logs").mkdir()
    charter_file = folder / "charter.toml"
    authorities = {party: _new_authority(made, party, name) for party in made.coordinators}
    nodes = {party: each.root_pem for party, each in authorities.items()}
    charter_file.write_text(charter_text(shape, keys, nodes=nodes))
    for party in made.parties:
        sign_file(charter_file, party, keys[party])
        shutil.copy(charter_file, made.node(party) / "charter.toml")
    shutil.copytree(folder / "charter.toml.sig", made.node(COORDINATOR) / "charter.toml.sig")
    _deal(made, keys)
    authority = authorities[COORDINATOR]
    for party in made.parties:
        issuer = authorities.get(party, authority)
        enroll_locally(issuer, made.role(party), party, made.node(party) / "tls")
    made.node(OBSERVER).mkdir()
    enroll_locally(authority, "observer", OBSERVER, made.node(OBSERVER) / "tls")
    _inputs(made)
    return made


def _new_authority(made: Deployment, coordinator: str, name: str) -> Authority:
    node = made.node(coordinator)
    identity = keystore.load_identity(node / "keys" / "identity.txt")
    return Authority.create(node / "authority", name, identity, clock_ms, entropy)


def _node_lines(root_pem: bytes) -> list[str]:
    """Where a coordinator of a charter with successors is: a port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    der = x509.load_pem_x509_certificate(root_pem).public_bytes(serialization.Encoding.DER)
    authority = base64.b64encode(der).decode()
    return [f'addresses = ["127.0.0.1:{port}"]', f'authority = "{authority}"', ""]


def node_keys(node: Path, name: str) -> SigningKey:
    (node / "keys").mkdir(parents=True)
    (node / "data").mkdir(mode=0o700)
    identity = keystore.new_identity(node / "keys" / "identity.txt")
    seed = entropy(32)
    keystore.save_sealed(node / "keys" / "signing.age", seed, keystore.SIGNING, name, identity)
    return SigningKey.from_seed(seed)


def _deal(made: Deployment, keys: dict[str, SigningKey]) -> None:
    charter = made.charter
    dealt = deal(MODULUS_BITS, charter.threshold, len(made.auditors), entropy, charter.sha256)
    for auditor, share in zip(made.auditors, dealt.shares, strict=True):
        folder = made.node(auditor) / "keys"
        identity = keystore.load_identity(folder / "identity.txt")
        keystore.save_sealed(
            folder / "share.age",
            auditor_share(share, dealt.record, charter.sha256, charter.auditors).to_bytes(),
            keystore.KEY_SHARE,
            charter.deployment,
            identity,
        )
    after = first_entry(sealed_charter(made.node(COORDINATOR) / "charter.toml", charter))
    wire = key_record_to_wire(dealt.record, dealt.modulus_proof, dealt.factor_proof, after)
    record = made.node(COORDINATOR) / "key-record.bin"
    record.write_bytes(
        encode(statement_pb2.Statement(charter_sha256=charter.sha256, key_record=wire))
    )
    for auditor in made.auditors:
        sign_file(record, auditor, keys[auditor])


def _inputs(made: Deployment) -> None:
    (made.folder / "inputs").mkdir()
    count = made.shape.figures or made.shape.rounds
    for lab in made.labs:
        lines = ["round,metric,value"]
        for period in (period_of("month", FIRST, place) for place in range(1, count + 1)):
            lines += [f"{period},{m},{v}" for m, v in made.values(lab, period).items()]
        made.inputs(lab).write_text("\n".join([*lines, ""]))


def committee_lines(shape: Shape) -> list[str]:
    rotation = ", ".join(f'"member-{i}"' for i in range(1, shape.members + 1))
    times = ("notice_s = 1", "vote_s = 7200", "ruling_s = 3600", "appeal_s = 1800")
    return ["[committee]", 'quorum = "2/3"', f"rotation = [{rotation}]", *times, ""]


def charter_text(
    shape: Shape,
    keys: dict[str, SigningKey],
    title: str = "An end-to-end test",
    nodes: dict[str, bytes] | None = None,
):
    """``nodes``: certificates (PEM) of the coordinators' authorities."""
    lines = ["format = 1"]
    # Its times are shorter than a real committee's may be.
    lines += ["test = true"] if shape.members else []
    lines += [f'deployment = "e2e-{shape.name}"', f'title = "{title}"', ""]
    lines += ["[cryptography]", f"modulus_bits = {MODULUS_BITS}", f"threshold = {shape.threshold}"]
    lines += ["", "[rounds]", 'cadence = "month"', f'first = "{FIRST}"']
    lines.append(f"window_s = {shape.window_s}")
    if shape.silence:
        lines.append("heartbeat_s = 300")
    if shape.heartbeat_s:
        lines.append(f"heartbeat_s = {shape.heartbeat_s}")
    if shape.rounds:
        lines.append(f'last = "{period_of("month", FIRST, shape.rounds)}"')
    lines += ["", "[disclosure]", "cohort_min = 3", "fresh_min = 3", ""]
    for party, key in keys.items():
        tables = {"o": "[coordinator]", "a": "[[auditor]]", "l": "[[lab]]", "m": "[[member]]"}
        table = {**tables, "s": "[[successor]]"}[party[0]]
        public_key = base64.b64encode(key.public_key).decode()
        lines += [table, f'id = "{party}"', f'organisation = "{party}"']
        lines += [f'signing_key = "{public_key}"', ""]
        if shape.successors and party in (nodes or {}):
            lines += _node_lines((nodes or {})[party])
        if party[0] == "m":
            lines += ["first_round = 1", "last_round = 0", ""]
    if shape.members:
        lines += committee_lines(shape)
    if shape.successors:
        lines += ["[succession]", f"succession_s = {SUCCESSION_S}"]
        lines += [f"conflict_s = {CONFLICT_S}", ""]
    lines += ["[[panel]]", 'id = "all"', ""]
    for metric, (low, high) in METRICS.items():
        lines += ["[[metric]]", f'id = "{metric}"', 'panel = "all"', 'unit = "points"']
        lines += [f'min = "{low}"', f'max = "{high}"', f'resolution = "{RESOLUTION:f}"', ""]
        lines += ["[[aggregate]]", f'metric = "{metric}"', 'statistics = ["sum", "mean"]', ""]
    if shape.drill_s:
        lines += ["[drills]", f"every_s = {shape.drill_s}", f"answer_s = {shape.drill_s // 2}", ""]
    if shape.silence:
        lines += [PAUSE, f"silence_s = {SILENCE_S}", f'silence = "{shape.silence}"', ""]
    return "\n".join(lines)
