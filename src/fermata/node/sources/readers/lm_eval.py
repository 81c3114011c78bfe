"""Results of the lm-evaluation-harness: ``results_*.json``, as its 0.4 versions write them."""

from typing import Any

from fermata.node.sources.dates import epoch_ms
from fermata.node.sources.readers.documents import number_of, read_json, table_of, text_of
from fermata.node.sources.reading import Reading, refuse_format, refuse_version, shown

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
    found = []
    for task, metrics in results.items():
        fault = _fault(document, task)
        for key, value in table_of(metrics).items():
            # `acc,none`: the metric, and the filter that answers went through.
            metric, comma, _ = key.partition(",")
            if comma:
                field, text = f'results."{task}"."{key}"', number_of(value)
                found.append(Reading(field, task, (key, metric), text, started, fault=fault))
    return found


def _fault(document: dict[str, Any], task: str) -> str:
    """Why a task's figures are not of the whole task; empty if they are."""
    limit = table_of(document.get("config")).get("limit")
    if limit is not None:
        return "config.limit is set: only some samples were run"
    counts = table_of(table_of(document.get("n-samples")).get(task))
    if number_of(counts.get("original")) != number_of(counts.get("effective")):
        return f"n-samples.{shown(task)}: effective is not original"
    return ""
