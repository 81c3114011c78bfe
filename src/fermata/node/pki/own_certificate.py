"""A node's own certificate while it runs: watched, and renewed without a restart."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from fermata.errors import ConfigError, FermataError, IdentityError
from fermata.node.config import NodeConfig
from fermata.node.files import read_file
from fermata.node.observe.telemetry import VALUE_CHARS_MAX, Telemetry
from fermata.node.pki import enrolment
from fermata.node.pki.alarm import Alarm, log_alarm
from fermata.node.pki.identity import (
    CHAIN_BYTES_MAX,
    Identity,
    not_after_ms,
    server_names,
)
from fermata.node.pki.tls import TlsFiles, TlsMaterial, check_tls_directory, needs_renewal
from fermata.node.pki.trust import (
    Anchor,
    Pins,
    charter_anchors,
    check_chain,
    for_everybody,
    party_anchors,
)
from fermata.protocol.charter.parse import Charter
from fermata.protocol.wire.ports import ClockMs, Entropy
from fermata.types import READERS

#: A renewal is tried at start and then at most so often.
LOOK_MS = 60 * 60 * 1000
_NAMES = ("key.pem", "cert.pem", "root.pem")


def tls_paths(config: NodeConfig) -> tuple[Path, Path, Path]:
    """Key, certificate and root, as the configuration names them."""
    tls = config.text.tls
    return config.path(tls.key), config.path(tls.certificate), config.path(tls.root)


def open_tls(
    config: NodeConfig,
    clock_ms: ClockMs,
    alarm: Alarm = log_alarm,
    charters: Sequence[Charter] = (),
) -> TlsFiles:
    """The node's TLS files, checked to be of this party and valid now.

    ``charters``: see ``pins_of``. Raises ConfigError TLS_FILES and those of ``read_secret``;
    IdentityError CERT_EXPIRED, CERT_NOT_YET_VALID, CERT_FOREIGN, WRONG_CERTIFICATE.
    """
    key, certificate, root = tls_paths(config)
    try:
        files = TlsFiles(key, certificate, root, alarm, pins_of(config, charters))
    except ConfigError as error:
        if error.reason == "FILE_MISSING":
            raise ConfigError(error.reason, f"{error}, or enrol first: fermata enroll") from None
        raise
    material = files.material()
    try:
        check_chain(material.chain, material.anchors, material.identity.deployment, clock_ms())
    except IdentityError as error:
        raise IdentityError(error.reason, f"{certificate}: {error}") from None
    wanted = Identity(config.genesis.deployment, config.role, config.text.party)
    if material.identity != wanted:
        raise IdentityError(
            "WRONG_CERTIFICATE",
            f"{certificate}: is of {material.identity.uri}; this node is {wanted.uri}",
        )
    # Only who listens needs a server's certificate.
    if config.text.listen is not None and server_names(wanted):
        _check_server(material.certificate, certificate, wanted)
    return files


def pins_of(
    config: NodeConfig,
    charters: Sequence[Charter] = (),
    configured: tuple[Anchor, ...] | None = None,
) -> Pins:
    """What counts for a node beside its root file (succession.md, SU25).

    ``charters``: those that its copy of the log has had, the one in force last; empty where there
    is no copy, and the configured one counts. A configured charter that the copy has not had counts
    beside the one in force: its operator says so. An authority that only an earlier charter names
    counts no more, and one that cannot be read counts for nobody. ``configured``: the authorities
    of the configuration's own files, which are read if they are not given.

    Raises ConfigError CHARTER if an authority of the configured charter cannot be read, TLS_FILES,
    and those of ``read_file``.
    """
    if configured is None:
        configured = tuple(_configured_anchors(config))
    to_come = charter_authorities(config)
    if not charters:
        return Pins(to_come, configured)
    named = [authority for _, authority in readable_authorities(charters[-1])]
    if config.roster.sha256 not in {charter.sha256 for charter in charters}:
        named += [anchor.certificate for anchor in to_come]
    # SU25.2: it was for everybody, so it is gone for everybody.
    earlier = {a for charter in charters[:-1] for _, a in readable_authorities(charter)}
    return Pins(for_everybody(dict.fromkeys(named)), configured, frozenset(earlier - set(named)))


def readable_authorities(charter: Charter) -> list[tuple[str, x509.Certificate]]:
    """The authority of each coordinator that a charter lists, without those that are not X.509
    certificates: a charter may come into force with one, and must stop no node."""
    terms, readable = charter.succession, []
    for node in terms.nodes if terms is not None else ():
        with suppress(ValueError):
            readable.append((node.coordinator, x509.load_der_x509_certificate(node.authority)))
    return readable


def _configured_anchors(config: NodeConfig) -> list[Anchor]:
    """The authorities that the configuration pins beside the root file's, each for its parties.

    Raises ConfigError TLS_FILES, and those of ``read_file``.
    """
    me = (f"{config.role}/{config.text.party}",)
    pinned: list[tuple[str, tuple[str, ...]]] = []
    if config.text.tls.issuer:
        pinned.append((config.text.tls.issuer, me))
    if config.text.listen is not None:
        pinned += [
            (authority.file, authority.parties) for authority in config.text.listen.authorities
        ]
    anchors: list[Anchor] = []
    for written, parties in pinned:
        path = config.path(written)
        try:
            anchors += party_anchors(read_file(path, CHAIN_BYTES_MAX), parties)
        except IdentityError as error:
            raise ConfigError("TLS_FILES", f"{path}: {error}") from None
    return anchors


def charter_authorities(config: NodeConfig) -> tuple[Anchor, ...]:
    """The authorities of the coordinators that the charter lists, each of which renews the
    certificates of all while it leads (succession.md, SU20). Raises ConfigError CHARTER."""
    try:
        return coordinators_anchors(config.roster)
    except ConfigError as error:
        raise ConfigError("CHARTER", f"{config.charter_file}: {error}") from None


def coordinators_anchors(charter: Charter) -> tuple[Anchor, ...]:
    """The authorities that a charter lists for its coordinators; none without successors.

    Raises ConfigError CHARTER.
    """
    terms = charter.succession
    try:
        return charter_anchors(node.authority for node in terms.nodes) if terms else ()
    except IdentityError as error:
        raise ConfigError("CHARTER", str(error)) from None


def _check_server(certificate: x509.Certificate, path: Path, identity: Identity) -> None:
    """Raises IdentityError WRONG_CERTIFICATE where clients would not take it for this party's."""
    extensions = certificate.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    (name,) = server_names(identity)
    is_named = name in names.get_values_for_type(x509.DNSName)
    if not is_named or ExtendedKeyUsageOID.SERVER_AUTH not in usages:
        raise IdentityError(
            "WRONG_CERTIFICATE",
            f"{path}: of a node with a [listen] table, it needs the DNS name {name} and the use"
            " serverAuth; enrol again",
        )


