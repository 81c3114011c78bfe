"""Reports that no honest lab makes, with the best proofs that such reports can have."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from fermata.crypto.paillier import PublicKey
from fermata.crypto.report.argument import Witness, make_witness
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.prover import prove_witness, prover_table
from fermata.crypto.report.statements import StatementSet
from fermata.protocol.charter.claims import witness_of
from fermata.protocol.charter.encoding import encode_panel
from fermata.protocol.fold.proofs import context_of
from fermata.protocol.fold.reports import part_to_wire
from fermata.protocol.state.report_flags import NO_FLAGS, Flags, shown_ranges, statements_of
from fermata.protocol.wire.codec import encode, sha256
from fermata.sim.adversaries.misbehaviour import current
from fermata.sim.dice import stream
from fermata.sim.world import World
from fermata.wire.v1 import statement_pb2


@dataclass(slots=True)
class Forged:
    """A report and its sealed part, both still open to change."""

    statement: statement_pb2.Statement
    sealed: statement_pb2.SealedPart

    @property
    def parts(self) -> list[statement_pb2.ReportPart]:
        """The report's open parts."""
        return list(self.statement.report.parts)

    @property
    def panels(self) -> list[statement_pb2.SealedPanel]:
        """The report's sealed parts."""
        return list(self.sealed.panels)

    def finish(self) -> bytes:
        """Puts the digest of the sealed part into the report; returns the sealed part's bytes."""
        data = encode(self.sealed)
        self.statement.report.sealed_sha256 = sha256(data)
        return data


def set_digest(part: statement_pb2.ReportPart, position: int, digest: bytes) -> None:
    """Puts another ciphertext's digest into the list and into the proof."""
    part.ciphertext_sha256[position] = digest
    start = len(digest) * position
    part.proof = part.proof[:start] + digest + part.proof[start + len(digest) :]


def forge(
    world: World,
    lab: str,
    witness: Callable[[StatementSet, Witness], Witness] = lambda statements, honest: honest,
    context: Callable[[Context], Context] = lambda right: right,
    public_key: PublicKey | None = None,
    flags: Flags = NO_FLAGS,
) -> Forged:
    """A lab's report of the open round, with another witness, or with another context.

    ``flags`` are what the report claims to show.
    """
    charter, key, round_ = world.charter, world.watch.state.keyed().key, current(world)
    entropy = stream(world.seed, f"forgery/{lab}")
    figures = world.inputs.figures(lab, round_.period, 0)
    report = statement_pb2.Report(
        round=round_.number,
        key_id=key.key_id,
        complies=flags.complies,
        within_shares=flags.within_shares,
        dues_band=flags.dues_band,
    )
    sealed = statement_pb2.SealedPart()
    for panel in charter.panels:
        if lab not in panel.labs:
            continue
        statements = statements_of(panel, shown_ranges(charter, round_.asked, panel, flags))
        table = prover_table(public_key or key.public_key, statements)
        values = witness_of(panel.claims, panel.metrics, encode_panel(panel, figures))
        changed = witness(statements, make_witness(statements, values))
        n = table.public_key.n
        made = prove_witness(
            statements,
            table,
            context(context_of(charter, round_.number, panel.id, lab)),
            replace(changed, plaintexts=tuple(m % n for m in changed.plaintexts)),
            entropy,
        )
        part, sealed_panel = part_to_wire(panel.id, made)
        report.parts.append(part)
        sealed.panels.append(sealed_panel)
    statement = statement_pb2.Statement(charter_sha256=charter.sha256, author=lab, report=report)
    return Forged(statement, sealed)


def with_value(statements: StatementSet, honest: Witness, index: int, value: int) -> Witness:
    """The witness with another value, in its commitment and in its packing slot, with any carry."""
    values = (*honest.values[:index], value, *honest.values[index + 1 :])
    plaintexts = [0] * statements.packing.ciphertexts
    for claimed, (ciphertext, shift) in zip(values, statements.packing.offsets, strict=True):
        plaintexts[ciphertext] += claimed << shift
    return replace(honest, values=values, plaintexts=tuple(plaintexts))
