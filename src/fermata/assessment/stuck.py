"""Rules of a pause that can never act, or not while one lab is away (rules.md, RU11).

Everything follows from the charter's own numbers, so that ``fermata charter check`` names what
nobody would notice before the day on which the rule should act.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from fermata.assessment.fresh import organisations_of
from fermata.assessment.power.measure import WATCHED
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import (
    PauseTerms,
    can_both_hold,
    rests_on_no_result,
)
from fermata.protocol.charter.periods import NUMBERED, period_count
from fermata.protocol.charter.rules.trigger_rules import (
    ACCELERATION,
    BEYOND_SHARE,
    CHANGE,
    FITS,
    NO_RESULT,
    SILENT,
    Rule,
)
from fermata.protocol.statistics.trend import POINTS_MIN

#: Results that count the labs in a sum.
_COUNTS = ("count", "above", "bin")
_DAYS = {"quarter": Fraction(1461, 16), "month": Fraction(1461, 48)}
_DAY_S, _YEAR_DAYS = 86_400, Fraction(1461, 4)


def stuck_rules(charter: Charter) -> list[str]:
    """Why the rules of a charter's pause can never act, one sentence each; empty if they can."""
    terms = charter.pause
    if terms is None:
        return []
    known = _Rules(charter)
    reasons = (why for name in (*terms.triggers, terms.lift) for why in known.why(name))
    # A part of several triggers is told once.
    return list(dict.fromkeys(reasons)) + _too_late(known, terms) + _one_away(known, terms)


def slow_rules(charter: Charter) -> list[str]:
    """Rules of a pause that act late, or that one lab keeps from acting while others still do."""
    terms = charter.pause
    if terms is None:
        return []
    known = _Rules(charter)
    lines = []
    for name in terms.triggers:
        rounds = known.delay(name)
        if rounds > WATCHED:
            lines.append(
                f"the trigger {name} holds {_span(charter, rounds)} after what it is there for, at"
                f" the earliest; charter check --power watches {WATCHED} rounds."
            )
        if known.needs_everybody(name):
            lines.append(f"the trigger {name} {_NEEDS}.")
    rounds = known.delay(terms.lift) + terms.lift_rounds - 1
    if rounds > WATCHED:
        lines.append(
            f"the lift {terms.lift} takes {_span(charter, rounds)} of calm, at the least, with"
            f" for_rounds {known.by_id[terms.lift].for_rounds} and lift_rounds {terms.lift_rounds}."
        )
    if known.needs_everybody(terms.lift):
        lines.append(f"the lift {terms.lift} {_NEEDS}: then only the committee lifts the pause.")
    return lines


_NEEDS = (
    "needs every lab or organisation of its panel: one that has never reported, has left or was"
    " excluded keeps it from holding"
)


def _too_late(known: "_Rules", terms: PauseTerms) -> list[str]:
    """RU11.3, RU11.4: what would first act after the charter's last period."""
    charter = known.charter
    if not charter.last_period:
        return []
    rounds = period_count(charter.cadence, charter.first_period, charter.last_period)
    lines = [
        f"{name}: holds in round {known.first(name)} at the earliest, and the charter has only"
        f" {rounds}, up to {charter.last_period}; ask for fewer rounds"
        for name in (*terms.triggers, terms.lift)
        if known.first(name) > rounds
    ]
    begins = min(map(known.first, terms.triggers))
    if not lines and begins + terms.lift_rounds > rounds:
        lines.append(
            f"lift_rounds: a pause begins in round {begins} at the earliest and takes"
            f" {terms.lift_rounds} more to lift, and the charter has only {rounds}, up to"
            f" {charter.last_period}; ask for fewer"
        )
    return lines


def _one_away(known: "_Rules", terms: PauseTerms) -> list[str]:
    """RU11.5, RU11.6: what one lab keeps from acting, by not being in the sum."""
    reading = [t for t in terms.triggers if not rests_on_no_result(known.by_id, t)]
    lines = []
    if reading and all(map(known.needs_everybody, reading)):
        lines.append(
            f"triggers: each of {', '.join(reading)} {_NEEDS}; add a trigger that holds without"
            " one, or lower a limit by one"
        )
    if known.needs_everybody(terms.lift) and known.charter.committee is None:
        lines.append(
            f"{terms.lift}: the lift {_NEEDS}, and there is no committee that could lift the"
            " pause; lower its limit by one"
        )
    return lines


