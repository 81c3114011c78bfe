"""The hook: sends the node's own systems every witnessed change of the pause, at least once.

Normative text: docs/spec/notice.md, and docs/spec/silence.md for the notices of silence, which go
out in one order with them. The store keeps how many of each kind were taken. It is written after
the hook has taken one and before the next is sent, so a crash repeats at most that one.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fermata.crypto.signing import SigningKey
from fermata.errors import FermataError, StorageError
from fermata.node.config import NodeConfig
from fermata.node.hook.calls import CommandCall, WebCall
from fermata.node.hook.notice import idempotency_key, notice_of, seal_notice
from fermata.node.hook.silence_book import SilenceBook
from fermata.node.observe.telemetry import Telemetry
from fermata.node.run.loop import BACKOFF_S
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.pause import Change
from fermata.protocol.state.state import State
from fermata.protocol.verify.witnessed_head import WitnessedHead, witnessed_head
from fermata.protocol.wire.ports import Entropy

#: The names in the store of the numbers of changes that were taken, in decimal: of the pause, and
#: of this node's own silence.
TAKEN, SILENCES_TAKEN = "hook/taken", "hook/silences-taken"
#: How long a stopping node waits for a hook; what is not taken by then is sent again later.
STOP_S = 2.0

#: Hands over a notice and its idempotency key; raises TransportError if it was not taken.
Deliver = Callable[[bytes, str], None]


@dataclass(frozen=True, slots=True)
class _Next:
    """The notice to deliver next. ``entry``, ``status``: for the event; ``taken`` notes it."""

    data: bytes
    key: str
    entry: int
    status: str
    taken: Callable[[], None]


@dataclass(eq=False)
class Hook:
    """Delivers the changes of a replica's pause in its own thread, until ``stop``.

    ``taken`` is called after each change that was taken. A hook that fails is tried again for ever,
    with growing pauses; the node goes on meanwhile. Without ``deliver`` the node has no hook: every
    change counts as taken, and nothing is kept.
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
        self._news = threading.Event()
        self._seen: tuple[State, WitnessedHead] | None = None
        self._thread: threading.Thread | None = None
        store = self.replica.store
        self._count = int(store.value(TAKEN) or b"0")
        self.silences = SilenceBook(store)
        self._silences_taken = int(store.value(SILENCES_TAKEN) or b"0")
        self._silences_known = 0

    def start(self) -> None:
        """Starts the thread, with what the last run left over."""
        if self.deliver is None:
            return
        self.look()
        self._thread = threading.Thread(target=self._run, name="hook", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, and a command that is running; may be called twice."""
        self.stopping.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def look(self) -> None:
        """After each step, in the loop's thread: passes new changes to the hook's thread.

        A change goes out only once its entry is witnessed: of a log that nobody else has seen the
        node announces nothing.
        """
        self._look_at_pause()
        # After the pause's: of what was known at a silence, the pause's changes go first.
        if self.deliver is not None and self.silences.known.count > self._silences_known:
            self._silences_known = self.silences.known.count
            self._news.set()

    def _look_at_pause(self) -> None:
        replica = self.replica
        passed = len(self._seen[0].pause.changes) if self._seen else 0
        known = max(self._count, passed)
        if self.deliver is None or len(replica.state.pause.changes) <= known:
            return
        state, note = replica.trusted(), replica.store.checkpoint()
        if note is None or len(state.pause.changes) <= known:
            return
        tree = replica.tree
        # The coordinator's store has a head before its tree has the entry; a later step sees both.
        if replica.open_checkpoint(note).size > tree.size:
            return
        # Whatever the replica reads later, this is of one moment.
        head = witnessed_head(replica.charter, tree, state.size, note, replica.witnesses)
        self._seen = (state, head)
        self._news.set()

    def has_taken(self, change_entry: int) -> bool:
        """Whether the hook has taken every change up to this entry of the log."""
        if self.deliver is None:
            return True
        changes = self.replica.state.pause.changes
        return all(c.entry != change_entry for c in changes[self._count :])

    def _run(self) -> None:
        while not self.stopping.is_set():
            self._news.wait()
            self._news.clear()
            try:
                self._catch_up()
            except StorageError as error:
                if self.stopping.is_set():
                    return
                self.telemetry.event("hook_failed", reason=error.reason)
                if error.reason != "STORAGE_FULL":
                    # The loop meets the same fault, and ends the node.
                    return
                self.stopping.wait(BACKOFF_S[-1])
                self._news.set()

    def _catch_up(self) -> None:
        """Delivers all changes seen so far, one after the other."""
        while not self.stopping.is_set():
            notice = self._next()
            if notice is None:
                return
            self._deliver_one(notice)

    def _next(self) -> _Next | None:
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
                return _Next(own.notice, own.key, own.size, own.why, self._silence_taken)
        if seen is None or change is None or self._waits(change):
            return None
        state, head = seen
        data = self._notice(state, head, self._count)
        key = idempotency_key(state.charter_sha256 or b"", self._count)
        return _Next(data, key, change.entry, change.after, self._change_taken)

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

    def _deliver_one(self, notice: _Next) -> None:
        """Delivers one change; returns once it is taken and that is durable, or at the stop."""
        failures = 0
        while not self.stopping.is_set():
            try:
                if self.deliver is not None:
                    self.deliver(notice.data, notice.key)
            except FermataError as error:
                if self.stopping.is_set():
                    return
                failures += 1
                self.telemetry.count_notice("failed")
                if failures.bit_count() == 1:
                    self.telemetry.event("hook_failed", reason=error.reason, failures=failures)
                longest_s = BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
                self.stopping.wait(longest_s * (0.5 + self.entropy(1)[0] / 510))
                continue
            notice.taken()
            self.telemetry.count_notice("taken")
            self.telemetry.event("hook_taken", entry=notice.entry, status=notice.status)
            self.taken()
            return

    def _notice(self, state: State, head: WitnessedHead, index: int) -> bytes:
        """The bytes of a change's notice, made once, so that a repetition has the same bytes."""
        name = f"hook/notice/{index}"
        kept = self.replica.store.value(name)
        if kept is None:
            kept = seal_notice(notice_of(state, index, head, self.me), self.signing_key)
            self.replica.store.put_value(name, kept)
        return kept


def make_hook(
    config: NodeConfig,
    replica: Replica,
    signing_key: SigningKey,
    telemetry: Telemetry,
    entropy: Entropy,
    taken: Callable[[], None],
) -> Hook:
    """The hook that a node's configuration names, not yet started. Raises ConfigError CA_FILE."""
    text, stopping = config.text.hook, threading.Event()
    deliver: Deliver | None = None
    if text is not None and text.command:
        deliver = CommandCall(text.command, text.timeout_s, stopping)
    elif text is not None:
        ca_file = config.path(text.ca_file) if text.ca_file else None
        deliver = WebCall(text.url, ca_file, text.timeout_s)
    me = config.text.party
    return Hook(me, replica, signing_key, deliver, telemetry, entropy, taken, stopping)
