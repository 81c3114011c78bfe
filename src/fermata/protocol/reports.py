"""Reports: how a lab makes one, how its sealed part is checked, how they add up."""

from collections.abc import Iterable, Mapping

from fermata.crypto.paillier import (
    EncryptionTable,
    ciphertext_from_bytes,
    ciphertext_to_bytes,
    encrypt,
    product,
    random_exponent,
)
from fermata.errors import ConfigError, InvalidEncoding, Refusal
from fermata.protocol.charter import Charter
from fermata.protocol.codec import SEALED_BYTES_MAX, decode, encode, sha256
from fermata.protocol.encoding import encode_panel, panel_packing
from fermata.protocol.ports import Entropy
from fermata.protocol.state import ReportPart, ThresholdKey
from fermata.wire.v1 import statement_pb2

#: Ciphertexts of one report by panel, in packing order.
Sealed = Mapping[str, tuple[int, ...]]


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
) -> tuple[statement_pb2.Statement, bytes]:
    """A lab's report and its sealed part. ``values`` maps metric ids to decimals as text.

    Raises ConfigError for a value that is missing, unknown, malformed or out of range.
    """
    check_metrics_known(charter, lab, values)
    sealed = statement_pb2.SealedPart()
    parts = []
    for panel_id in panels_with_values(charter, lab, values):
        panel = charter.panel(panel_id)
        plaintexts = panel_packing(charter, panel).pack(encode_panel(panel, values))
        ciphertexts = [
            ciphertext_to_bytes(
                key.public_key, encrypt(table, m, random_exponent(entropy, key.public_key))
            )
            for m in plaintexts
        ]
        sealed.panels.append(statement_pb2.SealedPanel(panel=panel_id, ciphertexts=ciphertexts))
        digests = [sha256(c) for c in ciphertexts]
        parts.append(statement_pb2.ReportPart(panel=panel_id, ciphertext_sha256=digests))
    sealed_bytes = encode(sealed)
    report = statement_pb2.Report(
        round=round_number,
        key_id=key.key_id,
        parts=parts,
        sealed_sha256=sha256(sealed_bytes),
        evidence_sha256=evidence_sha256,
    )
    statement = statement_pb2.Statement(charter_sha256=charter.sha256, author=lab, report=report)
    return statement, sealed_bytes


def check_metrics_known(charter: Charter, lab: str, values: Mapping[str, str]) -> None:
    """Raises ConfigError METRIC_UNKNOWN for a metric that the lab has no panel for."""
    known = {m.id for p in charter.panels if lab in p.labs for m in p.metrics}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(
            "METRIC_UNKNOWN", f"the charter gives {lab} no metric called {', '.join(unknown)}"
        )


def check_sealed(
    key: ThresholdKey, parts: tuple[ReportPart, ...], sealed_sha256: bytes, data: bytes
) -> dict[str, tuple[int, ...]]:
    """P2: the sealed part is the one the report names, and every ciphertext is canonical.

    Returns the ciphertexts by panel. Raises VerificationError.
    """
    if sha256(data) != sealed_sha256:
        raise Refusal("SEALED_DIGEST", "sealed part: not the one that the report names")
    wire = decode(statement_pb2.SealedPart, data, SEALED_BYTES_MAX)
    if [p.panel for p in wire.panels] != [p.panel for p in parts]:
        raise InvalidEncoding("PANELS", "sealed part: other panels than the report's")
    found: dict[str, tuple[int, ...]] = {}
    for panel, part in zip(wire.panels, parts, strict=True):
        if len(panel.ciphertexts) != len(part.ciphertext_sha256):
            raise InvalidEncoding("LENGTH", f"sealed part: panel {part.panel} is incomplete")
        if tuple(sha256(c) for c in panel.ciphertexts) != part.ciphertext_sha256:
            raise Refusal("SEALED_DIGEST", f"sealed part: panel {part.panel} is another's")
        found[part.panel] = tuple(
            ciphertext_from_bytes(key.public_key, c) for c in panel.ciphertexts
        )
    return found


def aggregate(
    charter: Charter, key: ThresholdKey, reports: Iterable[Sealed]
) -> dict[str, tuple[int, ...]]:
    """The products mod n^2, per panel and ciphertext, of all reports that have the panel."""
    columns: dict[str, list[tuple[int, ...]]] = {p.id: [] for p in charter.panels}
    for report in reports:
        for panel, ciphertexts in report.items():
            columns[panel].append(ciphertexts)
    return {
        panel: tuple(product(key.public_key, column) for column in zip(*rows, strict=True))
        for panel, rows in columns.items()
    }


def aggregates_to_wire(
    key: ThresholdKey, aggregates: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[bytes, ...]]:
    """The products as fixed-width bytes."""
    return {
        panel: tuple(ciphertext_to_bytes(key.public_key, c) for c in ciphertexts)
        for panel, ciphertexts in aggregates.items()
    }
