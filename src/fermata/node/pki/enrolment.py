"""How a node gets its certificates: the first with a one-time token, the next with the last.

The token travels only after the server has shown the root whose fingerprint the operator was
told: ``fetch_root`` looks at the chain without trusting it, compares, and every later byte goes
over a connection that is verified against that root.
"""

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509

from fermata.errors import ConfigError, IdentityError, TransportError
from fermata.node.files import read_file
from fermata.node.observe.telemetry import split_address
from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import certificate_to_pem, make_csr, new_key
from fermata.node.pki.identity import (
    CHAIN_BYTES_MAX,
    Identity,
    check_certificate,
    check_root,
    deployment_of,
    fingerprint_of,
    identity_of,
    load_chain,
    server_name,
)
from fermata.node.pki.tls import check_tls_directory, write_tls
from fermata.node.pki.trust import NO_PINS, Pins, check_chain
from fermata.node.rpc.reachability import Way, failed_step, shake_hands, unverified_context
from fermata.node.rpc.rpc_contract import MESSAGE_BYTES_MAX
from fermata.node.rpc.status_codes import error_of_call, is_unanswered
from fermata.protocol.wire.codec import sha256_from_text
from fermata.protocol.wire.ports import ClockMs, Entropy
from fermata.wire.v1 import log_service_pb2, log_service_pb2_grpc

TIMEOUT_S = 10.0


def fetch_root(address: str, fingerprint: str) -> bytes:
    """The root (PEM) with this fingerprint, out of the chain that ``address`` presents.

    Raises ``ConfigError`` ADDRESS or FINGERPRINT_FORM, ``TransportError`` UNREACHABLE,
    ``IdentityError`` ROOT_FINGERPRINT if no certificate of the chain has the fingerprint, and
    ROOT_FORM if the certificate that has it is not a root.
    """
    split_address(address)
    digest = sha256_from_text(fingerprint)
    if digest is None:
        raise ConfigError(
            "FINGERPRINT_FORM",
            "a root fingerprint must be 64 hex digits, SHA256: before or not; copy it whole",
        )
    try:
        # Nothing is trusted on this connection: it only yields certificates to compare.
        with shake_hands(address, unverified_context()) as connection:
            chain = _unverified_chain(connection)
    except TransportError as error:
        raise TransportError(error.reason, f"enrolment service at {address}: {error}") from None
    for der in chain:
        root = _certificate_or_none(der)
        if root is not None and fingerprint_of(root) == f"SHA256:{digest.hex()}":
            check_root(root)
            return certificate_to_pem(root)
    raise IdentityError(
        "ROOT_FINGERPRINT",
        f"{address} presents no root with the fingerprint that was given; if it was copied right,"
        " somebody else is answering: do not go on, and tell the deployment's operator",
    )


def enroll(
    directory: Path,
    address: str,
    fingerprint: str,
    token: str,
    clock: ClockMs,
    entropy: Entropy,
    party: str = "",
) -> Identity:
    """Exchanges a token for a certificate; writes key, chain and root into ``directory``.

    ``directory`` is the node's TLS directory (``fermata.node.pki.tls``). With ``party`` the token
    must be of the party with this id. On failure nothing is written, though the token may be used
    up. Raises as ``fetch_root`` does, ``IdentityError`` TOKEN_REFUSED or TOKEN_PARTY,
    ``TransportError`` if another try may help, ``ConfigError`` DIRECTORY_IN_USE and those of
    ``write_tls``.
    """
    # Before the token is spent.
    check_tls_directory(directory)
    (root,) = load_chain(fetch_root(address, fingerprint))
    key = new_key(entropy)
    answer = _call_enroll(address, root, token, make_csr(key), clock)
    if load_chain(answer.root) != [root]:
        raise IdentityError(
            "ROOT_FINGERPRINT", f"{address} answers with another root than the one it showed"
        )
    chain = load_chain(answer.certificate_chain)
    check_certificate(chain[0], root, clock())
    identity = identity_of(chain[0])
    if party and identity.id != party:
        raise IdentityError(
            "TOKEN_PARTY",
            f"the token was that of {identity.role} {identity.id}, not of {party}; nothing was"
            f" written, and the token is used up: ask for one for {party}, and tell"
            f" {identity.id} to ask for a new one",
        )
    return write_tls(directory, key, certificate_to_pem(*chain), answer.root).identity


