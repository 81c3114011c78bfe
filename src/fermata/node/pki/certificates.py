"""Keys, requests and certificates as values: nothing here touches a disk or a clock.

All keys are ECDSA P-256, all signatures SHA-256 with the nonce of RFC 6979. A key is derived from
entropy that is passed in (FIPS 186-5, A.2.1: 64 bits more than the order, then reduced).
"""

import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fermata.errors import ConfigError, IdentityError
from fermata.node.pki.identity import SERVER_ROLE, Identity, check_deployment, server_names, utc_of
from fermata.protocol.wire.ports import Entropy

DAY_MS = 24 * 60 * 60 * 1000
#: The clocks of two machines may differ by this much without a fresh certificate being refused.
BACKDATE_MS = 60 * 60 * 1000
ROOT_LIFE_MS = 3653 * DAY_MS
CSR_BYTES_MAX = 4096
HOST_NAMES_MAX = 16
#: Common name of the root of a deployment's own authority.
ROOT_NAME = "fermata root"

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")


def new_key(entropy: Entropy) -> ec.EllipticCurvePrivateKey:
    """A P-256 key from 40 bytes of entropy."""
    scalar = int.from_bytes(entropy(40), "big") % (_ORDER - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def key_to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#8 PEM in the clear, for a file of mode 0600."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_to_pem(*certificates: x509.Certificate) -> bytes:
    """The certificates as PEM, in this order."""
    return b"".join(
        certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates
    )


def make_csr(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A PKCS#10 request (RFC 2986), DER, without a name: the authority decides the identity."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(
        serialization.Encoding.DER
    )


def key_of_csr(csr_der: bytes) -> ec.EllipticCurvePublicKey:
    """The key that asks for a certificate, all that is taken from a request.

    Raises ``IdentityError`` CSR_REFUSED unless the request is signed by that P-256 key.
    """
    refused = IdentityError(
        "CSR_REFUSED",
        "the certificate request is refused; it must be PKCS#10 DER, signed by its own P-256 key",
    )
    if len(csr_der) > CSR_BYTES_MAX:
        raise refused
    try:
        request = x509.load_der_x509_csr(csr_der)
        key = request.public_key()
        is_signed = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.InvalidVersion):
        raise refused from None
    if (
        not is_signed
        or not isinstance(key, ec.EllipticCurvePublicKey)
        or not isinstance(key.curve, ec.SECP256R1)
    ):
        raise refused
    return key


def make_root(
    key: ec.EllipticCurvePrivateKey, deployment: str, now_ms: int, entropy: Entropy
) -> x509.Certificate:
    """A self-signed root for ten years that may sign leaves and no other authority.

    Raises ``IdentityError`` IDENTITY_FORM for a name that no deployment can have.
    """
    check_deployment(deployment)
    name = _name(deployment, ROOT_NAME)
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(_new_serial(entropy))
        .not_valid_before(utc_of(now_ms - BACKDATE_MS))
        .not_valid_after(utc_of(now_ms + ROOT_LIFE_MS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)


def make_leaf(
    identity: Identity,
    public: ec.EllipticCurvePublicKey,
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
    *,
    now_ms: int,
    life_ms: int,
    entropy: Entropy,
    host_names: Sequence[str] = (),
) -> x509.Certificate:
    """A certificate for ``identity``, valid from an hour ago until ``life_ms`` from now.

    Never longer than its root. A coordinator's and an auditor's may serve, under ``server_names``
    and the host names; every other is a client's only. Raises ``ConfigError`` HOST_NAME.
    """
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity.uri)]
    served = server_names(identity)
    if served:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        names += [x509.DNSName(name) for name in served]
    names += host_names_of(identity, host_names)
    end = min(utc_of(now_ms + life_ms), root.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(identity.deployment, f"{identity.role} {identity.id}"))
        .issuer_name(root.subject)
        .public_key(public)
        .serial_number(_new_serial(entropy))
        .not_valid_before(utc_of(now_ms - BACKDATE_MS))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
    )
    return builder.sign(root_key, hashes.SHA256(), ecdsa_deterministic=True)


def host_names_of(
    identity: Identity, host_names: Sequence[str]
) -> list[x509.DNSName | x509.IPAddress]:
    """Host names as the identity's certificate carries them: IP addresses, DNS names.

    Raises ``ConfigError`` HOST_NAME for a wildcard, anything else that is not a host name, more
    than 16, or any at all if the identity is not a coordinator's.
    """
    if host_names and identity.role != SERVER_ROLE:
        raise ConfigError("HOST_NAME", f"only a {SERVER_ROLE}'s certificate may have host names")
    if len(host_names) > HOST_NAMES_MAX:
        raise ConfigError("HOST_NAME", f"a certificate has at most {HOST_NAMES_MAX} host names")
    return [_host_name(text) for text in host_names]


def _host_name(text: str) -> x509.DNSName | x509.IPAddress:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(text))
    if not _DNS_NAME.match(text):
        raise ConfigError(
            "HOST_NAME",
            "a host name is neither an IP address nor a DNS name in lower case; wildcards, ports"
            " and schemes do not belong in it",
        )
    return x509.DNSName(text)


def _new_serial(entropy: Entropy) -> int:
    # RFC 5280, 4.1.2.2: positive and at most 20 bytes long.
    return (int.from_bytes(entropy(20), "big") >> 1) or 1


def _name(organisation: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(
    digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
