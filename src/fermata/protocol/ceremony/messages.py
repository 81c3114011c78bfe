"""What the participants of a ceremony sign, and how it is read (docs/spec/ceremony.md, CE2, CE3).

Two things can be wrong with what a relay hands out. Bytes that no participant signed for this place
are trouble of the relay, and say nothing about the participant. Bytes that a participant signed and
that break the form are that participant's fault, and they show it.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from fermata.crypto.signing import SigningKey, pae, verify_signature
from fermata.crypto.threshold.ceremony.lockstep import Misbehaviour
from fermata.crypto.threshold.ceremony.private_bodies import SALT_BYTES, is_receive_key
from fermata.errors import InvalidEncoding, InvalidSignature, VerificationError
from fermata.protocol.ceremony.plan import Plan
from fermata.protocol.wire.codec import decode, sha256
from fermata.protocol.wire.envelope import seal, unseal
from fermata.wire.v1 import ceremony_service_pb2 as wire
from fermata.wire.v1 import envelope_pb2

SET_UP_TYPE = "application/vnd.fermata.ceremony-set-up.v1+protobuf"
TURN_TYPE = "application/vnd.fermata.ceremony-turn.v1+protobuf"
END_TYPE = "application/vnd.fermata.ceremony-end.v1+protobuf"
#: Of a signed message that is not an end; with seven participants a turn has about 900 bytes.
SIGNED_BYTES_MAX = 8 * 1024
END_BYTES_MAX = 128 * 1024
BODY_BYTES_MAX = 16 * 1024 * 1024
TURNS_MAX = 4096
#: Of reasons and notes in an end.
TEXT_CHARS_MAX = 500
HASH_BYTES = 32

M = TypeVar("M", wire.CeremonySetUp, wire.SignedTurn, wire.CeremonyEnd)
Signed = wire.CeremonySetUp | wire.SignedTurn | wire.CeremonyEnd


class RelayTrouble(VerificationError):
    """What the relay handed out is nobody's message for this place: it dropped or altered it."""

    def __init__(self, message: str) -> None:
        super().__init__("CEREMONY_RELAY", message)


def sign(message: Message, party: str, key: SigningKey) -> bytes:
    """The envelope of a message of a ceremony."""
    kinds = {wire.CeremonySetUp: SET_UP_TYPE, wire.SignedTurn: TURN_TYPE}
    kind = kinds.get(type(message), END_TYPE)
    return seal(kind, message.SerializeToString(deterministic=True), {party: key})


def payload_of(envelope: bytes) -> bytes:
    """The payload of an envelope that was read."""
    return envelope_pb2.Envelope.FromString(envelope).payload


def payload_hash(envelope: bytes) -> bytes:
    """SHA-256 of the payload, as in ``seen``. A signer can make many signatures of one payload."""
    return sha256(payload_of(envelope))


def read_set_up(plan: Plan, data: bytes, sender: int) -> wire.CeremonySetUp:
    """A participant's set-up. Raises RelayTrouble, Misbehaviour CEREMONY_FORM."""
    payload = _signed_payload(plan, data, SET_UP_TYPE, sender, SIGNED_BYTES_MAX)
    message = _parse(wire.CeremonySetUp, payload, sender)
    _check_place(plan, message, sender)
    check_set_up(plan, message, sender)
    return message


def read_turn(plan: Plan, data: bytes, sender: int, turn: int) -> wire.SignedTurn:
    """A participant's signed turn. Raises RelayTrouble, Misbehaviour CEREMONY_FORM."""
    payload = _signed_payload(plan, data, TURN_TYPE, sender, SIGNED_BYTES_MAX)
    message = _parse(wire.SignedTurn, payload, sender)
    _check_place(plan, message, sender)
    # CE2.3: an older turn in the place of this one.
    if message.turn != turn:
        raise RelayTrouble(f"turn {turn} of {plan.party(sender)}: the relay gave another turn")
    check_turn(plan, message, sender)
    return message


def read_end(plan: Plan, data: bytes, sender: int) -> wire.CeremonyEnd:
    """A participant's last message. Raises RelayTrouble, Misbehaviour CEREMONY_FORM."""
    payload = _signed_payload(plan, data, END_TYPE, sender, END_BYTES_MAX)
    message = _parse(wire.CeremonyEnd, payload, sender)
    _check_place(plan, message, sender)
    check_end(plan, message, sender)
    return message


def check_set_up(plan: Plan, message: wire.CeremonySetUp, sender: int) -> None:
    """The form of a set-up. Raises Misbehaviour CEREMONY_FORM."""
    keys = list(message.receive_keys)
    # CE2.5: a key to which nothing can be sealed in secret, or one key for two senders, whose
    # bodies could then not be shown one without the other.
    if (
        len(keys) != len(plan.participants) - 1
        or len(set(keys)) != len(keys)
        or not all(map(is_receive_key, keys))
        or not message.version
        or not _is_text(message.version)
    ):
        raise bad_form(sender, 0, "the set-up must have a version, and a key for each other one")


