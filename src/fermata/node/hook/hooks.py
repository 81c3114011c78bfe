"""The hook: sends the node's own systems every witnessed change of the pause, at least once.

Normative text: docs/spec/notice.md, and docs/spec/silence.md for the notices of silence, which go
out in one order with them. The store keeps how many of each kind were taken. It is written after
the hook has taken one and before the next is sent, so a crash repeats at most that one.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fermata.crypto.signing import SigningKey
from fermata.node.config import NodeConfig
from fermata.node.hook.delivery import Deliver, Delivery, Due, make_deliver
from fermata.node.hook.notice import idempotency_key, notice_of, seal_notice
from fermata.node.hook.silence_book import SilenceBook
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.heartbeats import is_settled
from fermata.protocol.state.pause import Change
from fermata.protocol.state.state import State
from fermata.protocol.verify.witnessed_head import WitnessedHead, witnessed_head
from fermata.protocol.wire.ports import Entropy
from fermata.types import PausePhase

#: The names in the store of the numbers of changes that were taken, in decimal: of the pause, and
#: of this node's own silence.
TAKEN, SILENCES_TAKEN = "hook/taken", "hook/silences-taken"


@dataclass(eq=False)
class Hook:
    """Delivers the changes of a replica's pause in its own thread, until ``stop``.

    ``taken`` is called after each change that was taken. A hook that fails is tried again for ever,
    and the node goes on meanwhile. Without ``deliver`` the node has no hook: every change counts as
    taken, and nothing is kept.
    """

    me: str
    replica: Replica
    signing_key: SigningKey
    deliver: Deliver | None
    telemetry: Telemetry
    entropy: Entropy
    taken: Callable[[], None] = lambda: None
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._seen: tuple[State, WitnessedHead] | None = None
        self._delivery = _delivery_of(self)
        store = self.replica.store
        self._count = int(store.value(TAKEN) or b"0")
        self.silences = SilenceBook(store)
        self._silences_taken = int(store.value(SILENCES_TAKEN) or b"0")
        self._silences_known = 0

    def start(self) -> None:
        """Starts the thread, with what the last run left over."""
        if self._delivery is None:
            return
        self.look()
        self._delivery.start()

    def stop(self) -> None:
        """Ends the thread, and a command that is running; may be called twice."""
        self.stopping.set()
        if self._delivery is not None:
            self._delivery.stop()

    def look(self) -> None:
        """After each step, in the loop's thread: passes new changes to the hook's thread.

        A change goes out only once its entry is witnessed: of a log that nobody else has seen the
        node announces nothing.
        """
        self._look_at_pause()
        # After the pause's: of what was known at a silence, the pause's changes go first.
        if self._delivery is not None and self.silences.known.count > self._silences_known:
            self._silences_known = self.silences.known.count
            self._delivery.wake()

    def _look_at_pause(self) -> None:
        replica = self.replica
        passed = len(self._seen[0].pause.changes) if self._seen else 0
        known = max(self._count, passed)
        if self._delivery is None:
            return
        if self._seen is not None and self._count < passed and replica.charter.succession:
            # What waited until it was settled is due perhaps.
            self._delivery.wake()
        if len(replica.state.pause.changes) <= known:
            return
        seen = witnessed_now(replica)
        if seen is None or len(seen[0].pause.changes) <= known:
            return
        self._seen = seen
        self._delivery.wake()

    def has_taken(self, change_entry: int) -> bool:
        """Whether the hook has taken every change up to this entry of the log."""
        if self.deliver is None:
            return True
        changes = self.replica.state.pause.changes
        return all(c.entry != change_entry for c in changes[self._count :])

    def next_due(self) -> Due | None:
        """The next change: those of the pause and of silence in the order in which they came."""
        # In this order: the loop passes a silence on after the changes that were known then.
        silences, seen = self._silences_known, self._seen
        change = None
        if seen is not None and self._count < len(seen[0].pause.changes):
            change = seen[0].pause.changes[self._count]
        if self._silences_taken < silences:
            own = self.silences.change(self._silences_taken)
            # SI5.5: an older change must not be the last word after a hold.
            if change is None or change.entry >= own.size:
                return Due(own.notice, own.key, own.size, own.why, self._silence_taken)
        if seen is None or change is None or self._waits(change):
            return None
        is_last = self._count + 1 == len(seen[0].pause.changes)
        if is_last and not self._may_go_on(change):
            return None
        state, head = seen
        data = self._notice(state, head, self._count)
        key = idempotency_key(state.charter_sha256 or b"", self._count)
        return Due(data, key, change.entry, change.after, self._change_taken)

    def _may_go_on(self, change: Change) -> bool:
        """SU2.1: of leave to go on that a Handover could take back, nobody hears yet.

        A hold that came later makes it no leave any more, so that both are told then.
        """
        replica = self.replica
        if change.after != PausePhase.RUNNING:
            return True
        return is_settled(replica.charter, replica.state.heartbeats, change.entry)

    def _waits(self, change: Change) -> bool:
        """Whether the lab holds in silence since before this change.

        SI5.5: a log that hands out old entries must not end a hold with one that says to go on.
        """
        known = self.silences.known
        return known.is_holding and change.entry >= known.last_size

    def _change_taken(self) -> None:
        self.replica.store.put_value(TAKEN, str(self._count + 1).encode())
        self._count += 1

    def _silence_taken(self) -> None:
        self.replica.store.put_value(SILENCES_TAKEN, str(self._silences_taken + 1).encode())
        self._silences_taken += 1

    def _notice(self, state: State, head: WitnessedHead, index: int) -> bytes:
        """The bytes of a change's notice, made once, so that a repetition has the same bytes."""
        name = f"hook/notice/{index}"
        kept = self.replica.store.value(name)
        if kept is None:
            kept = seal_notice(notice_of(state, index, head, self.me), self.signing_key)
            self.replica.store.put_value(name, kept)
        return kept


def _delivery_of(hook: Hook) -> Delivery | None:
    """What delivers a hook's notices; None without one."""
    if hook.deliver is None:
        return None
    return Delivery(
        "hook",
        hook.deliver,
        hook.next_due,
        hook.telemetry.count_notice,
        hook.telemetry,
        hook.entropy,
        # Looked up at each call, as a caller may set it later.
        lambda: hook.taken(),
        hook.stopping,
    )


def witnessed_now(replica: Replica) -> tuple[State, WitnessedHead] | None:
    """The witnessed state with all that shows its head to others; None if there is none yet.

    Whatever the replica reads later, both are of one moment.
    """
    state, note = replica.trusted(), replica.store.checkpoint()
    if note is None or not replica.witnessed.size:
        return None
    tree = replica.tree
    # The coordinator's store has a head before its tree has the entry; a later step sees both.
    if replica.open_checkpoint(note).size > tree.size:
        return None
    return state, witnessed_head(
        replica.charter, tree, state.size, note, replica.witnesses, replica.state.handovers
    )


def make_hook(
    config: NodeConfig,
    replica: Replica,
    signing_key: SigningKey,
    telemetry: Telemetry,
    entropy: Entropy,
    taken: Callable[[], None],
) -> Hook:
    """The hook that a node's configuration names, not yet started. Raises ConfigError CA_FILE."""
    stopping = threading.Event()
    deliver = make_deliver(config, config.text.hook, stopping)
    me = config.text.party
    return Hook(me, replica, signing_key, deliver, telemetry, entropy, taken, stopping)
