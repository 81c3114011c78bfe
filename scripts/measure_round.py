"""Measures one round: 8 labs x 8 metrics, 3072 bits, 3 of 5 auditors, over gRPC on loopback.

Prints CPU-bound stages and transport apart, each beside what phe needs to encrypt the same numbers
in the same run. Machines differ and are noisy: quote ratios, not seconds.
"""

import argparse
import base64
import json
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import phe

from bench_report import merge
from fermata.crypto.report.prover import prover_table
from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.dealer import deal
from fermata.crypto.threshold.opening import combine, partial_opening
from fermata.node.observe.telemetry import Telemetry
from fermata.node.pki.authority import Authority
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.node.rpc.limits import Limits
from fermata.node.rpc.service import LogServer
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.run.shared_log_writer import SharedLogWriter
from fermata.node.storage import keystore
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter, parse_charter
from fermata.protocol.fold.proofs import failures_of
from fermata.protocol.fold.references import bind, first_entry
from fermata.protocol.fold.reports import (
    aggregate,
    check_sealed,
    ciphertexts_of,
    encode_report,
    make_report,
)
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import key_record_to_wire
from fermata.protocol.wire.envelope import charter_message, seal_charter, seal_statement
from fermata.protocol.wire.ports import Receipt
from fermata.types import Role, RoundNumber
from fermata.wire.v1 import statement_pb2

LABS, METRICS, AUDITORS, THRESHOLD = 8, 8, 5, 3
DEPLOYMENT = "measure"


def charter_bytes(keys: dict[str, SigningKey], modulus_bits: int) -> bytes:
    """A charter for these parties with one panel of METRICS metrics of 32 bits."""
    lines = [
        f'format = 1\ndeployment = "{DEPLOYMENT}"\ntitle = "measurement"',
        f"[cryptography]\nmodulus_bits = {modulus_bits}\nthreshold = {THRESHOLD}",
        '[rounds]\ncadence = "number"\nfirst = "1"\ninterval_s = 3600\nwindow_s = 3600',
        "[disclosure]\ncohort_min = 5",
    ]
    for party, key in keys.items():
        table = "[coordinator]" if party == "oversight" else f"[[{party.split('-')[0]}]]"
        public = base64.b64encode(key.public_key).decode()
        lines.append(f'{table}\nid = "{party}"\norganisation = "{party}"\nsigning_key = "{public}"')
    lines.append('[[panel]]\nid = "all"')
    for number in range(METRICS):
        lines.append(
            f'[[metric]]\nid = "m{number}"\npanel = "all"\nunit = ""\nmin = "0"\n'
            'max = "4294967295"\nresolution = "1"'
        )
    lines.append('[[aggregate]]\nmetric = "m0"\nstatistics = ["sum"]')
    return ("\n".join(lines) + "\n").encode()


