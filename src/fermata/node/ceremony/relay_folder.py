"""What a relay keeps of ceremonies, as files in a folder (docs/spec/ceremony.md, CE6).

    ceremonies/<id>/plan                     the plan
    ceremonies/<id>/<item>-<sender>...       items that are whole

A relay checks what it takes, so that a participant who gets something unsound knows that the relay
gave it. It opens nothing: private bodies are sealed to their receivers.
"""

import re
import shutil
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fermata.crypto.threshold.ceremony.lockstep import Misbehaviour
from fermata.errors import (
    IdentityError,
    InvalidEncoding,
    InvalidProof,
    Refusal,
    VerificationError,
)
from fermata.node.ceremony.items import (
    END,
    PIECE_BYTES,
    PUBLIC,
    RETIRE,
    SEALED,
    SET_UP,
    SIGNATURE,
    SIZES,
    TURN,
    Name,
    senders_of,
)
from fermata.node.files import ensure_directory, read_file, remove_leftovers, write_atomic
from fermata.protocol.ceremony.basis import PLAN_BYTES_MAX, Bases, Basis
from fermata.protocol.ceremony.messages import (
    RelayTrouble,
    read_end,
    read_set_up,
    read_turn,
)
from fermata.protocol.ceremony.plan import Plan, make_plan, read_plan
from fermata.protocol.ceremony.record import make_record
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.ports import ClockMs, Entropy
from fermata.wire.v1 import ceremony_service_pb2 as wire

LIFE_MS = 4 * 3600 * 1000
#: Of one participant in one ceremony: four times what the longest key generation sends.
SENDER_BYTES_MAX = 256 * 1024 * 1024
#: Ceremonies that are kept; the oldest that has ended makes room.
CEREMONIES_MAX = 8
_ID = re.compile("[0-9a-f]{64}")


@dataclass
class _Ceremony:
    """One ceremony's plan, folder and sizes; ``pieces`` are items that are not whole, by sender."""

    plan: Plan
    folder: Path
    kept: dict[str, int] = field(default_factory=dict)
    pieces: dict[int, tuple[Name, bytes, bytearray]] = field(default_factory=dict)

    def has(self, name: Name) -> bool:
        return name.file in self.kept

    def read(self, name: Name) -> bytes:
        return read_file(self.folder / name.file, SIZES[name.item])

    def turns_of(self, sender: int) -> int:
        turn = 0
        while self.has(Name(TURN, sender, turn)):
            turn += 1
        return turn

    def standing(self) -> wire.GetStandingResponse:
        return wire.GetStandingResponse(
            participants=[
                wire.ParticipantStanding(
                    has_set_up=self.has(Name(SET_UP, i)),
                    turns=self.turns_of(i),
                    has_ended=self.has(Name(END, i)),
                    has_signed=self.has(Name(SIGNATURE, i)),
                )
                for i in self.plan.indices
            ],
            retired=[
                auditor
                for number, auditor in enumerate(self.plan.basis.old_auditors, 1)
                if self.has(Name(RETIRE, number))
            ],
        )

    def record(self) -> bytes:
        indices = self.plan.indices
        count = max(map(self.turns_of, indices))
        at = [(turn, i) for turn in range(count) for i in indices]
        return make_record(
            self.plan,
            {i: self.read(Name(SET_UP, i)) for i in indices},
            {(turn, i): self.read(Name(TURN, i, turn)) for turn, i in at},
            {i: self.read(Name(END, i)) for i in indices},
        )

    def all_have(self, item: "wire.CeremonyItem.ValueType") -> bool:
        return all(self.has(Name(item, i)) for i in senders_of(self.plan, item))

    def bytes_of(self, sender: int) -> int:
        return sum(s for name, s in self.kept.items() if name.split("-")[-3] == str(sender))


