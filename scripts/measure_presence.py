"""Measures what absence does to a panel whose figures stand: docs/presence.md has what it prints.

    PYTHONPATH=tests:scripts python scripts/measure_presence.py [--lives 200] [--pauses 300]

Lives are made up, figures are in clear, and all that decides is the code of production. The same
numbers come out each time.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import exp, log
from random import Random
from statistics import median

from false_alarms import template
from fermata.assessment.attack.assumptions import Assumption, parse_assumption
from fermata.assessment.attack.bounds import attack
from fermata.assessment.attack.releases import History, Release
from fermata.assessment.power.lives import facts_of_life
from fermata.assessment.power.rounds import PanelSum
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.rules.trigger_rules import CHANGE, Rule
from fermata.protocol.standing.panel_round import Given, PanelTurn
from fermata.protocol.standing.terms import panel_terms
from fermata.protocol.state.pause import RUNNING
from fermata.protocol.state.standing import PanelStanding, lab_of
from fermata.protocol.statistics.facts import RoundFacts
from fermata.protocol.statistics.policy import history
from fermata.types import RoundNumber
from harness.protocol.paused_lives import LEVELS, PausedLife
from harness.protocol.paused_lives import charter_of as paused_charter

ROUNDS = 40
SIZES, RATES = (5, 13), (0.95, 0.80, 0.60)
#: Of a life with joins and leaves: chances a round.
JOINS, LEAVES, FALLS_SILENT, SAYS_ALONE = 0.15, 0.10, 0.02, 0.3
#: Steady growth of a figure a round, with the noise of its logarithm; a share of 1.
GROWTH, NOISE, START = 0.01, 0.02, 0.40
WATCHED = 12


def charter_of(labs: int) -> Charter:
    """The template, filled in for so many labs of an organisation each."""
    return template(labs, *((("fresh_min = 3", "fresh_min = 5"),) if labs >= 10 else ()))


@dataclass(slots=True)
class Life:
    """A panel's rounds: by round, the figure of each lab in its sum, and who waited how long."""

    sums: list[dict[str, int]] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    #: Labs of which a column is known: they have joined alone, or left as ghosts.
    known: frozenset[str] = frozenset()


class Panels:
    """One panel, of which labs join and leave if ``moves``, fall silent and return."""

    def __init__(self, charter: Charter, rate: float, moves: bool, random: Random) -> None:
        self.charter, self.rate, self.moves, self.random = charter, rate, moves, random
        self.panel: Panel = replace(charter.panels[0], groups=())
        self.terms = panel_terms([charter], self.panel.id)
        out = set(charter.labs[-3:]) if moves else set[str]()
        self.present = set(charter.labs) - out
        self.silent = dict.fromkeys(charter.labs, 0)
        self.alone = {lab for lab in charter.labs if random.random() < SAYS_ALONE}
        self.standing = PanelStanding()
        #: Since when a lab waits to be in the sums, and to be out of them.
        self.joining: dict[str, int] = {}
        self.leaving: dict[str, int] = {}
        self.life = Life()

    def move(self, number: int) -> None:
        """Somebody may join, and somebody leave."""
        outside = sorted(set(self.charter.labs) - self.present)
        if self.moves and outside and self.random.random() < JOINS:
            self.present.add(self.random.choice(outside))
        if self.moves and len(self.present) > 8 and self.random.random() < LEAVES:
            lab = self.random.choice(sorted(self.present))
            self.present.discard(lab)
            self.joining.pop(lab, None)
            if lab in self.standing.members:
                self.leaving[lab] = number

    def reports(self) -> frozenset[str]:
        """Who reports now; a lab that falls silent stays so for two to six rounds."""
        here = set()
        for lab in sorted(self.present):
            if self.silent[lab]:
                self.silent[lab] -= 1
            elif self.random.random() < FALLS_SILENT:
                self.silent[lab] = self.random.randint(1, 5)
            elif self.random.random() < self.rate:
                here.add(lab)
        return frozenset(here)

    def play(self, number: int) -> None:
        self.move(number)
        here = self.reports()
        for lab in here - self.standing.members:
            self.joining.setdefault(lab, number)
        numbers = [RoundNumber(n) for n in range(1, number + 1)]
        given = Given(
            number=numbers[-1],
            place=number,
            reports=here,
            alone=here & self.alone,
            barred=frozenset(),
            summable=frozenset(numbers),
            places={n: n for n in numbers},
            organisations={lab: lab for lab in self.charter.labs},
            homes={},
            # Everybody is on the charter's roster all the time, so every figure was told of all.
            rosters=dict.fromkeys(numbers, frozenset(self.charter.labs)),
        )
        panel = replace(self.panel, labs=frozenset(self.present))
        turn = PanelTurn(self.standing, panel, self.terms, given).run()
        self.standing = turn.after
        for lab in [lab for lab in self.joining if lab in self.standing.members]:
            self.life.joined.append(number - self.joining.pop(lab))
        for lab in [lab for lab in self.leaving if lab not in self.standing.members]:
            self.life.left.append(number - self.leaving.pop(lab))
        self.life.sums.append({lab: n for f in turn.figures.values() for lab, n in f.items()})


