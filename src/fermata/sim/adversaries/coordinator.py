"""A coordinator that breaks the rules, with one class for each way."""

from abc import abstractmethod
from collections.abc import Sequence

from fermata.crypto.paillier import ciphertext_to_bytes, product
from fermata.memory_store import MemoryStore
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import ThresholdKey
from fermata.protocol.wire.ports import LOGGED
from fermata.sim.adversaries.misbehaviour import (
    Misbehaviour,
    RogueWriter,
    correct,
    current,
    force_close,
    open_round,
    pass_deadline,
    report,
    rogue_writer,
)
from fermata.sim.setup.deployment import COORDINATOR, MODULUS_BITS_MIN, Shape
from fermata.sim.world import World
from fermata.wire.v1 import statement_pb2


def _sealed(world: World, lab: str, number: int) -> list[statement_pb2.SealedPanel]:
    report = world.watch.state.rounds[number - 1].reports[lab]
    data = world.nodes[COORDINATOR].disk.sealed(report.sealed_sha256) or b""
    return list(statement_pb2.SealedPart.FromString(data).panels)


def set_products(
    world: World,
    close: statement_pb2.CloseRound,
    labs: Sequence[str],
    factor: int = 1,
    older: Sequence[str] = (),
) -> None:
    """Sets the close's aggregates to the products over these labs, panel by panel.

    Each product is multiplied by ``factor``. Of the labs in ``older`` it takes what they reported
    in the first round, of the others what they reported in the newest.
    """
    key: ThresholdKey = world.watch.state.keyed().key
    at = {lab: 1 if lab in older else current(world).number for lab in labs}
    parts = {lab: {p.panel: p.ciphertexts for p in _sealed(world, lab, at[lab])} for lab in at}
    close.ClearField("aggregates")
    for panel in world.charter.panels:
        columns = zip(*(parts[lab][panel.id] for lab in labs), strict=True)
        numbers = [[int.from_bytes(c, "big") for c in column] for column in columns]
        close.aggregates.append(
            statement_pb2.SealedPanel(
                panel=panel.id,
                ciphertexts=[
                    ciphertext_to_bytes(key.public_key, product(key.public_key, [*row, factor]))
                    for row in numbers
                ],
            )
        )


class _WrongProduct(Misbehaviour):
    """Lists the right reports in the close, and asks to open something else."""

    def misbehave(self, world: World) -> None:
        open_round(world)
        report(world)
        force_close(world, lambda close: self.change(world, close))
        world.settle()

    @abstractmethod
    def change(self, world: World, close: statement_pb2.CloseRound) -> None:
        """Puts other aggregates into the close."""


class OpensOneLab(_WrongProduct):
    """Asks the auditors to open a single lab's ciphertexts."""

    def change(self, world: World, close: statement_pb2.CloseRound) -> None:
        """See _WrongProduct."""
        set_products(world, close, [world.charter.labs[0]])


class OpensOneLabInDisguise(_WrongProduct):
    """Asks for a single lab's ciphertexts, multiplied by an encryption of zero."""

    def change(self, world: World, close: statement_pb2.CloseRound) -> None:
        """See _WrongProduct."""
        key = world.watch.state.keyed().key.public_key
        zero = pow(world.dice.between(2, key.n - 1), key.n, key.n_squared)
        set_products(world, close, [world.charter.labs[0]], zero)


class RepeatsReportInProduct(_WrongProduct):
    """Multiplies one lab's ciphertexts into the product a second time."""

    def change(self, world: World, close: statement_pb2.CloseRound) -> None:
        """See _WrongProduct."""
        set_products(world, close, [*world.charter.labs, world.charter.labs[0]])


class BlindsProductAgain(_WrongProduct):
    """Multiplies the product by an encryption of zero: the same sum, but not the labs' product."""

    def change(self, world: World, close: statement_pb2.CloseRound) -> None:
        """See _WrongProduct."""
        key = world.watch.state.keyed().key.public_key
        zero = pow(world.dice.between(2, key.n - 1), key.n, key.n_squared)
        set_products(world, close, world.charter.labs, zero)


class DropsReport(Misbehaviour):
    """Leaves a report out of the close although the lab holds its receipt."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""

        def change(close: statement_pb2.CloseRound) -> None:
            del close.listed[0]
            set_products(world, close, [r.lab for r in close.listed])

        open_round(world)
        report(world)
        force_close(world, change)
        world.settle(_all_but_coordinator(world), lambda: False)


class CountsLabTwice(Misbehaviour):
    """Lists one lab's report twice."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""

        def change(close: statement_pb2.CloseRound) -> None:
            close.listed.insert(0, close.listed[0])
            set_products(world, close, [r.lab for r in close.listed])

        open_round(world)
        report(world)
        force_close(world, change)
        world.settle(_all_but_coordinator(world), lambda: False)


