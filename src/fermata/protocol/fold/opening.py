"""From the close of a round to its result, F8 and F9 of docs/spec/fold.md: endorse, open up.

Each check carries its number, and they are made in that order.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn

from fermata.crypto.integers import int_from_bytes
from fermata.crypto.threshold.opening import check_part, culprits_of
from fermata.crypto.threshold.opening import combine as combine_parts
from fermata.errors import InvalidEncoding, Refusal
from fermata.protocol.fold.entry import Entry
from fermata.protocol.fold.round_rules import round_of
from fermata.protocol.state.state import CharteredState, Close, Opening, Round, State, ThresholdKey
from fermata.protocol.statistics.results import results_of
from fermata.types import AggregateDigest, EntryIndex
from fermata.wire.v1 import envelope_pb2, statement_pb2

#: The ids of the auditors, in the order of their key shares.
Auditors = tuple[str, ...]


def _openable(state: State, number: int, named: envelope_pb2.EntryRef) -> tuple[Round, Close]:
    round_ = round_of(state, number)
    # F8.3, F9.2: before the close nobody knows what will be opened.
    if round_.close is None:
        raise Refusal("NOT_CLOSED", f"round {number}: is not closed")
    # F8.4, F9.3: what disclosure.md forbids must not come out.
    if round_.refusal:
        raise Refusal("ROUND_REFUSED", f"round {number}: nothing of it may be opened")
    # F8.5, F9.4: another entry of this log is not the close. Of another log, F2.16 refuses it.
    if (round_.close.entry, round_.close.leaf_hash) != (named.index, named.leaf_hash):
        raise Refusal("WRONG_CLOSE", f"round {number}: must name the log's close")
    return round_, round_.close


def endorsement(
    state: CharteredState, entry: Entry, wire: statement_pb2.Endorsement, auditor: str
) -> CharteredState:
    """F8: an auditor vouches, once a round, for the close in this log and its products."""
    round_ = round_of(state, wire.round)  # F8.1: nothing is endorsed in advance.
    # F8.2: an auditor that vouches for two closes could let both be opened.
    if auditor in round_.endorsements:
        _refuse_second(round_, wire, auditor)
    round_, close = _openable(state, wire.round, wire.close)  # F8.3 to F8.5.
    # F8.6: the auditor computed other products than those that would be opened.
    if AggregateDigest(wire.aggregate_sha256) != close.aggregate_sha256:
        raise Refusal(
            "WRONG_CLOSE", f"round {wire.round}: {auditor} must endorse the close's products"
        )
    return state.with_round(
        replace(round_, endorsements={**round_.endorsements, auditor: entry.index})
    )


def _refuse_second(round_: Round, wire: statement_pb2.Endorsement, auditor: str) -> NoReturn:
    """Refuses a second endorsement: of the same close as a repeat, of another as misbehaviour."""
    close = round_.close
    said = wire.close.index, wire.close.leaf_hash, wire.aggregate_sha256
    if close is not None and said == (close.entry, close.leaf_hash, close.aggregate_sha256):
        raise Refusal("DUPLICATE", f"round {wire.round}: {auditor} has endorsed this close")
    raise Refusal("ALREADY_ENDORSED", f"round {wire.round}: {auditor} has endorsed another close")


def partial_opening(
    state: CharteredState, entry: Entry, wire: statement_pb2.PartialOpening, auditor: str
) -> CharteredState:
    """F9: after a quorum of endorsements; t good parts give the result, bad ones a culprit."""
    round_, close = _openable(state, wire.round, wire.close)  # F9.1 to F9.4.
    key = state.keyed().key  # F9.5: parts are under a key.
    # F9.6: a quorum has checked what is opened, and two quorums share an honest auditor.
    if not round_.has_quorum(state.charter.endorsement_quorum):
        raise Refusal("NO_QUORUM", f"round {wire.round}: too few endorsements to open")
    # F9.7: a part must not be exchanged for another once the result is known.
    if auditor in round_.parts:
        raise Refusal("ALREADY_OPENED", f"round {wire.round}: {auditor} has given its part already")
    # F9.8: shares of two epochs do not interpolate.
    if wire.epoch_id != key.epoch_id:
        raise Refusal("EPOCH_ID", f"round {wire.round}: parts must be of the key's epoch")
    if round_.opening is not None and round_.opening.entry < key.entry:
        raise Refusal(
            "EPOCH_ID", f"round {wire.round}: was opened in an epoch of the key that is over"
        )
    # F9.9: parts are of the endorsed products and of nothing else.
    if [p.panel for p in wire.panels] != list(close.aggregates):
        raise Refusal("PANELS", f"round {wire.round}: parts must be of the aggregates, in order")
    parts: dict[str, tuple[int, ...]] = {}
    width = key.public_key.modulus_width
    # F9.10 to F9.13: for each panel in turn.
    for panel in wire.panels:
        # F9.10: one part for each ciphertext.
        if len(panel.parts) != len(close.aggregates[panel.panel]):
            raise InvalidEncoding(
                "LENGTH", f"round {wire.round}: each ciphertext must have one part"
            )
        # F9.11: one part has one form.
        numbers = tuple(int_from_bytes(p, width, "part") for p in panel.parts)
        # F9.12, F9.13: 1 and -1 say nothing of a share; a non-unit cannot be combined.
        for number in numbers:
            check_part(key.record.n, number)
        parts[panel.panel] = numbers
    grown = replace(round_, parts={**round_.parts, auditor: parts})
    return state.with_round(_combine(state, key, grown, entry.index))


def _given(auditors: Auditors, round_: Round, panel: str, position: int) -> dict[int, int]:
    """The parts of one ciphertext, by the auditors' indices."""
    return {
        auditors.index(auditor) + 1: parts[panel][position]
        for auditor, parts in round_.parts.items()
    }


def _combine(state: CharteredState, key: ThresholdKey, round_: Round, entry: EntryIndex) -> Round:
    """Opens the round if enough good parts are there.

    The auditors are those of the key's epoch; what the numbers mean, the round's charter says.
    """
    close, auditors = round_.close, key.auditors
    if close is None or len(round_.parts) < key.record.threshold:
        return round_
    if round_.opening is not None:
        return _name_culprits(auditors, key, round_, round_.opening.roots)
    plaintexts: dict[str, tuple[int, ...]] = {}
    roots: dict[str, tuple[int, ...]] = {}
    for panel, ciphertexts in close.aggregates.items():
        openings = []
        for position, ciphertext in enumerate(ciphertexts):
            given = _given(auditors, round_, panel, position)
            opening = combine_parts(key.record, ciphertext, given)
            if opening is None:
                return round_
            openings.append(opening)
        plaintexts[panel] = tuple(o.plaintext for o in openings)
        roots[panel] = tuple(o.root for o in openings)
    round_ = _name_culprits(auditors, key, round_, roots)
    try:
        terms = state.charter_at(round_.number)
        sums, results = results_of(terms, close.members, plaintexts, close.whole)
    except InvalidEncoding as error:
        return replace(round_, fault=str(error))
    return replace(round_, opening=Opening(entry, sums, results, plaintexts, roots))


def _name_culprits(
    auditors: Auditors, key: ThresholdKey, round_: Round, roots: Mapping[str, tuple[int, ...]]
) -> Round:
    """Tells wrong parts by the known roots; cheap, so that late parts are checked as well."""
    culprits = {
        auditors[index - 1]
        for panel, panel_roots in roots.items()
        for position, root in enumerate(panel_roots)
        for index in culprits_of(key.record, root, _given(auditors, round_, panel, position))
    }
    return replace(round_, culprits=frozenset(culprits))
