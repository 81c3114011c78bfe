"""A node's certificate, its key and the root: read together, replaced together.

    <directory>/key.pem    0600, ECDSA P-256
    <directory>/cert.pem   the chain, leaf first
    <directory>/root.pem   the authorities that this node pins, the deployment's own as a rule

``write_tls`` makes ``<directory>`` a symbolic link to a fresh directory beside it, so that a crash
leaves the old three files or the new three. Rotation needs no restart: a server asks for the files
at every handshake, a client rebuilds its channel when the generation of ``TlsFiles`` has changed.
"""

import shutil
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fermata.errors import ConfigError, FermataError, IdentityError
from fermata.node.files import (
    SECRET_MODE,
    read_file,
    read_secret,
    stamp,
    write_directory,
    write_link,
)
from fermata.node.pki.alarm import Alarm, log_alarm
from fermata.node.pki.certificates import certificate_to_pem, key_to_pem
from fermata.node.pki.identity import (
    CHAIN_BYTES_MAX,
    Identity,
    identity_of,
    load_chain,
    not_after_ms,
    not_before_ms,
)
from fermata.node.pki.trust import NO_PINS, Anchor, Chain, Pins, issuer_of

_KEY_BYTES_MAX = 16 * 1024
#: Readings of the files before a pair that does not fit counts as broken, not as being replaced.
_READINGS = 3


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """Three files that fit together, as this program writes them, whatever stood around them.

    ``chain_pem`` is leaf first; ``key_pem`` is a secret.
    """

    key_pem: bytes = field(repr=False)
    chain_pem: bytes = field(repr=False)
    root_pem: bytes = field(repr=False)
    certificate: x509.Certificate
    anchors: tuple[Anchor, ...]
    identity: Identity

    @property
    def chain(self) -> Chain:
        """The certificates of ``chain_pem``."""
        return tuple(load_chain(self.chain_pem))

    @property
    def is_foreign(self) -> bool:
        """Whether another authority than the deployment's own issued the certificate."""
        return not issuer_of(self.chain, self.anchors).is_own


def parse_tls(
    place: Path, key_pem: bytes, chain_pem: bytes, root_pem: bytes, pins: Pins = NO_PINS
) -> TlsMaterial:
    """Checks that key, chain and root belong together; ``place`` names them in errors.

    ``pins``: what counts beside the root file. Whether the certificate is valid now is the other
    side's question. Raises ``ConfigError`` TLS_FILES; the key never shows.
    """

    def broken(what: str) -> ConfigError:
        message = f"{place}: {what}; put back the three files, or enrol again"
        return ConfigError("TLS_FILES", message)

    try:
        key = serialization.load_pem_private_key(key_pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise broken("the key is not an unencrypted PEM key") from None
    try:
        chain = tuple(load_chain(chain_pem))
        identity = identity_of(chain[0])
        anchors = pins.anchors(root_pem, identity.deployment)
        issuer_of(chain, anchors)
        public_key = chain[0].public_key()
    except IdentityError as error:
        if error.reason == "CERT_FOREIGN":
            raise broken("the certificate was not issued by the root, for this party") from None
        raise broken("the certificate or the root is damaged or of no deployment") from None
    except (UnsupportedAlgorithm, ValueError, TypeError):
        raise broken("the certificate or the root is damaged or of no deployment") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or (key.public_key() != public_key):
        raise broken("the key is not the certificate's")
    # Written again, since gRPC's reader refuses what ours skips: bytes before a PEM heading.
    return TlsMaterial(
        key_to_pem(key),
        certificate_to_pem(*chain),
        certificate_to_pem(*load_chain(root_pem)),
        chain[0],
        anchors,
        identity,
    )


class TlsFiles:
    """The three files at these paths, looked at whenever they are asked for; read if changed.

    Files that break while in use leave the last good ones in force, and ``alarm`` is told once
    for each broken state; so does another root or another identity, for which a node must be
    restarted. ``pins``: what counts beside the root file, until ``pin``. Thread-safe. Raises
    ``ConfigError`` TLS_FILES and those of ``read_secret`` when made.
    """

    def __init__(
        self,
        key: Path,
        certificate: Path,
        root: Path,
        alarm: Alarm = log_alarm,
        pins: Pins = NO_PINS,
    ) -> None:
        self._paths = (key, certificate, root)
        self._pins = pins
        self._alarm = alarm
        self._lock = threading.Lock()
        self._generation = 1
        self._reported = ""
        self._stamp = self._stamps()
        self._material = parse_tls(certificate, *self._read(), pins)

    @property
    def pins(self) -> Pins:
        """What counts now beside the root file."""
        with self._lock:
            return self._pins

    def pin(self, pins: Pins) -> None:
        """Has these count from the next handshake and call on, in place of those before.

        The certificate in force stays even if its authority counts no more: whoever is called
        refuses it, and ``alarm`` is told. Files that were broken may be in order now.
        """
        with self._lock:
            if pins == self._pins:
                return
            held = self._material
            anchors = pins.anchors(held.root_pem, held.identity.deployment)
            self._pins, self._material = pins, replace(held, anchors=anchors)
            self._generation += 1
            self._stamp = ()
            self._refresh()

    def material(self) -> TlsMaterial:
        """The files in force."""
        return self.current()[1]

    def certificate(self) -> bytes:
        """The chain in force, PEM, leaf first."""
        return self.material().chain_pem

    def current(self) -> tuple[int, TlsMaterial]:
        """Generation, which grows by one with every new set of files taken over, and the files."""
        with self._lock:
            self._refresh()
            return self._generation, self._material

    def server_credentials(self, require_client: bool) -> grpc.ServerCredentials:
        """Credentials of a server that follow a rotation at the next handshake."""
        served, material = self.current()

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal served
            generation, newest = self.current()
            if generation == served:
                return None
            served = generation
            return _configuration(newest)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(material),
            fetch,  # type: ignore[arg-type]  # None means no change; the stub does not know it
            require_client,
        )

    def _read(self) -> tuple[bytes, bytes, bytes]:
        key, certificate, root = self._paths
        return (
            read_secret(key, _KEY_BYTES_MAX),
            read_file(certificate, CHAIN_BYTES_MAX),
            read_file(root, CHAIN_BYTES_MAX),
        )

    def _stamps(self) -> tuple[int, ...]:
        """What changes when a file does; empty if one is not there."""
        stamps = [stamp(path) for path in self._paths]
        return sum(stamps, ()) if all(stamps) else ()

    def _refresh(self) -> None:
        problem: FermataError | None = None
        for _ in range(_READINGS):
            # Taken before reading: what changes while it is read is read again at the next look.
            stamp = self._stamps()
            if stamp and stamp == self._stamp:
                return
            try:
                material = parse_tls(self._paths[1], *self._read(), self._pins)
                if material == self._material:
                    self._reported = ""
                else:
                    self._take(material)
                self._stamp = stamp
                return
            except ConfigError as error:
                problem = error
        if problem is not None and self._reported != str(problem):
            self._reported = str(problem)
            self._alarm(problem)

    def _take(self, material: TlsMaterial) -> None:
        for what, is_same in (
            ("root", material.anchors == self._material.anchors),
            ("identity", material.identity == self._material.identity),
        ):
            if not is_same:
                raise ConfigError(
                    "TLS_FILES",
                    f"{self._paths[1].parent}: the {what} changed while the node runs; the old"
                    " files stay in force; restart the node if the change was meant",
                )
        self._material = material
        self._generation += 1
        self._reported = ""


