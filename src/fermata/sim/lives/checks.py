"""What the opened sums of a life tell, put together in every way that is linear.

By entries, all sums of a life are taken together. By labs, which is as if figures did not change,
those of each window of rounds are: once with a column for each spell of a lab, without known ones,
and once with one column for each lab, without labs that have a known column in the window.
"""

from fermata.protocol.standing.isolation import Row
from fermata.sim.lives.algebra import isolated_by_definition
from fermata.sim.lives.history import ROUNDS, History, Terms, lab_of


def isolations(history: History, terms: Terms) -> list[str]:
    """The isolated sets of organisations, in words; at most one of each kind."""
    said = []
    for kind, few in (
        ("entries", by_entries(history, terms.fresh_min)),
        ("spells", by_columns(history, terms, is_merged=False)),
        ("labs", by_columns(history, terms, is_merged=True)),
    ):
        if few is not None:
            said.append(f"by {kind}: {', '.join(sorted(few))}")
    return said


def by_entries(history: History, least: int) -> frozenset[str] | None:
    """Fewer than ``least`` organisations whose entries a combination of all sums is about."""
    # The number of the round comes first, so that the newest entries are the last.
    rows = [frozenset((number, lab) for lab, number in sum_.entries) for sum_ in history.opened]
    return isolated_by_definition(rows, lambda entry: history.organisation_of[entry[1]], least)


def by_columns(history: History, terms: Terms, *, is_merged: bool) -> frozenset[str] | None:
    """Fewer than ``change_min`` organisations that sums of one window are about.

    ``is_merged``: all columns of a lab are one.
    """
    checked: list[frozenset[Row]] = []
    for number in range(1, ROUNDS + 1):
        recent = [s for s in history.opened if 0 <= number - s.round_number <= terms.window_rounds]
        if not recent:
            continue
        rows = _rows(frozenset(s.columns for s in recent), recent[-1].known, is_merged)
        if any(rows <= more for more in checked):
            continue
        checked.append(rows)
        few = isolated_by_definition(
            rows, lambda column: history.organisation_of[lab_of(column)], terms.change_min
        )
        if few is not None:
            return few
    return None


def _rows(rows: frozenset[Row], known: frozenset[str], is_merged: bool) -> frozenset[Row]:
    if not is_merged:
        return frozenset(row - known for row in rows)
    left_out = {lab_of(column) for row in rows for column in row & known}
    return frozenset(frozenset(map(lab_of, row)) - left_out for row in rows)