def host_names_in(certificate: x509.Certificate, identity: Identity) -> list[str]:
    """The host names that a coordinator was given beside those that go with its identity."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    own = server_names(identity)
    host_names = [name for name in names.get_values_for_type(x509.DNSName) if name not in own]
    return host_names + [str(a) for a in names.get_values_for_type(x509.IPAddress)]


def alarm_of(telemetry: Telemetry) -> Alarm:
    """Tells of a file that broke while it is in use, in the node's own log."""

    def alarm(problem: FermataError) -> None:
        telemetry.event("alarm", reason=problem.reason, where=str(problem)[:VALUE_CHARS_MAX])

    return alarm


@dataclass(eq=False)
class OwnCertificate:
    """Publishes when the certificate ends, and renews it after two thirds of its life.

    ``send``: hands a request (PKCS#10, DER) and the host names to keep to whoever issues, and
    returns the chain (PEM); None where nobody does.
    """

    config: NodeConfig
    files: TlsFiles
    send: Callable[[bytes, Sequence[str]], bytes] | None
    telemetry: Telemetry
    clock_ms: ClockMs
    entropy: Entropy

    def __post_init__(self) -> None:
        self._looked_ms: int | None = None
        self._generation = 0

    def look(self) -> None:
        """Acts at the first call, and then once an hour. Never raises a FermataError."""
        generation, material = self.files.current()
        if generation != self._generation:
            self._generation = generation
            self.telemetry.set_certificate_expiry(not_after_ms(material.certificate))
        now_ms = self.clock_ms()
        # A clock that was set back must not put this off until the old time comes again.
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < LOOK_MS:
            return
        self._looked_ms = now_ms
        if needs_renewal(material.certificate, now_ms):
            self._renew(material)

    def _renew(self, material: TlsMaterial) -> None:
        expires_ms = not_after_ms(material.certificate)
        try:
            if material.is_foreign:
                raise ConfigError("FOREIGN_AUTHORITY", "its own authority renews it; put it here")
            folder = _renewable_folder(self.config)
            send = self.send
            if send is None:
                raise ConfigError("NO_AUTHORITY", "nobody renews it; enrol again")
            names = host_names_in(material.certificate, material.identity)
            enrolment.renew(
                folder,
                lambda csr: send(csr, names),
                self.clock_ms,
                self.entropy,
                self.files.pins,
            )
        except FermataError as error:
            self.telemetry.event(
                "certificate_not_renewed", reason=error.reason, expires_ms=expires_ms
            )
            return
        self._generation, renewed = self.files.current()
        expires_ms = not_after_ms(renewed.certificate)
        self.telemetry.set_certificate_expiry(expires_ms)
        self.telemetry.event("certificate_renewed", expires_ms=expires_ms)


def renew_reader(
    config: NodeConfig,
    files: TlsFiles,
    send: Callable[[bytes], bytes],
    clock_ms: ClockMs,
    entropy: Entropy,
) -> bool:
    """Renews the certificate of one who only reads and so runs no node; whether it was due.

    ``send`` as for ``enrolment.renew``. Raises as that does, and ConfigError TLS_FOLDER.
    """
    material = files.material()
    if config.role not in READERS or not needs_renewal(material.certificate, clock_ms()):
        return False
    enrolment.renew(_renewable_folder(config), send, clock_ms, entropy, files.pins)
    return True


def _renewable_folder(config: NodeConfig) -> Path:
    """The folder that enrolling made; files of another origin are their owner's to renew."""
    paths = tls_paths(config)
    folder = paths[0].parent
    if paths != tuple(folder / name for name in _NAMES):
        raise ConfigError("TLS_FOLDER", f"{folder}: is not as enrolling makes it; enrol again")
    check_tls_directory(folder)
    return folder
