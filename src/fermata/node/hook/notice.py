"""Notices: signed messages with which a node informs a lab's own systems of the pause.

Normative text: docs/spec/notice.md. A notice is JSON in its one canonical form (RFC 8785), in a
DSSE v1 envelope (its JSON form), so that a scheduler can read it with any JSON parser, and anyone
can check it.
"""

import base64
import json
import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from fermata.crypto.signing import SigningKey, pae, verify_signature
from fermata.errors import InvalidEncoding, InvalidSignature
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import State
from fermata.protocol.verify.witnessed_head import (
    HeadWitness,
    WitnessedHead,
    check_witnessed_head,
)
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.strict_json import decode_json
from fermata.summary.records.pause import ChangeRecord, PauseBrief, change_record, pause_brief

NOTICE_TYPE = "application/vnd.fermata.pause.v1+json"
NOTICE_BYTES_MAX = 1024 * 1024
FORMAT = 1
_KEY_DOMAIN = b"fermata/v1/notice"
#: RFC 8785 numbers are IEEE doubles, which are exact up to this one.
INT_MAX = 2**53 - 1
_HASH = re.compile("[0-9a-f]{64}")

N = TypeVar("N", bound="Formatted")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of a notice's parts: every key must be present, and no other may be."""


class WitnessNotice(Part, frozen=True):
    """An auditor's cosignature; ``root`` and ``proof`` in hex. See ``HeadWitness``."""

    auditor: str
    size: int
    root: str
    line: str
    proof: tuple[str, ...]


class LogNotice(Part, frozen=True):
    """The log behind the notice: its witnessed entries, ``time_ms`` being the log's time then.

    ``root`` and ``proof`` in hex. See ``WitnessedHead``.
    """

    size: int
    time_ms: int
    root: str
    checkpoint: str
    proof: tuple[str, ...]
    witnesses: tuple[WitnessNotice, ...]


class Formatted(Part, frozen=True):
    """A whole notice, which says in which format it is."""

    format: int


class Notice(Formatted, frozen=True):
    """One change of the pause, reported by ``node``, a party of the charter. Times: ms since 1970.

    ``charter_sha256`` is entry 0's charter hash, in hex, which names the log.
    """

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


def notice_of(state: State, index: int, head: WitnessedHead, node: str) -> Notice:
    """The notice of the pause's change number ``index``, counted from 0.

    ``head`` is of the entries of ``state``, which are witnessed. Raises ValueError for an index
    that the state does not have, and for a head of another size.
    """
    charter, pinned = state.charter, state.charter_sha256
    if charter is None or pinned is None or not 0 <= index < len(state.pause.changes):
        raise ValueError(f"index must be that of a change of the pause, got {index}")
    if head.size != state.size:
        raise ValueError(f"head must be of the state's {state.size} entries, got {head.size}")
    return Notice(
        format=FORMAT,
        deployment=charter.deployment,
        charter_sha256=pinned.hex(),
        node=node,
        idempotency_key=idempotency_key(pinned, index),
        change=change_record(state, index),
        pause=pause_brief(state),
        log=log_notice(head, state.time_ms),
    )


def log_notice(head: WitnessedHead, time_ms: int) -> LogNotice:
    """A head as a notice has it; ``time_ms`` is the log's time after its entries."""
    witnesses = [
        WitnessNotice(w.auditor, w.size, w.root.hex(), w.line.decode(), _hex(w.proof))
        for w in head.witnesses
    ]
    note, proof = head.checkpoint.decode(), _hex(head.proof)
    return LogNotice(head.size, time_ms, head.root.hex(), note, proof, tuple(witnesses))


