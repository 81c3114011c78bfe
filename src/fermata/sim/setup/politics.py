"""What the committee's members, and parties in a dispute, say in a run: by the seed alone.

Each says a thing at most once: the state decides what is due, and a slot keeps what was said.
"""

from collections.abc import Iterator

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.fold.governance.amendment import exclusion_pending
from fermata.protocol.fold.governance.tally import chair_of, entitled, round_in_office
from fermata.protocol.state import governance as g
from fermata.protocol.state.pause import RUNNING
from fermata.protocol.state.state import State
from fermata.sim.dice import Dice, stream
from fermata.sim.setup.deployment import MODULUS_BITS_MIN
from fermata.sim.setup.terms import without_labs
from fermata.types import Role
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef

#: Statements that are due, with the outbox's slot of each.
Due = Iterator[tuple[str, wire.Statement]]
#: What members vote, and how often in a hundred.
CHOICES = ((wire.CHOICE_FOR, 70), (wire.CHOICE_AGAINST, 22), (wire.CHOICE_RECUSED, 8))


class Politics:
    """The script of a run; in a calm run nobody tables a motion and nobody votes."""

    def __init__(self, seed: int, charter_data: bytes, is_calm: bool) -> None:
        self._seed = seed
        self._charter_data = charter_data
        self._is_calm = is_calm

    def due(self, state: State, me: str) -> Due:
        """The statements that a party has to make in this state."""
        charter = state.charter
        if self._is_calm or charter is None or charter.committee is None:
            return
        # Whoever is off the roster has nothing to say.
        if me not in charter.parties:
            return
        for slot, body in (*self._motions(state, charter, me), *self._votes(state, me)):
            # An amendment in between would have it refused, so the slot is of one charter.
            statement = wire.Statement(charter_sha256=charter.sha256, author=me)
            field = "vote" if isinstance(body, wire.Vote) else "motion"
            getattr(statement, field).CopyFrom(body)
            yield f"{slot}/{len(state.charters)}", statement

    def _chance(self, label: str, per_mille: int) -> bool:
        return Dice(stream(self._seed, f"politics/{label}")).chance(per_mille)

    def _motions(
        self, state: State, charter: Charter, me: str
    ) -> Iterator[tuple[str, wire.Motion | wire.Vote]]:
        number = round_in_office(state)
        where = f"{number}/{me}"
        if state.rounds and self._chance(f"dispute/{where}", 40):
            about = EntryRef(index=state.rounds[-1].entry)
            lab = Dice(stream(self._seed, f"politics/accused/{where}")).pick(("", *charter.labs))
            body = wire.Motion(kind=wire.MOTION_KIND_DISPUTE, about=about, lab=lab)
            yield f"motion/dispute/{number}", body
        for dispute in state.governance.disputes.values():
            yield from self._of_dispute(state, dispute, me)
        for motion in state.governance.open_motions:
            if motion.author == me and self._chance(f"withdrawal/{motion.entry}", 100):
                about = EntryRef(index=motion.entry)
                body = wire.Motion(kind=wire.MOTION_KIND_WITHDRAWAL, about=about)
                yield f"motion/withdrawal/{motion.entry}", body
        if charter.parties[me].role != Role.MEMBER or chair_of(state, g.LIFT) != me:
            return
        if state.pause.phase != RUNNING and self._chance(f"lift/{where}", 500):
            yield f"motion/lift/{number}", wire.Motion(kind=wire.MOTION_KIND_LIFT)
        if self._chance(f"amendment/{where}", 500) and state.governance.amendment is None:
            head = f'# {number}\nprevious = "{charter.sha256.hex()}"\n[cryptography]'
            data = self._with_another_roster(f"roster/{where}")
            data = data.replace(b"[cryptography]", head.encode())
            # It comes with another gap for the log's time to jump over (T6).
            beat_s = Dice(stream(self._seed, f"politics/heartbeat/{where}")).pick((300, 900, 2400))
            data = data.replace(b"[rounds]", f"[rounds]\nheartbeat_s = {beat_s}".encode())
            body = wire.Motion(
                kind=wire.MOTION_KIND_AMENDMENT, from_round=len(state.rounds) + 1, charter=data
            )
            yield f"motion/amendment/{number}", body
        yield from self._exclusion(state, charter, where)

    def _exclusion(
        self, state: State, charter: Charter, where: str
    ) -> Iterator[tuple[str, wire.Motion | wire.Vote]]:
        """Of a lab that was found at fault, if the chair likes."""
        findings = [
            d
            for d in state.governance.disputes.values()
            if d.is_upheld and d.status == g.FINAL and d.lab in charter.labs
        ]
        for dispute in findings[-1:]:
            is_pending = exclusion_pending(state, dispute.lab)
            if self._chance(f"exclusion/{where}", 700) and not is_pending:
                body = wire.Motion(
                    kind=wire.MOTION_KIND_EXCLUSION,
                    lab=dispute.lab,
                    from_round=len(state.rounds) + 1,
                    about=EntryRef(index=dispute.entry),
                )
                yield f"motion/exclusion/{dispute.entry}", body

    def _with_another_roster(self, label: str) -> bytes:
        """The first charter, or one without some of its labs if it may do without them.

        Whoever an amendment before has left out is back then.
        """
        dice = Dice(stream(self._seed, f"politics/{label}"))
        text = self._charter_data.decode()
        labs = parse_charter(self._charter_data, MODULUS_BITS_MIN).labs
        first = dice.below(len(labs))
        gone = frozenset(labs[first : first + dice.between(1, 4)])
        data = without_labs(text, gone).encode()
        if dice.chance(350):
            return self._charter_data
        try:
            parse_charter(data, MODULUS_BITS_MIN)
        except ConfigError:
            return self._charter_data
        return data

    def _of_dispute(
        self, state: State, dispute: g.Dispute, me: str
    ) -> Iterator[tuple[str, wire.Motion | wire.Vote]]:
        entry = dispute.entry
        if dispute.status in g.RULED and dispute.author == me:
            if self._chance(f"appeal/{entry}", 500):
                body = wire.Motion(kind=wire.MOTION_KIND_APPEAL, about=EntryRef(index=entry))
                yield f"motion/appeal/{entry}", body
            return
        waits = dispute.status in (g.FILED, g.APPEALED)
        voted_on = any(
            m.kind == g.RULING and m.about_entry == entry for m in state.governance.open_motions
        )
        if waits and not voted_on and chair_of(state, g.RULING, about_entry=entry) == me:
            upheld = self._chance(f"ruling/{entry}/{dispute.status}", 500)
            body = wire.Motion(
                kind=wire.MOTION_KIND_RULING, about=EntryRef(index=entry), is_upheld=upheld
            )
            # Once for the dispute, once for its appeal; a lost one is not tabled again.
            yield f"motion/ruling/{entry}/{dispute.status}", body

    def _votes(self, state: State, me: str) -> Iterator[tuple[str, wire.Motion | wire.Vote]]:
        for motion in state.governance.open_motions:
            if me in {m.id for m in entitled(state, motion)} and me not in motion.votes:
                dice = Dice(stream(self._seed, f"politics/vote/{motion.entry}/{me}"))
                body = wire.Vote(motion=EntryRef(index=motion.entry), choice=dice.weighted(CHOICES))
                yield f"vote/{motion.entry}", body
