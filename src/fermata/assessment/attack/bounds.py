"""Runs the attack over a run's history: how narrow single values can be bounded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fermata.assessment.attack.assumptions import Assumption
from fermata.assessment.attack.program import ContradictionError, Program
from fermata.assessment.attack.releases import Figure, History, Release

#: What an attacker knows beforehand: encoded values by metric, round and lab.
Known = Mapping[str, Mapping[Figure, int]]


@dataclass(frozen=True, slots=True)
class Bound:
    """What the attack reached for the figures of labs that it cannot tell apart.

    ``number`` and ``period`` are those of the round that the figures were given in.

    ``low`` and ``high`` are shares of the metric's range; ``width`` is their difference as a share
    of what the charter alone allows.
    """

    metric: str
    number: int
    period: str
    labs: tuple[str, ...]
    cohort: int
    low: float = field(repr=False)
    high: float = field(repr=False)
    width: float


@dataclass(frozen=True, slots=True)
class Attack:
    """All bounds under one assumption. ``contradicted`` metrics did not move as was assumed, and
    for ``silent`` ones the assumption says nothing, so they were attacked without it."""

    assumption: Assumption
    bounds: tuple[Bound, ...]
    contradicted: tuple[str, ...]
    silent: tuple[str, ...]

    def narrower_than(self, limit: float) -> tuple[Bound, ...]:
        """Bounds whose width is below this share of what the charter allows."""
        return tuple(b for b in self.bounds if b.width < limit)


def attack(
    histories: Sequence[History],
    assumption: Assumption,
    known: Known | None = None,
    whole: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Attack:
    """Bounds every value that is not known, by linear programs over all releases of its metric.

    Labs whose figures are in the same sums are the same to an outsider, so one of them is solved
    for all. ``progress`` is told how many of how many metrics are done.
    """
    bounds: list[Bound] = []
    contradicted, silent = [], []
    for done, history in enumerate(histories):
        progress(done, len(histories))
        given = (known or {}).get(history.metric.id, {})
        if assumption.kind != "none" and not assumption.says_something(history.metric):
            silent.append(history.metric.id)
        try:
            bounds += _bounds_of(history, assumption, given, whole)
        except ContradictionError:
            contradicted.append(history.metric.id)
    progress(len(histories), len(histories))
    return Attack(assumption, tuple(bounds), tuple(contradicted), tuple(silent))


def _bounds_of(
    history: History, assumption: Assumption, known: Mapping[Figure, int], whole: bool
) -> list[Bound]:
    if assumption.says_something(history.metric):
        parts = [history.releases] if history.releases else []
    else:
        parts = _linked(history.releases)
    bounds = []
    prior = history.ceiling / history.metric.bound
    for releases in parts:
        program = Program(history, releases, assumption, known, whole)
        for figure, labs, cohort in _targets(releases, known):
            low, high = program.range_of(figure)
            bounds.append(
                Bound(
                    metric=history.metric.id,
                    number=figure[0],
                    period=history.periods[figure[0]],
                    labs=labs,
                    cohort=cohort,
                    low=low,
                    high=high,
                    width=max(0.0, high - low) / prior,
                )
            )
    return bounds


def _linked(releases: Sequence[Release]) -> list[tuple[Release, ...]]:
    """Releases that have figures in common, directly or by others: each part is a program."""
    parts: list[tuple[set[Figure], list[Release]]] = []
    for release in releases:
        figures, linked = set(release.figures), [release]
        apart = []
        for part in parts:
            if part[0] & figures:
                figures |= part[0]
                linked = part[1] + linked
            else:
                apart.append(part)
        parts = [*apart, (figures, linked)]
    return [tuple(linked) for _, linked in parts]


def _targets(
    releases: Sequence[Release], known: Mapping[Figure, int]
) -> list[tuple[Figure, tuple[str, ...], int]]:
    """One figure of each class of labs that an outsider cannot tell apart, with the class and the
    number of labs in the sum in which the figure was new."""
    patterns: dict[str, tuple[tuple[int, int, int | None], ...]] = {}
    cohorts: dict[Figure, int] = {}
    for place, release in enumerate(releases):
        for figure in release.figures:
            seen = (place, figure[0], known.get(figure))
            patterns[figure[1]] = (*patterns.get(figure[1], ()), seen)
            cohorts.setdefault(figure, len(release.figures))
    classes: dict[tuple[int, tuple[tuple[int, int, int | None], ...]], list[str]] = {}
    for number, lab in sorted(cohorts):
        if (number, lab) not in known:
            classes.setdefault((number, patterns[lab]), []).append(lab)
    return [
        ((number, labs[0]), tuple(labs), cohorts[number, labs[0]])
        for (number, _), labs in classes.items()
    ]
