"""A play of succession: auditors, coordinators and links, one tick after another, from a seed.

Every head, cosignature, certificate, Leave and Handover is real; entries are made-up bytes. What an
auditor does is what succession.md says, with the functions of ``fermata.protocol.succession``.
There is no fold here, no node and no disk. ``Play.check`` looks at all logs from outside after each
tick.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fermata.errors import VerificationError
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.succession.certificate import make_certificate
from fermata.protocol.succession.following import Answer, answer_to, reaches, wanted_by
from fermata.protocol.succession.handover import (
    check_handover,
    largest_certificate,
    make_handover,
)
from fermata.protocol.succession.leave import Left, open_leave, seal_leave
from fermata.protocol.succession.leaving import OwnLeave, Watched, leaving
from fermata.protocol.wire.codec import decode, encode
from fermata.protocol.wire.ports import Witness
from fermata.sim.dice import Dice, stream
from fermata.wire.v1.succession_pb2 import Certificate, Handover, Leave, ViewHead
from harness.succession import Succession

TICK_MS, SUCCESSION_MS, CONFLICT_MS = 1000, 6000, 20_000
_HANDOVER = b"handover "


@dataclass
class Copy:
    """A log of one view, as one party has it. ``said``: by auditor, the size that it says."""

    view: int
    leaves: list[bytes] = field(default_factory=list)
    tree: Tree = field(default_factory=Tree)
    lines: dict[str, Witness] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)

    def add(self, leaf: bytes) -> None:
        self.leaves.append(leaf)
        self.tree.append(leaf_hash(leaf))

    def first(self, size: int, view: int) -> "Copy":
        made = Copy(view)
        for leaf in self.leaves[:size]:
            made.add(leaf)
        return made

    def has(self, size: int, root: bytes) -> bool:
        return size <= self.tree.size and self.tree.root(size) == root


class Coordinator:
    """Writes the logs of its views. What is wrong with it is set by the scenario."""

    def __init__(self, world: Succession, place: int) -> None:
        self.world, self.place = world, place
        self.is_up, self.is_slow, self.withholds, self.drops_heads = True, False, False, False
        self.starved: set[str] = set()
        self.logs: dict[int, list[Copy]] = {0: [Copy(0)]} if place == 0 else {}
        if place == 0:
            self.logs[0][0].add(b"charter")

    def log_for(self, view: int, auditor: str) -> Copy | None:
        """Who forks shows the second log to the later half of the auditors."""
        logs, auditors = self.logs.get(view, []), self.world.auditors
        is_late = auditors.index(auditor) >= len(auditors) // 2
        return logs[-1 if is_late else 0] if logs else None

    def fork(self) -> None:
        for logs in self.logs.values():
            twin = logs[0].first(logs[0].tree.size, logs[0].view)
            twin.said, twin.lines = dict(logs[0].said), dict(logs[0].lines)
            twin.add(b"only in the second log")
            logs[0].add(b"only in the first log")
            logs[1:] = [twin]

    def take_over(self, view: int, leaves: Iterable[bytes], copies: Iterable[Copy]) -> None:
        views = self.world.views
        envelopes = list(leaves)
        opened = [open_leave(views, envelope) for envelope in envelopes]
        largest = largest_certificate(opened)
        usable = [
            copy for copy in copies if largest is None or copy.has(largest.size, largest.root)
        ]
        if not usable:
            return
        best = max(usable, key=lambda copy: (_heads_in(copy, opened), copy.view, copy.tree.size))
        size = best.tree.size
        if self.drops_heads and largest is not None:
            size = largest.size
        log = best.first(size, view)
        handover = make_handover(views, view, log.tree, envelopes)
        log.add(_HANDOVER + encode(handover))
        self.logs[view] = [log]


def _heads_in(copy: Copy, leaves: Iterable[Left]) -> int:
    return sum(
        left.head is not None and copy.has(left.head.size, left.head.root) for left in leaves
    )


class Auditor:
    """An honest auditor."""

    def __init__(self, world: Succession, name: str) -> None:
        self.world, self.name = world, name
        self.copy = Copy(0)
        self.certificate: Certificate | None = None
        self.head: ViewHead | None = None
        self.own, self.leaves = OwnLeave(), dict[int, bytes]()
        self.watched = Watched(0, 0)
        self.lines: dict[str, Witness] = {}
        self.waits: dict[bytes, int] = {}
        self.why: list[str] = []

    def witnessed(self) -> int:
        certificate = self.certificate
        return certificate.size if certificate and certificate.view == self.copy.view else 0

    def leaf_of_beat(self, now_ms: int) -> bytes:
        return f"beat of {self.name} at {now_ms}".encode()


@dataclass
class Links:
    """Who cannot talk to whom; coordinators are named by their place."""

    cut: set[frozenset[str]] = field(default_factory=set)

    def are_open(self, one: str, other: str) -> bool:
        return frozenset({one, other}) not in self.cut

    def isolate(self, party: str, others: Iterable[str]) -> None:
        self.cut |= {frozenset({party, other}) for other in others}


class Play:
    """Everything that happens. ``liars``: auditors that say and sign whatever helps a fork."""

    def __init__(self, world: Succession, seed: int, liars: Iterable[str] = ()) -> None:
        self.world, self.dice = world, Dice(stream(seed, "succession"))
        self.now_ms, self.links = 0, Links()
        self.liars = tuple(liars)
        self.coordinators = [Coordinator(world, p) for p in range(len(world.views.coordinators))]
        self.auditors = [Auditor(world, a) for a in world.auditors if a not in self.liars]
        self.false_leaves: dict[tuple[str, int], bytes] = {}
        self.settled: list[bytes] = []
        self.answers: Counter[str] = Counter()
        self.quorum = world.views.charter.endorsement_quorum

    def run(self, ticks: int) -> None:
        for _ in range(ticks):
            self.now_ms += TICK_MS
            actors = list(range(len(self.coordinators) + len(self.auditors)))
            while actors:
                at = actors.pop(self.dice.below(len(actors)))
                if at < len(self.coordinators):
                    self._lead(self.coordinators[at])
                else:
                    self._audit(self.auditors[at - len(self.coordinators)])
            for liar in self.liars:
                self._lie(liar)
            self.check()

    # Coordinators.

    def _lead(self, coordinator: Coordinator) -> None:
        if not coordinator.is_up or (coordinator.is_slow and self.dice.chance(700)):
            return
        for view in sorted(self._views_left()):
            place = view % len(self.coordinators)
            if place == coordinator.place and view not in coordinator.logs:
                self._take_over(coordinator, view)
        for logs in coordinator.logs.values():
            for number, log in enumerate(logs):
                log.add(f"entry {self.now_ms} of log {number} of view {log.view}".encode())

    def _views_left(self) -> set[int]:
        views = {view for auditor in self.auditors for view in auditor.leaves}
        return views | {view for _, view in self.false_leaves}

    def _take_over(self, coordinator: Coordinator, view: int) -> None:
        name = str(coordinator.place)
        near = [a for a in self.auditors if self.links.are_open(name, a.name)]
        leaves = [a.leaves[view] for a in near if view in a.leaves]
        leaves += [e for (_, v), e in self.false_leaves.items() if v == view]
        if len(leaves) >= self.quorum:
            copies = [a.copy for a in near if view in a.leaves]
            coordinator.take_over(view, leaves, copies)

    # Auditors.

    def _audit(self, auditor: Auditor) -> None:
        for view in sorted({auditor.copy.view, *self._handed_over(auditor)}):
            coordinator = self.coordinators[view % len(self.coordinators)]
            if coordinator.is_up and self.links.are_open(str(coordinator.place), auditor.name):
                log = coordinator.log_for(view, auditor.name)
                if log is not None and view == auditor.copy.view:
                    self._read(auditor, coordinator, log)
                elif log is not None:
                    self._consider(auditor, log)
        self._ask(auditor)
        self._leave(auditor)

    def _handed_over(self, auditor: Auditor) -> set[int]:
        """Views after its own, and not before one that it left for, that have a log."""
        floor = max(auditor.copy.view + 1, auditor.own.view)
        return {v for c in self.coordinators for v in c.logs if v >= floor}

    def _read(self, auditor: Auditor, coordinator: Coordinator, log: Copy) -> None:
        copy = auditor.copy
        if not log.has(copy.tree.size, copy.tree.root()):
            auditor.watched = _with(auditor.watched, has_proof=True)
            return
        for leaf in log.leaves[copy.tree.size :]:
            copy.add(leaf)
            if leaf.startswith(f"beat of {auditor.name} at".encode()):
                auditor.watched = _with(auditor.watched, logged_ms=self.now_ms)
        if not coordinator.withholds:
            self._count(auditor, log.lines.values())
            auditor.watched = _with(auditor.watched, withheld_ms=None)
        if auditor.own.view > copy.view:
            return
        # Nothing of this is done in a view that it has left (SU5).
        note = self.world.note(copy.view, copy.tree)
        auditor.head = ViewHead(view=copy.view, note=note)
        line = self.world.witness(copy.view, copy.tree, auditor.name)
        log.lines[auditor.name] = auditor.lines[auditor.name] = line
        if auditor.name not in coordinator.starved:
            log.add(auditor.leaf_of_beat(self.now_ms))
            log.said[auditor.name] = auditor.witnessed()

    def _count(self, auditor: Auditor, lines: Iterable[Witness]) -> bool:
        auditor.lines.update({w.auditor: w for w in lines if w.auditor != auditor.name})
        views, copy = self.world.views, auditor.copy
        sizes = sorted((w.size for w in auditor.lines.values()), reverse=True)
        if sum(size > auditor.witnessed() for size in sizes) < self.quorum:
            return False
        made = make_certificate(views, copy.view, copy.tree, auditor.lines.values())
        old = auditor.certificate
        if made is None or (old and (old.view, old.size) >= (made.view, made.size)):
            return False
        auditor.certificate = made
        auditor.watched = _with(auditor.watched, grew_ms=self.now_ms)
        return True

    def _consider(self, auditor: Auditor, log: Copy) -> None:
        """SU6 to SU9: whether the log of a later view is one to go on with."""
        start = next(i for i, leaf in enumerate(log.leaves) if self._is_of(leaf, log.view))
        handover = decode(Handover, log.leaves[start][len(_HANDOVER) :])
        kept = log.first(start, log.view)
        try:
            handed = check_handover(self.world.views, handover, start, kept.tree.root())
        except VerificationError:
            return
        since = auditor.waits.setdefault(log.leaves[start], self.now_ms)
        near = [a for a in self.auditors if self.links.are_open(a.name, auditor.name)]
        certificates = [a.certificate for a in (*near, auditor) if a.certificate is not None]
        got = {
            want
            for want in wanted_by(handed, kept.tree)
            if any(reaches(want, kept.tree, a.copy.leaves[start : want.head.size]) for a in near)
        }
        waited_ms, own = self.now_ms - since, auditor.copy.tree
        answer = answer_to(handed, kept.tree, certificates, own, got, waited_ms, CONFLICT_MS)
        self.answers[f"{answer}, {'heads left out' if handed.left_out else 'none left out'}"] += 1
        if answer is not Answer.FOLLOWS:
            return
        auditor.copy, auditor.lines = kept, {}
        auditor.watched = Watched(log.view, self.now_ms, left_for=auditor.watched.left_for)

    @staticmethod
    def _is_of(leaf: bytes, view: int) -> bool:
        is_handover = leaf.startswith(_HANDOVER)
        return is_handover and decode(Handover, leaf[len(_HANDOVER) :]).view == view

    def _ask(self, auditor: Auditor) -> None:
        """What auditors tell each other: Leaves, and cosignatures (reason 5)."""
        left_for = {}
        for other in self.auditors:
            if other is auditor or not self.links.are_open(auditor.name, other.name):
                continue
            if other.leaves:
                left_for[other.name] = max(other.leaves)
            if _are_two_logs(other.copy, auditor.copy):
                auditor.watched = _with(auditor.watched, has_proof=True)
                continue
            if other.copy.view == auditor.copy.view and self._count(auditor, other.lines.values()):
                since = auditor.watched.withheld_ms
                auditor.watched = _with(
                    auditor.watched, withheld_ms=self.now_ms if since is None else since
                )
        for liar, view in self.false_leaves:
            left_for[liar] = max(view, left_for.get(liar, 0))
        auditor.watched = _with(auditor.watched, left_for=tuple(left_for.values()))

    def _leave(self, auditor: Auditor) -> None:
        threshold = self.world.views.charter.threshold
        due = leaving(auditor.watched, auditor.own, self.now_ms, threshold, SUCCESSION_MS)
        if due is None:
            return
        auditor.own = OwnLeave(due.view, self.now_ms)
        auditor.why.append(due.reason)
        said = Leave(
            charter_sha256=self.world.views.charter.sha256,
            auditor=auditor.name,
            view=due.view,
            certificate=auditor.certificate,
            head=auditor.head,
        )
        auditor.leaves[due.view] = seal_leave(said, self.world.keys[auditor.name])

    def _lie(self, liar: str) -> None:
        """Cosigns every log, says that everything is witnessed, and leaves for what it likes."""
        for coordinator in self.coordinators:
            for logs in coordinator.logs.values():
                for log in logs:
                    log.lines[liar] = self.world.witness(log.view, log.tree, liar)
                    log.said[liar] = log.tree.size
        if self.dice.chance(30):
            view = self.dice.between(1, 4)
            said = Leave(charter_sha256=self.world.views.charter.sha256, auditor=liar, view=view)
            self.false_leaves[liar, view] = seal_leave(said, self.world.keys[liar])

    # What is looked at from outside.

    def logs(self) -> list[Copy]:
        return [log for c in self.coordinators for logs in c.logs.values() for log in logs]

    def check(self) -> None:
        """Nothing settled is ever lost, and what is witnessed is of one log with it."""
        for log in self.logs():
            said = sorted(log.said.values(), reverse=True)
            size = said[self.quorum - 1] if len(said) >= self.quorum else 0
            settled = log.leaves[:size]
            assert _is_one_log(settled, self.settled), f"settled twice in view {log.view}"
            if len(settled) > len(self.settled):
                self.settled = settled
        for log in self.logs():
            size = self.witnessed_of(log)
            assert _is_one_log(log.leaves[:size], self.settled), f"settled entries lost: {log.view}"

    def witnessed_of(self, log: Copy) -> int:
        sizes = sorted((w.size for w in log.lines.values()), reverse=True)
        return sizes[self.quorum - 1] if len(sizes) >= self.quorum else 0

    def newest_view(self) -> int:
        return max(log.view for log in self.logs() if self.witnessed_of(log) > 0)


def _is_one_log(one: list[bytes], other: list[bytes]) -> bool:
    size = min(len(one), len(other))
    return one[:size] == other[:size]


def _are_two_logs(one: Copy, other: Copy) -> bool:
    """Whether the heads of two copies prove that one coordinator signed both."""
    size = min(one.tree.size, other.tree.size)
    return one.view == other.view and one.tree.root(size) != other.tree.root(size)


def _with(watched: Watched, **changes: object) -> Watched:
    return replace(watched, **changes)  # type: ignore[arg-type]
