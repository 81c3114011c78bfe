"""Answers that are held back, and pleas for what does not exist (docs/spec/pleas.md)."""

from fermata.protocol.roles.coordinator import close_statement
from fermata.protocol.wire.plea_file import Pleading, write_pleading
from fermata.sim.adversaries.misbehaviour import (
    Misbehaviour,
    current,
    force_statement,
    open_round,
    pass_deadline,
    report,
    rogue_writer,
)
from fermata.sim.dice import stream
from fermata.sim.setup.deployment import COORDINATOR, Shape
from fermata.sim.world import World
from fermata.wire.v1 import statement_pb2


def plead(world: World, lab: str, *auditors: str) -> None:
    """A lab gives what the log does not take to auditors."""
    (draft,) = world.nodes[lab].disk.drafts_pending()
    file = write_pleading(world.charter.sha256, Pleading(draft.envelope, draft.sealed_part))
    for auditor in auditors:
        world.nodes[auditor].pleas.files.append(file)


def close_now(world: World) -> None:
    """The coordinator logs a close as soon as the deadline has passed, whatever is missing."""
    state, store = rogue_writer(world).state.keyed(), rogue_writer(world).replica.store
    force_statement(world, COORDINATOR, close_statement(state, current(world), store.sealed))


class StarvesLab(Misbehaviour):
    """Logs nothing of the last lab, whoever hands it in, and tries to close without it."""

    #: As many auditors as a lab needs (n - m of 4).
    shape = Shape(auditors=4, threshold=2, organisations="abcde", rounds=1)

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        open_round(world)
        self.starve(world)

    def starve(self, world: World) -> None:
        """Plays the open round to its end without the last lab's report."""
        victim = world.charter.labs[-1]
        rogue_writer(world).drops = lambda body, author: (body, author) == ("report", victim)
        report(world)
        plead(world, victim, *world.charter.auditors[:2])
        self.go_on(world, victim)
        world.settle()

    def go_on(self, world: World, victim: str) -> None:
        """What happens after the lab has pleaded."""
        pass_deadline(world)
        close_now(world)


class ShutsOutLab(StarvesLab):
    """Serves the last lab no more, and takes its report from nobody but auditors."""

    def go_on(self, world: World, victim: str) -> None:
        """See StarvesLab."""
        rogue_writer(world).drops = lambda body, author: False
        world.network.cut_off.add(victim)
        pass_deadline(world)


class LeavesWordOut(StarvesLab):
    """Leaves out, beside the lab, every word of the auditors that have its report."""

    shape = Shape(auditors=5, threshold=3, organisations="abcde", rounds=1)

    def go_on(self, world: World, victim: str) -> None:
        """See StarvesLab."""
        deaf = world.charter.auditors[:2]
        rogue_writer(world).drops = lambda body, author: (
            (body, author) == ("report", victim) or author in deaf
        )
        pass_deadline(world)
        close_now(world)
        rogue_writer(world).drops = lambda body, author: False


class PleadsForNothing(Misbehaviour):
    """An auditor names reports that do not exist, of the labs that have none."""

    shape = Shape(auditors=4, threshold=2, organisations="abcde", rounds=1)

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        number = open_round(world).number
        *labs, silent = world.charter.labs
        driver = world.nodes[world.charter.auditors[0]].driver
        if driver is None:
            raise ValueError("the auditor is not running")
        draw = stream(world.seed, "envelopes that do not exist")
        named = [
            statement_pb2.Plea(round=number, lab=lab, envelope_sha256=draw(32))
            for lab in world.charter.labs
        ]
        driver.pleas.named = lambda: named  # type: ignore[method-assign]
        report(world, *labs)
        world.settle([name for name in world.nodes if name != silent])


ALL_STARVING: tuple[type[Misbehaviour], ...] = (
    StarvesLab,
    ShutsOutLab,
    LeavesWordOut,
    PleadsForNothing,
)
