"""Which authorities are pinned, and for whom each may issue: the rule for a chain of certificates.

An authority counts for everybody only if it is the deployment's own. Any other counts for the
parties that it is listed for: else one organisation's authority could speak for another's.
Paths are built here (RFC 5280, 6.1: signatures, authority and path length, dates) although TLS
has checked one, since TLS does not say at which of the pinned authorities its path ended.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from fermata.errors import IdentityError
from fermata.node.pki.certificates import ROOT_NAME
from fermata.node.pki.identity import (
    CERTIFICATES_KEPT,
    NOT_SIGNED,
    ROLES,
    SERVER_ROLE,
    Identity,
    IsDenied,
    check_holder,
    deployment_of,
    identity_of,
    is_client_leaf,
    load_chain,
    not_after_ms,
    not_before_ms,
)

#: A leaf and what may stand between it and its authority; a longer chain is refused.
CHAIN_MAX = 6

Chain = tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A pinned authority. ``scope``: roles, and parties as ``role/id``, that it may issue for."""

    certificate: x509.Certificate
    scope: frozenset[str]

    @property
    def is_own(self) -> bool:
        """Whether it is the deployment's own authority, which issues for everybody."""
        return self.scope == _EVERYBODY

    def is_for(self, identity: Identity) -> bool:
        """Whether its certificates count for this identity."""
        return identity.role in self.scope or f"{identity.role}/{identity.id}" in self.scope


_EVERYBODY = frozenset(ROLES)


@dataclass(frozen=True, slots=True)
class Pins:
    """What counts beside the authorities of a root file.

    ``others``: authorities that the charter names. ``configured``: those that the node's own
    configuration pins. ``refused``: certificates of authorities that count no more, wherever else
    they are pinned (succession.md, SU25).
    """

    others: tuple[Anchor, ...] = ()
    configured: tuple[Anchor, ...] = ()
    refused: frozenset[x509.Certificate] = frozenset()

    def anchors(self, root_pem: bytes, deployment: str) -> tuple[Anchor, ...]:
        """All that count, with a root file. Raises ``IdentityError`` CHAIN_FORM, ROOT_FORM."""
        pinned = (*root_anchors(root_pem, deployment), *self.others, *self.configured)
        return tuple(anchor for anchor in pinned if anchor.certificate not in self.refused)


NO_PINS = Pins()


def root_anchors(root_pem: bytes, deployment: str) -> tuple[Anchor, ...]:
    """The authorities of a root file: the deployment's own, and those of its coordinator.

    A certificate whose organisation is the deployment's name is the deployment's authority.
    Raises ``IdentityError`` CHAIN_FORM, ROOT_FORM.
    """
    anchors = []
    for certificate in load_authorities(root_pem):
        try:
            named = deployment_of(certificate)
        except IdentityError:
            named = ""
        if named and named != deployment and _common_name(certificate) == ROOT_NAME:
            raise IdentityError("ROOT_FORM", f"the root is of {named}, not of {deployment}")
        scope = _EVERYBODY if named == deployment else frozenset((SERVER_ROLE,))
        anchors.append(Anchor(certificate, scope))
    return tuple(anchors)


def charter_anchors(authorities: Iterable[bytes]) -> tuple[Anchor, ...]:
    """The authorities (DER) that a charter names for its coordinators, each for everybody: whoever
    leads the log renews the certificates of all. Raises ``IdentityError`` CHAIN_FORM.
    """
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in authorities]
    except ValueError:
        raise IdentityError(
            "CHAIN_FORM", "the authority of a coordinator must be an X.509 certificate"
        ) from None
    return for_everybody(certificates)


def for_everybody(certificates: Iterable[x509.Certificate]) -> tuple[Anchor, ...]:
    """Authorities that may issue for every party, as the deployment's own may."""
    return tuple(Anchor(certificate, _EVERYBODY) for certificate in certificates)


