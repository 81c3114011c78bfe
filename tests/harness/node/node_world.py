"""A deployment's certificates, a log in memory and a server before it, for the node's tests."""

import contextlib
import datetime
import io
import threading
from dataclasses import replace

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fermata.errors import IdentityError, Refusal
from fermata.node.observe.telemetry import Telemetry
from fermata.node.pki.identity import deployment_of, identity_of
from fermata.node.pki.tls import TlsMaterial
from fermata.node.pki.trust import root_anchors
from fermata.node.rpc.client import GrpcLog
from fermata.node.rpc.limits import Limits
from fermata.node.rpc.service import LogServer
from fermata.protocol.wire.ports import LogWrapper, Receipt, Witness

DEPLOYMENT = "trial"
NAME = "trial.fermata"
HOUR = datetime.timedelta(hours=1)
ROSTER = {("lab", "ada"), ("lab", "bel"), ("auditor", "eve"), ("coordinator", "hub")}
ROSTER |= {("member", "member-1"), ("operator", "ops"), ("observer", "eye")}
PARTY_OF = {"lab": "ada", "auditor": "eve", "coordinator": "hub", "operator": "ops"}
PARTY_OF |= {"member": "member-1", "observer": "eye"}


def now():
    return datetime.datetime.now(datetime.UTC)


def name_of(organisation, common):
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


class Authority:
    """A root that signs whatever a test wants."""

    def __init__(self, deployment=DEPLOYMENT):
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = name_of(deployment, "root")
        self.certificate = self._build(name, name, self.key, now() - HOUR, now() + HOUR, True, ())

    def _build(self, subject, issuer, key, start, end, is_ca, names):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(is_ca, None), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            # Roots of one deployment have one name: their keys tell them apart.
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        if not is_ca:
            usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
            # As the deployment's authority does: only what has a host name may serve.
            if any(isinstance(each, x509.DNSName) for each in names):
                usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        return builder.sign(self.key, hashes.SHA256())

    def leaf(self, *uris, dns=(), common="x", start=None, end=None):
        """Key and certificate with these names, as StaticTls."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.UniformResourceIdentifier(u) for u in uris]
        names += [x509.DNSName(d) for d in dns]
        certificate = self._build(
            name_of(DEPLOYMENT, common),
            self.certificate.subject,
            key,
            start or now() - HOUR,
            end or now() + HOUR,
            False,
            names,
        )
        return StaticTls(key, certificate, self.certificate)

    def party(self, role, party, **more):
        """A certificate as the deployment's authority issues it."""
        dns = (NAME,) if role == "coordinator" else ()
        return self.leaf(f"fermata://{DEPLOYMENT}/{role}/{party}", dns=dns, **more)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class StaticTls:
    """What TlsFiles gives, from memory, and without its checks."""

    def __init__(self, key, certificate, root):
        key_pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        try:
            identity = identity_of(certificate)
        except IdentityError:
            identity = None
        self.generation = 1
        anchors = root_anchors(pem(root), deployment_of(root))
        self.found = TlsMaterial(
            key_pem, pem(certificate), pem(root), certificate, anchors, identity
        )

    def turn_into(self, other):
        """As if the files were replaced by those of the other."""
        self.found = other.found
        self.generation += 1

    def trust(self, authority, alone=False):
        """Pins another authority too, or instead, as a root file with its certificate does."""
        more = pem(authority.certificate)
        roots = more if alone else self.found.root_pem + more
        anchors = root_anchors(roots, DEPLOYMENT)
        self.found = replace(self.found, root_pem=roots, anchors=anchors)

    def current(self):
        return self.generation, self.found

    def material(self):
        return self.found

    def server_credentials(self, require_client):
        return grpc.ssl_server_credentials(
            [(self.found.key_pem, self.found.chain_pem)], self.found.root_pem, require_client
        )

    def channel_credentials(self):
        found = self.found
        return grpc.ssl_channel_credentials(found.root_pem, found.key_pem, found.chain_pem)


