"""What may come out of a round, and what refuses it: P3, P4, P6 and P8.

Normative text: docs/spec/disclosure.md. Pure functions, run by the fold for everyone and again
by each auditor before it endorses. Their texts count organisations and never name one.
"""

from collections.abc import Iterator, Mapping, Sequence

from fermata.errors import Refusal
from fermata.protocol.charter.disclosure_terms import thresholds_of
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.dominance import share_refusal
from fermata.protocol.state.cells import cells_of, members_of, organisations_of, panel_of
from fermata.protocol.state.state import Cell, Round, State

#: The labs of one organisation that are in a sum. With other labs it is another contribution, so a
#: changed set of labs counts as one that left and one that joined. The organisation's name is no
#: part of it: one that an amendment renamed has neither left nor joined.
Contribution = frozenset[str]
#: Contributions by cell.
_Contributions = Mapping[str, frozenset[Contribution]]


def contributions_of(
    organisations: Mapping[str, str], labs: Sequence[str]
) -> frozenset[Contribution]:
    """What is added up over some labs. ``organisations``: of each lab, when its round closed."""
    by_organisation: dict[str, set[str]] = {}
    for lab in labs:
        by_organisation.setdefault(organisations[lab], set()).add(lab)
    return frozenset(frozenset(contributors) for contributors in by_organisation.values())


def cohorts_of(charter: Charter, cells: Sequence[Cell]) -> dict[str, int]:
    """Number of distinct organisations per cell."""
    return {cell.id: len(organisations_of(charter, cell.labs)) for cell in cells}


def cohort_refusal(charter: Charter, cells: Sequence[Cell]) -> str:
    """P3: why a round with these cells is not opened; empty if it may be (ADR 0006)."""
    below = [
        f"panel {panel_of(cell)}: {count} of at least {charter.cohort_min} organisations"
        for cell, count in cohorts_of(charter, cells).items()
        if count < charter.cohort_min
    ]
    return f"cohort below the charter's minimum ({'; '.join(below)})" if below else ""


def group_refusal(charter: Charter, round_: Round, cells: Sequence[Cell]) -> str:
    """Why these cells are not a partition of each panel's counted reports; empty if so (P4)."""
    for panel in charter.panels:
        own = [cell for cell in cells if cell.panel == panel.id]
        labs = sorted(lab for cell in own for lab in cell.labs)
        groups = [group for cell in own for group in cell.groups]
        if labs != list(members_of(round_, panel.id)) or groups != [g.id for g in panel.groups]:
            return f"panel {panel.id}: its cells are not a partition of its reports"
    return ""


def compared_rounds(state: State, round_: Round) -> tuple[Round, ...]:
    """Earlier rounds in the window of the two charters whose sums are or may become known.

    Of the charters of the two rounds, the one with the longer window decides. A round that was
    refused only after its parts were given counts too: the parts are public. The window counts
    periods, so that a period that was asked twice does not shorten it.
    """
    place = state.charter_at(round_.number).place  # All charters have the same periods (G12).
    return tuple(
        r
        for r in state.rounds[: round_.number - 1]
        if any(
            not window or place(r.period) >= place(round_.period) - window
            for window in (
                state.charter_at(n).disclosure.window_rounds for n in (r.number, round_.number)
            )
        )
        and r.close is not None
        and not r.close.refusal
    )


def change_refusal(state: State, round_: Round, cells: Sequence[Cell]) -> str:
    """P6: the first earlier round that this one would say too much against; else empty.

    No two sums, one formed of this round's cells and one of an earlier round's, may differ by
    some contributions but fewer than ``change_min``, on either side: the larger one of the two
    rounds' charters, so that neither round says more than the terms that its labs agreed to let.
    """
    charter = state.charter_at(round_.number)
    for earlier in compared_rounds(state, round_):
        before = state.charter_at(earlier.number).disclosure
        least = max(charter.disclosure.change_min, before.change_min)
        if earlier.close is None:
            continue
        for panel in charter.panels:
            now_cells = _contributions(organisations_by_lab(charter), cells, panel.id)
            old_cells = _contributions(earlier.close.organisations, earlier.close.cells, panel.id)
            for what in _differences(least, now_cells, old_cells):
                return (
                    f"too few changes against an earlier round (panel {panel.id}: {what} round"
                    f" {earlier.number}; must be none or at least {least})"
                )
    return ""


