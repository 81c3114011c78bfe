"""Records as JSON, for files and programs: one serialiser, and the keys of each document.

A document's keys are one text, in their order: ``key`` stands for the record's field of that name,
and ``key=field`` for a field that has another name in the document.
"""

from collections.abc import Mapping
from typing import Any

from fermata.protocol.charter.encoding import fraction_text
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.fold.dominance import achieved_shares
from fermata.protocol.roles.overdue import Overdue
from fermata.protocol.state.pause import RUNNING, asking
from fermata.protocol.state.state import State
from fermata.summary.records.drills import DrillRecord
from fermata.summary.records.pause import ChangeRecord, PauseRecord, RuleRecord, rule_records
from fermata.summary.records.rounds import RoundRecord, result_records, round_record
from fermata.summary.records.standing import StandingRecord
from fermata.summary.records.succession import SuccessionRecord

_RULE = "rule holds value limit rounds=streak rounds_needed=for_rounds why"
_CHANGE = "index entry time=time_ms before after why round period rules=fired calm_rounds left_out"
_RESULT = "metric statistic group value=text"
_RESULT_ROW = "metric unit statistic value=text cohort group"
_ROW = "round period state metric unit statistic value cohort refusal group"
#: Columns of ``result_rows``, in order; new ones are added at the end.
ROW_COLUMNS = tuple(_ROW.split())


def document(record: object, keys: str) -> dict[str, Any]:
    """A record's fields under these keys. A field ``*_ms`` under another name is RFC 3339, UTC."""
    fields: dict[str, Any] = {}
    for item in keys.split():
        key, _, field = item.partition("=")
        value = getattr(record, field or key)
        if field.endswith("_ms") and value is not None:
            value = utc_text(value)
        if isinstance(value, tuple):
            value = list(value)
        fields[key] = dict(value) if isinstance(value, Mapping) else value
    return fields


def rule_document(rule: RuleRecord) -> dict[str, Any]:
    """A rule's verdict, as JSON."""
    return document(rule, _RULE)


def change_document(change: ChangeRecord) -> dict[str, Any]:
    """A change of the pause, as JSON."""
    return document(change, _CHANGE)


def drill_document(drill: DrillRecord) -> dict[str, Any]:
    """A drill: by auditor what it says of it, and when its step is over."""
    named = "number entry phase auditors agreeing needed enough=is_enough until=until_ms"
    return document(drill, named)


def succession_document(record: SuccessionRecord) -> dict[str, Any]:
    """Who leads the log, every Handover in it, and the Leaves for later views, as JSON."""
    handover = "view coordinator entry time=time_ms auditors left_out"
    return {
        **document(record, "view leader coordinators leaves_needed=needed"),
        "handovers": [document(handed, handover) for handed in record.handovers],
        "left": [{"auditor": auditor, "view": view} for auditor, view in record.left.items()],
    }


def overdue_document(late: Overdue) -> dict[str, Any]:
    """Something that is overdue, as JSON."""
    return document(late, "what since=since_ms detail")


def pause_document(pause: PauseRecord, rules: tuple[RuleRecord, ...]) -> dict[str, Any]:
    """The pause, and what the rules said as of the newest round that they judged, as JSON."""
    return {
        "phase": pause.phase,
        "holding": pause.do_labs_hold,
        "settled": pause.is_settled,
        "since": utc_text(pause.since.time_ms) if pause.since else None,
        **document(
            pause,
            "calm_rounds lift_rounds acknowledge_by=acknowledge_by_ms missing waits_for left_out",
        ),
        "round": rules[0].round if rules else None,
        "rules": [rule_document(rule) for rule in rules],
    }


def standing_document(panel: StandingRecord) -> dict[str, object]:
    """``members``: for each lab in the panel's sums the period ``figure_of`` which its figure is;
    ``waiting`` likewise, of figures that are in no sum yet. ``unchanged``: why no sum is new, or
    None. ``age_mean`` and ``age_max`` count periods; the mean is a decimal as text."""
    return {
        "members": [document(figure, "lab figure_of") for figure in panel.members],
        "waiting": [document(figure, "lab figure_of") for figure in panel.waiting],
        "unchanged": panel.unchanged or None,
        "age_mean": fraction_text(panel.age_mean, 2),
        "age_max": panel.age_max,
    }


def results_document(state: State) -> dict[str, object]:
    """``{"charter_hash", "test", "rounds": [...]}`` with one object per round; the hash is entry
    0's, and ``test`` says that the charter is a test's (docs/spec/governance.md, G2).

    A round has ``round`` (the period, as the labs' files name it), ``number``, ``state``,
    ``cohort`` and ``cohorts`` (by cell), ``refused`` (why, or None), ``panels`` (see
    ``standing_document``) and ``results``, each with ``metric``, ``statistic``, ``group`` (empty
    for a whole panel) and ``value``, a decimal as text.
    Once rules have judged it, it has ``pause`` (the phase after it), ``rules`` and ``labs``.
    """
    if state.charter is None:
        return {"charter_hash": None, "test": False, "rounds": []}
    pinned = state.charters[0].charter.sha256
    rounds = []
    for round_ in state.rounds:
        record = round_record(state, round_)
        rounds.append(
            {
                **document(record, "round=period number state cohort cohorts"),
                "refused": record.refusal or None,
                "panels": {panel.panel: standing_document(panel) for panel in record.panels},
                "results": [document(r, _RESULT) for r in result_records(state, round_)],
                **_outcome(state, record),
            }
        )
    return {"charter_hash": pinned.hex(), "test": state.charter.is_test, "rounds": rounds}


def _outcome(state: State, round_: RoundRecord) -> dict[str, object]:
    """The consequences of a round for the pause; empty before its end or without rules."""
    judgement = state.judgements.get(round_.number)
    if judgement is None:
        return {}
    changes = [c for c in state.pause.changes if c.entry <= judgement.entry]
    asked = [c for c in asking(state.pause) if c.entry <= judgement.entry]
    said = state.pause.acknowledged.get(asked[-1].entry, {}) if asked else {}
    shares = achieved_shares(state, state.rounds[round_.number - 1])
    return {
        "pause": changes[-1].after if changes else RUNNING,
        "rules": [
            document(rule, "rule holds value limit rounds_in_a_row=streak why")
            for rule in rule_records(state, round_.number)
        ],
        "labs": {
            lab: {
                "acknowledged": (lab in said) if asked else None,
                "compliance": round_.compliance.get(lab),
            }
            for lab in round_.labs
        },
        "shares_at_most": {metric: fraction_text(share, 4) for metric, share in shares.items()},
    }


def result_rows(state: State) -> list[dict[str, str | int | None]]:
    """One row per result, with ROW_COLUMNS; a round without results has one row that says why.

    ``round`` is the round's number, ``value`` a decimal as text, since it is exact, ``cohort`` the
    number of organisations whose values are in it, None before the close; ``group`` is empty for a
    whole panel.
    """
    rows = []
    for round_ in state.rounds:
        record = round_record(state, round_)
        head = document(record, "round=number period state")
        none = {"cohort": None if record.closed_ms is None else record.cohort}
        for row in [document(r, _RESULT_ROW) for r in result_records(state, round_)] or [none]:
            cells = {**head, **row, "refusal": record.refusal}
            rows.append({column: cells.get(column, "") for column in ROW_COLUMNS})
    return rows
