"""The proofs of reports: of those that wait at the door, and of those that a close lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fermata.crypto.paillier import EncryptionTable, PublicKey
from fermata.crypto.report.batch import BatchItem, InvalidBatch, verify_apart, verify_batch
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.codec import SealedProof
from fermata.crypto.report.proof_cache import ProofCache
from fermata.errors import VerificationError
from fermata.protocol.charter.parse import Charter
from fermata.protocol.state.report_flags import statements_of
from fermata.protocol.state.state import ReportPart, ReportSeen, Round, ThresholdKey

#: Reason by which a close excludes a report whose proof does not hold.
PROOF = "PROOF"


def context_of(charter: Charter, round_number: int, panel_id: str, lab: str) -> Context:
    """What a proof is bound to beside the key and the statements."""
    round_id = round_number.to_bytes(8, "big") + panel_id.encode()
    return Context(charter.sha256, round_id, lab.encode())


@dataclass(frozen=True, slots=True)
class ReportCheck:
    """All proofs of one report, each with its sealed part, before they are checked.

    ``table``: powers of the key, which save a long power for each ciphertext.
    """

    lab: str
    round_number: int
    public_key: PublicKey
    items: tuple[BatchItem, ...]
    table: EncryptionTable | None = None


def report_check(
    charter: Charter,
    key: ThresholdKey,
    round_number: int,
    lab: str,
    parts: tuple[ReportPart, ...],
    sealed: Mapping[str, SealedProof],
    table: EncryptionTable | None,
) -> ReportCheck:
    """What is to be checked of one report: every panel, wholly."""
    items = tuple(items_of(charter, round_number, lab, parts, sealed))
    return ReportCheck(lab, round_number, key.public_key, items, table)


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


def check_reports(
    checks: Sequence[ReportCheck], cache: ProofCache | None = None
) -> dict[int, VerificationError]:
    """Checks reports whose verdict is not a round's: those under one key together.

    Returns, by position, the error of each that does not hold: of its first panel that fails.
    """
    failures: dict[int, VerificationError] = {}
    for key, table in {check.public_key: check.table for check in checks}.items():
        owned = [
            (index, item)
            for index, check in enumerate(checks)
            if check.public_key == key
            for item in check.items
        ]
        failed = verify_apart(key, [item for _, item in owned], table, cache)
        for place in sorted(failed):
            failures.setdefault(owned[place][0], failed[place])
    return failures


def verify_report(check: ReportCheck, cache: ProofCache | None = None) -> None:
    """Checks one report. Raises VerificationError."""
    for error in check_reports([check], cache).values():
        raise error


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