def enroll_locally(
    authority: Authority, role: str, party: str, directory: Path, host_names: Sequence[str] = ()
) -> Identity:
    """Makes a party's key and certificate where the authority is, without a token.

    For the coordinator itself and for deployments on one machine: whoever runs this holds the
    party's key for a moment. Raises as ``Authority.issue`` and ``write_tls`` do.
    """
    check_tls_directory(directory)
    identity = Identity.of(authority.deployment, role, party)
    key = new_key(authority.entropy)
    chain_pem = authority.issue(identity, make_csr(key), host_names)
    return write_tls(directory, key, chain_pem, authority.root_pem).identity


def renew(
    directory: Path,
    send: Callable[[bytes], bytes],
    clock: ClockMs,
    entropy: Entropy,
    pins: Pins = NO_PINS,
) -> Identity:
    """Replaces a node's key and certificate by new ones for the same identity.

    ``send`` hands a PKCS#10 request (DER) to RenewCertificate over the node's own connection and
    returns the chain (PEM). ``pins``: what counts beside the root file, which stays as it is. On
    failure the old files stay. Raises what ``send`` raises, ``IdentityError`` if the answer is not
    a certificate of this deployment, and those of ``write_tls``.
    """
    root_pem = read_file(directory / "root.pem", CHAIN_BYTES_MAX)
    held = identity_of(load_chain(read_file(directory / "cert.pem", CHAIN_BYTES_MAX))[0])
    anchors = pins.anchors(root_pem, held.deployment)
    key = new_key(entropy)
    chain = tuple(load_chain(send(make_csr(key))))
    check_chain(chain, anchors, held.deployment, clock())
    return write_tls(directory, key, certificate_to_pem(*chain), root_pem, pins).identity


def exchange(
    address: str,
    root: x509.Certificate,
    request: log_service_pb2.ExchangeRequest,
    clock: ClockMs,
) -> log_service_pb2.SetupFiles:
    """Hands in what a party has signed, and gets what it needs of the others.

    Raises TransportError, or what the coordinator refuses it with.
    """
    with _service(address, root, clock) as stub:
        return stub.Exchange(request, timeout=TIMEOUT_S).files


def _call_enroll(
    address: str, root: x509.Certificate, token: str, csr: bytes, clock: ClockMs
) -> log_service_pb2.EnrollResponse:
    with _service(address, root, clock) as stub:
        request = log_service_pb2.EnrollRequest(token=token, csr=csr)
        return stub.Enroll(request, timeout=TIMEOUT_S)


@contextmanager
def _service(
    address: str, root: x509.Certificate, clock: ClockMs
) -> Iterator[log_service_pb2_grpc.EnrolmentServiceStub]:
    """A connection that is verified against the root. Raises the error of a call that fails."""
    credentials = grpc.ssl_channel_credentials(certificate_to_pem(root))
    options = (
        ("grpc.ssl_target_name_override", server_name(deployment_of(root))),
        # A proxy named in the environment must not come between.
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    )
    with grpc.secure_channel(address, credentials, options) as channel:
        try:
            yield log_service_pb2_grpc.EnrolmentServiceStub(channel)
        except grpc.RpcError as failure:
            error = error_of_call(failure, address)
            way = Way(address, certificate_to_pem(root), server_name(deployment_of(root)))
            if is_unanswered(failure) and (step := failed_step(way, clock)):
                error = TransportError(error.reason, f"enrolment service at {address}: {step}")
            raise error from None


def _unverified_chain(connection: ssl.SSLSocket) -> list[bytes]:
    """What the peer sent, DER, leaf first. Public from Python 3.13 on."""
    peer: Any = connection
    if hasattr(peer, "get_unverified_chain"):
        return list(peer.get_unverified_chain() or ())
    chain = peer._sslobj.get_unverified_chain() or ()
    return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain]


def _certificate_or_none(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion):
        return None
