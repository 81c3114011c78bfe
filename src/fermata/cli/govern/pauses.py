"""The pause and what is late, as ``status`` and ``watch`` show them."""

from collections.abc import Iterable
from typing import Any

from fermata.protocol.charter.periods import utc_text
from fermata.protocol.roles.overdue import Overdue
from fermata.protocol.state.pause import LIFTING, Change, asking, is_holding, missing
from fermata.protocol.state.state import RuleVerdict, State, labs_in_force

_HOLDS = {True: "holds", False: "does not hold", None: "unknown"}


def pause_document(state: State, late: Iterable[Overdue]) -> dict[str, Any] | None:
    """The pause as the log tells it, for programs; None for a charter without one."""
    charter, pause = state.charter, state.pause
    if charter is None or charter.pause is None:
        return None
    turns = [c for c in pause.changes if c.before != c.after]
    asked = asking(pause)
    newest = state.judgements.get(max(state.judgements, default=0))
    return {
        "phase": pause.phase,
        "holding": is_holding(pause),
        "since": utc_text(turns[-1].time_ms) if turns else None,
        "calm_rounds": pause.calm_rounds,
        "lift_rounds": charter.pause.lift_rounds,
        "acknowledge_by": utc_text(pause.deadline_ms) if asked else None,
        "missing": list(missing(pause, labs_in_force(state))),
        "round": max(state.judgements, default=None),
        "rules": [_rule(verdict) for verdict in (newest.verdicts if newest else ())],
        "overdue": [overdue_document(each) for each in late],
    }


def _rule(verdict: RuleVerdict) -> dict[str, Any]:
    return {
        "rule": verdict.rule,
        "holds": verdict.holds,
        "value": verdict.value,
        "limit": verdict.limit,
        "rounds": verdict.streak,
        "rounds_needed": verdict.for_rounds,
        "why": verdict.why,
    }


def overdue_document(late: Overdue) -> dict[str, Any]:
    """One thing that is late, for programs."""
    return {"what": late.what, "since": utc_text(late.since_ms), "detail": late.detail}


def overdue_text(late: Overdue) -> str:
    """The same for people."""
    return f"{late.what} since {utc_text(late.since_ms)}: {late.detail}"


def change_document(state: State, index: int) -> dict[str, Any]:
    """The pause's change number ``index``, from 0, for programs."""
    change = state.pause.changes[index]
    return {
        "index": index,
        "entry": change.entry,
        "time": utc_text(change.time_ms),
        "before": change.before,
        "after": change.after,
        "why": change.why,
        "round": change.round,
        "period": _period(state, change),
        "rules": list(change.rules),
        "calm_rounds": change.calm_rounds,
    }


def change_text(state: State, index: int) -> str:
    """The same for people, in a line."""
    change = state.pause.changes[index]
    line = f"{utc_text(change.time_ms)} {change.before} -> {change.after}: {change.why}"
    line += f", round {change.round} ({_period(state, change)})"
    if change.rules:
        line += f", by {', '.join(change.rules)}"
    if change.calm_rounds:
        line += f", {change.calm_rounds} calm rounds"
    return f"{line}, entry {change.entry}"


def _period(state: State, change: Change) -> str:
    found = state.round(change.round)
    return found.period if found else ""


def pause_lines(document: dict[str, Any]) -> list[str]:
    """A ``pause_document`` for people, without what is overdue."""
    head = f"pause: {document['phase']}"
    if document["since"]:
        head += f" since {document['since']}"
    if document["phase"] == LIFTING:
        head += f", {document['calm_rounds']} of {document['lift_rounds']} calm rounds"
    head += ", labs hold" if document["holding"] else ", labs may go on"
    lines = [head]
    for rule in document["rules"]:
        line = f"  rule {rule['rule']}, round {document['round']}: {_HOLDS[rule['holds']]}"
        if rule["value"]:
            line += f", {rule['value']} against {rule['limit']}"
        if rule["why"]:
            line += f", {rule['why']}"
        lines.append(line)
    if document["missing"]:
        names = ", ".join(document["missing"])
        lines.append(f"  not acknowledged by {names}; due {document['acknowledge_by']}")
    return lines
