"""The words and numbers of the protocol as types, so that the compiler tells them apart.

An entry's index and a time are both integers, and a call that swaps them reads well; so each has a
name of its own here (``NewType``, free at run time). Words from fixed sets are enumerations: they
are strings in files and on the wire, and a misspelt one is an error before the program runs.

    >>> Role.LAB == "lab", str(Role("auditor"))
    (True, 'auditor')
"""

from enum import StrEnum, unique
from typing import NewType

#: Place of an entry in the log, from 0.
EntryIndex = NewType("EntryIndex", int)
#: Number of a round, from 1.
RoundNumber = NewType("RoundNumber", int)
#: Milliseconds since the epoch, UTC.
TimeMs = NewType("TimeMs", int)
#: RFC 6962 hash of a leaf, 32 bytes.
LeafHash = NewType("LeafHash", bytes)
#: SHA-256 of a round's aggregates, 32 bytes (docs/spec/fold.md, F8).
AggregateDigest = NewType("AggregateDigest", bytes)
#: SHA-256 of an envelope, 32 bytes.
EnvelopeHash = NewType("EnvelopeHash", bytes)
#: Id of a party on the roster.
PartyId = NewType("PartyId", str)


@unique
class Role(StrEnum):
    """What a party is. Operators and observers are not on the roster: they only read."""

    COORDINATOR = "coordinator"
    AUDITOR = "auditor"
    LAB = "lab"
    MEMBER = "member"
    OPERATOR = "operator"
    OBSERVER = "observer"


#: Roles that are not on the roster.
READERS = (Role.OPERATOR, Role.OBSERVER)


@unique
class RoundPhase(StrEnum):
    """How far a round is (docs/spec/fold.md)."""

    COLLECTING = "collecting"
    CLOSED = "closed"
    ENDORSED = "endorsed"
    OPENED = "opened"
    REFUSED = "refused"


@unique
class PausePhase(StrEnum):
    """The phases of the pause (docs/spec/pause.md)."""

    RUNNING = "running"
    TRIGGERED = "triggered"
    PAUSED = "paused"
    LIFTING = "lifting"


@unique
class Cause(StrEnum):
    """Why the pause changed (docs/spec/pause.md)."""

    RULE = "rule"
    ACKNOWLEDGED = "acknowledged"
    DEADLINE = "deadline"
    CALM = "calm"
    RELAPSE = "relapse"
    CALM_BROKEN = "calm-broken"
    LIFTED = "lifted"
    MOTION = "motion"


@unique
class MotionKind(StrEnum):
    """What a motion asks for (docs/spec/governance.md)."""

    DISPUTE = "dispute"
    RULING = "ruling"
    APPEAL = "appeal"
    LIFT = "lift"
    EXCLUSION = "exclusion"
    AMENDMENT = "amendment"
    WITHDRAWAL = "withdrawal"


@unique
class MotionStatus(StrEnum):
    """What became of a motion."""

    OPEN = "open"
    CARRIED = "carried"
    LOST = "lost"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


@unique
class DisputeStatus(StrEnum):
    """What became of a dispute."""

    FILED = "filed"
    UPHELD = "upheld"
    DISMISSED = "dismissed"
    APPEALED = "appealed"
    FINAL = "final"


@unique
class Choice(StrEnum):
    """A member's vote on a motion."""

    FOR = "for"
    AGAINST = "against"
    RECUSED = "recused"
