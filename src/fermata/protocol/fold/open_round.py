"""F4 of docs/spec/fold.md: which round may be opened, for which period, and when."""

from dataclasses import replace

from fermata.errors import Refusal
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import NUMBERED, utc_text
from fermata.protocol.fold.disclosure import is_worn
from fermata.protocol.fold.dominance import share_limits
from fermata.protocol.fold.entry import Entry
from fermata.protocol.fold.governance.amendment import take_effect
from fermata.protocol.fold.governance.votes import recount
from fermata.protocol.fold.round_rules import round_of
from fermata.protocol.state.calls import (
    ASKED_AGAIN,
    NEVER_CLOSED,
    Call,
    is_given_up,
    is_over,
    next_call,
    second_call_ms,
)
from fermata.protocol.state.consents import not_consenting
from fermata.protocol.state.pause import LIFTING, PAUSED
from fermata.protocol.state.report_flags import Asked
from fermata.protocol.state.state import COLLECTING, CharteredState, KeyedState, Round, State
from fermata.types import RoundNumber
from fermata.wire.v1 import statement_pb2


def open_round(
    keyed: KeyedState, entry: Entry, wire: statement_pb2.OpenRound, author: str
) -> CharteredState:
    """F4: the next round, its period as the charter counts, under the key in force.

    What the committee decided takes effect here and nowhere else, so that a round is held under
    one charter and one roster.
    """
    before, key = keyed.current, keyed.key
    clock = keyed.clock
    state = take_effect(keyed, entry.index)
    charter = state.charter
    # F4.2: an amendment must not begin before its notice is over.
    if entry.charter_sha256 != charter.sha256:
        raise Refusal("TOO_EARLY", "open: the amendment that it is bound to is not in force yet")
    # F4.3: no round is left out or held twice.
    if wire.round != len(state.rounds) + 1:
        raise Refusal("ROUND_NUMBER", f"open: the round must be {len(state.rounds) + 1}")
    # F4.4: of two open rounds, a coordinator could choose the one that it likes; yet a round that
    # nobody closes must not hold up all later ones.
    if before is not None and before.phase(charter.endorsement_quorum) == COLLECTING:
        if not is_given_up(charter, clock, before):
            raise Refusal("ROUND_OPEN", f"open: round {before.number} must be closed first")
        state = _end_without_result(state, before.number, NEVER_CLOSED)
    call = _call_of(charter, state, wire.period)  # F4.5, F4.6
    # F4.7: reports are made for the key that the round names.
    if wire.key_id != key.key_id:
        raise Refusal("KEY_ID", "open: must name the key in force")
    # F4.8: what one stolen key could open stays limited.
    if is_worn(charter, state.rounds, key.key_id):
        raise Refusal("KEY_WORN", "open: as many rounds as the charter allows used this key")
    # F4.9: before a period is over nobody has its figures; and no figure comes out too young.
    if not call.is_due(clock.time_ms):
        since = "a time that too few auditors have told yet"
        since = utc_text(call.from_ms) if call.from_ms is not None else since
        what = f"open: {wire.period} may be called from {since} on"
        if call.is_second or charter.cadence == NUMBERED:
            raise Refusal("TOO_EARLY", what)
        raise Refusal("TOO_FRESH", what)
    if call.is_second:
        # Nothing may come out of the first call any more: one sum a period, at most.
        state = _end_without_result(state, len(state.rounds), ASKED_AGAIN)
    opened = Round(
        RoundNumber(wire.round),
        wire.period,
        entry.index,
        clock.time_ms,
        charter.window_s * 1000,
        charter.plea_ms,
        key_id=key.key_id,
        asked=Asked(state.pause.phase in (PAUSED, LIFTING), share_limits(charter, state.rounds)),
        barred=frozenset(state.governance.exclusions),
        unconsenting=frozenset(not_consenting(state)),
    )
    # With the round, terms of members begin and end.
    return recount(state.with_opened(opened), entry.index)


def _call_of(charter: Charter, state: State, period: str) -> Call:
    """The call that an opening may make of a period, now or once its time has come.

    Raises Refusal NO_MORE_ROUNDS, PERIOD.
    """
    last, rounds = state.current, state.rounds
    clock, time_ms = state.clock, state.time_ms
    # F4.5: those who signed agreed to no further round.
    if is_over(charter, rounds, clock, time_ms):
        raise Refusal("NO_MORE_ROUNDS", "open: the charter's last period is over")
    again_ms = second_call_ms(charter, rounds, clock, time_ms)
    if last is not None and period == last.period and again_ms is not None:
        return Call(period, again_ms, is_second=True)
    # F4.6: of two sums of the same figures, the difference shows who corrected its own.
    call = next_call(charter, rounds, clock, time_ms)
    if call is None or period != call.period:
        wanted = call.period if call is not None else "none"
        raise Refusal("PERIOD", f"open: the period to call is {wanted}, got {period!r}")
    return call


def _end_without_result(state: CharteredState, number: int, why: str) -> CharteredState:
    round_ = round_of(state, number)
    return state if round_.refusal else state.with_round(replace(round_, fault=why))
