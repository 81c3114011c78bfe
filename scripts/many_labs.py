"""A deployment of very many labs with proven reports, kept in a folder between runs.

``bench_thousand.py`` measures with it. The keys of all parties stand in the folder in the clear, so
it is for measurements alone.
"""

import base64
import functools
import multiprocessing
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from fermata.crypto.paillier import EncryptionTable
from fermata.crypto.report.prover import prover_table
from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.dealer import deal
from fermata.log.merkle import Tree
from fermata.memory_store import MemoryStore
from fermata.node.pki.authority import Authority
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage import keystore
from fermata.node.storage.signatures import sign_file
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter, parse_charter
from fermata.protocol.fold.references import bind, first_entry
from fermata.protocol.fold.reports import encode_report, make_report
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import KeyedState
from fermata.protocol.wire.codec import encode, key_record_to_wire
from fermata.protocol.wire.envelope import charter_message, seal_charter, seal_statement
from fermata.wire.v1 import statement_pb2

DEPLOYMENT, COORDINATOR = "many-labs", "oversight"
AUDITORS, THRESHOLD = ("auditor-1", "auditor-2", "auditor-3"), 2
#: Reports that one file of the folder has; a run that is cut short loses at most these.
CHUNK = 20
PROVERS = 2
#: Certificates last thirty days.
CERTIFICATES_S = 20 * 86_400


@dataclass(frozen=True, slots=True)
class Size:
    """How many labs report how many metrics, under a modulus of how many bits."""

    labs: int
    metrics: int
    modulus_bits: int

    @property
    def lab_ids(self) -> list[str]:
        """The labs' ids, in order."""
        return [f"lab-{number:05}" for number in range(1, self.labs + 1)]

    @property
    def parties(self) -> list[str]:
        """The ids of all parties."""
        return [COORDINATOR, *AUDITORS, *self.lab_ids]


@dataclass(frozen=True)
class ManyLabs:
    """The deployment: ``reports`` has, by lab, the statement (not signed yet) and sealed part."""

    folder: Path
    size: Size
    keys: dict[str, SigningKey] = field(repr=False)
    source: bytes = field(repr=False)
    record: statement_pb2.Statement = field(repr=False)
    reports: dict[str, tuple[bytes, bytes]] = field(repr=False, default_factory=dict)

    @functools.cached_property
    def charter(self) -> Charter:
        """The charter, parsed."""
        return parse_charter(self.source)

    def sealed_report(self, lab: str, tree: Tree) -> tuple[bytes, bytes]:
        """A lab's report, signed for its place in a log, and its sealed part."""
        data, sealed = self.reports[lab]
        statement = statement_pb2.Statement.FromString(data)
        bind(tree, statement)
        return seal_statement(statement, {lab: self.keys[lab]}), sealed

    def begun(self) -> LogWriter:
        """A log in memory with the charter and the key record."""
        writer = LogWriter(
            Replica(self.charter, MemoryStore(), MODULUS_BITS_MIN), self.keys[COORDINATOR]
        )
        writer.append(seal_charter(self.source, _signed(self.source, self.keys)))
        signers = {auditor: self.keys[auditor] for auditor in AUDITORS}
        writer.append(seal_statement(self.record, signers))
        return writer

    def keyed(self) -> KeyedState:
        """The state of ``begun``. Raises SystemExit if the key record was refused."""
        state = self.begun().state
        if not isinstance(state, KeyedState):
            raise SystemExit("the key record was refused")
        return state


def charter_text(size: Size, keys: dict[str, SigningKey]) -> str:
    """One panel of all metrics, 32 bits each; every lab is an organisation of its own."""
    lines = [
        f'format = 1\ndeployment = "{DEPLOYMENT}"\ntitle = "Many labs"',
        f"[cryptography]\nmodulus_bits = {size.modulus_bits}\nthreshold = {THRESHOLD}",
        '[rounds]\ncadence = "number"\nfirst = "1"\ninterval_s = 86400\nwindow_s = 86400',
        "heartbeat_s = 86400\n[disclosure]\ncohort_min = 3",
    ]
    for party, key in keys.items():
        table = "[coordinator]" if party == COORDINATOR else f"[[{party.split('-')[0]}]]"
        public = base64.b64encode(key.public_key).decode()
        lines.append(f'{table}\nid = "{party}"\norganisation = "{party}"\nsigning_key = "{public}"')
    lines.append('[[panel]]\nid = "all"')
    lines += [
        f'[[metric]]\nid = "m{number}"\npanel = "all"\nunit = "u{number}"\nmin = "0"\n'
        'max = "4294967295"\nresolution = "1"'
        for number in range(size.metrics)
    ]
    lines.append('[[aggregate]]\nmetric = "m0"\nstatistics = ["sum"]')
    return "\n".join(lines) + "\n"


def many_labs(cache: Path, size: Size) -> ManyLabs:
    """The deployment of this size in a folder of ``cache``; what is not there yet is made."""
    folder = cache / f"{size.labs}-labs-{size.metrics}-metrics-{size.modulus_bits}-bits"
    if not (folder / "record.bin").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        seeds = {party: entropy(32) for party in size.parties}
        made = {party: SigningKey.from_seed(seed) for party, seed in seeds.items()}
        data = charter_text(size, made).encode()
        charter = parse_charter(data)
        dealt = deal(size.modulus_bits, THRESHOLD, len(AUDITORS), entropy, charter.sha256)
        first = first_entry(seal_charter(data, _signed(data, made)))
        record = statement_pb2.Statement(
            charter_sha256=charter.sha256,
            key_record=key_record_to_wire(
                dealt.record, dealt.modulus_proof, dealt.factor_proof, first
            ),
        )
        (folder / "seeds.bin").write_bytes(msgspec.msgpack.encode(seeds))
        (folder / "charter.toml").write_bytes(data)
        (folder / "record.bin").write_bytes(encode(record))
    labs = _open(folder, size)
    _prove_all(labs)
    return labs


