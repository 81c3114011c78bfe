"""What must never happen, whatever coordinators do: looked at after every turn of every node."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fermata.errors import VerificationError
from fermata.log.checkpoint import parse_checkpoint, parse_note
from fermata.log.merkle import Tree
from fermata.memory_store import MemoryStore
from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.heartbeats import settled_size
from fermata.protocol.succession.views import view_of_origin
from fermata.protocol.wire.codec import sha256


@dataclass(eq=False)
class Oracle:
    """It has the disks and copies of all nodes, which nobody in a deployment has.

    ``is_split``: some coordinator has signed two logs, so that what is witnessed and not settled
    may be lost (SU9).
    """

    charter: Charter
    is_split: bool = False
    violations: list[str] = field(default_factory=list)
    _cosigned: dict[tuple[int, str], dict[int, bytes]] = field(default_factory=dict)
    _by_view: dict[int, Tree] = field(default_factory=dict)
    _handovers: dict[int, bytes] = field(default_factory=dict)
    _settled: Tree = field(default_factory=Tree)
    _witnessed: Tree = field(default_factory=Tree)
    _lines: list[str] = field(default_factory=list)

    def violate(self, what: str) -> None:
        """Notes that something has happened that must not."""
        if what not in self.violations:
            self.violations.append(what)

    def news(self) -> list[str]:
        """What is new in the log since the last call, as lines for people."""
        lines, self._lines = self._lines, []
        return lines

    def saw_cosignature(self, auditor: str, note: bytes) -> None:
        """An auditor has vouched for a head; it never does for two of one view and size."""
        try:
            head = parse_checkpoint(parse_note(note).text)
        except VerificationError:
            self.violate(f"{auditor} cosigned what is no head")
            return
        view = view_of_origin(self.charter, head.origin)
        if view is None:
            self.violate(f"{auditor} cosigned a head of another log")
            return
        known = self._cosigned.setdefault((view, auditor), {})
        if known.setdefault(head.size, head.root) != head.root:
            self.violate(f"{auditor} cosigned two heads of {head.size} entries in view {view}")

    def look(self, name: str, replica: Replica, is_coordinator: bool) -> None:
        """Checks the copy that a node has after its turn."""
        self._look_at_handovers(name, replica)
        self._look_at_cosigned(name, replica)
        if is_coordinator:
            self._look_at_settled(name, replica)
        self._look_at_witnessed(name, replica)

    def _look_at_handovers(self, name: str, replica: Replica) -> None:
        """At most one Handover of a view, whoever claims it (SU6, SU14.1)."""
        for handed in replica.state.handovers:
            leaf = replica.tree.leaf(handed.start)
            if handed.view not in self._handovers:
                left_out = len(handed.left_out)
                self._lines.append(f"view {handed.view} begins, {left_out} heads are left out")
            if self._handovers.setdefault(handed.view, leaf) != leaf:
                self.violate(f"{name} has a second Handover of view {handed.view}")

    def _look_at_cosigned(self, auditor: str, replica: Replica) -> None:
        """All that an auditor has cosigned in a view is of one log, also after a crash."""
        view, tree = replica.state.view, replica.tree
        for size, root in self._cosigned.get((view, auditor), {}).items():
            if size <= tree.size and tree.root(size) != root:
                self.violate(f"{auditor} has another log in view {view} than it cosigned")

    def _look_at_settled(self, name: str, replica: Replica) -> None:
        """Nothing settled is ever lost: SU8."""
        size = min(replica.tree.size, settled_size(self.charter, replica.state.heartbeats))
        self._settled = self._one_log(self._settled, replica.tree, size, f"{name}: settled entries")

    def _look_at_witnessed(self, name: str, replica: Replica) -> None:
        """Of coordinators that sign one log each, nothing witnessed is lost either."""
        size = replica.witnessed.size
        if not self.is_split:
            what = f"{name}: witnessed entries"
            self._witnessed = self._one_log(self._witnessed, replica.tree, size, what)
        handovers, view = replica.state.handovers, replica.state.view
        start = handovers[-1].start if handovers else 0
        if size > start:
            # Never two logs of one view with cosignatures of a quorum each.
            seen = self._by_view.get(view, Tree())
            what = f"{name}: entries that a quorum witnessed in view {view}"
            self._by_view[view] = self._one_log(seen, replica.tree, size, what)

    def _one_log(self, known: Tree, tree: Tree, size: int, what: str) -> Tree:
        """The longer one of what is known and the first ``size`` entries of a tree."""
        both = min(known.size, size)
        if known.root(both) != tree.root(both):
            self.violate(f"{what} are of two logs")
            return known
        return tree.first(size) if size > known.size else known

    def check_end(self, disks: Mapping[str, MemoryStore], replica: Replica) -> None:
        """When all is calm: the log has all that it has acknowledged, and all that was settled."""
        kept, tree = replica.store, replica.tree
        for what, known in (("settled", self._settled), ("witnessed", self._witnessed)):
            is_kept = known.size <= tree.size and tree.root(known.size) == known.root()
            if not is_kept and not (self.is_split and what == "witnessed"):
                self.violate(f"the log lacks {what} entries")
        for name, disk in disks.items():
            for draft in disk.drafts_logged():
                if kept.find_envelope(sha256(draft.envelope)) is None:
                    self.violate(f"the log lacks {draft.slot} of {name}, which has a receipt")
