"""A table of auditors who refresh or reshare a key of 512 bits, and lies in their messages."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from fermata.crypto.paillier import PublicKey
from fermata.crypto.threshold.ceremony.lockstep import Ceremony, Messages, Turn
from fermata.crypto.threshold.dealer import DealtKey, deal
from fermata.crypto.threshold.key_record import epoch_id, key_id
from fermata.crypto.threshold.reshare.ceremony import NextEpoch
from fermata.crypto.threshold.reshare.turns import Complaint, complaints_to_bytes
from fermata.node.run.parts import entropy
from fermata.protocol.ceremony.basis import REFRESH, RESHARE, Basis
from fermata.protocol.ceremony.next_epoch import key_plan, later_kinds
from fermata.protocol.ceremony.plan import Kinds, Plan
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.state.threshold_key import ThresholdKey
from fermata.types import EntryIndex
from harness.ceremony.table import Table
from harness.chains import Run
from harness.deployments import charter_text, party_keys

BITS, THRESHOLD = 512, 2
BEFORE = ("auditor-1", "auditor-2", "auditor-3")
#: Who comes, and for whom; the one that leaves deals.
COMES, LEAVES = "auditor-4", "auditor-3"
DEALERS = ("auditor-1", LEAVES)
#: All that have a part in the reshare.
PARTIES = {REFRESH: BEFORE, RESHARE: ("auditor-1", "auditor-2", COMES, LEAVES)}

#: Changes what one participant sends in one turn: a NextEpoch's plan, its number and the messages.
Edit = Callable[[NextEpoch, Messages], Messages]


@cache
def dealt_key() -> DealtKey:
    return deal(BITS, THRESHOLD, len(BEFORE), entropy, bytes(32))


@dataclass(frozen=True)
class FixedBases:
    """What a log would say of one epoch."""

    by_kind: dict[str, Basis]

    def now(self, kind: str) -> Basis:
        return self.by_kind[kind]

    def of_plan(self, data: bytes) -> Basis:
        is_refresh = self.by_kind[REFRESH].charter.sha256 in data
        return self.by_kind[REFRESH if is_refresh else RESHARE]


class Liar:
    """A participant that says something else in one turn, and goes on by what is right."""

    def __init__(self, inner: NextEpoch, number: int, edit: Edit) -> None:
        self._inner, self._number, self._edit = inner, number, edit

    @property
    def _plan(self):
        return self._inner._plan

    @property
    def index(self) -> int:
        return self._inner.index

    @property
    def parties(self) -> tuple[int, ...]:
        return self._inner.parties

    def begin(self, seed: bytes) -> Turn:
        return self._lie(self._inner.begin(seed))

    def step(self, kept, received) -> Turn:
        self.last_received = received
        return self._lie(self._inner.step(kept, received))

    def _lie(self, turn: Turn) -> Turn:
        if turn.number != self._number or turn.messages is None:
            return turn
        return replace(turn, messages=self._edit(self, turn.messages))


class Complainer(NextEpoch):
    """Complains of a message that nobody sent, and goes on as if it had come."""

    __slots__ = ()

    def _complaints(self, dealt) -> bytes:
        return complaints_to_bytes([Complaint.of(self._plan, 1, b"\1" * 8)])


class EpochTable(Table):
    """A table at which the next epoch of one dealt key is made."""

    def __init__(self, root: Path, kind: str, run: Run | None = None) -> None:
        """``run``: whose key it is; by default of no log, and dealt for all tables of a process."""
        self.kind, self._run = kind, run
        shares = run.deployment.shares if run is not None else {}
        self._shares = shares or dict(zip(BEFORE, dealt_key().shares, strict=True))
        super().__init__(root, self.kinds_for())

    def __post_init__(self) -> None:
        super().__post_init__()
        self.keys = party_keys(0, 6, 4)
        old_keys = {p: k for p, k in self.keys.items() if p != COMES}
        text = charter_text(old_keys, BITS)
        self.charter = parse_charter(text.encode(), BITS)
        key = {p: base64.b64encode(k.public_key).decode() for p, k in self.keys.items()}
        new = text.replace(LEAVES, COMES).replace(key[LEAVES], key[COMES])
        self.new_charter = parse_charter(new.encode(), BITS)
        if self._run is not None:
            self.keys = dict(self._run.deployment.keys)
            self.charter = self.new_charter = self._run.deployment.charter
        record = dealt_key().record
        of_epoch = epoch_id(record, BEFORE)
        public = PublicKey(record.n)
        held = ThresholdKey(
            record, public, key_id(record), of_epoch, EntryIndex(1), BEFORE, bytes(32)
        )
        self.held = held if self._run is None else self._run.state.keyed().key
        self._bases = FixedBases(
            {
                REFRESH: Basis(self.charter, self.held, self.charter),
                RESHARE: Basis(self.new_charter, self.held, self.charter),
            }
        )
        self.results = {a: [] for a in PARTIES[self.kind]}
        self.lines = {a: [] for a in PARTIES[self.kind]}
        self.dealers = DEALERS if self.kind == RESHARE else ()
        self.reopen_relay()

    @property
    def bases(self):
        return getattr(self, "_bases", None) or super().bases

    @property
    def basis(self) -> Basis:
        return self._bases.now(self.kind)

    def kinds_for(
        self, number: int = -1, edit: Edit | None = None, side: type[NextEpoch] = NextEpoch
    ) -> Kinds:
        """The kinds of a participant that knows its own share, and may lie in one turn."""

        def own_share(plan: Plan, index: int):
            old = dict(key_plan(plan).dealers)
            return self._shares[BEFORE[old[index] - 1]] if index in old else None

        def make(plan: Plan, index: int) -> Ceremony:
            inner = side(key_plan(plan), index, own_share(plan, index))
            return inner if edit is None else Liar(inner, number, edit)

        return {name: replace(kind, make=make) for name, kind in later_kinds().items()}

    def lies(self, liar: str, number: int, edit: Edit) -> None:
        self.kinds_of[liar] = self.kinds_for(number, edit)

    def makes_a_message_up(self, liar: str) -> None:
        self.kinds_of[liar] = self.kinds_for(side=Complainer)

    def play(self, **wrap: Callable[[], object]) -> dict[str, object]:
        """Everybody to the end."""
        return self.run(PARTIES[self.kind], wrap=wrap, kind=self.kind)
