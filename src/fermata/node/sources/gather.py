"""All of a lab's figures of a period: from its table, its tools' files, and what was pushed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fermata.errors import ConfigError
from fermata.node.files import read_file
from fermata.node.sources.choose import Candidate, Choice, Figure, choose, shown_path
from fermata.node.sources.dates import bounds_ms
from fermata.node.sources.formats.documents import (
    NOTHING,
    number_of,
    path_steps,
    read_json,
    read_toml,
    value_at,
)
from fermata.node.sources.formats.yaml_text import read_yaml
from fermata.node.sources.kinds import COMPANIONS, DOCUMENTS, READERS
from fermata.node.sources.mapping import SourceText, is_same_unit, usable
from fermata.node.sources.paths import (
    SourceFile,
    find_files,
    read_companion,
    read_source,
    stamp_files,
)
from fermata.node.sources.readers.prometheus import read_prometheus
from fermata.node.sources.readers.pushed import pushed_path, read_pushed
from fermata.node.sources.readers.records import Record, explain, read_records, select
from fermata.node.sources.readers.scrape import scrape
from fermata.node.sources.readers.table import CSV_BYTES_MAX, read_table
from fermata.node.sources.reading import Reading, shown
from fermata.protocol.charter.encoding import encode_value
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.wire.ports import ClockMs
from fermata.protocol.wire.report_secrets import EvidenceFile, evidence_sha256

#: Of all files together that a report's figures come from: they are kept with the report.
EVIDENCE_BYTES_MAX = 40 * 1024 * 1024
#: A page is asked for again after so long, while the figure that it gave was refused.
SCRAPE_MS = 60_000

Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Figures of a period, why others are not there, and the files that they came from.

    ``unused``: metrics that have a source and that the round does not ask for.
    """

    figures: tuple[Figure, ...] = ()
    absent: tuple[str, ...] = ()
    files: tuple[SourceFile, ...] = ()
    unused: tuple[str, ...] = ()

    def check(self, metrics: Mapping[str, Metric]) -> None:
        """Refuses figures that the charter does not take, naming where each stands.

        Raises ConfigError METRIC_VALUE, METRIC_RANGE.
        """
        for figure in self.figures:
            if figure.metric in metrics:
                try:
                    encode_value(metrics[figure.metric], figure.value)
                except ConfigError as error:
                    place = f"{shown_path(figure.file)}: {shown(figure.field)}"
                    raise ConfigError(error.reason, f"{place}: {error}") from None

    def measurement(self) -> Measurement:
        """What is reported. Raises ConfigError METRICS_TWICE, SOURCE_SIZE."""
        values: dict[str, str] = {}
        for figure in self.figures:
            if figure.metric in values:
                raise ConfigError(
                    "METRICS_TWICE", f"{figure.metric}: stands in the metrics file and has a source"
                )
            values[figure.metric] = figure.value
        if sum(len(file.data) for file in self.files) > EVIDENCE_BYTES_MAX:
            raise ConfigError(
                "SOURCE_SIZE",
                f"the files of these figures are longer than {EVIDENCE_BYTES_MAX} bytes together;"
                " write logs without samples, or narrow the paths",
            )
        evidence = tuple(_evidence(self.files))
        return Measurement(values, evidence_sha256(evidence), evidence)


def _evidence(files: Sequence[SourceFile]) -> list[EvidenceFile]:
    """Files under their own names; where two have one, under the last parts of their paths."""
    names = [Path(file.name).name for file in files]
    evidence, taken = [], set(names)
    for file, name in zip(files, names, strict=True):
        if names.count(name) > 1:
            parent = Path(file.name).parent.name or "file"
            name, number = f"{parent}-{name}", 1
            while name in taken:
                number += 1
                name = f"{parent}-{number}-{Path(file.name).name}"
            taken.add(name)
        evidence.append(EvidenceFile(name, file.data))
    return evidence


