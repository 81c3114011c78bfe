"""Auditors and coordinators that lie about the time, or hold it back, with one class for each way.

Each wants what begins with an entry to end before its time: a lab's chance to report, a vote, a
notice.
"""

from typing import ClassVar

from fermata.protocol.fold.references import bind
from fermata.protocol.roles.coordinator import close_statement
from fermata.protocol.wire.envelope import seal_statement
from fermata.sim.adversaries.misbehaviour import (
    CHAIR,
    NEUTRAL,
    Misbehaviour,
    OfCommittee,
    current,
    force_statement,
    lie,
    open_round,
    report,
    rogue_writer,
    some_liars,
    tell_time,
)
from fermata.sim.adversaries.pause import MODEST, whole_round
from fermata.sim.setup.deployment import COORDINATOR, Shape
from fermata.sim.setup.terms import Terms
from fermata.sim.world import World
from fermata.wire.v1 import statement_pb2 as wire

YEAR_MS = 365 * 86_400_000
#: How often a colluding coordinator tries to close.
TRY_MS = 30_000


class _LiesAboutTime(Misbehaviour):
    """As many auditors as may lie do, all the time; one lab never answers the round."""

    skew_ms: ClassVar[int]
    #: How long after its opening, by the true time, the round was closed.
    closed_after_ms = -1

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        lie(world, some_liars(world), self.skew_ms)
        open_round(world)
        opened_ms = world.now_ms
        others = [name for name in world.nodes if name != world.charter.labs[-1]]
        world.settle(others, lambda: current(world).close is not None)
        self.closed_after_ms = world.now_ms - opened_ms
        world.settle(others)


class TellsNextYear(_LiesAboutTime):
    """The clocks of two auditors of five are a year ahead."""

    skew_ms = YEAR_MS


class TellsLastYear(_LiesAboutTime):
    """The clocks of two auditors of five are a year behind."""

    skew_ms = -YEAR_MS


class ClosesAhead(Misbehaviour):
    """Shuts two labs out by a close before its time, with two auditors that say it is later."""

    #: Labs whose reports count all the same.
    listed: tuple[str, ...] = ()

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        round_ = open_round(world)
        report(world, *world.charter.labs[:3])
        lie(world, some_liars(world), 2 * round_.window_ms)
        tell_time(world)
        force_statement(world, COORDINATOR, _close_now(world))
        world.settle()
        close = current(world).close
        self.listed = close.listed if close is not None else ()


class ColludesAboutTime(Misbehaviour):
    """As many auditors as may lie saw the opening last year, and say that it is next year by now.

    The coordinator closes as soon as the fold lets it, to shut out the last lab. It gains what two
    honest clocks differ by, and no more.
    """

    #: How far one honest clock is ahead, and another behind.
    skew_ms: ClassVar[int] = 0
    #: How long after its opening, by the true time, the round was closed.
    closed_after_ms = -1

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        liars = some_liars(world)
        *_, behind, ahead = world.charter.auditors
        world.skew_ms |= {behind: -self.skew_ms, ahead: self.skew_ms}
        lie(world, liars, -YEAR_MS)
        round_ = open_round(world)
        opened_ms = world.now_ms
        lie(world, liars, YEAR_MS)
        report(world, *world.charter.labs[:-1])
        key = {COORDINATOR: world.deployment.signing_keys[COORDINATOR]}
        writer = rogue_writer(world)
        while world.now_ms < opened_ms + 2 * round_.window_ms:
            tell_time(world)
            statement = _close_now(world)
            if writer.force_if_accepted(seal_statement(statement, key)):
                break
            world.now_ms += TRY_MS
        self.closed_after_ms = world.now_ms - opened_ms
        world.check(COORDINATOR)
        world.settle()


def _close_now(world: World) -> wire.Statement:
    """The close that would list the reports so far, bound to the log as it is."""
    writer = rogue_writer(world)
    find = writer.replica.store.sealed
    statement = close_statement(writer.state.keyed(), current(world), find)
    bind(writer.replica.tree, statement)
    return statement


def hold_back(world: World, length_ms: int) -> None:
    """Keeps all heartbeats of the auditors back, for so long."""
    writer = rogue_writer(world)
    writer.holds = lambda body, author: body == "heartbeat" and author in world.charter.auditors
    until_ms = world.now_ms + length_ms
    while world.now_ms < until_ms:
        world.now_ms += world.charter.heartbeat_s * 1000
        tell_time(world)


def burst(world: World) -> int:
    """Logs all that was held back, at once; returns how far that moved the log's time."""
    before_ms = world.watch.state.time_ms
    rogue_writer(world).force_held()
    world.check(COORDINATOR)
    return world.watch.state.time_ms - before_ms


class ShutsOutByBurst(Misbehaviour):
    """Opens a round with more than its window of heartbeats in hand, and logs them right after."""

    #: How far the burst moved the log's time, and labs whose reports count all the same.
    moved_ms = 0
    listed: tuple[str, ...] = ()

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        world.step(COORDINATOR)
        writer = rogue_writer(world)
        writer.drops = lambda body, author: body == "open_round"
        tell_time(world)
        hold_back(world, 2 * world.charter.window_s * 1000)
        writer.drops = lambda body, author: False
        world.step(COORDINATOR)
        world.step(COORDINATOR)
        report(world, *world.charter.labs[:-1])
        self.moved_ms = burst(world)
        force_statement(world, COORDINATOR, _close_now(world))
        world.settle()
        close = current(world).close
        self.listed = close.listed if close is not None else ()


class ExpiresVoteByBurst(OfCommittee):
    """Has a vote's whole time of heartbeats in hand when the vote begins, and logs them then."""

    moved_ms = 0
    #: What had become of the motion right after the burst.
    status = ""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        open_round(world)
        ground = self.find(world)
        hold_back(world, 2 * 7200 * 1000)
        self.break_rule(world, self.exclude(world, ground))
        world.settle()

    def break_rule(self, world: World, entry: int) -> None:
        """See OfCommittee."""
        self.moved_ms = burst(world)
        self.status = world.watch.state.governance.motions[entry].status
        for member in (CHAIR, NEUTRAL):
            self.vote(world, member, entry, wire.CHOICE_FOR)


class EndsNoticeByBurst(OfCommittee):
    """Has a notice's time of heartbeats in hand when an exclusion carries, and logs them then."""

    shape = Shape(3, 2, "abcd", rounds=2, terms=Terms(has_committee=True, rules=256))
    moved_ms = 0
    #: Labs that the round may not hear which was opened right after the burst.
    barred: frozenset[str] = frozenset({"not opened"})

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        whole_round(world, 1, MODEST)
        ground = self.find(world)
        hold_back(world, 2 * world.charter.heartbeat_s * 1000)
        self.break_rule(world, self.exclude(world, ground))
        world.settle()

    def break_rule(self, world: World, entry: int) -> None:
        """See OfCommittee."""
        for member in (CHAIR, NEUTRAL):
            self.vote(world, member, entry, wire.CHOICE_FOR)
        self.moved_ms = burst(world)
        world.step(COORDINATOR)
        world.step(COORDINATOR)
        if current(world).number == 2:
            self.barred = current(world).barred


ALL_CLOCKS: tuple[type[Misbehaviour], ...] = (
    TellsNextYear,
    TellsLastYear,
    ClosesAhead,
    ColludesAboutTime,
    ShutsOutByBurst,
    ExpiresVoteByBurst,
    EndsNoticeByBurst,
)
