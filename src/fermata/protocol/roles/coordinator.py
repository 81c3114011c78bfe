"""The coordinator's duties: open the next round, close the one that is due."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fermata.crypto.paillier import Multiply, product
from fermata.crypto.report.proof_cache import ProofCache
from fermata.errors import StorageError
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.disclosure import is_worn
from fermata.protocol.fold.governance.amendment import (
    charter_for_next_round,
    charter_of_answer,
    due_amendment,
)
from fermata.protocol.fold.proofs import proven_round
from fermata.protocol.fold.reports import (
    Sealed,
    aggregate,
    aggregates_to_wire,
    check_sealed,
    ciphertexts_of,
)
from fermata.protocol.standing.panel_round import figures_in
from fermata.protocol.standing.round_standing import round_standing
from fermata.protocol.state.calls import Call, is_given_up, next_call
from fermata.protocol.state.clock import NO_TIME
from fermata.protocol.state.pleas import waiting_for, waits_for_pleas
from fermata.protocol.state.state import (
    COLLECTING,
    KeyedState,
    ReportSeen,
    Round,
    State,
    ThresholdKey,
)
from fermata.protocol.succession.views import leader
from fermata.protocol.wire.codec import sha256
from fermata.protocol.wire.ports import Duty, IsDrafted
from fermata.types import RoundNumber
from fermata.wire.v1 import statement_pb2

#: The sealed part with this SHA-256 from the coordinator's own store, or None.
FindSealed = Callable[[bytes], bytes | None]


@dataclass(eq=False)
class Missing:
    """The sealed part for which a close waits (SU26), so that not all are read at each turn.

    ``tell`` gets the number of the round.
    """

    tell: Callable[[int], None] = lambda number: None
    sha256: bytes = field(default=b"", init=False)

    def look(self, wanted: Sequence[bytes], number: RoundNumber, find_sealed: FindSealed) -> bool:
        """Whether one of the ``wanted`` parts is missing; the one that was is looked for first."""
        first = [digest for digest in wanted if digest == self.sha256]
        lacking = (digest for digest in (*first, *wanted) if find_sealed(digest) is None)
        self.sha256 = next(lacking, b"")
        if self.sha256:
            self.tell(number)
        return self.sha256 != b""


def duties(
    state: State,
    is_drafted: IsDrafted,
    find_sealed: FindSealed,
    cache: ProofCache | None = None,
    multiply: Multiply = product,
    missing: Missing | None = None,
) -> list[Duty]:
    """What the coordinator owes the log now, by the log's time: one statement, or nothing.

    ``cache``: proofs that this node has checked. ``multiply`` makes the products of a close.
    ``missing``: remembers the part for which a close waits. Raises StorageError DATA_LOSS if the
    sealed part of a report that counts, and that this coordinator logged in its view, is gone.
    """
    if not isinstance(state, KeyedState):
        return []
    charter, key = state.charter, state.key
    current = state.current
    if current is not None and current.phase(charter.endorsement_quorum) == COLLECTING:
        # By the round's own terms: an amendment may have come into force since (F7.4, G15).
        terms = state.charter_at(current.number)
        due = state.clock.passed(current.deadline) or not waiting_for(terms, current)
        # PL3: what an auditor has had in time may still come.
        if not due or waits_for_pleas(state, current):
            return []
        # What counts may still change, so the slot names the newest entry that it rests on.
        slot = f"close/{current.number}/{_basis(current)}"
        if not is_drafted(slot):
            round_ = proven_round(terms, key, current, cache)
            return _close(state, round_, find_sealed, multiply, slot, missing or Missing())
    charter = charter_for_next_round(state)
    call = _due_call(charter, key, state)
    if call is None:
        return []
    number = len(state.rounds) + 1
    amendment = due_amendment(state)
    # An opening planned before an amendment was due is refused after; the slot must be another.
    # So is one for a second call that is logged when its time is over.
    slot = f"open/{number}" if amendment is None else f"open/{number}/{amendment.entry}"
    statement = statement_pb2.Statement(
        charter_sha256=charter.sha256,
        author=leader(charter, state.view),
        open_round=statement_pb2.OpenRound(round=number, period=call.period, key_id=key.key_id),
    )
    return [Duty(f"{slot}/again" if call.is_second else slot, statement)]


def _close(
    state: KeyedState,
    round_: Round,
    find_sealed: FindSealed,
    multiply: Multiply,
    slot: str,
    missing: Missing,
) -> list[Duty]:
    """The close that is due, or nothing while a part that it multiplies is still to come."""
    began = state.handovers[-1].start if state.handovers else 0
    counted = [
        (round_ if number == round_.number else state.rounds[number - 1]).reports[lab]
        for number, lab in figures_in(round_standing(state, round_).figures)
    ]
    # SU26: the coordinator of an earlier view had it, and whoever has it now gives it.
    earlier = [seen.sealed_sha256 for seen in counted if seen.entry < began]
    if missing.look(earlier, round_.number, find_sealed):
        return []
    return [Duty(slot, close_statement(state, round_, find_sealed, multiply))]


def _due_call(charter: Charter, key: ThresholdKey, state: State) -> Call | None:
    """What the next round asks, if it is to be opened now."""
    # Until the auditors have told the time, nothing that is due by a date is due.
    if state.time_ms == NO_TIME:
        return None
    call = next_call(charter, state.rounds, state.clock, state.time_ms)
    if call is None or is_worn(charter, state.rounds, key.key_id) or not call.is_due(state.time_ms):
        return None
    current = state.current
    # Auditors that stay away must not keep later rounds from happening; yet the next round's
    # duties and limits rest on the last one's result, so it waits for that as long as is bearable.
    return call if current is None or is_given_up(charter, state.clock, current) else None


def _basis(current: Round) -> int:
    entries = [r.entry for r in current.reports.values()] + [e for e, _ in current.excluded]
    return max(entries, default=current.entry)


def _sealed_of(key: ThresholdKey, seen: ReportSeen, find_sealed: FindSealed) -> Sealed:
    data = find_sealed(seen.sealed_sha256)
    if data is None or sha256(data) != seen.sealed_sha256:
        raise StorageError("DATA_LOSS", f"store: the sealed part of {seen.lab} is missing")
    return check_sealed(key, seen.parts, seen.sealed_sha256, data)


def close_statement(
    state: KeyedState, current: Round, find_sealed: FindSealed, multiply: Multiply = product
) -> statement_pb2.Statement:
    """The close of a collecting round, whether it is due or not. Raises StorageError DATA_LOSS."""
    charter, key = charter_of_answer(state, current.number), state.key
    listed = [current.reports[lab] for lab in sorted(current.reports)]
    figures = round_standing(state, current).figures
    ciphertexts: dict[tuple[int, str, str], tuple[int, ...]] = {}
    for number, lab in figures_in(figures):
        round_ = current if number == current.number else state.rounds[number - 1]
        sealed = _sealed_of(key, round_.reports[lab], find_sealed)
        ciphertexts |= ciphertexts_of(number, {lab: sealed})
    aggregates = aggregates_to_wire(key, aggregate(key, figures, ciphertexts, multiply))
    return statement_pb2.Statement(
        charter_sha256=charter.sha256,
        author=leader(charter, state.view),
        close_round=statement_pb2.CloseRound(
            round=current.number,
            listed=[statement_pb2.ListedReport(lab=r.lab, entry=r.entry) for r in listed],
            excluded=[
                statement_pb2.ExcludedReport(entry=entry, reason=reason)
                for entry, reason in sorted(current.excluded)
            ],
            aggregates=[
                statement_pb2.SealedPanel(panel=cell, ciphertexts=cs)
                for cell, cs in aggregates.items()
            ],
        ),
    )
