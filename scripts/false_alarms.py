"""Writes docs/false-alarms.md: how often rules fire though growth is steady, and what they see.

    python scripts/false_alarms.py [--runs 4000]

The same measurements as ``fermata charter check`` makes for a charter's own rules, for a grid of
settings (docs/spec/rules.md, RU10), and for the template's triggers. Seeded, so that it gives the
same tables again.
"""

import argparse
import base64
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from fermata.assessment.calibration import FalseAlarms, false_alarm_rate
from fermata.assessment.power.measure import power_of
from fermata.cli.setup.new_charter import charter_text
from fermata.cli.setup.power_text import LIVES, power_text
from fermata.crypto.signing import SigningKey
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.charter.rules.trigger_rules import ACCELERATION, GROWTH, NullHypothesis, Rule

TARGET = Path(__file__).parent.parent / "docs" / "false-alarms.md"
SEED = 1
#: Labs and auditors of the template's charter.
LABS, AUDITORS = 13, 3
#: Rules of the template, as it writes them. Who makes the key changes no rule; only that the seeds
#: of the simulated lives follow from the charter's bytes.
_RULES = charter_text(LABS, AUDITORS, 0, "example", "2026Q1", has_dealer=True)
LEAP, FAST = (
    _RULES[start : _RULES.index("\n\n", start)]
    for start in (
        _RULES.rindex("[[rule]]", 0, _RULES.index(f'id = "{n}"')) for n in ("leap", "fast")
    )
)
TEXT = """# What rules see

A rule can fail in two ways: it fires for nothing, or it does not fire for what matters. `fermata
charter check` measures the first for every fit, and with `--power` the second for every trigger.

## False alarms of trend rules

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

## Power: what triggers see, and when

`fermata charter check --power` simulates a charter's own triggers, with the code that evaluates
the rules in a log, and says after how many rounds each holds once something has happened:

* *nothing*: figures grow as before. Whatever is seen as soon as here is not seen at all;
* *one x10*: one lab's figure is ten times what it was, from this round on. *all x10*: every lab's
  is;
* *growth x2*: figures grow twice as fast. *growth x1.5*: a slow drift away from what is calm.

Three numbers stand for 95, 80 and 60 % of the labs that report each round, each lab by chance.
A lab that is missing has its last figure in the sum ([standing reports](spec/standing.md)). So has
one whose figure is beyond its share of the sum before ([D8](spec/disclosure.md)): it waits, and
only `beyond-share` counts it. The sum before a life's first round is that of its first figures, not
the charter's start value, which is of the charter's first round. The
second table has a lab that goes up and down by a factor, or
through its whole range, in the pattern that hides most.

A metric's figures are the same in all labs. They stand at half of the lowest limit on a level
among the triggers (without one, at the limit of a change, or at a tenth of the range), and grow
by the `growth` and with the `noise` that a rule on the metric states, otherwise by 5 % a round
with a noise of 2 %. Labs that are not alike give other numbers: a lab that is small is seen
later, and one that is large earlier.

The template's triggers with {labs} labs:

```
{power}
```

The middle of so few lives is exact to a round where all labs report, and to a few where many are
missing.

How to read it:

* Do not rely on a fit alone. It sees a leap two rounds after the change does. And one lab that
  swings keeps the error of its slope so large that it sees growth that doubles five rounds late,
  and with five labs not at all, as long as the lab likes.
* A level sees what lasts, however it came about, and only that.
* A change sees a leap that a level does not reach. It needs two rounds with a result,
  `over_rounds` apart.
* The mean over {labs} labs does not move much with one of them, in particular where figures have
  an upper end. A charter that is to see what one lab does needs a statistic that shows it:
  `count_above`, a histogram, or a concentration.
* Labs that are missing make triggers later, by a round or two, and not blind. `no-result` holds
  only where so many stay away that no sum is new. `silent` counts those who stay away for long.
* With a dominance limit, a leap of all labs is in no sum: their figures wait, so that levels and
  changes stay quiet, and `no-result` holds some rounds later. `beyond-share` sees it at once.

Four other charters, made from the template by changing the parts that are named:

{others}

What presence does to results, false alarms, joiners and lifts in long lives is in
[presence](presence.md).
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


def template(labs: int, *changes: tuple[str, str]) -> Charter:
    """The template's charter with its parties filled in, and with texts replaced."""
    text = charter_text(labs, AUDITORS, 0, "example", "2026Q1", has_dealer=True)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    seeds = (bytes([k]) * 32 for k in range(1, 100))
    keys = (base64.b64encode(SigningKey.from_seed(s).public_key).decode() for s in seeds)
    filled = re.sub(r'(?m)^signing_key = ""$', lambda _: f'signing_key = "{next(keys)}"', text)
    return parse_charter(filled.encode())


def others() -> str:
    """What four charters see that differ from the template."""
    triggers = 'triggers = ["high", "leap", "fast", "dark"]'
    beyond = (
        '[[rule]]\nid = "beyond"\nkind = "beyond-share"\npanel = "capability"\nat_least = "2"\n'
    )
    shares = 'dominance = "0.3"\ndominance_start = { score = "1" }\n'
    silent = '[[rule]]\nid = "quiet"\nkind = "silent"\npanel = "capability"\nat_least = "2"\n'
    charters = {
        "five labs": template(5),
        "fits alone, said with `fits_only`": template(
            LABS, (triggers, 'triggers = ["fast", "dark"]\nfits_only = true')
        ),
        "five labs, a level that counts labs, and two that are `silent`": template(
            5,
            (triggers, 'triggers = ["high", "quiet", "dark"]'),
            ('statistics = ["sum", "mean", "count"]', 'count_above = ["0.6"]'),
            ('statistic = "mean"\nat_least = "0.8"', 'statistic = "above:0.600"\nat_least = "1"'),
            (LEAP, ""),
            (FAST, silent),
            ('statistic = "mean"\nbelow = "0.75"', 'statistic = "above:0.600"\nbelow = "1"'),
        ),
        "five labs, a `dominance` of 0.3, and two that are `beyond-share`": template(
            5,
            (triggers, 'triggers = ["high", "leap", "beyond", "dark"]'),
            ("cohort_min = 5\n", f"cohort_min = 5\n{shares}"),
            (FAST, beyond),
        ),
    }
    return "\n\n".join(
        f"{name}:\n\n```\n{power_text(power_of(charter, LIVES)).strip()}\n```"
        for name, charter in charters.items()
    )


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
        labs=LABS,
        power=power_text(power_of(template(LABS), LIVES)).strip(),
        others=others(),
    )
    TARGET.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