def life_of(charter: Charter, rate: float, moves: bool, seed: int) -> Life:
    """One life of ROUNDS rounds; whoever still waits at its end counts with what it waited."""
    panels = Panels(charter, rate, moves, Random(seed))
    for number in range(1, ROUNDS + 1):
        panels.play(number)
    life = panels.life
    life.known = frozenset(map(lab_of, panels.standing.known))
    life.joined += [ROUNDS - since for since in panels.joining.values()]
    life.left += [ROUNDS - since for since in panels.leaving.values()]
    return life


def facts_of(charter: Charter, life: Life, figures: list[dict[str, int]]) -> tuple[RoundFacts, ...]:
    """What rules read of a life. ``figures``: by round, by lab."""
    name, panel = charter.panels[0].metrics[0].id, charter.panels[0].id
    rows = [{panel: PanelSum({lab: n - 1 for lab, n in row.items()})} for row in life.sums]
    return facts_of_life(charter, rows, {name: figures})


def figures_of(labs: Sequence[str], seed: int, leap_at: int, leap: float, alone: bool) -> list[
    dict[str, int]
]:  # fmt: skip
    """Steady growth with noise, and from ``leap_at`` on figures that are ``leap`` times as large,
    in one lab or in all; thousandths, at most 1000."""
    random = Random(seed)
    rows = []
    for number in range(ROUNDS):
        row = {}
        for lab in labs:
            value = START * exp(log(1 + GROWTH) * number + random.gauss(0, NOISE))
            if number >= leap_at and (lab == labs[0] or not alone):
                value *= leap
            row[lab] = min(1000, round(1000 * value))
        rows.append(row)
    return rows


def triggered(charter: Charter, facts: tuple[RoundFacts, ...], names: Sequence[str]) -> list[int]:
    """The rounds in which one of these triggers holds."""
    said = history(charter.rules, facts)
    return [n for n, row in enumerate(said) if any(v.holds and v.rule in names for v in row)]


