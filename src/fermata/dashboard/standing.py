"""A lab's place among the others of a round, in words, from its own values and the results.

All of it stays with the lab: its values come in as integers and go out as sentences.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from fermata.protocol.charter.claims import bins_of
from fermata.protocol.charter.encoding import decimal_text, fraction_text
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.rules.result_names import spans_of
from fermata.protocol.state.state import Close, Opening, Result, Round
from fermata.summary.words import count_text

_QUARTILES = ("quartile-1-bin", "median-bin", "quartile-3-bin")


@dataclass(frozen=True, slots=True)
class Standing:
    """A lab's place in one metric. Both texts are as private as its value."""

    metric: str
    value: str = field(repr=False)
    sentences: tuple[str, ...] = field(repr=False)


def standings_of(
    charter: Charter, round_: Round, lab: str, encoded: Mapping[str, int]
) -> tuple[Standing, ...]:
    """The lab's places in an opened round, by metric, from its values as integers 0..B.

    It leaves out metrics without a value, and those of panels in whose sums the lab's figure is not
    of this round.
    """
    close, opening = round_.close, round_.opening
    if close is None or opening is None:
        return ()
    places = []
    for panel in charter.panels:
        if (lab, round_.number) in close.panel_figures(panel.id):
            metrics = [m for m in panel.metrics if m.id in encoded]
            places += [_standing(panel, m, encoded[m.id], close, opening) for m in metrics]
    return tuple(places)


def _standing(
    panel: Panel, metric: Metric, encoded: int, close: Close, opening: Opening
) -> Standing:
    said = {r.statistic: r for r in opening.results if r.metric == metric.id and not r.group}
    value, count = Fraction(metric.decode(encoded)), len(close.panel_labs(panel.id))
    sentences = [
        *_share(metric, value, said),
        *_beside_mean(value, said),
        *_bin(metric, encoded, said),
        *_above(metric, encoded, said, count),
    ]
    return Standing(metric.id, decimal_text(metric.decode(encoded)), tuple(sentences))


def _share(metric: Metric, value: Fraction, said: Mapping[str, Result]) -> list[str]:
    """The lab's share of the sum, which has a meaning only if no value can be below 0."""
    total = said.get("sum")
    if total is None or not total.value or metric.minimum < 0:
        return []
    percent = fraction_text(100 * value / total.value, 1)
    return [f"{percent} % of the sum, {total.text} {metric.unit}".rstrip()]


def _beside_mean(value: Fraction, said: Mapping[str, Result]) -> list[str]:
    mean = said.get("mean")
    if mean is None:
        return []
    if value == mean.value:
        return [f"at the mean, {mean.text}"]
    side = "above" if value > mean.value else "below"
    deviation = said.get("stddev")
    if deviation is None or not deviation.value:
        return [f"{side} the mean, {mean.text}"]
    times = fraction_text(abs(value - mean.value) / deviation.value, 1)
    return [f"{side} the mean, {mean.text}, by {times} standard deviations"]


def _bin(metric: Metric, encoded: int, said: Mapping[str, Result]) -> list[str]:
    spans = spans_of(metric)
    if not metric.edges or any(f"bin:{span}" not in said for span in spans):
        return []
    index = next(i for i, (low, high) in enumerate(bins_of(metric)) if low <= encoded <= high)
    counts = [int(said[f"bin:{span}"].value) for span in spans]
    sentences = [
        f"in the bin {spans[index]}, as {count_text(counts[index], 'lab')} of the round;"
        f" {count_text(sum(counts[:index]), 'lab')} in lower bins,"
        f" {count_text(sum(counts[index + 1 :]), 'lab')} in higher"
    ]
    if all(name in said for name in _QUARTILES):
        sentences.append(_quarter(index, [spans.index(said[name].text) for name in _QUARTILES]))
    return sentences


def _quarter(index: int, quartiles: list[int]) -> str:
    """The quarter of the labs; bins tell it exactly unless a quartile is in the lab's own bin."""
    if index in quartiles:
        names = ("first quartile", "median", "third quartile")
        inside = [n for n, at in zip(names, quartiles, strict=True) if at == index]
        return f"the {' and the '.join(inside)} in the same bin: the bins do not tell which side"
    quarter = sum(at < index for at in quartiles)
    return f"in the {('lowest', 'second', 'third', 'highest')[quarter]} quarter"


def _above(metric: Metric, encoded: int, said: Mapping[str, Result], count: int) -> list[str]:
    sentences = []
    for threshold in metric.thresholds:
        limit = decimal_text(metric.decode(threshold))
        result = said.get(f"above:{limit}")
        if result is not None:
            side = "at or above" if encoded >= threshold else "below"
            sentences.append(f"{side} {limit}; {result.text} of {count} labs are at or above it")
    return sentences
