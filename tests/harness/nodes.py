"""A deployment on disk: a folder for each party with all that its node needs, and the commands."""

import base64
import contextlib
import functools
import io
import json
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from fermata.cli.main import run
from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.auditor_share import auditor_share
from fermata.crypto.threshold.dealer import DealtKey, deal
from fermata.dashboard.embedded import dashboard_of
from fermata.log.checkpoint import add_signatures, cosign
from fermata.memory_store import MemoryStore
from fermata.node.config import load_config
from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import DAY_MS
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.run.coordinator import run_coordinator
from fermata.node.run.participant import run_participant
from fermata.node.run.parts import clock_ms, connect, entropy, tls_files
from fermata.node.storage import keystore
from fermata.node.storage.signatures import sealed_charter, sign_file
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter, parse_charter
from fermata.protocol.fold.heartbeats import next_count
from fermata.protocol.fold.references import bind, first_entry
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.timekeeping import is_due
from fermata.protocol.wire.codec import encode, key_record_to_wire
from fermata.protocol.wire.envelope import seal_statement
from fermata.types import EntryIndex
from fermata.wire.v1 import statement_pb2
from harness.node.kept_files import check_kept

NAME = "nodes"
COORDINATOR = "oversight"
AUDITORS = ("auditor-1", "auditor-2")
LABS = ("lab-1", "lab-2", "lab-3")
PARTIES = (COORDINATOR, *AUDITORS, *LABS)
MEMBERS = ("member-1", "member-2", "member-3")
ROLES = {"o": "coordinator", "a": "auditor", "l": "lab", "m": "member"}
#: How long a test waits for what must come on a busy machine.
WAIT_S = 60.0
#: Keys of exact decimals, which no float holds, and of names that may look like numbers.
EXACT = {"as read", "value", "min", "max", "resolution", "limit", "age_mean"}
EXACT |= {"growth", "noise", "version", "period", "last", "now"}
METRICS = "round,metric,value\n2026Q1,score,0.625\n2026Q1,hours,12\n2026Q2,score,0.5\n"


@dataclass(frozen=True)
class Answer:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one error line."""
        lines = self.err.splitlines()
        assert lines[-1:] == [line for line in lines if line.startswith("fermata: ")], self.err
        return lines[-1]


def numbers_as_text(document: object, key: str = "") -> list[str]:
    """The keys of a command's JSON under which a number is a string, other than exact decimals."""
    if isinstance(document, dict):
        return [found for k, each in document.items() for found in numbers_as_text(each, k)]
    if isinstance(document, list):
        return [found for each in document for found in numbers_as_text(each, key)]
    is_number = isinstance(document, str) and re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", document)
    return [key] if is_number and key not in EXACT else []


