"""When something was measured, and which times a period has; everything in UTC."""

import datetime
import re
from decimal import Decimal

from fermata.protocol.charter.periods import TIME_MS_MAX, check_period

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,20})?\Z")
#: Times before the year 2000 are no evaluation's: what stands there is something else.
TIME_MS_MIN = 946_684_800_000


def iso_ms(text: str) -> int | None:
    """Milliseconds since the epoch of an ISO 8601 time that has an offset; None for all else.

    A time without an offset could be any hour of a day around the world, so it is not guessed at.
    """
    try:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return None
        return _likely(int(moment.timestamp() * 1000))
    except (ValueError, OverflowError):
        return None


def epoch_ms(text: str) -> int | None:
    """Milliseconds of seconds since the epoch, written as a plain number; None for all else."""
    return _likely(int(Decimal(text) * 1000)) if _NUMBER.match(text) else None


def milliseconds(text: str) -> int | None:
    """A time that is written in milliseconds since the epoch; None for all else."""
    return _likely(int(text)) if re.fullmatch(r"[0-9]{1,15}", text) else None


def any_ms(text: str) -> int | None:
    """A time in one of these three forms; None for all else.

    No number is likely both in seconds and in milliseconds: the ranges of the two do not meet.
    """
    return iso_ms(text) or epoch_ms(text) or milliseconds(text)


def _likely(time_ms: int) -> int | None:
    return time_ms if TIME_MS_MIN <= time_ms <= TIME_MS_MAX else None


def bounds_ms(cadence: str, period: str) -> tuple[int, int] | None:
    """The first millisecond of a period and the first after it; None if it has no dates.

    Raises ValueError for a text that is not a period of the cadence.
    """

    def refuse(what: str) -> None:
        raise ValueError(what)

    check_period(cadence, period, refuse)  # type: ignore[arg-type]
    if cadence == "number":
        return None
    year, months = int(period[:4]), 3 if cadence == "quarter" else 1
    first = (int(period[5:]) - 1) * months
    if not 2000 <= year <= 8999:
        return None
    return _month_ms(year, first), _month_ms(year, first + months)


def _month_ms(year: int, month: int) -> int:
    """The start of a month that is counted from 0 and may be in the next year."""
    moment = datetime.datetime(year + month // 12, month % 12 + 1, 1, tzinfo=datetime.UTC)
    return int(moment.timestamp()) * 1000
