"""What the coordinator signs when the log does not take an envelope (docs/spec/log.md, 7a).

A refusal is a word of the other side. Signed, it can be held against whoever said it: it names the
log's last entry, so anyone who has the log can ask the fold for the same verdict.
"""

from fermata.crypto.signing import SigningKey
from fermata.errors import InvalidProof
from fermata.protocol.wire.codec import decode, encode, sha256
from fermata.protocol.wire.envelope import check_signatures, seal, unseal
from fermata.wire.v1.envelope_pb2 import EntryRef
from fermata.wire.v1.log_service_pb2 import AppendRefusal

#: Payload type of the envelope that carries an AppendRefusal.
REFUSAL_TYPE = "application/vnd.fermata.refusal.v1+protobuf"


def seal_refusal(
    coordinator: str,
    signing_key: SigningKey,
    pinned_sha256: bytes,
    envelope: bytes,
    reason: str,
    head: EntryRef | None,
) -> bytes:
    """The coordinator's envelope: its log refuses ``envelope`` for ``reason`` after ``head``.

    ``pinned_sha256``: 32 bytes, the SHA-256 of the charter in entry 0. ``head``: the log's last
    entry, None while it is empty.
    """
    refusal = AppendRefusal(
        charter_sha256=pinned_sha256,
        envelope_sha256=sha256(envelope),
        reason=reason,
        head=head,
    )
    return seal(REFUSAL_TYPE, encode(refusal), {coordinator: signing_key})


def open_refusal(
    coordinator: str,
    public_key: bytes,
    pinned_sha256: bytes,
    signed: bytes,
    envelope: bytes,
    reason: str,
) -> AppendRefusal:
    """The refusal of an envelope for a reason, as the coordinator signed it.

    ``public_key``: its Ed25519 key of the charter, 32 bytes; ``pinned_sha256`` as above.

    Raises InvalidProof REFUSAL if it is of something else, InvalidEncoding, InvalidSignature.
    """
    sealed = unseal(signed)  # L32.1: one refusal, one form.
    # L32.2: another message of the coordinator must not be taken for a refusal.
    if sealed.payload_type != REFUSAL_TYPE:
        raise InvalidProof("REFUSAL", "refusal: its envelope must be of a refusal")
    # L32.3: a word of nobody.
    check_signatures(sealed, {coordinator: public_key}, (coordinator,))
    refusal = decode(AppendRefusal, sealed.payload)  # L32.4: as L32.1.
    # L32.5: one key may serve two deployments, whose logs differ.
    if refusal.charter_sha256 != pinned_sha256:
        raise InvalidProof("REFUSAL", "refusal: must be of this deployment")
    # L32.6: a refusal of another envelope, or for another reason than the one that was told.
    if refusal.envelope_sha256 != sha256(envelope) or refusal.reason != reason:
        raise InvalidProof("REFUSAL", "refusal: must be of the envelope that was sent, as told")
    return refusal
