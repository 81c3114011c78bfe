"""What a party hands in over the enrolment port, signed by the key of its certificate.

The port asks for no client certificate, so the message has one, and is signed (JN2).
"""

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature as NotVerified
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from fermata.crypto.signing import SigningKey, pae, verify_signature
from fermata.errors import ConfigError, InvalidEncoding, InvalidSignature
from fermata.node.pki.identity import Identity, IsDenied, deployment_of, identity_of
from fermata.node.pki.trust import Anchor, charter_anchors, check_chain
from fermata.node.storage.keystore import Recipient
from fermata.protocol.wire.codec import decode, encode
from fermata.wire.v1 import log_service_pb2

HAND_IN_TYPE = "application/vnd.fermata.hand-in.v1+protobuf"
RECIPIENT_TYPE = "application/vnd.fermata.recipient.v1"
HAND_IN_BYTES_MAX = 1024
_CERTIFICATE_BYTES_MAX = 2048


def seal_hand_in(
    hand_in: log_service_pb2.HandIn, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> log_service_pb2.ExchangeRequest:
    """The request with the holder's certificate and signature."""
    data = encode(hand_in)
    signature = key.sign(pae(HAND_IN_TYPE, data), ec.ECDSA(hashes.SHA256()))
    return log_service_pb2.ExchangeRequest(
        certificate=certificate.public_bytes(Encoding.DER), hand_in=data, signature=signature
    )


def open_hand_in(
    request: log_service_pb2.ExchangeRequest,
    root: x509.Certificate,
    now_ms: int,
    is_denied: IsDenied,
    others: Sequence[Anchor] = (),
) -> tuple[Identity, log_service_pb2.HandIn]:
    """Who handed in what. ``others``: authorities of coordinators beside the own one, ``root``.

    Raises IdentityError as ``check_chain`` does, InvalidSignature HAND_IN_SIGNATURE,
    InvalidEncoding.
    """
    try:
        if len(request.certificate) > _CERTIFICATE_BYTES_MAX:
            raise ValueError
        certificate = x509.load_der_x509_certificate(request.certificate)
        public_key = certificate.public_key()
        if not isinstance(public_key, ec.EllipticCurvePublicKey):
            raise ValueError
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise InvalidEncoding(
            "CERTIFICATE", "hand-in: must have a certificate in DER, for a P-256 key"
        ) from None
    # JN2.1: whoever has no certificate, or one that was taken back, is nobody.
    anchors = (*charter_anchors([root.public_bytes(Encoding.DER)]), *others)
    check_chain((certificate,), anchors, deployment_of(root), now_ms, is_denied)
    # JN2.2: a certificate is public, so it does not show who sends it.
    try:
        public_key.verify(
            request.signature, pae(HAND_IN_TYPE, request.hand_in), ec.ECDSA(hashes.SHA256())
        )
    except NotVerified:
        raise InvalidSignature(
            "HAND_IN_SIGNATURE", "hand-in: must be signed by the key of its certificate"
        ) from None
    hand_in = decode(log_service_pb2.HandIn, request.hand_in, HAND_IN_BYTES_MAX)
    identity = identity_of(certificate)
    # JN2.3: what was signed for one deployment says nothing in another.
    if hand_in.deployment != identity.deployment:
        raise InvalidEncoding("DEPLOYMENT", "hand-in: must be for the certificate's deployment")
    return identity, hand_in


def sign_recipient(identity: Identity, recipient: str, key: SigningKey) -> bytes:
    """An auditor's signature that its share goes to this age recipient."""
    return key.sign(_recipient_message(identity.deployment, identity.id, recipient))


def check_recipient(
    deployment: str, auditor: str, recipient: str, signature: bytes, public_key: bytes
) -> None:
    """Checks that an auditor wants its share sealed to a recipient (``age1...``).

    Raises InvalidEncoding RECIPIENT_FORM, InvalidSignature RECIPIENT_SIGNATURE.
    """
    try:
        Recipient(recipient)
    except ConfigError as error:
        raise InvalidEncoding(error.reason, f"{auditor}: {error}") from None
    try:
        verify_signature(public_key, signature, _recipient_message(deployment, auditor, recipient))
    except InvalidSignature:
        raise InvalidSignature(
            "RECIPIENT_SIGNATURE", f"{auditor}: its recipient must be signed by its signing key"
        ) from None


def _recipient_message(deployment: str, auditor: str, recipient: str) -> bytes:
    return pae(RECIPIENT_TYPE, f"{deployment} {auditor} {recipient}".encode())
