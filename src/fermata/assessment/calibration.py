"""How often a fit rule fires although growth is steady (docs/spec/rules.md, RU10).

For ``fermata charter check`` alone: it is floating point and decides nothing in the protocol. The
tests compare it with the exact code on the same data.
"""

import hashlib
from dataclasses import dataclass
from math import log1p, sqrt

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fermata.protocol.charter.rules.trigger_rules import ACCELERATION, DOUBLING, GROWTH, Rule
from fermata.protocol.statistics.student_t import quantile

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

#: Evaluations in a row, for the chance that a rule fires in any of them.
ROUNDS = 10
#: Two-sided 95 % quantile of the normal distribution.
_NORMAL = 1.959964
_DOMAIN = b"fermata/v1/calibration"


@dataclass(frozen=True, slots=True)
class Rate:
    """A measured probability with its 95 % interval (Wilson's)."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """How often a rule fires under its null hypothesis: in one round, and in any of ROUNDS."""

    one_round: Rate
    ten_rounds: Rate


def seed_of(charter_sha256: bytes, rule_id: str) -> int:
    """The seed of a rule's runs, so that everybody who checks a charter sees the same table."""
    return int.from_bytes(hashlib.sha256(_DOMAIN + charter_sha256 + rule_id.encode()).digest())


def false_alarm_rate(rule: Rule, runs: int, seed: int) -> FalseAlarms:
    """Measures over ``runs`` runs of a growth rate, doubling time or acceleration.

    Each run is steady growth with Gaussian noise on the logarithm, long enough for full windows
    and the rule's run of rounds. The growth and the noise are the rule's own; without them, growth
    is exactly at the limit, where noise of any size gives the same rate. Raises ValueError for
    rules of other kinds.
    """
    if rule.kind not in (GROWTH, DOUBLING, ACCELERATION):
        raise ValueError(f"{rule.kind} is not a fit")
    slope = log1p(float(rule.null.growth)) if rule.null else float(rule.slope_limit)
    noise = float(rule.null.noise) if rule.null else 1.0
    rounds = rule.over_rounds + rule.for_rounds - 1 + ROUNDS - 1
    random = np.random.Generator(np.random.PCG64(seed))
    logs = slope * np.arange(rounds) + noise * random.standard_normal((runs, rounds))
    fired = fires(rule, logs)
    return FalseAlarms(_rate(fired[:, 0]), _rate(np.asarray(fired.any(axis=1))))


def fires(rule: Rule, logs: Floats) -> Booleans:
    """Whether a rule holds, for each run (row) as of each round from the first that it can.

    ``logs`` are natural logarithms, one column per round, with none missing.
    """
    windows = sliding_window_view(logs, rule.over_rounds, axis=1)
    now = _bends(rule, windows) if rule.kind == ACCELERATION else _grows(rule, windows)
    return np.asarray(sliding_window_view(now, rule.for_rounds, axis=1).all(axis=2))


def _grows(rule: Rule, windows: Floats) -> Booleans:
    size = rule.over_rounds
    x = np.arange(size) - (size - 1) / 2
    spread = float(x @ x)
    y = windows - windows.mean(axis=2, keepdims=True)
    slope = y @ x / spread
    residual = np.maximum((y * y).sum(axis=2) - slope * slope * spread, 0)
    error = np.sqrt(residual / (size - 2) / spread)
    side = 1 if rule.is_rising else -1
    distance = side * (slope - float(rule.slope_limit))
    return np.asarray(distance > float(quantile(rule.confidence, size - 2)) * error)


def _bends(rule: Rule, windows: Floats) -> Booleans:
    size = rule.over_rounds
    rounds = np.arange(size, dtype=np.float64)
    y = windows - windows.mean(axis=2, keepdims=True)
    total = (y * y).sum(axis=2)
    least = np.full(total.shape, np.inf)
    before, after = np.zeros(total.shape), np.zeros(total.shape)
    for at in range(rule.points_min - 1, size - rule.points_min):
        columns = np.stack([rounds, np.maximum(0, rounds - at)], axis=1)
        columns -= columns.mean(axis=0)
        fitted = y @ np.linalg.pinv(columns).T
        # The explained sum of squares is the fit's own, since its columns are centred.
        residual = total - ((fitted @ columns.T) ** 2).sum(axis=2)
        better = residual < least
        least = np.where(better, residual, least)
        before = np.where(better, fitted[..., 0], before)
        after = np.where(better, fitted.sum(axis=2), after)
    good = total - least >= float(rule.r2_min) * total
    good &= (after > 0) & (after >= float(rule.after_slope))
    return np.asarray(good & (after > float(rule.limit) * before))


def _rate(fired: Booleans) -> Rate:
    """E. B. Wilson, Probable inference, J. Am. Stat. Assoc. 22 (1927) 209."""
    runs = fired.size
    rate, square = float(fired.mean()), _NORMAL**2 / runs
    middle, half = rate + square / 2, _NORMAL * sqrt(rate * (1 - rate) / runs + square / 4 / runs)
    low, high = (middle - half) / (1 + square), (middle + half) / (1 + square)
    # Where it never fired, or always, rounding must not move the end past the rate.
    return Rate(rate, min(rate, low), max(rate, high))