def write_tls(
    directory: Path,
    key: ec.EllipticCurvePrivateKey,
    chain_pem: bytes,
    root_pem: bytes,
    pins: Pins = NO_PINS,
) -> TlsMaterial:
    """Puts the three files into ``directory``, all or nothing, after checking that they fit.

    Replaces what an earlier call wrote for the same identity, and nothing else. ``pins`` as for
    ``parse_tls``: whoever reads the files must pin them too. Raises
    ``ConfigError`` TLS_FILES, DIRECTORY_IN_USE, FILE_UNWRITABLE.
    """
    check_tls_directory(directory)
    key_pem = key_to_pem(key)
    material = parse_tls(directory, key_pem, chain_pem, root_pem, pins)
    held = _identity_in(directory)
    if held is not None and held != material.identity:
        raise ConfigError(
            "DIRECTORY_IN_USE",
            f"{directory} holds the certificate of {held.uri}; choose another folder for"
            f" {material.identity.uri}",
        )
    fresh = directory.with_name(f"{directory.name}.{material.certificate.serial_number:040x}")
    files = {
        "key.pem": (key_pem, SECRET_MODE),
        "cert.pem": (chain_pem, 0o644),
        "root.pem": (certificate_to_pem(*load_chain(root_pem)), 0o644),
    }
    write_directory(fresh, files)
    try:
        write_link(directory, fresh.name)
    except ConfigError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    # Only now, for until the link was moved the old files were in force. Also what a crash left.
    for old in directory.parent.glob(f"{directory.name}.{'[0-9a-f]' * 40}"):
        if old != fresh:
            shutil.rmtree(old, ignore_errors=True)
    return material


def check_tls_directory(directory: Path) -> None:
    """Raises ``ConfigError`` DIRECTORY_IN_USE where ``write_tls`` would not write."""
    if directory.exists() and not directory.is_symlink():
        raise ConfigError(
            "DIRECTORY_IN_USE", f"{directory} exists and was not made by enrolling; move it away"
        )


def needs_renewal(certificate: x509.Certificate, now_ms: int) -> bool:
    """Whether two thirds of the certificate's life are over."""
    start_ms, end_ms = not_before_ms(certificate), not_after_ms(certificate)
    return 3 * (now_ms - start_ms) >= 2 * (end_ms - start_ms)


def _identity_in(directory: Path) -> Identity | None:
    """Whose certificate is in the directory; None if there is none that can be read."""
    try:
        return identity_of(load_chain(read_file(directory / "cert.pem", CHAIN_BYTES_MAX))[0])
    except (ConfigError, IdentityError):
        return None


def _configuration(material: TlsMaterial) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(material.key_pem, material.chain_pem)],
        certificate_to_pem(*dict.fromkeys(anchor.certificate for anchor in material.anchors)),
    )
