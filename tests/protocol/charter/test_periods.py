"""Names of reporting periods."""

import datetime
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.protocol.charter.periods import (
    DAY_MS,
    TIME_MS_MAX,
    check_period,
    period_count,
    period_end_ms,
    period_of,
    utc_text,
)


class Wrong(Exception):
    pass


def fail(what: str) -> NoReturn:
    raise Wrong(what)


@pytest.mark.parametrize(
    ("cadence", "first", "number", "period"),
    [
        ("quarter", "2025Q3", 1, "2025Q3"),
        ("quarter", "2025Q3", 3, "2026Q1"),
        ("quarter", "2025Q4", 2, "2026Q1"),
        ("month", "2025-12", 1, "2025-12"),
        ("month", "2025-12", 2, "2026-01"),
        ("month", "2025-01", 25, "2027-01"),
        ("number", "1", 1, "1"),
        ("number", "9", 2, "10"),
    ],
)
def test_a_round_number_gives_its_period(
    cadence: str, first: str, number: int, period: str
) -> None:
    assert period_of(cadence, first, number) == period


def test_rounds_count_from_one() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        period_of("quarter", "2025Q3", 0)


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([("quarter", "2025Q3"), ("month", "2025-07"), ("number", "3")]),
    st.integers(1, 500),
)
def test_periods_are_well_formed_different_and_counted_back(
    kind: tuple[str, str], number: int
) -> None:
    cadence, first = kind
    period = period_of(cadence, first, number)
    check_period(cadence, period, fail)
    assert period_of(cadence, first, number + 1) != period
    assert period_count(cadence, first, period) == number


@pytest.mark.parametrize(
    ("cadence", "period"),
    [
        ("quarter", "2025Q0"),
        ("quarter", "2025Q5"),
        ("quarter", "2025-Q1"),
        ("quarter", "25Q1"),
        ("quarter", "2025Q1\n"),
        ("quarter", "٢٠٢٥Q1"),
        ("month", "2025-00"),
        ("month", "2025-13"),
        ("month", "2025-7"),
        ("number", "0"),
        ("number", "01"),
        ("number", "-1"),
        ("number", "1000000000"),
        ("number", "३"),
    ],
)
def test_a_malformed_period_is_refused(cadence: str, period: str) -> None:
    with pytest.raises(Wrong, match=f"must be a {cadence} such as"):
        check_period(cadence, period, fail)


def test_times_are_told_in_utc() -> None:
    assert utc_text(0) == "1970-01-01T00:00:00Z"
    assert utc_text(2_147_483_648_000) == "2038-01-19T03:14:08Z"
    assert utc_text(1_709_164_800_999) == "2024-02-29T00:00:00Z"
    assert utc_text(TIME_MS_MAX) == "9000-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("cadence", "period", "end"),
    [
        ("quarter", "2025Q3", datetime.datetime(2025, 10, 1)),
        ("quarter", "2025Q4", datetime.datetime(2026, 1, 1)),
        ("quarter", "2024Q1", datetime.datetime(2024, 4, 1)),
        ("month", "2024-02", datetime.datetime(2024, 3, 1)),
        ("month", "1900-02", datetime.datetime(1900, 3, 1)),
        ("month", "2000-01", datetime.datetime(2000, 2, 1)),
        ("month", "1969-12", datetime.datetime(1970, 1, 1)),
    ],
)
def test_a_period_ends_with_its_last_day(cadence: str, period: str, end: datetime.datetime) -> None:
    since = end - datetime.datetime(1970, 1, 1)
    assert period_end_ms(cadence, period) == since.days * DAY_MS


@settings(max_examples=50, deadline=None)
@given(st.dates(min_value=datetime.date(1, 2, 1)))
def test_a_month_ends_where_the_next_begins(day: datetime.date) -> None:
    first = day.replace(day=1)
    before = first - datetime.timedelta(days=1)
    end = period_end_ms("month", f"{before.year:04d}-{before.month:02d}")
    assert end == (first - datetime.date(1970, 1, 1)).days * DAY_MS


def test_the_first_and_the_last_period_that_can_be_written_have_ends() -> None:
    assert period_end_ms("quarter", "0000Q1") == -62_159_356_800_000
    assert period_end_ms("quarter", "9999Q4") == 253_402_300_800_000


def test_a_number_has_no_end() -> None:
    with pytest.raises(ValueError, match="no end"):
        period_end_ms("number", "1")
