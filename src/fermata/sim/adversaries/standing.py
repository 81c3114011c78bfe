"""A coordinator that would open other sums than those that stand (docs/spec/standing.md)."""

from typing import ClassVar

from fermata.protocol.roles.auditor import endorse as endorse_statement
from fermata.sim.adversaries.coordinator import set_products
from fermata.sim.adversaries.misbehaviour import (
    Misbehaviour,
    current,
    force_close,
    open_round,
    pass_deadline,
    report,
)
from fermata.sim.adversaries.pause import MODEST, TERMS, heat_of, whole_round
from fermata.sim.adversaries.starving import StarvesLab
from fermata.sim.setup.deployment import COORDINATOR, Shape
from fermata.sim.setup.terms import HEAT_MAX, Terms
from fermata.sim.world import World
from fermata.wire.v1 import statement_pb2


class _OpensAnotherSum(Misbehaviour):
    """Asks in the second round to open a sum that does not stand.

    ``early`` and ``late``: how many labs, the first ones, report in the first round and in the
    second.
    """

    shape = Shape(3, 2, "abcdef", rounds=2, terms=TERMS)
    early: ClassVar[int] = 6
    late: ClassVar[int] = 6

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        whole_round(world, 1, MODEST, *world.charter.labs[: self.early])
        heat_of(world, 2, MODEST)
        self.measure(world)
        open_round(world)
        report(world, *world.charter.labs[: self.late])
        pass_deadline(world)
        self.break_rule(world)
        world.settle([COORDINATOR, *world.charter.auditors])

    def measure(self, world: World) -> None:
        """Sets other figures of the second round."""

    def break_rule(self, world: World) -> None:
        """Breaks a rule about the second round."""
        force_close(world, lambda close: self.change(world, close))

    def change(self, world: World, close: statement_pb2.CloseRound) -> None:
        """Puts the sum of all who have reported in the second round into the close."""
        set_products(world, close, world.charter.labs[: self.late])


class OpensNewReportsAlone(_OpensAnotherSum):
    """Leaves out the standing figures of those that have not reported again."""

    late = 4


class OpensOlderFigure(_OpensAnotherSum):
    """Takes one lab's figure of the first round although it has given a newer one."""

    def change(self, world: World, close: statement_pb2.CloseRound) -> None:
        """See _OpensAnotherSum."""
        set_products(world, close, world.charter.labs, older=world.charter.labs[:1])


class IgnoresFreshMin(_OpensAnotherSum):
    """Asks to open a sum in which two organisations have newer figures, where it takes three.

    One of the two has two labs.
    """

    shape = Shape(3, 2, "aabcde", rounds=2, terms=TERMS)
    late = 3

    def change(self, world: World, close: statement_pb2.CloseRound) -> None:
        """See _OpensAnotherSum."""
        labs = world.charter.labs
        set_products(world, close, labs, older=labs[self.late :])


class EndorsesUnchanged(IgnoresFreshMin):
    """An auditor endorses the close of a round in which two organisations have newer figures."""

    def break_rule(self, world: World) -> None:
        """See _OpensAnotherSum."""
        world.settle([COORDINATOR], lambda: current(world).close is not None)
        close = current(world).close
        if close is not None:
            rogue = world.charter.auditors[0]
            state = world.watch.state.keyed()
            self.send(world, rogue, endorse_statement(state, current(world), close, rogue))


class IgnoresChangeRule(_OpensAnotherSum):
    """Takes a lab into the sum that would be the only one to join, and has not said ``alone``."""

    early = 5


class ChangesSetEarly(_OpensAnotherSum):
    """Takes three labs into the sum at once, in the round of their first figures."""

    early = 3


class IgnoresDominance(_OpensAnotherSum):
    """Takes a figure into the sum that does not show that it is within the limit."""

    shape = Shape(3, 2, "abcd", rounds=2, terms=Terms(dominance="0.4", rules=256))
    early = late = 4

    def measure(self, world: World) -> None:
        """See _OpensAnotherSum."""
        world.inputs.heat[world.charter.labs[0], world.charter.period(2)] = HEAT_MAX


class StarvesMember(StarvesLab):
    """Starves a lab whose figure of the round before stands."""

    shape = Shape(auditors=4, threshold=2, organisations="abcde", rounds=2)
    #: By lab, the round of its figure in the second sum.
    stood: dict[str, int]

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        whole_round(world, 1, MODEST)
        open_round(world)
        self.starve(world)
        close = current(world).close
        self.stood = dict(close.figures["panel-1"]) if close is not None else {}


ALL_STANDING: tuple[type[Misbehaviour], ...] = (
    OpensNewReportsAlone,
    OpensOlderFigure,
    IgnoresFreshMin,
    EndorsesUnchanged,
    IgnoresChangeRule,
    ChangesSetEarly,
    IgnoresDominance,
    StarvesMember,
)
