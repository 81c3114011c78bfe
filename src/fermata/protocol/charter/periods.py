"""Names of reporting periods. A round's number gives its period, so nobody chooses it."""

import datetime
import re
from collections.abc import Callable
from typing import NoReturn

#: The cadence whose periods have no dates.
NUMBERED = "number"
CADENCES = ("quarter", "month", NUMBERED)
#: Days of the shortest period of each calendar cadence.
SHORTEST_DAYS = {"quarter": 90, "month": 28}
#: The year 9000. Later times are mistakes, and date libraries end soon after.
TIME_MS_MAX = 221_845_392_000_000
DAY_MS = 86_400_000
#: From 1 March of the year 0 to 1 January 1970.
_DAYS_TO_1970 = 719_468
_SHAPES = {
    "quarter": re.compile(r"([0-9]{4})Q([1-4])\Z"),
    "month": re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])\Z"),
    "number": re.compile(r"([1-9][0-9]{0,8})\Z"),
}


def check_period(cadence: str, period: str, fail: Callable[[str], NoReturn]) -> None:
    """Calls ``fail`` with a message unless ``period`` is one of this cadence (C4)."""
    if not _SHAPES[cadence].match(period):
        example = {"quarter": "2024Q3", "month": "2024-07", "number": "1"}[cadence]
        fail(f"must be a {cadence} such as {example}")


def _ordinal(cadence: str, period: str) -> int:
    match = _SHAPES[cadence].match(period)
    if match is None:
        raise ValueError(f"period must be a {cadence}")
    if cadence == "number":
        return int(match[1])
    return int(match[1]) * (4 if cadence == "quarter" else 12) + int(match[2]) - 1


def period_of(cadence: str, first: str, round_number: int) -> str:
    """The period of a round; rounds count from 1, whose period is ``first``.

    Raises ValueError for a round below 1 and for a ``first`` of another cadence.
    """
    if round_number < 1:
        raise ValueError(f"round must be 1 or more, got {round_number}")
    ordinal = _ordinal(cadence, first) + round_number - 1
    if cadence == "number":
        return str(ordinal)
    per_year = 4 if cadence == "quarter" else 12
    year, part = divmod(ordinal, per_year)
    return f"{year:04d}Q{part + 1}" if cadence == "quarter" else f"{year:04d}-{part + 1:02d}"


def period_count(cadence: str, first: str, last: str) -> int:
    """The number of periods from ``first`` to ``last``, both included; 0 or less out of order.

    Raises ValueError for periods of another cadence.
    """
    return _ordinal(cadence, last) - _ordinal(cadence, first) + 1


def period_end_ms(cadence: str, period: str) -> int:
    """The end of a quarter or month, UTC, in milliseconds since 1970.

    Raises ValueError for a ``number``, which has no end. Days are counted here since date
    libraries do not know the year 0, nor the one after 9999.
    """
    if cadence == "number":
        raise ValueError("cadence must be quarter or month: a number has no end")
    months = (_ordinal(cadence, period) + 1) * (3 if cadence == "quarter" else 1)
    year, month = divmod(months, 12)
    # Days of the civil calendar, its years from March on: a leap day is the last of its year.
    year, month = (year, month - 2) if month >= 2 else (year - 1, month + 10)
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5
    return (days - _DAYS_TO_1970) * DAY_MS


def utc_text(time_ms: int) -> str:
    """A time, in milliseconds since 1970, as RFC 3339 text in UTC, to the second."""
    moment = datetime.datetime.fromtimestamp(time_ms / 1000, tz=datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
