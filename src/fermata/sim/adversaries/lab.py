"""Labs that break the rules, with one class for each way."""

from fermata.protocol.fold.round_rules import REVISIONS_MAX
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import Draft
from fermata.sim.adversaries.misbehaviour import (
    Misbehaviour,
    correct,
    current,
    open_round,
    pass_deadline,
    report,
)
from fermata.sim.setup.deployment import Shape
from fermata.sim.world import World
from fermata.wire.v1 import statement_pb2


def _draft(world: World, lab: str, slot: str) -> Draft:
    draft = world.nodes[lab].disk.draft(slot)
    if draft is None:
        raise ValueError(f"{lab} has nothing in {slot}")
    return draft


def _statement(draft: Draft) -> statement_pb2.Statement:
    return statement_of(unseal(draft.envelope))


class CopiesReport(Misbehaviour):
    """Reports another lab's ciphertexts as its own, and has that lab's sealed part."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        victim, rogue = world.charter.labs[:2]
        open_round(world)
        report(world, victim)
        draft = _draft(world, victim, "answer/1/0")
        statement = _statement(draft)
        statement.author = rogue
        self.send(world, rogue, statement, draft.sealed_part)
        world.settle([name for name in world.nodes if name != rogue])


class ReplaysEarlierRound(Misbehaviour):
    """Sends its report of the first round again in the second: unchanged, and signed again."""

    shape = Shape(auditors=5, threshold=3, organisations="abcde", rounds=2)
    #: Entries that the log had before and after.
    entries: tuple[int, int] = (0, 0)

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        rogue = world.charter.labs[0]
        world.settle(until=lambda: len(world.watch.state.rounds) == 2)
        draft = _draft(world, rogue, "answer/1/0")
        before = len(world.watch.leaves)
        world.port(rogue).append(draft.envelope, draft.sealed_part)
        world.check(rogue)
        statement = _statement(draft)
        statement.report.evidence_sha256 = bytes(32)
        self.send(world, rogue, statement, draft.sealed_part)
        self.entries = (before, len(world.watch.leaves))
        world.settle()


class ReportsLate(Misbehaviour):
    """Reports at the deadline, to the millisecond, before the coordinator has closed."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        rogue = world.charter.labs[0]
        open_round(world)
        report(world, *world.charter.labs[1:])
        pass_deadline(world)
        report(world, rogue)
        world.settle()


class FloodsCorrections(Misbehaviour):
    """Corrects its report more often than the rules allow."""

    #: Reports of the lab that were logged.
    logged = -1

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        rogue = world.charter.labs[0]
        open_round(world)
        report(world, rogue)
        for _ in range(REVISIONS_MAX + 3):
            correct(world, rogue)
            world.step(rogue)
        self.logged = len(current(world).revisions[rogue])
        world.settle()


ALL_LABS: tuple[type[Misbehaviour], ...] = (
    CopiesReport,
    ReplaysEarlierRound,
    ReportsLate,
    FloodsCorrections,
)
