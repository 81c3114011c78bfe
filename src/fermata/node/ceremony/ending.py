"""How a ceremony ends for a participant: what it signs then, and the record that it takes home."""

from collections.abc import Sequence
from dataclasses import dataclass

from fermata.crypto.threshold.ceremony.lockstep import Misbehaviour
from fermata.errors import FermataError, InvalidProof, TransportError, VerificationError
from fermata.node.ceremony.around import Around, Me
from fermata.node.ceremony.items import END, PUBLIC, SEALED, TURN, Name
from fermata.node.ceremony.state_file import Kept
from fermata.protocol.ceremony.evidence import Case, judge
from fermata.protocol.ceremony.messages import (
    TEXT_CHARS_MAX,
    RelayTrouble,
    payload_of,
    private_bodies_of,
    read_end,
    read_turn,
    sign,
)
from fermata.protocol.ceremony.plan import Plan, kind_of
from fermata.protocol.ceremony.record import make_record
from fermata.wire.v1 import ceremony_service_pb2 as wire

_PAUSE_S = 0.1
#: Of a piece of evidence: for as long as a relay takes to start again.
_ATTEMPTS = 50


@dataclass(eq=False)
class Ending(Exception):
    """The ceremony ends for this participant; the fields are those of CeremonyEnd.

    ``discloses``: the accusation is the participant's own seed. ``own``: an end that the party has
    signed elsewhere, as with ``fermata keys cancel``. ``follows``: who ended before, 0 for nobody;
    ``followed_end``: its envelope.
    """

    outcome: "wire.CeremonyOutcome.ValueType"
    reason: str = ""
    note: str = ""
    culprit: int = 0
    absent: tuple[int, ...] = ()
    given: tuple[bytes, ...] = ()
    accusation: wire.Accusation | None = None
    public_result: bytes = b""
    discloses: bool = False
    own: bytes = b""
    follows: int = 0
    followed_end: bytes = b""
    disputed: tuple[wire.DisputedBody, ...] = ()

    @classmethod
    def of_trouble(cls, trouble: RelayTrouble) -> "Ending":
        """The relay gave what nobody signed."""
        return cls(wire.CEREMONY_OUTCOME_STOPPED, trouble.reason, str(trouble))

    @classmethod
    def of_fault(
        cls,
        fault: Misbehaviour,
        accusation: wire.Accusation | None = None,
        *,
        discloses: bool = False,
    ) -> "Ending":
        """A participant misbehaved."""
        return cls(
            wire.CEREMONY_OUTCOME_STOPPED,
            fault.reason,
            str(fault),
            fault.culprit,
            accusation=accusation,
            discloses=discloses,
        )

    @classmethod
    def of_split(cls, other: str, about: str, given: Sequence[bytes]) -> "Ending":
        """Two participants were shown different messages of a third."""
        note = f"{other} was shown another message of {about}"
        return cls(wire.CEREMONY_OUTCOME_STOPPED, "CEREMONY_SPLIT", note, given=tuple(given))

    @classmethod
    def followed(cls, plan: Plan, data: bytes, index: int, me: int) -> "Ending | None":
        """The end after another participant's; None if that one is done, or is not sound."""
        try:
            end = read_end(plan, data, index)
        except (RelayTrouble, Misbehaviour):
            return None
        if index == me:
            return cls(end.outcome, end.reason, end.note, own=data)
        if end.outcome == wire.CEREMONY_OUTCOME_DONE:
            return None
        note = f"after {plan.party(index)}: {end.note}"
        return cls(end.outcome, end.reason, note, follows=index, followed_end=data)