class OpensBelowCohort(Misbehaviour):
    """Asks to open the sum of two organisations, where the charter requires three."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        labs = world.charter.labs[:2]
        open_round(world)
        report(world, *labs)
        pass_deadline(world)
        force_close(world, lambda close: set_products(world, close, labs))
        world.settle(world.charter.auditors, lambda: False)


class ReplaysSupersededReport(Misbehaviour):
    """Logs a lab's first report again after the lab has corrected it."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        round_ = open_round(world)
        first = world.charter.labs[0]
        report(world, *world.charter.labs[:-1])
        old = world.nodes[first].disk.draft(f"answer/{round_.number}/0")
        correct(world, first)
        report(world, first)
        if old is not None:
            rogue_writer(world).force(old.envelope)
        world.check(COORDINATOR)
        world.settle()


class Forks(Misbehaviour):
    """After the reports, shows some auditors a log without the last lab's correction.

    So few see either log that neither close is witnessed.
    """

    #: How many auditors see the log with the correction.
    undeceived = 2

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        self.fork(world)
        # The auditors compare: all are shown what the first two have seen.
        world.network.writer_for = lambda caller: rogue_writer(world)
        world.settle(world.charter.auditors, lambda: False)

    def fork(self, world: World) -> RogueWriter:
        """Closes the round in two logs. The first auditors see one, and the others the other."""
        open_round(world)
        report(world)
        replica = Replica(
            world.charter, world.nodes[COORDINATOR].disk.copy(), MODULUS_BITS_MIN, cache=world.cache
        )
        key = world.deployment.signing_keys[COORDINATOR]
        other = RogueWriter(replica, key)
        self.others.append(other)
        correct(world, world.charter.labs[-1])
        report(world, world.charter.labs[-1])
        deceived = set(world.charter.auditors[self.undeceived :])
        world.network.writer_for = lambda caller: (
            other if caller in deceived else rogue_writer(world)
        )
        force_close(world)
        force_close(world, writer=other)
        world.settle(world.charter.auditors, lambda: False)
        return other


class ForksPastLostCopies(Forks):
    """Shows the other log to auditors that lost their copy of the log but not their outbox.

    They have cosigned both logs then, so that both closes are witnessed.
    """

    undeceived = 4

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        other = self.fork(world)
        for auditor in world.charter.auditors[: self.undeceived]:
            node = world.nodes[auditor]
            draft = node.disk.draft("endorsement/1")
            node.disk = MemoryStore()
            if draft is not None:
                node.disk.put_draft(draft)
                node.disk.settle_draft(draft.slot, LOGGED)
            world.forget(auditor)
        world.network.writer_for = lambda caller: other
        world.settle([*world.charter.auditors, *world.charter.labs], lambda: False)


class RollsBack(Misbehaviour):
    """Goes on from yesterday's copy of the log, as if nobody had sent later reports."""

    shape = Shape(auditors=5, threshold=3, organisations="abcde", rounds=2)

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        node = world.nodes[COORDINATOR]
        open_round(world)
        report(world, *world.charter.labs[:2])
        copy = node.disk.copy()
        report(world, *world.charter.labs[2:])
        for auditor in world.charter.auditors[1:]:
            world.step(auditor)
        node.stop()
        node.disk = copy
        world.step(COORDINATOR)
        self.others.append(rogue_writer(world))
        world.settle(until=lambda: False)


class RefusesFalsely(Misbehaviour):
    """Refuses every endorsement with a signed reason that is not so, and later takes them."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        open_round(world)
        report(world)
        pass_deadline(world)
        writer = rogue_writer(world)
        writer.refuses = lambda body, author: body == "endorsement"
        for _ in range(4):
            for name in (COORDINATOR, *world.charter.auditors):
                world.step(name)
        writer.refuses = lambda body, author: False
        world.settle()


def _all_but_coordinator(world: World) -> list[str]:
    return [name for name in world.nodes if name != COORDINATOR]


ALL_COORDINATORS: tuple[type[Misbehaviour], ...] = (
    OpensOneLab,
    OpensOneLabInDisguise,
    RepeatsReportInProduct,
    BlindsProductAgain,
    DropsReport,
    CountsLabTwice,
    OpensBelowCohort,
    ReplaysSupersededReport,
    Forks,
    ForksPastLostCopies,
    RollsBack,
    RefusesFalsely,
)