@dataclass(eq=False)
class Sources:
    """A lab's sources; ``folder`` is the one of its configuration, ``pushed`` that of pushes.

    ``metrics`` is the lab's own table, or None.
    """

    folder: Path
    metrics: Path | None
    texts: Sequence[SourceText]
    pushed: Path
    cadence: str
    fetch: Fetch = scrape

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()

    def gather(self, period: str, metrics: Mapping[str, Metric]) -> Gathered:
        """What is there now for a period. Raises ConfigError.

        ``metrics``, by id, are those that the charter of the period's round gives the lab.
        """
        texts = usable(self.texts, metrics)
        if self.texts and not texts and self.metrics is None:
            # A slip in a name must not look like a lab that has nothing to report.
            raise ConfigError(
                "SOURCE_METRIC",
                f"{self.texts[0].metric}: the charter of this round gives the lab no metric of"
                " this name, nor of that of any other source",
            )
        figures: list[Figure] = []
        absent: list[str] = []
        files: list[SourceFile] = []
        if self.metrics is not None:
            table, readings = self._table(self.metrics)
            of_period = [r for r in readings if r.period == period]
            files += [table] if of_period else []
            absent += [] if of_period else [f"{self.metrics}: has no line for {period}"]
            name = str(self.metrics)
            _check_units(name, of_period, metrics)
            figures += [Figure(r.scores[0], name, r.field, r.text, r.text) for r in of_period]
        bounds = bounds_ms(self.cadence, period)
        kept: dict[tuple[str, str], SourceFile] = {}
        for text in texts:
            choice: Choice = choose(text, self._readings(text, period, kept), period, bounds)
            with_companions = [f for file in choice.files for f in (file, *file.companions)]
            files += [file for file in with_companions if file not in files]
            figures += [choice.figure] if choice.figure is not None else []
            absent += [] if choice.figure is not None else [f"{text.metric}: {choice.absent}"]
        unused = tuple(text.metric for text in self.texts if text not in texts)
        return Gathered(tuple(figures), tuple(absent), tuple(files), unused)

    def stamp(self, period: str, clock_ms: ClockMs) -> tuple[object, ...]:
        """What changes when the answer of ``gather`` may have."""
        paths = [self.metrics] if self.metrics is not None else []
        stamps: list[object] = []
        for text in self.texts:
            if text.kind == "push":
                paths.append(pushed_path(self.pushed, period))
            elif text.kind == "scrape":
                stamps.append(clock_ms() // SCRAPE_MS)
            else:
                try:
                    now = find_files(self.folder, text.path, period)
                    paths += now
                    if text.kind in COMPANIONS:
                        paths += [f for path in now for f in COMPANIONS[text.kind](path)[1]]
                except ConfigError as error:
                    stamps.append(str(error))
        return (*stamps, *stamp_files(paths))

    def _table(self, path: Path) -> tuple[SourceFile, list[Reading]]:
        try:
            data = read_file(path, CSV_BYTES_MAX)
        except ConfigError as error:
            raise ConfigError("METRICS_FILE", str(error)) from None
        return SourceFile(str(path), data), read_table(str(path), data, self.cadence)

    def _readings(
        self, text: SourceText, period: str, kept: dict[tuple[str, str], SourceFile]
    ) -> list[Candidate]:
        """All figures of a source, of every file of it. A file is read once, for all sources."""
        if text.kind == "scrape":
            key = ("scrape", text.url)
            if key not in kept:
                name = f"scrape-{text.metric}.txt"
                kept[key] = SourceFile(name, self.fetch(text.url))
            page = kept[key]
            return [Candidate(page, reading) for reading in read_prometheus(page.name, page.data)]
        if text.kind == "push":
            paths = [p for p in [pushed_path(self.pushed, period)] if p.exists()]
        else:
            paths = find_files(self.folder, text.path, period)
        candidates, wrong = [], ""
        for path in paths:
            # A file is read by a kind: some have others beside it.
            key = (text.kind if text.kind in COMPANIONS else "file", str(path))
            if key not in kept:
                kept[key] = self._read_file(text, path)
            file = kept[key]
            readings = self._read(text, file)
            if text.has_records and not readings:
                wrong = wrong or self._explain(text, file)
            candidates += [Candidate(file, reading) for reading in readings]
        if wrong and not candidates:
            raise ConfigError("SOURCE_FIELD", wrong)
        return candidates

    def _read_file(self, text: SourceText, path: Path) -> SourceFile:
        file = read_source(path, self.folder)
        if text.kind not in COMPANIONS:
            return file
        top, companion_files = COMPANIONS[text.kind](path)
        read = tuple(read_companion(companion, top, self.folder) for companion in companion_files)
        return replace(file, companions=read)

    def _read(self, text: SourceText, file: SourceFile) -> list[Reading]:
        if text.kind == "push":
            pushed = read_pushed(file.name, file.data)
            return [r for r in pushed if text.metric in r.scores]
        if text.has_records:
            return select(self._records(text, file), text.wanted)
        if text.kind == "csv":
            wanted = text.score or text.metric
            table = read_table(file.name, file.data, self.cadence)
            return [r for r in table if wanted in r.scores]
        if text.kind in DOCUMENTS:
            return [_at_path(text, file)]
        if text.kind in COMPANIONS:
            return READERS[text.kind](file.name, file.data, file.companions)
        return READERS[text.kind](file.name, file.data)

    def _records(self, text: SourceText, file: SourceFile) -> list[Record]:
        return read_records(text.kind, file.name, file.data, text.wanted)

    def _explain(self, text: SourceText, file: SourceFile) -> str:
        """Why no record of a file is chosen."""
        why = explain(self._records(text, file), text.wanted)
        return f"{text.metric}: {shown_path(file.name)}: {why}"


def _check_units(name: str, readings: Sequence[Reading], metrics: Mapping[str, Metric]) -> None:
    """Refuses figures of the lab's table that are in another unit than the charter's."""
    for reading in readings:
        metric = metrics.get(reading.scores[0])
        if reading.unit and metric is not None and not is_same_unit(reading.unit, metric.unit):
            raise ConfigError(
                "SOURCE_UNIT",
                f"{name} {reading.field}: {metric.id} is in {shown(reading.unit)}, and the charter"
                f" has it in {metric.unit}; convert the figure, or correct its unit",
            )


#: How each kind of document is read.
_DOCUMENTS: dict[str, Callable[[str, bytes], object]] = {
    "json": read_json,
    "toml": read_toml,
    "yaml": read_yaml,
}


def _at_path(text: SourceText, file: SourceFile) -> Reading:
    """The number at a path of a document. Raises ConfigError SOURCE_FIELD naming the way."""
    document = _DOCUMENTS[text.kind](file.name, file.data)
    value = value_at(document, path_steps(text.score) or ())
    if value is NOTHING:
        raise ConfigError(
            "SOURCE_FIELD", f"{text.metric}: {file.name}: has nothing at {text.score}"
        )
    return Reading(text.score, "", (text.score,), number_of(value))
