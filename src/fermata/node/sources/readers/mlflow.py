"""Runs of MLflow: its tracking database, an SQLite file, read from a copy in memory, or a metric's
own file in its folders (``mlflow_folder``).

The copy is the bytes that were read and hashed, so nothing that MLflow writes meanwhile can
change what is parsed, and nothing is ever written to its file.
"""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from fermata.node.sources.dates import milliseconds
from fermata.node.sources.paths import SourceFile
from fermata.node.sources.readers.mlflow_folder import read_metric_file
from fermata.node.sources.reading import Reading, refuse_format, refuse_version, shown

MAGIC = b"SQLite format 3\x00"
#: Instructions of SQLite's machine after which a crafted file is given up; a query takes few.
_STEPS_MAX = 20_000_000
_STEPS_EACH = 100_000
ROWS_MAX = 100_000
_QUERY = """
SELECT e.name, r.run_uuid, r.status, r.end_time, m.key, m.value, m.is_nan
FROM latest_metrics m
JOIN runs r ON r.run_uuid = m.run_uuid
JOIN experiments e ON e.experiment_id = r.experiment_id
WHERE r.lifecycle_stage = 'active' AND e.lifecycle_stage = 'active'
ORDER BY r.run_uuid, m.key
"""
#: Tables of MLflow 3, which says of each value which model it is of; older databases have none.
_MODELS = {"logged_model_metrics", "logged_models"}
_MODEL_QUERY = """
SELECT m.run_id, m.metric_name, m.model_id, l.name, m.metric_value
FROM logged_model_metrics m
LEFT JOIN logged_models l ON l.model_id = m.model_id
ORDER BY m.metric_step, m.metric_timestamp_ms, m.metric_value
"""
_NEEDED = {
    "experiments": {"experiment_id", "name", "lifecycle_stage"},
    "runs": {"run_uuid", "experiment_id", "status", "end_time", "lifecycle_stage"},
    "latest_metrics": {"key", "value", "is_nan", "run_uuid"},
}


def read_mlflow(
    file: str, data: bytes, companion_files: Sequence[SourceFile] = ()
) -> list[Reading]:
    """The newest value of every metric of every run that is not deleted. Raises ConfigError.

    The task is the experiment, the score the metric's key. Where a metric was logged for models
    (MLflow 3), there is a figure for each. MLflow does not count samples. It keeps binary floating
    point: the number is the shortest decimal that stands for the same float (Python's repr).
    ``companion_files``: what ``companions`` names for the file of one metric.
    """
    if not data.startswith(MAGIC[:6]):
        return read_metric_file(file, data, companion_files)
    if not data.startswith(MAGIC) or len(data) < 100:
        refuse_format(file, "is not an SQLite database")
    with _opened(file, data) as database:
        for table, needed in _NEEDED.items():
            columns = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
            if not needed <= columns:
                lacking = ", ".join(sorted(needed - columns))
                refuse_version(file, f"table {table}", "", f"tables that have {lacking}")
        rows = database.execute(_QUERY).fetchmany(ROWS_MAX + 1)
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        logged = []
        if tables >= _MODELS:
            logged = database.execute(_MODEL_QUERY).fetchmany(ROWS_MAX + 1)
    if max(len(rows), len(logged)) > ROWS_MAX:
        refuse_format(file, f"has more than {ROWS_MAX} metrics; export those that are needed")
    models = _by_model(logged)
    readings = []
    for experiment, run, status, end, key, value, is_nan in rows:
        fault = "" if status == "FINISHED" else f"status is {shown(status)}, not FINISHED"
        field = f"runs.{run}.metrics.{key}"
        ended = milliseconds(str(end))
        # One run may hold values of several models; its newest value is that of one of them.
        values, newest = models.get((run, key), {}), _number(value, is_nan)
        if newest not in values.values():
            values = {**values, "": newest}
        task, names = str(experiment), (str(key),)
        readings += [
            Reading(field, task, names, text, ended, model=model, fault=fault)
            for model, text in values.items()
        ]
    return readings


def _by_model(rows: list[Any]) -> dict[tuple[str, str], dict[str, str]]:
    """The newest value of each model, by run and metric; ``rows`` rise as MLflow orders them.

    Two models may have one name, also in one run. There the name goes with the model's id.
    """
    newest: dict[tuple[str, str], dict[str, str]] = {}
    ids: dict[str, set[str]] = {}
    for run, key, model_id, name, value in rows:
        newest.setdefault((run, key), {})[str(model_id)] = _number(value, value is None)
        ids.setdefault(str(name or model_id), set()).add(str(model_id))
    names = {
        reading: name if len(same) == 1 else f"{name}/{reading}"
        for name, same in ids.items()
        for reading in same
    }
    return {
        place: {names[model_id]: text for model_id, text in values.items()}
        for place, values in newest.items()
    }


def _number(value: object, is_nan: object) -> str:
    if isinstance(value, float) and math.isfinite(value) and not is_nan:
        return repr(value)
    return "NaN" if is_nan or isinstance(value, float) else ""


@contextmanager
def _opened(file: str, data: bytes) -> Iterator[sqlite3.Connection]:
    """A database in memory with these bytes. Raises ConfigError for what SQLite cannot read."""
    # An image in memory has no WAL, and SQLite opens none that says it is in that mode
    # (sqlite.org, sqlite3_deserialize). Whether the WAL was empty is for who read the file.
    image = data[:18] + b"\x01\x01" + data[20:] if data[18:20] == b"\x02\x02" else data
    steps = 0

    def tick() -> int:
        nonlocal steps
        steps += _STEPS_EACH
        return int(steps > _STEPS_MAX)

    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.deserialize(image)
            database.execute("PRAGMA query_only = ON")
            database.execute("PRAGMA trusted_schema = OFF")
            database.set_progress_handler(tick, _STEPS_EACH)
            yield database
        except (sqlite3.Error, UnicodeDecodeError, OverflowError, MemoryError):
            refuse_format(file, "cannot be read as an SQLite database; it may be damaged")
