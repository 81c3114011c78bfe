"""The rules of a round, F4 to F9 of docs/spec/fold.md: open, report, close, endorse, open up."""

from collections.abc import Mapping
from dataclasses import replace

from fermata.crypto.integers import int_from_bytes
from fermata.crypto.paillier import ciphertext_from_bytes
from fermata.crypto.threshold.opening import check_part, culprits_of
from fermata.crypto.threshold.opening import combine as combine_parts
from fermata.crypto.transcript import digest_parts
from fermata.errors import InvalidEncoding, Refusal
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import period_count
from fermata.protocol.fold.amendment import take_effect
from fermata.protocol.fold.disclosure import (
    cohorts_of,
    fresh_until_ms,
    is_worn,
    organisations_by_lab,
    refusal_of,
)
from fermata.protocol.fold.dominance import share_limits
from fermata.protocol.fold.proofs import proven_round
from fermata.protocol.state.cells import cells_of, panel_of
from fermata.protocol.state.pause import LIFTING, PAUSED
from fermata.protocol.state.report_flags import Asked, check_flags, flags_of, shown_ranges
from fermata.protocol.state.state import (
    COLLECTING,
    Close,
    Opening,
    ReportPart,
    ReportSeen,
    Round,
    State,
    ThresholdKey,
)
from fermata.protocol.statistics.results import results_of
from fermata.wire.v1 import statement_pb2

#: Reports of one lab in one round, the first and its corrections.
REVISIONS_MAX = 16
DIGEST_BYTES = 32


def charter_of(state: State) -> Charter:
    """The charter in force. Raises Refusal NO_CHARTER."""
    if state.charter is None:
        raise Refusal("NO_CHARTER", "log: entry 0 is not a valid charter")
    return state.charter


def key_of(state: State) -> ThresholdKey:
    """The key in force. Raises Refusal NO_KEY."""
    if state.key is None:
        raise Refusal("NO_KEY", "log: no key record yet")
    return state.key


def round_of(state: State, number: int) -> Round:
    """The round with this number. Raises Refusal NO_ROUND."""
    found = state.round(number)
    if found is None:
        raise Refusal("NO_ROUND", "statement: that round was not opened")
    return found


def _collecting(state: State, number: int) -> Round:
    found = round_of(state, number)
    if found.close is not None:
        raise Refusal("ROUND_CLOSED", f"round {number}: is closed")
    return found


def exclude(state: State, number: int, entry: int, reason: str) -> State:
    """Remembers a rejected report of an open round: the close must name it with its reason."""
    found = state.round(number)
    if found is None or found.close is not None:
        return state
    return state.with_round(replace(found, excluded=(*found.excluded, (entry, reason))))


def open_round(
    state: State, entry: int, time_ms: int, wire: statement_pb2.OpenRound, charter_sha256: bytes
) -> State:
    """F4: the next round, its period as the charter counts, under the key in force.

    What the committee decided takes effect here and nowhere else, so that a round is held under
    one charter and one roster.
    """
    state = take_effect(state, entry, time_ms)
    charter, key = charter_of(state), key_of(state)
    if charter_sha256 != charter.sha256:
        raise Refusal("TOO_EARLY", "open: the amendment that it is bound to is not in force yet")
    last = state.current
    if wire.round != len(state.rounds) + 1:
        raise Refusal("ROUND_NUMBER", f"open: the next round is {len(state.rounds) + 1}")
    if last is not None and last.phase(charter.endorsement_quorum) == COLLECTING:
        raise Refusal("ROUND_OPEN", f"open: round {last.number} is not closed")
    if last is not None and time_ms < last.opened_ms + charter.interval_s * 1000:
        raise Refusal("TOO_EARLY", "open: the charter's interval has not passed")
    if rounds_left(charter, len(state.rounds)) == 0:
        raise Refusal("NO_MORE_ROUNDS", "open: the charter's last period is over")
    if wire.period != charter.period(wire.round):
        raise Refusal("PERIOD", f"open: round {wire.round} is {charter.period(wire.round)}")
    if wire.key_id != key.key_id:
        raise Refusal("KEY_ID", "open: names another key than the one in force")
    if is_worn(charter, state.rounds, key.key_id):
        raise Refusal("KEY_WORN", "open: as many rounds as the charter allows used this key")
    if time_ms < fresh_until_ms(charter, wire.round):
        raise Refusal("TOO_FRESH", f"open: the figures of {wire.period} are not old enough")
    opened = Round(
        wire.round,
        wire.period,
        entry,
        time_ms,
        time_ms + charter.window_s * 1000,
        key_id=key.key_id,
        asked=Asked(state.pause.phase in (PAUSED, LIFTING), share_limits(charter, state.rounds)),
        barred=frozenset(state.governance.exclusions),
    )
    return replace(state, rounds=(*state.rounds, opened))


