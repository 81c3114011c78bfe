"""What the state keeps of each node's last heartbeat (docs/spec/fold.md, F10)."""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.protocol.charter.parse import Charter
from fermata.protocol.reprs import short_repr
from fermata.types import EntryIndex, EnvelopeHash, RoundNumber, TimeMs


@dataclass(frozen=True, slots=True)
class Plea:
    """A lab's answer to a round that an auditor has and the log lacks, by its envelope's hash."""

    round_number: RoundNumber
    lab: str
    envelope_sha256: EnvelopeHash


@short_repr()
@dataclass(frozen=True, slots=True)
class HeartbeatSeen:
    """The last heartbeat of a node. ``logged_ms`` is the log's time after it, ``time_ms`` its own;
    ``seen`` is the newest entry that the node had folded. A lab's names, as ``named``, the newest
    charter that its owner has agreed to, empty if it names none; ``accepted`` is the newest of all
    that its heartbeats have named. Both are hashes."""

    entry: EntryIndex
    count: int
    seen: EntryIndex
    logged_ms: TimeMs
    time_ms: TimeMs
    version: str
    certificate_expires_ms: int
    backlog: int
    pleas: tuple[Plea, ...] = ()
    named: bytes = b""
    accepted: bytes = b""


def settled_size(charter: Charter, heartbeats: Mapping[str, HeartbeatSeen]) -> int:
    """SU2: so many entries a quorum of auditors has said, in the log, that it knew to be witnessed.

    ``heartbeats``: the newest of each node. 0 if fewer auditors than a quorum have spoken.
    """
    sizes = (heartbeats[a].seen + 1 for a in charter.auditors if a in heartbeats)
    falling, quorum = sorted(sizes, reverse=True), charter.endorsement_quorum
    return falling[quorum - 1] if len(falling) >= quorum else 0


def is_settled(charter: Charter, heartbeats: Mapping[str, HeartbeatSeen], entry: int) -> bool:
    """SU2: whether no Handover takes an entry back any more; without successors none ever does.

    ``heartbeats``: the newest of each node.
    """
    return charter.succession is None or entry < settled_size(charter, heartbeats)