def check_turn(plan: Plan, message: wire.SignedTurn, sender: int) -> None:
    """The form of a signed turn. Raises Misbehaviour CEREMONY_FORM."""
    receivers = [body.receiver for body in message.private_bodies]
    hashes = [message.public_sha256, *message.seen]
    for body in message.private_bodies:
        hashes += [body.commitment, body.sealed_sha256]
    # CE2.6: a body for nobody, two for one, or one that the sender does not stand by.
    if (
        message.turn >= TURNS_MAX
        or receivers != sorted(set(receivers) & set(plan.others(sender)))
        or len(message.seen) != len(plan.participants)
        or any(len(digest) != HASH_BYTES for digest in hashes)
    ):
        raise bad_form(sender, message.turn, "the signed turn breaks its form")


def check_end(plan: Plan, message: wire.CeremonyEnd, sender: int) -> None:
    """The form of an end. Raises Misbehaviour CEREMONY_FORM."""
    is_done = message.outcome == wire.CEREMONY_OUTCOME_DONE
    what = (message.reason, message.culprit, list(message.absent), list(message.shown))
    # CE2.7: an end that says two things.
    if (
        message.outcome not in list(wire.CeremonyOutcome.values())[1:]
        or is_done != (not message.reason)
        or (is_done and any(what))
        or (is_done and message.HasField("accusation"))
        or len(message.seen) not in ((0,) if not is_done else ()) + (len(plan.participants),)
        or any(len(digest) != HASH_BYTES for digest in message.seen)
        or is_done != bool(message.public_result)
        or (not is_done and message.disputed)
        or not _are_disputed_bodies(plan, message.disputed, sender)
        or (message.culprit and message.culprit not in plan.others(sender))
        or list(message.absent) != sorted(set(message.absent) & set(plan.others(sender)))
        or len(message.shown) > len(plan.participants)
        or not all(_is_text(text) for text in (message.reason, message.note))
    ):
        raise bad_form(sender, message.turns, "the end breaks its form")


def first_difference(own: Sequence[bytes], theirs: Sequence[bytes]) -> int:
    """The number of the first participant of whom two have seen other messages; 0 if of none."""
    pairs = enumerate(zip(own, theirs, strict=True), 1)
    return next((index for index, (a, b) in pairs if a != b), 0)


def bad_form(sender: int, turn: int, what: str) -> Misbehaviour:
    """The error for a signed message that breaks its form."""
    text = f"participant {sender}, turn {turn}: {what}"
    return Misbehaviour("CEREMONY_FORM", text, sender, turn)


def signer_of(plan: Plan, envelope: envelope_pb2.Envelope) -> int:
    """The number of the participant who alone signed an envelope. Raises InvalidSignature."""
    signed = [s.party for s in envelope.signatures]
    # CE3.1: evidence that anybody could have made.
    if len(signed) != 1 or signed[0] not in plan.participants:
        raise InvalidSignature("SIGNERS", "envelope: must be signed by one participant")
    message = pae(envelope.payload_type, envelope.payload)
    key = plan.basis.signing_keys[signed[0]]
    verify_signature(key, envelope.signatures[0].signature, message)
    return plan.index_of(signed[0])


def private_bodies_of(message: wire.SignedTurn) -> Mapping[int, wire.PrivateBody]:
    """The private bodies of a turn, by receiver."""
    return {body.receiver: body for body in message.private_bodies}


def _signed_payload(plan: Plan, data: bytes, kind: str, sender: int, bytes_max: int) -> bytes:
    party = plan.party(sender)
    try:
        # CE2.1: a message that the relay, or whoever sits there, made up.
        if len(data) > bytes_max:
            raise InvalidEncoding("SIZE", "envelope: too long")
        envelope = unseal(data)
        if envelope.payload_type != kind or signer_of(plan, envelope) != sender:
            raise InvalidSignature("SIGNERS", "envelope: of another kind or by another")
    except VerificationError:
        raise RelayTrouble(
            f"the relay gave a message of {party} that {party} has not signed"
        ) from None
    return envelope.payload


def _parse(kind: type[M], payload: bytes, sender: int) -> M:
    try:
        # CE2.2: a signature over nothing that has a meaning.
        return decode(kind, payload, END_BYTES_MAX)
    except InvalidEncoding:
        raise bad_form(sender, 0, "a signed message must be a canonical one of its kind") from None


def _check_place(plan: Plan, message: Signed, sender: int) -> None:
    # CE2.3: what was signed for another ceremony says nothing in this one.
    if message.ceremony != plan.id:
        raise RelayTrouble(f"the relay gave a message of {plan.party(sender)} for another ceremony")
    # CE2.4: a message in the name of another participant.
    if message.sender != sender:
        raise bad_form(sender, 0, f"must sign as participant {sender}, got {message.sender}")


def _are_disputed_bodies(plan: Plan, bodies: Sequence[wire.DisputedBody], sender: int) -> bool:
    dealers = [body.dealer for body in bodies]
    is_once = dealers == sorted(set(dealers) & set(plan.others(sender)))
    return is_once and all(len(body.salt) == SALT_BYTES for body in bodies)


def _is_text(text: str) -> bool:
    return len(text) <= TEXT_CHARS_MAX and (not text or text.isprintable())
