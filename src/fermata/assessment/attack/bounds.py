"""Runs the attack over a run's history: how narrow single values can be bounded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fermata.assessment.attack.assumptions import Assumption
from fermata.assessment.attack.program import Cell, ContradictionError, Program
from fermata.assessment.attack.releases import History, Release

#: What an attacker knows beforehand: encoded values by metric, round and lab.
Known = Mapping[str, Mapping[Cell, int]]


@dataclass(frozen=True, slots=True)
class Bound:
    """What the attack reached for labs that it cannot tell apart.

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

    Labs that reported in the same rounds are the same to an outsider, so one of them is solved for
    all. ``progress`` is told how many of how many metrics are done.
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
    history: History, assumption: Assumption, known: Mapping[Cell, int], whole: bool
) -> list[Bound]:
    if assumption.says_something(history.metric):
        parts: list[tuple[Release, ...]] = [history.releases] if history.releases else []
    else:
        # Nothing links the rounds: each is a program of its own.
        parts = [(release,) for release in history.releases]
    bounds = []
    prior = history.ceiling / history.metric.bound
    for releases in parts:
        program = Program(history, releases, assumption, known, whole)
        for cell, release, labs in _targets(releases, known):
            low, high = program.range_of(cell)
            bounds.append(
                Bound(
                    metric=history.metric.id,
                    number=release.number,
                    period=release.period,
                    labs=labs,
                    cohort=len(release.labs),
                    low=low,
                    high=high,
                    width=max(0.0, high - low) / prior,
                )
            )
    return bounds


def _targets(
    releases: Sequence[Release], known: Mapping[Cell, int]
) -> list[tuple[Cell, Release, tuple[str, ...]]]:
    """One value of each class of labs with the same rounds, reported and known, for each round."""
    patterns: dict[str, tuple[tuple[int, int | None], ...]] = {}
    for release in releases:
        for lab in release.labs:
            seen = (release.number, known.get((release.number, lab)))
            patterns[lab] = (*patterns.get(lab, ()), seen)
    targets = []
    for release in releases:
        classes: dict[object, list[str]] = {}
        for lab in release.labs:
            if (release.number, lab) not in known:
                classes.setdefault(patterns[lab], []).append(lab)
        for labs in classes.values():
            targets.append(((release.number, labs[0]), release, tuple(labs)))
    return targets
