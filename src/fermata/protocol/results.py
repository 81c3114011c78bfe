"""The results of a run as one document, for files and programs."""

from fermata.protocol.state import OPENED, REFUSED, State


def results_document(state: State) -> dict[str, object]:
    """``{"charter_hash", "rounds": [...]}``, one object a round.

    Of a round: ``round`` (the period, as the labs' files name it), ``number``, ``state``,
    ``cohort`` and ``cohorts`` (by cell), ``refused`` (why, or None), and ``results``, each with
    ``metric``, ``statistic``, ``group`` (empty for a whole panel) and ``value``, a decimal as text.
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
                    {
                        "metric": r.metric,
                        "statistic": r.statistic,
                        "group": r.group,
                        "value": r.text,
                    }
                    for r in (opening.results if opening else ())
                ],
            }
        )
    return {"charter_hash": charter.sha256.hex(), "rounds": rounds}
