"""Parties that break the terms of a charter with a pause, with one class for each way."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.roles.overdue import overdue
from fermata.protocol.state.clock import Limit
from fermata.protocol.state.pause import asking
from fermata.protocol.state.report_flags import Flags
from fermata.protocol.state.state import labs_in_force
from fermata.sim.adversaries.coordinator import set_products
from fermata.sim.adversaries.forgery import forge, with_value
from fermata.sim.adversaries.misbehaviour import (
    Misbehaviour,
    current,
    force_close,
    force_statement,
    open_round,
    open_up,
    pass_deadline,
    report,
    rogue_writer,
)
from fermata.sim.setup.deployment import COORDINATOR, Shape
from fermata.sim.setup.terms import HEAT_MAX, Terms
from fermata.sim.world import World
from fermata.wire.v1 import envelope_pb2, statement_pb2

#: All labs must acknowledge, one calm round lifts.
TERMS = Terms(lift_rounds=1, acknowledge_share="1", rules=256)
#: In a charter with a dominance limit of 0.4, no lab may be above 8 after a round at this heat.
MODEST = 5


def heat_of(world: World, round_number: int, heat: int) -> None:
    """Sets what every lab measures in a round."""
    for lab in world.charter.labs:
        world.inputs.heat[lab, world.charter.period(round_number)] = heat


def whole_round(world: World, number: int, heat: int, *labs: str) -> None:
    """Plays an honest round to its end, with the labs' acknowledgements; opens no next round.

    Only ``labs`` report; all labs if none is named.
    """
    heat_of(world, number, heat)
    open_round(world)
    report(world, *labs)
    if labs:
        pass_deadline(world)
    open_up(world)
    # A lab acknowledges what is witnessed.
    for auditor in world.charter.auditors:
        world.step(auditor)
    report(world)


def passes_ms(world: World, limit: Limit) -> int:
    """When a limit passes, by what the auditors have told. Raises ValueError if they have not."""
    due_ms = world.watch.state.clock.due_ms(limit)
    if due_ms is None:
        raise ValueError("too few auditors have told when it began")
    return due_ms


class _IsOverdue(Misbehaviour):
    """The coordinator does nothing when it should act; everybody's own clock shows it."""

    shape: ClassVar[Shape] = Shape(3, 2, "abcd", rounds=2, terms=TERMS)
    #: What is overdue on each honest node a millisecond before the charter's time, and at it.
    early: dict[str, frozenset[str]]
    late: dict[str, frozenset[str]]

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        terms = world.charter.pause
        if terms is None:
            raise ValueError("the charter has no pause")
        honest = [name for name in world.nodes if name != COORDINATOR]
        due = self.wait(world, terms)
        for _ in range(3):
            for name in honest:
                world.step(name)
        due_ms = due()
        world.now_ms = due_ms - 1
        self.early = {name: _overdue_on(world, name, terms) for name in honest}
        world.now_ms = due_ms
        self.late = {name: _overdue_on(world, name, terms) for name in honest}

    @abstractmethod
    def wait(self, world: World, terms: PauseTerms) -> Callable[[], int]:
        """Plays until the coordinator falls silent; what it returns gives the time until which it
        may act, once the auditors have told when that began."""


def _overdue_on(world: World, name: str, terms: PauseTerms) -> frozenset[str]:
    driver = world.nodes[name].driver
    if driver is None:
        raise ValueError(f"{name} is not running")
    state = driver.replica.state
    labs = labs_in_force(state)
    return frozenset(o.what for o in overdue(state, state.pause, terms, labs, world.now_ms))


class WithholdsTrigger(_IsOverdue):
    """Drops the auditors' parts of a round that would trigger a pause."""

    def wait(self, world: World, terms: PauseTerms) -> Callable[[], int]:
        """See _IsOverdue."""
        heat_of(world, 1, HEAT_MAX)
        open_round(world)
        report(world)
        rogue_writer(world).drops = lambda body, author: body == "partial_opening"
        open_up(world)
        close = current(world).close
        if close is None:
            raise ValueError("the round is not closed")
        return lambda: passes_ms(world, Limit(close.entry, terms.settle_within_ms))


class SendsNoOpenRound(_IsOverdue):
    """Does not open a second round."""

    def wait(self, world: World, terms: PauseTerms) -> Callable[[], int]:
        """See _IsOverdue."""
        whole_round(world, 1, MODEST)
        settled_ms = world.watch.state.pause.settled[1]
        return lambda: settled_ms + terms.open_within_ms


class ClosesNever(_IsOverdue):
    """Does not close a round whose deadline has passed."""

    def wait(self, world: World, terms: PauseTerms) -> Callable[[], int]:
        """See _IsOverdue."""
        round_ = open_round(world)
        report(world, *world.charter.labs[1:])
        return lambda: passes_ms(world, round_.deadline) + terms.settle_within_ms


class DropsAcknowledgement(_IsOverdue):
    """Never answers one lab that acknowledges the pause."""

    def wait(self, world: World, terms: PauseTerms) -> Callable[[], int]:
        """See _IsOverdue."""
        open_round(world)
        first = world.charter.labs[0]
        rogue_writer(world).drops = lambda body, author: (
            body == "acknowledgement" and author == first
        )
        heat_of(world, 1, HEAT_MAX)
        report(world)
        open_up(world)
        report(world)
        return lambda: passes_ms(world, asking(world.watch.state.pause)[-1].deadline)


class LogsNoHeartbeats(_IsOverdue):
    """Logs no more heartbeats once a round is open: its deadline never passes, and all can see."""

    def wait(self, world: World, terms: PauseTerms) -> Callable[[], int]:
        """See _IsOverdue."""
        open_round(world)
        report(world, *world.charter.labs[1:])
        rogue_writer(world).drops = lambda body, author: body == "heartbeat"
        return lambda: world.watch.state.time_ms + terms.silence_ms


