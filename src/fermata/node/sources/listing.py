"""All that can be read in a file, for a person who writes a ``[[lab.source]]``; never a value."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermata.errors import ConfigError
from fermata.node.sources.choose import is_number
from fermata.node.sources.formats.documents import number_of, path_text, read_json, read_toml
from fermata.node.sources.formats.yaml_text import read_yaml
from fermata.node.sources.kinds import COMPANIONS, READERS
from fermata.node.sources.paths import SourceFile, read_companion, read_source
from fermata.node.sources.readers.pushed import read_pushed
from fermata.node.sources.readers.records import Wanted, field_names, read_records, select
from fermata.node.sources.readers.table import read_table
from fermata.node.sources.reading import Reading, choices

#: Rows of one file; more are of no use to a person, and a program reads the file itself.
LISTED_MAX = 2000
CADENCES = ("quarter", "month", "number")
_FORMS = ("json", "jsonl", "toml", "yaml", "csv")
#: What a name says that a file should be; only of what no reader takes.
_SUFFIXES = {
    ".csv": "csv", ".db": "mlflow", ".eval": "inspect", ".json": "json", ".jsonl": "jsonl",
    ".md": "model-card", ".prom": "prometheus", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """One figure that a configuration could ask for, or one field of several records.

    ``names`` are what ``score`` (``column`` for rows of CSV) may be. ``records`` is how many
    records have the field, 0 for a figure that is not in records; ``models`` are those of all of
    them. ``note`` says why it would be refused as it is, empty if nothing in the file does.
    """

    kind: str
    place: str
    task: str
    names: tuple[str, ...]
    models: tuple[str, ...]
    unit: str = ""
    scored: int | None = None
    samples: int | None = None
    completed_ms: int | None = None
    period: str = ""
    records: int = 0
    note: str = ""


def list_file(path: Path, folder: Path, kind: str = "") -> list[Listed]:
    """What a file has, by the reader of ``kind``, or else by every reader that takes it.

    A general form is tried only if the file is not one of a tool. Raises ConfigError: of ``kind``
    what its reader says; SOURCE_FORMAT or SOURCE_VERSION if no reader takes the file.
    """
    readers = _readers(path, folder)
    if kind:
        return _bounded(path, readers[kind](_read(path, folder, kind)))
    versions: list[ConfigError] = []
    listed: list[Listed] = []
    for name, reader in readers.items():
        if listed and name in _FORMS:
            break
        try:
            listed += reader(_read(path, folder, name))
        except ConfigError as error:
            if not error.reason.startswith("SOURCE_"):
                raise
            # A version that stands in the file says whose it is; one that is missing says nothing.
            if error.reason == "SOURCE_VERSION" and " is missing" not in str(error):
                versions.append(error)
        if name in READERS and versions:
            raise versions[0]
    if not listed:
        meant = _SUFFIXES.get(path.suffix.lower(), "")
        if meant:
            return _bounded(path, readers[meant](_read(path, folder, meant)))
        raise ConfigError(
            "SOURCE_FORMAT", f"{path}: no reader takes it; give --kind to see what is wrong"
        )
    return _bounded(path, listed)


def kinds() -> tuple[str, ...]:
    """The kinds that a file can be read as."""
    return (*READERS, "push", *_FORMS)


def _bounded(path: Path, listed: list[Listed]) -> list[Listed]:
    if not listed:
        raise ConfigError("SOURCE_FORMAT", f"{path}: has no number that could be a figure")
    if len(listed) > LISTED_MAX:
        raise ConfigError(
            "SOURCE_SIZE", f"{path}: has {len(listed)} figures, more than {LISTED_MAX} to list"
        )
    return listed


def _read(path: Path, folder: Path, kind: str) -> SourceFile:
    file = read_source(path, folder)
    if kind not in COMPANIONS:
        return file
    top, companion_files = COMPANIONS[kind](path)
    companions = tuple(read_companion(companion, top, folder) for companion in companion_files)
    return SourceFile(file.name, file.data, companions)


def _readers(path: Path, folder: Path) -> dict[str, Callable[[SourceFile], list[Listed]]]:
    """How each kind is listed, the tools' own before the general forms."""

    def tool(kind: str) -> Callable[[SourceFile], list[Listed]]:
        def listed(file: SourceFile) -> list[Listed]:
            more = [file.companions] if kind in COMPANIONS else []
            return [_figure(kind, r) for r in READERS[kind](file.name, file.data, *more)]

        return listed

    return {
        **{kind: tool(kind) for kind in READERS},
        "push": lambda file: [_figure("push", r) for r in read_pushed(file.name, file.data)],
        "json": lambda file: _document("json", read_json(file.name, file.data)),
        "jsonl": lambda file: _records("jsonl", file),
        "toml": lambda file: _document("toml", read_toml(file.name, file.data)),
        "yaml": _yaml,
        "csv": _csv,
    }


def _figure(kind: str, reading: Reading) -> Listed:
    note = reading.unfinished or ("" if is_number(reading.text) else "is not a finite number")
    return Listed(
        kind,
        reading.field,
        reading.task,
        reading.scores,
        (reading.model,) if reading.model else (),
        reading.unit,
        reading.scored,
        reading.samples,
        reading.completed_ms,
        reading.period,
        note=note,
    )


def _document(kind: str, document: Any) -> list[Listed]:
    return [Listed(kind, path, "", (path,), ()) for path in _paths(document, ())]


def _paths(value: Any, before: tuple[str, ...]) -> Iterator[str]:
    """The paths of all numbers of a document that can be written in a configuration."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = ((str(index), item) for index, item in enumerate(value))
    elif number_of(value) and before and path_text(before):
        yield path_text(before)
    for key, item in inner:
        yield from _paths(item, (*before, key))


def _yaml(file: SourceFile) -> list[Listed]:
    document = read_yaml(file.name, file.data)
    if isinstance(document, list) and all(isinstance(item, dict) for item in document):
        return _records("yaml", file)
    return _document("yaml", document)


def _csv(file: SourceFile) -> list[Listed]:
    """The lab's own table by its columns, or the columns of another one that have numbers."""
    for cadence in CADENCES:
        try:
            return [_figure("csv", r) for r in read_table(file.name, file.data, cadence)]
        except ConfigError:
            continue
    return _records("csv", file)


def _records(kind: str, file: SourceFile) -> list[Listed]:
    """The fields with numbers, each over all records that have one."""
    records = read_records(kind, file.name, file.data)
    is_flat = kind == "csv"
    listed = []
    for name, having in field_names(records, is_flat).items():
        readings = select(having, Wanted({}, name, is_flat=is_flat))
        models = tuple(sorted({reading.model for reading in readings if reading.model}))
        notes = choices(reading.unfinished for reading in readings)
        times = [r.completed_ms for r in readings if r.completed_ms is not None]
        only = readings[0] if len(readings) == 1 else None
        place = only.field if only else f"{len(readings)} records"
        counts = (only.scored, only.samples) if only else (None, None)
        newest = max(times, default=None)
        listed.append(
            Listed(kind, place, "", (name,), models, "", *counts, newest,
                   records=len(readings), note=notes)
        )  # fmt: skip
    return listed
