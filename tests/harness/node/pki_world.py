"""What the tests of the certificates share: a clock to set, an authority, certificates to forge."""

import hashlib
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import DAY_MS, make_csr, make_leaf, new_key
from fermata.node.pki.identity import Identity, load_chain, utc_of
from fermata.node.storage import keystore

DEPLOYMENT = "spring"
LAB = Identity(DEPLOYMENT, "lab", "alpha")
OTHER_LAB = Identity(DEPLOYMENT, "lab", "beta")
COORDINATOR = Identity(DEPLOYMENT, "coordinator", "oversight")


@dataclass
class Clock:
    """A clock that stands until it is moved; starts at the real time, which TLS goes by."""

    now_ms: int

    def __call__(self) -> int:
        return self.now_ms

    def pass_days(self, days: float) -> None:
        self.now_ms += int(days * DAY_MS)


class CountedEntropy:
    """Different bytes at each call, the same in each run."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._calls = itertools.count()

    def __call__(self, size: int) -> bytes:
        source = f"{self._seed}/{next(self._calls)}".encode()
        return hashlib.shake_256(source).digest(size)


@dataclass
class World:
    """An authority that was just made, its folder and what opens it."""

    folder: Path
    unlock: keystore.AgeIdentity
    clock: Clock
    entropy: CountedEntropy
    authority: Authority

    def reopen(self, unlock: keystore.Unlock | None = None) -> Authority:
        return Authority.open(self.folder, unlock, self.clock, self.entropy)

    def key(self) -> ec.EllipticCurvePrivateKey:
        return new_key(self.entropy)

    def issue(self, identity: Identity = LAB) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
        key = self.key()
        return key, self.authority.issue(identity, make_csr(key))

    def leaf(self, identity: Identity = LAB) -> x509.Certificate:
        return load_chain(self.issue(identity)[1])[0]


def make_world(tmp_path: Path, deployment: str = DEPLOYMENT) -> World:
    tmp_path.mkdir(exist_ok=True)
    clock = Clock(time.time_ns() // 1_000_000)
    entropy = CountedEntropy(str(tmp_path))
    unlock = keystore.new_identity(tmp_path / "identity.txt")
    folder = tmp_path / "authority"
    authority = Authority.create(folder, deployment, unlock, clock, entropy)
    return World(folder, unlock, clock, entropy, authority)


def forge(
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
    names: list[x509.GeneralName] | None,
    entropy: CountedEntropy,
    *,
    common_name: str = "",
    ca: bool = False,
    now_ms: int,
) -> x509.Certificate:
    """A certificate with any names, signed by the root: what a careless authority would sign."""
    attributes = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(root.subject)
        .public_key(new_key(entropy).public_key())
        .serial_number(int.from_bytes(entropy(8), "big") + 1)
        .not_valid_before(utc_of(now_ms - 1000))
        .not_valid_after(utc_of(now_ms + DAY_MS))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(root_key, hashes.SHA256())


def short_leaf(
    world: World, root_key: ec.EllipticCurvePrivateKey, identity: Identity, life_ms: int
) -> x509.Certificate:
    return make_leaf(
        identity,
        world.key().public_key(),
        world.authority.root,
        root_key,
        now_ms=world.clock(),
        life_ms=life_ms,
        entropy=world.entropy,
    )
