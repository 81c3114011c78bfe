"""Results of the lm-evaluation-harness: ``results_*.json``, as its 0.4 versions write them."""

from typing import Any

from fermata.node.sources.dates import epoch_ms
from fermata.node.sources.readers.documents import (
    count_of,
    list_of,
    number_of,
    read_json,
    table_of,
    text_of,
)
from fermata.node.sources.reading import Reading, refuse_format, refuse_version

VERSIONS = "0.4."


def read_lm_eval(file: str, data: bytes) -> list[Reading]:
    """The figures of a results file: one for each metric and filter of each task.

    The file says when the run was begun (``date``), not when it ended. Raises ConfigError.
    """
    document = table_of(read_json(file, data))
    results = table_of(document.get("results"))
    if not results:
        refuse_format(file, "has no results; it is not a results file of lm-eval")
    version = text_of(document.get("lm_eval_version"))
    if not version.startswith(VERSIONS):
        refuse_version(file, "lm_eval_version", version, f"{VERSIONS}x")
    started = epoch_ms(number_of(document.get("date")))
    model = text_of(document.get("model_name"))
    found = []
    for task, metrics in results.items():
        scored, samples = _counts(document, task)
        for key, value in table_of(metrics).items():
            # `acc,none`: the metric, and the filter that answers went through.
            metric, comma, _ = key.partition(",")
            if comma:
                field, text = f'results."{task}"."{key}"', number_of(value)
                names = (key, metric)
                found.append(
                    Reading(field, task, names, text, started, "", "", model, scored, samples)
                )
    return found


def _counts(document: dict[str, Any], task: str) -> tuple[int | None, int | None]:
    """Of how many samples a task's figures are, and how many its data set has; None if not said.

    A group's figures are of what its subtasks ran, however deep the groups stand in each other:
    the file counts the samples of tasks only.
    """
    scored = total = 0
    waiting, seen = [task], set()
    subtasks, counts = table_of(document.get("group_subtasks")), table_of(document.get("n-samples"))
    while waiting:
        name = waiting.pop()
        below = [text_of(t) for t in list_of(subtasks.get(name))]
        if name in seen:
            continue
        seen.add(name)
        if below:
            waiting += below
            continue
        found = table_of(counts.get(name))
        effective, original = count_of(found.get("effective")), count_of(found.get("original"))
        if effective is None or original is None:
            return None, None
        scored, total = scored + effective, total + original
    return (scored, total) if total else (None, None)