class Stopwatch:
    """Seconds of wall time by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of the block to a stage."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def serve(
    folder: Path, writer: SharedLogWriter, charter: Charter
) -> tuple[LogServer, str, TlsFiles]:
    """The coordinator's server, and a lab's way to it."""
    identity = keystore.new_identity(folder / "identity.txt")
    authority = Authority.create(folder / "authority", DEPLOYMENT, identity, clock_ms, entropy)

    def files(role: str, party: str) -> TlsFiles:
        tls = folder / party / "tls"
        tls.parent.mkdir()
        enroll_locally(authority, role, party, tls)
        return TlsFiles(tls / "key.pem", tls / "cert.pem", tls / "root.pem")

    server = LogServer(
        lambda caller: writer.as_caller(caller.role, caller.id),
        tls=files("coordinator", "oversight"),
        authorise=lambda identity: None,
        limits=Limits(),
        clock_ms=clock_ms,
        telemetry=Telemetry("oversight", "coordinator", clock_ms, folder / "log"),
    )
    return server, server.start("127.0.0.1:0"), files("lab", charter.labs[0])


class TimedWriter(SharedLogWriter):
    """Tells how long the coordinator itself takes for an append (checks, disk, signature)."""

    seconds = 0.0

    def append_as(
        self, role: Role, caller: str, envelope: bytes, sealed_part: bytes = b""
    ) -> Receipt:
        """As SharedLogWriter, for any caller: one lab's connection carries all labs' reports."""
        start = time.perf_counter()
        receipt = super().append_as(Role.COORDINATOR, caller, envelope, sealed_part)
        self.seconds += time.perf_counter() - start
        return receipt


def measure(modulus_bits: int, folder: Path) -> dict[str, float | int]:
    """Runs the round's stages; returns seconds and bytes by name."""
    watch = Stopwatch()
    parties = ["oversight", *(f"auditor-{i}" for i in range(1, AUDITORS + 1))]
    parties += [f"lab-{i}" for i in range(1, LABS + 1)]
    keys = {p: SigningKey.from_seed(entropy(32)) for p in parties}
    data = charter_bytes(keys, modulus_bits)
    charter = parse_charter(data)
    dealt = deal(modulus_bits, THRESHOLD, AUDITORS, entropy, charter.sha256)
    replica = Replica(
        charter,
        SqliteStore.open(folder / "store.db", charter.sha256, "coordinator/measured"),
        MODULUS_BITS_MIN,
    )
    writer = TimedWriter(replica, keys["oversight"], clock_ms)
    signed = seal_charter(data, {p: k.sign(charter_message(data)) for p, k in keys.items()})
    writer.append(signed)
    record = statement_pb2.Statement(
        charter_sha256=charter.sha256,
        key_record=key_record_to_wire(
            dealt.record, dealt.modulus_proof, dealt.factor_proof, first_entry(signed)
        ),
    )
    writer.append(seal_statement(record, {a: keys[a] for a in charter.auditors}))
    key = replica.state.key
    if key is None:
        raise SystemExit("the key record was refused")
    for auditor in charter.auditors:
        # No round is opened before the auditors have told the time.
        beat = statement_pb2.Heartbeat(count=1, time_ms=clock_ms())
        said = statement_pb2.Statement(
            charter_sha256=charter.sha256, author=auditor, heartbeat=beat
        )
        bind(replica.tree, said)
        writer.append(seal_statement(said, {auditor: keys[auditor]}))
    opening = statement_pb2.Statement(
        charter_sha256=charter.sha256,
        author="oversight",
        open_round=statement_pb2.OpenRound(round=1, period="1", key_id=key.key_id),
    )
    bind(replica.tree, opening)
    writer.append(seal_statement(opening, {"oversight": keys["oversight"]}))
    values = {
        lab: {f"m{j}": str(secrets.randbelow(2**32)) for j in range(METRICS)}
        for lab in charter.labs
    }
    with watch.stage("table (once a lab and key)"):
        table = prover_table(key.public_key, charter.panels[0].claims.statements)
    reports = []
    with watch.stage("encrypt and prove, 8 reports"):
        for number, lab in enumerate(charter.labs):
            encoded = encode_report(charter, lab, values[lab])
            statement, sealed = make_report(charter, key, table, encoded, 1, entropy)
            bind(replica.tree, statement)
            reports.append((seal_statement(statement, {lab: keys[lab]}), sealed, number))
    server, address, tls = serve(folder, writer, charter)
    with GrpcLog(address, DEPLOYMENT, tls) as log:
        log.checkpoint()
        with watch.stage("append, 8 reports"):
            for envelope, sealed, _ in reports:
                log.append(envelope, sealed)
    server.stop(0)
    whole = watch.seconds.pop("append, 8 reports")
    watch.seconds["coordinator: checks, disk, receipts"] = writer.seconds
    watch.seconds["transport (gRPC, mutual TLS)"] = whole - writer.seconds
    seen = [replica.state.rounds[0].reports[lab] for lab in charter.labs]
    with watch.stage("one auditor: checks and product"):
        checked = {
            r.lab: check_sealed(
                key, r.parts, r.sealed_sha256, replica.store.sealed(r.sealed_sha256) or b""
            )
            for r in seen
        }
        proofs = {lab: {p: s.proof for p, s in sealed.items()} for lab, sealed in checked.items()}
        reports_seen = replica.state.rounds[0].reports
        leaf_hash = bytes(32)  # Of no close: this one is not logged.
        if failures_of(charter, key, 1, reports_seen, proofs, leaf_hash):
            raise SystemExit("a proof does not hold")
        all_of_round = {"all": dict.fromkeys(charter.labs, RoundNumber(1))}
        product = aggregate(key, all_of_round, ciphertexts_of(1, checked))["all"][0]
    parts = {}
    with watch.stage("opening: 3 parts"):
        for share in dealt.shares[:THRESHOLD]:
            parts[share.index] = partial_opening(key.record, share, product, entropy)
    with watch.stage("opening: combine and check"):
        combine(key.record, product, parts)
    theirs = phe.PaillierPublicKey(key.record.n)
    with watch.stage("phe encrypts the same 64 numbers"):
        for figures in values.values():
            for value in figures.values():
                theirs.raw_encrypt(int(value))
    sizes = {"report_bytes": len(reports[0][0]) + len(reports[0][1])}
    sizes["phe_bytes"] = METRICS * modulus_bits // 4
    return {**watch.seconds, **sizes}


def main() -> None:
    """Prints the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modulus-bits", type=int, default=3072)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="add the figures to this file, under `round`")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments.modulus_bits, Path(folder))
    if arguments.out is not None:
        merge(arguments.out, {"round": found})
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    base = found["phe encrypts the same 64 numbers"]
    for name, value in found.items():
        if name.endswith("bytes"):
            print(f"{name:<40} {value:>10,}")
        else:
            print(f"{name:<40} {value * 1000:>9.1f} ms  {value / base:>8.4f} of phe's encryption")


if __name__ == "__main__":
    main()