def organisations_by_lab(charter: Charter) -> dict[str, str]:
    """The organisation of every lab; an amendment may change the roster later."""
    return {lab: charter.parties[lab].organisation for lab in charter.labs}


def _contributions(
    organisations: Mapping[str, str], cells: Sequence[Cell], panel: str
) -> _Contributions:
    return {c.id: contributions_of(organisations, c.labs) for c in cells if c.panel == panel}


def _differences(least: int, now: _Contributions, old: _Contributions) -> Iterator[str]:
    """Yields what differs by too few. D5 says why looking at these sets is enough.

    Nothing if ``least`` is 0, or if one of the rounds has no sum of the panel.
    """
    if not now or not old:
        return
    for here, there, changed in ((now, old, "joined"), (old, now, "left")):
        everyone = frozenset[Contribution]().union(*there.values())
        for cell_id, cell in here.items():
            alone = len(cell - everyone)
            if 0 < alone < least:
                yield f"{_organisations(alone)} {changed} since"
            for other_id, other in there.items():
                shared = len(cell & other)
                # Without its only cell the other round has no sum to compare with.
                if len(there) > 1 and alone == 0 and 0 < shared < least:
                    yield f"{_organisations(shared)} common to {cell_id} and {other_id} of"


def _organisations(count: int) -> str:
    return f"{count} organisation" if count == 1 else f"{count} organisations"


def refusal_of(state: State, round_: Round) -> str:
    """Why nothing of a round may be opened, by its counted reports; empty if it may be.

    ``round_`` may have fewer reports than the one of ``state``: only those that are proven.
    """
    charter = state.charter_at(round_.number)
    cells = cells_of(charter, round_)
    # D2.1, D8.8, D4.2: no sum tells a lab's value, by itself or beside an earlier one.
    return (
        cohort_refusal(charter, cells)
        or share_refusal(charter, round_)
        or change_refusal(state, round_, cells)
    )


def is_worn(charter: Charter, rounds: Sequence[Round], key_id: bytes) -> bool:
    """P8: whether as many rounds as the charter allows were opened under a key."""
    used = sum(r.key_id == key_id for r in rounds)
    return used >= charter.disclosure.openings_per_key_max


def check_openable(state: State, round_: Round) -> None:
    """P3, P4, P6 and P8 for a closed round, as an auditor applies them itself.

    Raises Refusal P3_COHORT, P4_GROUPS, P6_CHANGE, P8_SHARES or P8_CAPS.
    """
    charter = state.charter_at(round_.number)
    if round_.close is None:
        raise Refusal("NOT_CLOSED", f"round {round_.number}: is not closed")
    where, cells = f"in round {round_.number}", cells_of(charter, round_)
    # P4.1: with a report in two sums, their difference would be a lab's.
    if what := group_refusal(charter, round_, cells):
        raise Refusal("P4_GROUPS", f"P4: {where}: {what}")
    # P3.1: a sum over too few tells single values.
    if what := cohort_refusal(charter, cells):
        raise Refusal("P3_COHORT", f"P3: {where}: {what}")
    # P8.1: a sum that is one lab's above all tells that lab's value.
    if what := share_refusal(charter, round_):
        raise Refusal("P8_SHARES", f"P8: {where}: {what}")
    # P6.1: the difference of two sums would be a few organisations'.
    if what := change_refusal(state, round_, cells):
        raise Refusal("P6_CHANGE", f"P6: {where}: {what}")
    terms = charter.disclosure
    for metric in (m for p in charter.panels for m in p.metrics):
        # P8.2: enough limits are a search for a value.
        if len(thresholds_of(metric)) > terms.thresholds_max:
            raise Refusal("P8_CAPS", f"P8: {metric.id} has more edges and limits than may be")
    # P8.3: more openings than agreed under one key.
    used = sum(r.key_id == round_.key_id for r in state.rounds[: round_.number])
    if used > terms.openings_per_key_max:
        raise Refusal("P8_CAPS", f"P8: round {round_.number} is one too many for its key")
