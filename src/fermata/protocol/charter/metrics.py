"""The charter's metrics, with the statistics, limits and duties that it asks of each."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from fermata.protocol.charter.toml_source import Strict, TomlSource
from fermata.protocol.reprs import short_repr

#: The report proof needs every encrypted value below 2^107 (docs/spec/proof.md).
VALUE_BITS_MAX = 107
TEXT_CHARACTERS_MAX = 200
BINS_MAX = 64
#: Statistics of one metric alone, and of a metric with another of its panel (``with``).
ALONE = ("sum", "mean", "count", "variance", "stddev", "concentration", "geometric-mean")
PAIRED = ("covariance", "weighted-mean", "ratio")
SQUARED = frozenset({"variance", "stddev", "concentration"})
#: Decimals of exponents that a geometric mean may have: 10^x stays a printable number.
LOG_LIMIT = 30

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
#: One spelling for each number up to trailing zeros; a negative zero comes out of an error only.
_DECIMAL = re.compile(r"(?!-0(\.0+)?\Z)-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?\Z")


class MetricText(Strict, frozen=True):
    id: str
    panel: str
    unit: str
    min: str
    max: str
    resolution: str
    quantity: str = ""
    method: str = ""


class AggregateText(Strict, frozen=True, rename={"with_": "with"}):
    """``with_``: the other metric of paired statistics (the key is ``with``)."""

    metric: str
    statistics: tuple[str, ...] = ()
    with_: str = ""
    histogram: tuple[str, ...] = ()
    count_above: tuple[str, ...] = ()


class DutyText(Strict, frozen=True):
    """``metric <= at_most``, which reports of a pause prove if the lab keeps it."""

    metric: str
    at_most: str


class StatementText(Strict, frozen=True):
    """``metric <= at_most``, or ``metric = equals``, proven by every report of the panel."""

    metric: str
    at_most: str = ""
    equals: str = ""


@short_repr()
@dataclass(frozen=True, slots=True)
class Metric:
    """One figure: a decimal in [minimum, maximum] on a grid of ``resolution``.

    ``bound`` is the integer B of docs/spec/proof.md: the encoded value lies in 0..B. ``edges``
    (each the lowest value of the next bin), ``thresholds`` of counts above, ``limits`` that every
    report must keep and ``duties`` that labs are to keep in a pause are encoded in the same way.
    ``paired`` has pairs of a statistic and the other metric's id, ``equal_to`` the ids of metrics
    that must be equal to this one. ``quantity`` names what is measured, where other metrics could
    measure the same.
    """

    id: str
    panel: str
    unit: str
    minimum: Decimal
    maximum: Decimal
    resolution: Decimal
    bound: int
    statistics: tuple[str, ...] = ()
    paired: tuple[tuple[str, str], ...] = ()
    edges: tuple[int, ...] = ()
    thresholds: tuple[int, ...] = ()
    limits: tuple[int, ...] = ()
    equal_to: tuple[str, ...] = ()
    duties: tuple[int, ...] = ()
    quantity: str = ""

    @property
    def partners(self) -> tuple[str, ...]:
        """The other metrics that a product with this one is needed for, each once."""
        needs = [other for statistic, other in self.paired if statistic != "ratio"]
        return tuple(dict.fromkeys(needs))

    def decode(self, encoded: int) -> Decimal:
        """The value that an encoded integer stands for."""
        with localcontext(prec=100):
            return self.minimum + encoded * self.resolution


def check_previous(source: TomlSource, text: str) -> None:
    """C1.5: nothing, or a charter's hash as a later charter names it. Raises ConfigError."""
    if text and not re.fullmatch("[0-9a-f]{64}", text):
        source.fail("previous", "must be the hash of the charter that it changes: 64 of 0-9 a-f")


def check_id(source: TomlSource, path: str, value: str) -> None:
    """Checks that an id is safe in file names, certificates and log lines.

    Raises ConfigError with the line.
    """
    if not _ID.match(value):
        source.fail(path, "must be 1 to 40 of a-z, 0-9 and -, with no - at the ends")


def is_plain_text(value: str, characters_max: int) -> bool:
    """Whether a text is printable, in Unicode's form NFC, and not too long.

    Then texts that look alike are equal, and nothing in them moves a terminal's cursor.
    """
    plain = unicodedata.normalize("NFC", value).strip() == value and value.isprintable()
    return plain and len(value) <= characters_max


