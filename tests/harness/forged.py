"""Reports that no honest lab makes, with proofs as good as such reports allow."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from fermata.crypto.integers import Entropy
from fermata.crypto.paillier import EncryptionTable
from fermata.crypto.report.argument import Witness, make_witness
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.prover import Report, prove_witness
from fermata.crypto.report.statements import StatementSet
from fermata.memory_store import MemoryStore
from fermata.protocol.charter.claims import witness_of
from fermata.protocol.charter.encoding import encode_panel
from fermata.protocol.fold.proofs import context_of
from fermata.protocol.fold.references import to_wire
from fermata.protocol.fold.reports import part_to_wire
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import decode, encode, sha256
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.wire.v1 import envelope_pb2, statement_pb2
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, Chain, figures

WitnessChange = Callable[[str, StatementSet, Witness], Witness]
ContextChange = Callable[[Context], Context]
ProveWitness = Callable[[StatementSet, EncryptionTable, Context, Witness, Entropy], Report]


def set_digest(part: statement_pb2.ReportPart, position: int, digest: bytes) -> None:
    """Names another ciphertext, in the list and in the proof."""
    part.ciphertext_sha256[position] = digest
    part.proof = part.proof[: 32 * position] + digest + part.proof[32 * position + 32 :]


def forged(
    chain: Chain,
    lab: str,
    *,
    witness: WitnessChange = lambda panel, statements, honest: honest,
    context: ContextChange = lambda right: right,
    table: EncryptionTable | None = None,
    values: Mapping[str, str] | None = None,
    prove: ProveWitness = prove_witness,
) -> statement_pb2.Statement:
    """A report whose witness or context is changed before it is proven; its sealed part is kept.

    ``prove``: another prover.
    """
    charter, key = chain.deployment.charter, chain.state.key
    assert key is not None
    values = figures(chain.deployment, lab) if values is None else values
    sealed, parts = statement_pb2.SealedPart(), []
    for panel in charter.panels:
        if lab not in panel.labs:
            continue
        statements = panel.claims.statements
        encoded = witness_of(panel.claims, panel.metrics, encode_panel(panel, values))
        changed = witness(panel.id, statements, make_witness(statements, encoded))
        reduced = tuple(m % key.record.n for m in changed.plaintexts)
        made = prove(
            statements,
            table or chain.deployment.table,
            context(context_of(charter, chain.round.number, panel.id, lab)),
            replace(changed, plaintexts=reduced),
            chain.entropy,
        )
        part, sealed_panel = part_to_wire(panel.id, made)
        parts.append(part)
        sealed.panels.append(sealed_panel)
    report = statement_pb2.Report(round=chain.round.number, key_id=key.key_id, parts=parts)
    return with_sealed(chain, chain.deployment.statement(lab, report=report), sealed)


def sealed_of(chain: Chain, statement: statement_pb2.Statement) -> statement_pb2.SealedPart:
    """A report's sealed part."""
    return statement_pb2.SealedPart.FromString(chain.fetch(statement.report.sealed_sha256))


def with_sealed(
    chain: Chain, statement: statement_pb2.Statement, sealed: statement_pb2.SealedPart
) -> statement_pb2.Statement:
    """Gives a report another sealed part, which is kept."""
    data = encode(sealed)
    chain.sealed_parts[sha256(data)] = data
    statement.report.sealed_sha256 = sha256(data)
    return statement


def other_plaintexts(plaintexts: Mapping[str, tuple[int, ...]]) -> WitnessChange:
    """Ciphertexts of other numbers than the proven ones: the open part alone holds."""

    def change(panel: str, statements: StatementSet, honest: Witness) -> Witness:
        return replace(honest, plaintexts=plaintexts.get(panel, honest.plaintexts))

    return change


def endorse_unseen(chain: Chain, *auditors: str) -> None:
    """Auditors vouch for the close as it is in the log, whatever is in it."""
    close = chain.round.close
    assert close is not None
    body = statement_pb2.Endorsement(
        round=chain.round.number,
        close=to_wire(close.ref),
        aggregate_sha256=close.aggregate_sha256,
    )
    for auditor in auditors or chain.deployment.charter.auditors:
        assert chain.say(auditor, endorsement=body).accepted


def false_values(panel: str, index: int, value: int) -> WitnessChange:
    """One value is another, in the commitment and its slot; digits stay the true one's."""

    def change(where: str, statements: StatementSet, honest: Witness) -> Witness:
        if where != panel:
            return honest
        values = (*honest.values[:index], value, *honest.values[index + 1 :])
        return replace(honest, values=values, plaintexts=packed(statements, values))

    return change


def packed(statements: StatementSet, values: tuple[int, ...]) -> tuple[int, ...]:
    """Plaintexts of values that need not fit their slots: they borrow and carry."""
    plaintexts = [0] * statements.packing.ciphertexts
    for value, (ciphertext, shift) in zip(values, statements.packing.offsets, strict=True):
        plaintexts[ciphertext] += value << shift
    return tuple(plaintexts)


def door_of(chain: Chain) -> LogWriter:
    """The ledger of a coordinator that has logged what the chain has."""
    replica = Replica(chain.deployment.charter, MemoryStore(), MODULUS_BITS_MIN)
    ledger = LogWriter(replica, chain.deployment.keys[COORDINATOR])
    for leaf in chain.leaves:
        entry = decode(envelope_pb2.LogEntry, leaf)
        statement = None if not ledger.size() else statement_of(unseal(entry.envelope))
        is_report = statement is not None and statement.HasField("report")
        sealed = chain.fetch(statement.report.sealed_sha256) if statement and is_report else b""
        ledger.append(entry.envelope, sealed)
    return ledger