class _Rules:
    """A charter's rules, and what its numbers say of each by id."""

    def __init__(self, charter: Charter) -> None:
        self.charter = charter
        self.by_id: Mapping[str, Rule] = {rule.id: rule for rule in charter.rules}
        self._panels = {m.id: panel for panel in charter.panels for m in panel.metrics}

    def panel(self, rule: Rule) -> Panel:
        """The panel that a leaf is about."""
        return self.charter.panel(rule.panel) if rule.panel else self._panels[rule.metric]

    def parts(self, rule: Rule) -> list[Rule]:
        """The rules that a rule joins."""
        return [self.by_id[part] for part in rule.parts]

    def why(self, name: str) -> Iterator[str]:
        """RU11.1, RU11.2: why a rule of a pause never holds, or always does."""
        rule = self.by_id[name]
        for part in self.parts(rule):
            yield from self.why(part.id)
        if rule.kind in (SILENT, BEYOND_SHARE):
            count = organisations_of(self.charter, self.panel(rule))
            said = {rule.passes(Fraction(n)) for n in range(count + 1)}
            # RU11.1: the panel's labs are more, and RU3.12 counts those.
            if len(said) == 1:
                yield (
                    f"{name}: would {'always' if said == {True} else 'never'} hold: it counts"
                    f" organisations, of which panel {self.panel(rule).id} has {count}"
                )
        if rule.kind == "all_of" and rule.unknown != "holds":
            leaves = sorted(self._needed(rule), key=lambda leaf: leaf.id)
            for place, leaf in enumerate(leaves):
                # RU11.2: parts that no round makes true together.
                for other in leaves[:place]:
                    if self._exclude(leaf, other):
                        yield (
                            f"{name}: never holds: no round makes both {other.id} and"
                            f" {leaf.id} true"
                        )

    def _needed(self, rule: Rule) -> set[Rule]:
        """The leaves that must be true in a round as of which a rule holds."""
        if rule.unknown == "holds":
            return set()
        if not rule.parts:
            return {rule}
        sets = [self._needed(part) for part in self.parts(rule)]
        return set.union(*sets) if rule.kind == "all_of" else set.intersection(*sets)

    def _exclude(self, a: Rule, b: Rule) -> bool:
        """Whether two leaves are never true as of one round."""
        if NO_RESULT in (a.kind, b.kind):
            dark, other = (a, b) if a.kind == NO_RESULT else (b, a)
            is_read = bool(other.metric) and self.panel(other) == self.panel(dark)
            # RU4: what was true is held for some rounds while another panel comes out.
            held = self.charter.pause.hold_rounds if self.charter.pause else 0
            return is_read and (len(self.charter.panels) == 1 or held < dark.limit)
        if a.over_rounds != b.over_rounds or a.is_rising == b.is_rising:
            return False
        if (a.metric, a.panel, a.statistic, a.kind) != (b.metric, b.panel, b.statistic, b.kind):
            return False
        if self._is_count(a):
            counts = map(Fraction, range(len(self.panel(a).labs) + 1))
            return not any(a.passes(n) and b.passes(n) for n in counts)
        return not can_both_hold(a, b)

    def _is_count(self, leaf: Rule) -> bool:
        counts_labs = leaf.kind not in (CHANGE, *FITS) and (
            leaf.statistic.partition(":")[0] in _COUNTS
        )
        return counts_labs or leaf.kind in (SILENT, BEYOND_SHARE)

    def needs_everybody(self, name: str) -> bool:
        """Whether a rule holds only while it counts every lab, or organisation, of a panel."""
        rule = self.by_id[name]
        if rule.parts:
            join = all if rule.kind == "any_of" else any
            return join(map(self.needs_everybody, rule.parts))
        if not self._is_count(rule):
            return False
        panel = self.panel(rule)
        is_of_labs = bool(rule.statistic)
        count = len(panel.labs) if is_of_labs else organisations_of(self.charter, panel)
        return rule.passes(Fraction(count)) and not rule.passes(Fraction(count - 1))

    def first(self, name: str) -> int:
        """No round with a smaller number, from 1, is one as of which a rule holds."""
        rule = self.by_id[name]
        run = rule.for_rounds - 1
        if rule.unknown == "holds":
            return 1 + run
        if rule.parts:
            choose = max if rule.kind == "all_of" else min
            return choose(map(self.first, rule.parts)) + run
        if rule.kind == CHANGE:
            return rule.over_rounds + 1 + run
        if rule.kind in FITS:
            return (2 * rule.points_min if rule.kind == ACCELERATION else POINTS_MIN) + run
        return self._seen_after(rule) + (rule.kind == SILENT and rule.is_rising) + run

    def delay(self, name: str) -> int:
        """Rounds from what a rule is there for to the first as of which it holds; 1 at least."""
        rule = self.by_id[name]
        run = rule.for_rounds - 1
        if rule.parts:
            choose = max if rule.kind == "all_of" else min
            return choose(map(self.delay, rule.parts)) + run
        return self._seen_after(rule) + run

    def _seen_after(self, leaf: Rule) -> int:
        """The rounds that a leaf about a panel counts before it is true."""
        if leaf.kind == NO_RESULT:
            return int(leaf.limit)
        return leaf.over_rounds + 1 if leaf.kind == SILENT and leaf.is_rising else 1


def _span(charter: Charter, rounds: int) -> str:
    """Rounds in words, with the time that they take."""
    if charter.cadence == NUMBERED:
        days = Fraction(rounds * charter.interval_s, _DAY_S)
    else:
        days = rounds * _DAYS[charter.cadence]
    years = days / _YEAR_DAYS
    time = f"{float(years):.1f} years" if years >= 2 else f"{float(days):.0f} days"
    return f"{rounds} rounds ({time})"
