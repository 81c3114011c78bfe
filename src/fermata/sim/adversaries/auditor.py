"""Auditors that break the rules, or stay away, with one class for each way."""

from fermata.crypto.integers import int_to_bytes
from fermata.protocol.roles.auditor import endorse as endorse_statement
from fermata.protocol.roles.auditor import open_part
from fermata.protocol.state.state import Close
from fermata.sim.adversaries.misbehaviour import (
    Misbehaviour,
    current,
    missing_endorsements,
    open_round,
    report,
)
from fermata.sim.dice import stream
from fermata.sim.setup.deployment import COORDINATOR, Shape
from fermata.sim.world import World


def _close_round(world: World) -> Close:
    open_round(world)
    report(world)
    world.settle([COORDINATOR], lambda: current(world).close is not None)
    close = current(world).close
    if close is None:
        raise ValueError("the round was not closed")
    return close


def _endorse(world: World, *auditors: str) -> None:
    """These auditors endorse the close, after each has cosigned it."""
    for auditor in (*auditors, *auditors):
        world.step(auditor)


class SendsWrongPart(Misbehaviour):
    """Gives a part of something else than the product; two other auditors open the round."""

    shape = Shape(auditors=3, threshold=2, organisations="abcd", rounds=1)

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        close, rogue = _close_round(world), world.charter.auditors[0]
        _endorse(world, *world.charter.auditors[: world.charter.endorsement_quorum])
        state = world.watch.state.keyed()
        share, entropy = world.deployment.shares[rogue], stream(world.seed, "rogue")
        statement = open_part(state, current(world), close, rogue, share, entropy)
        n, width = state.key.record.n, state.key.public_key.modulus_width
        for panel in statement.partial_opening.panels:
            wrong = 2 * int.from_bytes(panel.parts[0], "big") % n
            panel.parts[0] = int_to_bytes(wrong, width)
        self.send(world, rogue, statement)
        world.settle([name for name in world.nodes if name != rogue])


class SendsWrongPartAmongFive(SendsWrongPart):
    """Gives a wrong part where two of five could be wrong, so four parts name no culprit yet."""

    shape = Misbehaviour.shape


class _EndorsesWrongly(Misbehaviour):
    """Endorses products that are not the close's."""

    is_second = False

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        close, rogue = _close_round(world), world.charter.auditors[0]
        for auditor in world.charter.auditors[1:]:
            world.step(auditor)
        if self.is_second:
            _endorse(world, rogue)
        statement = endorse_statement(world.watch.state.keyed(), current(world), close, rogue)
        statement.endorsement.aggregate_sha256 = bytes(32)
        self.send(world, rogue, statement)
        world.settle([name for name in world.nodes if name != rogue])


class EndorsesOtherProducts(_EndorsesWrongly):
    """Endorses a digest that is not the close's, before it has endorsed anything else."""


class EndorsesTwice(_EndorsesWrongly):
    """Endorses the close, and then another digest."""

    is_second = True


class OneStaysAway(Misbehaviour):
    """One auditor of five never takes part; four are a quorum."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        away = world.charter.auditors[0]
        world.settle([name for name in world.nodes if name != away])
        self.waits_for = missing_endorsements(world)


class TwoStayAway(Misbehaviour):
    """Two auditors of five leave before they endorse, and come back later."""

    #: Rounds that were opened while they were away.
    opened_meanwhile = -1

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        _close_round(world)
        away = world.charter.auditors[:2]
        world.settle([name for name in world.nodes if name not in away])
        self.waits_for = missing_endorsements(world)
        self.opened_meanwhile = sum(r.opening is not None for r in world.watch.state.rounds)
        world.settle()


class TwoLeaveAfterEndorsing(Misbehaviour):
    """Four of five endorse; then two of these leave before they give their part."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        _close_round(world)
        _endorse(world, *world.charter.auditors[:4])
        away = world.charter.auditors[:2]
        world.settle([name for name in world.nodes if name not in away])


class ReplaysOwnPart(Misbehaviour):
    """Sends its part again after the round has been opened."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        world.settle()
        rogue = next(iter(current(world).parts))
        draft = world.nodes[rogue].disk.draft("opening/1")
        if draft is not None:
            world.port(rogue).append(draft.envelope)
        world.check(rogue)


ALL_AUDITORS: tuple[type[Misbehaviour], ...] = (
    SendsWrongPart,
    SendsWrongPartAmongFive,
    EndorsesOtherProducts,
    EndorsesTwice,
    OneStaysAway,
    TwoStayAway,
    TwoLeaveAfterEndorsing,
    ReplaysOwnPart,
)
