"""A lab's duties: report, or say that there is nothing to report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from fermata.crypto.paillier import EncryptionTable
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.reports import make_report, panels_with_values
from fermata.protocol.state.state import Round, State, ThresholdKey
from fermata.protocol.wire.ports import Entropy
from fermata.protocol.wire.report_secrets import (
    SALT_BYTES,
    EvidenceFile,
    KeptReport,
    evidence_commitment,
)
from fermata.wire.v1 import statement_pb2


@dataclass(frozen=True, slots=True)
class Measurement:
    """A lab's figures for one period. ``values`` maps metric ids to decimals as text.

    ``evidence_sha256`` is what the report commits to, ``evidence`` are the files of that digest.
    """

    values: Mapping[str, str] = field(repr=False)
    evidence_sha256: bytes = b""
    evidence: tuple[EvidenceFile, ...] = ()


#: Gives the figures of a period: None while they are not there yet; no values to abstain.
Measure = Callable[[str], Measurement | None]


def rounds_to_answer(state: State, me: str) -> list[Round]:
    """The open round if this lab may report in it and has not answered."""
    current = state.current
    if state.charter is None or current is None or current.close is not None:
        return []
    if me in current.barred:
        return []
    able = any(me in p.labs for p in state.charter.panels)
    answered = me in current.reports or me in current.abstained
    return [current] if able and not answered else []


def answer(
    charter: Charter,
    key: ThresholdKey,
    table: EncryptionTable,
    me: str,
    found: Round,
    measurement: Measurement,
    entropy: Entropy,
    keep: Callable[[KeptReport], None] = lambda kept: None,
) -> tuple[statement_pb2.Statement, bytes]:
    """A report and its sealed part, or an abstention and no bytes.

    ``keep``: see ``make_report``; what it gets has the evidence with it. Raises ConfigError.
    """
    if not measurement.values or not panels_with_values(charter, me, measurement.values):
        statement = statement_pb2.Statement(
            charter_sha256=charter.sha256,
            author=me,
            abstention=statement_pb2.Abstention(round=found.number),
        )
        return statement, b""
    salt = entropy(SALT_BYTES) if measurement.evidence_sha256 else b""
    return make_report(
        charter,
        key,
        table,
        me,
        found.number,
        measurement.values,
        evidence_commitment(measurement.evidence_sha256, salt),
        entropy,
        found.asked,
        lambda kept: keep(replace(kept, evidence=measurement.evidence, evidence_salt=salt)),
    )
