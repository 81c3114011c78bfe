"""Reports: how a lab makes one, how its sealed part is checked, how they add up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fermata.crypto.paillier import (
    EncryptionTable,
    Multiply,
    ciphertext_to_bytes,
    ciphertexts_from_bytes,
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
from fermata.protocol.standing.panel_round import Figures
from fermata.protocol.state.report_flags import (
    NOTHING_ASKED,
    Asked,
    flags_for,
    shown_ranges,
    statements_of,
)
from fermata.protocol.state.standing import panel_of
from fermata.protocol.state.state import ReportPart, ThresholdKey
from fermata.protocol.wire.codec import SEALED_BYTES_MAX, decode, encode, sha256
from fermata.protocol.wire.ports import Entropy
from fermata.protocol.wire.report_secrets import (
    SALT_BYTES,
    EvidenceFile,
    PanelSecrets,
    ReportSecrets,
    evidence_commitment,
)
from fermata.wire.v1 import statement_pb2


@dataclass(frozen=True, slots=True)
class SealedPanel:
    """The sealed part of one panel: its ciphertexts as numbers, and the proof's sealed fields."""

    ciphertexts: tuple[int, ...]
    proof: SealedProof


#: The sealed part of one report, by panel.
Sealed = Mapping[str, SealedPanel]


@dataclass(frozen=True, slots=True)
class EncodedReport:
    """A lab's figures as integers, once they keep all that the charter asks of a report.

    ``values`` maps the id of each metric to its encoding in 0..B; ``witnesses`` has, by panel in
    the charter's order, every value that the panel's report encrypts and proves. Without a panel
    there is nothing to report, and the lab abstains. ``evidence_sha256`` is the digest of the
    ``evidence`` files; the report commits to it.
    """

    lab: str
    values: Mapping[str, int] = field(repr=False)
    witnesses: Mapping[str, tuple[int, ...]] = field(repr=False)
    evidence_sha256: bytes = b""
    evidence: tuple[EvidenceFile, ...] = ()


def encode_report(
    charter: Charter,
    lab: str,
    values: Mapping[str, str],
    evidence_sha256: bytes = b"",
    evidence: tuple[EvidenceFile, ...] = (),
) -> EncodedReport:
    """Encodes and checks figures before anything is encrypted; ``values`` are decimals as text.

    Raises ConfigError METRIC_UNKNOWN, METRIC_MISSING, METRIC_VALUE, METRIC_RANGE or STATEMENT,
    naming the metric and never the value.
    """
    check_metrics_known(charter, lab, values)
    encoded: dict[str, int] = {}
    witnesses = {}
    for panel in charter.panels:
        if lab in panel.labs and any(m.id in values for m in panel.metrics):
            of_panel = encode_panel(panel, values)
            _check_statements(panel, of_panel)
            witnesses[panel.id] = witness_of(panel.claims, panel.metrics, of_panel)
            encoded |= of_panel
    return EncodedReport(lab, encoded, witnesses, evidence_sha256, evidence)


def make_report(
    charter: Charter,
    key: ThresholdKey,
    table: EncryptionTable,
    encoded: EncodedReport,
    round_number: int,
    entropy: Entropy,
    asked: Asked = NOTHING_ASKED,
    keep: Callable[[ReportSecrets], None] = lambda secrets: None,
    alone: bool = False,
) -> tuple[statement_pb2.Statement, bytes]:
    """A lab's report and its sealed part.

    Of what the round asks for, the report shows all that the values allow. ``keep`` is given the
    secrets of the report before anyone gets the report, so that nothing is ever sent that the lab
    could not open a value of. ``alone``: the lab would join sums as the only one that does.
    """
    lab, salt = encoded.lab, entropy(SALT_BYTES) if encoded.evidence_sha256 else b""
    sealed = statement_pb2.SealedPart()
    parts, secrets = [], []
    flags = flags_for(charter, asked, lab, encoded.values)
    for panel_id, witness in encoded.witnesses.items():
        context = context_of(charter, round_number, panel_id, lab)
        panel = charter.panel(panel_id)
        statements = statements_of(panel, shown_ranges(charter, asked, panel, flags))
        made = prove(statements, table, context, witness, entropy)
        part, sealed_panel = part_to_wire(panel_id, made)
        parts.append(part)
        sealed.panels.append(sealed_panel)
        secrets.append(PanelSecrets(panel_id, witness, made.gamma))
    sealed_bytes = encode(sealed)
    digest = sha256(sealed_bytes)
    keep(ReportSecrets(round_number, digest, tuple(secrets), encoded.evidence, salt))
    report = statement_pb2.Report(
        round=round_number,
        key_id=key.key_id,
        parts=parts,
        sealed_sha256=digest,
        evidence_sha256=evidence_commitment(encoded.evidence_sha256, salt),
        complies=flags.complies,
        within_shares=flags.within_shares,
        dues_band=flags.dues_band,
        alone=alone,
    )
    statement = statement_pb2.Statement(charter_sha256=charter.sha256, author=lab, report=report)
    return statement, sealed_bytes