class Endings:
    """Signs a participant's end, and collects everybody's."""

    def __init__(self, me: Me, around: Around, plan: Plan, kept: Kept) -> None:
        self._me, self._around, self._plan, self._kept = me, around, plan, kept
        self._index = plan.index_of(me.party)
        self._turns = self._own_turns()
        self._bodies: dict[bytes, bytes] = {}

    def sign(self, ending: Ending) -> None:
        """Makes the end durable; the seed is forgotten with it, unless it is the evidence."""
        kept, plan, me = self._kept, self._plan, self._me
        self._turns = self._own_turns()
        kept.end = ending.own
        if not kept.end:
            if ending.follows:
                self._judge_followed(ending)
            end = wire.CeremonyEnd(
                ceremony=plan.id,
                sender=self._index,
                outcome=ending.outcome,
                turns=len({turn for turn, sender in self._turns if sender == self._index}),
                public_result=ending.public_result,
                time_ms=self._around.clock(),
                resumed=kept.resumed,
                reason=ending.reason,
                note=_plain(ending.note),
                culprit=ending.culprit,
                absent=[i for i in ending.absent if i != self._index],
                shown=ending.given,
                disputed=ending.disputed,
            )
            if end.turns and self._has_all(end.turns - 1):
                end.seen.extend(self._case({}).hashes(end.turns - 1))
            accusation = ending.accusation
            if ending.discloses:
                accusation = self._shown(kept.seed)
            if accusation is not None:
                end.accusation.CopyFrom(accusation)
            kept.end = sign(end, me.party, me.key)
        kept.seed, kept.kept, kept.number = b"", b"", -1
        # The signed turns that this participant handed in stay; what they sealed goes.
        kept.items = [item for item in kept.items if item.item == TURN]
        self._around.state.save(kept)

    def _shown(self, seed: bytes) -> wire.Accusation | None:
        """What shows a fault that this participant came upon in a step, as its kind allows."""
        kind = kind_of(self._plan, self._around.kinds)
        if kind.may_disclose:
            return wire.Accusation(seed_disclosure=wire.SeedDisclosure(seed=seed))
        # CE9.1: of a key that is in use, what everybody was told is enough.
        return wire.Accusation(public_fault=wire.PublicFault()) if kind.judge_public else None

    def collect(self) -> tuple[bytes, dict[bytes, bytes]]:
        """Hands the end in, waits for the others', and makes the record, with bodies for it."""
        around, plan = self._around, self._plan
        ends = {self._index: self._kept.end}
        own = read_end(plan, self._kept.end, self._index)
        is_posted = False
        until_ms = around.clock() + around.grace_ms
        if own.outcome == wire.CEREMONY_OUTCOME_DONE:
            until_ms = max(until_ms, plan.expires_ms)
            around.say("done here; waiting for the others to sign the end")
        while len(ends) < len(plan.participants):
            try:
                if not is_posted:
                    around.relay.post(plan.id, Name(END, self._index), self._kept.end)
                    is_posted = True
                self._fetch_ends(ends)
            except TransportError:
                pass
            except FermataError as error:
                around.say(f"{error} [{error.reason}]")
                break
            if self._any_not_done(ends):
                until_ms = min(until_ms, around.clock() + around.grace_ms)
            if around.clock() > until_ms or len(ends) == len(plan.participants):
                break
            around.sleep(_PAUSE_S)
        case = self._case(ends)
        self._fetch_evidence(case)
        set_ups = {i: e for i, e in case.set_ups.items() if e}
        return make_record(plan, set_ups, self._turns, ends), self._bodies

    def _own_turns(self) -> dict[tuple[int, int], bytes]:
        """Envelopes of turns that this participant has, its own newest among them."""
        turns = {
            (turn, index): envelope
            for turn, envelopes in enumerate(self._kept.turns)
            for index, envelope in enumerate(envelopes, 1)
        }
        for item in self._kept.items:
            if item.item == TURN:
                turns[item.turn, self._index] = item.data
        return turns

    def _has_all(self, turn: int) -> bool:
        return all(
            (turn, i) in self._turns or self._fetch_turn(turn, i) for i in self._plan.indices
        )

    def _fetch(self, name: Name) -> bytes:
        """An item of evidence, asked for again while the relay is started again.

        Without it nobody would be named. Raises TransportError if the relay stays away.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self._around.relay.fetch(self._plan.id, name)
            except TransportError:
                self._around.sleep(_PAUSE_S)
        return self._around.relay.fetch(self._plan.id, name)

    def _fetch_turn(self, turn: int, sender: int) -> bool:
        """Gets a signed turn that this participant lacks; whether it is there, and sound."""
        try:
            data = self._fetch(Name(TURN, sender, turn))
            read_turn(self._plan, data, sender, turn)
        except FermataError:
            return False
        self._turns[turn, sender] = data
        return True

    def _case(self, ends: dict[int, bytes]) -> Case:
        kept, plan = self._kept, self._plan
        set_ups = dict(enumerate(kept.set_ups, 1)) or {self._index: kept.set_up}
        read = {i: wire.CeremonyEnd.FromString(payload_of(e)) for i, e in ends.items()}
        return Case(plan, self._around.kinds, set_ups, self._turns, read, self._bodies)

    def _judge_followed(self, ending: Ending) -> None:
        """Names whom the other's evidence names, after repeating its check; shows what it saw."""
        accuser, plan = ending.follows, self._plan
        case = self._case({accuser: ending.followed_end})
        end = case.ends[accuser]
        if end.reason == "CEREMONY_SPLIT":
            turn = end.turns - 2
            case_turns = [self._turns.get((turn, i), b"") for i in plan.indices]
            given = case_turns if turn >= 0 else self._kept.set_ups
            ending.given = tuple(envelope for envelope in given if envelope)
        if end.HasField("accusation"):
            self._fetch_evidence(case)
            try:
                culprit = judge(case, accuser)
                ending.culprit = culprit if culprit != self._index else 0
            except InvalidProof:
                return

    def _fetch_evidence(self, case: Case) -> None:
        """Gets the turns and bodies that the accusations in a case need."""
        for accuser, end in case.ends.items():
            kind = end.accusation.WhichOneof("evidence")
            try:
                if kind in ("seed_disclosure", "public_fault"):
                    is_public = kind == "public_fault"
                    for turn in range(min(end.turns, len(self._kept.turns) + 1)):
                        self._fetch_turn_evidence(turn, accuser, is_public=is_public)
                elif kind == "bad_sealed_body":
                    envelope = end.accusation.bad_sealed_body.envelope
                    self._fetch_sealed(wire.SignedTurn.FromString(payload_of(envelope)), accuser)
            except (FermataError, ValueError) as error:
                self._around.say(
                    f"the evidence of {self._plan.party(accuser)} is not whole: {error}"
                )

    def _fetch_turn_evidence(self, turn: int, accuser: int, *, is_public: bool) -> None:
        """What one turn's evidence needs; ``is_public``: the accuser's own too, and no private."""
        for sender in self._plan.indices:
            if (turn, sender) not in self._turns and not self._fetch_turn(turn, sender):
                continue
            if sender == accuser and not is_public:
                continue
            signed = wire.SignedTurn.FromString(payload_of(self._turns[turn, sender]))
            if signed.public_sha256 not in self._bodies:
                data = self._fetch(Name(PUBLIC, sender, turn))
                self._bodies[signed.public_sha256] = data
            if not is_public:
                self._fetch_sealed(signed, accuser)

    def _fetch_sealed(self, signed: wire.SignedTurn, receiver: int) -> None:
        entry = private_bodies_of(signed).get(receiver)
        if entry is not None and entry.sealed_sha256 not in self._bodies:
            name = Name(SEALED, signed.sender, signed.turn, receiver)
            self._bodies[entry.sealed_sha256] = self._fetch(name)

    def _fetch_ends(self, ends: dict[int, bytes]) -> None:
        standing = self._around.relay.standing(self._plan.id).participants
        for index in self._plan.others(self._index):
            if index in ends or index > len(standing) or not standing[index - 1].has_ended:
                continue
            data = self._around.relay.fetch(self._plan.id, Name(END, index))
            try:
                read_end(self._plan, data, index)
            except VerificationError:
                # Nobody's, or of no form: as if it were not there.
                continue
            ends[index] = data

    def _any_not_done(self, ends: dict[int, bytes]) -> bool:
        done = wire.CEREMONY_OUTCOME_DONE
        return any(
            wire.CeremonyEnd.FromString(payload_of(end)).outcome != done for end in ends.values()
        )


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:TEXT_CHARS_MAX]