def rounds_left(charter: Charter, opened: int) -> int | None:
    """Rounds that the charter still allows; None without a last period."""
    if not charter.last_period:
        return None
    total = period_count(charter.cadence, charter.first_period, charter.last_period)
    return max(0, total - opened)


def _check_not_barred(found: Round, lab: str) -> None:
    if lab in found.barred:
        raise Refusal("EXCLUDED", f"round {found.number}: {lab} is excluded from it")


def parts_of(
    charter: Charter, found: Round, lab: str, wire: statement_pb2.Report
) -> tuple[ReportPart, ...]:
    """The panels of a report, checked against charter and round. Raises VerificationError."""
    panels = [p.panel for p in wire.parts]
    known = [p.id for p in charter.panels if lab in p.labs]
    if not panels or panels != [p for p in known if p in panels]:
        raise Refusal(
            "PANELS",
            f"report of {lab}: its panels must be some that the charter gives it, in order",
        )
    tier = charter.tiers_by_lab.get(lab)
    if tier is not None and set(tier.panels) - set(panels):
        raise Refusal("TIER", f"report of {lab}: lacks a panel that tier {tier.id} must report")
    flags = flags_of(wire)
    check_flags(charter, found.asked, lab, tuple(panels), flags)
    for part in wire.parts:
        count = charter.panel(part.panel).claims.statements.packing.ciphertexts
        digests = part.ciphertext_sha256
        if len(digests) != count or any(len(d) != DIGEST_BYTES for d in digests):
            raise InvalidEncoding(
                "LENGTH", f"report of {lab}: panel {part.panel} has {count} ciphertext digests"
            )
        if not part.proof.startswith(b"".join(digests)):
            raise Refusal(
                "PROOF_DIGEST", f"report of {lab}: panel {part.panel} has another's proof"
            )
    return tuple(
        ReportPart(
            p.panel,
            tuple(p.ciphertext_sha256),
            p.proof,
            shown_ranges(charter, found.asked, charter.panel(p.panel), flags),
        )
        for p in wire.parts
    )


def report(
    state: State,
    entry: int,
    time_ms: int,
    wire: statement_pb2.Report,
    lab: str,
    envelope_sha256: bytes,
) -> State:
    """F5: in time, under the key in force, with the charter's shape, nobody else's numbers."""
    charter, key = charter_of(state), key_of(state)
    found = _collecting(state, wire.round)
    _check_not_barred(found, lab)
    if time_ms >= found.deadline_ms:
        raise Refusal("LATE", f"report of {lab}: the deadline of round {wire.round} has passed")
    if wire.key_id != key.key_id:
        raise Refusal("KEY_ID", f"report of {lab}: made for another key")
    parts = parts_of(charter, found, lab, wire)
    if len(wire.sealed_sha256) != DIGEST_BYTES or len(wire.evidence_sha256) not in (
        0,
        DIGEST_BYTES,
    ):
        raise InvalidEncoding("LENGTH", f"report of {lab}: a digest has not 32 bytes")
    revisions = found.revisions.get(lab, ())
    if envelope_sha256 in revisions:
        raise Refusal("DUPLICATE", f"report of {lab}: this very report is in the log already")
    if len(revisions) >= REVISIONS_MAX:
        raise Refusal("REVISIONS", f"report of {lab}: its {REVISIONS_MAX} of the round are used up")
    mine = [d for p in parts for d in p.ciphertext_sha256]
    # Replaced reports and earlier rounds count too: a copy of one would add an old figure again.
    seen_before = any(not r.ciphertexts_seen.isdisjoint(mine) for r in state.rounds)
    if len(set(mine)) != len(mine) or seen_before:
        raise Refusal("CT_DUPLICATE", f"report of {lab}: a ciphertext is in the log already")
    seen = ReportSeen(lab, entry, parts, wire.sealed_sha256, wire.evidence_sha256, flags_of(wire))
    old = found.reports.get(lab)
    excluded = found.excluded if old is None else (*found.excluded, (old.entry, "SUPERSEDED"))
    return state.with_round(
        replace(
            found,
            reports={**found.reports, lab: seen},
            revisions={**found.revisions, lab: (*revisions, envelope_sha256)},
            ciphertexts_seen=found.ciphertexts_seen.union(mine),
            excluded=excluded,
            abstained=found.abstained - {lab},
        )
    )


