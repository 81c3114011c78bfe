"""Results of the lm-evaluation-harness: ``results_*.json``, as its 0.4 versions write them."""

from typing import Any

from fermata.node.sources.dates import epoch_ms
from fermata.node.sources.formats.documents import (
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
    readings = []
    for task, metrics in results.items():
        for key, value in table_of(metrics).items():
            # `acc,none`: the metric, and the filter that answers went through.
            metric, comma, _ = key.partition(",")
            if comma:
                field, text = f'results."{task}"."{key}"', number_of(value)
                names = (key, metric)
                scored, samples = _counts(document, task, key)
                readings.append(
                    Reading(field, task, names, text, started, "", "", model, scored, samples)
                )
    return readings


def _counts(document: dict[str, Any], task: str, key: str) -> tuple[int | None, int | None]:
    """Of how many samples a figure is, and how many its data set has; None if not said.

    A group's figures are of what its subtasks ran, however deep the groups stand in each other:
    the file counts the samples of tasks only. An aggregate may still leave samples out, which the
    group's own results then say.
    """
    scored = total = 0
    waiting, seen = [task], set()
    subtasks = table_of(document.get("group_subtasks"))
    while waiting:
        name = waiting.pop()
        below = [text_of(t) for t in list_of(subtasks.get(name))]
        if name in seen:
            continue
        seen.add(name)
        if below:
            waiting += below
            continue
        counts = _task_counts(document, name, key)
        if counts is None:
            return None, None
        scored, total = scored + counts[0], total + counts[1]
    return (min([scored, *_said(document, task, key)]), total) if total else (None, None)


def _task_counts(document: dict[str, Any], task: str, key: str) -> tuple[int, int] | None:
    """The same of one task: what ran, and what there was.

    ``effective`` alone does not count what ran: versions before ``sample_len`` write the whole size
    there when samples were named by ``--samples``.
    """
    counts = table_of(table_of(document.get("n-samples")).get(task))
    effective, original = count_of(counts.get("effective")), count_of(counts.get("original"))
    results = table_of(table_of(document.get("results")).get(task))
    if effective is None or original is None or count_of(results.get("sample_len")) is None:
        return None
    # A task without the metric is left out of its group's figure.
    scored = min([effective, *_said(document, task, key)]) if key in results else 0
    return scored, original


def _said(document: dict[str, Any], task: str, key: str) -> list[int]:
    """How many samples the results of a task or a group say that they are of."""
    results = table_of(table_of(document.get("results")).get(task))
    said = (results.get("sample_len"), table_of(results.get("sample_count")).get(key))
    return [count for count in map(count_of, said) if count is not None]
