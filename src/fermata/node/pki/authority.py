"""The authority of a deployment: a directory with a root certificate and its sealed key.

    root.pem       the root certificate, which every node holds
    root-key.age   its key, sealed (fermata.node.storage.keystore)
    tokens.json    enrolment tokens that are still good, as hashes
    denied.txt     certificates and identities that were taken back
    issued/        every certificate that was issued, as <serial>.pem

Opened without the key it is sealed: tokens and denials work, certificates do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fermata.errors import ConfigError, IdentityError
from fermata.node.files import (
    SECRET_MODE,
    ensure_directory,
    read_file,
    write_atomic,
    write_directory,
)
from fermata.node.pki import certificates
from fermata.node.pki.alarm import Alarm, log_alarm
from fermata.node.pki.deny_list import EMPTY_DENY_LIST, Denied, DenyList, allow, deny
from fermata.node.pki.identity import (
    CHAIN_BYTES_MAX,
    Identity,
    check_deployment,
    check_root,
    deployment_of,
    fingerprint_of,
    identity_of,
    load_chain,
)
from fermata.node.pki.tokens import EMPTY_TOKEN_BOOK, TokenBook
from fermata.node.storage import keystore
from fermata.protocol.wire.ports import ClockMs, Entropy

LEAF_DAYS = 30
LEAF_DAYS_MAX = 90


@dataclass(eq=False, repr=False)
class Authority:
    """Issues, renews and takes back the certificates of one deployment.

    Safe to use from several threads, and beside another process on the same directory.
    """

    directory: Path
    root: x509.Certificate
    _key: ec.EllipticCurvePrivateKey | None
    clock: ClockMs
    entropy: Entropy
    leaf_days: int = LEAF_DAYS
    alarm: Alarm = log_alarm

    def __post_init__(self) -> None:
        if not 1 <= self.leaf_days <= LEAF_DAYS_MAX:
            raise ConfigError(
                "LEAF_DAYS", f"leaf_days must be 1 to {LEAF_DAYS_MAX}, got {self.leaf_days}"
            )
        self.deployment = deployment_of(self.root)
        self._deny_list = DenyList(self.directory / "denied.txt", self.alarm, self.clock)
        self._tokens = TokenBook(self.directory / "tokens.json", self.clock, self.entropy)

    def __repr__(self) -> str:
        return f"<Authority of {self.deployment}: {'sealed' if self._key is None else 'open'}>"

    @classmethod
    def create(
        cls, directory: Path, deployment: str, lock: keystore.Lock, clock: ClockMs, entropy: Entropy
    ) -> "Authority":
        """Makes the directory with a new root, whole or not at all, and opens it.

        Raises ``IdentityError`` IDENTITY_FORM for the name, ``ConfigError`` DIRECTORY_IN_USE,
        FILE_UNWRITABLE.
        """
        check_deployment(deployment)
        key = certificates.new_key(entropy)
        root = certificates.make_root(key, deployment, clock(), entropy)
        secret = key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        sealed = keystore.seal(secret, keystore.AUTHORITY, deployment, lock)
        files = {
            "root-key.age": (sealed, SECRET_MODE),
            "root.pem": (certificates.certificate_to_pem(root), 0o644),
            "tokens.json": (EMPTY_TOKEN_BOOK, SECRET_MODE),
            "denied.txt": (EMPTY_DENY_LIST, 0o644),
        }
        write_directory(directory, files)
        return cls(directory, root, key, clock, entropy)

    @classmethod
    def open(
        cls,
        directory: Path,
        unlock: keystore.Unlock | None,
        clock: ClockMs,
        entropy: Entropy,
        *,
        leaf_days: int = LEAF_DAYS,
        alarm: Alarm = log_alarm,
    ) -> "Authority":
        """Opens the directory; with ``unlock`` None it stays sealed.

        ``alarm`` is called when a deny-list breaks while it is in use. Raises ``ConfigError``
        AUTHORITY_ROOT, AUTHORITY_KEY, and those of ``load_sealed`` and ``read_file``.
        """
        path = directory / "root.pem"
        try:
            (root,) = load_chain(read_file(path, CHAIN_BYTES_MAX))
            check_root(root)
        except (ValueError, IdentityError):
            raise ConfigError(
                "AUTHORITY_ROOT", f"{path} is not the root of a deployment; restore it"
            ) from None
        key = None
        if unlock is not None:
            secret = keystore.load_sealed(
                directory / "root-key.age", keystore.AUTHORITY, deployment_of(root), unlock
            )
            key = _root_key(secret, root, directory)
        return cls(directory, root, key, clock, entropy, leaf_days=leaf_days, alarm=alarm)

    @property
    def root_pem(self) -> bytes:
        """The root certificate, PEM."""
        return certificates.certificate_to_pem(self.root)

    @property
    def fingerprint(self) -> str:
        """``SHA256:<hex>`` of the root's DER, which an operator tells to whoever enrols."""
        return fingerprint_of(self.root)

    def issue_token(self, role: str, party: str, ttl_s: int, host_names: Sequence[str] = ()) -> str:
        """A one-time token for the party's first certificate; shown here and never again.

        ``host_names`` only for a coordinator. Raises ``IdentityError`` IDENTITY_FORM or
        CERT_DENIED, ``ConfigError`` HOST_NAME, TOKEN_TTL, TOKEN_BOOK.
        """
        identity = Identity.of(self.deployment, role, party)
        self._check_not_denied(identity)
        certificates.host_names_of(identity, host_names)
        return self._tokens.issue(identity, ttl_s, host_names)

    def enroll(self, token: str, csr_der: bytes) -> bytes:
        """The chain (PEM, leaf first) for the identity that the token was issued for.

        The request gives the key and nothing else. The token is used up before the certificate
        exists: a crash in between costs a token, never two certificates. Raises
        ``IdentityError`` CSR_REFUSED, TOKEN_REFUSED or CERT_DENIED.
        """
        public = certificates.key_of_csr(csr_der)
        self._open_key()
        identity, host_names = self._tokens.consume(token)
        return self._issue(identity, public, host_names)

    def issue(self, identity: Identity, csr_der: bytes, host_names: Sequence[str] = ()) -> bytes:
        """The chain (PEM, leaf first) for an identity that the caller vouches for.

        ``host_names`` only for a coordinator. Raises ``IdentityError`` CSR_REFUSED, CERT_DENIED,
        CERT_FOREIGN; ``ConfigError`` AUTHORITY_SEALED, HOST_NAME.
        """
        return self._issue(identity, certificates.key_of_csr(csr_der), host_names)

    def is_denied(self, identity: Identity, serial: int) -> bool:
        """Whether this identity, or the certificate with this serial number, was taken back."""
        return self._deny_list.is_denied(identity, serial)

    def deny(self, role: str, party: str) -> None:
        """Takes back all certificates of a party, those to come included.

        Raises ``IdentityError`` IDENTITY_FORM.
        """
        deny(self.directory / "denied.txt", Identity.of(self.deployment, role, party))

    def deny_serial(self, serial: int) -> None:
        """Takes back one certificate by its serial number."""
        deny(self.directory / "denied.txt", serial)

    def deny_issued(self, role: str, party: str) -> int:
        """Takes back every certificate issued to a party so far; returns their number.

        For a stolen key: what a thief renewed is among them, and the party can enrol again.
        Not proof against a renewal in the same moment; a second call shows if there was one.
        """
        identity = Identity.of(self.deployment, role, party)
        serials = [certificate.serial_number for certificate in self.issued_to(identity)]
        deny(self.directory / "denied.txt", *serials)
        return len(serials)

    def allow(self, *entries: Identity | int) -> Denied:
        """Takes identities and serial numbers off the deny-list; returns those that were on it.

        Raises as ``deny_list.allow`` does.
        """
        return allow(self.directory / "denied.txt", *entries)

    def issued_to(self, identity: Identity) -> list[x509.Certificate]:
        """Every certificate that was issued to an identity and is kept in ``issued/``."""
        return [
            certificate
            for path in sorted((self.directory / "issued").glob("*.pem"))
            for certificate in load_chain(read_file(path, CHAIN_BYTES_MAX))
            if identity_of(certificate) == identity
        ]

    def _issue(
        self, identity: Identity, public: ec.EllipticCurvePublicKey, host_names: Sequence[str]
    ) -> bytes:
        if identity.deployment != self.deployment:
            raise IdentityError("CERT_FOREIGN", "the identity belongs to another deployment")
        key = self._open_key()
        leaf = certificates.make_leaf(
            identity,
            public,
            self.root,
            key,
            now_ms=self.clock(),
            life_ms=self.leaf_days * certificates.DAY_MS,
            entropy=self.entropy,
            host_names=host_names,
        )
        self._check_not_denied(identity, leaf.serial_number)
        # Kept before it is handed out: a certificate that nobody knows of cannot be taken back.
        pem = certificates.certificate_to_pem(leaf)
        folder = self.directory / "issued"
        ensure_directory(folder)
        write_atomic(folder / f"{leaf.serial_number:040x}.pem", pem)
        return pem + self.root_pem

    def _open_key(self) -> ec.EllipticCurvePrivateKey:
        if self._key is None:
            raise ConfigError(
                "AUTHORITY_SEALED",
                "the authority was opened without its key; open it with the passphrase",
            )
        return self._key

    def _check_not_denied(self, identity: Identity, serial: int = 0) -> None:
        if self.is_denied(identity, serial):
            raise IdentityError(
                "CERT_DENIED",
                f"{identity.uri} is on the deny-list; take it off with fermata pki allow first",
            )


def _root_key(secret: bytes, root: x509.Certificate, directory: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_der_private_key(secret, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != root.public_key():
        raise ConfigError(
            "AUTHORITY_KEY",
            f"{directory / 'root-key.age'} is not the key of root.pem beside it; restore both from"
            " one backup",
        )
    return key
