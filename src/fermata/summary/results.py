"""The results of a run as one document, for files and programs."""

from fermata.protocol.charter.encoding import fraction_text
from fermata.protocol.fold.dominance import achieved_shares
from fermata.protocol.fold.pause import compliance_of
from fermata.protocol.state.pause import RUNNING, asking
from fermata.protocol.state.state import OPENED, REFUSED, Round, State, labs_of_round


def results_document(state: State) -> dict[str, object]:
    """``{"charter_hash", "rounds": [...]}``, one object a round; the hash is entry 0's.

    Of a round: ``round`` (the period, as the labs' files name it), ``number``, ``state``,
    ``cohort`` and ``cohorts`` (by cell), ``refused`` (why, or None), ``results``, each with
    ``metric``, ``statistic``, ``group`` (empty for a whole panel) and ``value``, a decimal as text;
    and, as of its end, ``pause`` (the phase after it), ``rules`` and ``labs``.
    """
    if state.charter is None:
        return {"charter_hash": None, "rounds": []}
    rounds = []
    for found in state.rounds:
        charter = state.charter_at(found.number)
        phase = found.phase(charter.endorsement_quorum)
        opening = found.opening if phase == OPENED else None
        rounds.append(
            {
                "round": found.period,
                "number": found.number,
                "state": phase,
                "cohort": found.cohort,
                "cohorts": dict(found.close.cohorts) if found.close else {},
                "refused": found.refusal if phase == REFUSED else None,
                "results": [
                    {
                        "metric": r.metric,
                        "statistic": r.statistic,
                        "group": r.group,
                        "value": r.text,
                    }
                    for r in (opening.results if opening else ())
                ],
                **_pause(state, found),
            }
        )
    pinned = state.charters[0].charter.sha256
    return {"charter_hash": pinned.hex(), "rounds": rounds}


def _pause(state: State, found: Round) -> dict[str, object]:
    """What followed from a round for the pause; nothing before its end or without rules."""
    judgement = state.judgements.get(found.number)
    if judgement is None:
        return {}
    changes = [c for c in state.pause.changes if c.entry <= judgement.entry]
    asked = [c for c in asking(state.pause) if c.entry <= judgement.entry]
    said = state.pause.acknowledged.get(asked[-1].entry, {}) if asked else {}
    charter, labs = state.charter_at(found.number), labs_of_round(state, found)
    shown = compliance_of(charter, found, labs)
    return {
        "pause": changes[-1].after if changes else RUNNING,
        "rules": [
            {
                "rule": v.rule,
                "holds": v.holds,
                "value": v.value,
                "limit": v.limit,
                "rounds_in_a_row": v.streak,
                "why": v.why,
            }
            for v in judgement.verdicts
        ],
        "labs": {
            lab: {
                "acknowledged": (lab in said) if asked else None,
                "compliance": shown.get(lab),
            }
            for lab in labs
        },
        "shares_at_most": {
            metric: fraction_text(share, 4)
            for metric, share in achieved_shares(charter, found).items()
        },
    }


#: Columns of ``result_rows``, in order; new ones come last.
ROW_COLUMNS = (
    "round",
    "period",
    "state",
    "metric",
    "unit",
    "statistic",
    "value",
    "cohort",
    "refusal",
    "group",
)


def result_rows(state: State) -> list[dict[str, str]]:
    """One row a result, with ROW_COLUMNS; a round without results has one row, which says why.

    ``round`` is its number, ``value`` a decimal as text, ``cohort`` the organisations whose values
    are in it; ``group`` is empty for a whole panel.
    """
    rows = []
    for found in state.rounds:
        charter = state.charter_at(found.number)
        metrics = {m.id: (m, p.id) for p in charter.panels for m in p.metrics}
        phase, close = found.phase(charter.endorsement_quorum), found.close
        head = (str(found.number), found.period, phase)
        if phase != OPENED or found.opening is None or close is None:
            cohort = str(found.cohort) if close else ""
            refusal = found.refusal if phase == REFUSED else ""
            rows.append((*head, "", "", "", "", cohort, refusal, ""))
            continue
        for result in found.opening.results:
            metric, panel = metrics[result.metric]
            cohort = str(close.panel_cohort(panel, result.group))
            named = (metric.id, metric.unit, result.statistic, result.text)
            rows.append((*head, *named, cohort, "", result.group))
    return [dict(zip(ROW_COLUMNS, row, strict=True)) for row in rows]
