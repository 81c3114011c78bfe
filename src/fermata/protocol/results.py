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
