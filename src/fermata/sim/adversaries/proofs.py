"""Labs whose reports have false proofs, and coordinators that log such reports or change reports.

Each lab first sends its report to the log. Then the coordinator, which helps the lab, logs the
report against its duties.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

from fermata.crypto.paillier import PublicKey
from fermata.crypto.report.argument import Witness
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.statements import StatementSet
from fermata.protocol.fold.references import bind
from fermata.protocol.state.state import Round
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.envelope import seal_statement, statement_of, unseal
from fermata.sim.adversaries.forgery import Forged, forge, set_digest, with_value
from fermata.sim.adversaries.misbehaviour import (
    Misbehaviour,
    current,
    force_statement,
    open_round,
    report,
    rogue_writer,
)
from fermata.sim.setup.deployment import Shape, deployment_of
from fermata.sim.world import World
from fermata.wire.v1 import statement_pb2


class _Forges(Misbehaviour):
    """The last lab sends a forged report; the others are honest."""

    #: Entry of the forged report, if the coordinator could make it an accepted one.
    entry = -1
    is_forced: ClassVar[bool] = True

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        rogue = world.charter.labs[-1]
        open_round(world)
        report(world, *world.charter.labs[:-1])
        for forged in self.forgeries(world, rogue):
            sealed = forged.finish()
            before = world.watch.state
            self.send(world, rogue, forged.statement, sealed)
            if world.watch.state is not before:
                world.watch.violate("I7", "a forged report came through the door")
            if self.is_forced:
                self._force(world, rogue, forged.statement, sealed)
        world.settle([name for name in world.nodes if name != rogue])

    def _force(
        self, world: World, rogue: str, statement: statement_pb2.Statement, sealed: bytes
    ) -> None:
        self.entry = force_statement(world, rogue, statement, sealed).entry

    def forgeries(self, world: World, rogue: str) -> list[Forged]:
        """The reports that the lab sends."""
        return [self.forgery(world, rogue)]

    @abstractmethod
    def forgery(self, world: World, rogue: str) -> Forged:
        """The report that the lab sends."""


class _FalseWitness(_Forges):
    """Makes the best possible proof of a false witness."""

    def forgery(self, world: World, rogue: str) -> Forged:
        """See _Forges."""
        return forge(world, rogue, witness=self.falsify)

    @abstractmethod
    def falsify(self, statements: StatementSet, honest: Witness) -> Witness:
        """A witness other than the honest one."""


class ReportsOneTooMany(_FalseWitness):
    """Reports a value that is one above its bound."""

    def falsify(self, statements: StatementSet, honest: Witness) -> Witness:
        """See _FalseWitness."""
        return with_value(statements, honest, 0, statements.values[0].bound + 1)


class ReportsOneTooFew(_FalseWitness):
    """Reports a value of minus one, which borrows from the packing slot above its own."""

    def falsify(self, statements: StatementSet, honest: Witness) -> Witness:
        """See _FalseWitness."""
        return with_value(statements, honest, 0, -1)


class ForgesLookup(_FalseWitness):
    """Uses a digit that is not in the table; everything linear in the digits holds."""

    def falsify(self, statements: StatementSet, honest: Witness) -> Witness:
        """See _FalseWitness."""
        claim, weight = statements.layout.digits[0]
        index = statements.all_ranges[claim].form.coefficients[0][0]
        base = statements.layout.base
        raised = with_value(statements, honest, index, honest.values[index] + base * weight)
        return replace(raised, left=(honest.left[0] + base, *honest.left[1:]))


class EncryptsOtherNumbers(_FalseWitness):
    """Proves honest values, and encrypts others."""

    def falsify(self, statements: StatementSet, honest: Witness) -> Witness:
        """See _FalseWitness."""
        return replace(honest, plaintexts=tuple(m + 1 for m in honest.plaintexts))


class PutsFractionInSlot(_FalseWitness):
    """Encrypts a third, which is a huge number mod n."""

    def falsify(self, statements: StatementSet, honest: Witness) -> Witness:
        """See _FalseWitness."""
        n = self.world.watch.state.keyed().key.record.n
        return replace(honest, plaintexts=(pow(3, -1, n), *honest.plaintexts[1:]))

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        self.world = world
        super().misbehave(world)


class _ChangesCopy(_Forges):
    """Sends another lab's ciphertexts, changed, with that lab's proof."""

    def forgery(self, world: World, rogue: str) -> Forged:
        """See _Forges."""
        seen = current(world).reports[world.charter.labs[0]]
        key = world.watch.state.keyed().key
        data = rogue_writer(world).fetch_sealed(seen.sealed_sha256)
        forged = Forged(
            statement_pb2.Statement(
                charter_sha256=world.charter.sha256,
                author=rogue,
                report=statement_pb2.Report(round=current(world).number, key_id=key.key_id),
            ),
            statement_pb2.SealedPart.FromString(data),
        )
        for part, panel in zip(seen.parts, forged.sealed.panels, strict=True):
            copy = statement_pb2.ReportPart(
                panel=part.panel, ciphertext_sha256=part.ciphertext_sha256, proof=part.proof
            )
            for position, ciphertext in enumerate(panel.ciphertexts):
                number = self.change(world, int.from_bytes(ciphertext, "big"), key.public_key)
                panel.ciphertexts[position] = number.to_bytes(len(ciphertext), "big")
                set_digest(copy, position, sha256(panel.ciphertexts[position]))
            forged.statement.report.parts.append(copy)
        return forged

    @abstractmethod
    def change(self, world: World, ciphertext: int, key: PublicKey) -> int:
        """The ciphertext that the lab makes from the other lab's."""


