"""Checks drills from the log's statements and the auditors' true shares (keys.md, K36 to K38)."""

from collections.abc import Callable, Mapping

from fermata.crypto.threshold.drill import drill_part
from fermata.crypto.threshold.opening import KeyShare
from fermata.protocol.drills.drill import Drill, DrillOutcome, DrillPhase
from fermata.protocol.state.state import State
from fermata.sim.dice import stream
from fermata.wire.v1.statement_pb2 import Statement


class DrillWatch:
    """Follows the log entry by entry, and judges each drill by what its auditors should have shown.

    ``shares``: by auditor, its share of the key in force. ``calm_from``: the entry from which no
    node and no network fails any more.
    """

    def __init__(
        self, shares: Callable[[], Mapping[str, KeyShare]], violate: Callable[[str, str], None]
    ) -> None:
        self._shares, self._violate = shares, violate
        #: By drill and auditor, in accepted entries: a commitment, and the part that was shown.
        self._committed: dict[int, set[str]] = {}
        self._parts: dict[int, dict[str, int]] = {}
        #: (entry with which it ended, how many were able, epoch) of each drill that says something.
        self._ended: list[tuple[int, int, bytes]] = []
        self.calm_from: int | None = None
        #: What has happened, so that tests can see that it does happen.
        self.seen: set[str] = set()

    def follow(self, entry: int, statement: Statement | None, before: State, after: State) -> None:
        """Looks at an entry; ``statement`` is None where it was rejected."""
        if statement is not None and before.drills:
            self._hear(statement, before.drills[-1].number)
        if len(after.drills) > len(before.drills):
            self._begin(entry, before, after)
        for old, new in zip(before.drills, after.drills, strict=False):
            if old.phase != DrillPhase.ENDED == new.phase and not new.is_cut:
                self._end(entry, new, after)

    def able_before(self, entry: int, epoch_id: bytes) -> int | None:
        """RU12: how many were able in the newest drill that had ended, in this epoch of the key."""
        ended = [(able, epoch) for end, able, epoch in self._ended if end < entry]
        return ended[-1][0] if ended and ended[-1][1] == epoch_id else None

    def _hear(self, statement: Statement, number: int) -> None:
        body = statement.WhichOneof("body")
        if body == "drill_commitment":
            self._committed.setdefault(number, set()).add(statement.author)
        if body == "drill_part":
            part = int.from_bytes(statement.drill_part.part, "big")
            self._parts.setdefault(number, {})[statement.author] = part

    def _begin(self, entry: int, before: State, after: State) -> None:
        drill = after.drills[-1]
        if drill.number != len(before.drills) + 1:
            self._violate("I8", f"entry {entry}: drill {drill.number} has another's number")
        if before.drills and after.drills[-2].phase != DrillPhase.ENDED:
            self._violate("I8", f"entry {entry}: a drill begins while one runs")

    def _end(self, entry: int, drill: Drill, after: State) -> None:
        """Every part is compared with what its author's share gives."""
        record, shares = after.keyed().key.record, self._shares()
        parts = self._parts.get(drill.number, {})
        draw = stream(0, "drill-watch")
        right = {
            auditor
            for auditor, part in parts.items()
            if part == drill_part(record, shares[auditor], drill.root, draw)
        }
        able = right if len(right) >= record.threshold else set()
        says = {a for a in drill.auditors if drill.outcome(a) == DrillOutcome.ABLE}
        if says != able:
            self._violate("I8", f"entry {entry}: able are {sorted(says)}, not {sorted(able)}")
        absent = set(drill.auditors) - self._committed.get(drill.number, set())
        if absent != {a for a in drill.auditors if drill.outcome(a) == DrillOutcome.ABSENT}:
            self._violate("I8", f"entry {entry}: others are absent than {sorted(absent)}")
        began_calm = self.calm_from is not None and drill.start.index >= self.calm_from
        if began_calm and able != set(drill.auditors):
            self._violate("liveness", f"drill {drill.number} shows {sorted(able)} alone")
        self.seen.add("drill of all" if len(able) == len(drill.auditors) else "drill of fewer")
        self._ended.append((entry, len(able), drill.epoch_id))
