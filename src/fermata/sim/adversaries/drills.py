"""Auditors that have lost their key share, and those that would hide it in a drill."""

from fermata.crypto.integers import int_to_bytes
from fermata.crypto.threshold.drill import NONCE_BYTES, drill_commitment
from fermata.protocol.drills.drill import Drill, DrillPhase
from fermata.protocol.fold.references import to_wire
from fermata.sim.adversaries.misbehaviour import Misbehaviour
from fermata.sim.setup.deployment import Shape
from fermata.sim.world import World
from fermata.wire.v1.statement_pb2 import DrillCommitment, DrillPart, Statement

_NONCE = bytes(range(NONCE_BYTES))
#: A number that is a part of nothing.
_MADE_UP = 5


def _drill(world: World) -> Drill | None:
    drills = world.watch.state.drills
    return drills[0] if drills else None


def _begun(world: World) -> Drill:
    drill = _drill(world)
    if drill is None:
        raise ValueError("no drill has begun")
    return drill


def _is_over(world: World) -> bool:
    drill = _drill(world)
    return drill is not None and drill.phase == DrillPhase.ENDED


class LosesItsShare(Misbehaviour):
    """Has no key share any more, and says nothing in a drill; the others open the round."""

    shape = Shape(auditors=4, threshold=2, organisations="abcd", rounds=1, drill_s=7200)

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        rogue = world.charter.auditors[0]
        world.nodes[rogue].share = None
        world.settle(until=lambda: self.others_have_committed(world))
        self.pretend(world, rogue)
        world.settle(until=lambda: _is_over(world))
        world.settle()

    def others_have_committed(self, world: World) -> bool:
        """Whether all but the one without a share have."""
        drill = _drill(world)
        return drill is not None and len(drill.commitments) == len(drill.auditors) - 1

    def pretend(self, world: World, rogue: str) -> None:
        """What the auditor does to hide it: here nothing."""

    def commit(self, world: World, rogue: str, part: int = _MADE_UP) -> None:
        """It commits itself to a part."""
        drill, record = _begun(world), world.watch.state.keyed().key.record
        said = drill_commitment(
            record, drill.epoch_id, drill.number, drill.index(rogue), _NONCE, part
        )
        body = DrillCommitment(start=to_wire(drill.start), commitment=said)
        self.send(
            world,
            rogue,
            Statement(charter_sha256=world.charter.sha256, author=rogue, drill_commitment=body),
        )

    def show(self, world: World, rogue: str, part: int = _MADE_UP) -> None:
        """It shows a part."""
        width = world.watch.state.keyed().key.public_key.modulus_width
        start = to_wire(_begun(world).start)
        body = DrillPart(start=start, nonce=_NONCE, part=int_to_bytes(part, width))
        self.send(
            world,
            rogue,
            Statement(charter_sha256=world.charter.sha256, author=rogue, drill_part=body),
        )


class ShowsMadeUpPart(LosesItsShare):
    """Commits itself to a number that it made up, and shows it."""

    def pretend(self, world: World, rogue: str) -> None:
        """See LosesItsShare."""
        self.commit(world, rogue)
        self.show(world, rogue)


class CopiesShownPart(LosesItsShare):
    """Commits itself to nothing, waits for the others' parts, and shows one of them as its own."""

    def pretend(self, world: World, rogue: str) -> None:
        """See LosesItsShare."""
        self.commit(world, rogue)
        world.settle(until=lambda: bool(_begun(world).parts))
        _, copied = sorted(_begun(world).parts.items())[0]
        self.show(world, rogue, copied)


class CommitsOnceShown(LosesItsShare):
    """Waits until parts are shown, and commits itself to one of them then."""

    def pretend(self, world: World, rogue: str) -> None:
        """See LosesItsShare."""
        world.settle(until=lambda: bool(_begun(world).parts))
        _, copied = sorted(_begun(world).parts.items())[0]
        self.commit(world, rogue, copied)
        self.show(world, rogue, copied)


class CopiesCommitment(LosesItsShare):
    """Says another auditor's commitment after it, and then its part."""

    def pretend(self, world: World, rogue: str) -> None:
        """See LosesItsShare."""
        drill = _begun(world)
        other, said = sorted(drill.commitments.items())[0]
        body = DrillCommitment(start=to_wire(drill.start), commitment=said)
        self.send(
            world,
            rogue,
            Statement(charter_sha256=world.charter.sha256, author=rogue, drill_commitment=body),
        )
        world.settle(until=lambda: other in _begun(world).parts)
        self.show(world, rogue, _begun(world).parts[other])


ALL_DRILLS: tuple[type[Misbehaviour], ...] = (
    LosesItsShare,
    ShowsMadeUpPart,
    CopiesShownPart,
    CommitsOnceShown,
    CopiesCommitment,
)