def check_text(source: TomlSource, path: str, value: str) -> None:
    """Checks a text that people read in a charter. Raises ConfigError with the line."""
    if not is_plain_text(value, TEXT_CHARACTERS_MAX):
        source.fail(
            path,
            f"must be at most {TEXT_CHARACTERS_MAX} printable characters in Unicode's form NFC,"
            " without spaces at the ends",
        )


def read_decimal(source: TomlSource, path: str, value: str) -> Decimal:
    """The number that a decimal in plain notation stands for. Raises ConfigError with the line."""
    if not _DECIMAL.match(value):
        source.fail(path, 'must be a plain decimal in quotes, such as "0.001"')
    return Decimal(value)


def read_metrics(
    source: TomlSource,
    metrics: list[MetricText],
    aggregates: list[AggregateText],
    statements: Sequence[StatementText],
    duties: Sequence[DutyText] = (),
) -> list[Metric]:
    """The charter's metrics, with their statistics, limits and duties, in the file's order.

    Raises ConfigError with the line.
    """
    panels = {m.id: m.panel for m in metrics}
    asked: dict[str, tuple[str, AggregateText]] = {}
    for index, aggregate in enumerate(aggregates):
        path = f"aggregate[{index}]"
        with source.part():
            # C9.1.
            if aggregate.metric not in panels:
                source.fail_unknown(f"{path}.metric", "a metric", aggregate.metric)
            # C9.2: one answer to what is asked of a metric.
            if aggregate.metric in asked:
                what = f"{aggregate.metric} must have only one [[aggregate]]"
                source.fail(f"{path}.metric", what)
            _check_statistics(source, path, aggregate, panels)
            asked[aggregate.metric] = (path, aggregate)
    read = []
    for index, text in enumerate(metrics):
        with source.part():
            metric = _metric(source, index, text)
            path, wanted = asked.get(text.id, ("", AggregateText(text.id)))
            read.append(_with_aggregate(source, path, metric, wanted))
    return _with_duties(source, _with_statements(source, read, statements), duties)


def _check_statistics(
    source: TomlSource, path: str, text: AggregateText, panels: dict[str, str]
) -> None:
    known = (*ALONE, *PAIRED)
    # C9.3.
    if any(s not in known for s in text.statistics):
        source.fail(f"{path}.statistics", f"must be some of {', '.join(known)}")
    # C9.4.
    if len(set(text.statistics)) != len(text.statistics):
        source.fail(f"{path}.statistics", "must name each statistic once")
    # C9.5.
    if not (text.statistics or text.histogram or text.count_above):
        source.fail(f"{path}.statistics", "must name a statistic, or add histogram or count_above")
    pairs = [s for s in text.statistics if s in PAIRED]
    # C9.6.
    if bool(pairs) != bool(text.with_):
        source.fail(f"{path}.with", f"must be there for {', '.join(PAIRED)}, and only for them")
    # C9.7: a product is proven within one panel.
    if pairs and (text.with_ == text.metric or panels.get(text.with_) != panels[text.metric]):
        source.fail(f"{path}.with", "must be another metric of the same panel")


def _metric(source: TomlSource, index: int, text: MetricText) -> Metric:
    path = f"metric[{index}]"
    # C6.1.
    check_id(source, f"{path}.id", text.id)
    # C6.2: what is printed must not harm a screen.
    check_text(source, f"{path}.unit", text.unit)
    check_text(source, f"{path}.quantity", text.quantity)
    check_text(source, f"{path}.method", text.method)
    # C6.3: one number, one spelling.
    low = read_decimal(source, f"{path}.min", text.min)
    high = read_decimal(source, f"{path}.max", text.max)
    step = read_decimal(source, f"{path}.resolution", text.resolution)
    # C6.4.
    if step <= 0:
        source.fail(f"{path}.resolution", "must be above 0")
    # C6.5.
    if high <= low:
        source.fail(f"{path}.max", "must be above min")
    # The default context rounds to 28 digits, and raises where a quotient has more.
    with localcontext(prec=100):
        # C6.6: no figure rounds out of its range.
        if (high - low) % step != 0 or low % step != 0:
            source.fail(f"{path}.resolution", "must divide min and max - min exactly")
        bound = int((high - low) / step)
    # C6.7: responses of a proof must not wrap.
    if bound.bit_length() > VALUE_BITS_MAX:
        source.fail(
            f"{path}.resolution",
            f"must give values of at most {VALUE_BITS_MAX} bits, got {bound.bit_length()}",
        )
    return Metric(text.id, text.panel, text.unit, low, high, step, bound, quantity=text.quantity)


