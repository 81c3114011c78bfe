"""Notices: signed messages with which a node informs a lab's own systems of the pause.

Normative text: docs/spec/notice.md. A notice is JSON in its one canonical form (RFC 8785), in a
DSSE v1 envelope (its JSON form), so that a scheduler can read it with any JSON parser, and anyone
can check it.
"""

import base64
import json

import msgspec

from fermata.crypto.signing import SigningKey, pae, verify_signature
from fermata.errors import InvalidEncoding, InvalidSignature
from fermata.log.checkpoint import open_checkpoint
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import State
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.strict_json import decode_json
from fermata.summary.records.pause import ChangeRecord, PauseBrief, change_record, pause_brief

NOTICE_TYPE = "application/vnd.fermata.pause.v1+json"
NOTICE_BYTES_MAX = 1024 * 1024
FORMAT = 1
_KEY_DOMAIN = b"fermata/v1/notice"
#: RFC 8785 numbers are IEEE doubles, which are exact up to this one.
INT_MAX = 2**53 - 1


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of a notice's parts: every key must be present, and no other may be."""


class LogNotice(_Part, frozen=True):
    """The log behind the notice: ``checkpoint`` is its signed note over ``size`` entries."""

    size: int
    time_ms: int
    checkpoint: str


class Notice(_Part, frozen=True):
    """One change of the pause, reported by ``node``, a party of the charter. Times: ms since 1970.

    ``charter_sha256`` is entry 0's charter hash, in hex, which names the log.
    """

    format: int
    deployment: str
    charter_sha256: str
    node: str
    idempotency_key: str
    change: ChangeRecord
    pause: PauseBrief
    log: LogNotice


def idempotency_key(charter_sha256: bytes, index: int) -> str:
    """64 hex digits, the same for the same change of the same log.

    ``charter_sha256`` is entry 0's, which no amendment changes; ``index`` counts from 0.
    """
    return sha256(_KEY_DOMAIN + charter_sha256 + index.to_bytes(8, "big")).hex()


def notice_of(state: State, index: int, checkpoint_note: bytes, node: str) -> Notice:
    """The notice of the pause's change number ``index``, counted from 0.

    ``checkpoint_note`` is the log's signed note over the entries of ``state``. Raises ValueError
    for an index that the state does not have.
    """
    charter, pinned = state.charter, state.charter_sha256
    if charter is None or pinned is None or not 0 <= index < len(state.pause.changes):
        raise ValueError(f"index must be that of a change of the pause, got {index}")
    return Notice(
        format=FORMAT,
        deployment=charter.deployment,
        charter_sha256=pinned.hex(),
        node=node,
        idempotency_key=idempotency_key(pinned, index),
        change=change_record(state, index),
        pause=pause_brief(state),
        log=LogNotice(state.size, state.time_ms, checkpoint_note.decode()),
    )


def canonical_json(document: object) -> bytes:
    """The bytes (RFC 8785) of objects with ASCII keys, lists, text, integers, true, false, null.

    A tuple counts as a list. Raises ValueError for anything else, and for an integer that a double
    does not hold exactly.
    """
    _check_plain(document)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _check_plain(document: object) -> None:
    if isinstance(document, dict):
        # For ASCII the order of code points is that of UTF-16, which the RFC asks for.
        if not all(isinstance(key, str) and key.isascii() for key in document):
            raise ValueError("keys must be ASCII")
        for value in document.values():
            _check_plain(value)
    elif isinstance(document, list | tuple):
        for value in document:
            _check_plain(value)
    elif isinstance(document, int):
        if not -INT_MAX <= document <= INT_MAX:
            raise ValueError(f"integers must be at most {INT_MAX}; write larger ones as text")
    elif not (document is None or isinstance(document, str)):
        raise ValueError(f"{type(document).__name__} must not be in canonical JSON")


def seal_notice(notice: Notice, signing_key: SigningKey) -> bytes:
    """The notice in its envelope, signed by the key of the notice's node."""
    payload = canonical_json(msgspec.to_builtins(notice))
    signature = signing_key.sign(pae(NOTICE_TYPE, payload))
    return _envelope(payload, notice.node, signature)


