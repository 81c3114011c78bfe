"""For whose figures a lift still waits (docs/spec/pause.md, PA6a).

A figure stands until its lab gives a newer one, so that a lab which leaps and falls silent would
lift a pause by the small figure that it gave before. A round therefore counts only when everybody
has renewed.
"""

from collections.abc import Iterator, Mapping, Sequence

from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.standing.left_out import closes_since, still_left_out
from fermata.protocol.state.pause import CALM, RELAPSE, RULE, RUNNING, Pause
from fermata.protocol.state.state import Close, Round, State
from fermata.types import Cause, RoundNumber


def waits_for(state: State) -> tuple[str, ...]:
    """The labs for whose newer figures the lift waits at the end of the log, in the roster's order.

    Empty without a pause, and before any round was judged.
    """
    number = max(state.judgements, default=0)
    charter = state.charter_at(number) if number else None
    if charter is None or charter.pause is None:
        return ()
    return lacking(state.rounds, charter, charter.pause, state.pause, number, state.size)


def lacking(
    rounds: Sequence[Round],
    charter: Charter,
    terms: PauseTerms,
    pause: Pause,
    number: int,
    entry: int,
) -> tuple[str, ...]:
    """The labs that have not renewed, as of round ``number``, so that it does not count.

    ``rounds`` are those of the log, ``charter`` and ``terms`` the round's own. What came with later
    entries than ``entry`` is left out, so that a verifier can ask afterwards. ``pause`` is the one
    before the round settles. In the roster's order; empty without a pause.
    """
    if pause.phase == RUNNING:
        return ()
    known = [r for r in rounds[:number] if r.entry <= entry]
    # PA6.1: whose figure is from before the last count shows nothing of the time since.
    counted = _last(pause, RULE, RELAPSE, CALM)
    # PA6.7: a lab that left before the pause would keep it from being lifted for ever.
    nobody = rounds[number - 1].barred | still_left_out(known, pause, entry)
    # PA6.8: a relapse must not let go a lab whose figure has left the sums since the trigger.
    closes = closes_since(known, _last(pause, RULE), entry)
    missing: set[str] = set()
    read = panels_read(charter, (*terms.triggers, terms.lift))
    for panel in (p for p in charter.panels if p.id in read):
        given = {lab: rounds[n - 1].entry for lab, n in _in_sum(known, panel, entry).items()}
        missing |= {
            lab
            for lab in _stood(closes, panel) & panel.labs - nobody
            if given.get(lab, 0) <= counted
        }
    return tuple(lab for lab in charter.labs if lab in missing)


def panels_read(charter: Charter, rule_ids: Sequence[str]) -> frozenset[str]:
    """The panels whose results these rules, and all that they join, are about."""
    by_id = {rule.id: rule for rule in charter.rules}
    panels = {metric.id: panel.id for panel in charter.panels for metric in panel.metrics}
    return frozenset(rule.panel or panels[rule.metric] for rule in _leaves(by_id, rule_ids))


def _leaves(by_id: Mapping[str, Rule], rule_ids: Sequence[str]) -> Iterator[Rule]:
    for rule_id in rule_ids:
        rule = by_id[rule_id]
        if rule.parts:
            yield from _leaves(by_id, rule.parts)
        else:
            yield rule


def _last(pause: Pause, *why: Cause) -> int:
    return next((change.entry for change in reversed(pause.changes) if change.why in why), 0)


def _in_sum(known: Sequence[Round], panel: Panel, entry: int) -> Mapping[str, RoundNumber]:
    """By lab, the round of its figure in the newest sum of the panel that came out."""
    for round_ in reversed(known):
        close, opening = round_.close, round_.opening
        if close is None or opening is None or opening.entry > entry:
            continue
        if panel.id in close.whole:
            cells = [close.figures[cell.id] for cell in close.cells if cell.panel == panel.id]
            return {lab: number for figures in cells for lab, number in figures.items()}
    return {}


def _stood(closes: Sequence[Close], panel: Panel) -> set[str]:
    """Labs whose figure stood in the panel's sums after one of these closes."""
    standing = [c.standing[panel.id] for c in closes if panel.id in c.standing]
    return {lab for after_close in standing for lab in after_close.entered}
