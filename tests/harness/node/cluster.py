"""A real Dask cluster on loopback: a scheduler and workers, each a process, over mutual TLS."""

import datetime
import ipaddress
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fermata.node.rpc.engine.choose import ClusterFiles

DAY = datetime.timedelta(days=1)
START_S = 60


def write_certificates(folder: Path) -> ClusterFiles:
    """A new authority, and one certificate of it for whoever is part of the cluster."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster authority")])
    ca = _builder(name, name, ca_key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster member")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    member = _builder(own, name, key).add_extension(
        x509.SubjectAlternativeName([address]), critical=False
    )
    files = ClusterFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    pem = serialization.Encoding.PEM
    files.ca.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    files.certificate.write_bytes(member.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files.key.touch(0o600)
    files.key.write_bytes(key.private_bytes(pem, form, none))
    return files


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )


@dataclass
class Cluster:
    """``address`` is host:port of the scheduler; ``workers`` are processes of one thread each."""

    folder: Path
    files: ClusterFiles
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"dask+tls://{self.address}"

    def _start(self, module: str, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        tls = {"ca-file": self.files.ca, "cert": self.files.certificate, "key": self.files.key}
        options = [f"--tls-{option}={path}" for option, path in tls.items()]
        with (self.folder / f"{name}.log").open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *arguments, *options],
                stdout=out,
                stderr=out,
                cwd=self.folder,
            )

    def start_scheduler(self) -> None:
        """Starts it on a free port, and waits until it says which."""
        told = self.folder / "scheduler.json"
        arguments = ("--protocol=tls", "--host=127.0.0.1", "--port=0", "--no-dashboard")
        self.scheduler = self._start(
            "dask_scheduler", "scheduler", *arguments, f"--scheduler-file={told}"
        )
        deadline = time.monotonic() + START_S
        while not told.exists() or not told.read_text().strip():
            if self.scheduler.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "scheduler.log").read_text())
            time.sleep(0.05)
        self.address = json.loads(told.read_text())["address"].removeprefix("tls://")

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Starts a worker that nobody starts again; it may still be connecting."""
        arguments = (f"tls://{self.address}", "--nthreads=1", "--no-nanny", "--no-dashboard")
        worker = self._start("dask_worker", f"worker-{len(self.workers)}", *arguments)
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        """Ends all processes of this cluster, also stopped ones."""
        for process in (*self.workers, self.scheduler):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()


@contextmanager
def running_cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A cluster with so many workers, which end with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder, write_certificates(folder / "tls"))
    try:
        cluster.start_scheduler()
        for _ in range(workers):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.stop()