def _check_statements(panel: Panel, encoded: Mapping[str, int]) -> None:
    """Raises ConfigError STATEMENT naming the metric that breaks a statement of the charter."""
    for metric in panel.metrics:
        # C9a.6: no proof could be made.
        if any(encoded[metric.id] > limit for limit in metric.limits):
            raise ConfigError("STATEMENT", f"{metric.id}: above a limit that reports must prove")
        for other in metric.equal_to:
            # C9a.7.
            if encoded[metric.id] != encoded[other]:
                raise ConfigError("STATEMENT", f"{metric.id}: must be equal to {other}")


def part_to_wire(
    panel_id: str, made: Report
) -> tuple[statement_pb2.ReportPart, statement_pb2.SealedPanel]:
    """A panel's proof as the report and its sealed part carry it."""
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
        raise Refusal("SEALED_DIGEST", "sealed part: must be the one that the report names")
    wire = decode(statement_pb2.SealedPart, data, SEALED_BYTES_MAX)  # P2.3: one part, one encoding.
    # P2.4: ciphertexts of another panel would be added up in this one.
    if [p.panel for p in wire.panels] != [p.panel for p in parts]:
        raise InvalidEncoding("PANELS", "sealed part: must have the report's panels")
    panels: dict[str, SealedPanel] = {}
    for panel, part in zip(wire.panels, parts, strict=True):
        count = len(part.ciphertext_sha256)
        fields = (panel.ciphertexts, panel.announcements, panel.responses)
        # P2.5: a proof with a part missing proves less.
        if any(len(field) != count for field in fields):
            raise InvalidEncoding("LENGTH", f"sealed part: panel {part.panel} is incomplete")
        # P2.6: other ciphertexts than the log counts.
        if tuple(sha256(c) for c in panel.ciphertexts) != part.ciphertext_sha256:
            raise Refusal(
                "SEALED_DIGEST",
                f"sealed part: panel {part.panel} must have the report's ciphertexts",
            )
        panels[part.panel] = SealedPanel(
            # P2.7: one that is no unit, or unblinded, makes the opening of the product reveal more.
            ciphertexts_from_bytes(key.public_key, panel.ciphertexts),
            SealedProof(*(tuple(field) for field in fields)),
        )
    return panels


#: The ciphertexts of a lab's part of a panel, by (round, lab, panel).
Ciphertexts = Mapping[tuple[int, str, str], tuple[int, ...]]


def aggregate(
    key: ThresholdKey,
    figures: Mapping[str, Figures],
    ciphertexts: Ciphertexts,
    multiply: Multiply = product,
) -> dict[str, tuple[int, ...]]:
    """The products mod n^2, per cell and ciphertext, of the figures in its sum."""
    return {
        cell: tuple(
            multiply(key.public_key, column)
            for column in zip(
                *(ciphertexts[n, lab, panel_of(cell)] for lab, n in figures[cell].items()),
                strict=True,
            )
        )
        for cell in figures
    }


def ciphertexts_of(
    round_number: int, sealed: Mapping[str, Sealed]
) -> dict[tuple[int, str, str], tuple[int, ...]]:
    """The ciphertexts of a round's sealed parts, by lab, as ``aggregate`` takes them."""
    return {
        (round_number, lab, panel): part.ciphertexts
        for lab, parts in sealed.items()
        for panel, part in parts.items()
    }


def aggregates_to_wire(
    key: ThresholdKey, aggregates: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[bytes, ...]]:
    """The products as fixed-width bytes."""
    return {
        panel: tuple(ciphertext_to_bytes(key.public_key, c) for c in ciphertexts)
        for panel, ciphertexts in aggregates.items()
    }
