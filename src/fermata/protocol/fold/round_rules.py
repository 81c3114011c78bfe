"""The rules of a round until its close, F5 to F7 of docs/spec/fold.md: report, close.

Each check carries its number. They are made in the order of their numbers: the reason of a rejected
report is that of the first check that fails, and the close must name it (F7.6).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fermata.crypto.paillier import ciphertexts_from_bytes
from fermata.crypto.transcript import digest_parts
from fermata.errors import InvalidEncoding, Refusal
from fermata.protocol.charter.parse import Charter
from fermata.protocol.drills.drill import able_count
from fermata.protocol.fold.disclosure import cohorts_of
from fermata.protocol.fold.entry import Entry
from fermata.protocol.fold.proofs import proven_round
from fermata.protocol.growing import with_item
from fermata.protocol.standing.round_standing import lasting_organisations, round_standing
from fermata.protocol.state.consents import not_consenting
from fermata.protocol.state.pleas import is_in_time, starving, waiting_for, waits_for_pleas
from fermata.protocol.state.report_flags import check_flags, flags_of, shown_ranges
from fermata.protocol.state.standing import panel_of
from fermata.protocol.state.state import (
    CharteredState,
    Close,
    KeyedState,
    ReportPart,
    ReportSeen,
    Round,
    State,
)
from fermata.types import AggregateDigest
from fermata.wire.v1 import statement_pb2

#: Reports of one lab in one round, the first and its corrections.
REVISIONS_MAX = 16
DIGEST_BYTES = 32


def round_of(state: State, number: int) -> Round:
    """The round with this number. Raises Refusal NO_ROUND."""
    round_ = state.round(number)
    if round_ is None:
        raise Refusal("NO_ROUND", "statement: its round must be one that was called")
    return round_


def _check_collecting(round_: Round) -> None:
    if round_.close is not None or round_.refusal:
        raise Refusal("ROUND_CLOSED", f"round {round_.number}: is closed")


def exclude(state: State, number: int, entry: int, reason: str) -> State:
    """Remembers a rejected report of an open round: the close must name it with its reason."""
    round_ = state.round(number)
    if round_ is None or round_.close is not None or round_.refusal:
        return state
    return state.with_round(replace(round_, excluded=(*round_.excluded, (entry, reason))))


def _check_not_barred(round_: Round, lab: str) -> None:
    if lab in round_.barred:
        raise Refusal("EXCLUDED", f"round {round_.number}: {lab} is excluded from it")


def parts_of(
    charter: Charter, round_: Round, lab: str, wire: statement_pb2.Report
) -> tuple[ReportPart, ...]:
    """The panels of a report, checked against charter and round. Raises VerificationError."""
    panels = [p.panel for p in wire.parts]
    known = [p.id for p in charter.panels if lab in p.labs]
    flags = flags_of(wire)
    # F5.7: a panel named twice would count twice, one of other labs would join their sum.
    if not panels or panels != [p for p in known if p in panels]:
        raise Refusal(
            "PANELS",
            f"report of {lab}: its panels must be some that the charter gives it, in order",
        )
    # F5.8: a lab must not pay for less than its tier reports.
    tier = charter.tiers_by_lab.get(lab)
    if tier is not None and set(tier.panels) - set(panels):
        raise Refusal("TIER", f"report of {lab}: lacks a panel that tier {tier.id} must report")
    # F5.9: a flag that the round did not ask for has no proof behind it.
    check_flags(charter, round_.asked, lab, tuple(panels), flags)
    # F5.10, F5.11: for each part in turn.
    for part in wire.parts:
        count = charter.panel(part.panel).claims.statements.packing.ciphertexts
        digests = part.ciphertext_sha256
        # F5.10: with fewer or more ciphertexts the cells would not add up.
        if len(digests) != count or any(len(d) != DIGEST_BYTES for d in digests):
            raise InvalidEncoding(
                "LENGTH", f"report of {lab}: panel {part.panel} has {count} ciphertext digests"
            )
        # F5.11: the proof must be of the ciphertexts that count, not of others.
        if not part.proof.startswith(b"".join(digests)):
            raise Refusal(
                "PROOF_DIGEST",
                f"report of {lab}: the proof of panel {part.panel} must be of its ciphertexts",
            )
    return tuple(
        ReportPart(
            p.panel,
            tuple(p.ciphertext_sha256),
            p.proof,
            shown_ranges(charter, round_.asked, charter.panel(p.panel), flags),
        )
        for p in wire.parts
    )


def report(state: KeyedState, entry: Entry, wire: statement_pb2.Report, lab: str) -> CharteredState:
    """F5: in time, under the key in force, with the charter's shape, nobody else's numbers."""
    key = state.key
    round_ = round_of(state, wire.round)  # F5.2: no report is kept for a round to come.
    _check_collecting(round_)  # F5.3: a sum must not change once its round is closed.
    _check_not_barred(round_, lab)  # F5.4: the committee took this lab out of the sum.
    # F5.5: who reports after the deadline may have waited for the others, unless an auditor had it.
    if not is_in_time(state, round_, lab, entry.envelope_sha256):
        raise Refusal("LATE", f"report of {lab}: the deadline of round {wire.round} has passed")
    # F5.6: ciphertexts under another key would spoil the product.
    if wire.key_id != key.key_id:
        raise Refusal("KEY_ID", f"report of {lab}: must be made for the key in force")
    revisions = round_.revisions.get(lab, ())
    parts = parts_of(state.charter_at(round_.number), round_, lab, wire)  # F5.7 to F5.11.
    # F5.12: one report has one form, and its sealed part can be asked for.
    if len(wire.sealed_sha256) != DIGEST_BYTES or len(wire.evidence_sha256) not in (
        0,
        DIGEST_BYTES,
    ):
        raise InvalidEncoding("LENGTH", f"report of {lab}: digests must have {DIGEST_BYTES} bytes")
    # F5.13: whoever kept a replaced report could undo its correction.
    if entry.envelope_sha256 in revisions:
        raise Refusal("DUPLICATE", f"report of {lab}: this very report is in the log already")
    # F5.14: one lab must not fill the log.
    if len(revisions) >= REVISIONS_MAX:
        raise Refusal(
            "REVISIONS", f"report of {lab}: must be one of at most {REVISIONS_MAX} of the round"
        )
    digests = [d for p in parts for d in p.ciphertext_sha256]
    _check_fresh(state, round_, lab, digests)  # F5.15, F5.16.
    seen = ReportSeen(
        lab, entry.index, parts, wire.sealed_sha256, wire.evidence_sha256, flags_of(wire)
    )
    old = round_.reports.get(lab)
    excluded = round_.excluded if old is None else (*round_.excluded, (old.entry, "SUPERSEDED"))
    known = round_.ciphertexts_seen.get(lab, frozenset())
    given = ((digest, (round_.number, lab)) for digest in digests)
    return replace(state, digests=state.digests.with_items(given)).with_round(
        replace(
            round_,
            reports=with_item(round_.reports, lab, seen),
            revisions=with_item(round_.revisions, lab, (*revisions, entry.envelope_sha256)),
            ciphertexts_seen=with_item(round_.ciphertexts_seen, lab, known.union(digests)),
            excluded=excluded,
            abstained=round_.abstained - {lab},
        )
    )


def _check_fresh(state: State, round_: Round, lab: str, digests: Sequence[bytes]) -> None:
    """F5.15 and F5.16: ciphertexts are nobody else's, and the lab's own of this round alone.

    In the same round a lab may send its own again, to correct its evidence: only its last report
    counts, so no figure is added twice.
    """
    # F5.15: a copy of another lab's figure shows that figure when sums are compared. Replaced
    # reports and earlier rounds can be copied as well.
    known = [state.digests[digest] for digest in digests if digest in state.digests]
    foreign = [(number, other) for number, other in known if other != lab]
    if foreign:
        number, other = min(foreign)
        raise Refusal(
            "CT_DUPLICATE", f"report of {lab}: a ciphertext is that of {other} in round {number}"
        )
    # F5.16: randomness used twice tells everyone that a figure did not change.
    is_used = any(number != round_.number for number, _ in known)
    if len(set(digests)) != len(digests) or is_used:
        raise Refusal(
            "CT_REUSED",
            f"report of {lab}: a ciphertext stands in it twice, or in the lab's report of another"
            " round; encrypt again",
        )


def abstention(
    state: CharteredState, entry: Entry, wire: statement_pb2.Abstention, lab: str
) -> CharteredState:
    """F6: a lab that has not reported says that it has nothing to report."""
    round_ = round_of(state, wire.round)  # F6.1: no answer to nothing.
    _check_collecting(round_)  # F6.2: an answer must not change a closed round.
    _check_not_barred(round_, lab)  # F6.3: nobody waits for its answer.
    # F6.4: the round may be closed from its deadline on.
    if not is_in_time(state, round_, lab, entry.envelope_sha256):
        raise Refusal("LATE", f"abstention of {lab}: the deadline has passed")
    # F6.5: a lab must not take its report back when it sees who else reported.
    if lab in round_.reports:
        raise Refusal("REPORTED", f"abstention of {lab}: it has reported, which cannot be undone")
    # F6.6: one lab must not fill the log.
    if lab in round_.abstained:
        raise Refusal("DUPLICATE", f"abstention of {lab}: it has abstained already")
    return state.with_round(replace(round_, abstained=round_.abstained | {lab}))


def aggregate_digest(aggregates: Mapping[str, tuple[bytes, ...]]) -> AggregateDigest:
    """SHA-256 that an endorsement binds: cells and products in the charter's order."""
    parts: list[bytes] = []
    for panel, ciphertexts in aggregates.items():
        parts += [panel.encode(), len(ciphertexts).to_bytes(4, "big"), *ciphertexts]
    return AggregateDigest(digest_parts("fermata/v1/aggregate", *parts))


