"""What is drawn into the charts of a run: limits of the charter's rules, and the pauses."""

from fermata.dashboard.views.overview import Limits, RoundSpan
from fermata.protocol.charter.trigger_rules import LEVEL, Rule
from fermata.protocol.state.pause import RUNNING
from fermata.protocol.state.state import State


def rule_limits(rules: tuple[Rule, ...]) -> Limits:
    """The limits of rules on a level, named after their rule; those on changes have no place."""
    found: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for rule in rules:
        if rule.kind == LEVEL:
            label = f"{rule.id}: {rule.comparison.replace('_', ' ')} {rule.limit_text}"
            place = (rule.metric, rule.statistic)
            found.setdefault(place, []).append((label, float(rule.limit)))
    return found


def pause_spans(state: State) -> tuple[RoundSpan, ...]:
    """First and last round of each pause: from the one that triggered it to the newest at its end.

    A pause that is not over goes to the newest round that has come to its end.
    """
    spans: list[RoundSpan] = []
    first = 0
    for change in state.pause.changes:
        if change.before == RUNNING:
            first = change.round
        elif change.after == RUNNING:
            ended = (n for n, judged in state.judgements.items() if judged.entry <= change.entry)
            spans.append((first, max(ended, default=first)))
            first = 0
    if first:
        spans.append((first, max(state.judgements, default=first)))
    return tuple(spans)
