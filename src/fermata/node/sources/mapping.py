"""``[[lab.source]]`` in a lab's configuration: which figure of which file is which metric."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from fermata.errors import ConfigError
from fermata.node.sources.formats.documents import path_steps
from fermata.node.sources.kinds import DOCUMENTS, KINDS, RECORDS, SERIES, UNDATED
from fermata.node.sources.paths import PERIOD, path_fault
from fermata.node.sources.readers import helm, prometheus
from fermata.node.sources.readers.records import Wanted
from fermata.node.sources.readers.scrape import url_fault
from fermata.node.sources.reading import Reading, shown
from fermata.protocol.charter.metrics import Metric, check_id
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.toml_source import Strict, TomlSource

AGGREGATIONS = ("only", "latest", "max", "min", "mean", "count")
INCOMPLETE = ("refuse", "skip")
#: How a figure's period is known: from its own time, from the path, or it is always the current.
PERIODS = ("run-date", "path", "current")
#: Units with a known ratio: what a number is multiplied by to get from one to the other.
_RATIOS = {("percent", "fraction"): Decimal("0.01"), ("fraction", "percent"): Decimal(100)}
_SCALE = re.compile(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?\Z")
_NAME_CHARACTERS_MAX = 300


class SourceText(Strict, frozen=True):
    """One table: the metric, where its figure is, and how to choose when there are several.

    ``accept_unnamed`` and ``accept_uncounted``: the lab answers for what the file does not say,
    which model was evaluated, and that all samples of the data set were scored. ``where`` (fields,
    and the texts that they must have), ``column`` and the fields that end in ``_at`` are for
    records; ``samples`` is how many samples the data set has, where the file does not say it.
    """

    metric: str
    kind: str
    unit: str
    path: str = ""
    url: str = ""
    task: str = ""
    score: str = ""
    model: str = ""
    aggregation: str = "only"
    period: str = ""
    scale: str = ""
    incomplete: str = "refuse"
    accept_unnamed: bool = False
    accept_uncounted: bool = False
    where: dict[str, str] = msgspec.field(default_factory=dict)
    column: str = ""
    model_at: str = ""
    time_at: str = ""
    scored_at: str = ""
    samples_at: str = ""
    samples: int = 0

    @property
    def is_own(self) -> bool:
        """Whether the lab itself states its figures; no tool's file stands between."""
        return self.kind == "push" or (self.kind == "csv" and not self.column)

    @property
    def has_records(self) -> bool:
        """Whether the figures are fields of records, which ``wanted`` chooses."""
        is_chosen = {"csv": bool(self.column), "yaml": bool(self.where)}
        return self.kind in RECORDS and is_chosen.get(self.kind, True)

    @property
    def is_mean_of_records(self) -> bool:
        """Whether each record is one sample, and the figure their mean."""
        return self.has_records and self.aggregation == "mean"

    @property
    def wanted(self) -> Wanted:
        """The records and fields that are asked for."""
        is_flat = self.kind == "csv"
        score = self.column if is_flat else self.score
        fields = self.model_at, self.time_at, self.scored_at, self.samples_at
        return Wanted(self.where, score, *fields, is_flat)

    @property
    def place(self) -> str:
        """The path or URL, for messages."""
        return self.path or self.url or "pushed"

    @property
    def period_rule(self) -> str:
        """``period``, or what goes without saying for the kind."""
        if self.period:
            return self.period
        return "path" if PERIOD in self.path else "run-date"

    @property
    def factor(self) -> Decimal:
        """What the number in the file is multiplied by."""
        return Decimal(self.scale) if self.scale else Decimal(1)


