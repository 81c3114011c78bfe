"""Records that a lab chooses by their fields: lines of JSON, a list in YAML, rows of CSV.

No tool is asked what a field means, so the configuration says it: ``where`` has the fields by which
records are chosen, ``score`` (of CSV, ``column``) the one with the number. What is usual needs no
word: a field ``model``, the time ``completed_at``, the counts of aider's leaderboards, and fields
``status`` or ``state``, which say that a run is not over.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fermata.node.sources.dates import any_ms
from fermata.node.sources.formats.csv_text import read_rows
from fermata.node.sources.formats.documents import (
    NOTHING,
    count_of,
    number_of,
    path_steps,
    read_jsonl,
    text_of,
    value_at,
)
from fermata.node.sources.formats.yaml_text import read_yaml
from fermata.node.sources.reading import Literal, Reading, choices, refuse_format, shown

#: Fields that are looked at without being asked for, in this order.
MODEL_FIELDS = ("model", "Model")
TIME_FIELDS = ("completed_at",)
#: aider's leaderboards: the tests that ran, and those that there are.
COUNT_FIELDS = ("test_cases", "total_tests")
_STATUS_FIELDS = ("status", "state")
_INCOMPLETE_FIELD = "incomplete"
_OVER_FIELDS = frozenset({*_STATUS_FIELDS, _INCOMPLETE_FIELD})
_FINISHED = frozenset(
    {"complete", "completed", "done", "finished", "ok", "passed"}
    | {"succeeded", "success", "successful"}
)
#: What no ``where`` can take for finished.
_UNFINISHED = frozenset(
    {"aborted", "canceled", "cancelled", "crashed", "error", "failed", "failure", "incomplete"}
    | {"killed", "partial", "paused", "pending", "preempted", "preempting", "queued", "running"}
    | {"scheduled", "started", "timeout", "unfinished"}
)
_DENIED = ("", "0", "false", "no", "null")


@dataclass(frozen=True, slots=True)
class Record:
    """One record and its place in the file, for people."""

    place: str
    value: Any


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records, and which of their fields; names are columns for CSV, else paths.

    Empty names of the last four stand for the usual fields.
    """

    where: Mapping[str, str]
    score: str
    model_at: str = ""
    time_at: str = ""
    scored_at: str = ""
    samples_at: str = ""
    is_flat: bool = False

    def uses(self, column: str) -> bool:
        """Whether a column has a part in what is read."""
        named = {*self.where, self.score, *MODEL_FIELDS, *TIME_FIELDS, *COUNT_FIELDS}
        named |= {self.model_at, self.time_at, self.scored_at, self.samples_at}
        return column in named or column.lower() in _OVER_FIELDS

    def steps(self, name: str) -> Sequence[str]:
        """The keys from a record to a field."""
        return (name,) if self.is_flat else path_steps(name) or ()


def read_records(kind: str, file: str, data: bytes, wanted: Wanted | None = None) -> list[Record]:
    """All records of a file of kind jsonl, yaml or csv. Raises ConfigError SOURCE_FORMAT.

    Without ``wanted`` nothing is chosen by them, and no number of them is a figure.
    """
    if kind == "jsonl":
        return [Record(f"line {line}", value) for line, value in read_jsonl(file, data)]
    if kind == "csv":
        rows = read_rows(file, data, wanted.uses if wanted is not None else lambda column: False)
        return [Record(f"line {line}", row) for line, row in rows]
    document = read_yaml(file, data)
    if not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
        refuse_format(file, "must be a list of tables for where; without where, score is a path")
    return [Record(f"[{index}]", item) for index, item in enumerate(document)]


def select(records: Sequence[Record], wanted: Wanted) -> list[Reading]:
    """The figures of the records that are chosen.

    Without ``where``, the records that have the field are: so the one final report of a log is
    found by the way to its number. With it, a chosen record without the field has no number.
    """
    steps = wanted.steps(wanted.score)
    readings = []
    for record in records:
        value = value_at(record.value, steps) if wanted.score else None
        if _is_chosen(record, wanted) and (wanted.where or value is not NOTHING):
            readings.append(_reading(record, wanted, value))
    return readings


def _is_chosen(record: Record, wanted: Wanted) -> bool:
    return all(
        text_at(record.value, wanted.steps(name)) == text for name, text in wanted.where.items()
    )


def text_at(value: Any, steps: Sequence[str]) -> str | None:
    """A field as ``where`` compares it: text, the text of a number, true, false or null."""
    value_there = value_at(value, steps)
    if isinstance(value_there, str):
        return str(value_there)
    words = {True: "true", False: "false", None: "null"}
    is_word = value_there is None or isinstance(value_there, bool)
    return words.get(value_there) if is_word else None