def party_anchors(pem: bytes, parties: Iterable[str]) -> tuple[Anchor, ...]:
    """The authorities of a file, for these parties (``role/id``) and nobody else.

    Raises ``IdentityError`` CHAIN_FORM, ROOT_FORM.
    """
    scope = frozenset(parties)
    return tuple(Anchor(certificate, scope) for certificate in load_authorities(pem))


def load_authorities(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a file of authorities. Raises ``IdentityError`` CHAIN_FORM, ROOT_FORM."""
    authorities = load_chain(pem)
    if not all(_may_sign(authority, 0) for authority in authorities):
        raise IdentityError("ROOT_FORM", "a certificate in it is not an authority's")
    return authorities


def issuer_of(chain: Chain, anchors: Sequence[Anchor]) -> Anchor:
    """The pinned authority that issued a leaf (first in ``chain``) and may issue for it.

    Raises ``IdentityError`` IDENTITY_FORM, CERT_FOREIGN.
    """
    return _issuers(chain, tuple(anchors))[0][0]


def check_chain(
    chain: Chain,
    anchors: Sequence[Anchor],
    deployment: str,
    now_ms: int,
    is_denied: IsDenied | None = None,
) -> None:
    """Checks that a chain (leaf first) entitles the leaf's holder to a call at ``now_ms`` (UTC).

    Only what cannot change is remembered: signatures and scopes. Dates and deny-list are asked each
    call.
    Raises ``IdentityError`` as ``check_certificate`` does.
    """
    paths = _issuers(chain, tuple(anchors))
    check_holder(chain[0], deployment, now_ms, is_denied)
    valid = (all(not_before_ms(a) <= now_ms <= not_after_ms(a) for a in path) for _, path in paths)
    if not any(valid):
        raise IdentityError(
            "CERT_EXPIRED", "an authority above the certificate is not valid now; renew its chain"
        )


@functools.lru_cache(maxsize=CERTIFICATES_KEPT)
def _issuers(chain: Chain, anchors: tuple[Anchor, ...]) -> tuple[tuple[Anchor, Chain], ...]:
    """The anchors that may have issued the leaf, each with the authorities up to it."""
    paths = [(anchor, _path(chain, anchor.certificate)) for anchor in anchors]
    signed = [(anchor, path) for anchor, path in paths if path]
    if not signed or not is_client_leaf(chain[0]):
        raise IdentityError(
            "CERT_FOREIGN",
            "the certificate was not issued by this deployment's authority, nor by another that"
            " is pinned, for a client; enrol with it",
        )
    identity = identity_of(chain[0])
    entitled = tuple((anchor, path) for anchor, path in signed if anchor.is_for(identity))
    if not entitled:
        raise IdentityError(
            "CERT_FOREIGN", f"the authority that issued the certificate is none of {identity.uri}"
        )
    return entitled


@functools.lru_cache(maxsize=4 * CERTIFICATES_KEPT)
def _path(chain: Chain, anchor: x509.Certificate) -> Chain:
    """The authorities from the leaf's issuer to the anchor; none if no path leads there."""
    if len(chain) > CHAIN_MAX:
        return ()
    path: Chain = ()
    current = chain[0]
    while not _issued(current, anchor, len(path)):
        rest = [certificate for certificate in chain[1:] if certificate not in path]
        above = next(
            (candidate for candidate in rest if _issued(current, candidate, len(path))), None
        )
        if above is None:
            return ()
        path, current = (*path, above), above
    return (*path, anchor)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate, below: int) -> bool:
    """Whether the issuer signed the certificate, and may, with so many authorities below it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except NOT_SIGNED:
        return False
    return _may_sign(issuer, below)


def _may_sign(certificate: x509.Certificate, below: int) -> bool:
    try:
        extensions = certificate.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
        if not basic.ca or (basic.path_length is not None and below > basic.path_length):
            return False
        return extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as absent:
        # A key usage may be left out and then forbids nothing (RFC 5280, 6.1.4 n).
        return absent.oid == x509.KeyUsage.oid
    except (ValueError, x509.DuplicateExtension):
        return False


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