def open_notice(data: bytes, charter: Charter, pinned: bytes | None = None) -> Notice:
    """The notice in an envelope, after every check that needs only the charter.

    ``charter`` is the one in force; ``pinned`` is the hash of entry 0's charter if an amendment has
    replaced it. The checks (N4): a party of the roster signed it, the coordinator signed the
    checkpoint, and the idempotency key is right. Whether the pause follows from the log takes a
    replica or ``fermata verify``. Raises InvalidEncoding SIZE, NOTICE, CHECKPOINT or NOTE, or
    InvalidSignature NOT_ON_ROSTER, SIGNATURE, CHARTER_HASH, ORIGIN or UNSIGNED.
    """
    payload, key_id, signature = _parse_envelope(data)  # N4.1 to N4.3.
    party = charter.parties.get(key_id)
    # N4.4: a stranger must not announce a pause.
    if party is None:
        raise InvalidSignature("NOT_ON_ROSTER", "notice: signer must be on the roster")
    # N4.5: forgery.
    verify_signature(party.signing_key, signature, pae(NOTICE_TYPE, payload))
    notice = _parse_notice(payload)  # N4.6, N4.7.
    pinned = pinned or charter.sha256
    # N4.8: a notice of another deployment's pause.
    if notice.charter_sha256 != pinned.hex() or notice.deployment != charter.deployment:
        raise InvalidSignature("CHARTER_HASH", "notice: must be of this charter")
    # N4.9: no node speaks for another.
    if notice.node != party.id:
        raise InvalidSignature("SIGNATURE", "notice: must be signed by the party that it names")
    # N4.10: under the key of another change, a receiver would drop this one as seen.
    if notice.change.index < 0 or notice.idempotency_key != idempotency_key(
        pinned, notice.change.index
    ):
        raise InvalidEncoding("NOTICE", "notice: idempotency key must be that of its change")
    coordinator = charter.parties[charter.coordinator]
    origin = charter.log_origin
    # N4.11: a log must stand behind it.
    head = open_checkpoint(notice.log.checkpoint.encode(), origin, origin, coordinator.signing_key)
    # N4.12: the head must be of the moment at which the pause is reported.
    if head.size != notice.log.size:
        raise InvalidEncoding("CHECKPOINT", "notice: checkpoint must be of the notice's size")
    return notice


def _parse_notice(payload: bytes) -> Notice:
    """Strict: refuses whatever would not be encoded again as the same bytes."""
    try:
        # N4.6.
        notice = decode_json(payload, Notice, NOTICE_BYTES_MAX)
        same = canonical_json(msgspec.to_builtins(notice)) == payload
    except ValueError:
        raise InvalidEncoding("NOTICE", "notice: payload cannot be read") from None
    # N4.7: as N4.3.
    if not same or notice.format != FORMAT:
        raise InvalidEncoding("NOTICE", "notice: payload must be in canonical form")
    return notice


def _envelope(payload: bytes, key_id: str, signature: bytes) -> bytes:
    signed = _SignatureText(key_id, base64.b64encode(signature).decode())
    envelope = _EnvelopeText(base64.b64encode(payload).decode(), NOTICE_TYPE, [signed])
    return canonical_json(msgspec.to_builtins(envelope))


def _parse_envelope(data: bytes) -> tuple[bytes, str, bytes]:
    """Payload, key id and signature. Raises InvalidEncoding SIZE or NOTICE."""
    # N4.1: a stranger must not decide how much memory this takes.
    if len(data) > NOTICE_BYTES_MAX:
        raise InvalidEncoding(
            "SIZE", f"notice: must have at most {NOTICE_BYTES_MAX} bytes, got {len(data)}"
        )
    try:
        # N4.2.
        envelope = decode_json(data, _EnvelopeText, NOTICE_BYTES_MAX)
        (signed,) = envelope.signatures
        payload = base64.b64decode(envelope.payload, validate=True)
        signature = base64.b64decode(signed.sig, validate=True)
        same = _envelope(payload, signed.keyid, signature) == data
    except ValueError:
        raise InvalidEncoding("NOTICE", "notice: must be an envelope with one signature") from None
    # N4.3: one notice in two forms would count as two.
    if not same:
        raise InvalidEncoding("NOTICE", "notice: envelope must be in canonical form")
    return payload, signed.keyid, signature


class _SignatureText(_Part, frozen=True):
    keyid: str
    sig: str


class _EnvelopeText(_Part, frozen=True):
    payload: str
    payloadType: str
    signatures: list[_SignatureText]