def _open(folder: Path, size: Size) -> ManyLabs:
    return ManyLabs(
        folder,
        size,
        {party: SigningKey.from_seed(seed) for party, seed in _seeds(folder).items()},
        (folder / "charter.toml").read_bytes(),
        statement_pb2.Statement.FromString((folder / "record.bin").read_bytes()),
    )


def _seeds(folder: Path) -> dict[str, bytes]:
    data = (folder / "seeds.bin").read_bytes()
    return msgspec.msgpack.decode(data, type=dict[str, bytes])


def _signed(data: bytes, keys: dict[str, SigningKey]) -> dict[str, bytes]:
    return {party: key.sign(charter_message(data)) for party, key in keys.items()}


def _prove_all(labs: ManyLabs) -> None:
    """Reads the reports that the folder has, and makes those that it has not."""
    ids = labs.size.lab_ids
    chunks = [ids[first : first + CHUNK] for first in range(0, len(ids), CHUNK)]
    missing = [chunk for chunk in chunks if not _chunk_file(labs.folder, chunk).exists()]
    if missing:
        context = multiprocessing.get_context("spawn")
        with context.Pool(PROVERS, _begin, (labs.folder, labs.size)) as pool:
            for done, chunk in enumerate(pool.imap_unordered(_prove, missing), 1):
                print(f"proved {chunk[0]} to {chunk[-1]}, {done} of {len(missing)}", flush=True)
    for chunk in chunks:
        data = _chunk_file(labs.folder, chunk).read_bytes()
        labs.reports.update(msgspec.msgpack.decode(data, type=dict[str, tuple[bytes, bytes]]))


def _chunk_file(folder: Path, chunk: Sequence[str]) -> Path:
    return folder / f"reports-{chunk[0]}.bin"


#: What a prover's process begins with.
_provers: list[tuple[ManyLabs, KeyedState, EncryptionTable]] = []


def _begin(folder: Path, size: Size) -> None:
    labs = _open(folder, size)
    state = labs.keyed()
    table = prover_table(state.key.public_key, labs.charter.panels[0].claims.statements)
    _provers.append((labs, state, table))


def _prove(chunk: list[str]) -> list[str]:
    labs, state, table = _provers[0]
    made = {}
    for lab in chunk:
        values = {f"m{j}": str(secrets.randbelow(2**32)) for j in range(labs.size.metrics)}
        encoded = encode_report(labs.charter, lab, values)
        statement, sealed = make_report(labs.charter, state.key, table, encoded, 1, entropy)
        made[lab] = (encode(statement), sealed)
    file = _chunk_file(labs.folder, chunk)
    partial = file.with_suffix(".part")
    partial.write_bytes(msgspec.msgpack.encode(made))
    partial.rename(file)
    return chunk


def lay_out(labs: ManyLabs, folder: Path) -> dict[str, Path]:
    """The coordinator's folder, ready to run, and every party's TLS folder, by party.

    Certificates are made once, and again when they are about to end.
    """
    site = labs.folder / "site"
    if not site.exists() or time.time() - site.stat().st_mtime > CERTIFICATES_S:
        shutil.rmtree(site, ignore_errors=True)
        making = labs.folder / "site.part"
        shutil.rmtree(making, ignore_errors=True)
        _make_site(labs, making)
        making.rename(site)
    shutil.copytree(site, folder, symlinks=True, dirs_exist_ok=True)
    return {party: _tls_folder(folder, party) for party in labs.keys}


def _tls_folder(folder: Path, party: str) -> Path:
    return (folder if party == COORDINATOR else folder / "parties") / party / "tls"


def _make_site(labs: ManyLabs, folder: Path) -> None:
    node = folder / COORDINATOR
    (node / "keys").mkdir(parents=True)
    identity = keystore.new_identity(node / "keys" / "identity.txt")
    seed = _seeds(labs.folder)[COORDINATOR]
    keystore.save_sealed(
        node / "keys" / "signing.age", seed, keystore.SIGNING, DEPLOYMENT, identity
    )
    charter, record = node / "charter.toml", node / "key-record.bin"
    charter.write_bytes(labs.source)
    record.write_bytes(encode(labs.record))
    for party, key in labs.keys.items():
        sign_file(charter, party, key)
    for auditor in AUDITORS:
        sign_file(record, auditor, labs.keys[auditor])
    authority = Authority.create(node / "authority", DEPLOYMENT, identity, clock_ms, entropy)
    for party in labs.keys:
        tls = _tls_folder(folder, party)
        tls.parent.mkdir(parents=True, exist_ok=True)
        role = "coordinator" if party == COORDINATOR else party.split("-")[0]
        enroll_locally(authority, role, party, tls)
    (node / "fermata.toml").write_text(
        f'charter = "charter.toml"\nparty = "{COORDINATOR}"\n'
        '[keys]\nidentity = "keys/identity.txt"\n[telemetry]\nlog_file = "node.log"\n'
        '[listen]\naddress = "127.0.0.1:0"\nauthority = "authority"\n'
        # All labs have this machine's address.
        "connections_of_source = 4096\n"
    )
