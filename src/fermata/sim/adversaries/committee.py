"""Members of a committee, and coordinators, that break the rules of motions and amendments."""

from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import decode_entry
from fermata.sim.adversaries.misbehaviour import (
    CHAIR,
    GUEST,
    NEUTRAL,
    RELATED,
    Misbehaviour,
    OfCommittee,
    RogueWriter,
    force_statement,
    open_round,
    rogue_writer,
)
from fermata.sim.adversaries.pause import MODEST, force_open, whole_round
from fermata.sim.setup.deployment import COORDINATOR, MODULUS_BITS_MIN, Shape
from fermata.sim.setup.terms import Terms
from fermata.sim.world import World
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef


class VotesTwice(OfCommittee):
    """Votes for a motion, and then against it."""

    def break_rule(self, world: World, entry: int) -> None:
        """See OfCommittee."""
        self.vote(world, CHAIR, entry, wire.CHOICE_FOR)
        self.vote(world, CHAIR, entry, wire.CHOICE_AGAINST)


class VotesOutOfTerm(OfCommittee):
    """Votes a round before its term begins."""

    def break_rule(self, world: World, entry: int) -> None:
        """See OfCommittee."""
        self.vote(world, GUEST, entry, wire.CHOICE_FOR)


class VotesInOwnMatter(OfCommittee):
    """Votes on the exclusion of its own organisation's lab."""

    def break_rule(self, world: World, entry: int) -> None:
        """See OfCommittee."""
        self.vote(world, RELATED, entry, wire.CHOICE_AGAINST)


class TablesOutOfTurn(OfCommittee):
    """A member that has the chair in another round tables a lift."""

    def break_rule(self, world: World, entry: int) -> None:
        """See OfCommittee."""
        self.table(world, RELATED, wire.Motion(kind=wire.MOTION_KIND_LIFT))


class OpensUnderOtherCharter(OfCommittee):
    """Opens a round under a charter of its own, and under an amendment before its time."""

    shape = Shape(3, 2, "abcd", rounds=2, terms=Terms(has_committee=True, rules=256))

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        whole_round(world, 1, MODEST)
        force_open(world, bytes(32))
        base = world.charter.sha256.hex()
        charter = f'previous = "{base}"\n'.encode() + world.deployment.charter_data
        self.table(
            world,
            CHAIR,
            wire.Motion(kind=wire.MOTION_KIND_AMENDMENT, from_round=2, charter=charter),
        )
        self.break_rule(world, len(world.watch.leaves) - 1)
        amended = world.watch.state.governance.motions[len(world.watch.leaves) - 3].charter
        if amended is not None:
            force_open(world, amended.sha256)
        world.settle()

    def break_rule(self, world: World, entry: int) -> None:
        """See OfCommittee: here the votes that carry the amendment."""
        for member in (CHAIR, RELATED):
            self.vote(world, member, entry, wire.CHOICE_FOR)


class MovesVotes(OfCommittee):
    """The chair tables another exclusion in a fork, and the coordinator moves the votes there.

    The votes are for the exclusion that everybody was shown, which begins later.
    """

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        open_round(world)
        ground = EntryRef(index=self.find(world))
        copy = world.nodes[COORDINATOR].disk.copy()
        replica = Replica(world.charter, copy, MODULUS_BITS_MIN, cache=world.cache)
        key = world.deployment.signing_keys[COORDINATOR]
        fork = RogueWriter(replica, key)
        self.others.append(fork)
        for writer, number in ((None, 3), (fork, 2)):
            statement = wire.Statement(charter_sha256=world.charter.sha256, author=CHAIR)
            statement.motion.CopyFrom(
                wire.Motion(
                    kind=wire.MOTION_KIND_EXCLUSION,
                    lab=world.charter.labs[1],
                    from_round=number,
                    about=ground,
                )
            )
            force_statement(world, CHAIR, statement, writer=writer)
        self.break_rule(world, len(world.watch.leaves) - 1)
        writer = rogue_writer(world)
        for leaf in writer.replica.store.leaves(fork.size(), writer.size()):
            envelope = decode_entry(leaf).envelope
            self.refused.append(fork.force(envelope).reason)
        world.settle()

    def break_rule(self, world: World, entry: int) -> None:
        """See OfCommittee: here the votes that carry the first exclusion."""
        for member in (CHAIR, NEUTRAL):
            self.vote(world, member, entry, wire.CHOICE_FOR)


ALL_COMMITTEE: tuple[type[Misbehaviour], ...] = (
    VotesTwice,
    VotesOutOfTerm,
    VotesInOwnMatter,
    TablesOutOfTurn,
    OpensUnderOtherCharter,
    MovesVotes,
)
