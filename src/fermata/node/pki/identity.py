"""Who a certificate speaks for: exactly one URI, ``fermata://<deployment>/<role>/<id>``.

The identity is the one URI in the subject alternative name (RFC 5280, 4.2.1.6) and nothing else:
the common name is for people. A connection may outlive a certificate, so ``check_certificate``
is called for every request, not once per connection.
"""

import contextlib
import datetime
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from fermata.errors import IdentityError
from fermata.types import Role

#: Roles that a certificate may name. Operators and observers sign nothing in the log.
ROLES = tuple(Role)
#: The role that writes the log, and so the one whose certificate may have host names.
SERVER_ROLE = Role.COORDINATOR
CHAIN_BYTES_MAX = 64 * 1024
#: Certificates of which is remembered what can never change.
CERTIFICATES_KEPT = 4096

_WORD = "[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"
_DEPLOYMENT = re.compile(rf"{_WORD}\Z")
_URI = re.compile(rf"fermata://({_WORD})/({'|'.join(ROLES)})/({_WORD})\Z")
#: A party as ``role/id``.
PARTY = re.compile(rf"(?:{'|'.join(ROLES)})/{_WORD}\Z")
#: What the library raises of a signature that is wrong, or that it cannot check.
NOT_SIGNED = (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError)
#: What it raises of an extension that is missing or cannot be read.
NO_EXTENSION = (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension)
_BASIC = ExtensionOID.BASIC_CONSTRAINTS
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Identity:
    """A party of a deployment in its role; the three parts as the charter spells them.

    Raises ``IdentityError`` IDENTITY_FORM.
    """

    deployment: str
    role: Role
    id: str

    def __post_init__(self) -> None:
        if not _URI.match(self.uri):
            raise IdentityError(
                "IDENTITY_FORM",
                "an identity is a deployment, a role and an id: the role one of"
                f" {', '.join(ROLES)}, the others 1 to 40 of a-z, 0-9 and hyphens inside",
            )

    @property
    def uri(self) -> str:
        """``fermata://<deployment>/<role>/<id>``."""
        return f"fermata://{self.deployment}/{self.role}/{self.id}"

    @classmethod
    def parse(cls, uri: str) -> "Identity":
        """Reads what ``uri`` prints, and nothing else. Raises ``IdentityError`` IDENTITY_FORM."""
        match = _URI.match(uri)
        if match is None:
            raise IdentityError(
                "IDENTITY_FORM", "not of the form fermata://<deployment>/<role>/<id>"
            )
        return cls(match[1], Role(match[2]), match[3])

    @classmethod
    def of(cls, deployment: str, role: str, party: str) -> "Identity":
        """The identity of words from outside. Raises ``IdentityError`` IDENTITY_FORM."""
        return cls.parse(f"fermata://{deployment}/{role}/{party}")


#: Whether an identity, or the certificate with this serial number, was taken back.
IsDenied = Callable[[Identity, int], bool]


def check_deployment(name: str) -> None:
    """Raises ``IdentityError`` IDENTITY_FORM unless ``name`` can name a deployment."""
    if not _DEPLOYMENT.match(name):
        raise IdentityError(
            "IDENTITY_FORM",
            "a deployment's name has 1 to 40 of a-z, 0-9 and hyphens, no hyphen at the ends",
        )


@functools.lru_cache(maxsize=CERTIFICATES_KEPT)
def identity_of(certificate: x509.Certificate) -> Identity:
    """The identity that a certificate names; whether it may be trusted is another question.

    Raises ``IdentityError`` IDENTITY_FORM unless the subject alternative name holds exactly one
    URI of the exact form, and beside it at most the name of an auditor's server, or a coordinator's
    host names and addresses.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        hosts = [name for name in names if isinstance(name, x509.DNSName | x509.IPAddress)]
    except NO_EXTENSION:
        raise _no_identity("no subject alternative name that can be read") from None
    except x509.UnsupportedGeneralNameType:
        raise _no_identity("a name of an unknown kind") from None
    if len(uris) != 1:
        raise _no_identity(f"{len(uris)} URIs instead of one")
    if len(uris) + len(hosts) != len(list(names)):
        raise _no_identity("a name that is neither URI nor host")
    identity = Identity.parse(uris[0])
    own = [x509.DNSName(name) for name in server_names(identity)]
    if identity.role != SERVER_ROLE and not all(host in own for host in hosts):
        raise _no_identity(f"a host name, which only a {SERVER_ROLE} may have")
    return identity


def check_certificate(
    certificate: x509.Certificate,
    root: x509.Certificate,
    now_ms: int,
    is_denied: IsDenied | None = None,
) -> None:
    """Checks that the certificate entitles its holder to a call at ``now_ms`` (UTC).

    Only what cannot change is remembered: who issued it. Time and deny-list are asked each call.
    ``is_denied`` is None only where there is no deny-list to ask: at a client. Raises
    ``IdentityError`` CERT_FOREIGN (not issued by this root, for this deployment),
    CERT_NOT_YET_VALID, CERT_EXPIRED, IDENTITY_FORM or CERT_DENIED.
    """
    if not _is_leaf(certificate, root):
        raise IdentityError(
            "CERT_FOREIGN",
            "the certificate was not issued by this deployment's authority; enrol with it",
        )
    check_holder(certificate, deployment_of(root), now_ms, is_denied)


def check_holder(
    certificate: x509.Certificate, deployment: str, now_ms: int, is_denied: IsDenied | None
) -> None:
    """Checks what a leaf says of its holder, whoever issued it: dates, deployment, deny-list.

    Raises as ``check_certificate`` does.
    """
    if now_ms < not_before_ms(certificate):
        raise IdentityError(
            "CERT_NOT_YET_VALID",
            "the certificate is not valid yet by the clock of the node that checked it",
        )
    if now_ms > not_after_ms(certificate):
        raise IdentityError(
            "CERT_EXPIRED",
            "the certificate has expired by the clock of the node that checked it; if that clock is"
            " right, enrol again",
        )
    identity = identity_of(certificate)
    if identity.deployment != deployment:
        raise IdentityError("CERT_FOREIGN", "the certificate is for another deployment")
    if is_denied is not None and is_denied(identity, certificate.serial_number):
        raise IdentityError(
            "CERT_DENIED", "the certificate was taken back; ask the deployment's operator"
        )


@functools.lru_cache(maxsize=CERTIFICATES_KEPT)
def is_client_leaf(certificate: x509.Certificate) -> bool:
    """Whether a client may show this certificate in TLS; an authority's own certificate may not."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        constraints = [e.value for e in certificate.extensions if e.oid == _BASIC]
    except NO_EXTENSION:
        return False
    is_authority = any(isinstance(c, x509.BasicConstraints) and c.ca for c in constraints)
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages and not is_authority