class FakeWriter:
    """A log in memory that does what the test tells it to."""

    def __init__(self):
        self.leaves = []
        self.appended = []
        self.cosigned = []
        self.trouble = None
        self.gate = None
        self.entered = threading.Semaphore(0)
        self.on_growth = lambda size: None

    def log_for(self, caller):
        return FakeLog(self, caller)

    def append_as(self, caller, envelope, sealed_part):
        self.entered.release()
        if self.gate is not None:
            self.gate.wait(20)
        if self.trouble is not None:
            raise self.trouble
        self.appended.append((caller.role, caller.id, envelope, sealed_part))
        self.leaves.append(b"leaf of " + envelope)
        self.on_growth(len(self.leaves))
        return Receipt(len(self.leaves) - 1, self.leaves[-1], b"note", (b"\x01" * 32,))

    def checkpoint(self):
        if self.trouble is not None:
            raise self.trouble
        return b"the note"

    def read(self, start, count_max):
        return self.leaves[start : start + count_max]

    def witnesses(self):
        return [Witness("eve", 3, b"a line")]

    def prove_inclusion(self, entry, size):
        return [entry.to_bytes(32, "big"), size.to_bytes(32, "big")]

    def prove_consistency(self, old_size, new_size):
        return [old_size.to_bytes(32, "big"), new_size.to_bytes(32, "big")]

    def fetch_sealed(self, sealed_sha256):
        if sealed_sha256 != b"\x07" * 32:
            raise Refusal("NO_SEALED", "log: has no sealed part with that digest")
        return b"sealed"


class FakeLog(LogWrapper):
    """The log in memory as one caller reaches it."""

    def __init__(self, writer, caller):
        super().__init__(writer)
        self.caller = caller

    def append(self, envelope, sealed_part=b""):
        return self._log.append_as(self.caller, envelope, sealed_part)

    def add_cosignature(self, note):
        self._log.cosigned.append((self.caller.id, note))


class Clock:
    """The real time, and what a test adds to it."""

    def __init__(self):
        self.ahead_ms = 0

    def __call__(self):
        return int(now().timestamp() * 1000) + self.ahead_ms


class World:
    """Authority, ledger and a running server."""

    def __init__(self, **options):
        self.authority = options.pop("authority", None) or Authority()
        self.ledger = FakeWriter()
        self.clock = Clock()
        self.log = io.StringIO()
        self.telemetry = Telemetry("hub", "coordinator", self.clock, stream=self.log)
        self.denied = set()
        self.tls = self.authority.party("coordinator", "hub")
        options.setdefault("renew", lambda identity, csr: identity.uri.encode() + b" " + csr)
        # Patient with a busy machine, where the test is not about the limits.
        easy = Limits(calls_per_s_of_one=1e6, calls_burst_of_one=10**6, handshake_ms=20_000)
        options.setdefault("limits", easy)
        self.server = LogServer(
            self.ledger.log_for,
            tls=options.pop("tls", self.tls),
            authorise=self._authorise,
            clock_ms=self.clock,
            telemetry=self.telemetry,
            is_denied=lambda identity, serial: serial in self.denied or identity.uri in self.denied,
            **options,
        )
        self.ledger.on_growth = self.server.notify
        self.address = self.server.start("127.0.0.1:0")

    def _authorise(self, identity):
        if (identity.role, identity.id) not in ROSTER:
            raise IdentityError("NOT_ON_ROSTER", "certificate: must be of a party on the roster")

    def party(self, role, party=None):
        return self.authority.party(role, party or PARTY_OF[role])

    @contextlib.contextmanager
    def channel(self, tls, name=NAME):
        """A bare channel with these credentials."""
        credentials = tls if isinstance(tls, grpc.ChannelCredentials) else tls.channel_credentials()
        options = [
            ("grpc.ssl_target_name_override", name),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
            ("grpc.max_metadata_size", 1 << 24),
            ("grpc.absolute_max_metadata_size", 1 << 24),
        ]
        with grpc.secure_channel(self.address, credentials, options) as channel:
            yield channel

    @contextlib.contextmanager
    def client(self, tls, **options):
        options.setdefault("sleep", lambda seconds: None)
        with GrpcLog(self.address, DEPLOYMENT, tls, **options) as log:
            yield log

    def close(self):
        self.server.stop(0)
        self.telemetry.close()


@contextlib.contextmanager
def world(**options):
    made = World(**options)
    try:
        yield made
    finally:
        made.close()


def call(channel, method, data=b"", service="fermata.wire.v1.LogService", **options):
    """One call with raw bytes."""
    return channel.unary_unary(f"/{service}/{method}")(data, timeout=20, **options)


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)
