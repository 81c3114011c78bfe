"""At which step the way to a server fails: its name, its port, TLS, its certificate, ours.

gRPC says UNAVAILABLE of all of these. So after such a failure the steps are taken once by hand,
over sockets of this module's own, and the first that fails is named.
"""

import contextlib
import socket
import ssl
from dataclasses import dataclass

from cryptography import x509

from fermata.errors import ConfigError, TransportError
from fermata.node.causes import cause_text
from fermata.node.observe.telemetry import split_address
from fermata.node.pki.identity import not_after_ms, not_before_ms
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.wire.ports import ClockMs

#: For each step. A server far away answers within one second.
STEP_S = 3.0
#: OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED and _HOSTNAME_MISMATCH.
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME = 9, 10, 62


@dataclass(frozen=True, slots=True)
class Way:
    """The way to a server: its ``host:port``, the authorities (PEM) that may issue for it, the name
    that its certificate must have, and the certificate that this node shows, if any."""

    address: str
    roots_pem: bytes
    server_name: str
    own: x509.Certificate | None = None


def failed_step(way: Way, clock_ms: ClockMs) -> str:
    """The first step that fails, and what to do, for people; empty if all go well.

    Takes at most a few times ``STEP_S``, apart from the system's own limit for resolving a name.
    """
    try:
        split_address(way.address)
    except ConfigError as error:
        return str(error)
    context = _client_context()
    context.load_verify_locations(cadata=way.roots_pem.decode("ascii"))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        with shake_hands(way.address, context, way.server_name) as connection:
            speaks_http2 = connection.selected_alpn_protocol() == "h2"
    except ssl.SSLCertVerificationError as error:
        return _certificate_fault(way, error.verify_code, clock_ms())
    except TransportError as error:
        return str(error)
    if not speaks_http2:
        return "TLS goes well, but the server does not speak gRPC; check the port"
    now_ms = clock_ms()
    if way.own is not None and not _is_valid(way.own, now_ms):
        return (
            f"this node's own certificate {_dates(way.own, now_ms)}; set the clock if it is wrong,"
            " otherwise enrol again"
        )
    return ""


def shake_hands(address: str, context: ssl.SSLContext, server_name: str = "") -> ssl.SSLSocket:
    """A connection after the TLS handshake; the caller closes it.

    ``server_name``: what the certificate must name, if ``context`` checks it. Raises ConfigError
    ADDRESS, ssl.SSLCertVerificationError for a certificate that ``context`` refuses, and otherwise
    TransportError UNREACHABLE that says which step failed.
    """
    host, port = split_address(address)
    plain = _connect(host, port)
    with contextlib.ExitStack() as stack:
        stack.callback(plain.close)
        try:
            connection = context.wrap_socket(plain, server_hostname=server_name or None)
        except ssl.SSLCertVerificationError:
            raise
        except TimeoutError:
            raise _unreachable(
                f"port {port} of {host} is open, but says nothing in TLS for {STEP_S:.0f} s;"
                " another program may listen there: check the port"
            ) from None
        except OSError:
            raise _unreachable(
                f"port {port} of {host} is open, but does not speak TLS; another program listens"
                " there: check the port"
            ) from None
        stack.pop_all()
    return connection


def unverified_context() -> ssl.SSLContext:
    """A context that takes any certificate, for whoever only wants to look at it."""
    context = _client_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    return context


def _connect(host: str, port: int) -> socket.socket:
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise _unreachable(
            f"the name {host} does not resolve; check the address and this machine's DNS"
        ) from None
    try:
        return socket.create_connection((host, port), STEP_S)
    except TimeoutError:
        raise _unreachable(
            f"port {port} of {host} does not answer within {STEP_S:.0f} s; check the address, the"
            " route and firewalls"
        ) from None
    except OSError as error:
        raise _unreachable(f"port {port} of {host}: {cause_text(error)}") from None


def _certificate_fault(way: Way, code: int, now_ms: int) -> str:
    """Why the server's certificate was refused, by OpenSSL's number for it."""
    if code == _OTHER_NAME:
        return (
            f"the server's certificate is of a pinned authority, but not for {way.server_name};"
            " another node of the deployment listens there: check the address"
        )
    if code in (_NOT_YET_VALID, _EXPIRED):
        leaf = _leaf_of(way.address)
        # Otherwise it is an authority in between whose dates are over.
        if leaf is not None and not _is_valid(leaf, now_ms):
            return (
                f"the server's certificate {_dates(leaf, now_ms)}; set the clock if it is wrong,"
                " otherwise the server's operator must renew the certificate"
            )
        return (
            "an authority of the server's certificate is not valid by this machine's clock, which"
            f" says {utc_text(now_ms)}; set the clock if it is wrong"
        )
    return (
        "the server's certificate is not of an authority that this node pins (root.pem); check the"
        " address, and if it is right, ask the deployment's operator whether the root is a new one:"
        " somebody else may be answering"
    )


def _leaf_of(address: str) -> x509.Certificate | None:
    """The certificate that a server shows, unverified; None if it shows none that can be read."""
    with contextlib.suppress(TransportError, OSError, ValueError, x509.InvalidVersion):
        with shake_hands(address, unverified_context()) as connection:
            der = connection.getpeercert(binary_form=True)
        if der is not None:
            return x509.load_der_x509_certificate(der)
    return None


def _is_valid(certificate: x509.Certificate, now_ms: int) -> bool:
    return not_before_ms(certificate) <= now_ms <= not_after_ms(certificate)


def _dates(certificate: x509.Certificate, now_ms: int) -> str:
    first, last = utc_text(not_before_ms(certificate)), utc_text(not_after_ms(certificate))
    return f"is valid from {first} to {last}, and this machine's clock says {utc_text(now_ms)}"


def _unreachable(what: str) -> TransportError:
    return TransportError("UNREACHABLE", what)
