"""Reports: how a lab makes one, how its sealed part is checked, how they add up."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fermata.crypto.paillier import (
    EncryptionTable,
    ciphertext_from_bytes,
    ciphertext_to_bytes,
    product,
)
from fermata.crypto.report.codec import SealedProof
from fermata.crypto.report.prover import Report, prove
from fermata.errors import ConfigError, InvalidEncoding, Refusal
from fermata.protocol.charter.claims import witness_of
from fermata.protocol.charter.encoding import encode_panel
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.proofs import context_of
from fermata.protocol.state.report_flags import (
    NOTHING_ASKED,
    Asked,
    Flags,
    flags_for,
    shown_ranges,
    statements_of,
)
from fermata.protocol.state.state import Cell, ReportPart, ThresholdKey
from fermata.protocol.wire.codec import SEALED_BYTES_MAX, decode, encode, sha256
from fermata.protocol.wire.ports import Entropy
from fermata.protocol.wire.report_secrets import PanelSecrets, ReportSecrets
from fermata.wire.v1 import statement_pb2


@dataclass(frozen=True, slots=True)
class SealedPanel:
    """The sealed part of one panel: its ciphertexts as numbers, and the proof's sealed fields."""

    ciphertexts: tuple[int, ...]
    proof: SealedProof


#: The sealed part of one report, by panel.
Sealed = Mapping[str, SealedPanel]


def panels_with_values(charter: Charter, lab: str, values: Mapping[str, str]) -> list[str]:
    """Panels of a lab for which ``values`` has at least one metric, in the charter's order."""
    return [
        p.id for p in charter.panels if lab in p.labs and any(m.id in values for m in p.metrics)
    ]


def make_report(
    charter: Charter,
    key: ThresholdKey,
    table: EncryptionTable,
    lab: str,
    round_number: int,
    values: Mapping[str, str],
    evidence_sha256: bytes,
    entropy: Entropy,
    asked: Asked = NOTHING_ASKED,
    keep: Callable[[ReportSecrets], None] = lambda kept: None,
) -> tuple[statement_pb2.Statement, bytes]:
    """A lab's report and its sealed part. ``values`` maps metric ids to decimals as text.

    Of what the round asks for, the report shows all that the values allow. ``keep`` is given the
    secrets of the report before anyone gets the report, so that nothing is ever sent that the lab
    could not open a value of. Raises ConfigError for a value that is missing, unknown, malformed
    or out of range, or that does not keep a statement of the charter.
    """
    check_metrics_known(charter, lab, values)
    sealed = statement_pb2.SealedPart()
    parts, kept = [], []
    flags = flags_by_values(charter, asked, lab, values)
    for panel_id in panels_with_values(charter, lab, values):
        panel = charter.panel(panel_id)
        witness = panel_witness(panel, values)
        context = context_of(charter, round_number, panel_id, lab)
        statements = statements_of(panel, shown_ranges(charter, asked, panel, flags))
        made = prove(statements, table, context, witness, entropy)
        part, sealed_panel = _part_to_wire(panel_id, made)
        parts.append(part)
        sealed.panels.append(sealed_panel)
        kept.append(PanelSecrets(panel_id, witness, made.gamma))
    sealed_bytes = encode(sealed)
    keep(ReportSecrets(round_number, sha256(sealed_bytes), tuple(kept)))
    report = statement_pb2.Report(
        round=round_number,
        key_id=key.key_id,
        parts=parts,
        sealed_sha256=sha256(sealed_bytes),
        evidence_sha256=evidence_sha256,
        complies=flags.complies,
        within_shares=flags.within_shares,
        dues_band=flags.dues_band,
    )
    statement = statement_pb2.Statement(charter_sha256=charter.sha256, author=lab, report=report)
    return statement, sealed_bytes


def flags_by_values(charter: Charter, asked: Asked, lab: str, values: Mapping[str, str]) -> Flags:
    """What a report of these values will say that it shows. Raises ConfigError."""
    encoded: dict[str, int] = {}
    for panel_id in panels_with_values(charter, lab, values):
        encoded |= encode_panel(charter.panel(panel_id), values)
    return flags_for(charter, asked, lab, encoded)


