"""An audit on site: one value of one report, opened to one auditor (docs/spec/audit.md).

Pure: the node reads the files and the log, these functions say what is in them.
"""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fermata.crypto.report.codec import open_from_bytes
from fermata.crypto.report.value_opening import ValueClaim, prove_value, verify_value
from fermata.crypto.report.verifier import verify_open
from fermata.errors import ConfigError, InvalidEncoding, InvalidProof, Refusal
from fermata.protocol.charter.encoding import decimal_text
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.proofs import context_of
from fermata.protocol.state.report_flags import statements_of
from fermata.protocol.state.state import ReportPart, ReportSeen, State, ThresholdKey
from fermata.protocol.wire.ports import Entropy
from fermata.protocol.wire.report_secrets import (
    EvidenceFile,
    ReportSecrets,
    evidence_commitment,
    evidence_sha256,
)
from fermata.protocol.wire.strict_json import parse_json

FORMAT = "fermata-opened-value/1"
VALUE_BYTES_MAX = 256 * 1024
_INTEGER = re.compile(r"0|[1-9][0-9]{0,39}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class OpenedValue:
    """What a lab hands to an auditor. ``value``: the decimal that ``encoded`` stands for.

    ``charter_sha256`` and ``sealed_sha256`` (of the report), 32 bytes each, say what it is of.
    """

    charter_sha256: bytes
    lab: str
    round: int
    sealed_sha256: bytes
    panel: str
    metric: str
    value: str = field(repr=False)
    encoded: int = field(repr=False)
    auditor: str
    proof: bytes = field(repr=False)
    evidence_salt: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """JSON with one field per line; integers that may be large are decimal strings."""
        document = {
            "format": FORMAT,
            "charter_sha256": self.charter_sha256.hex(),
            "lab": self.lab,
            "round": self.round,
            "report": self.sealed_sha256.hex(),
            "panel": self.panel,
            "metric": self.metric,
            "value": self.value,
            "encoded": str(self.encoded),
            "auditor": self.auditor,
            "proof": base64.b64encode(self.proof).decode(),
            "evidence_salt": self.evidence_salt.hex(),
        }
        return (json.dumps(document, indent=2) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "OpenedValue":
        """Parses foreign bytes, of which there is one form for each value.

        Raises InvalidEncoding OPENED_VALUE.
        """
        try:
            document = _from_document(parse_json(data, VALUE_BYTES_MAX))
        except (ValueError, KeyError, TypeError):
            document = None
        # A1.1: one opening, one form.
        if document is None or document.to_bytes() != data:
            raise InvalidEncoding(
                "OPENED_VALUE", "opened value: is not a file of this form; ask the lab for it again"
            )
        return document


def _from_document(document: dict[str, Any]) -> OpenedValue:
    texts = ("lab", "panel", "metric", "value", "auditor", "proof")
    if any(not isinstance(document[name], str) for name in texts):
        raise TypeError
    if type(document["round"]) is not int or not 0 < document["round"] < 1 << 64:
        raise ValueError
    hashes = (document["charter_sha256"], document["report"])
    if any(_HASH.fullmatch(text) is None for text in hashes):
        raise ValueError
    if _INTEGER.fullmatch(document["encoded"]) is None:
        raise ValueError
    salt = document["evidence_salt"]
    if salt and _HASH.fullmatch(salt) is None:
        raise ValueError
    charter_sha256, sealed_sha256 = map(bytes.fromhex, hashes)
    return OpenedValue(
        charter_sha256,
        document["lab"],
        document["round"],
        sealed_sha256,
        document["panel"],
        document["metric"],
        document["value"],
        int(document["encoded"]),
        document["auditor"],
        base64.b64decode(document["proof"], validate=True),
        bytes.fromhex(salt),
    )


def find_metric(charter: Charter, lab: str, metric_id: str) -> tuple[Panel, Metric] | None:
    """A metric that the lab reports, with its panel; None if there is none of this name."""
    for panel in charter.panels:
        for metric in panel.metrics:
            if metric.id == metric_id and lab in panel.labs:
                return panel, metric
    return None


def counted_part(state: State, number: int, lab: str, panel: str) -> tuple[ReportSeen, ReportPart]:
    """A lab's report that counts in a closed round, and its part for the panel.

    Raises Refusal NO_ROUND, NOT_CLOSED, NOT_ENDORSED or NOT_COUNTED.
    """
    round_ = state.round(number)
    # A3.1.
    if round_ is None:
        raise Refusal("NO_ROUND", f"log: has no round {number}")
    # A3.2: until then a report may be replaced.
    if round_.close is None:
        raise Refusal("NOT_CLOSED", f"log: round {number} is open, so nothing counts yet")
    # A3.3: before a quorum of auditors has checked the close, it is the coordinator's word alone.
    if not round_.has_quorum(state.charter_at(number).endorsement_quorum):
        raise Refusal("NOT_ENDORSED", f"log: no quorum of auditors has endorsed round {number}")
    seen = round_.reports.get(lab) if lab in round_.close.listed else None
    part = next((p for p in seen.parts if p.panel == panel), None) if seen is not None else None
    # A3.4.
    if seen is None or part is None:
        raise Refusal(
            "NOT_COUNTED", f"log: no report of {lab} on panel {panel} counts in round {number}"
        )
    return seen, part


def open_value(
    state: State, kept: ReportSecrets, lab: str, metric_id: str, auditor: str, entropy: Entropy
) -> OpenedValue:
    """Opens one metric of the lab's report that counts to one auditor.

    ``kept`` is what the lab kept of that report. Raises ConfigError METRIC_UNKNOWN, PARTY or
    KEPT_REPORT, and as ``counted_part`` does.
    """
    charter, _ = _basis(state, kept.round)
    place = find_metric(charter, lab, metric_id)
    if place is None:
        raise ConfigError("METRIC_UNKNOWN", f"the charter gives {lab} no metric called {metric_id}")
    if auditor not in charter.auditors:
        raise ConfigError("PARTY", f"the charter has no auditor called {auditor}")
    panel, metric = place
    seen, part = counted_part(state, kept.round, lab, panel.id)
    secrets = kept.panel(panel.id)
    if secrets is None or kept.sealed_sha256 != seen.sealed_sha256:
        raise ConfigError("KEPT_REPORT", f"report secrets: must be of entry {seen.entry}")
    index = panel.claims.index("value", metric.id)
    statements = statements_of(panel, part.shown_ranges)
    try:
        encoded = secrets.values[index]
        claim = ValueClaim(
            context_of(charter, kept.round, panel.id, lab),
            open_from_bytes(statements, part.proof).w,
            index,
            encoded,
            auditor.encode(),
        )
        proof = prove_value(statements, claim, secrets.values, secrets.gamma, entropy)
    except (ValueError, IndexError):
        raise ConfigError(
            "KEPT_REPORT", f"report secrets: do not open entry {seen.entry}; restore a backup"
        ) from None
    return OpenedValue(
        charter.sha256,
        lab,
        kept.round,
        seen.sealed_sha256,
        panel.id,
        metric.id,
        decimal_text(metric.decode(encoded)),
        encoded,
        auditor,
        proof,
        kept.evidence_salt,
    )


def check_value(state: State, opened: OpenedValue) -> ReportSeen:
    """Checks A1 to A5 of an opened value against the log; returns the report that it is of.

    Raises InvalidProof OPENED_CHARTER (A1), NOT_COUNTED or NOT_ENDORSED (A3), those of
    ``verify_open`` (A4) and ``verify_value`` (A5); InvalidEncoding OPENED_NAMES or OPENED_DECIMAL
    (A2).
    """
    charter, key = _basis(state, opened.round)
    # A1.3: under other terms the same name is another metric.
    if opened.charter_sha256 != charter.sha256:
        raise InvalidProof("OPENED_CHARTER", "A1: the round was not held under the value's charter")
    place = find_metric(charter, opened.lab, opened.metric)
    known = place is not None and place[0].id == opened.panel
    # A2.1: a proof for another auditor is no proof for this one.
    if place is None or not known or opened.auditor not in charter.auditors:
        raise InvalidEncoding(
            "OPENED_NAMES", "A2: the charter has no such auditor, or gives the lab no such metric"
        )
    panel, metric = place
    # A2.2: the integer is proven, the decimal is read.
    if decimal_text(metric.decode(opened.encoded)) != opened.value:
        raise InvalidEncoding(
            "OPENED_DECIMAL", "A2: the decimal is not the one that the encoded integer stands for"
        )
    try:
        seen, part = counted_part(state, opened.round, opened.lab, panel.id)
    except Refusal as error:
        reason = "NOT_ENDORSED" if error.reason == "NOT_ENDORSED" else "NOT_COUNTED"
        raise InvalidProof(reason, f"A3: {error}") from None
    # A3.5: a report that was replaced says nothing any more.
    if seen.sealed_sha256 != opened.sealed_sha256:
        raise InvalidProof(
            "NOT_COUNTED", f"A3: the value is of another report than entry {seen.entry}"
        )
    statements = statements_of(panel, part.shown_ranges)
    context = context_of(charter, opened.round, panel.id, opened.lab)
    # A4: else W could hold other integers than the ciphertexts.
    verify_open(statements, key.public_key, context, part.proof)
    claim = ValueClaim(
        context,
        open_from_bytes(statements, part.proof).w,
        panel.claims.index("value", metric.id),
        opened.encoded,
        opened.auditor.encode(),
    )
    # A5: R9.28 to R9.33.
    verify_value(statements, claim, opened.proof)
    return seen


def check_evidence(seen: ReportSeen, files: Sequence[EvidenceFile], salt: bytes) -> None:
    """A6: the files are those that the report commits to. Raises InvalidProof EVIDENCE_DIGEST."""
    # A6: evidence must not be made up after the report.
    if evidence_commitment(evidence_sha256(files), salt) != seen.evidence_sha256:
        raise InvalidProof(
            "EVIDENCE_DIGEST",
            f"A6: the evidence is not what entry {seen.entry} committed to"
            f" ({seen.evidence_sha256.hex() or 'no evidence'})",
        )


def _basis(state: State, number: int) -> tuple[Charter, ThresholdKey]:
    """The charter that a round is held under, which its reports are bound to, and the key."""
    # A1.2: without them no report counts.
    key = state.keyed().key
    return state.charter_at(number), key
