"""Whether a figure is far from the last one that was reported: most often a slip, not news."""

from decimal import Decimal

from fermata.protocol.charter.metrics import Metric

#: A change of more than this part of the metric's range is a jump.
RANGE_PART = 4
#: So is one to so many times the last value, or to so small a part of it: a decimal point, percent
#: for a fraction, thousands for ones.
TIMES = 10


def is_jump(metric: Metric, last: Decimal, new: Decimal) -> bool:
    """Whether ``new`` is a jump from ``last``, both in the metric's unit and within its range."""
    if abs(new - last) * RANGE_PART > metric.maximum - metric.minimum:
        return True
    low, high = sorted((abs(last), abs(new)))
    return last * new > 0 and high >= low * TIMES
