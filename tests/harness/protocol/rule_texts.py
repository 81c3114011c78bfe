"""Rules from few words, and rounds with results."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.statistics.facts import RoundFacts, SumFacts
from harness.chains import MODULUS_BITS_MIN
from harness.protocol.panels import aggregate, charter_file, metric

BODY = (
    metric("x", "0", "1000000", "0.01"),
    metric("w", "1", "50"),
    metric("z", "-30", "30", "0.5"),
    aggregate("x", "sum", "mean", "stddev", "concentration", "weighted-mean", "ratio", other="w"),
    aggregate("w", "mean", "count", count_above=["20"], histogram=["10", "20"]),
    aggregate("z", "mean", "variance", "geometric-mean", "concentration"),
)


def rule(name: str, **keys: object) -> str:
    """A [[rule]]; texts are quoted, numbers and lists of texts are not."""
    text = f'[[rule]]\nid = "{name}"\n'
    for key, value in keys.items():
        if isinstance(value, list):
            text += f"{key} = [{', '.join(repr(v) for v in value)}]\n"
        else:
            text += f"{key} = {value}\n" if isinstance(value, int) else f'{key} = "{value}"\n'
    return text + "\n"


def leaf(name: str = "r", kind: str = "level", **keys: object) -> str:
    """A leaf on the sum of x, unless the keys say otherwise."""
    where = {"metric": "x", "statistic": "sum"} | {k: keys.pop(k) for k in list(keys) if k in WHERE}
    return rule(name, kind=kind, **where, **keys)


WHERE = ("metric", "statistic")
ACCELERATING: dict[str, Any] = {
    "kind": "acceleration",
    "at_least": "2",
    "over_rounds": 8,
    "points_min": 3,
    "r2_min": "0.9",
    "after_at_least": "0.05",
    "noise": "0.05",
    "growth": "0.1",
    "false_alarm_max": "0.05",
}
GROWING: dict[str, Any] = {
    "kind": "growth-rate",
    "above": "0.1",
    "over_rounds": 6,
    "confidence": "0.95",
}


#: Shares of x, the one metric that begins at 0.
SHARES = 'dominance = "0.5"\ndominance_start = { x = "1000" }\n'


def text_of(*rules: str) -> str:
    text = charter_file(*BODY, *rules)
    return text.replace("[disclosure]\n", f"[disclosure]\n{SHARES}", 1)


def rules_of(*rules: str) -> tuple[Rule, ...]:
    return parse_charter(text_of(*rules).encode(), MODULUS_BITS_MIN).rules


def loose(found: Rule, **changes: object) -> Rule:
    """A rule with fields that a charter might not allow."""
    return replace(found, **changes)  # type: ignore[arg-type]


def rounds(
    values: Sequence[str | int | Fraction | None], key: tuple[str, str] = ("x", "sum")
) -> tuple[RoundFacts, ...]:
    """Facts with one result a round; None is a round that came to nothing."""
    return tuple(
        RoundFacts(n, str(n), None, f"round {n} is refused", {"p": False})
        if value is None
        else RoundFacts(n, str(n), {key: Fraction(value)}, "", {"p": True}, everybody(n))
        for n, value in enumerate(values, 1)
    )


def everybody(number: int) -> dict[str, SumFacts]:
    """Sums in which every lab has a figure of this round."""
    return dict.fromkeys("xwz", SumFacts(Fraction(number), frozenset({"a", "b", "c"})))


def standing(
    values: Sequence[str | int | Fraction | None],
    at: Sequence[str | int | Fraction],
    labs: Sequence[str] = (),
    key: tuple[str, str] = ("x", "sum"),
) -> tuple[RoundFacts, ...]:
    """Facts as of ``rounds``, with the mean time of the figures, and one letter for each lab."""
    named = labs or ["abc"] * len(values)
    return tuple(
        replace(fact, sums={key[0]: SumFacts(Fraction(time), frozenset(own))})
        for fact, time, own in zip(rounds(values, key), at, named, strict=True)
    )


def together(*columns: Mapping[tuple[str, str], str | None]) -> tuple[RoundFacts, ...]:
    """Facts with several results a round; a None is left out of the round."""
    return tuple(
        RoundFacts(
            n,
            str(n),
            {k: Fraction(v) for k, v in column.items() if v is not None},
            "",
            {"p": True},
            everybody(n),
        )
        for n, column in enumerate(columns, 1)
    )