def close_round(
    state: KeyedState, entry: Entry, wire: statement_pb2.CloseRound, author: str
) -> CharteredState:
    """F7: after the deadline or when all have answered; lists what the fold derives, no less."""
    key = state.key
    round_ = round_of(state, wire.round)  # F7.2: no close of nothing.
    charter = state.charter_at(round_.number)
    _check_collecting(round_)  # F7.3: the difference of two closes could be one lab's figure.
    # F7.4: a coordinator must not shut a lab out by closing early.
    if not state.clock.passed(round_.deadline) and waiting_for(charter, round_):
        raise Refusal("TOO_EARLY", f"close: round {wire.round} still waits for labs")
    round_ = proven_round(charter, key, round_, entry.cache)
    # F7.5: nobody chooses which reports count.
    listed = [(r.lab, r.entry) for r in wire.listed]
    if listed != [(lab, round_.reports[lab].entry) for lab in sorted(round_.reports)]:
        raise Refusal("CLOSE_LIST", "close: must list exactly the reports that count")
    # F7.6: no report is dropped in silence.
    if [(e.entry, e.reason) for e in wire.excluded] != sorted(round_.excluded):
        raise Refusal("CLOSE_EXCLUDED", "close: must name exactly the reports that do not count")
    # F7.7: no product of other figures, and none that tells too much (standing.md).
    standing = round_standing(state, round_)
    organisations = lasting_organisations(state, round_.number)
    if [a.panel for a in wire.aggregates] != [cell.id for cell in standing.opened]:
        raise Refusal("CLOSE_PANELS", "close: aggregates must be those of the cells that open")
    aggregates: dict[str, tuple[int, ...]] = {}
    # F7.8, F7.9: for each aggregate in turn.
    for aggregate in wire.aggregates:
        panel = charter.panel(panel_of(aggregate.panel))
        count = panel.claims.statements.packing.ciphertexts
        extra = aggregate.announcements or aggregate.responses
        # F7.8: the endorsed digest must not bind bytes that mean nothing.
        if len(aggregate.ciphertexts) != count or extra:
            raise InvalidEncoding("LENGTH", f"close: panel {aggregate.panel} has {count} products")
        # F7.9: a product that is no unit would reveal the key, one without blinding needs none.
        aggregates[aggregate.panel] = ciphertexts_from_bytes(key.public_key, aggregate.ciphertexts)
    # F7.10: a coordinator must not close before it has logged what it held back.
    if waits_for_pleas(state, round_):
        starved = ", ".join(starving(state, round_))
        raise Refusal("PLEA", f"close: auditors have the answer of {starved}, which is not logged")
    close = Close(
        entry=entry.index,
        leaf_hash=entry.leaf_hash,
        time_ms=state.time_ms,
        listed=tuple(sorted(round_.reports)),
        cohorts=cohorts_of(organisations, standing.opened),
        cells=standing.opened,
        aggregates=aggregates,
        aggregate_sha256=aggregate_digest({a.panel: tuple(a.ciphertexts) for a in wire.aggregates}),
        refusal=standing.refusal,
        organisations=organisations,
        figures=standing.figures,
        standing=standing.panels,
        unchanged=standing.unchanged,
        unconsenting=not_consenting(state),
        able=able_count(state.drills, key.epoch_id),
    )
    # PL4: whoever held an answer back until the end is seen by it.
    return state.with_round(replace(round_, close=close, starved=starving(state, round_)))