def _reading(record: Record, wanted: Wanted, value: Any) -> Reading:
    text = value.strip() if wanted.is_flat and isinstance(value, str) else number_of(value)
    scored_at, samples_at = wanted.scored_at, wanted.samples_at
    if not (scored_at or samples_at) and all(n in record.value for n in COUNT_FIELDS):
        scored_at, samples_at = COUNT_FIELDS
    return Reading(
        f"{record.place}: {wanted.score}" if wanted.score else record.place,
        "",
        (wanted.score,) if wanted.score else (),
        text,
        any_ms(_first(record, wanted, wanted.time_at, TIME_FIELDS)),
        model=_first(record, wanted, wanted.model_at, MODEL_FIELDS),
        scored=_count(record, wanted, scored_at),
        samples=_count(record, wanted, samples_at),
        fault=_fault(record, wanted),
    )


def _first(record: Record, wanted: Wanted, name: str, usual: Sequence[str]) -> str:
    """The text or number of a field, of the first of the usual ones if none is named."""
    for steps in [wanted.steps(name)] if name else [[field] for field in usual]:
        value_there = value_at(record.value, steps)
        if value_there is not NOTHING:
            return number_of(value_there) or text_of(value_there)
    return ""


def _count(record: Record, wanted: Wanted, name: str) -> int | None:
    value_there = value_at(record.value, wanted.steps(name)) if name else NOTHING
    is_cell = wanted.is_flat and isinstance(value_there, str)
    return count_of(Literal(value_there) if is_cell else value_there)


def _fault(record: Record, wanted: Wanted) -> str:
    """Why a record is of a run that is not over, or not whole; empty if nothing says so."""
    for name in record.value:
        known = str(name).lower()
        word = text_at(record.value, [name]) if known in _OVER_FIELDS else None
        if word is None:
            continue
        said = word.strip().lower()
        is_named = any(tuple(wanted.steps(field)) == (name,) for field in wanted.where)
        is_over = said in _FINISHED or (is_named and said not in _UNFINISHED)
        if known in _STATUS_FIELDS and not is_over:
            meant = f"{record.place}: {name} is {shown(word) or 'empty'}, not finished"
            return meant if said in _UNFINISHED else f"{meant}; if it is, name it in where"
        if known == _INCOMPLETE_FIELD and said not in _DENIED:
            return f"{record.place}: {name} is {shown(word)}"
    return ""


def explain(records: Sequence[Record], wanted: Wanted) -> str:
    """Why no record is chosen, with what there is to choose from."""
    left = list(records)
    for name, text in wanted.where.items():
        steps = wanted.steps(name)
        have = [record for record in left if value_at(record.value, steps) is not NOTHING]
        if not have:
            return f"no record has the field {shown(name)}; they have {_fields(left)}"
        left = [record for record in have if text_at(record.value, steps) == text]
        if not left:
            texts = (text_at(record.value, steps) or "" for record in have)
            # What may be a figure stays out of messages: whole numbers are ids, steps and flags.
            named = choices(t for t in texts if name != wanted.score and not _FRACTION.match(t))
            has = f"; they have {named}" if named else ""
            return f"no record has {shown(name)} = {shown(text)}{has}"
    return f"no record has the field {shown(wanted.score)}; they have {_fields(left)}"


def _fields(records: Sequence[Record]) -> str:
    return choices(str(name) for record in records for name in record.value) or "no field"


def field_names(records: Sequence[Record], is_flat: bool) -> dict[str, list[Record]]:
    """The fields in which at least one record has a number, each with those records."""
    fields: dict[str, list[Record]] = {}
    for record in records:
        for name, value in _numbers(record.value, "", is_flat):
            if value:
                fields.setdefault(name, []).append(record)
    return fields


#: A number that is not whole.
_FRACTION = re.compile(r"[+-]?[0-9]*[.eE]")
_CELL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")


def _numbers(value: Any, before: str, is_flat: bool) -> list[tuple[str, str]]:
    """Names and numbers of all fields of a record, also of tables within it."""
    numbers = []
    for name, inner in value.items():
        step = name if is_flat else f'"{name}"' if re.search(r"[.\[\]]", name) else name
        path = f"{before}{step}"
        if isinstance(inner, dict):
            numbers += _numbers(inner, f"{path}.", is_flat)
        elif is_flat and isinstance(inner, str):
            numbers.append((path, inner.strip() if _CELL.match(inner.strip()) else ""))
        elif '"' not in name and name:
            numbers.append((path, number_of(inner)))
    return numbers
