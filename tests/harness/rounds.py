"""Histories of rounds without any cryptography: the state that opened sums would lead to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fermata.protocol.charter.claims import witness_of
from fermata.protocol.charter.encoding import encode_panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.disclosure import cohorts_of
from fermata.protocol.standing.round_standing import lasting_organisations, round_standing
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.report_flags import Flags
from fermata.protocol.state.standing import Cell, PanelStanding
from fermata.protocol.state.state import (
    CharteredState,
    CharterVersion,
    Close,
    Opening,
    ReportPart,
    ReportSeen,
    Round,
    State,
)
from fermata.protocol.statistics.results import results_of

#: Values of one round: by lab, then by metric. A lab that is not there did not report.
Reports = Mapping[str, Mapping[str, str]]
ROUND_MS = 86_400_000
#: 2036-01-01T00:00:00Z.
START_MS = 2_082_758_400_000


def collected(charter: Charter, number: int, reports: Reports, alone: Sequence[str] = ()) -> Round:
    """A round with these reports. ``alone``: labs that would join by themselves."""
    seen = {
        lab: ReportSeen(
            lab,
            10 * number,
            tuple(
                ReportPart(p.id, (), b"")
                for p in charter.panels
                if any(m.id in values for m in p.metrics)
            ),
            b"",
            b"",
            Flags(alone=lab in alone),
        )
        for lab, values in reports.items()
    }
    return Round(
        number=number,
        period=charter.period(number),
        entry=10 * number,
        opened_ms=START_MS + ROUND_MS * number,
        window_ms=3_600_000,
        reports=seen,
        endorsements=dict.fromkeys(charter.auditors, 0),
    )


def close_of(state: State, round_: Round) -> Close:
    standing = round_standing(state, round_)
    organisations = lasting_organisations(state, round_.number)
    return Close(
        entry=10 * round_.number + 1,
        leaf_hash=b"",
        time_ms=START_MS + ROUND_MS * round_.number + 3_600_000,
        listed=tuple(sorted(round_.reports)),
        cohorts=cohorts_of(organisations, standing.opened),
        cells=standing.opened,
        aggregates={},
        aggregate_sha256=b"",
        refusal=standing.refusal,
        organisations=organisations,
        figures=standing.figures,
        standing=standing.panels,
        unchanged=standing.unchanged,
    )


def opening_of(charter: Charter, close: Close, history: Sequence[Reports]) -> Opening:
    plaintexts = {}
    for cell in close.cells:
        panel = charter.panel(cell.panel)
        packing = panel.claims.statements.packing
        packed = [
            packing.pack(
                witness_of(
                    panel.claims, panel.metrics, encode_panel(panel, history[number - 1][lab])
                )
            )
            for lab, number in close.figures[cell.id].items()
        ]
        plaintexts[cell.id] = tuple(map(sum, zip(*packed, strict=True)))
    sums, results = results_of(charter, close.members, plaintexts, close.whole)
    return Opening(10 * close.entry, sums, results, plaintexts, {})


def free_state_of(charter: Charter, history: Sequence[Reports]) -> State:
    """The state if each round opened the sum of its own reports alone, as no fold lets it."""
    state = state_of(charter, history)
    for round_ in state.rounds:
        reports = history[round_.number - 1]
        figures = {
            panel.id: {
                lab: round_.number
                for lab in sorted(reports)
                if any(m.id in reports[lab] for m in panel.metrics)
            }
            for panel in charter.panels
        }
        assert round_.close is not None
        cells = tuple(Cell(panel, (), tuple(labs)) for panel, labs in figures.items())
        standing = {cell.panel: PanelStanding(cells=(cell,)) for cell in cells}
        close = replace(
            round_.close, cells=cells, figures=figures, standing=standing, refusal="", unchanged={}
        )
        opening = opening_of(charter, close, history)
        state = state.with_round(replace(round_, close=close, opening=opening))
    return state


def state_of(
    charter: Charter,
    history: Sequence[Reports],
    refused: Sequence[int] = (),
    alone: Sequence[str] = (),
) -> State:
    """The state after these rounds; those with a number in ``refused`` have failed at the opening.

    ``alone``: labs whose reports say so.
    """
    state = CharteredState(
        charters=(CharterVersion(charter, 1, 0),),
        charter_sha256=charter.sha256,
        charter=charter,
        clock=Clock(time_ms=START_MS + ROUND_MS * len(history) + 7_200_000),
    )
    for number, reports in enumerate(history, 1):
        round_ = collected(charter, number, reports, alone)
        state = state.with_opened(round_)
        round_ = replace(round_, close=close_of(state, round_))
        if number in refused:
            round_ = replace(round_, fault="too few")
        elif not round_.refusal:
            assert round_.close is not None
            round_ = replace(round_, opening=opening_of(charter, round_.close, history))
        state = state.with_round(round_)
    return state