class ClosesOtherCells(Misbehaviour):
    """Asks to open the panel's total although each of its two groups has a cohort."""

    shape = Shape(3, 2, "abcdef", rounds=1, terms=Terms(has_groups=True, rules=256))

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        open_round(world)
        report(world)
        force_close(world, lambda close: self.change(world, close))
        world.settle(until=lambda: False)

    def change(self, world: World, close: statement_pb2.CloseRound) -> None:
        """Puts other cells into the close."""
        set_products(world, close, world.charter.labs)


class SwapsCells(ClosesOtherCells):
    """Swaps the names of the two groups' products."""

    def change(self, world: World, close: statement_pb2.CloseRound) -> None:
        """See ClosesOtherCells."""
        first, second = close.aggregates
        first.panel, second.panel = second.panel, first.panel
        swapped = [second, first]
        copies = [statement_pb2.SealedPanel.FromString(a.SerializeToString()) for a in swapped]
        close.ClearField("aggregates")
        close.aggregates.extend(copies)


class IgnoresAge(Misbehaviour):
    """Opens a round whose period has only just ended."""

    shape = Shape(3, 2, "abcd", rounds=2, first="2035Q3", terms=Terms(age_days=91, rules=256))

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        whole_round(world, 1, MODEST)
        force_open(world, world.charter.sha256)


def force_open(world: World, charter_sha256: bytes) -> None:
    """Makes the coordinator log the OpenRound of the next round, bound to this charter."""
    number = len(world.watch.state.rounds) + 1
    statement = statement_pb2.Statement(
        charter_sha256=charter_sha256,
        author=COORDINATOR,
        open_round=statement_pb2.OpenRound(
            round=number,
            period=world.charter.period(number),
            key_id=world.watch.state.keyed().key.key_id,
        ),
    )
    force_statement(world, COORDINATOR, statement)


class _Claims(Misbehaviour):
    """The last lab makes a false claim; the coordinator, which helps it, logs the report."""

    #: What it claims, and the figure that it encrypts.
    flags: Flags
    heat = HEAT_MAX

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        rogue = world.charter.labs[-1]
        self.come_to_round(world)
        number = current(world).number
        heat_of(world, number, MODEST)
        # The claim would hold of this figure, which the proof begins with.
        world.inputs.heat[rogue, world.charter.period(number)] = 0
        report(world, *world.charter.labs[:-1])
        forged = forge(
            world,
            rogue,
            witness=lambda statements, honest: with_value(statements, honest, 0, self.heat),
            flags=self.flags,
        )
        sealed = forged.finish()
        self.send(world, rogue, forged.statement, sealed)
        force_statement(world, rogue, forged.statement, sealed)
        pass_deadline(world)
        open_up(world)

    def come_to_round(self, world: World) -> None:
        """Opens the round in which the lab makes its claim."""
        open_round(world)


class ClaimsLowerBand(_Claims):
    """Claims the lowest band of the dues, with a figure of the highest."""

    shape = Shape(3, 2, "abcd", rounds=1, terms=Terms(dues="band", rules=256))
    flags = Flags(dues_band=1)


class ClaimsWithinShares(_Claims):
    """Claims to be within the dominance limit, with a figure far above it."""

    shape = Shape(3, 2, "abcd", rounds=2, terms=Terms(dominance="0.4", rules=256))
    flags = Flags(within_shares=True)

    def come_to_round(self, world: World) -> None:
        """See _Claims."""
        whole_round(world, 1, MODEST)
        open_round(world)


class ClaimsCompliance(_Claims):
    """Claims to keep its duty in a pause, with a figure far above the limit."""

    shape = Shape(3, 2, "abcd", rounds=2, terms=TERMS)
    flags = Flags(complies=True)

    def come_to_round(self, world: World) -> None:
        """See _Claims."""
        whole_round(world, 1, HEAT_MAX)
        open_round(world)


class ClaimsDutyOutsidePause(Misbehaviour):
    """Sets the flag of a duty in a round that asks for no duty; the proof would hold."""

    shape = Shape(3, 2, "abcd", rounds=1, terms=TERMS)

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        rogue = world.charter.labs[-1]
        heat_of(world, 1, MODEST)
        open_round(world)
        forged = forge(world, rogue, flags=Flags(complies=True))
        self.send(world, rogue, forged.statement, forged.finish())
        world.settle()


class AcknowledgesNothing(Misbehaviour):
    """A lab acknowledges an entry that changed nothing."""

    shape = Shape(3, 2, "abcd", rounds=1, terms=TERMS)

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        whole_round(world, 1, HEAT_MAX)
        rogue, change = world.charter.labs[0], world.watch.state.pause.changes[0]
        said = statement_pb2.Acknowledgement(change=envelope_pb2.EntryRef(index=change.entry - 1))
        statement = statement_pb2.Statement(
            charter_sha256=world.charter.sha256, author=rogue, acknowledgement=said
        )
        self.send(world, rogue, statement)
        world.settle()


ALL_PAUSE: tuple[type[Misbehaviour], ...] = (
    WithholdsTrigger,
    SendsNoOpenRound,
    ClosesNever,
    DropsAcknowledgement,
    LogsNoHeartbeats,
    ClosesOtherCells,
    SwapsCells,
    IgnoresAge,
    ClaimsLowerBand,
    ClaimsWithinShares,
    ClaimsCompliance,
    ClaimsDutyOutsidePause,
    AcknowledgesNothing,
)
