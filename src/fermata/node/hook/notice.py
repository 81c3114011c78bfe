"""Notices: what a node tells a lab's own systems of a change of the pause, signed by the node.

Normative text: docs/spec/notice.md. JSON in its one canonical form (RFC 8785), in a DSSE v1
envelope (its JSON form), so that a scheduler can read it with any JSON reader, and whoever wants
to can check it.
"""

import base64
import json
from dataclasses import dataclass

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
#: RFC 8785 numbers are IEEE doubles, which are exact up to here.
INT_MAX = 2**53 - 1


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of a notice's parts: each key must be there, no other may."""


class LogNotice(_Part, frozen=True):
    """What it was derived from: ``checkpoint`` is the log's signed note over ``size`` entries."""

    size: int
    time_ms: int
    checkpoint: str


class Notice(_Part, frozen=True):
    """One change of the pause, told by ``node``, a party of the charter. Times in ms since 1970.

    ``charter_sha256`` is that of entry 0, in hex, which names the log.
    """

    format: int
    deployment: str
    charter_sha256: str
    node: str
    idempotency_key: str
    change: ChangeRecord
    pause: PauseBrief
    log: LogNotice


@dataclass(frozen=True, slots=True)
class _Signed:
    payload: bytes
    key_id: str
    signature: bytes


def idempotency_key(charter_sha256: bytes, index: int) -> str:
    """The same for the same change of the same log: 64 hex digits.

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
        raise ValueError(f"the state has no change {index} of a pause")
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
    """RFC 8785 bytes of objects with ASCII keys, lists, text, whole numbers, true, false, null.

    A tuple is a list. Raises ValueError for anything else, as for a number that a double does not
    hold exactly.
    """
    _check_plain(document)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _check_plain(document: object) -> None:
    if isinstance(document, dict):
        # In ASCII the order of code points is that of UTF-16, which the RFC asks for.
        if not all(isinstance(key, str) and key.isascii() for key in document):
            raise ValueError("a key is not ASCII")
        for value in document.values():
            _check_plain(value)
    elif isinstance(document, list | tuple):
        for value in document:
            _check_plain(value)
    elif isinstance(document, int):
        if not -INT_MAX <= document <= INT_MAX:
            raise ValueError("a number that a double does not hold is written as text")
    elif not (document is None or isinstance(document, str)):
        raise ValueError(f"{type(document).__name__} has no form here")


def seal_notice(notice: Notice, signing_key: SigningKey) -> bytes:
    """The notice in its envelope, signed by the key of the notice's node."""
    payload = canonical_json(msgspec.to_builtins(notice))
    signature = signing_key.sign(pae(NOTICE_TYPE, payload))
    return _envelope(_Signed(payload, notice.node, signature))


def open_notice(data: bytes, charter: Charter, pinned: bytes | None = None) -> Notice:
    """The notice in an envelope, after all that can be checked with the charter alone.

    ``charter`` is the one in force; ``pinned`` the hash of entry 0's, if an amendment has replaced
    it. The signature is that of a party on the roster, the checkpoint the coordinator's, and the
    idempotency key the right one. That the pause follows from the log is what a replica or
    ``fermata verify`` shows. Raises InvalidEncoding SIZE, NOTICE, CHECKPOINT or NOTE, or
    InvalidSignature NOT_ON_ROSTER, SIGNATURE, CHARTER_HASH, ORIGIN or UNSIGNED.
    """
    signed = _parse_envelope(data)  # N4.1 to N4.3.
    party = charter.parties.get(signed.key_id)
    # N4.4: a stranger says nothing about the pause.
    if party is None:
        raise InvalidSignature("NOT_ON_ROSTER", "notice: is signed by nobody on the roster")
    # N4.5: forgery.
    verify_signature(party.signing_key, signed.signature, pae(NOTICE_TYPE, signed.payload))
    notice = _parse_notice(signed.payload)  # N4.6, N4.7.
    pinned = pinned or charter.sha256
    # N4.8: a pause of another deployment.
    if notice.charter_sha256 != pinned.hex() or notice.deployment != charter.deployment:
        raise InvalidSignature("CHARTER_HASH", "notice: is of another charter")
    # N4.9: no node speaks for another.
    if notice.node != party.id:
        raise InvalidSignature("SIGNATURE", "notice: is signed by another party than it names")
    # N4.10: with the key of another change, this one would be dropped.
    if notice.change.index < 0 or notice.idempotency_key != idempotency_key(
        pinned, notice.change.index
    ):
        raise InvalidEncoding("NOTICE", "notice: its idempotency key is not that of its change")
    coordinator = charter.parties[charter.coordinator]
    origin = charter.log_origin
    # N4.11: a log stands behind it.
    head = open_checkpoint(notice.log.checkpoint.encode(), origin, origin, coordinator.signing_key)
    # N4.12: the head is of the moment that the pause is of.
    if head.size != notice.log.size:
        raise InvalidEncoding("CHECKPOINT", "notice: its checkpoint is of another size")
    return notice


def _parse_notice(payload: bytes) -> Notice:
    """Strict: whatever would not be written again as the same bytes is refused."""
    try:
        # N4.6.
        notice = decode_json(payload, Notice, NOTICE_BYTES_MAX)
        same = canonical_json(msgspec.to_builtins(notice)) == payload
    except ValueError:
        raise InvalidEncoding("NOTICE", "notice: its payload cannot be read") from None
    # N4.7: as N4.3.
    if not same or notice.format != FORMAT:
        raise InvalidEncoding("NOTICE", "notice: its payload is not in the one form of this format")
    return notice


def _envelope(signed: _Signed) -> bytes:
    document = {
        "payload": base64.b64encode(signed.payload).decode(),
        "payloadType": NOTICE_TYPE,
        "signatures": [
            {"keyid": signed.key_id, "sig": base64.b64encode(signed.signature).decode()}
        ],
    }
    return canonical_json(document)


def _parse_envelope(data: bytes) -> _Signed:
    """Raises InvalidEncoding SIZE or NOTICE."""
    # N4.1: a stranger does not decide on our memory.
    if len(data) > NOTICE_BYTES_MAX:
        raise InvalidEncoding("SIZE", f"notice: more than {NOTICE_BYTES_MAX} bytes")
    try:
        # N4.2.
        envelope = decode_json(data, _EnvelopeText, NOTICE_BYTES_MAX)
        (signature,) = envelope.signatures
        signed = _Signed(
            base64.b64decode(envelope.payload, validate=True),
            signature.keyid,
            base64.b64decode(signature.sig, validate=True),
        )
        same = _envelope(signed) == data
    except ValueError:
        raise InvalidEncoding("NOTICE", "notice: is no envelope of one signature") from None
    # N4.3: one notice in two forms would be taken for two.
    if not same:
        raise InvalidEncoding("NOTICE", "notice: its envelope is not in its one form")
    return signed


class _SignatureText(_Part, frozen=True):
    keyid: str
    sig: str


class _EnvelopeText(_Part, frozen=True):
    payload: str
    payloadType: str
    signatures: list[_SignatureText]
