"""Runs of MLflow in folders: ``mlruns/<experiment>/<run>/metrics/<name>``, one file per metric.

The file alone does not say of which experiment, run or model its numbers are: what does stands in
the ``meta.yaml`` of run and experiment, and in the metrics of the experiment's logged models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Any, NoReturn

from fermata.errors import ConfigError
from fermata.node.sources.dates import milliseconds
from fermata.node.sources.formats.documents import number_of, table_of, text_of
from fermata.node.sources.formats.text import check_ended, decode_text
from fermata.node.sources.formats.yaml_text import read_yaml
from fermata.node.sources.paths import SourceFile
from fermata.node.sources.reading import Reading, refuse_format, shown

META, METRICS, MODELS = "meta.yaml", "metrics", "models"
METRIC_BYTES_MAX = 4 * 1024 * 1024
MODELS_MAX = 500
#: By number, as MLflow's entities.RunStatus has them.
_STATUS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
_FINISHED = "3"
#: Parts of a line: time, value, step; of a logged model's also the run. A data set adds two.
_WIDTH, _MODEL_WIDTH = 3, 4


def run_folder(path: PurePath) -> PurePath | None:
    """The folder of the run that a metric's file is of; None for a path of another form."""
    names = path.parts
    # A metric's name may have slashes, and is then a path of folders.
    at = next((i for i in range(len(names) - 2, 0, -1) if names[i] == METRICS), None)
    return PurePath(*names[:at]) if at else None


def companions(path: Path) -> tuple[Path, list[Path]]:
    """The experiment's folder, and the files in it that a metric's file is read with.

    Raises ConfigError SOURCE_PATH if there are too many.
    """
    run = run_folder(path)
    if run is None:
        return path.parent, []
    experiment = Path(run).parent
    name = path.relative_to(Path(run) / METRICS)
    logged = sorted(experiment.glob(f"{MODELS}/*/{METRICS}"))
    if len(logged) > MODELS_MAX:
        what = f"more than {MODELS_MAX} logged models; move the old ones away"
        raise ConfigError("SOURCE_PATH", f"{experiment}: has {what}")
    companion_files = [Path(run) / META, experiment / META]
    for metrics in logged:
        if (metrics / name).exists():
            companion_files += [metrics.parent / META, metrics / name]
    return experiment, [file for file in companion_files if file.exists()]


@dataclass(frozen=True, slots=True)
class _Point:
    """One value that was logged, with what orders it: its step, then its time."""

    line: int
    time_ms: int
    text: str
    step: int
    rest: tuple[str, ...]

    @property
    def order(self) -> tuple[int, int]:
        return self.step, self.time_ms


def read_metric_file(
    file: str, data: bytes, companion_files: Sequence[SourceFile]
) -> list[Reading]:
    """The newest value of a metric of a run, by model if it was logged for models.

    The newest has the highest step, then the latest time. None for a run or an experiment that was
    deleted. Raises ConfigError SOURCE_FORMAT, naming the line, also if two values are the newest.
    """
    path = PurePath(file)
    run_path = run_folder(path)
    if run_path is None:
        refuse_format(file, "must be mlruns/<experiment>/<run>/metrics/<name>, or a database")
    run = _meta(file, companion_files, run_path)
    experiment = _meta(file, companion_files, run_path.parent)
    points = _points(file, data, _WIDTH)
    if "deleted" in (text_of(meta.get("lifecycle_stage")) for meta in (run, experiment)):
        return []
    if len({point.rest for point in points}) > 1:
        _refuse(file, "has values of several data sets; log each under a name of its own")
    status = number_of(run.get("status"))
    said = shown(_STATUS.get(status, status)) or "missing"
    fault = "" if status == _FINISHED else f"status is {said}, not FINISHED"
    name = "/".join(path.parts[len(run_path.parts) + 1 :])
    ended = milliseconds(number_of(run.get("end_time")))
    task = text_of(experiment.get("name"))
    readings = []
    for model, point in _newest_by_model(file, points, companion_files, run_path.name):
        field = f"line {point.line}" if point.line else f"model {model}"
        readings.append(Reading(field, task, (name,), point.text, ended, model=model, fault=fault))
    return readings


def _newest_by_model(
    file: str, points: list[_Point], companion_files: Sequence[SourceFile], run: str
) -> list[tuple[str, _Point]]:
    """The newest value for each logged model of the run, and those that no model is named for.

    A run's own file has the values of all models, without saying whose they are.
    """
    logged: list[tuple[str, str, _Point]] = []
    for other in companion_files:
        if PurePath(other.name).name == META or run_folder(PurePath(other.name)) is None:
            continue
        of_run = [p for p in _points(other.name, other.data, _MODEL_WIDTH) if p.rest[0] == run]
        if of_run:
            folder = run_folder(PurePath(other.name)) or PurePath()
            name = text_of(_meta(file, companion_files, folder).get("name"))
            logged.append((name or folder.name, folder.name, _newest(other.name, of_run)))
    names = [name for name, _, _ in logged]
    by_model = [
        # Two models may have one name, also in one run: there the id is part of it.
        (name if names.count(name) == 1 else f"{name}/{identity}", point)
        for name, identity, point in logged
    ]
    newest = _newest(file, points)
    if newest.text not in (point.text for _, point in by_model):
        by_model.append(("", newest))
    return by_model


def _newest(file: str, points: list[_Point]) -> _Point:
    order = max(point.order for point in points)
    last = [point for point in points if point.order == order]
    if len({point.text for point in last}) > 1:
        lines = " and ".join(str(point.line) for point in last[:2])
        _refuse(file, f"lines {lines}: have one step and time, so neither is the newest")
    return last[0]


def _points(file: str, data: bytes, width: int) -> list[_Point]:
    """The lines of a metric's file: time, value, step, and perhaps the run, data set and digest."""
    if len(data) > METRIC_BYTES_MAX:
        _refuse(file, f"is longer than {METRIC_BYTES_MAX} bytes")
    refuse = partial(_refuse, file)
    text = decode_text(data, refuse)
    check_ended(data, refuse)
    points = []
    for number, line in enumerate(text.split("\n")[:-1], 1):
        parts = line.split(" ")
        # Before MLflow had steps, and logged models, a line had two parts.
        lengths = (width, width + 2, *([2] if width == _WIDTH else []))
        time, step = milliseconds(parts[0]), _step(parts[2]) if len(parts) > 2 else 0
        if len(parts) not in lengths or time is None or step is None or not parts[1]:
            _refuse(file, f"line {number}: must have time, value and step, as MLflow writes them")
        points.append(_Point(number, time, parts[1], step, tuple(parts[3:])))
    if not points:
        _refuse(file, "is empty; is it still being written?")
    return points


def _step(text: str) -> int | None:
    digits = text.removeprefix("-")
    is_step = digits.isdecimal() and digits.isascii() and len(digits) <= 18
    return int(text) if is_step else None


def _meta(file: str, companion_files: Sequence[SourceFile], folder: PurePath) -> dict[str, Any]:
    """What the ``meta.yaml`` of a folder says. Raises ConfigError SOURCE_FORMAT without one."""
    wanted = folder / META
    meta_file = next((other for other in companion_files if PurePath(other.name) == wanted), None)
    if meta_file is None:
        _refuse(file, f"has no {META} in {shown(folder.name)}; copy the folder mlruns whole")
    return table_of(read_yaml(meta_file.name, meta_file.data))


def _refuse(file: str, what: str) -> NoReturn:
    refuse_format(file, what)
