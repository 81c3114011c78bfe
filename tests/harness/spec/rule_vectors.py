"""Cases of tests/vectors/rules.json as what the product's rules read."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from fermata.protocol.state.state import Close, Opening, Result, Round
from fermata.protocol.statistics.policy import RoundFacts, facts_of

#: Any quorum: no round of a case has an endorsement, and all that are opened have a result.
QUORUM = 3


def key_of(name: str) -> tuple[str, str]:
    """Metric and statistic of a result's name, ``metric statistic``."""
    metric, _, statistic = name.partition(" ")
    return metric, statistic


def round_of(number: int, period: str, results: dict[str, str] | None) -> Round:
    """A round that was opened with these results, or refused."""
    close = Close(3 * number, b"", 0, (), {}, {}, {}, b"", "" if results else "too few")
    found = tuple(Result(*key_of(n), Fraction(v), v) for n, v in (results or {}).items())
    opening = Opening(3 * number + 1, {}, found, {}, {}) if results else None
    return Round(number, period, 3 * number - 1, 0, 0, close=close, opening=opening)


def facts_of_case(case: dict[str, Any]) -> Sequence[RoundFacts]:
    """One fact a period; without ``periods`` each round is of its own."""
    periods = case.get("periods") or [str(n) for n in range(1, len(case["rounds"]) + 1)]
    rounds = [
        round_of(number, period, results)
        for number, (period, results) in enumerate(zip(periods, case["rounds"], strict=True), 1)
    ]
    return facts_of(rounds, QUORUM)