def _hex(hashes: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(h.hex() for h in hashes)


def head_of_notice(log: LogNotice) -> WitnessedHead:
    """The head that a notice names. Raises InvalidEncoding NOTICE for what no head has."""
    every = [log.root, *log.proof, *(h for w in log.witnesses for h in (w.root, *w.proof))]
    # N4.11: one hash in two spellings; a size that no log has.
    if not all(_HASH.fullmatch(text) for text in every) or any(
        size < 1 for size in (log.size, *(w.size for w in log.witnesses))
    ):
        raise InvalidEncoding(
            "NOTICE", "notice: hashes must have 64 lower-case hex digits, and sizes be at least 1"
        )
    witnesses = tuple(
        HeadWitness(w.auditor, w.size, bytes.fromhex(w.root), w.line.encode(), _bytes(w.proof))
        for w in log.witnesses
    )
    root, note = bytes.fromhex(log.root), log.checkpoint.encode()
    return WitnessedHead(log.size, root, note, _bytes(log.proof), witnesses)


def _bytes(hashes: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(text) for text in hashes)


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
    return seal_payload(NOTICE_TYPE, msgspec.to_builtins(notice), notice.node, signing_key)


def open_notice(data: bytes, charter: Charter, pinned: bytes | None = None) -> Notice:
    """The notice in an envelope, after every check that needs only the charter.

    ``charter`` is the one in force; ``pinned`` is the hash of entry 0's charter if an amendment has
    replaced it. The checks (N4): a party of the roster signed it, the idempotency key is right, and
    a quorum of auditors has witnessed the entries that it is of. Whether the pause follows from
    these takes a replica or ``fermata verify``. Raises InvalidEncoding SIZE or NOTICE,
    InvalidSignature NOT_ON_ROSTER, SIGNATURE or CHARTER_HASH, and as ``check_witnessed_head`` does.
    """
    payload, party = open_payload(data, NOTICE_TYPE, charter)  # N4.1 to N4.5.
    notice = parse_payload(payload, Notice)  # N4.6, N4.7.
    pinned = pinned or charter.sha256
    # N4.8: a notice of another deployment's pause.
    if notice.charter_sha256 != pinned.hex() or notice.deployment != charter.deployment:
        raise InvalidSignature("CHARTER_HASH", "notice: must be of this charter")
    # N4.9: no node speaks for another.
    if notice.node != party:
        raise InvalidSignature("SIGNATURE", "notice: must be signed by the party that it names")
    # N4.10: under the key of another change, a receiver would drop this one as seen.
    if notice.change.index < 0 or notice.idempotency_key != idempotency_key(
        pinned, notice.change.index
    ):
        raise InvalidEncoding("NOTICE", "notice: idempotency key must be that of its change")
    head = head_of_notice(notice.log)  # N4.11.
    check_witnessed_head(charter, head)  # N4.12 to N4.18.
    return notice


def seal_payload(kind: str, document: object, node: str, signing_key: SigningKey) -> bytes:
    """A document, as ``canonical_json`` takes it, in an envelope that the key of ``node`` signs.

    ``kind``: the payload's type, which the signature covers.
    """
    payload = canonical_json(document)
    return _envelope(kind, payload, node, signing_key.sign(pae(kind, payload)))


def open_payload(data: bytes, kind: str, charter: Charter) -> tuple[bytes, str]:
    """The payload of an envelope of this kind, and the party of the charter that signed it.

    Raises InvalidEncoding SIZE or NOTICE, InvalidSignature NOT_ON_ROSTER or SIGNATURE.
    """
    payload, key_id, signature = _parse_envelope(data, kind)  # N4.1 to N4.3.
    party = charter.parties.get(key_id)
    # N4.4: a stranger must not announce a pause.
    if party is None:
        raise InvalidSignature("NOT_ON_ROSTER", "notice: signer must be on the roster")
    # N4.5: forgery.
    verify_signature(party.signing_key, signature, pae(kind, payload))
    return payload, party.id


def parse_payload(payload: bytes, shape: type[N]) -> N:
    """Strict: refuses whatever would not be encoded again as the same bytes.

    Raises InvalidEncoding NOTICE.
    """
    try:
        # N4.6.
        notice = decode_json(payload, shape, NOTICE_BYTES_MAX)
        same = canonical_json(msgspec.to_builtins(notice)) == payload
    except ValueError:
        raise InvalidEncoding("NOTICE", "notice: payload cannot be read") from None
    # N4.7: as N4.3.
    if not same or notice.format != FORMAT:
        raise InvalidEncoding("NOTICE", "notice: payload must be in canonical form")
    return notice


def _envelope(kind: str, payload: bytes, key_id: str, signature: bytes) -> bytes:
    signed = _SignatureText(key_id, base64.b64encode(signature).decode())
    envelope = _EnvelopeText(base64.b64encode(payload).decode(), kind, [signed])
    return canonical_json(msgspec.to_builtins(envelope))


def _parse_envelope(data: bytes, kind: str) -> tuple[bytes, str, bytes]:
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
        same = _envelope(kind, payload, signed.keyid, signature) == data
    except ValueError:
        raise InvalidEncoding("NOTICE", "notice: must be an envelope with one signature") from None
    # N4.3: one notice in two forms would count as two.
    if not same:
        raise InvalidEncoding("NOTICE", "notice: envelope must be in canonical form")
    return payload, signed.keyid, signature


class _SignatureText(Part, frozen=True):
    keyid: str
    sig: str


class _EnvelopeText(Part, frozen=True):
    payload: str
    payloadType: str
    signatures: list[_SignatureText]
