"""What a report of a panel proves, compiled from the charter (docs/spec/charter.md, claims).

The panel's metrics come first, then the further values that statistics need: squares and
products, one-hot bins, comparison bits. All of them are encrypted and summed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fermata.crypto.report.statements import (
    Equality,
    Product,
    Range,
    StatementSet,
    Value,
    comparison,
    compliance,
    linear_form,
    multiplication,
    one_hot,
)
from fermata.protocol.charter.metrics import SQUARED, Metric
from fermata.protocol.reprs import short_repr

#: What a slot holds: (kind, metric, detail). Kinds: value, square, product, bin, above.
Slot = tuple[str, str, int | str]


@short_repr()
@dataclass(frozen=True, slots=True)
class Claims:
    """A compiled panel: the proof statements, and what the value at each index is."""

    statements: StatementSet
    slots: tuple[Slot, ...]

    def index(self, kind: str, metric: str, detail: int | str = 0) -> int:
        """The index of a value. Raises KeyError if the panel does not have it."""
        try:
            return self.slots.index((kind, metric, detail))
        except ValueError:
            raise KeyError(kind) from None


def compile_claims(
    metrics: Sequence[Metric], range_base: int, headroom_bits: int, modulus_bits: int
) -> Claims:
    """The claims of a panel with these metrics.

    Raises InvalidEncoding STATEMENT_* for statements that cannot be proven.
    """
    return _Compiler(metrics, range_base).compile(headroom_bits, modulus_bits)


class _Compiler:
    def __init__(self, metrics: Sequence[Metric], range_base: int) -> None:
        self.metrics = metrics
        self.range_base = range_base
        self.slots: list[Slot] = []
        self.values: list[Value] = []
        self.ranges: list[Range] = []
        self.equalities: list[Equality] = []
        self.products: list[Product] = []
        self.bounds = {m.id: m.bound for m in metrics}

    def add(self, slot: Slot, bound: int) -> int:
        self.slots.append(slot)
        self.values.append(Value(bound))
        return len(self.slots) - 1

    def at(self, metric: str) -> int:
        return self.slots.index(("value", metric, 0))

    def metric(self, metric: Metric) -> None:
        x = self.at(metric.id)
        if SQUARED.intersection(metric.statistics):
            square = self.add(("square", metric.id, 0), metric.bound**2)
            self.products.append(multiplication(x, x, square))
        for other in metric.partners:
            both = self.add(("product", metric.id, other), metric.bound * self.bounds[other])
            self.products.append(multiplication(x, self.at(other), both))
        if metric.edges:
            self.histogram(x, metric)
        for threshold in metric.thresholds:
            bit = self.add(("above", metric.id, threshold), 1)
            self.ranges += comparison(x, bit, threshold, metric.bound, self.range_base or 2)

    def histogram(self, x: int, metric: Metric) -> None:
        """Adds one-hot bins h, and lo_i <= x <= hi_i for the bin with h_i = 1."""
        bins = bins_of(metric)
        hot = [self.add(("bin", metric.id, i), 1) for i in range(len(bins))]
        self.equalities.append(one_hot(hot))
        widest = max(high - low for low, high in bins)
        above = {x: 1} | {h: -low for h, (low, _) in zip(hot, bins, strict=True)}
        below = {x: -1} | {h: high for h, (_, high) in zip(hot, bins, strict=True)}
        self.ranges += [Range(linear_form(above), widest), Range(linear_form(below), widest)]

    def compile(self, headroom_bits: int, modulus_bits: int) -> Claims:
        for metric in self.metrics:
            self.add(("value", metric.id, 0), metric.bound)
        for metric in self.metrics:
            self.metric(metric)
        for metric in self.metrics:
            for limit in metric.limits:
                self.ranges.append(compliance(self.at(metric.id), limit))
            for other in metric.equal_to:
                form = linear_form({self.at(metric.id): 1, self.at(other): -1})
                self.equalities.append(Equality(form))
        statements = StatementSet(
            tuple(self.values),
            tuple(self.ranges),
            tuple(self.equalities),
            tuple(self.products),
            base=self.range_base,
            headroom_bits=headroom_bits,
            modulus_bits=modulus_bits,
        )
        return Claims(statements, tuple(self.slots))


def bins_of(metric: Metric) -> tuple[tuple[int, int], ...]:
    """Lowest and highest encoded value of each bin of a metric's histogram."""
    starts = (0, *metric.edges)
    stops = (*metric.edges, metric.bound + 1)
    return tuple((low, high - 1) for low, high in zip(starts, stops, strict=True))


def witness_of(
    claims: Claims, metrics: Sequence[Metric], encoded: Mapping[str, int]
) -> tuple[int, ...]:
    """All values that a report encrypts, in the order of ``claims.slots``.

    ``encoded`` has the encoded integer of every metric of the panel, by id.
    """
    bins = {m.id: bins_of(m) for m in metrics if m.edges}
    values = []
    for kind, metric, detail in claims.slots:
        x = encoded[metric]
        if kind == "value":
            values.append(x)
        elif kind == "square":
            values.append(x * x)
        elif kind == "product":
            values.append(x * encoded[str(detail)])
        elif kind == "bin":
            low, high = bins[metric][int(detail)]
            values.append(int(low <= x <= high))
        else:
            values.append(int(x >= int(detail)))
    return tuple(values)


def totals_of(claims: Claims, opened: Sequence[int]) -> dict[Slot, int]:
    """The sum of every value, by what it is a sum of.

    ``opened`` are the plaintexts of a cell's aggregates. Raises InvalidEncoding PACKING.
    """
    return dict(zip(claims.slots, claims.statements.packing.unpack(opened), strict=True))