def check_sources(
    source: TomlSource, texts: Sequence[SourceText], charter: Charter, lab: str
) -> None:
    """Checks the tables against each other, and those of known metrics against the charter.

    A metric may have come by an amendment that only the log knows, so one that the charter does not
    have is not an error here: ``usable`` decides for each round. Raises ConfigError CONFIG with the
    line of what is wrong.
    """
    metrics = charter.metrics_of(lab)
    seen: set[str] = set()
    for index, text in enumerate(texts):
        path = f"lab.source[{index}]"
        check_id(source, f"{path}.metric", text.metric)
        if text.metric in seen:
            source.fail(f"{path}.metric", f"{text.metric} has a source already")
        seen.add(text.metric)
        for key, known in (("kind", KINDS), ("aggregation", AGGREGATIONS),
                           ("incomplete", INCOMPLETE)):  # fmt: skip
            if getattr(text, key) not in known:
                source.fail(f"{path}.{key}", f"must be one of {', '.join(known)}")
        for key in ("task", "score", "unit", "model"):
            _check_short(source, f"{path}.{key}", [getattr(text, key)])
        _check_place(source, path, text)
        _check_names(source, path, text)
        _check_period(source, path, text, charter.cadence)
        fault = _unit_fault(text, metrics.get(text.metric))
        if fault is not None:
            source.fail(f"{path}.{fault[0]}", fault[1])


def usable(texts: Sequence[SourceText], metrics: Mapping[str, Metric]) -> list[SourceText]:
    """The sources of metrics that a round asks for, by id, in the configuration's order.

    Raises ConfigError SOURCE_UNIT for one in another unit than the charter's.
    """
    wanted = [text for text in texts if text.metric in metrics]
    for text in wanted:
        fault = _unit_fault(text, metrics[text.metric])
        if fault is not None:
            raise ConfigError("SOURCE_UNIT", f"{text.metric}: {fault[0]}: {fault[1]}")
    return wanted


def _check_place(source: TomlSource, path: str, text: SourceText) -> None:
    needs_url, needs_path = text.kind == "scrape", text.kind not in ("scrape", "push")
    for key, is_needed in (("path", needs_path), ("url", needs_url)):
        if bool(getattr(text, key)) != is_needed:
            wants = "needs" if is_needed else "has no"
            source.fail(f"{path}.{key}", f"kind {text.kind} {wants} {key}")
    fault = path_fault(text.path) if needs_path else url_fault(text.url) if needs_url else ""
    if fault:
        source.fail(f"{path}.{'path' if needs_path else 'url'}", fault)


def _check_names(source: TomlSource, path: str, text: SourceText) -> None:
    is_sample, is_nameless = text.kind in SERIES, text.kind in (*DOCUMENTS, "jsonl", "csv", "push")
    if text.kind in DOCUMENTS and not text.has_records and path_steps(text.score) is None:
        source.fail(f"{path}.score", 'must be the way to a number, such as results."a.b".value')
    if is_sample and prometheus.read_selector(text.score) is None:
        source.fail(f"{path}.score", 'must be a series, such as eval_score{task="a"}')
    if text.task and (is_sample or is_nameless):
        source.fail(f"{path}.task", f"kind {text.kind} has no task")
    if text.is_own and (text.model or text.accept_unnamed or text.accept_uncounted):
        source.fail(
            f"{path}.kind",
            f"kind {text.kind} holds the lab's own figures: it has no model, accept_unnamed or"
            " accept_uncounted",
        )
    if text.kind == "push" and (text.score or text.aggregation != "only"):
        source.fail(f"{path}.kind", "kind push has neither score nor aggregation")
    _check_records(source, path, text)


def _check_records(source: TomlSource, path: str, text: SourceText) -> None:
    """Checks the keys that are for records alone."""
    for key in ("where", "column", "model_at", "time_at", "scored_at", "samples_at"):
        value = getattr(text, key)
        if not value:
            continue
        if not text.has_records or (key == "column" and text.kind != "csv"):
            needs = "; kind csv takes it with column" if text.kind == "csv" else ""
            source.fail(f"{path}.{key}", f"kind {text.kind} has no {key} here{needs}")
        for name in value if key == "where" else [value]:
            if text.kind != "csv" and path_steps(name) is None:
                source.fail(f"{path}.{key}", f"{shown(name)} must be the way to a field")
        _check_short(
            source, f"{path}.{key}", [*value, *value.values()] if key == "where" else [value]
        )
    if text.samples < 0:
        source.fail(f"{path}.samples", "must be the number of samples of the data set")
    if text.samples and (text.is_own or text.aggregation == "count"):
        source.fail(f"{path}.samples", "is only for figures that are of all samples")
    if bool(text.scored_at) != bool(text.samples_at) and not (text.scored_at and text.samples):
        source.fail(f"{path}.scored_at", "must stand with samples_at, or with samples")
    if not text.has_records:
        if text.aggregation == "count":
            source.fail(
                f"{path}.aggregation", "count is for records: jsonl, or yaml and csv with where"
            )
        return
    is_count = text.aggregation == "count"
    if text.kind == "csv" and text.score:
        source.fail(f"{path}.score", "kind csv with column has no score")
    if text.kind != "csv" and is_count == bool(text.score):
        wants = (
            "counts records, so it has no score" if is_count else "needs score, the way to a number"
        )
        source.fail(f"{path}.score", f"{'count' if is_count else 'kind ' + text.kind} {wants}")
    if text.score and path_steps(text.score) is None:
        source.fail(f"{path}.score", 'must be the way to a number, such as results."a.b".value')
    if is_count and not text.where:
        source.fail(f"{path}.where", "must say which records count")


