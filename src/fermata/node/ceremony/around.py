"""Who takes part in a ceremony, and what a participant needs of its node."""

from collections.abc import Callable
from dataclasses import dataclass

from fermata.crypto.signing import SigningKey
from fermata.node.ceremony.items import Relay
from fermata.node.ceremony.state_file import StateFile
from fermata.protocol.ceremony.basis import Bases
from fermata.protocol.ceremony.plan import Kinds, Plan
from fermata.protocol.wire.ports import ClockMs, Entropy

GRACE_MS = 20_000


@dataclass(frozen=True, slots=True)
class Me:
    """Who takes part: an auditor, with its signing key and its program's version.

    ``bases``: where it knows from what a ceremony goes on from. ``dealers``: whom it asks to deal
    if a reshare begins with it; none for a choice. ``again``: whether a ceremony that is done is to
    be held again (CE12).
    """

    party: str
    key: SigningKey
    bases: Bases
    version: str
    dealers: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True)
class Around:
    """What a participant needs of its node.

    ``keep_result`` gets the plan, the public result and the secret one, and returns when the secret
    is where it belongs; it may be called again with the same. ``say`` gets lines for people;
    ``sleep`` waits that many seconds. ``grace_ms``: how long to wait for the others' ends after one
    that is not DONE.
    """

    relay: Relay
    state: StateFile
    kinds: Kinds
    clock: ClockMs
    entropy: Entropy
    sleep: Callable[[float], None]
    say: Callable[[str], None]
    keep_result: Callable[[Plan, bytes, bytes], None]
    grace_ms: int = GRACE_MS