@functools.lru_cache(maxsize=CERTIFICATES_KEPT)
def _is_leaf(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    """Whether the root signed it, and not as an authority; the same for the same bytes."""
    return _is_authority(certificate, root) is False


def _is_authority(certificate: x509.Certificate, issuer: x509.Certificate) -> bool | None:
    """Whether the issuer made it an authority; None if it did not sign it, or does not say so."""
    try:
        certificate.verify_directly_issued_by(issuer)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (*NOT_SIGNED, *NO_EXTENSION):
        return None
    return constraints.value.ca


def check_root(certificate: x509.Certificate) -> None:
    """Raises ``IdentityError`` ROOT_FORM unless this is a deployment's self-signed root.

    TLS libraries take any certificate as an anchor, also a party's.
    """
    with contextlib.suppress(IdentityError):
        if _is_authority(certificate, certificate):
            deployment_of(certificate)
            return
    raise IdentityError(
        "ROOT_FORM", "the certificate is not the root of a deployment; ask for the root's own"
    )


@functools.lru_cache(maxsize=CERTIFICATES_KEPT)
def deployment_of(root: x509.Certificate) -> str:
    """The deployment whose root this is: the organisation in its subject.

    Raises ``IdentityError`` IDENTITY_FORM.
    """
    try:
        (attribute,) = root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        name = attribute.value
    except ValueError:
        name = ""
    if not isinstance(name, str):
        raise _no_identity("no deployment in the root's subject")
    check_deployment(name)
    return name


def fingerprint_of(root: x509.Certificate) -> str:
    """``SHA256:`` and 64 hexadecimal digits: the SHA-256 of the certificate's DER."""
    return f"SHA256:{root.fingerprint(hashes.SHA256()).hex()}"


def server_name(deployment: str) -> str:
    """The name that every coordinator's certificate of the deployment carries.

    Clients ask for it instead of the address that they dialled: only the deployment's root can
    give it away, so a wrong or changed DNS entry leads to no other server.
    """
    return f"{deployment}.fermata"


def auditor_server_name(deployment: str, auditor: str) -> str:
    """The name under which an auditor's node serves its copy of the log.

    No deployment's name has a dot, so this is never a coordinator's name (``server_name``).
    """
    return f"{auditor}.auditor.{deployment}.fermata"


def server_names(identity: Identity) -> tuple[str, ...]:
    """The names under which a node of this identity may serve; none for who only calls."""
    if identity.role == SERVER_ROLE:
        return (server_name(identity.deployment),)
    if identity.role == Role.AUDITOR:
        return (auditor_server_name(identity.deployment, identity.id),)
    return ()


def certificate_expiry_ms(pem: bytes) -> int:
    """End of validity of the first certificate in a PEM file, milliseconds since the epoch.

    Raises ``IdentityError`` CHAIN_FORM.
    """
    return not_after_ms(load_chain(pem)[0])


def load_chain(chain_pem: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM file, at least one. Raises ``IdentityError`` CHAIN_FORM."""
    with contextlib.suppress(ValueError, x509.InvalidVersion):
        if len(chain_pem) <= CHAIN_BYTES_MAX:
            return x509.load_pem_x509_certificates(chain_pem)
    raise IdentityError("CHAIN_FORM", "this is not a PEM file of certificates, whole and in order")


def not_before_ms(certificate: x509.Certificate) -> int:
    """Start of validity, milliseconds since the epoch, UTC."""
    return _to_ms(certificate.not_valid_before_utc)


def not_after_ms(certificate: x509.Certificate) -> int:
    """End of validity, milliseconds since the epoch, UTC; still valid at that instant."""
    return _to_ms(certificate.not_valid_after_utc)


def utc_of(time_ms: int) -> datetime.datetime:
    """The UTC time of milliseconds since the epoch, cut to whole seconds as X.509 has them."""
    return _EPOCH + datetime.timedelta(seconds=time_ms // 1000)


def _to_ms(time: datetime.datetime) -> int:
    return (time - _EPOCH) // datetime.timedelta(milliseconds=1)


def _no_identity(problem: str) -> IdentityError:
    return IdentityError(
        "IDENTITY_FORM",
        f"the certificate names no identity: {problem}; it needs exactly one URI"
        " fermata://<deployment>/<role>/<id>",
    )
