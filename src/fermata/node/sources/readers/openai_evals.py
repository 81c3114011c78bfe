"""Logs of OpenAI's evals: JSON lines with the run's specification, its events, its final report.

The final report stands before the events that were written last, so its place says nothing. The
specification's own time has no offset; the time is that of the last event.
"""

from collections.abc import Sequence
from typing import Any

from fermata.node.sources.dates import iso_ms
from fermata.node.sources.formats.documents import (
    count_of,
    list_of,
    number_of,
    path_text,
    read_jsonl,
    table_of,
    text_of,
)
from fermata.node.sources.reading import Reading, refuse_format

_SPEC, _REPORT = "spec", "final_report"


def read_openai_evals(file: str, data: bytes) -> list[Reading]:
    """The numbers of a run's final report, by their paths in it. Raises ConfigError.

    The task is the evaluation's name, the model its completion functions.
    """
    records = read_jsonl(file, data)
    spec = table_of(records[0][1].get(_SPEC))
    if not text_of(spec.get("run_id")) or not text_of(spec.get("eval_name")):
        refuse_format(file, f"line {records[0][0]}: must have the {_SPEC} of a run, with run_id")
    reports: list[tuple[int, dict[str, Any]]] = []
    events: list[dict[str, Any]] = []
    for line, record in records[1:]:
        if _SPEC in record or record.get("run_id", spec["run_id"]) != spec["run_id"]:
            refuse_format(file, f"line {line}: is of another run; put each into a file of its own")
        if _REPORT in record:
            reports.append((line, table_of(record[_REPORT])))
        else:
            events.append(record)
    if len(reports) > 1:
        refuse_format(file, f"line {reports[1][0]}: has a second {_REPORT}, of a run that has one")
    times = [iso_ms(text_of(event.get("created_at"))) for event in events]
    ended_ms = max(filter(None, times), default=None)
    task = text_of(spec["eval_name"])
    model = ",".join(text_of(name) for name in list_of(spec.get("completion_fns")))
    if not reports:
        fault = f"it has no {_REPORT}: the run goes on, or was killed"
        return [Reading(_REPORT, task, (), "", ended_ms, model=model, fault=fault)]
    line, report = reports[0]
    numbers = _numbers(report, ())
    if not numbers:
        refuse_format(file, f"line {line}: {_REPORT} has no number")
    scored, samples = _counts(spec, events)
    fault = _fault(events)
    return [
        Reading(
            f"line {line}: {_REPORT}.{path}", task, (path,), text, ended_ms,
            model=model, scored=scored, samples=samples, fault=fault,
        )
        for path, text in numbers
    ]  # fmt: skip


def _numbers(report: dict[str, Any], before: Sequence[str]) -> list[tuple[str, str]]:
    """Paths and numbers of a report, also of tables within it; words for NaN among them."""
    numbers = []
    for name, value in report.items():
        steps = (*before, name)
        if isinstance(value, dict):
            numbers += _numbers(value, steps)
        elif path_text(steps) and number_of(value):
            numbers.append((path_text(steps), number_of(value)))
    return numbers


def _counts(spec: dict[str, Any], events: list[dict[str, Any]]) -> tuple[int | None, int | None]:
    """Of how many samples the report is, and how many there are; None if some may be left out.

    The log counts no data set. Without ``max_samples`` all samples were asked; a run that reached
    it may have left others out, or may have had just as many.
    """
    config = table_of(spec.get("run_config"))
    asked = {text_of(event.get("sample_id")) for event in events} - {""}
    failed = {text_of(e.get("sample_id")) for e in events if text_of(e.get("type")) == "error"}
    if not asked or "max_samples" not in config:
        return None, None
    scored = len(asked - failed)
    most = config["max_samples"]
    is_all = most is None or len(asked) < (count_of(most) or 0)
    return scored, len(asked) if is_all else None


def _fault(events: list[dict[str, Any]]) -> str:
    """Why a log is not whole: its events are numbered, and each must be there once."""
    numbers = [count_of(event.get("event_id")) for event in events]
    known = set(numbers)
    missing = next((number for number in range(len(numbers)) if number not in known), None)
    return "" if missing is None else f"event {missing} is not in the log"
