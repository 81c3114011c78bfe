"""Turns decimals into bounded integers and back, exactly (docs/spec/charter.md, encoding)."""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

from fermata.errors import ConfigError
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.panel import Panel

_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?\Z")
#: Comes only out of binary floating point, so something went wrong before it got here.
_NEGATIVE_ZERO = re.compile(r"-0+(\.0+)?\Z")


def encode_value(metric: Metric, text: str) -> int:
    """The integer from 0 to the metric's bound for a decimal, rounded half to even onto its grid.

    Raises ConfigError METRIC_VALUE or METRIC_RANGE; the message names the metric, never the
    value.
    """
    # C7.3: a text of another form was computed or read wrongly.
    if not _DECIMAL.match(text) or _NEGATIVE_ZERO.match(text):
        raise ConfigError("METRIC_VALUE", f"{metric.id}: the value must be a plain decimal number")
    with localcontext() as context:
        context.prec = 100
        steps = (Decimal(text) - metric.minimum) / metric.resolution
        encoded = int(steps.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
        outside = not metric.minimum <= Decimal(text) <= metric.maximum
    # C7.4: most likely in another unit.
    if outside or not 0 <= encoded <= metric.bound:
        raise ConfigError(
            "METRIC_RANGE",
            f"{metric.id}: the value must be in the charter's range, {metric.minimum} to"
            f" {metric.maximum} {metric.unit}".rstrip(),
        )
    return encoded


def encode_panel(panel: Panel, values: Mapping[str, str]) -> dict[str, int]:
    """The encoded integers of all metrics of a panel, by id; ``values`` are decimals by id.

    Raises ConfigError METRIC_MISSING, METRIC_VALUE or METRIC_RANGE.
    """
    missing = [m.id for m in panel.metrics if m.id not in values]
    # C7.2: a panel is reported whole or not at all.
    if missing:
        raise ConfigError(
            "METRIC_MISSING", f"panel {panel.id}: must have a value for {', '.join(missing)}"
        )
    return {m.id: encode_value(m, values[m.id]) for m in panel.metrics}


def decode_sum(metric: Metric, total: int, count: int) -> Decimal:
    """The exact sum, in the metric's unit, of ``count`` values with encodings of sum ``total``."""
    with localcontext() as context:
        context.prec = 100
        return count * metric.minimum + total * metric.resolution


def decimal_text(value: Decimal) -> str:
    """A decimal in plain notation: no exponent and no negative zero."""
    text = format(value, "f")
    return text.lstrip("-") if Decimal(text) == 0 else text


def fraction_text(value: Fraction, digits: int) -> str:
    """A fraction as a decimal with ``digits`` places, rounded half to even."""
    scaled = round(value * 10**digits)
    sign = "-" if scaled < 0 else ""
    whole, part = divmod(abs(scaled), 10**digits)
    return f"{sign}{whole}.{part:0{digits}d}" if digits else f"{sign}{whole}"
