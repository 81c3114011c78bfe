"""Notices of silence: with these a lab's node tells the lab's own systems to hold while the log is
silent, and that it speaks again.

Normative text: SI5 of docs/spec/silence.md. Such a notice is the word of its node alone: nothing
in the log says that the log is silent. Its envelope is that of a notice of the pause, under a type
of its own, so that neither can be taken for the other.
"""

import msgspec

from fermata.crypto.signing import SigningKey
from fermata.errors import InvalidEncoding, InvalidSignature
from fermata.node.hook.notice import (
    FORMAT,
    Formatted,
    Part,
    open_payload,
    parse_payload,
    seal_payload,
)
from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.silence import CUT_OFF, NONE, OVER, SILENCE, UNREACHABLE, UNUSABLE
from fermata.protocol.wire.codec import sha256
from fermata.summary.records.pause import PauseBrief

SILENCE_TYPE = "application/vnd.fermata.silence.v1+json"
_KEY_DOMAIN = b"fermata/v1/silence-notice"


class Answer(Part, frozen=True):
    """What came of asking an auditor: ``none``, ``unreachable`` or ``unusable``."""

    auditor: str
    answer: str


class SilenceBrief(Part, frozen=True):
    """The change of which a notice is. ``index`` counts this node's changes from 0.

    ``why`` is ``silence``, ``cut-off`` or ``over``. ``seen_ms`` is when the node last saw more of
    the log witnessed, ``time_ms`` when it decided; both ms since 1970 by its own clock.
    """

    index: int
    why: str
    is_holding: bool
    seen_ms: int
    time_ms: int
    answers: tuple[Answer, ...]


class KnownLog(Part, frozen=True):
    """The entries that the node knows to be witnessed, ``time_ms`` being the log's time then.

    ``root`` is the root of their tree, in hex.
    """

    size: int
    root: str
    time_ms: int


class SilenceNotice(Formatted, frozen=True):
    """One change of a node's own hold; ``pause`` is the log's, as far as the node knows it.

    ``charter_sha256`` is entry 0's charter hash, in hex, which names the log.
    """

    deployment: str
    charter_sha256: str
    node: str
    idempotency_key: str
    silence: SilenceBrief
    pause: PauseBrief
    log: KnownLog


def silence_key(charter_sha256: bytes, node: str, index: int) -> str:
    """The idempotency key of a node's change of silence: 64 hex digits.

    ``charter_sha256`` is entry 0's, which no amendment changes; ``index`` counts from 0.
    """
    return sha256(_KEY_DOMAIN + charter_sha256 + node.encode() + index.to_bytes(8, "big")).hex()


def silence_notice(
    charter: Charter,
    pinned: bytes,
    node: str,
    silence: SilenceBrief,
    pause: PauseBrief,
    log: KnownLog,
) -> SilenceNotice:
    """The notice of one change; ``pinned`` is the hash of entry 0's charter."""
    key = silence_key(pinned, node, silence.index)
    return SilenceNotice(FORMAT, charter.deployment, pinned.hex(), node, key, silence, pause, log)


def seal_silence(notice: SilenceNotice, signing_key: SigningKey) -> bytes:
    """The notice in its envelope, signed by the key of the notice's node."""
    return seal_payload(SILENCE_TYPE, msgspec.to_builtins(notice), notice.node, signing_key)


def open_silence(data: bytes, charter: Charter, pinned: bytes | None = None) -> SilenceNotice:
    """The notice in an envelope, after every check that can be made of the word of one node.

    ``charter`` is the one in force; ``pinned`` is the hash of entry 0's charter if an amendment has
    replaced it. Raises InvalidEncoding SIZE or NOTICE, InvalidSignature NOT_ON_ROSTER, SIGNATURE or
    CHARTER_HASH.
    """
    payload, party = open_payload(data, SILENCE_TYPE, charter)
    notice = parse_payload(payload, SilenceNotice)
    pinned = pinned or charter.sha256
    # SI5.1: a notice of another deployment's log.
    if notice.charter_sha256 != pinned.hex() or notice.deployment != charter.deployment:
        raise InvalidSignature("CHARTER_HASH", "notice: must be of this charter")
    # SI5.2: no node speaks for another.
    if notice.node != party:
        raise InvalidSignature("SIGNATURE", "notice: must be signed by the party that it names")
    silence = notice.silence
    # SI5.3: under the key of another change, a receiver would drop this one as seen.
    if silence.index < 0 or notice.idempotency_key != silence_key(pinned, party, silence.index):
        raise InvalidEncoding("NOTICE", "notice: idempotency key must be that of its change")
    answers = {answer.answer for answer in silence.answers}
    # SI5.4: a hold that a reader of one field takes for leave to go on.
    if (
        silence.why not in (SILENCE, CUT_OFF, OVER)
        or silence.is_holding != (silence.why != OVER)
        or not answers <= {NONE, UNREACHABLE, UNUSABLE}
    ):
        raise InvalidEncoding("NOTICE", "notice: must say why, and to hold unless silence is over")
    return notice
