"""Statistics of HELM (crfm-helm): the ``stats.json`` of a run's folder.

The file says neither when nor by which version it was written, nor of which run it is: the run
is its folder's name, and the period must be in the path.
"""

from pathlib import PurePath
from typing import Any

from fermata.node.sources.readers.documents import number_of, read_json, table_of, text_of
from fermata.node.sources.reading import Reading, refuse_format


def read_helm(file: str, data: bytes) -> list[Reading]:
    """The means of a run, by ``name/split`` and, for perturbed instances, ``/perturbation``.

    The task is the run, ``mmlu:subject=anatomy,...``, or what stands before its first colon.
    Raises ConfigError.
    """
    document = read_json(file, data)
    if not isinstance(document, list) or not all("name" in table_of(s) for s in document):
        refuse_format(file, "is not a list of statistics, each with its name, as HELM writes it")
    run = PurePath(file).parent.name
    found = []
    for index, entry in enumerate(map(table_of, document)):
        scores = _names(table_of(entry["name"]))
        if not scores:
            refuse_format(file, f"[{index}].name: has no name")
        empty = number_of(entry.get("count")) in ("", "0")
        text = "" if empty else number_of(entry.get("mean"))
        found.append(Reading(f"[{index}].mean", run, scores, text))
    return found


def _names(name: dict[str, Any]) -> tuple[str, ...]:
    base = text_of(name.get("name"))
    if not base:
        return ()
    parts = [base, text_of(name.get("split")), text_of(name.get("sub_split"))]
    perturbation = table_of(name.get("perturbation"))
    if perturbation:
        parts += [text_of(perturbation.get("name")), text_of(perturbation.get("computed_on"))]
    full = "/".join(part for part in parts if part)
    # Only whole instances, unperturbed, go by the short name.
    return (full,) if perturbation else tuple(dict.fromkeys((full, base)))


def is_run(task: str, wanted: str) -> bool:
    """Whether a run is the one that is wanted, by its whole name or its scenario."""
    return wanted in (task, task.partition(":")[0])
