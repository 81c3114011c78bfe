"""A next epoch of the key in the middle of a round, and auditors that give one up and go on."""

from fermata.protocol.fold.references import to_wire
from fermata.protocol.roles.auditor import endorse as endorse_statement
from fermata.protocol.state.position import EntryRef
from fermata.protocol.wire.codec import later_record_to_wire
from fermata.protocol.wire.envelope import seal_statement
from fermata.sim.adversaries.misbehaviour import (
    Misbehaviour,
    current,
    missing_endorsements,
    open_round,
    report,
    rogue_writer,
)
from fermata.sim.dice import stream
from fermata.sim.setup.deployment import COORDINATOR, Shape
from fermata.sim.setup.next_epoch import next_epoch
from fermata.sim.world import World
from fermata.types import LeafHash
from fermata.wire.v1.statement_pb2 import Statement


class _NextEpoch(Misbehaviour):
    """An honest ceremony, at a moment that a subclass chooses."""

    shape = Shape(auditors=4, threshold=2, organisations="abcd", rounds=1)
    #: Auditors that endorse before the epoch ends; of three that is a quorum.
    endorsing = 3
    is_refresh = False

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        self.close_and_endorse(world)
        self.hand_in(world, self.give_up(world, self.record(world)))
        world.settle()

    def close_and_endorse(self, world: World) -> None:
        """Some of the auditors endorse the close, and none gives a part."""
        open_round(world)
        report(world)
        world.settle([COORDINATOR], lambda: current(world).close is not None)
        # Each cosigns the close first. Whoever has its turn last gives no part.
        some = world.charter.auditors[: self.endorsing]
        for auditor in world.charter.auditors:
            world.step(auditor)
        for auditor in some:
            world.step(auditor)

    def record(self, world: World) -> Statement:
        """The record of the next epoch; every auditor has its share on its disk by then."""
        state = world.watch.state.keyed()
        entropy = stream(world.seed, "ceremony")
        record, shares = next_epoch(state.key, world.shares, entropy, is_refresh=self.is_refresh)
        leaf_hash = rogue_writer(world).replica.tree.leaf(state.key.entry)
        after = to_wire(EntryRef(state.key.entry, LeafHash(leaf_hash)))
        self.shares = shares
        return Statement(
            charter_sha256=state.charter.sha256, key_record=later_record_to_wire(record, after)
        )

    def give_up(self, world: World, statement: Statement, count: int = 3) -> Statement:
        """So many auditors give the epoch up."""
        whole = Statement()
        whole.CopyFrom(statement)
        for auditor in world.charter.auditors[:count]:
            driver = world.nodes[auditor].driver
            if driver is None:
                raise ValueError("the auditor's node must run")
            key = world.deployment.signing_keys[auditor]
            whole.key_record.retires.append(driver.retired.give_up(statement, key))
            world.tell(auditor, "gives the epoch of the key up")
        return whole

    def hand_in(self, world: World, statement: Statement) -> None:
        """Any auditor hands the record in, which all have signed."""
        keys = {a: world.deployment.signing_keys[a] for a in world.charter.auditors}
        world.port(world.charter.auditors[0]).append(seal_statement(statement, keys))
        world.begin_epoch(self.shares)
        world.check(COORDINATOR)


class ResharesAfterEndorsement(_NextEpoch):
    """The epoch ends after a quorum has endorsed and before anyone gives a part."""


class RefreshesAfterEndorsement(_NextEpoch):
    """The same with a refresh."""

    is_refresh = True


class ResharesBeforeQuorum(_NextEpoch):
    """The epoch ends when two of three that are needed have endorsed."""

    endorsing = 2


class EndorsesAfterGivingUp(_NextEpoch):
    """An auditor gives the epoch up, and endorses all the same; the honest ones are silent."""

    endorsing = 0

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        self.close_and_endorse(world)
        statement = self.give_up(world, self.record(world))
        rogue, close = world.charter.auditors[0], current(world).close
        if close is None:
            raise ValueError("the round was not closed")
        said = endorse_statement(world.watch.state.keyed(), current(world), close, rogue)
        self.send(world, rogue, said)
        world.settle([name for name in world.nodes if name != rogue], lambda: False)
        self.waits_for = missing_endorsements(world)
        self.hand_in(world, statement)
        world.settle()


class HoldsRecordBack(_NextEpoch):
    """The coordinator goes on with the auditors before, and never logs the record."""

    endorsing = 0

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        self.close_and_endorse(world)
        self.give_up(world, self.record(world))
        world.settle(until=lambda: False)
        self.waits_for = missing_endorsements(world)


ALL_EPOCHS: tuple[type[Misbehaviour], ...] = (
    ResharesAfterEndorsement,
    RefreshesAfterEndorsement,
    ResharesBeforeQuorum,
    EndorsesAfterGivingUp,
    HoldsRecordBack,
)
