"""What rules see of a round, and what they say as of it (docs/spec/rules.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.reprs import short_repr
from fermata.types import EntryIndex, TimeMs


@short_repr()
@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What a rule says as of a round.

    ``holds`` is None if it is unknown, and ``why`` says why. ``value`` is what was compared with
    ``limit``, as text for people; ``streak`` counts the rounds in a row, of which the rule needs
    ``for_rounds``.
    """

    rule: str
    holds: bool | None
    value: str
    limit: str
    streak: int
    for_rounds: int
    why: str


@short_repr()
@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules say as of a round, and the entry with which the round came to its end.

    ``late``: of a round that ended after later ones, the triggers that hold as of one of those now
    that this round is known, and did not before. They are triggers of the later round's charter.
    """

    entry: EntryIndex
    time_ms: TimeMs
    verdicts: tuple[RuleVerdict, ...]
    late: tuple[str, ...] = ()

    def fired(self, triggers: Sequence[str]) -> tuple[str, ...]:
        """The triggers that this round pulls (pause.md, PA3): its charter's, then later ones'."""
        holding = {v.rule for v in self.verdicts if v.holds is True}
        own = tuple(rule for rule in triggers if rule in holding or rule in self.late)
        return own + tuple(rule for rule in self.late if rule not in own)

    def holds(self, rule: str) -> bool | None:
        """What it says of one rule; None is unknown, as is a rule that it does not have."""
        return next((v.holds for v in self.verdicts if v.rule == rule), None)


@dataclass(frozen=True, slots=True)
class SumFacts:
    """The figures in a sum. ``labs``: whose they are.

    ``at``, x(r) in rules.md, is their mean time in periods from 1: the mean over organisations, of
    each over its labs, of the place of the period that a figure was reported for.
    """

    at: Fraction
    labs: frozenset[str]


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """A round's results by (metric, statistic); None, and ``why``, if it has no results.

    ``number`` counts periods from 1: a period that was called twice counts once. ``came_out``: of
    a round that has ended, by panel that it asked, whether it brought a new result of it. ``sums``
    has every metric that has results. ``unchanged`` says of other metrics why their panel has no
    new sum. ``ages`` has, by panel and organisation, the periods since its oldest figure in the
    sums; it is empty before the round's close, and has no lab that is excluded, off the panel, or
    without consent. ``beyond`` has, by panel and as of the round's close, the organisations of
    which the newest figure is beyond its share. ``able`` counts the auditors that could open in the
    newest drill before the close; None if there was none, or if the round has no close.
    """

    number: int
    period: str
    results: Mapping[tuple[str, str], Fraction] | None
    why: str = ""
    came_out: Mapping[str, bool] = field(default_factory=dict)
    sums: Mapping[str, SumFacts] = field(default_factory=dict)
    unchanged: Mapping[str, str] = field(default_factory=dict)
    ages: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    beyond: Mapping[str, frozenset[str]] = field(default_factory=dict)
    able: int | None = None


@short_repr()
@dataclass(frozen=True, slots=True)
class FactsRun:
    """What rules see of a round, if it is the last call of its period, and what the next needs.

    ``beyond``: (panel, lab) of each lab whose newest counted figure is beyond its share.
    """

    fact: RoundFacts
    beyond: frozenset[tuple[str, str]] = frozenset()


@short_repr()
@dataclass(frozen=True, slots=True)
class RuleRun:
    """What some rules say as of a round, and what they need for the next period's.

    ``true_at``: by leaf, the newest place as of which it was known, if it was true then.
    ``fruitless``: by panel, how many ended rounds in a row brought no result of it.
    """

    verdicts: tuple[RuleVerdict, ...]
    true_at: Mapping[str, int] = field(default_factory=dict)
    fruitless: Mapping[str, int] = field(default_factory=dict)


@short_repr()
@dataclass(frozen=True, slots=True)
class RuleMemory:
    """What the rules are told and say as of each round, so that no judgement begins at round 1.

    It follows from ``rounds``, those that were looked at, and is compared with the log's before it
    is used: what was computed from a round that has changed since counts no more. ``facts`` has
    one item for each of them, ``runs`` as many for each of the newest lists of rules.
    """

    rounds: tuple[object, ...] = ()
    facts: tuple[FactsRun, ...] = ()
    runs: tuple[tuple[tuple[Rule, ...], tuple[RuleRun, ...]], ...] = ()


#: Before any round was judged.
NO_MEMORY = RuleMemory()