class RandomisesCopy(_ChangesCopy):
    """Sends the other's figures in a ciphertext that nobody has seen."""

    def change(self, world: World, ciphertext: int, key: PublicKey) -> int:
        """See _ChangesCopy."""
        blinding = pow(world.dice.between(2, key.n - 1), key.n, key.n_squared)
        return ciphertext * blinding % key.n_squared


class SquaresCopy(_ChangesCopy):
    """Sends twice the other's figures."""

    def change(self, world: World, ciphertext: int, key: PublicKey) -> int:
        """See _ChangesCopy."""
        return ciphertext * ciphertext % key.n_squared


class InvertsCopy(_ChangesCopy):
    """Sends the inverse, which takes the other's figures out of the sum."""

    def change(self, world: World, ciphertext: int, key: PublicKey) -> int:
        """See _ChangesCopy."""
        return pow(ciphertext, -1, key.n_squared)


class _OtherContext(_Forges):
    """Sends an honest proof that is bound to another context."""

    def forgery(self, world: World, rogue: str) -> Forged:
        """See _Forges."""
        return forge(world, rogue, context=self.context)

    @abstractmethod
    def context(self, right: Context) -> Context:
        """The context to which the proof is bound."""


class ProvesForOtherLab(_OtherContext):
    """Binds its proof to another lab."""

    def context(self, right: Context) -> Context:
        """See _OtherContext."""
        return replace(right, lab_id=b"lab-1")


class ProvesForOtherRound(_OtherContext):
    """Binds its proof to the next round."""

    def context(self, right: Context) -> Context:
        """See _OtherContext."""
        return replace(right, round_id=(2).to_bytes(8, "big") + right.round_id[8:])


class ProvesForOtherCharter(_OtherContext):
    """Binds its proof to another charter."""

    def context(self, right: Context) -> Context:
        """See _OtherContext."""
        return replace(right, charter_hash=sha256(right.charter_hash))


class ProvesUnderOtherKey(_Forges):
    """Makes its proof under another deployment's key."""

    def forgery(self, world: World, rogue: str) -> Forged:
        """See _Forges."""
        record = statement_of(unseal(deployment_of(_OTHER).key_envelope)).key_record
        return forge(world, rogue, public_key=PublicKey(int.from_bytes(record.modulus, "big")))


class MixesReports(_Forges):
    """Sends one panel of its own, and another lab's second panel."""

    shape = Shape(auditors=5, threshold=3, organisations="abcde", rounds=1, panels=2)

    def forgery(self, world: World, rogue: str) -> Forged:
        """See _Forges."""
        forged = forge(world, rogue)
        theirs = forge(world, world.charter.labs[1])
        forged.parts[1].CopyFrom(theirs.parts[1])
        forged.panels[1].CopyFrom(theirs.panels[1])
        return forged


