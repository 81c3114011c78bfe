"""The proofs of reports, checked one by one at the door and in batches everywhere else."""

from collections.abc import Mapping
from dataclasses import replace

from fermata.crypto.paillier import EncryptionTable
from fermata.crypto.report.batch import BatchItem, InvalidBatch, verify_batch
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.codec import SealedProof
from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.report.verifier import verify
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.report_flags import statements_of
from fermata.protocol.state.state import ReportPart, ReportSeen, Round, ThresholdKey

#: Reason by which a close excludes a report whose proof does not hold.
PROOF = "PROOF"


def context_of(charter: Charter, round_number: int, panel_id: str, lab: str) -> Context:
    """What a proof is bound to beside the key and the statements."""
    round_id = round_number.to_bytes(8, "big") + panel_id.encode()
    return Context(charter.sha256, round_id, lab.encode())


def verify_report(
    charter: Charter,
    key: ThresholdKey,
    round_number: int,
    lab: str,
    parts: tuple[ReportPart, ...],
    sealed: Mapping[str, SealedProof],
    table: EncryptionTable | None,
    cache: ProofCache | None = None,
) -> None:
    """Checks every panel of one report wholly and alone, but for those that ``cache`` has.

    Raises VerificationError.
    """
    for item in items_of(charter, round_number, lab, parts, sealed):
        if cache is None or item.digests(key.public_key)[-1] not in cache:
            verify_item(key, item, table, cache)


def verify_item(
    key: ThresholdKey, item: BatchItem, table: EncryptionTable | None, cache: ProofCache | None
) -> None:
    """Checks one panel of a report, with its sealed part. Raises VerificationError."""
    if item.sealed is None:
        raise ValueError("a report must have a sealed part here, got none")
    verify(item.statements, key.public_key, item.context, item.open_part, item.sealed, table, cache)


def items_of(
    charter: Charter,
    round_number: int,
    lab: str,
    parts: tuple[ReportPart, ...],
    sealed: Mapping[str, SealedProof],
) -> list[BatchItem]:
    """What there is to check of one report, by panel; of a panel without a sealed part as well."""
    return [
        BatchItem(
            statements_of(charter.panel(part.panel), part.shown_ranges),
            context_of(charter, round_number, part.panel, lab),
            part.proof,
            sealed.get(part.panel),
        )
        for part in parts
    ]


def failures_of(
    charter: Charter,
    key: ThresholdKey,
    round_number: int,
    reports: Mapping[str, ReportSeen],
    sealed: Mapping[str, Mapping[str, SealedProof]],
    leaf_hash: bytes = b"",
    cache: ProofCache | None = None,
) -> dict[str, str]:
    """Labs whose proofs do not hold, with the reason; all panels of all labs in one batch.

    ``reports``: those that the close lists. ``sealed``: by lab and panel; what of it is missing is
    checked as far as the open part goes. ``leaf_hash``: of the close, 32 bytes; empty before there
    is one, where no sealed part is asked. The weights are hashed from it and the proofs, so that
    everybody finds the same.
    """
    items: list[BatchItem] = []
    owners: list[str] = []
    for lab, seen in sorted(reports.items()):
        parts = tuple(sorted(seen.parts, key=lambda part: part.panel))
        items += items_of(charter, round_number, lab, parts, sealed.get(lab, {}))
        owners += [lab] * len(parts)
    try:
        verify_batch(key.public_key, items, leaf_hash, cache)
    except InvalidBatch as batch:
        return {owners[index]: error.reason for index, error in sorted(batch.failures.items())}
    return {}


def proven_round(
    charter: Charter, key: ThresholdKey, round_: Round, cache: ProofCache | None = None
) -> Round:
    """The round with reports whose open proofs do not hold moved to the excluded ones.

    The same for everybody: it needs the log alone.
    """
    failures = failures_of(charter, key, round_.number, round_.reports, {}, cache=cache)
    if not failures:
        return round_
    excluded = [(round_.reports[lab].entry, PROOF) for lab in failures]
    return replace(
        round_,
        reports={lab: seen for lab, seen in round_.reports.items() if lab not in failures},
        excluded=(*round_.excluded, *excluded),
    )