def _check_short(source: TomlSource, path: str, values: Sequence[str]) -> None:
    if any(not v.isprintable() or len(v) > _NAME_CHARACTERS_MAX for v in values):
        source.fail(path, "must be short, of printable characters")


def _check_period(source: TomlSource, path: str, text: SourceText, cadence: str) -> None:
    if text.is_own:
        if text.period or PERIOD in text.path:
            source.fail(f"{path}.period", f"kind {text.kind} names the period with each figure")
        return
    rule = text.period_rule
    if rule not in PERIODS:
        source.fail(f"{path}.period", f"must be one of {', '.join(PERIODS)}")
    if (rule == "path") != (PERIOD in text.path):
        source.fail(f"{path}.path", "{period} stands in the path if, and only if, period is path")
    if rule != "run-date":
        return
    is_undated = text.kind in UNDATED or (text.kind == "yaml" and not text.has_records)
    if cadence == "number" or is_undated or text.kind == "scrape":
        why = "the charter's periods have no dates"
        if cadence != "number":
            why = f"kind {text.kind} does not say when a figure was measured"
        choice = 'period = "current"' + ("" if text.url else " or {period} in the path")
        source.fail(f"{path}.period", f"{why}: it needs {choice}")


def _unit_fault(text: SourceText, metric: Metric | None) -> tuple[str, str] | None:
    """The key, and what is wrong with it, of a source whose unit is not the charter's."""
    if text.scale and (not _SCALE.match(text.scale) or not Decimal(text.scale)):
        return "scale", 'must be a decimal above 0 in quotes, such as "0.01"'
    if metric is None:
        return None
    ours, theirs = _word(text.unit), unit_of(metric.unit)
    is_same = is_same_unit(text.unit, metric.unit)
    if is_same and text.factor != 1:
        return "scale", f"the units agree ({metric.unit}), so there is none"
    ratio = _RATIOS.get((ours, theirs))
    if not is_same and ratio is None and not text.scale:
        return (
            "unit",
            f"is not the charter's ({metric.unit}); say by scale what one is of the other",
        )
    if ratio is not None and text.factor != ratio:
        return "scale", f'from {text.unit} to {metric.unit} it is "{ratio}"'
    return None


def is_same_unit(ours: str, theirs: str) -> bool:
    """Whether the unit of a file is the charter's.

    A word alone is any fraction; several words are that unit and no other.
    """
    return ours == theirs or _word(ours) == unit_of(theirs)


def _word(unit: str) -> str:
    return unit if " " in unit else unit_of(unit)


def unit_of(unit: str) -> str:
    """A unit in a word, where several are in use for one."""
    first = unit.partition(" ")[0].lower()
    # Alone, it is what Prometheus has for a fraction; a ratio of something is another unit.
    if first in ("fraction", "proportion") or unit == "ratio":
        return "fraction"
    return "percent" if first in ("percent", "percentage", "%") else unit


def is_task(text: SourceText, reading: Reading) -> bool:
    """Whether a figure is of the task that is asked for; every one is of none."""
    if text.kind == "helm":
        return not text.task or helm.is_run(reading.task, text.task)
    return not text.task or text.task == reading.task


def is_score(text: SourceText, reading: Reading) -> bool:
    """Whether a figure is the score that is asked for."""
    if text.kind in SERIES:
        return any(prometheus.is_selected(series, text.score) for series in reading.scores)
    return reading.is_score(text.score)
