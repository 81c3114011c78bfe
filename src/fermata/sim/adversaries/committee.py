"""Members of a committee, and coordinators, that break the rules of motions and amendments."""

from abc import abstractmethod

from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import decode_entry
from fermata.sim.adversaries.misbehaviour import (
    Misbehaviour,
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

#: The chair of the first round, a member of the second lab's organisation, one of none, and one
#: whose term begins with the second round.
CHAIR, RELATED, NEUTRAL, GUEST = "member-1", "member-2", "member-3", "member-4"


class _OfCommittee(Misbehaviour):
    """An exclusion of the second lab is being voted on in the first round."""

    shape = Shape(3, 2, "abcd", rounds=1, terms=Terms(has_committee=True, rules=256))

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        open_round(world)
        exclusion = wire.Motion(
            kind=wire.MOTION_KIND_EXCLUSION, lab=world.charter.labs[1], from_round=2
        )
        self.table(world, CHAIR, exclusion)
        self.break_rule(world, len(world.watch.leaves) - 1)
        world.settle()

    def table(self, world: World, member: str, motion: wire.Motion) -> None:
        """A member tables a motion."""
        statement = wire.Statement(charter_sha256=world.charter.sha256, author=member)
        statement.motion.CopyFrom(motion)
        self.send(world, member, statement)

    def vote(self, world: World, member: str, entry: int, choice: wire.Choice.ValueType) -> None:
        """A member votes on the motion of this entry."""
        statement = wire.Statement(charter_sha256=world.charter.sha256, author=member)
        statement.vote.CopyFrom(wire.Vote(motion=EntryRef(index=entry), choice=choice))
        self.send(world, member, statement)

    @abstractmethod
    def break_rule(self, world: World, entry: int) -> None:
        """Lets a member break a rule about the motion of this entry."""


class VotesTwice(_OfCommittee):
    """Votes for a motion, and then against it."""

    def break_rule(self, world: World, entry: int) -> None:
        """See _OfCommittee."""
        self.vote(world, CHAIR, entry, wire.CHOICE_FOR)
        self.vote(world, CHAIR, entry, wire.CHOICE_AGAINST)


class VotesOutOfTerm(_OfCommittee):
    """Votes a round before its term begins."""

    def break_rule(self, world: World, entry: int) -> None:
        """See _OfCommittee."""
        self.vote(world, GUEST, entry, wire.CHOICE_FOR)


class VotesInOwnMatter(_OfCommittee):
    """Votes on the exclusion of its own organisation's lab."""

    def break_rule(self, world: World, entry: int) -> None:
        """See _OfCommittee."""
        self.vote(world, RELATED, entry, wire.CHOICE_AGAINST)


class TablesOutOfTurn(_OfCommittee):
    """A member that has the chair in another round tables a lift."""

    def break_rule(self, world: World, entry: int) -> None:
        """See _OfCommittee."""
        self.table(world, RELATED, wire.Motion(kind=wire.MOTION_KIND_LIFT))


class OpensUnderOtherCharter(_OfCommittee):
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
        """See _OfCommittee: here the votes that carry the amendment."""
        for member in (CHAIR, RELATED):
            self.vote(world, member, entry, wire.CHOICE_FOR)


class MovesVotes(_OfCommittee):
    """The chair tables another exclusion in a fork, and the coordinator moves the votes there.

    The votes are for the exclusion that everybody was shown.
    """

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        open_round(world)
        copy = world.nodes[COORDINATOR].disk.copy()
        replica = Replica(world.charter, copy, MODULUS_BITS_MIN, cache=world.cache)
        key = world.deployment.signing_keys[COORDINATOR]
        fork = RogueWriter(replica, key, lambda: world.now_ms)
        self.others.append(fork)
        for writer, lab in ((None, 1), (fork, 2)):
            statement = wire.Statement(charter_sha256=world.charter.sha256, author=CHAIR)
            statement.motion.CopyFrom(
                wire.Motion(
                    kind=wire.MOTION_KIND_EXCLUSION, lab=world.charter.labs[lab], from_round=2
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
        """See _OfCommittee: here the votes that carry the first exclusion."""
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