def abstention(state: State, time_ms: int, wire: statement_pb2.Abstention, lab: str) -> State:
    """F6: a lab that has not reported says that it has nothing to report."""
    found = _collecting(state, wire.round)
    _check_not_barred(found, lab)
    if time_ms >= found.deadline_ms:
        raise Refusal("LATE", f"abstention of {lab}: the deadline has passed")
    if lab in found.reports:
        raise Refusal("REPORTED", f"abstention of {lab}: it has reported, which cannot be undone")
    if lab in found.abstained:
        raise Refusal("DUPLICATE", f"abstention of {lab}: it has abstained already")
    return state.with_round(replace(found, abstained=found.abstained | {lab}))


def waiting_for(charter: Charter, found: Round) -> tuple[str, ...]:
    """Labs that may report in the round and have not answered, in the roster's order."""
    able = {lab for panel in charter.panels for lab in panel.labs}
    answered = found.reports.keys() | found.abstained | found.barred
    return tuple(lab for lab in charter.labs if lab in able and lab not in answered)


def aggregate_digest(aggregates: Mapping[str, tuple[bytes, ...]]) -> bytes:
    """SHA-256 that an endorsement binds: cells and products in the charter's order."""
    parts: list[bytes] = []
    for panel, ciphertexts in aggregates.items():
        parts += [panel.encode(), len(ciphertexts).to_bytes(4, "big"), *ciphertexts]
    return digest_parts("fermata/v1/aggregate", *parts)


def close_round(
    state: State, entry: int, time_ms: int, wire: statement_pb2.CloseRound, leaf_hash: bytes
) -> State:
    """F7: after the deadline or when all have answered; lists what the fold derives, no less."""
    charter, key = charter_of(state), key_of(state)
    found = _collecting(state, wire.round)
    if time_ms < found.deadline_ms and waiting_for(charter, found):
        raise Refusal("TOO_EARLY", f"close: round {wire.round} still waits for labs")
    found = proven_round(charter, key, found)
    listed = [(r.lab, r.entry) for r in wire.listed]
    if listed != [(lab, found.reports[lab].entry) for lab in sorted(found.reports)]:
        raise Refusal("CLOSE_LIST", "close: does not list exactly the reports that count")
    if [(e.entry, e.reason) for e in wire.excluded] != sorted(found.excluded):
        raise Refusal(
            "CLOSE_EXCLUDED", "close: does not name exactly the reports that do not count"
        )
    cells = cells_of(charter, found)
    refusal = refusal_of(charter, state.rounds, found)
    wanted = [] if refusal else [cell.id for cell in cells]
    if [a.panel for a in wire.aggregates] != wanted:
        raise Refusal("CLOSE_PANELS", "close: aggregates must be those of the round's cells")
    aggregates: dict[str, tuple[int, ...]] = {}
    for aggregate in wire.aggregates:
        panel = charter.panel(panel_of(aggregate.panel))
        count = panel.claims.statements.packing.ciphertexts
        extra = aggregate.announcements or aggregate.responses
        if len(aggregate.ciphertexts) != count or extra:
            raise InvalidEncoding("LENGTH", f"close: panel {aggregate.panel} has {count} products")
        aggregates[aggregate.panel] = tuple(
            ciphertext_from_bytes(key.public_key, c) for c in aggregate.ciphertexts
        )
    close = Close(
        entry=entry,
        leaf_hash=leaf_hash,
        time_ms=time_ms,
        listed=tuple(sorted(found.reports)),
        cohorts=cohorts_of(charter, cells),
        cells=cells,
        aggregates=aggregates,
        aggregate_sha256=aggregate_digest({a.panel: tuple(a.ciphertexts) for a in wire.aggregates}),
        refusal=refusal,
        organisations=organisations_by_lab(charter),
    )
    return state.with_round(replace(found, close=close))