def encode_limit(source: TomlSource, path: str, metric: Metric, value: str) -> int:
    """The encoded integer of an edge or a limit of a metric, from 1 to its bound.

    Raises ConfigError with the line unless the decimal is on the metric's grid, above min and at
    most max.
    """
    number = read_decimal(source, path, value)
    with localcontext(prec=100):
        steps = (number - metric.minimum) / metric.resolution
        # C9.8: nothing is in a bin beside the grid.
        if steps != int(steps) or not 0 < steps <= metric.bound:
            source.fail(
                path,
                f"must be above min, at most max and a multiple of the resolution of {metric.id},"
                f" got {value}",
            )
        return int(steps)


def _with_aggregate(source: TomlSource, path: str, metric: Metric, text: AggregateText) -> Metric:
    edges = tuple(encode_limit(source, f"{path}.histogram", metric, e) for e in text.histogram)
    above = tuple(encode_limit(source, f"{path}.count_above", metric, t) for t in text.count_above)
    for key, numbers in (("histogram", edges), ("count_above", above)):
        # C9.9: no bin twice.
        if list(numbers) != sorted(set(numbers)) or len(numbers) >= BINS_MAX:
            source.fail(f"{path}.{key}", f"must be in rising order, with fewer than {BINS_MAX}")
    squares = SQUARED.intersection(text.statistics)
    # C9.10: as C6.7.
    if squares and 2 * metric.bound.bit_length() > VALUE_BITS_MAX:
        source.fail(
            f"{path}.statistics",
            f"must have squares of at most {VALUE_BITS_MAX} bits; use a coarser resolution",
        )
    too_long = max(abs(metric.minimum), abs(metric.maximum)) > LOG_LIMIT
    # C9.11: 10^x must stay a number that can be printed.
    if "geometric-mean" in text.statistics and too_long:
        source.fail(
            f"{path}.statistics",
            f"geometric-mean needs log10 values from -{LOG_LIMIT} to {LOG_LIMIT}",
        )
    return replace(
        metric,
        statistics=tuple(s for s in text.statistics if s in ALONE),
        paired=tuple((s, text.with_) for s in text.statistics if s in PAIRED),
        edges=edges,
        thresholds=above,
    )


def _with_statements(
    source: TomlSource, metrics: list[Metric], statements: Sequence[StatementText]
) -> list[Metric]:
    by_id = {m.id: m for m in metrics}
    limits: dict[str, list[int]] = {}
    equal: dict[str, list[str]] = {}
    for index, text in enumerate(statements):
        path = f"statement[{index}]"
        metric = by_id.get(text.metric)
        # C9a.1.
        if metric is None:
            source.fail_unknown(f"{path}.metric", "a metric", text.metric)
        # C9a.2.
        if bool(text.at_most) == bool(text.equals):
            source.fail(path, "must have at_most or equals, and not both")
        if text.at_most:
            # C9a.3.
            limit = encode_limit(source, f"{path}.at_most", metric, text.at_most)
            limits.setdefault(metric.id, []).append(limit)
            continue
        other = by_id.get(text.equals)
        # C9a.4: else equal integers would be other figures.
        if other is None or other.id == metric.id or not _same_grid(metric, other):
            source.fail(
                f"{path}.equals",
                "must be another metric of the panel, with the same min and resolution",
            )
        equal.setdefault(metric.id, []).append(other.id)
    return [
        replace(m, limits=tuple(limits.get(m.id, ())), equal_to=tuple(equal.get(m.id, ())))
        for m in metrics
    ]


def _with_duties(
    source: TomlSource, metrics: list[Metric], duties: Sequence[DutyText]
) -> list[Metric]:
    by_id = {m.id: m for m in metrics}
    for index, text in enumerate(duties):
        path = f"duty[{index}]"
        metric = by_id.get(text.metric)
        # S2.1.
        if metric is None:
            source.fail_unknown(f"{path}.metric", "a metric", text.metric)
        # S2.2: the smaller of two would be the duty, and the larger mislead.
        if metric.duties:
            source.fail(f"{path}.metric", f"{metric.id} must have only one [[duty]]")
        # S2.3.
        limit = encode_limit(source, f"{path}.at_most", metric, text.at_most)
        # S2.4: a duty that everyone keeps shows nothing.
        if limit == metric.bound or any(known <= limit for known in metric.limits):
            source.fail(f"{path}.at_most", "must be below what every report proves already")
        by_id[metric.id] = replace(metric, duties=(limit,))
    return [by_id[m.id] for m in metrics]


def _same_grid(a: Metric, b: Metric) -> bool:
    return (a.panel, a.minimum, a.resolution) == (b.panel, b.minimum, b.resolution)
