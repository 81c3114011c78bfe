"""After how many rounds each trigger of a charter holds, over seeded lives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from fermata.assessment.power.lives import (
    Baseline,
    Event,
    baseline_of,
    facts_of_life,
    figures_of,
    reporting_of,
)
from fermata.assessment.power.rounds import MODEL, LabFigures, RoundModel, Sums
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.pause_terms import with_parts
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.protocol.state.judgement import RuleVerdict
from fermata.protocol.statistics.policy import history

#: Shares of the labs that report a round.
RATES = (0.95, 0.80, 0.60)
#: Rounds after an event for which a trigger is watched, and the most before it.
WATCHED, BEFORE_MAX = 12, 24
#: What ``RoundModel.words`` go on with if a charter has a dominance limit.
SHARE_WORDS = (
    "; a figure beyond its share of the sum before waits, and the lab's last one stands. The sum"
    " before the first round is that of its figures"
)
NOTHING = Event("nothing")
EVENTS = (
    NOTHING,
    *(Event(f"one x{k}", leap=k, is_alone=True) for k in (2, 10, 100)),
    *(Event(f"all x{k}", leap=k) for k in (2, 10, 100)),
    Event("growth x2", rate=2),
    Event("growth x1.5", rate=1.5),
)
#: What a lab that swings may hide, and how far it goes in both directions.
HIDDEN = (Event("all x10", leap=10), Event("growth x2", rate=2))
SWINGS = (0.0, 2.0, 10.0, 1000.0)
#: How long the lab stays at each end, and whether it begins at the upper one.
_PATTERNS = ((1, False), (1, True), (2, True))


@dataclass(frozen=True, slots=True)
class Delay:
    """Rounds until a trigger holds, the middle one of all lives; None if it is above WATCHED.

    They count from the event: 1 is the round that asks for the first new figures. ``metric`` is
    empty for a trigger that reads none.
    """

    trigger: str
    metric: str
    event: str
    rate: float
    rounds: int | None


@dataclass(frozen=True, slots=True)
class Blinding:
    """The same at the first of RATES while one lab swings by this factor, at its worst pattern."""

    trigger: str
    metric: str
    event: str
    swing: float
    rounds: int | None


@dataclass(frozen=True, slots=True)
class Power:
    """What was measured, with the baseline of each metric that a trigger reads."""

    baselines: Mapping[str, Baseline]
    delays: tuple[Delay, ...]
    blindings: tuple[Blinding, ...]
    lives: int
    model: str


def power_of(charter: Charter, lives: int, model: RoundModel = MODEL) -> Power:
    """Measures the triggers of a charter's pause; nothing is measured without one.

    The lives are seeded with the charter's hash. Raises ValueError unless there is a life.
    """
    if lives < 1:
        raise ValueError(f"lives must be 1 or more, got {lives}")
    triggers = charter.pause.triggers if charter.pause else ()
    rules = [rule for _, rule in with_parts(charter.rules, triggers)][::-1]
    metrics = {m.id: m for p in charter.panels for m in p.metrics}
    read = list(dict.fromkeys(name for rule in rules for name in metrics_of(charter, rule)))
    bases = {name: baseline_of(charter, metrics[name], rules) for name in read}
    delays: list[Delay] = []
    blindings: list[Blinding] = []
    for name in read:
        own = [t for t in triggers if name in _metrics_under(charter, rules, t)]
        world = _World(charter, rules, metrics, bases, name, own, lives, model)
        delays += world.delays()
        blindings += world.blindings()
    blind = [t for t in triggers if not _metrics_under(charter, rules, t)]
    if blind:
        delays += _World(charter, rules, metrics, bases, "", blind, lives, model).delays()
    has_shares = charter.disclosure.dominance is not None
    words = model.words + SHARE_WORDS if has_shares else model.words
    return Power(bases, tuple(delays), tuple(blindings), lives, words)


def metrics_of(charter: Charter, rule: Rule) -> tuple[str, ...]:
    """The metrics whose figures decide what a rule without parts says.

    Rules about a panel have those with shares: figures beyond them wait, and may keep sums back.
    """
    if rule.parts or rule.metric:
        return (rule.metric,) if rule.metric else ()
    limited = charter.disclosure.dominance_start
    return tuple(m.id for m in charter.panel(rule.panel).metrics if m.id in limited)


def _metrics_under(charter: Charter, rules: Sequence[Rule], trigger: str) -> set[str]:
    parts = with_parts(rules, [trigger])
    return {name for _, rule in parts for name in metrics_of(charter, rule)}


class _World:
    """The lives in which something happens to one metric."""

    def __init__(
        self,
        charter: Charter,
        rules: Sequence[Rule],
        metrics: Mapping[str, Metric],
        bases: Mapping[str, Baseline],
        name: str,
        triggers: Sequence[str],
        lives: int,
        model: RoundModel,
    ) -> None:
        self.charter, self.rules, self.metrics, self.bases = charter, rules, metrics, bases
        self.name, self.triggers = name, triggers
        self.before = min(max(r.over_rounds + r.for_rounds for r in rules), BEFORE_MAX)
        self.labs = {p.id: sorted(p.labs) for p in charter.panels}
        rounds = self.before + WATCHED
        self.model = model
        self.noises: list[Mapping[str, Sequence[float]]] = []
        #: By rate and life: who reports in each round, and the sums if they are always the same.
        self.reporting: dict[float, list[tuple[frozenset[str], ...]]] = {r: [] for r in RATES}
        self.sums: dict[tuple[float, int], tuple[Sums, ...]] = {}
        for run in range(lives):
            random = Random(charter.sha256 + run.to_bytes(4))  # noqa: S311 - advice that all can repeat.
            self.noises.append({m: [random.gauss(0, 1) for _ in range(rounds)] for m in bases})
            for rate in RATES:
                present = reporting_of(charter.labs, rate, rounds, random)
                self.reporting[rate].append(present)

    def sums_of(self, rate: float, run: int, figures: LabFigures) -> tuple[Sums, ...]:
        """The sums of a life in which these figures are reported."""
        if self.charter.disclosure.dominance is not None:
            return self.model.sums_of(self.charter, self.reporting[rate][run], figures)
        if (rate, run) not in self.sums:
            self.sums[rate, run] = self.model.sums_of(
                self.charter, self.reporting[rate][run], figures
            )
        return self.sums[rate, run]

    def waits(self, event: Event, rate: float) -> dict[str, int | None]:
        """By trigger, the rounds until it holds in the middle life."""
        waits: dict[str, list[int]] = {trigger: [] for trigger in self.triggers}
        for run, noises in enumerate(self.noises):
            figures = {
                name: figures_of(
                    self.metrics[name],
                    base,
                    event if name == self.name else NOTHING,
                    self.labs[self.metrics[name].panel],
                    self.before,
                    noises[name],
                )
                for name, base in self.bases.items()
            }
            sums = self.sums_of(rate, run, figures)
            said = history(self.rules, facts_of_life(self.charter, sums, figures))
            for trigger in self.triggers:
                waits[trigger].append(_first(trigger, said[self.before :]))
        return {trigger: _middle(of_trigger) for trigger, of_trigger in waits.items()}

    def delays(self) -> list[Delay]:
        """One for each trigger, event and rate."""
        return [
            Delay(trigger, self.name, event.name, rate, wait)
            for event in (EVENTS if self.name else EVENTS[:1])
            for rate in RATES
            for trigger, wait in self.waits(event, rate).items()
        ]

    def blindings(self) -> list[Blinding]:
        """One for each trigger, hidden event and size of the swing, at the worst pattern."""
        blindings = []
        for event in HIDDEN:
            for swing in SWINGS:
                patterns = [
                    replace(event, swing=swing, swing_rounds=length, starts_high=high)
                    for length, high in (_PATTERNS if swing else _PATTERNS[:1])
                ]
                waits = [self.waits(pattern, RATES[0]) for pattern in patterns]
                for trigger in self.triggers:
                    of_trigger = [wait[trigger] for wait in waits]
                    worst = max((wait for wait in of_trigger if wait is not None), default=None)
                    hidden = None if None in of_trigger else worst
                    blindings.append(Blinding(trigger, self.name, event.name, swing, hidden))
        return blindings


def _first(trigger: str, rows: Sequence[Sequence[RuleVerdict]]) -> int:
    """The first round in which the trigger holds, from 1; WATCHED + 1 if it never does."""
    for number, row in enumerate(rows, start=1):
        if any(verdict.rule == trigger and verdict.holds for verdict in row):
            return number
    return WATCHED + 1


def _middle(waits: Sequence[int]) -> int | None:
    middle = sorted(waits)[len(waits) // 2]
    return middle if middle <= WATCHED else None
