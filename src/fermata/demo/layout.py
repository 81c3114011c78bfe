"""Lays out the demo's deployment in a folder: keys, charter, certificates, configurations."""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.auditor_share import auditor_share
from fermata.crypto.threshold.dealer import deal
from fermata.demo.charter import (
    AUDITORS,
    COORDINATOR,
    DEPLOYMENT,
    MEMBERS,
    charter_text,
    filled,
    invented_quarters,
)
from fermata.demo.figures import Figure, labs
from fermata.errors import ConfigError
from fermata.node.files import write_atomic
from fermata.node.observe.telemetry import split_address
from fermata.node.pki.authority import Authority
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage import keystore
from fermata.node.storage.signatures import sealed_charter, sign_file
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.fold.references import first_entry
from fermata.protocol.wire.codec import encode, key_record_to_wire
from fermata.wire.v1 import statement_pb2

MARKER = ".fermata-demo"
#: In the demo's folder: the charter that the committee tables.
AMENDED = "amended.toml"
#: The port at which a node in a container serves its metrics and health, to its own network.
TELEMETRY_PORT = 9440
#: The lab whose own system gets notices of the pause: a command that keeps each notice.
HOOKED = "mistral"
#: Labs whose first figure comes after the first round, and that join by their own word alone.
LATE = ("moonshot",)
NOTICES = "notices.jsonl"


@dataclass(frozen=True, slots=True)
class Demo:
    """A deployment that is ready to start."""

    folder: Path
    charter: Charter
    labs: tuple[str, ...]

    @property
    def parties(self) -> tuple[str, ...]:
        """Every node: coordinator, auditors, labs."""
        return (COORDINATOR, *AUDITORS, *self.labs)

    def node(self, party: str) -> Path:
        """A party's own folder; members of the committee have one, and run no node."""
        return self.folder / "nodes" / party


def claim_folder(folder: Path) -> None:
    """Makes the demo's folder; it replaces an earlier demo's folder, and nothing else.

    Raises ConfigError FILE_EXISTS.
    """
    foreign = folder.exists() and not (folder / MARKER).is_file()
    if foreign and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            "FILE_EXISTS", f"{folder}: must be new or an earlier demo's; choose another --out"
        )
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("made by fermata demo; it replaces this folder\n")


def lay_out(
    folder: Path,
    figures: tuple[Figure, ...],
    window_s: int,
    progress: Callable[[int], None],
    *,
    is_joint: bool = False,
) -> Demo:
    """Makes everything that the nodes need, with new keys.

    ``is_joint``: all but the threshold key, which the auditors are to make together.
    """
    named = labs(figures)
    public_keys = {}
    signing_keys = {}
    for party in (COORDINATOR, *AUDITORS, *MEMBERS, *named):
        signing_keys[party] = _node_keys(folder / "nodes" / party)
        public_keys[party] = base64.b64encode(signing_keys[party].public_key).decode()
    charter_file = folder / "charter.toml"
    text = partial(charter_text, figures, public_keys, window_s, is_joint=is_joint)
    write_atomic(charter_file, text().encode())
    charter = parse_charter(charter_file.read_bytes())
    write_atomic(folder / AMENDED, text(previous=charter.sha256.hex()).encode())
    demo = Demo(folder, charter, named)
    for party in (*demo.parties, *MEMBERS):
        sign_file(charter_file, party, signing_keys[party])
        shutil.copy(charter_file, demo.node(party) / "charter.toml")
    progress(1)
    signatures = folder / "charter.toml.sig"
    for party in (COORDINATOR, *AUDITORS):
        shutil.copytree(signatures, demo.node(party) / "charter.toml.sig")
    if not is_joint:
        _deal(demo, signing_keys)
    progress(2)
    _certificates(demo)
    progress(3)
    _inputs(demo, figures)
    return demo


def _node_keys(node: Path) -> SigningKey:
    """Makes a node's age identity, and its signing key sealed to that identity."""
    (node / "keys").mkdir(parents=True)
    (node / "data").mkdir(mode=0o700)
    identity = keystore.new_identity(node / "keys" / "identity.txt")
    seed = entropy(32)
    keystore.save_sealed(
        node / "keys" / "signing.age", seed, keystore.SIGNING, DEPLOYMENT, identity
    )
    return SigningKey.from_seed(seed)


