"""Notices of governance: signed messages that tell the node's owner of each step of a motion.

Normative text: N10 of docs/spec/notice.md. The envelope is that of a notice of the pause, under a
type of its own, and the log behind it is shown in the same way.
"""

import msgspec

from fermata.crypto.signing import SigningKey
from fermata.errors import InvalidEncoding, InvalidSignature
from fermata.node.hook.notice import (
    FORMAT,
    Formatted,
    LogNotice,
    Part,
    head_of_notice,
    log_notice,
    open_payload,
    parse_payload,
    seal_payload,
)
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.state import State
from fermata.protocol.verify.witnessed_head import WitnessedHead, check_witnessed_head
from fermata.protocol.wire.codec import sha256
from fermata.summary.records.governance_events import GovernanceEvent, Step
from fermata.types import MotionKind

GOVERNANCE_TYPE = "application/vnd.fermata.governance.v1+json"
_KEY_DOMAIN = b"fermata/v1/governance-notice"


class ChangeBrief(Part, frozen=True):
    """What an amendment changes; see ``AmendmentChange``."""

    text: str
    labs: tuple[str, ...]
    is_free: bool


class EventBrief(Part, frozen=True):
    """The step of which a notice is; see ``GovernanceEvent``.

    ``concerns_node``: whether the motion is about the node's own party, or asks it by itself.
    """

    step: Step
    entry: int
    time_ms: int
    motion: int
    kind: MotionKind
    author: str
    status: str
    what: str
    reason: str
    lab: str
    asked_labs: tuple[str, ...]
    from_round: int
    charter_sha256: str
    changes: tuple[ChangeBrief, ...]
    concerns_node: bool


class GovernanceNotice(Formatted, frozen=True):
    """One step of a motion, reported by ``node``, a party of the charter.

    ``charter_sha256`` is entry 0's charter hash, in hex, which names the log.
    """

    deployment: str
    charter_sha256: str
    node: str
    idempotency_key: str
    event: EventBrief
    log: LogNotice


def governance_key(charter_sha256: bytes, step: Step, motion: int) -> str:
    """64 hex digits, the same for the same step of the same motion of the same log.

    ``charter_sha256`` is entry 0's, which no amendment changes; ``motion`` is the motion's entry.
    """
    return sha256(_KEY_DOMAIN + charter_sha256 + motion.to_bytes(8, "big") + step.encode()).hex()


def governance_notice(
    state: State, event: GovernanceEvent, head: WitnessedHead, node: str
) -> GovernanceNotice:
    """The notice of one step. ``head`` is of the entries of ``state``, which are witnessed.

    Raises ValueError for a state without a charter, and for a head of another size.
    """
    charter, pinned = state.charter, state.charter_sha256
    if charter is None or pinned is None or head.size != state.size:
        raise ValueError(f"head must be of the state's {state.size} entries, got {head.size}")
    brief = EventBrief(
        step=event.step,
        entry=event.entry,
        time_ms=event.time_ms,
        motion=event.motion,
        kind=event.kind,
        author=event.author,
        status=event.status,
        what=event.what,
        reason=event.reason,
        lab=event.lab,
        asked_labs=event.asked_labs,
        from_round=event.from_round,
        charter_sha256=event.charter_sha256,
        changes=tuple(ChangeBrief(c.text, c.labs, c.is_free) for c in event.changes),
        concerns_node=event.concerns(node),
    )
    return GovernanceNotice(
        format=FORMAT,
        deployment=charter.deployment,
        charter_sha256=pinned.hex(),
        node=node,
        idempotency_key=governance_key(pinned, event.step, event.motion),
        event=brief,
        log=log_notice(head, state.time_ms),
    )


def seal_governance(notice: GovernanceNotice, signing_key: SigningKey) -> bytes:
    """The notice in its envelope, signed by the key of the notice's node."""
    return seal_payload(GOVERNANCE_TYPE, msgspec.to_builtins(notice), notice.node, signing_key)


def open_governance(data: bytes, charter: Charter, pinned: bytes | None = None) -> GovernanceNotice:
    """The notice in an envelope, after every check that needs only the charter.

    ``charter`` is the one in force; ``pinned`` is the hash of entry 0's charter if an amendment has
    replaced it. Raises InvalidEncoding SIZE or NOTICE, InvalidSignature NOT_ON_ROSTER, SIGNATURE or
    CHARTER_HASH, and as ``check_witnessed_head`` does.
    """
    payload, party = open_payload(data, GOVERNANCE_TYPE, charter)  # N4.1 to N4.5.
    notice = parse_payload(payload, GovernanceNotice)  # N4.6, N4.7.
    pinned, event = pinned or charter.sha256, notice.event
    # N10.1: a notice of another deployment's committee.
    if notice.charter_sha256 != pinned.hex() or notice.deployment != charter.deployment:
        raise InvalidSignature("CHARTER_HASH", "notice: must be of this charter")
    # N10.2: no node speaks for another.
    if notice.node != party:
        raise InvalidSignature("SIGNATURE", "notice: must be signed by the party that it names")
    # N10.3: under the key of another step, a receiver would drop this one as seen.
    if event.motion < 0 or notice.idempotency_key != governance_key(
        pinned, event.step, event.motion
    ):
        raise InvalidEncoding("NOTICE", "notice: idempotency key must be that of its step")
    head = head_of_notice(notice.log)  # N4.11.
    check_witnessed_head(charter, head)  # N4.12 to N4.18.
    return notice
