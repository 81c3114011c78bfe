"""The rules and series of tests/vectors/rules.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from harness.deployments import PAUSE_TABLE
from harness.protocol.rule_texts import ACCELERATING, GROWING, leaf, rule

Results = Mapping[str, str] | None
Value = str | int | Fraction | None


@dataclass(frozen=True)
class Case:
    """``of``: what it shows; ``periods``: of each round, where a period has two."""

    of: str
    rules: str
    rounds: Sequence[Results]
    periods: Sequence[str] = ()


def series(*values: Value, name: str = "x sum") -> list[Results]:
    return [None if value is None else {name: str(value)} for value in values]


def powers(growth: str, count: int, first: str = "1000") -> list[Fraction]:
    return [Fraction(first) * (1 + Fraction(growth)) ** k for k in range(count)]


def wobbled(values: Sequence[Fraction], part: str) -> list[Fraction]:
    """Up and down by a part in turn, so that a slope has an error."""
    return [v * (1 + Fraction(part) * (-1) ** k) for k, v in enumerate(values)]


def without(keys: Mapping[str, object], *names: str) -> dict[str, object]:
    return {k: v for k, v in keys.items() if k not in names}


FAST = without(GROWING, "above")
DOUBLING = {**FAST, "kind": "doubling-time"}
BENT = without(ACCELERATING, "at_least")
LOG10 = {"scale": "log10", "metric": "z", "statistic": "mean"}
FOUR = ("above", "at_least", "below", "at_most")
TRUTHS = [(a, b) for a in (6, 4, None) for b in (6, 4, None)]
NOISY = wobbled(powers("0.15", 8), "0.1")
BEND = [*powers("0.1", 4), *powers("0.5", 4, "1500")]
#: A bend at 4 leaves the same residuals as one at 5, and the earliest counts.
EVEN = ["1", "1", "1", "2", "2", "1", "1", "1"]


def pairs() -> list[Results]:
    """Rounds in which two leaves have every pair of truths."""
    return [
        {k: str(v) for k, v in (("x sum", a), ("w mean", b)) if v is not None} or None
        for a, b in TRUTHS
    ]


KLEENE = (
    leaf("a", at_least="5")
    + leaf("b", metric="w", statistic="mean", at_least="5")
    + rule("both", all_of=["a", "b"])
    + rule("either", any_of=["a", "b"])
    + rule("top", all_of=["both", "either"], for_rounds=2, unknown="skips")
)

CASES = {
    "a limit with equality holds at the limit": Case(
        "RU2",
        "".join(leaf(word.replace("_", "-"), **{word: "5"}) for word in FOUR),
        series("4.99", "5", "5.01"),
    ),
    "levels are exact fractions": Case(
        "RU2 RU6",
        leaf("above", above="5") + leaf("at-most", at_most="5"),
        series(*(Fraction(5) + Fraction(k, 10**50) for k in (-1, 0, 1)), Fraction(20, 3)),
    ),
    "other statistics": Case(
        "RU2",
        leaf("count", metric="w", statistic="above:20", at_least="2")
        + leaf("bin", metric="w", statistic="bin:1..9", below="1")
        + leaf("mean", statistic="weighted-mean:w", above="0.5"),
        [
            {"w above:20": "2", "w bin:1..9": "0", "x weighted-mean:w": "1/2"},
            {"w above:20": "1", "w bin:1..9": "1", "x weighted-mean:w": "2/3"},
            {"w above:20": "3"},
        ],
    ),
    "a change is from the round so many before": Case(
        "RU2 RU4",
        leaf("change", kind="change", above="5", over_rounds=2)
        + leaf("fall", kind="change", at_most="-1", over_rounds=1),
        series(1, None, 7, 8, 9, 14, None, 14),
    ),
    "joined rules follow Kleene": Case("RU4 RU5", KLEENE, pairs()),
    "runs": Case(
        "RU5",
        "".join(
            leaf(unknown, above="5", for_rounds=2, unknown=unknown)
            for unknown in ("resets", "skips", "holds")
        ),
        series(6, 6, None, 6, 6, 6, 1, None, None, 6),
    ),
    "a joined rule counts its own run after those of its parts": Case(
        "RU5",
        leaf("slow", above="5", for_rounds=2)
        + rule("top", all_of=["slow"], for_rounds=2)
        + rule("steady", any_of=["slow"], for_rounds=2, unknown="holds"),
        series(6, 6, 6, None, 6, 6, 6),
    ),
    "a period that was called twice counts once": Case(
        "RU5a",
        leaf("level", above="5", for_rounds=2)
        + leaf("change", kind="change", above="0", over_rounds=1),
        series(6, None, 7, None, None, 9),
        ("2025Q1", "2025Q2", "2025Q2", "2025Q3", "2025Q4", "2025Q4"),
    ),
    "growth is called so with the confidence asked for": Case(
        "RU7",
        leaf("above", **FAST, above="0.1") + leaf("below", **FAST, below="0.2"),
        series(*powers("0.11", 5), *powers("0.09", 4, "1600")),
    ),
    "a standard error moves the bound to the safe side": Case(
        "RU7",
        leaf("above", **FAST, above="0.1")
        + leaf("below", **FAST, below="0.2")
        + leaf("short", **DOUBLING, at_most="7")
        + leaf("long", **DOUBLING, at_least="4"),
        series(*NOISY),
    ),
    "every confidence has its quantile": Case(
        "RU7",
        "".join(
            leaf(f"c{level[2:]}", **{**FAST, "confidence": level}, above="0.08")
            for level in ("0.90", "0.95", "0.99")
        ),
        series(*wobbled(powers("0.12", 8), "0.03")),
    ),
    "what does not grow takes longer to double than any limit": Case(
        "RU7",
        leaf("long", **DOUBLING, at_least="20") + leaf("short", **DOUBLING, at_most="20"),
        series(*powers("-0.1", 6)),
    ),
    "missing rounds leave their place empty": Case(
        "RU4 RU6",
        leaf("above", **{**FAST, "over_rounds": 9}, above="0.1"),
        series(*(None if n in (2, 5) else v for n, v in enumerate(powers("0.11", 9)))),
    ),
    "a fit without its values is unknown": Case(
        "RU4",
        leaf("growth", **GROWING) + leaf("bend", **ACCELERATING),
        series(*powers("0.3", 2), None, None, None, None, 1000, *powers("0.3", 7)),
    ),
    "a value without a logarithm makes the fit unknown": Case(
        "RU4",
        leaf("growth", **GROWING),
        series(*powers("0.3", 3), 0, *powers("0.3", 6), -1),
    ),
    "log10 values are logarithms already": Case(
        "RU6 RU7",
        leaf("double", **{**FAST, **LOG10}, above="1"),
        series(*(Fraction("0.31") * n - 9 for n in range(6)), name="z mean"),
    ),
    "growth at its limit is exact on a logarithmic scale": Case(
        "RU6 RU7",
        "".join(
            leaf(word.replace("_", "-"), **{**FAST, **LOG10}, **{word: "9"}) for word in FOUR
        ),
        series(*range(-3, 3), name="z mean"),
    ),
    "an acceleration": Case("RU8", leaf("bend", **ACCELERATING), series(*BEND, *powers("-0.1", 8))),
    "no growth before the bend": Case(
        "RU8", leaf("bend", **ACCELERATING), series(*["5"] * 4, *powers("0.5", 4, "6"))
    ),
    "an acceleration at its limit": Case(
        "RU6 RU8",
        leaf("at-least", **{**BENT, **LOG10}, at_least="2")
        + leaf("above", **{**BENT, **LOG10}, above="2"),
        series(*(Fraction(n, 10) + Fraction(max(0, n - 4), 10) for n in range(8)), name="z mean"),
    ),
    "too little of the variation is explained": Case(
        "RU8",
        leaf("strict", **ACCELERATING) + leaf("loose", **{**ACCELERATING, "r2_min": "0.1"}),
        series(*wobbled([Fraction(v) for v in BEND], "0.3")),
    ),
}  # fmt: skip
LOGARITHMS = ("2", "10", "1/3", "1.1", "999999999999.999", "1/1000000007")
LINES: tuple[Sequence[str | None], ...] = (
    [str(v) for v in powers("0.1", 6)],
    [str(v) for v in NOISY],
    ["3", None, "5", "4", None, "9", "20", "18"],
    EVEN,
)
HOT = leaf("hot", at_least="100")
REFUSED = (
    ("RU1", leaf("a", above="5") + leaf("a", above="6")),
    ("RU1", leaf("a", above="5") + rule("b", all_of=[])),
    ("RU1", leaf("a", above="5") + rule("b", all_of=["a", "a"])),
    ("RU1", rule("b", any_of=["a"]) + leaf("a", above="5")),
    ("RU1", leaf("a", above="5", all_of=["b"])),
    ("RU1", leaf("a", above="5", confidence="0.95")),
    ("RU1", leaf("a", above="1e3")),
    ("RU1", leaf("a", above="5", for_rounds=63)),
    ("RU2", leaf("a")),
    ("RU2", leaf("a", above="5", below="9")),
    ("RU2", leaf("a", kind="slope", above="5")),
    ("RU2", leaf("a", metric="y", above="5")),
    ("RU2", leaf("a", statistic="median", above="5")),
    ("RU2", leaf("a", kind="change", above="5")),
    ("RU2", leaf("a", **{**GROWING, "over_rounds": 2})),
    ("RU2", leaf("a", **{**GROWING, "confidence": "0.9"})),
    ("RU2", leaf("a", **GROWING, noise="0.1")),
    ("RU2", leaf("a", **without(ACCELERATING, "noise"))),
    ("RU3", leaf("a", **{**GROWING, "above": "-1"})),
    ("RU3", leaf("a", **DOUBLING, above="0")),
    ("RU3", leaf("a", **BENT, below="2")),
    ("RU3", leaf("a", **{**ACCELERATING, "at_least": "1"})),
    ("RU3", leaf("a", **{**ACCELERATING, "points_min": 5})),
    ("RU3", leaf("a", **{**ACCELERATING, "r2_min": "1"})),
    ("RU3", leaf("a", **{**ACCELERATING, "noise": "0"})),
    ("RU3", leaf("a", **{**ACCELERATING, "false_alarm_max": "1"})),
    ("RU3", leaf("a", at_least="6000000.01")),
    ("RU3", leaf("a", at_most="6000000")),
    ("RU3", leaf("a", kind="change", over_rounds=2, above="6000000")),
    ("RU5", leaf("a", above="5", unknown="lifts")),
    ("RU9", HOT + leaf("calm", below="60", unknown="skips") + PAUSE_TABLE),
    ("RU9", HOT + leaf("calm", below="60", unknown="holds") + PAUSE_TABLE),
    ("RU9", HOT + leaf("calm", at_most="100") + PAUSE_TABLE),
    (
        "RU9",
        HOT
        + leaf("part", below="60", unknown="skips")
        + rule("calm", all_of=["part"])
        + PAUSE_TABLE,
    ),
    (
        "RU9",
        leaf("hot", **DOUBLING, at_most="4") + leaf("calm", **FAST, below="0.5") + PAUSE_TABLE,
    ),
)