class ProvesNothing(_Forges):
    """Sends reports without panels, without ciphertexts, and without proofs."""

    is_forced = False

    def forgery(self, world: World, rogue: str) -> Forged:
        """See _Forges."""
        empty = forge(world, rogue)
        del empty.statement.report.parts[:]
        del empty.sealed.panels[:]
        return empty

    def forgeries(self, world: World, rogue: str) -> list[Forged]:
        """See _Forges."""
        hollow, bare, digests = (forge(world, rogue) for _ in range(3))
        for part, panel in zip(hollow.parts, hollow.panels, strict=True):
            part.proof = b""
            del part.ciphertext_sha256[:]
            del panel.ciphertexts[:], panel.announcements[:], panel.responses[:]
        bare.parts[0].proof = b""
        digests.parts[0].proof = b"".join(digests.parts[0].ciphertext_sha256)
        return [self.forgery(world, rogue), hollow, bare, digests]


class TampersWithEveryField(_Forges):
    """Sends its report many times, each time with one bit of a part of the proof flipped."""

    is_forced = False
    #: Bytes of the open part between two flips; points and scalars are longer.
    STEP = 24

    def forgery(self, world: World, rogue: str) -> Forged:
        """See _Forges."""
        return forge(world, rogue)

    def forgeries(self, world: World, rogue: str) -> list[Forged]:
        """See _Forges."""
        honest, forgeries = self.forgery(world, rogue), []
        for at in range(0, len(honest.parts[0].proof), self.STEP):
            forged = _copy(honest)
            forged.parts[0].proof = _flip(world, honest.parts[0].proof, at)
            forgeries.append(forged)
        for name in ("ciphertexts", "announcements", "responses"):
            forged = _copy(honest)
            field = getattr(forged.panels[0], name)
            field[0] = _flip(world, field[0], world.dice.below(len(field[0])))
            forgeries.append(forged)
        return forgeries


def _copy(forged: Forged) -> Forged:
    statement, sealed = statement_pb2.Statement(), statement_pb2.SealedPart()
    statement.CopyFrom(forged.statement)
    sealed.CopyFrom(forged.sealed)
    return Forged(statement, sealed)


def _flip(world: World, data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << world.dice.below(8)]) + data[at + 1 :]


class AltersReport(Misbehaviour):
    """The coordinator logs a lab's report with one bit of its proof flipped."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        round_: Round = open_round(world)
        victim = world.charter.labs[0]
        report(world, *world.charter.labs[1:])
        forged = forge(world, victim)
        forged.finish()
        statement = forged.statement
        bind(rogue_writer(world).replica.tree, statement)
        key = world.deployment.signing_keys[victim]
        envelope = bytearray(seal_statement(statement, {victim: key}))
        proof = bytes(statement.report.parts[0].proof)
        envelope[bytes(envelope).index(proof) + len(proof) // 2] ^= 1
        rogue_writer(world).force(bytes(envelope))
        world.check(victim)
        report(world, victim)
        world.settle(until=lambda: world.phases()[round_.number - 1] == "opened")


class AltersSealedPart(Misbehaviour):
    """The coordinator gives auditors another sealed part than the one that a report names."""

    def misbehave(self, world: World) -> None:
        """See Misbehaviour."""
        open_round(world)
        report(world)
        writer = rogue_writer(world)
        first, second = (current(world).reports[lab] for lab in world.charter.labs[:2])
        writer.instead[first.sealed_sha256] = writer.fetch_sealed(second.sealed_sha256)
        world.settle()


#: Whose key ``ProvesUnderOtherKey`` uses.
_OTHER = Shape(auditors=3, threshold=2, organisations="abcd")

ALL_PROOFS: tuple[type[Misbehaviour], ...] = (
    ReportsOneTooMany,
    ReportsOneTooFew,
    ForgesLookup,
    EncryptsOtherNumbers,
    PutsFractionInSlot,
    RandomisesCopy,
    SquaresCopy,
    InvertsCopy,
    ProvesForOtherLab,
    ProvesForOtherRound,
    ProvesForOtherCharter,
    ProvesUnderOtherKey,
    MixesReports,
    ProvesNothing,
    TampersWithEveryField,
    AltersReport,
    AltersSealedPart,
)
