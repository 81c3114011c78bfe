"""The results of a run as one document, for files and programs."""

from fermata.protocol.state import OPENED, REFUSED, State


def results_document(state: State) -> dict[str, object]:
    """``{"charter_hash", "rounds": [...]}``, one object a round; the hash is entry 0's.

    Of a round: ``round`` (the period, as the labs' files name it), ``number``, ``state``,
    ``cohort`` and ``cohorts``, ``refused`` (why, or None), and ``results``, each with ``metric``,
    ``statistic`` and ``value``, a decimal as text.
    """
    charter = state.charter
    if charter is None:
        return {"charter_hash": None, "rounds": []}
    rounds = []
    for found in state.rounds:
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
                    {"metric": r.metric, "statistic": r.statistic, "value": r.text}
                    for r in (opening.results if opening else ())
                ],
            }
        )
    pinned = state.charters[0].charter.sha256
    return {"charter_hash": pinned.hex(), "rounds": rounds}


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
)


def result_rows(state: State) -> list[dict[str, str]]:
    """One row a result, with ROW_COLUMNS; a round without results has one row, which says why.

    ``round`` is its number, ``value`` a decimal as text, ``cohort`` the organisations whose values
    are in it.
    """
    charter = state.charter
    if charter is None:
        return []
    metrics = {m.id: (m, p.id) for p in charter.panels for m in p.metrics}
    rows = []
    for found in state.rounds:
        phase, close = found.phase(charter.endorsement_quorum), found.close
        head = (str(found.number), found.period, phase)
        if phase != OPENED or found.opening is None or close is None:
            cohort = str(found.cohort) if close else ""
            refusal = found.refusal if phase == REFUSED else ""
            rows.append((*head, "", "", "", "", cohort, refusal))
            continue
        for result in found.opening.results:
            metric, panel = metrics[result.metric]
            cohort = str(close.cohorts[panel])
            named = (metric.id, metric.unit, result.statistic, result.text)
            rows.append((*head, *named, cohort, ""))
    return [dict(zip(ROW_COLUMNS, row, strict=True)) for row in rows]
