"""The rules and series of tests/vectors/rules.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from harness.deployments import PAUSE_TABLE
from harness.protocol.rule_texts import ACCELERATING, GROWING, leaf, rule

#: A charter with drills, in which all its auditors take part.
DRILLS = "[drills]\nevery_s = 86400\nanswer_s = 3600\n"
Results = Mapping[str, str] | None
Value = str | int | Fraction | None


@dataclass(frozen=True)
class Case:
    """``of``: what it shows; ``periods``: of each round, where a period has two.

    ``waiting``: numbers of rounds without results that are closed and have not ended. ``figures``:
    of each round, by lab in its sums, the round of its figure. ``shares``: of each round, by lab
    that has reported, whether its report shows that it is within its share. ``able``: of each
    round, how many auditors could open in the newest drill before its close.
    """

    of: str
    rules: str
    rounds: Sequence[Results]
    periods: Sequence[str] = ()
    waiting: Sequence[int] = ()
    figures: Sequence[Mapping[str, int] | None] = ()
    shares: Sequence[Mapping[str, bool]] = ()
    able: Sequence[int | None] = ()


def series(*values: Value, name: str = "x sum") -> list[Results]:
    return [None if value is None else {name: str(value)} for value in values]


def powers(growth: str, count: int, first: str = "1000") -> list[Fraction]:
    return [Fraction(first) * (1 + Fraction(growth)) ** k for k in range(count)]


def wobbled(values: Sequence[Fraction], part: str) -> list[Fraction]:
    """Up and down by a part in turn, so that a slope has an error."""
    return [v * (1 + Fraction(part) * (-1) ** k) for k, v in enumerate(values)]


def without(keys: Mapping[str, object], *names: str) -> dict[str, Any]:
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


def shares_of(*rounds: str) -> list[dict[str, bool]]:
    """Of "a b!": a shows in its report that it is within its share, and b does not."""
    return [
        {word.rstrip("!"): not word.endswith("!") for word in words.split()} for words in rounds
    ]


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

SLOW = {**FAST, "below": "0.25"}
#: A fast and a slow rule of each kind.
CHANGES = (
    leaf("rise", kind="change", over_rounds=2, above="25")
    + leaf("calm", kind="change", over_rounds=2, below="35")
    + leaf("fall", kind="change", over_rounds=2, below="-25")
)
BOTH_WAYS = (
    CHANGES
    + leaf("fast", **{**FAST, "above": "0.1"})
    + leaf("slow", **SLOW)
    + leaf("brief", **DOUBLING, below="7")
    + leaf("bend", **ACCELERATING)
)


def figures_of(*rows: str) -> list[dict[str, int] | None]:
    """The figures of each round: its labs, in words such as ``a1:3`` or, of this round, ``a1``."""
    return [
        {lab: int(of or number) for lab, _, of in (word.partition(":") for word in row.split())}
        or None
        for number, row in enumerate(rows, 1)
    ]


def aging(last: int, *gone: str) -> list[str]:
    """Five labs in eight rounds, of which some report for the last time in round ``last``."""
    return [
        " ".join(f"{lab}:{last}" if lab in gone and n > last else lab for lab in "abcde")
        for n in range(1, 9)
    ]


CATCHING_UP = ["a b:1 c:1", "a b:1 c:1", "a b:1 c:1", "a b:1 c:1", *["a b c"] * 4]

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
        + leaf("fall", kind="change", at_most="-1", over_rounds=3),
        series(1, None, 7, 8, 9, 14, 7, None, 14),
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
        + leaf("change", kind="change", above="0", over_rounds=2)
        + rule("dark", kind="no-result", panel="p", at_least="2"),
        series(6, None, 7, None, None, 9),
        ("2025Q1", "2025Q2", "2025Q2", "2025Q3", "2025Q4", "2025Q4"),
    ),
    "figures that grow old": Case(
        "RU6a",
        BOTH_WAYS,
        series(*powers("0.2", 8, "100")),
        figures=figures_of(*aging(3, "d", "e")),
    ),
    "figures of which most grow old": Case(
        "RU6a",
        BOTH_WAYS,
        series(*powers("0.2", 8, "100")),
        figures=figures_of(*aging(3, "b", "c", "d", "e")),
    ),
    "figures that catch up": Case(
        "RU6a",
        BOTH_WAYS,
        series(100, 110, 120, 130, 230, 250, 270, 290),
        figures=figures_of(*CATCHING_UP),
    ),
    "figures that grow old while they fall": Case(
        "RU6a",
        BOTH_WAYS,
        series(*(300 - 13 * n for n in range(8))),
        figures=figures_of(*aging(2, "c", "d", "e")),
    ),
    "an organisation counts once, however many labs it has": Case(
        "RU6a",
        BOTH_WAYS,
        series(100, 110, 130, 150, 170),
        figures=figures_of("a1 a2 b", "a1 a2:1 b", "a1 a2:1 b", "a1 a2:1 b:2", "a1 a2:4 b:5"),
    ),
    "the figures of both calls of a period are of one time": Case(
        "RU5a RU6a",
        BOTH_WAYS,
        series(100, None, 110, 130, 150),
        ["Q1", "Q2", "Q2", "Q3", "Q4"],
        figures=figures_of("a b", "", "a:2 b:3", "a:2 b", "a b"),
    ),
    "changes alone, of figures that grow old and catch up and of labs that join": Case(
        "RU6a RU6b",
        CHANGES + leaf("four", kind="change", over_rounds=4, above="40"),
        series(100, 120, 144, 173, 207, 240, 290, 350, 500, 510),
        figures=figures_of(*aging(3, "b", "c", "d", "e"), "a b c d e f", "a b c d e f"),
    ),
    "labs that join are no change": Case(
        "RU6b",
        BOTH_WAYS + leaf("four", kind="change", over_rounds=4, above="15"),
        series(100, 103, 193, 196, 200, 230, 240, 250),
        figures=figures_of(*["a b c"] * 2, *["a b c d"] * 3, *["b c d"] * 3),
    ),
    "a set that changes each round": Case(
        "RU4 RU6b",
        BOTH_WAYS,
        series(*powers("0.2", 8, "100")),
        figures=figures_of("a", "a b", "a", "a b", "a", "a b", "a", "a b"),
    ),
    "organisations that are silent": Case(
        "RU2 RU4",
        leaf("hot", above="400")
        + rule("quiet", kind="silent", panel="p", at_least="2")
        + rule("soon", kind="silent", panel="p", at_least="2", over_rounds=1, for_rounds=2)
        + rule("awake", kind="silent", panel="p", below="1", over_rounds=2),
        series(100, 110, 120, None, None, 130, 140, 150, 160),
        figures=figures_of(
            "a1 a2 b c", "a1 a2:1 b c", "a1 a2:1 b:2 c", "a1:3 a2:1 b:2 c:3",
            "a1:3 a2:1 b:2 c:3", "a1 a2:1 b:2 c", "a1 a2 b:2 c", "a1 a2 b:2 c:7", "a1 a2 b c",
        ),
    ),
    "organisations beyond their share": Case(
        "RU2 RU4",
        leaf("hot", above="400")
        + rule("leap", kind="beyond-share", panel="p", at_least="2")
        + rule("held", kind="beyond-share", panel="p", at_least="2", for_rounds=2)
        + rule("within", kind="beyond-share", panel="p", below="1"),
        series(100, 110, None, 120, None, 130, 140),
        # Of two labs of one organisation one counts; whoever falls silent stays beyond.
        shares=shares_of(
            "a1 a2 b c", "a1! a2 b c", "a1! a2! b c", "a1 a2! b! c", "a1 a2 c!", "a1 a2 b c", "c",
        ),
    ),
    "auditors that could open": Case(
        "RU12 RU5",
        leaf("hot", above="400")
        + rule("reserve", kind="able", below="3")
        + rule("lasting", kind="able", below="3", for_rounds=2, unknown="skips")
        + rule("blind", kind="able", below="1", unknown="holds")
        + rule("either", any_of=["hot", "reserve"])
        + DRILLS,
        series(100, 110, None, 120, 130, 500, 140, 150),
        waiting=[3],
        able=[None, 3, 2, 2, None, 1, 0, 3],
    ),
    "one slope through several sets": Case(
        "RU7 RU6b",
        BOTH_WAYS,
        series(100, 121, 143, 300, 361, 429, 520, 623),
        figures=figures_of(*["a b c"] * 3, *["a b c d"] * 5),
    ),
    "one bend through several sets": Case(
        "RU8 RU6b",
        BOTH_WAYS,
        series(100, 101, 102, 103, 206, 309, 463, 695),
        figures=figures_of(*["a b"] * 4, *["a b c"] * 4),
    ),
    "a bend whose sides have too few values beyond those that begin a set": Case(
        "RU8 RU6b",
        BOTH_WAYS,
        series(100, 101, 102, 103, 206, 309, 463, 695),
        figures=figures_of("a", "b", "a", *["a b"] * 5),
    ),
    "rounds without a result within a set": Case(
        "RU4 RU6b",
        BOTH_WAYS,
        series(100, 120, None, 173, 207, None, 298, 358),
        figures=figures_of("a b", "a b", "", "a b", "a b", "", "a b:5", "a b"),
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
    "growth after the bend below the least is no acceleration": Case(
        "RU8",
        leaf("least", **ACCELERATING)
        + leaf("none", **{**ACCELERATING, "after_at_least": "-0.5"})
        + leaf("much", **{**ACCELERATING, "after_at_least": "0.6"}),
        series(*powers("-0.2", 5), *powers("0.001", 5, "410"), *powers("0.5", 4, "600")),
    ),
    "rounds without a result are counted since the last with one": Case(
        "RU2 RU4",
        rule("two", kind="no-result", panel="p", at_least="2")
        + rule("three", kind="no-result", panel="p", at_least="3", for_rounds=2)
        + leaf("high", above="5")
        + rule("any", any_of=["two", "high"])
        + rule("all", all_of=["two", "high"]),
        series(None, None, 6, None, 4, None, None, None, None, 7),
    ),
    "a round that has not ended is no round without a result": Case(
        "RU4",
        rule("dark", kind="no-result", panel="p", at_least="2"),
        series(6, None, None, None, None, 6, None),
        waiting=(3, 7),
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
DARK = {"kind": "no-result", "panel": "p", "at_least": "2"}
#: A pause whose rules do not name rounds without a result says so; this one's do.
SAFE_TABLE = PAUSE_TABLE.replace('["hot"]', '["hot", "dark"]').replace('fail_safe = "none"\n', "")
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
    ("RU2", leaf("a", kind="change", above="5", over_rounds=1)),
    ("RU2", leaf("a", **without(ACCELERATING, "after_at_least"))),
    ("RU2", leaf("a", **{**ACCELERATING, "after_at_least": "5 %"})),
    ("RU2", leaf("a", **DARK)),
    ("RU2", rule("a", **{**DARK, "panel": "q"})),
    ("RU2", rule("a", **DARK, below="4")),
    ("RU3", leaf("a", **{**ACCELERATING, "after_at_least": "-1"})),
    ("RU3", rule("a", **{**DARK, "at_least": "1"})),
    ("RU3", rule("a", **{**DARK, "at_least": "2.5"})),
    ("RU3", rule("a", **{**DARK, "at_least": "63"})),
    ("RU3", rule("a", **without(DARK, "at_least"), at_most="3")),
    ("RU2", leaf("a", **{**GROWING, "confidence": "0.9"})),
    ("RU2", leaf("a", **GROWING, noise="0.1")),
    ("RU2", leaf("a", **without(ACCELERATING, "noise"))),
    ("RU2", rule("a", kind="silent", panel="q", at_least="2")),
    ("RU2", leaf("a", kind="silent", panel="p", at_least="2")),
    ("RU2", rule("a", kind="silent", panel="p", at_least="2", over_rounds=63)),
    ("RU3", rule("a", kind="silent", panel="p", at_least="0")),
    ("RU3", rule("a", kind="silent", panel="p", at_least="7")),
    ("RU2", rule("a", kind="beyond-share", panel="q", at_least="2")),
    ("RU2", leaf("a", kind="beyond-share", panel="p", at_least="2")),
    ("RU2", rule("a", kind="beyond-share", panel="p", at_least="2", over_rounds=2)),
    ("RU3", rule("a", kind="beyond-share", panel="p", at_least="1")),
    ("RU3", rule("a", kind="beyond-share", panel="p", above="1")),
    ("RU3", rule("a", kind="beyond-share", panel="p", at_least="7")),
    ("RU3", rule("a", kind="beyond-share", panel="p", below="0")),
    ("RU12", rule("a", kind="able", below="3")),
    ("RU12", rule("a", kind="able", below="4") + DRILLS),
    ("RU12", rule("a", kind="able", below="0") + DRILLS),
    ("RU12", rule("a", kind="able", below="1.5") + DRILLS),
    ("RU12", rule("a", kind="able", at_most="2") + DRILLS),
    ("RU12", rule("a", kind="able", at_least="2") + DRILLS),
    ("RU2", rule("a", kind="able") + DRILLS),
    ("RU2", rule("a", kind="able", panel="p", below="2") + DRILLS),
    ("RU2", leaf("a", kind="able", below="2") + DRILLS),
    ("RU2", rule("a", kind="able", below="2", over_rounds=2) + DRILLS),
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
        + rule("dark", **DARK)
        + leaf("few", below="60")
        + rule("calm", any_of=["few", "dark"])
        + PAUSE_TABLE,
    ),
    (
        "RU9",
        HOT
        + leaf("part", below="60", unknown="skips")
        + rule("calm", all_of=["part"])
        + PAUSE_TABLE,
    ),
    (
        "RU9",
        leaf("hot", **DOUBLING, at_most="4")
        + leaf("calm", **FAST, below="0.5")
        + PAUSE_TABLE
        + "fits_only = true\n",
    ),
    ("PA1", HOT + leaf("calm", below="60") + PAUSE_TABLE.replace("none", "all")),
    ("PA1", HOT + leaf("calm", below="60") + PAUSE_TABLE.replace('fail_safe = "none"\n', "")),
    (
        "PA1",
        HOT + rule("dark", **DARK) + leaf("calm", below="60") + SAFE_TABLE + 'fail_safe = "none"\n',
    ),
    ("PA1", leaf("hot", **DOUBLING, at_most="4") + leaf("calm", below="60") + PAUSE_TABLE),
    ("PA1", HOT + leaf("calm", below="60") + PAUSE_TABLE + "fits_only = true\n"),
)