def fermata(*arguments: object) -> Answer:
    """A command in this process, from its words to its exit code. What it prints as JSON has every
    number as a number."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["fermata", *map(str, arguments)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run()
    assert "Traceback" not in err.getvalue()
    if code == 0 and "--json" in arguments:
        for line in out.getvalue().splitlines() if arguments[0] == "watch" else [out.getvalue()]:
            assert not (texts := numbers_as_text(json.loads(line))), texts
    return Answer(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Site:
    """All folders of a deployment, as no single party ever has them."""

    folder: Path

    def node(self, party: str) -> Path:
        return self.folder / party

    def config(self, party: str) -> Path:
        return self.node(party) / "fermata.toml"

    @property
    def charter_file(self) -> Path:
        return self.node(COORDINATOR) / "charter.toml"

    @property
    def charter(self) -> Charter:
        return parse_charter(self.charter_file.read_bytes())

    @property
    def record(self) -> Path:
        return self.node(COORDINATOR) / "key-record.bin"

    def identity(self, party: str) -> Path:
        return self.node(party) / "keys" / "identity.txt"

    def unlock(self, party: str) -> keystore.AgeIdentity:
        return keystore.load_identity(self.identity(party))

    def signing_key(self, party: str) -> SigningKey:
        file = self.node(party) / "keys" / "signing.age"
        seed = keystore.load_sealed(file, keystore.SIGNING, NAME, self.unlock(party))
        return SigningKey.from_seed(seed)

    def authority(self, days_ago: float = 0, **options: int) -> Authority:
        folder = self.node(COORDINATOR) / "authority"
        past = int(days_ago * DAY_MS)
        unlock = self.unlock(COORDINATOR)
        return Authority.open(folder, unlock, lambda: clock_ms() - past, entropy, **options)

    def enroll(self, party: str, into: str = "", days_ago: float = 0) -> None:
        """A certificate for a party, into its own folder or another's; perhaps an old one."""
        target = self.node(into or party) / "tls"
        if target.is_symlink():
            shutil.rmtree(target.resolve())
            target.unlink()
        enroll_locally(self.authority(days_ago), ROLES[party[0]], party, target)

    def write_config(self, party: str, address: str = "127.0.0.1:0", extra: str = "") -> Path:
        text = f'charter = "charter.toml"\nparty = "{party}"\n\n[keys]\n'
        text += 'identity = "keys/identity.txt"\n'
        text += 'share = "keys/share.age"\n' if ROLES[party[0]] == "auditor" else ""
        text += '\n[telemetry]\nlog_file = "node.log"\n\n'
        if party == COORDINATOR:
            text += f'[listen]\naddress = "{address}"\nauthority = "authority"\n'
            text += 'enrolment = "127.0.0.1:0"\n'
        else:
            text += f'[log]\naddress = "{address}"\n'
        if party in LABS:
            text += '\n[lab]\nmetrics = "metrics.csv"\n'
        self.config(party).write_text(text + extra)
        return self.config(party)

    def events(self, party: str, event: str = "") -> list[str]:
        """Lines of a node's log, of one event or all."""
        path = self.node(party) / "node.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if f'"event":"{event}' in line]

    @contextlib.contextmanager
    def coordinator(self, address: str = "127.0.0.1:0", extra: str = "") -> Iterator[str]:
        """The coordinator in a thread; gives the log's address."""
        config = load_config(self.write_config(COORDINATOR, address, extra))
        beside = dashboard_of(config)
        bound = self.node(COORDINATOR) / "data" / "log.address"
        bound.unlink(missing_ok=True)
        started, ending = threading.Event(), threading.Event()
        faults: list[Exception] = []

        def done(driver: object) -> bool:
            started.set()
            return ending.is_set()

        def body() -> None:
            try:
                run_coordinator(config, done, beside)
            except Exception as fault:  # noqa: BLE001 - raised again by whoever started it
                faults.append(fault)
                started.set()

        thread = threading.Thread(target=body)
        thread.start()
        started.wait()
        if faults:
            thread.join()
            raise faults[0]
        try:
            yield bound.read_text().strip()
        finally:
            ending.set()
            thread.join()
        if faults:
            raise faults[0]
        check_kept(*sorted(path for path in self.folder.iterdir() if path.is_dir()))

    def witness(self, *auditors: str) -> None:
        """Auditors cosign the log's head, as their nodes would."""
        for auditor in auditors or AUDITORS:
            config, charter = load_config(self.config(auditor)), self.charter
            key, name = self.signing_key(auditor), charter.witness_name(auditor)
            with connect(config, tls_files(config)) as log:
                note = log.checkpoint()
                line = cosign(note, name, key.sign, key.public_key, clock_ms() // 1000)
                log.add_cosignature(add_signatures(note, [line]))

    def tell(self, *auditors: str) -> list[str]:
        """Auditors send the heartbeats that their nodes would send now; gives who owed one."""
        told = []
        for auditor in auditors or AUDITORS:
            config, signer = load_config(self.config(auditor)), {auditor: self.signing_key(auditor)}
            replica = Replica(config.genesis, MemoryStore(), MODULUS_BITS_MIN)
            with connect(config, tls_files(config)) as log:
                replica.pull(log)
                now_ms, seen = clock_ms(), EntryIndex(replica.state.size - 1)
                if not is_due(replica.state, auditor, seen, now_ms):
                    continue
                beat = statement_pb2.Heartbeat(
                    count=next_count(replica.state, auditor),
                    time_ms=now_ms,
                    version="1",
                    certificate_expires_ms=now_ms + 30 * DAY_MS,
                )
                statement = statement_pb2.Statement(
                    charter_sha256=replica.charter.sha256, author=auditor, heartbeat=beat
                )
                bind(replica.tree, statement)
                log.append(seal_statement(statement, signer))
                told.append(auditor)
        return told

    def open_round(self, address: str) -> None:
        """Waits until the coordinator opens a round; the auditors tell the time before it and
        after it."""
        for auditor in AUDITORS:
            self.write_config(auditor, address)
        opened = len(self.events(COORDINATOR, "round_opened"))
        self.tell()
        until(lambda: len(self.events(COORDINATOR, "round_opened")) > opened)
        self.tell()

    def deal(self) -> DealtKey:
        """The key record, signed, and the shares, where they belong."""
        dealt = dealt_key(self.charter.sha256)
        for auditor, share in zip(AUDITORS, dealt.shares, strict=True):
            file = self.node(auditor) / "keys" / "share.age"
            placed = auditor_share(share, dealt.record, self.charter.sha256, AUDITORS)
            keystore.save_sealed(
                file, placed.to_bytes(), keystore.KEY_SHARE, NAME, self.unlock(auditor)
            )
        after = first_entry(sealed_charter(self.charter_file, self.charter))
        wire = key_record_to_wire(dealt.record, dealt.modulus_proof, dealt.factor_proof, after)
        statement = statement_pb2.Statement(charter_sha256=self.charter.sha256, key_record=wire)
        self.record.write_bytes(encode(statement))
        for auditor in AUDITORS:
            sign_file(self.record, auditor, self.signing_key(auditor))
        return dealt


@functools.cache
def dealt_key(charter_sha256: bytes) -> DealtKey:
    return deal(2048, 2, len(AUDITORS), entropy, charter_sha256)


def charter_text(public_keys: dict[str, str], extra: str = "") -> str:
    """Two metrics in two panels, three labs, two auditors; ten quarters. ``extra``: more tables."""
    text = f"""format = 1
{"test = true" if MEMBERS[0] in public_keys else ""}
deployment = "{NAME}"
title = "A charter for tests"

[cryptography]
modulus_bits = 2048
threshold = 2

[rounds]
cadence = "quarter"
first = "2026Q1"
last = "2028Q2"
window_s = 3600

[disclosure]
cohort_min = 3

"""
    for party, key in public_keys.items():
        tables = {"o": "[coordinator]", "a": "[[auditor]]", "l": "[[lab]]", "m": "[[member]]"}
        table = tables[party[0]]
        text += f'{table}\nid = "{party}"\norganisation = "{party} Ltd"\nsigning_key = "{key}"\n\n'
    for name, high in (("score", "1"), ("hours", "1000")):
        text += f'[[panel]]\nid = "{name}s"\n\n[[metric]]\nid = "{name}"\npanel = "{name}s"\n'
        text += (
            f'unit = "u"\nquantity = "{name}"\nmin = "0"\nmax = "{high}"\nresolution = "0.001"\n\n'
        )
        text += f'[[aggregate]]\nmetric = "{name}"\nstatistics = ["sum"]\n\n'
    if MEMBERS[0] in public_keys:
        rotation = ", ".join(f'"{member}"' for member in MEMBERS)
        text += f'[committee]\nquorum = "2/3"\nrotation = [{rotation}]\nnotice_s = 3600\n'
        text += "vote_s = 3600\nruling_s = 3600\nappeal_s = 3600\n"
    return text + extra


def lay_out(
    folder: Path,
    parties: tuple[str, ...] = PARTIES,
    extra: str = "",
    edit: Callable[[str], str] = lambda text: text,
) -> Site:
    """Keys, charter with all signatures, certificates; the key is dealt when it is asked for.

    ``edit`` changes the charter's text before it is signed.
    """
    site = Site(folder)
    keys = {}
    for party in parties:
        (site.node(party) / "keys").mkdir(parents=True)
        identity = keystore.new_identity(site.identity(party))
        seed = entropy(32)
        keys[party] = SigningKey.from_seed(seed)
        file = site.node(party) / "keys" / "signing.age"
        keystore.save_sealed(file, seed, keystore.SIGNING, NAME, identity)
    public = {p: base64.b64encode(k.public_key).decode() for p, k in keys.items()}
    site.charter_file.write_text(edit(charter_text(public, extra)))
    for party, key in keys.items():
        sign_file(site.charter_file, party, key)
    folder = site.node(COORDINATOR) / "authority"
    Authority.create(folder, NAME, site.unlock(COORDINATOR), clock_ms, entropy)
    for party in parties:
        if party != COORDINATOR:
            shutil.copy(site.charter_file, site.node(party))
        if party in LABS:
            (site.node(party) / "metrics.csv").write_text(METRICS)
        site.enroll(party)
        site.write_config(party)
    return site


def until(what):
    limit = time.monotonic() + WAIT_S
    while not (found := what()):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return found


def run_node(site, party, *, entries=0, limit_s=WAIT_S):
    """A node in this thread until it has so many entries, or its own end."""
    limit = time.monotonic() + limit_s
    return run_participant(
        load_config(site.config(party)),
        lambda driver: 0 < entries <= driver.replica.state.size or time.monotonic() > limit,
    )


def ended(site, party, code, reason):
    """The node ends by itself with one line; gives the line."""
    role = {"o": "coordinator", "a": "auditor", "l": "lab"}[party[0]]
    answer = fermata(role, "run", "--config", site.config(party))
    assert answer.err.count("\n") == 1, answer.err
    assert answer.error.endswith(f"[{reason}]"), answer.err
    assert answer.code == code
    assert answer.out == ""
    return answer.error
