"""A Leave: an auditor's signed word that it has given up all views before one (SU5)."""

from dataclasses import dataclass

from fermata.crypto.signing import SigningKey
from fermata.errors import InvalidEncoding, InvalidSignature, Refusal
from fermata.log.checkpoint import Checkpoint, check_signed_alone, open_checkpoint
from fermata.protocol.succession.certificate import check_certificate
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.codec import decode, encode
from fermata.protocol.wire.envelope import check_signatures, seal, unseal
from fermata.wire.v1.succession_pb2 import Certificate, Leave

#: Payload type of the envelope that carries a Leave: no other word can be taken for one.
LEAVE_TYPE = "application/vnd.fermata.leave.v1+protobuf"


@dataclass(frozen=True, slots=True)
class Left:
    """A Leave that holds: who left for which view, and what it shows.

    ``head``: the newest head that it has cosigned, of ``head_view``. Both it and the certificate
    may be missing, which is None.
    """

    auditor: str
    view: int
    certificate: Certificate | None
    head_view: int
    head: Checkpoint | None


def seal_leave(leave: Leave, key: SigningKey) -> bytes:
    """The envelope of a Leave, signed by its auditor."""
    return seal(LEAVE_TYPE, encode(leave), {leave.auditor: key})


def open_leave(views: Views, envelope: bytes) -> Left:
    """What a Leave says, once everything in it holds. Nothing is taken from any log.

    Raises InvalidEncoding SIZE, ENCODING, ENVELOPE, LEAVE, CERTIFICATE, NOTE or CHECKPOINT;
    InvalidSignature SIGNERS, SIGNATURE, NOT_ON_ROSTER, UNSIGNED, PUBLIC_KEY, ORIGIN, FOREIGN_LINE
    or WITNESSES_FEW; InvalidProof CONSISTENCY; Refusal CHARTER_HASH or VIEW.
    """
    sealed = unseal(envelope)  # SU5.1: one Leave, one form.
    # SU5.2: another word of the auditor must not be taken for a Leave.
    if sealed.payload_type != LEAVE_TYPE:
        raise InvalidEncoding("LEAVE", "leave: its envelope must be of a Leave")
    leave = decode(Leave, sealed.payload)  # SU5.3: as SU5.1.
    # SU5.4: who does not witness the log cannot end a view of it.
    if leave.auditor not in views.charter.auditors:
        raise InvalidSignature("NOT_ON_ROSTER", "leave: must be of an auditor in force")
    # SU5.5: nobody is made to leave.
    check_signatures(sealed, views.charter.signing_keys, (leave.auditor,))
    # SU5.6: one key may serve two deployments.
    if leave.charter_sha256 != views.pinned_sha256:
        raise Refusal("CHARTER_HASH", "leave: must be bound to the charter of entry 0")
    views_named = [part.view for part in (leave.certificate, leave.head) if part.ByteSize()]
    # SU5.7: whoever has cosigned in a view has not left it.
    if leave.view <= max(views_named, default=0):
        raise Refusal("VIEW", "leave: must be for a view after those that it shows, and after 0")
    head = _head(views, leave)  # SU5.8.
    certificate = leave.certificate if leave.HasField("certificate") else None
    if certificate is not None:
        check_certificate(views, certificate)  # SU5.9: what it proves decides what is kept.
    return Left(leave.auditor, leave.view, certificate, leave.head.view, head)


def _head(views: Views, leave: Leave) -> Checkpoint | None:
    """SU5.8: the head that an auditor cosigned, which nobody can make up without its coordinator.

    Raises as ``open_checkpoint`` and ``check_signed_alone`` do; InvalidEncoding CHECKPOINT.
    """
    if not leave.HasField("head"):
        return None
    view, note = leave.head.view, leave.head.note
    origin, key = views.origin(view), views.coordinator(view).signing_key
    head = open_checkpoint(note, origin, origin, key)
    check_signed_alone(note, origin, key)
    if head.size == 0:
        raise InvalidEncoding("CHECKPOINT", "leave: its head must be of one entry or more")
    return head
