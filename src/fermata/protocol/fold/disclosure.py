"""What may come out of a round, as an auditor applies it again: P3, P4, P6 and P8.

Normative text: docs/spec/disclosure.md and standing.md. Pure functions, run by each auditor
before it endorses and by the verifier. Their texts count organisations and never name one.
"""

from collections.abc import Iterator, Mapping, Sequence

from fermata.errors import Refusal
from fermata.protocol.charter.disclosure_terms import limits_of
from fermata.protocol.charter.parse import Charter
from fermata.protocol.standing.freshness import Entry, fresh_organisations
from fermata.protocol.standing.isolation import isolated_by_spell_or_lab
from fermata.protocol.standing.round_standing import (
    lasting_organisations,
    round_standing,
    standing_before,
    terms_of_panel,
)
from fermata.protocol.standing.terms import PanelTerms
from fermata.protocol.state.standing import Cell, PanelStanding, lab_of
from fermata.protocol.state.state import Close, Round, State


def cohorts_of(organisations: Mapping[str, str], cells: Sequence[Cell]) -> dict[str, int]:
    """Number of distinct organisations per cell. ``organisations``: of each lab."""
    return {cell.id: len({organisations[lab] for lab in cell.labs}) for cell in cells}


def is_worn(charter: Charter, rounds: Sequence[Round], key_id: bytes) -> bool:
    """P8: whether as many rounds as the charter allows were opened under a key."""
    used = sum(r.key_id == key_id for r in rounds)
    return used >= charter.disclosure.openings_per_key_max


def check_openable(state: State, round_: Round) -> None:
    """P3, P4, P6 and P8 for a closed round, as an auditor applies them itself.

    Raises Refusal P3_COHORT, P4_GROUPS, P6_CHANGE or P8_CAPS.
    """
    close = round_.close
    if close is None:
        raise Refusal("NOT_CLOSED", f"round {round_.number}: is not closed")
    where = f"in round {round_.number}"
    # P4.1: with a figure in two sums, their difference would be a lab's.
    if what := _partition_refusal(state, round_, close):
        raise Refusal("P4_GROUPS", f"P4: {where}: {what}")
    organisations = lasting_organisations(state, round_.number)
    for cell in close.cells:
        terms = _terms(state, round_, cell)
        count = len({organisations[lab] for lab in cell.labs})
        # P3.1: a sum over too few tells single values.
        if count < terms.cohort_min:
            what = f"{cell.id}: {count} of at least {terms.cohort_min} organisations"
            raise Refusal("P3_COHORT", f"P3: {where}: {what}")
        # P6.1, P6.2: beside earlier sums it would tell of a few organisations.
        if what := _change_refusal(state, round_, close, cell, terms, organisations):
            raise Refusal("P6_CHANGE", f"P6: {where}: {cell.id}: {what}")
    _check_caps(state, round_)


def _partition_refusal(state: State, round_: Round, close: Close) -> str:
    """Why the cells are not those that the counted reports give; empty if they are."""
    labs = [(cell.panel, lab) for cell in close.cells for lab in cell.labs]
    if len(set(labs)) != len(labs):
        return "a lab is in two of its cells"
    standing = round_standing(state, round_)
    if (standing.opened, standing.figures) != (close.cells, close.figures):
        return "its cells are not those that its reports give"
    return ""


def _terms(state: State, round_: Round, cell: Cell) -> PanelTerms:
    charter = state.charter_at(round_.number)
    before = standing_before(state, round_.number).get(cell.panel, PanelStanding())
    return terms_of_panel(state, round_, charter.panel(cell.panel), before)


def _change_refusal(
    state: State,
    round_: Round,
    close: Close,
    cell: Cell,
    terms: PanelTerms,
    organisations: Mapping[str, str],
) -> str:
    """P6: why a sum says too much beside those that were opened before; empty if it does not."""
    summed = {entry for older in _older(state, round_) for entry in _entries(older, cell.panel)}
    fresh = fresh_organisations(close.figures[cell.id].items(), summed, organisations)
    # The difference of two sums is the newer figures' alone (ST5).
    if len(fresh) < terms.fresh_min:
        return f"{len(fresh)} of at least {terms.fresh_min} organisations have a newer figure"
    standing = close.standing[cell.panel]
    rows = [standing.row(cell), *_recent_rows(state, round_, cell.panel, terms.window_rounds)]
    labs = {column: lab_of(column) for row in rows for column in row}
    names = {column: organisations[lab] for column, lab in labs.items()}
    few = isolated_by_spell_or_lab(rows, names, labs, standing.known, terms.change_min)
    # Where figures stand still, the difference is that of the sets (ST3).
    if few is not None:
        return f"beside earlier sums it tells of {len(few)} organisations alone"
    return ""


def _older(state: State, round_: Round) -> Iterator[Close]:
    return (r.close for r in state.rounds[: round_.number - 1] if r.close is not None)


def _entries(close: Close, panel: str) -> Iterator[Entry]:
    for cell in close.cells:
        if cell.panel == panel:
            yield from close.figures[cell.id].items()


def _recent_rows(
    state: State, round_: Round, panel: str, window_rounds: int
) -> Iterator[frozenset[str]]:
    place = state.charter_at(round_.number).place  # All charters have the same periods (G12).
    for older in state.rounds[: round_.number - 1]:
        is_recent = not window_rounds or place(older.period) >= place(round_.period) - window_rounds
        if older.close is not None and is_recent:
            for cell in older.close.cells:
                if cell.panel == panel:
                    yield older.close.standing[panel].row(cell)


def _check_caps(state: State, round_: Round) -> None:
    charter = state.charter_at(round_.number)
    terms = charter.disclosure
    for metric in (m for p in charter.panels for m in p.metrics):
        # P8.1: enough limits are a search for a value.
        if len(limits_of(metric, terms, charter.dues)) > terms.thresholds_max:
            raise Refusal("P8_CAPS", f"P8: {metric.id} has more limits than may be")
    # P8.2: more openings than agreed under one key.
    used = sum(r.key_id == round_.key_id for r in state.rounds[: round_.number])
    if used > terms.openings_per_key_max:
        raise Refusal("P8_CAPS", f"P8: round {round_.number} is one too many for its key")
