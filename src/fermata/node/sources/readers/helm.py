"""Statistics of HELM (crfm-helm): the ``stats.json`` of a run's folder.

The file says neither when nor by which version it was written, nor of which run it is: the run
is its folder's name, and the period must be in the path. Which model answered, and how many
instances were allowed at most, stands in the ``run_spec.json`` beside it.
"""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from fermata.node.sources.formats.documents import count_of, number_of, read_json, table_of, text_of
from fermata.node.sources.paths import SourceFile
from fermata.node.sources.reading import Literal, Reading, refuse_format

#: The file beside a run's statistics that says what was asked of the run.
RUN_SPEC = "run_spec.json"


def companions(path: Path) -> tuple[Path, list[Path]]:
    """The folder of a run's statistics, and the file beside them that is read with them."""
    spec = path.with_name(RUN_SPEC)
    return path.parent, [spec] if spec.exists() else []


def read_helm(file: str, data: bytes, companion_files: Sequence[SourceFile] = ()) -> list[Reading]:
    """The means of a run, by ``name/split`` and, for perturbed instances, ``/perturbation``.

    The task is the run, ``mmlu:subject=anatomy,...``, or what stands before its first colon.
    ``companion_files`` may have the file RUN_SPEC of the same folder. Raises ConfigError.
    """
    document = read_json(file, data)
    if not isinstance(document, list) or not all("name" in table_of(s) for s in document):
        refuse_format(file, "is not a list of statistics, each with its name, as HELM writes it")
    run = PurePath(file).parent.name
    spec: dict[str, Any] = {}
    if companion_files:
        spec = table_of(read_json(f"{file}, {RUN_SPEC}", companion_files[0].data))
    adapter = table_of(spec.get("adapter_spec"))
    model = text_of(adapter.get("model"))
    scored = _instances(document, adapter)
    readings = []
    for index, entry in enumerate(map(table_of, document)):
        scores = _names(table_of(entry["name"]))
        if not scores:
            refuse_format(file, f"[{index}].name: has no name")
        empty = number_of(entry.get("count")) in ("", "0")
        text = "" if empty else number_of(entry.get("mean"))
        field = f"[{index}].mean"
        readings.append(Reading(field, run, scores, text, None, "", "", model, scored, scored))
    return readings


def _instances(document: list[Any], adapter: dict[str, Any]) -> int | None:
    """How many instances ran if these were all, None if some may be missing.

    HELM counts what ran, and not what there was: a run that reached its ``max_eval_instances``
    may have left others out, or may have had just as many.
    """
    total = 0
    for entry in map(table_of, document):
        name = table_of(entry["name"])
        if text_of(name.get("name")) == "num_instances" and not name.get("perturbation"):
            # A mean over trials, each of which has the same instances: "5.0".
            total += count_of(Literal(number_of(entry.get("mean")).removesuffix(".0"))) or 0
    if not total or "max_eval_instances" not in adapter:
        return None
    most = adapter["max_eval_instances"]
    return total if most is None or total < (count_of(most) or 0) else None


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