def _deal(demo: Demo, signing_keys: dict[str, SigningKey]) -> None:
    """The dealer's ceremony in one process: here nobody needs to be kept from a secret."""
    charter = demo.charter
    dealt = deal(charter.modulus_bits, charter.threshold, len(AUDITORS), entropy, charter.sha256)
    for auditor, share in zip(AUDITORS, dealt.shares, strict=True):
        keys = demo.node(auditor) / "keys"
        identity = keystore.load_identity(keys / "identity.txt")
        placed = auditor_share(share, dealt.record, charter.sha256, charter.auditors)
        keystore.save_sealed(
            keys / "share.age", placed.to_bytes(), keystore.KEY_SHARE, DEPLOYMENT, identity
        )
    after = first_entry(sealed_charter(demo.folder / "charter.toml", charter))
    statement = statement_pb2.Statement(
        charter_sha256=charter.sha256,
        key_record=key_record_to_wire(dealt.record, dealt.modulus_proof, dealt.factor_proof, after),
    )
    record = demo.folder / "key-record.bin"
    write_atomic(record, encode(statement))
    for auditor in AUDITORS:
        sign_file(record, auditor, signing_keys[auditor])


def hand_over_key_record(demo: Demo) -> None:
    """Gives the coordinator the key record, for which it waits before the first round."""
    record, place = demo.folder / "key-record.bin", demo.node(COORDINATOR) / "key-record.bin"
    shutil.copytree(f"{record}.sig", f"{place}.sig")
    write_atomic(place, record.read_bytes())


def _certificates(demo: Demo) -> None:
    identity = keystore.load_identity(demo.node(COORDINATOR) / "keys" / "identity.txt")
    authority = Authority.create(
        demo.node(COORDINATOR) / "authority", DEPLOYMENT, identity, clock_ms, entropy
    )
    for party in (*demo.parties, *MEMBERS):
        role = demo.charter.parties[party].role
        enroll_locally(authority, role, party, demo.node(party) / "tls")


def _inputs(demo: Demo, figures: tuple[Figure, ...]) -> None:
    inputs = demo.folder / "inputs"
    inputs.mkdir()
    for lab in demo.labs:
        rows = [f"{f.quarter},{f.metric},{f.value}" for f in figures if f.lab == lab]
        write_atomic(inputs / f"{lab}.csv", "\n".join(["round,metric,value", *rows, ""]).encode())
    # The files that nodes read have no place for a remark.
    named = ", ".join(sorted(invented_quarters(figures)))
    write_atomic(inputs / "INVENTED.txt", f"All figures of {named} are invented.\n".encode())


def write_config(demo: Demo, party: str, log_address: str, port: int | None = None) -> Path:
    """Writes a node's configuration file; returns its path.

    ``port`` is where the coordinator listens if each node has only its own folder. None is for
    nodes side by side on one machine: then one of them also has a hook.
    """
    path = demo.node(party) / "fermata.toml"
    # Each notice is one line of JSON; the shell gets the file's name as an argument.
    notices = json.dumps(str(demo.node(party) / NOTICES), ensure_ascii=False)
    text = filled(
        "node_template.toml",
        party=party,
        role=demo.charter.parties[party].role,
        log_address=log_address,
        port=port,
        telemetry_port=TELEMETRY_PORT,
        notices=notices if party == HOOKED and port is None else "",
        alone=party in LATE,
    )
    write_atomic(path, text.encode())
    return path


def write_apart(demo: Demo, log_address: str) -> None:
    """Writes configurations for nodes in containers, each of which has only its own folder.

    ``log_address`` (host:port) is where they reach the coordinator, which listens on that port.
    """
    for lab in demo.labs:
        shutil.copy(demo.folder / "inputs" / f"{lab}.csv", demo.node(lab) / "metrics.csv")
    for member in MEMBERS:
        write_config(demo, member, log_address, split_address(log_address)[1])
    # The coordinator's file comes last: once it exists, all of them do.
    for party in reversed(demo.parties):
        write_config(demo, party, log_address, split_address(log_address)[1])
