"""Histories of rounds without any cryptography: the state that opened sums would lead to."""

from collections.abc import Mapping, Sequence

from fermata.protocol.charter.claims import witness_of
from fermata.protocol.charter.encoding import encode_panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.disclosure import organisations_by_lab
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.state import (
    Cell,
    CharteredState,
    CharterVersion,
    Close,
    Opening,
    Round,
    State,
)
from fermata.protocol.statistics.results import results_of

#: Values of one round: by lab, then by metric. A lab that is not there did not report.
Reports = Mapping[str, Mapping[str, str]]
ROUND_MS = 86_400_000
#: 2036-01-01T00:00:00Z.
START_MS = 2_082_758_400_000


def close_of(charter: Charter, number: int, reports: Reports, refusal: str = "") -> Close:
    cells = tuple(
        Cell(
            p.id, (), tuple(lab for lab in reports if any(m.id in reports[lab] for m in p.metrics))
        )
        for p in charter.panels
    )
    return Close(
        entry=10 * number + 1,
        leaf_hash=b"",
        time_ms=START_MS + ROUND_MS * number + 3_600_000,
        listed=tuple(reports),
        cohorts={cell.id: len(cell.labs) for cell in cells},
        cells=cells,
        aggregates={},
        aggregate_sha256=b"",
        refusal=refusal,
        organisations=organisations_by_lab(charter),
    )


def opening_of(charter: Charter, close: Close, reports: Reports) -> Opening:
    plaintexts = {}
    for panel in charter.panels:
        packing = panel.claims.statements.packing
        packed = [
            packing.pack(witness_of(panel.claims, panel.metrics, encode_panel(panel, reports[lab])))
            for lab in close.members[panel.id]
        ]
        plaintexts[panel.id] = tuple(map(sum, zip(*packed, strict=True)))
    sums, results = results_of(charter, close.members, plaintexts)
    return Opening(10 * close.entry, sums, results, plaintexts, {})


def state_of(charter: Charter, history: Sequence[Reports], refused: Sequence[int] = ()) -> State:
    """The state after these rounds; rounds with a number in ``refused`` were not opened."""
    rounds = []
    for number, reports in enumerate(history, 1):
        close = close_of(charter, number, reports, "too few" if number in refused else "")
        rounds.append(
            Round(
                number=number,
                period=charter.period(number),
                entry=10 * number,
                opened_ms=START_MS + ROUND_MS * number,
                window_ms=3_600_000,
                endorsements=dict.fromkeys(charter.auditors, 0),
                close=close,
                opening=None if number in refused else opening_of(charter, close, reports),
            )
        )
    return CharteredState(
        charters=(CharterVersion(charter, 1, 0),),
        charter_sha256=charter.sha256,
        charter=charter,
        rounds=tuple(rounds),
        clock=Clock(time_ms=START_MS + ROUND_MS * len(history) + 7_200_000),
    )
