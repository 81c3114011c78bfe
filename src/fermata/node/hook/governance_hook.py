"""The governance hook: tells the node's owner of each witnessed step of a motion, at least once.

Normative text: N10 and N11 of docs/spec/notice.md. It is apart from the hook of the pause: a
program that fails here, or that does not know these notices, must not keep a pause from anybody.
"""

import threading

import msgspec

from fermata.crypto.signing import SigningKey
from fermata.node.config import NodeConfig
from fermata.node.hook.delivery import Deliver, Delivery, Due, make_deliver
from fermata.node.hook.governance_notice import (
    governance_key,
    governance_notice,
    seal_governance,
)
from fermata.node.hook.hooks import witnessed_now
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import State
from fermata.protocol.verify.witnessed_head import WitnessedHead
from fermata.protocol.wire.ports import Entropy
from fermata.protocol.wire.strict_json import decode_json
from fermata.summary.records.governance_events import (
    EventKey,
    GovernanceEvent,
    Step,
    governance_events,
)

#: The name in the store of the steps that were taken, as JSON: pairs of step and motion.
TAKEN, NOTICE = "governance-hook/taken", "governance-hook/notice/"
TAKEN_BYTES_MAX = 1 << 24


class GovernanceHook:
    """Delivers the steps of motions in a thread of its own, until ``stop``.

    ``me`` is the party of this node. Without ``deliver`` there is no hook, and nothing is kept.
    """

    def __init__(
        self,
        me: str,
        replica: Replica,
        signing_key: SigningKey,
        deliver: Deliver | None,
        telemetry: Telemetry,
        entropy: Entropy,
        stopping: threading.Event,
    ) -> None:
        self._me = me
        self._replica = replica
        self._signing_key = signing_key
        kept = replica.store.value(TAKEN)
        pairs = decode_json(kept, list[tuple[Step, int]], TAKEN_BYTES_MAX) if kept else []
        self._taken: set[EventKey] = set(pairs)
        #: The steps of the log that the thread has been given; only the loop's thread uses it.
        self._passed = set(self._taken)
        self._seen: tuple[State, WitnessedHead] | None = None
        self._delivery = None
        if deliver is not None:
            count = telemetry.count_governance_notice
            self._delivery = Delivery(
                "governance_hook",
                deliver,
                self.next_due,
                count,
                telemetry,
                entropy,
                stopping=stopping,
            )

    def start(self) -> None:
        """Starts the thread, with what the last run left over."""
        if self._delivery is not None:
            self.look()
            self._delivery.start()

    def stop(self) -> None:
        """Ends the thread, and a command that is running; may be called twice."""
        if self._delivery is not None:
            self._delivery.stop()

    def look(self) -> None:
        """After each step, in the loop's thread: passes new steps of motions to the hook's."""
        if self._delivery is None or not governance_events(self._replica.trusted(), self._passed):
            return
        seen = witnessed_now(self._replica)
        if seen is None:
            return
        self._passed |= {event.key for event in governance_events(seen[0], self._passed)}
        self._seen = seen
        self._delivery.wake()

    def next_due(self) -> Due | None:
        """The first step that was not taken yet, in the order of the log's entries."""
        if self._seen is None:
            return None
        state, head = self._seen
        events = governance_events(state, self._taken)
        if not events:
            return None
        event = events[0]
        key = governance_key(state.charter_sha256 or b"", *event.key)

        def taken() -> None:
            pairs = sorted({*self._taken, event.key})
            self._replica.store.put_value(TAKEN, msgspec.json.encode(pairs))
            self._taken.add(event.key)

        return Due(self._notice(state, head, event, key), key, event.motion, event.step, taken)

    def _notice(self, state: State, head: WitnessedHead, event: GovernanceEvent, key: str) -> bytes:
        """The bytes of a step's notice, made once, so that a repetition has the same bytes."""
        store = self._replica.store
        kept = store.value(NOTICE + key)
        if kept is None:
            notice = governance_notice(state, event, head, self._me)
            kept = seal_governance(notice, self._signing_key)
            store.put_value(NOTICE + key, kept)
        return kept


def make_governance_hook(
    config: NodeConfig,
    replica: Replica,
    signing_key: SigningKey,
    telemetry: Telemetry,
    entropy: Entropy,
) -> GovernanceHook:
    """The governance hook that a configuration names, not yet started. Raises ConfigError
    CA_FILE."""
    stopping = threading.Event()
    deliver = make_deliver(config, config.text.governance_hook, stopping)
    me = config.text.party
    return GovernanceHook(me, replica, signing_key, deliver, telemetry, entropy, stopping)
