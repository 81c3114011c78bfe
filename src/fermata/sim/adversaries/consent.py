"""Labs that say that they have not consented, so that a pause is lifted without them."""

from typing import ClassVar

from fermata.protocol.fold.governance.tally import chair_of
from fermata.protocol.fold.heartbeats import INTERVAL_MS_MIN, next_count
from fermata.protocol.state.governance import AMENDMENT
from fermata.sim.adversaries.misbehaviour import (
    CHAIR,
    NEUTRAL,
    RELATED,
    OfCommittee,
    open_up,
    pass_deadline,
    report,
    tell_time,
)
from fermata.sim.adversaries.pause import MODEST, heat_of
from fermata.sim.setup.deployment import COORDINATOR, Shape
from fermata.sim.setup.terms import HEAT_MAX, Terms
from fermata.sim.world import World
from fermata.wire.v1 import statement_pb2 as wire

#: One calm round lifts.
TERMS = Terms(lift_rounds=1, acknowledge_share="1", has_committee=True, rules=256)
#: What all but one lab measure when the one that leaps to HEAT_MAX pulls the pause.
HOT = 14


class _Refuses(OfCommittee):
    """The last lab names the first charter as the newest that it accepts, after an amendment.

    ``own_heats`` and ``rest_heats``: by round, what it measures and what the others do. It reports
    in the rounds up to ``answers``. The amendment comes into force with the round ``amended``, and
    its word comes in the round ``says``.
    """

    shape = Shape(3, 2, "abcdef", rounds=6, terms=TERMS, ghost_rounds=2, set_rounds=1)
    own_heats: ClassVar[tuple[int, ...]]
    rest_heats: ClassVar[tuple[int, ...]]
    answers: ClassVar[int]
    amended: ClassVar[int]
    says: ClassVar[int]
    #: Whom the pause left out, and its phases after each round.
    left_out: tuple[str, ...]
    phases: tuple[str, ...]

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        *rest, last = world.charter.labs
        phases = []
        for number, (own, others) in enumerate(
            zip(self.own_heats, self.rest_heats, strict=True), 1
        ):
            heat_of(world, number, others)
            world.inputs.heat[last, world.charter.period(number)] = own
            if number == self.amended:
                self._amend(world, number)
            self._open(world)
            if number == self.says:
                self._refuse(world, last)
            report(world, *rest, *([last] if number <= self.answers else []))
            if number > self.answers:
                pass_deadline(world)
            open_up(world)
            phases.append(world.watch.state.pause.phase)
        self.phases = tuple(phases)
        starts = [c for c in world.watch.state.pause.changes if c.why in ("rule", "relapse")]
        self.left_out = starts[-1].left_out if starts else ()

    def break_rule(self, world: World, entry: int) -> None:
        """See OfCommittee: here the votes that carry the amendment."""
        for member in (CHAIR, RELATED, NEUTRAL):
            self.vote(world, member, entry, wire.CHOICE_FOR)

    def _amend(self, world: World, number: int) -> None:
        charter = f'previous = "{world.charter.sha256.hex()}"\n'.encode()
        charter += world.deployment.charter_data
        body = wire.Motion(
            kind=wire.MOTION_KIND_AMENDMENT, from_round=number, charter=charter, reason="another"
        )
        chair = chair_of(world.watch.state, AMENDMENT)
        if chair is None:
            raise ValueError("nobody may table an amendment")
        entry = self.table(world, chair, body)
        self.break_rule(world, entry)
        tell_time(world)
        # Not at once: a log that seems to have been down would put limits off.
        while not world.watch.state.clock.passed(
            world.watch.state.governance.motions[entry].notice
        ):
            world.now_ms += world.charter.heartbeat_s * 1000
            tell_time(world)

    def _open(self, world: World) -> None:
        count = len(world.watch.state.rounds)
        world.settle(
            [COORDINATOR, *world.charter.auditors], lambda: len(world.watch.state.rounds) > count
        )

    def _refuse(self, world: World, lab: str) -> None:
        # Heartbeats of one lab are a minute apart.
        world.now_ms += INTERVAL_MS_MIN
        tell_time(world)
        state = world.watch.state.chartered()
        beat = wire.Heartbeat(
            count=next_count(state, lab),
            time_ms=world.now_ms,
            accepted_charter_sha256=world.charter.sha256,
        )
        statement = wire.Statement(charter_sha256=state.charter.sha256, author=lab, heartbeat=beat)
        self.send(world, lab, statement)


class RefusesAfterItsLeap(_Refuses):
    """It leaps and pulls the pause, and refuses an amendment that comes into force in it."""

    own_heats = (HEAT_MAX,) + (MODEST,) * 5
    rest_heats = (HOT,) + (MODEST,) * 5
    answers, amended, says = 1, 2, 2


class RefusesInTheTriggeringRound(_Refuses):
    """It refuses once the round is open in which the others leap; it reports nothing in it."""

    own_heats = (MODEST,) * 6
    rest_heats = (MODEST, HEAT_MAX) + (MODEST,) * 4
    answers, amended, says = 1, 2, 2


class RefusesBeforeThePause(_Refuses):
    """It refuses an amendment, and the others leap three rounds later: this breaks no rule.

    The rules that fire look back at four periods, and so at none with another figure of it.
    """

    shape = Shape(3, 2, "abcdef", rounds=7, terms=TERMS, ghost_rounds=2, set_rounds=1)
    own_heats = (MODEST,) * 7
    rest_heats = (MODEST, MODEST, MODEST, MODEST, HEAT_MAX, MODEST, MODEST)
    answers, amended, says = 1, 2, 2


ALL_CONSENT: tuple[type[_Refuses], ...] = (
    RefusesAfterItsLeap,
    RefusesInTheTriggeringRound,
    RefusesBeforeThePause,
)