def panel_witness(panel: Panel, values: Mapping[str, str]) -> tuple[int, ...]:
    """All values that a panel's report encrypts and proves.

    Raises ConfigError: those of ``encode_panel``, and STATEMENT naming the metric that does not
    keep a statement of the charter.
    """
    encoded = encode_panel(panel, values)
    for metric in panel.metrics:
        # C9a.6: no proof could be made.
        if any(encoded[metric.id] > limit for limit in metric.limits):
            raise ConfigError("STATEMENT", f"{metric.id}: above a limit that reports must prove")
        for other in metric.equal_to:
            # C9a.7.
            if encoded[metric.id] != encoded[other]:
                raise ConfigError("STATEMENT", f"{metric.id}: must be equal to {other}")
    return witness_of(panel.claims, panel.metrics, encoded)


def _part_to_wire(
    panel_id: str, made: Report
) -> tuple[statement_pb2.ReportPart, statement_pb2.SealedPanel]:
    part = statement_pb2.ReportPart(
        panel=panel_id,
        ciphertext_sha256=[sha256(c) for c in made.sealed.ciphertexts],
        proof=made.open_part,
    )
    return part, statement_pb2.SealedPanel(
        panel=panel_id,
        ciphertexts=made.sealed.ciphertexts,
        announcements=made.sealed.announcements,
        responses=made.sealed.exponents,
    )


def check_metrics_known(charter: Charter, lab: str, values: Mapping[str, str]) -> None:
    """Raises ConfigError METRIC_UNKNOWN for a metric that the lab has no panel for."""
    known = {m.id for p in charter.panels if lab in p.labs for m in p.metrics}
    unknown = sorted(set(values) - known)
    # C7.1: the lab would think that it had reported it.
    if unknown:
        raise ConfigError(
            "METRIC_UNKNOWN", f"the charter gives {lab} no metric called {', '.join(unknown)}"
        )


def check_sealed(
    key: ThresholdKey, parts: tuple[ReportPart, ...], sealed_sha256: bytes, data: bytes
) -> dict[str, SealedPanel]:
    """P2.2 to P2.7: the sealed part is the one the report names, every ciphertext is canonical.

    Proofs are not looked at. Returns the parts by panel. Raises VerificationError.
    """
    # P2.2: it must not be exchanged after the report.
    if sha256(data) != sealed_sha256:
        raise Refusal("SEALED_DIGEST", "sealed part: not the one that the report names")
    wire = decode(statement_pb2.SealedPart, data, SEALED_BYTES_MAX)  # P2.3: one part, one encoding.
    # P2.4: ciphertexts of another panel would be added up in this one.
    if [p.panel for p in wire.panels] != [p.panel for p in parts]:
        raise InvalidEncoding("PANELS", "sealed part: other panels than the report's")
    panels: dict[str, SealedPanel] = {}
    for panel, part in zip(wire.panels, parts, strict=True):
        count = len(part.ciphertext_sha256)
        fields = (panel.ciphertexts, panel.announcements, panel.responses)
        # P2.5: a proof with a part missing proves less.
        if any(len(field) != count for field in fields):
            raise InvalidEncoding("LENGTH", f"sealed part: panel {part.panel} is incomplete")
        # P2.6: other ciphertexts than the log counts.
        if tuple(sha256(c) for c in panel.ciphertexts) != part.ciphertext_sha256:
            raise Refusal("SEALED_DIGEST", f"sealed part: panel {part.panel} is another's")
        panels[part.panel] = SealedPanel(
            # P2.7: one that is no unit, or unblinded, makes the opening of the product reveal more.
            tuple(ciphertext_from_bytes(key.public_key, c) for c in panel.ciphertexts),
            SealedProof(*(tuple(field) for field in fields)),
        )
    return panels


def aggregate(
    key: ThresholdKey, cells: Iterable[Cell], reports: Mapping[str, Sealed]
) -> dict[str, tuple[int, ...]]:
    """The products mod n^2, per cell and ciphertext, of its labs' reports."""
    return {
        cell.id: tuple(
            product(key.public_key, column)
            for column in zip(
                *(reports[lab][cell.panel].ciphertexts for lab in cell.labs), strict=True
            )
        )
        for cell in cells
    }


def aggregates_to_wire(
    key: ThresholdKey, aggregates: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[bytes, ...]]:
    """The products as fixed-width bytes."""
    return {
        panel: tuple(ciphertext_to_bytes(key.public_key, c) for c in ciphertexts)
        for panel, ciphertexts in aggregates.items()
    }
