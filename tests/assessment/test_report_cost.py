"""Expected times of reports: from a short measurement, by counting what a report does."""

import itertools

from fermata.assessment.report_cost import Speed, cost_of, measure_speed
from fermata.crypto.report.statements import StatementSet, Value

FAST = Speed(product_ns=10_000, point_ns=50_000, decoding_ns=150_000, scalar_ns=800)


def statements(count: int, bits: int = 32) -> StatementSet:
    return StatementSet((Value(2**bits - 1),) * count, modulus_bits=3072)


def test_the_clock_is_the_callers_and_is_asked_a_few_times() -> None:
    asked = itertools.count(0, 3_072_000)
    speed = measure_speed(2048, lambda: next(asked))
    assert speed == Speed(10_000, 12_000, 192_000, 1536)
    assert next(asked) == 24 * 3_072_000


def test_a_clock_that_stands_or_goes_back_gives_no_negative_time() -> None:
    for step in (0, -5):
        ticks = itertools.count(0, step)
        assert measure_speed(256, lambda t=ticks: next(t)) == Speed(0, 0, 0, 0)


def test_more_to_prove_costs_more() -> None:
    costs = [cost_of(statements(count), FAST) for count in (1, 8, 64, 256)]
    assert costs == sorted(costs, key=lambda cost: cost.make_ms)
    assert costs == sorted(costs, key=lambda cost: cost.check_ms)
    assert len({cost.make_ms for cost in costs}) == 4
    assert all(cost.check_ms < cost.make_ms for cost in costs)


def test_each_measured_operation_counts_in_making_and_checking() -> None:
    known = cost_of(statements(64), FAST)
    for name in ("product_ns", "point_ns", "scalar_ns"):
        slower = cost_of(statements(64), Speed(**{**_fields(FAST), name: 10 * getattr(FAST, name)}))
        assert slower.make_ms > known.make_ms
        assert slower.check_ms > known.check_ms
    slower = cost_of(statements(64), Speed(**{**_fields(FAST), "decoding_ns": 10**9}))
    assert slower.make_ms == known.make_ms
    assert slower.check_ms > known.check_ms


def test_an_estimate_is_of_the_size_that_was_measured() -> None:
    # 64 values of 32 bits took 281 ms and 48 ms where these were the speeds.
    measured = Speed(product_ns=12_100, point_ns=56_400, decoding_ns=151_000, scalar_ns=840)
    cost = cost_of(statements(64), measured)
    assert 140 < cost.make_ms < 560
    assert 24 < cost.check_ms < 96


def _fields(speed: Speed) -> dict[str, float]:
    return {name: getattr(speed, name) for name in Speed.__slots__}
