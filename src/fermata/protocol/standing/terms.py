"""The terms that a panel's sums are under: the strictest of the charters of its figures.

A figure keeps the terms of the charter that it was given under for as long as it stands
(docs/spec/standing.md, ST7), so that later terms bind only those who reported under them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fermata.protocol.charter.disclosure_terms import fresh_min_of
from fermata.protocol.charter.parse import Charter


@dataclass(frozen=True, slots=True)
class PanelTerms:
    """``cohort_min``, ``fresh_min`` and ``change_min`` count organisations, the others periods.

    ``window_rounds`` 0 looks back at all.
    """

    cohort_min: int
    fresh_min: int
    change_min: int
    window_rounds: int
    set_rounds: int
    ghost_rounds: int


def panel_terms(charters: Iterable[Charter], panel_id: str) -> PanelTerms:
    """The strictest terms that any of these charters, one at least, has for a panel."""
    given = [_own(charter, panel_id) for charter in charters]
    windows = [terms.window_rounds for terms in given]
    return PanelTerms(
        max(t.cohort_min for t in given),
        max(t.fresh_min for t in given),
        max(t.change_min for t in given),
        0 if 0 in windows else max(windows),
        max(t.set_rounds for t in given),
        max(t.ghost_rounds for t in given),
    )


def _own(charter: Charter, panel_id: str) -> PanelTerms:
    terms = charter.disclosure
    panel = next((p for p in charter.panels if p.id == panel_id), None)
    labs = panel.labs if panel is not None else frozenset()
    organisations = len({charter.parties[lab].organisation for lab in labs})
    return PanelTerms(
        charter.cohort_min,
        fresh_min_of(terms, charter.cohort_min, organisations),
        terms.change_min,
        terms.window_rounds,
        terms.set_rounds,
        terms.ghost_rounds,
    )
