"""Writes docs/false-alarms.md: how often rules fire though growth is steady.

    python scripts/false_alarms.py [--runs 4000]

The same measurement as ``fermata charter check`` makes for a charter's own rules, for a grid of
settings (docs/spec/rules.md, RU10). Seeded, so that it gives the same table again.
"""

import argparse
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from fermata.assessment.calibration import FalseAlarms, false_alarm_rate
from fermata.protocol.charter.trigger_rules import ACCELERATION, GROWTH, NullHypothesis, Rule

TARGET = Path(__file__).parent.parent / "docs" / "false-alarms.md"
SEED = 1
TEXT = """# False alarms of trend rules

The tables say how often a rule fires although growth is steady: in any of ten rounds in a row with
full windows and, in brackets, in one round. `scripts/false_alarms.py` measured them over {runs}
seeded runs, as `fermata charter check` does for a charter's own rules (docs/spec/rules.md, RU10).
The 95 % interval of each figure is at most {width} points either way.

**Growth rate** `above` the true growth, by window and confidence. Growth is exactly at the
limit, which is the worst case; the noise does not matter.

{growth}

**Acceleration**, slope ratio `at_least` 2 with `r2_min` 0.9 and 3 points on each side, growth of
{rate} per round, by window and noise (standard deviation of the logarithm):

{two}

The same with slope ratio 3:

{three}

How to read them: at growth of 20 % per round, a rule can safely look for a bend if the noise is 5 %
or less; with 10 % even long windows show bends that do not exist. A charter that still wants a
quick alarm asks for a run of rounds (`for_rounds`), or for a higher ratio. More noise can also give
fewer alarms, since `r2_min` then fails (8 rounds against 12 at noise 0.2): a rule that is
calibrated for one noise is not safe for another.
"""


def percent(found: FalseAlarms) -> str:
    """Ten rounds, and one round in brackets."""
    return f"{100 * found.ten_rounds.rate:.1f} % ({100 * found.one_round.rate:.1f})"


def table(head: str, columns: list[str], rows: list[tuple[str, list[str]]]) -> str:
    """A table in Markdown."""
    lines = [f"| {head} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return "\n".join(lines + [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows])


def growth(runs: int) -> str:
    """Rates of a growth rule."""
    windows, confidences = (4, 6, 8, 12), ("0.90", "0.95", "0.99")
    rows = []
    for confidence in confidences:
        rules = [
            Rule(
                id="g",
                kind=GROWTH,
                comparison="above",
                limit=Fraction(1, 10),
                over_rounds=window,
                confidence=confidence,
            )
            for window in windows
        ]
        rows.append((confidence, [percent(false_alarm_rate(r, runs, SEED)) for r in rules]))
    return table("confidence", [f"{w} rounds" for w in windows], rows)


def acceleration(runs: int, ratio: int, rate: Fraction) -> str:
    """Rates of an acceleration rule."""
    windows, noises = (8, 12, 16, 24), ("0.02", "0.05", "0.1", "0.2")
    base = Rule(
        id="a",
        kind=ACCELERATION,
        comparison="at_least",
        limit=Fraction(ratio),
        points_min=3,
        r2_min=Fraction(9, 10),
    )
    rows = []
    for noise in noises:
        null = NullHypothesis(Fraction(noise), rate, Fraction(1, 2))
        rules = [replace(base, over_rounds=window, null=null) for window in windows]
        rows.append((noise, [percent(false_alarm_rate(r, runs, SEED)) for r in rules]))
    return table("noise", [f"{w} rounds" for w in windows], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000)
    runs = parser.parse_args().runs
    rate = Fraction(1, 5)
    text = TEXT.format(
        runs=runs,
        width=f"{98 / runs**0.5:.1f}",
        rate="20 %",
        growth=growth(runs),
        two=acceleration(runs, 2, rate),
        three=acceleration(runs, 3, rate),
    )
    TARGET.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