@dataclass(eq=False)
class RelayFolder:
    """Keeps ceremonies of auditors. Thread-safe; one process at a time.

    ``bases``: from what ceremonies go on. ``kinds``: the names of those that may be opened.
    ``life_ms``: how long one may last. Callers are auditors, by their ids. Methods raise
    VerificationError, IdentityError and ConfigError.
    """

    folder: Path
    bases: Bases
    kinds: tuple[str, ...]
    clock: ClockMs
    entropy: Entropy
    life_ms: int = LIFE_MS

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        ensure_directory(self.folder)
        self._ceremonies: dict[bytes, _Ceremony] = {}
        for path in sorted(self.folder.iterdir()):
            if _ID.fullmatch(path.name) and (path / "plan").exists():
                remove_leftovers(path)
                self._load(path)

    def open(
        self,
        caller: str,
        kind: str,
        is_rehearsal: bool,
        dealers: Sequence[str] = (),
        instead: bytes = b"",
    ) -> Plan:
        """The plan of the ceremony of this kind that goes on; makes one if none does.

        ``dealers``: of a reshare that begins now, who is to deal; none for a choice. ``instead``:
        the id of a ceremony that is done, in whose place a new one is to be held (CE12).
        """
        # CE6.1: a ceremony that nobody can hold.
        if kind not in self.kinds:
            known = ", ".join(self.kinds) or "none"
            raise Refusal("CEREMONY_KIND", f"ceremony: its kind must be one of: {known}")
        # Before the lock: the log has one of its own, whose holder may wait for this one.
        basis = self.bases.now(kind)
        _check_caller(basis, caller)
        with self._lock:
            same = [
                c
                for c in self._ceremonies.values()
                if (c.plan.kind, c.plan.is_rehearsal) == (kind, is_rehearsal)
                and c.plan.charter_sha256 == basis.charter.sha256
                and c.plan.basis.epoch_id == basis.epoch_id
            ]
            newest = max(same, key=lambda c: c.plan.attempt, default=None)
            if newest is not None and not self._is_over(newest):
                if newest.plan.id != instead:
                    return newest.plan
                _check_replaceable(newest)
            plan = make_plan(
                basis,
                kind,
                is_rehearsal=is_rehearsal,
                attempt=newest.plan.attempt + 1 if newest else 1,
                created_ms=self.clock(),
                life_ms=self.life_ms,
                nonce=self.entropy(32),
                dealers=dealers,
            )
            self._make_room()
            place = self.folder / plan.id.hex()
            ensure_directory(place)
            write_atomic(place / "plan", plan.data)
            self._ceremonies[plan.id] = _Ceremony(plan, place)
            return plan

    def plan(self, caller: str, ceremony: bytes) -> Plan:
        """The plan of a ceremony."""
        with self._lock:
            return self._of(caller, ceremony).plan

    def standing(self, caller: str, ceremony: bytes) -> wire.GetStandingResponse:
        """What of a ceremony is there."""
        with self._lock:
            return self._of(caller, ceremony).standing()

    def all_standing(self) -> list[tuple[Plan, wire.GetStandingResponse]]:
        """Of every ceremony that is kept, for the relay's own people."""
        with self._lock:
            return [(held.plan, held.standing()) for held in self._ceremonies.values()]

    def finished(self, epoch_id: bytes = b"") -> tuple[bytes, bytes, dict[str, bytes]] | None:
        """Of a real ceremony that all have signed: its record, and who signed which key record.

        The record is as every participant has it. The third are envelopes, by party. ``epoch_id``:
        of the epoch that it ends, none for a first key.
        """
        with self._lock:
            for held in self._ceremonies.values():
                if held.plan.is_rehearsal or held.plan.basis.epoch_id != epoch_id:
                    continue
                if held.all_have(END) and held.all_have(SIGNATURE):
                    return (
                        held.record(),
                        held.plan.id,
                        {
                            held.plan.party(i): held.read(Name(SIGNATURE, i))
                            for i in held.plan.signers
                        },
                    )
        return None

    def post(self, caller: str, request: wire.PostPieceRequest) -> int:
        """Takes a piece of an item; returns how many bytes of the item are there."""
        with self._lock:
            held = self._of(caller, request.ceremony)
            name = Name.read(held.plan, request.name)
            # CE6.4: an auditor who speaks for another.
            if name.party(held.plan) != caller:
                raise IdentityError("NOT_AUTHOR", "item: must be handed in by its sender")
            if held.has(name):
                # CE6.5: a participant who would tell those who have not asked yet something else.
                if sha256(held.read(name)) != request.sha256:
                    raise Refusal("CEREMONY_TAKEN", f"{name.file}: is there already, with others")
                return held.kept[name.file]
            self._check_size(held, name, request)
            held_name, digest, data = held.pieces.get(
                name.sender, (name, request.sha256, bytearray())
            )
            if (held_name, digest) != (name, request.sha256):
                data = bytearray()
            if request.offset != len(data):
                return len(data)
            data += request.data
            held.pieces[name.sender] = name, request.sha256, data
            if len(data) < request.size:
                return len(data)
            del held.pieces[name.sender]
            self._keep(held, name, bytes(data), request.sha256)
            return len(data)

    def fetch(self, caller: str, request: wire.FetchPieceRequest) -> wire.FetchPieceResponse:
        """A piece of an item."""
        with self._lock:
            held = self._of(caller, request.ceremony)
            name = Name.read(held.plan, request.name)
            if name.item == SEALED:
                self._check_receiver(held, name, caller)
            if not held.has(name):
                return wire.FetchPieceResponse()
            data = held.read(name)
            piece = data[request.offset : request.offset + PIECE_BYTES]
            return wire.FetchPieceResponse(size=len(data), data=piece)

    def _of(self, caller: str, ceremony: bytes) -> _Ceremony:
        held = self._ceremonies.get(ceremony)
        if held is None:
            raise Refusal("NO_CEREMONY", "ceremony: the relay has none with this id")
        _check_caller(held.plan.basis, caller)
        return held

    def _check_size(self, held: _Ceremony, name: Name, request: wire.PostPieceRequest) -> None:
        after = held.bytes_of(name.sender) + request.size
        # CE6.6: a participant who fills the relay's disk or memory.
        if not 0 < request.size <= SIZES[name.item] or after > SENDER_BYTES_MAX:
            raise InvalidEncoding("SIZE", f"{name.file}: must have 1 to {SIZES[name.item]} bytes")
        if request.offset + len(request.data) > request.size or not request.data:
            raise InvalidEncoding("SIZE", f"{name.file}: the piece must lie within the item")
        is_last = name.item in (END, SIGNATURE, RETIRE)
        # CE6.7: a ceremony that somebody goes on with behind the others' backs.
        if not is_last and self.clock() > held.plan.expires_ms:
            raise Refusal("CEREMONY_OVER", "ceremony: its time is over; begin another one")

    def _keep(self, held: _Ceremony, name: Name, data: bytes, digest: bytes) -> None:
        if sha256(data) != digest:
            raise InvalidEncoding("CEREMONY_FORM", f"{name.file}: its bytes must fit its SHA-256")
        plan, sender = held.plan, name.sender
        try:
            # CE6.8: what is not signed for its place; then nobody can say that the relay made it.
            if name.item == SET_UP:
                read_set_up(plan, data, sender)
            elif name.item == END:
                read_end(plan, data, sender)
            elif name.item == TURN:
                self._check_bodies(held, read_turn(plan, data, sender, name.turn))
        except (RelayTrouble, Misbehaviour) as error:
            raise InvalidProof("CEREMONY_FORM", f"{name.file}: {error}") from None
        write_atomic(held.folder / name.file, data, 0o600)
        held.kept[name.file] = len(data)

    def _check_bodies(self, held: _Ceremony, turn: wire.SignedTurn) -> None:
        wanted = [(Name(PUBLIC, turn.sender, turn.turn), turn.public_sha256)]
        for body in turn.private_bodies:
            name = Name(SEALED, turn.sender, turn.turn, body.receiver)
            wanted.append((name, body.sealed_sha256))
        for name, digest in wanted:
            # CE6.9: a turn whose bodies never come.
            if digest == sha256(b"") and name.item == PUBLIC:
                continue
            if not held.has(name) or sha256(held.read(name)) != digest:
                raise InvalidEncoding("CEREMONY_FORM", f"{name.file}: must come before its turn")

    def _check_receiver(self, held: _Ceremony, name: Name, caller: str) -> None:
        """A sealed body goes to its receiver, and to all once that one has accused somebody."""
        if held.plan.party(name.receiver) == caller:
            return
        end = Name(END, name.receiver)
        message = None
        if held.has(end):
            message = read_end(held.plan, held.read(end), name.receiver)
        # CE6.10: whoever collects what is sealed to others, against a later leak of their keys.
        if message is None or not message.HasField("accusation"):
            raise IdentityError("NOT_CONCERNED", "item: a private body goes to its receiver alone")

    def _is_over(self, held: _Ceremony) -> bool:
        """Whether a new ceremony may be opened in the place of this one."""
        ends: Iterable[int] = (i for i in held.plan.indices if held.has(Name(END, i)))
        for index in ends:
            data = held.read(Name(END, index))
            end = read_end(held.plan, data, index)
            if end.outcome != wire.CEREMONY_OUTCOME_DONE:
                return True
        if held.all_have(END):
            # What is done is not done again; a rehearsal may be.
            return held.plan.is_rehearsal
        return self.clock() > held.plan.expires_ms

    def _make_room(self) -> None:
        by_age = sorted(self._ceremonies.values(), key=lambda c: c.plan.created_ms)
        for held in by_age[: max(0, len(by_age) - CEREMONIES_MAX + 1)]:
            if self._is_over(held):
                shutil.rmtree(held.folder)
                del self._ceremonies[held.plan.id]

    def _load(self, path: Path) -> None:
        data = read_file(path / "plan", PLAN_BYTES_MAX)
        try:
            plan = read_plan(data, self.bases.of_plan(data))
        except VerificationError:
            # Of a charter that was voted down, or of a log before this one: nobody can go on.
            return
        held = _Ceremony(plan, path)
        for file in path.iterdir():
            if file.name != "plan":
                held.kept[file.name] = file.stat().st_size
        self._ceremonies[plan.id] = held


def _check_replaceable(held: _Ceremony) -> None:
    """Checks that nobody goes by what a ceremony made, nor is still about to make it."""
    name = f"ceremony {held.plan.id.hex()[:16]}"
    if not held.all_have(END):
        raise Refusal("CEREMONY_TAKEN", f"{name}: goes on; take part, or cancel it")
    standing = held.standing()
    signed = [
        p
        for p, its in zip(held.plan.participants, standing.participants, strict=True)
        if its.has_signed
    ]
    # CE6.12: two records for which auditors gave an epoch up, or two keys that they signed.
    if said := sorted({*signed, *standing.retired}):
        raise Refusal(
            "CEREMONY_TAKEN",
            f"{name}: {', '.join(said)} signed or gave the epoch up for what it made; bring that"
            " into the log",
        )


def _check_caller(basis: Basis, caller: str) -> None:
    # CE6.2: whoever is not in the ceremony has no part in it.
    if caller not in basis.auditors:
        raise IdentityError(
            "NOT_ON_ROSTER", "ceremony: only auditors who have the key before or after take part"
        )