def _openable(state: State, number: int, close_entry: int) -> tuple[Round, Close]:
    found = round_of(state, number)
    if found.close is None:
        raise Refusal("NOT_CLOSED", f"round {number}: is not closed")
    if found.refusal:
        raise Refusal("ROUND_REFUSED", f"round {number}: nothing of it may be opened")
    if found.close.entry != close_entry:
        raise Refusal("WRONG_CLOSE", f"round {number}: names another close than the log's")
    return found, found.close


def endorsement(state: State, entry: int, wire: statement_pb2.Endorsement, auditor: str) -> State:
    """F8: an auditor vouches, once a round, for the close in this log and its products."""
    found = round_of(state, wire.round)
    if auditor in found.endorsements:
        raise Refusal("ALREADY_ENDORSED", f"round {wire.round}: {auditor} has endorsed already")
    found, close = _openable(state, wire.round, wire.close_entry)
    if wire.close_leaf_hash != close.leaf_hash or wire.aggregate_sha256 != close.aggregate_sha256:
        raise Refusal("WRONG_CLOSE", f"round {wire.round}: {auditor} endorses another close")
    return state.with_round(replace(found, endorsements={**found.endorsements, auditor: entry}))


def partial_opening(
    state: State, entry: int, wire: statement_pb2.PartialOpening, auditor: str
) -> State:
    """F9: after a quorum of endorsements; t good parts give the result, bad ones a culprit."""
    found, close = _openable(state, wire.round, wire.close_entry)
    charter, key = state.charter_at(found.number), key_of(state)
    if len(found.endorsements) < charter.endorsement_quorum:
        raise Refusal("NO_QUORUM", f"round {wire.round}: too few endorsements to open")
    if auditor in found.parts:
        raise Refusal("ALREADY_OPENED", f"round {wire.round}: {auditor} has given its part")
    if wire.epoch_id != key.epoch_id:
        raise Refusal("EPOCH_ID", f"round {wire.round}: part of another key epoch")
    if [p.panel for p in wire.panels] != list(close.aggregates):
        raise Refusal("PANELS", f"round {wire.round}: parts must be of the aggregates, in order")
    parts: dict[str, tuple[int, ...]] = {}
    width = key.public_key.modulus_width
    for panel in wire.panels:
        if len(panel.parts) != len(close.aggregates[panel.panel]):
            raise InvalidEncoding("LENGTH", f"round {wire.round}: wrong number of parts")
        numbers = tuple(int_from_bytes(p, width, "part") for p in panel.parts)
        for number in numbers:
            check_part(key.record.n, number)
        parts[panel.panel] = numbers
    return state.with_round(
        _combine(charter, key, replace(found, parts={**found.parts, auditor: parts}), entry)
    )


def _given(charter: Charter, found: Round, panel: str, position: int) -> dict[int, int]:
    """The parts of one ciphertext, by the auditors' indices."""
    return {
        charter.auditors.index(auditor) + 1: parts[panel][position]
        for auditor, parts in found.parts.items()
    }


def _combine(charter: Charter, key: ThresholdKey, found: Round, entry: int) -> Round:
    """Opens the round if enough good parts are there."""
    close = found.close
    if close is None or len(found.parts) < key.record.threshold:
        return found
    if found.opening is not None:
        return _name_culprits(charter, key, found, found.opening.roots)
    plaintexts: dict[str, tuple[int, ...]] = {}
    roots: dict[str, tuple[int, ...]] = {}
    for panel, ciphertexts in close.aggregates.items():
        openings = []
        for position, ciphertext in enumerate(ciphertexts):
            given = _given(charter, found, panel, position)
            opening = combine_parts(key.record, ciphertext, given)
            if opening is None:
                return found
            openings.append(opening)
        plaintexts[panel] = tuple(o.plaintext for o in openings)
        roots[panel] = tuple(o.root for o in openings)
    found = _name_culprits(charter, key, found, roots)
    try:
        sums, results = results_of(charter, close.members, plaintexts)
    except InvalidEncoding as error:
        return replace(found, fault=str(error))
    return replace(found, opening=Opening(entry, sums, results, plaintexts, roots))


def _name_culprits(
    charter: Charter, key: ThresholdKey, found: Round, roots: Mapping[str, tuple[int, ...]]
) -> Round:
    """Tells wrong parts by the known roots; cheap, so that late parts are checked as well."""
    culprits = {
        charter.auditors[index - 1]
        for panel, panel_roots in roots.items()
        for position, root in enumerate(panel_roots)
        for index in culprits_of(key.record, root, _given(charter, found, panel, position))
    }
    return replace(found, culprits=frozenset(culprits))