def middle(values: Sequence[int], share: float = 0.5) -> str:
    ordered = sorted(values)
    return str(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else "-"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    sys.stdout.write(f"{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}\n")
    sys.stdout.writelines(f"| {' | '.join(row)} |\n" for row in rows)
    sys.stdout.write("\n")


def presence(lives: int) -> None:
    """Rounds with a result, waits, false alarms and delays, by size and rate."""
    rows = []
    for labs in SIZES:
        charter = charter_of(labs)
        triggers = charter.pause.triggers if charter.pause else ()
        rising = [name for name in triggers if name in ("leap", "fast", "high")]
        for rate in RATES:
            played = [life_of(charter, rate, labs > 5, seed) for seed in range(lives)]
            shown = sum(bool(row) for life in played for row in life.sums)
            joined = [wait for life in played for wait in life.joined if labs > 5]
            left = [wait for life in played for wait in life.left]
            alarms, ones, alls = 0, list[int](), list[int]()
            for seed, life in enumerate(played):
                calm = figures_of(charter.labs, seed, ROUNDS, 1, False)
                alarms += bool(triggered(charter, facts_of(charter, life, calm), rising))
                for alone, waits in ((True, ones), (False, alls)):
                    leap = figures_of(charter.labs, seed, 20, 2, alone)
                    told = triggered(charter, facts_of(charter, life, leap), triggers)
                    waits.append(min(WATCHED, next((n - 19 for n in told if n >= 20), WATCHED)))
            rows.append(
                [
                    str(labs),
                    f"{rate:.0%}",
                    f"{shown / (lives * ROUNDS):.1%}",
                    f"{alarms / lives:.1%}",
                    f"{middle(alls)} ({middle(alls, 0.95)})",
                    f"{middle(ones)} ({middle(ones, 0.95)})",
                    f"{middle(joined)} ({middle(joined, 0.95)}, {max(joined, default=0)})",
                    f"{middle(left)} ({middle(left, 0.95)}, {max(left, default=0)})",
                ]
            )
    table(
        f"{lives} lives of {ROUNDS} rounds under the template's terms, each",
        [
            "labs", "report", "rounds with a result", "lives with a false alarm",
            "rounds until all x2 is seen (95 %)", "until one x2 is seen (95 %)",
            "a joiner waits (95 %, longest)",
            "a leaver's figure stands (95 %, longest)",
        ],
        rows,
    )  # fmt: skip


def rules_of_change(lives: int) -> None:
    """RU6a of rules.md: a change by rounds alone, and by both."""
    limit = Fraction(round(log(1.3) * 10**6), 10**6)
    rows = []
    for labs, fresh in ((5, 3), (13, 5)):
        charter = charter_of(labs)
        for over in (1, 2, 4):
            rule = Rule(
                "leap", CHANGE, metric="score", statistic="mean", comparison="above",
                limit=limit * over, limit_text="", over_rounds=over, panel="",
            )  # fmt: skip
            fired = {True: 0, False: 0}
            seen = 0
            for seed in range(lives):
                life = replace_rounds(life_of(charter, 0.9, False, seed), 20)
                steady = facts_in_logs(charter, life, seed, jump=False)
                fired[True] += holds(rule, steady)
                fired[False] += holds(rule, by_rounds(steady))
                told = holding(rule, facts_in_logs(charter, life, seed, jump=True))
                seen += any(10 <= n < 12 for n in told)
            rows.append(
                [str(labs), str(fresh), str(over), f"{fired[False] / lives:.1%}",
                 f"{fired[True] / lives:.1%}", f"{seen / lives:.1%}"]
            )  # fmt: skip
    table(
        f"{lives} lives of 20 rounds, 90 % report, growth 20 % a round with 5 % of noise;"
        " a change above 30 % a round",
        ["labs", "fresh_min", "over", "fires by rounds alone", "fires by both",
         "a jump to 60 % a round is seen within two"],
        rows,
    )  # fmt: skip


def replace_rounds(life: Life, rounds: int) -> Life:
    return Life(life.sums[:rounds])


def facts_in_logs(charter: Charter, life: Life, seed: int, *, jump: bool) -> tuple[RoundFacts, ...]:
    """The mean of the logarithms of figures that grow by a fifth a round; from round 10 by 60 %."""
    random = Random(-seed - 1)
    logs, rows = 0.0, []
    for number in range(len(life.sums)):
        logs += log(1.6) if jump and number >= 10 else log(1.2)
        rows.append({lab: logs + random.gauss(0, 0.05) for lab in charter.labs})
    facts = []
    for fact in facts_of(charter, life, [dict.fromkeys(charter.labs, 0)] * len(life.sums)):
        if fact.results is not None:
            row = life.sums[fact.number - 1]
            mean = sum(rows[n - 1][lab] for lab, n in row.items()) / len(row)
            fact = replace(fact, results={("score", "mean"): Fraction(round(mean * 10**6), 10**6)})
        facts.append(fact)
    return tuple(facts)


def by_rounds(facts: tuple[RoundFacts, ...]) -> tuple[RoundFacts, ...]:
    """The same as if every figure were of its sum's own round."""
    return tuple(
        replace(f, sums={m: replace(s, at=Fraction(f.number)) for m, s in f.sums.items()})
        for f in facts
    )


def holding(rule: Rule, facts: tuple[RoundFacts, ...]) -> list[int]:
    return [n for n, row in enumerate(history([rule], facts)) if row[0].holds]


def holds(rule: Rule, facts: tuple[RoundFacts, ...]) -> bool:
    return bool(holding(rule, facts))


def sweeps(pauses: int) -> None:
    """PA6a of pause.md: rounds until a pause is lifted that is calm from its first round on."""
    rows = []
    for labs, fresh in ((5, 3), (13, 5)):
        organisations = "abcdefghijklm"[:labs]
        digits = [str(n + 1) for n in range(labs)]
        terms = f"fresh_min = {fresh}"
        charter = paused_charter(organisations, LEVELS, "hot calm", terms, cohort_min=labs // 3 + 2)
        for rate in (0.95, 0.90, 0.80, 0.60):
            took = []
            for seed in range(pauses):
                chance = Random(seed)
                life = PausedLife(charter)
                life.round(dict.fromkeys(digits, 200))
                while life.pause.phase != RUNNING and len(life.rounds) < ROUNDS:
                    life.round({d: 10 for d in digits if chance.random() < rate})
                took.append(len(life.rounds) - 1)
            rows.append([str(labs), str(fresh), f"{rate:.0%}", middle(took), middle(took, 0.95)])
    table(
        f"{pauses} pauses each, calm from the first round on, K = 2",
        ["labs", "fresh_min", "report", "rounds until the lift, median", "95 %"],
        rows,
    )


def widths(lives: int) -> None:
    """What an outsider reaches on single figures of thirteen labs, by all sums of a life."""
    charter = charter_of(13)
    metric = charter.panels[0].metrics[0]
    rows = []
    for text in ("none", "change=0.2", "constant"):
        assumption: Assumption = parse_assumption(text)
        narrowest, all_labs = list[float](), list[float]()
        for seed in range(lives):
            life = life_of(charter, 0.8, True, seed)
            figures = figures_of(charter.labs, seed, ROUNDS, 1, False)
            if text == "constant":
                figures = [figures[0]] * ROUNDS
            releases = [
                Release(
                    number, str(number), tuple((n, lab) for lab, n in row.items()),
                    sum(figures[n - 1][lab] for lab, n in row.items()), None, (), (),
                )
                for number, row in enumerate(life.sums, 1)
                if row
            ]  # fmt: skip
            periods = {n: str(n) for n in range(1, ROUNDS + 1)}
            found = attack((History(metric, tuple(releases), periods),), assumption, {}, False)
            others = [b.width for b in found.bounds if not life.known.issuperset(b.labs)]
            narrowest.append(100 * min(others))
            all_labs.append(100 * min(bound.width for bound in found.bounds))
        row = [f"{f(values):.1f}" for values in (narrowest, all_labs) for f in (min, median)]
        rows.append([text, *row])
    table(
        f"Narrowest width of any figure, in percent of what the charter allows: {lives} lives of"
        " thirteen labs, 80 % report, sums alone",
        ["assumption", "least", "median of lives", "least, also of known labs", "median"],
        rows,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lives", type=int, default=200)
    parser.add_argument("--pauses", type=int, default=300)
    parser.add_argument("--attacked", type=int, default=8)
    options = parser.parse_args()
    presence(options.lives)
    rules_of_change(options.lives)
    sweeps(options.pauses)
    widths(options.attacked)


if __name__ == "__main__":
    main()
