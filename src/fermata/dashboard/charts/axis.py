"""The value axis: its ends, and the texts of its ticks."""

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, isfinite, log10

from fermata.dashboard.charts.data import Chart

#: Ends that differ by less than this fraction are one value: a double has 16 digits.
_SPAN_SHARE_MIN = 1e-9
_SPAN_MIN = 1e-290
#: Values beyond it are not drawn, since the difference of two may be infinite.
_VALUE_MAX = 1e300
#: Room above the highest and below the lowest value, so that no point is on the frame.
_PAD_SHARE, _BAR_PAD_SHARE = 0.08, 0.14
_PLAIN_MAX, _PLAIN_STEP_MIN = 1e6, 1e-4
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def drawable(value: float | None) -> float | None:
    """The value, or None if it is missing or no axis can hold it."""
    return value if value is not None and abs(value) <= _VALUE_MAX else None


def domain(chart: Chart) -> tuple[float, float]:
    """The ends of the value axis, between which all values, limits and bands are."""
    values = [v for v in _values(chart) if isfinite(v)] or [0.0]
    low, high = min(values), max(values)
    if chart.is_bars:
        low, high = min(0.0, low), max(0.0, high)
    size = max(abs(low), abs(high))
    # A number stands above each bar.
    pad = (high - low) * (_BAR_PAD_SHARE if chart.is_bars else _PAD_SHARE)
    if high - low < max(size * _SPAN_SHARE_MIN, _SPAN_MIN):
        pad = size * 0.1 if size > _SPAN_MIN else 1.0
    bottom = low if chart.is_bars and low == 0.0 else low - pad
    top = high if chart.is_bars and high == 0.0 and low < 0.0 else high + pad
    return bottom, top


def _values(chart: Chart) -> Iterator[float]:
    ranges = (ends for band in chart.annotations.bands for ends in band.ranges if ends is not None)
    candidates: Iterable[float | None] = (
        *(point.value for point in chart.points),
        *(value for _, value in chart.annotations.limits),
        *(value for ends in ranges for value in ends),
    )
    for value in candidates:
        kept = drawable(value)
        if kept is not None:
            yield kept


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """The texts of ticks, in ascending order; different ticks get different texts."""
    if len(ticks) < 2:
        return [f"{tick:.3g}" for tick in ticks]
    step, size = ticks[1] - ticks[0], max(abs(ticks[0]), abs(ticks[-1]))
    if size < _PLAIN_MAX and step >= _PLAIN_STEP_MIN:
        places = next((n for n in range(6) if _is_whole(step * 10**n)), 6)
        return [_plain_text(tick, places) for tick in ticks]
    digits = ceil(log10(size / step)) + 1
    return [_power_text(tick, step, digits) for tick in ticks]


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6 * max(1.0, abs(number))


def _plain_text(tick: float, places: int) -> str:
    text = f"{tick:.{places}f}"
    is_zero = not text.strip("-0.")
    return text.lstrip("-") if is_zero else text.replace("-", "−")


def _power_text(tick: float, step: float, digits: int) -> str:
    if abs(tick) < step / 2:
        return "0"
    mantissa, _, exponent = f"{tick:.{digits}e}".partition("e")
    short = mantissa.rstrip("0").rstrip(".").replace("-", "−")
    return f"{short}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
