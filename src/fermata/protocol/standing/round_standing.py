"""What stands in every panel after a round, and which sums the round opens.

Normative text: docs/spec/standing.md. It follows from the reports that count and from the closes
before; nobody chooses it. The fold computes it at a close, and each auditor and the verifier
compute it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.protocol.charter.panel import Panel, has_share
from fermata.protocol.charter.parse import Charter
from fermata.protocol.standing.panel_round import Figures, Given, PanelTurn
from fermata.protocol.standing.terms import PanelTerms, panel_terms
from fermata.protocol.state.consents import away
from fermata.protocol.state.standing import Cell, PanelStanding
from fermata.protocol.state.state import ReportSeen, Round, State


@dataclass(frozen=True, slots=True)
class RoundStanding:
    """After a round: every panel by id, the cells that it opens in the charter's order, for each
    cell the round of each lab's figure, and by panel why nothing of it is opened."""

    panels: Mapping[str, PanelStanding]
    opened: tuple[Cell, ...]
    figures: Mapping[str, Figures]
    unchanged: Mapping[str, str]

    @property
    def refusal(self) -> str:
        """Why nothing at all is opened; empty if something is."""
        if self.opened:
            return ""
        return "; ".join(f"panel {panel}: {why}" for panel, why in self.unchanged.items())


def round_standing(state: State, round_: Round) -> RoundStanding:
    """What stands after ``round_``, by its counted reports.

    ``round_`` may have fewer reports than the one of ``state``: only those that are proven.
    """
    charter = state.charter_at(round_.number)
    before = standing_before(state, round_.number)
    panels = dict(before)
    opened: list[Cell] = []
    figures: dict[str, Figures] = {}
    unchanged: dict[str, str] = {}
    organisations = lasting_organisations(state, round_.number)
    for panel in charter.panels:
        start = before.get(panel.id) or _heir(before, charter)
        terms = terms_of_panel(state, round_, panel, start)
        given = _given(state, round_, panel, start, organisations)
        turn = PanelTurn(start, panel, terms, given).run()
        panels[panel.id] = turn.after
        opened += turn.opened
        figures |= turn.figures
        if turn.why:
            unchanged[panel.id] = turn.why
    return RoundStanding(panels, tuple(opened), figures, unchanged)


def standing_before(state: State, number: int) -> Mapping[str, PanelStanding]:
    """What stood after the newest close of a round of a lower number; empty before the first."""
    closes = (r.close for r in reversed(state.rounds[: number - 1]) if r.close is not None)
    close = next(closes, None)
    return close.standing if close is not None else {}


def _heir(before: Mapping[str, PanelStanding], charter: Charter) -> PanelStanding:
    """ST3: a panel under a new id begins empty, with the rows of all panels that are no more.

    Another id, or other metrics, must not make anybody forget what was opened of the labs.
    """
    ids = {panel.id for panel in charter.panels}
    retired = [standing for name, standing in before.items() if name not in ids]
    rows: dict[frozenset[str], int] = {}
    spells: dict[str, int] = {}
    for standing in retired:
        for row, place in standing.rows.items():
            rows[row] = max(place, rows.get(row, 0))
        for lab, spell in standing.spells.items():
            spells[lab] = max(spell, spells.get(lab, 0))
    # A figure of one panel that counts as known is unknown in another.
    return PanelStanding(rows=rows, spells=spells)


def terms_of_panel(state: State, round_: Round, panel: Panel, before: PanelStanding) -> PanelTerms:
    """The strictest terms of the round's charter and of those that its figures were given under."""
    numbers = {*before.entered.values(), *before.waiting.values(), round_.number}
    return panel_terms({id(c): c for c in map(state.charter_at, numbers)}.values(), panel.id)


def _given(
    state: State,
    round_: Round,
    panel: Panel,
    before: PanelStanding,
    organisations: Mapping[str, str],
) -> Given:
    charter = state.charter_at(round_.number)
    reports = {lab: seen for lab, seen in round_.reports.items() if enters(charter, panel, seen)}
    numbers = {*before.entered.values(), *before.waiting.values()}
    return Given(
        number=round_.number,
        place=charter.place(round_.period),
        reports=frozenset(reports),
        alone=frozenset(lab for lab, seen in reports.items() if seen.flags.alone),
        # ST3: whose figure may not be renewed must not stand for ever, nor join.
        barred=round_.barred | away(round_),
        summable=frozenset(n for n in numbers if _is_summable(state, n, round_, panel)),
        places={n: charter.place(state.rounds[n - 1].period) for n in numbers},
        organisations=organisations,
        homes=_homes(state, panel, before),
        rosters={
            n: _same_labs(state.charter_at(n), charter, panel) for n in (*numbers, round_.number)
        },
    )


def _same_labs(older: Charter, charter: Charter, panel: Panel) -> frozenset[str]:
    """The panel's labs that an older charter has in it too, with the same organisation and key."""
    known = next((p.labs for p in older.panels if p.id == panel.id), frozenset[str]())
    return frozenset(
        lab for lab in panel.labs & known if older.parties[lab] == charter.parties[lab]
    )


def _homes(state: State, panel: Panel, before: PanelStanding) -> dict[str, str]:
    """The group of each lab whose figure stands, by the charter that it was given under."""
    return {
        lab: group.id
        for lab, number in before.entered.items()
        for group in state.charter_at(number).panel(panel.id).groups
        if lab in group.labs
    }


def enters(charter: Charter, panel: Panel, seen: ReportSeen) -> bool:
    """Whether a report has a figure of a panel that may enter: one within its share (D8.8)."""
    # D8.8: a sum must not be mostly one lab's value; what stood before goes on to stand.
    is_within = not has_share(panel, charter.disclosure) or seen.flags.within_shares
    return is_within and any(p.panel == panel.id for p in seen.parts)


def _is_summable(state: State, number: int, round_: Round, panel: Panel) -> bool:
    """ST1: a figure under another key, or of other metrics, cannot be added to this round's."""
    if state.rounds[number - 1].key_id != round_.key_id:
        return False
    charter = state.charter_at(number)
    older = next((p for p in charter.panels if p.id == panel.id), None)
    return older is not None and _shape(older) == _shape(panel)


def _shape(panel: Panel) -> object:
    """What makes the ciphertexts of two panels add up to something that has a meaning."""
    metrics = [(m.id, m.unit, m.minimum, m.maximum, m.resolution) for m in panel.metrics]
    return metrics, panel.claims


def lasting_organisations(state: State, number: int) -> dict[str, str]:
    """Every lab of all charters up to a round, with one name for what ever was one organisation.

    Then neither a new name nor a sale of a lab makes two organisations of one.
    """
    name: dict[str, str] = {}
    for version in state.charters:
        if version.from_round > number:
            continue
        by_organisation: dict[str, list[str]] = {}
        for lab in version.charter.labs:
            by_organisation.setdefault(version.charter.parties[lab].organisation, []).append(lab)
        for labs in by_organisation.values():
            old = {name[lab] for lab in labs if lab in name}
            joint = min(old | {labs[0]})
            # Most organisations keep their name; to look at all labs for each would be quadratic.
            if renamed := old - {joint}:
                name |= {lab: joint for lab, known in name.items() if known in renamed}
            name |= dict.fromkeys(labs, joint)
    return name
