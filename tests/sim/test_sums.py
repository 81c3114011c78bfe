"""Every statistic and statement, from a lab's file to the result, and the simulator's own sums."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from types import SimpleNamespace

import pytest

from fermata.protocol.charter.metrics import ALONE, PAIRED
from fermata.protocol.roles.lab import Measurement
from fermata.sim.reference.sums import check_sums
from fermata.sim.setup.canaries import Canaries
from fermata.sim.setup.deployment import SHAPES, deployment_of
from fermata.sim.setup.inputs import Inputs
from harness.chains import Run

#: 512 bits, four labs, two rounds.
SHAPE = SHAPES[-1]
KINDS = {*ALONE, *PAIRED, "above", "bin", "quartile-1-bin", "median-bin", "quartile-3-bin"}


def kind_of(statistic):
    return statistic.partition(":")[0]


def shown(figures):
    """Figures that all stand in the total of the only panel."""
    return {("panel-1", ""): figures}


@cache
def finished():
    """A whole encrypted run: its charter, its rounds, and the figures of each."""
    made = deployment_of(SHAPE)
    inputs = Inputs(7, made.charter, Canaries(), is_calm=True)
    run = Run(
        SimpleNamespace(
            seed=0,
            charter=made.charter,
            keys=made.signing_keys,
            shares=made.shares,
            charter_envelope=made.charter_envelope,
            key_envelope=made.key_envelope,
        ),
        lambda lab, period: Measurement(inputs.figures(lab, period, 0)),
    )
    run.until_quiet()
    figures = [
        shown({lab: inputs.figures(lab, found.period, 0) for lab in made.charter.labs})
        for found in run.state.rounds
    ]
    return made.charter, run.state.rounds, figures


def test_a_whole_run_gives_every_statistic_as_the_figures_have_it():
    charter, rounds, figures = finished()
    assert len(rounds) == SHAPE.rounds
    for found, mine in zip(rounds, figures, strict=True):
        assert list(check_sums(charter, found, mine)) == []
        assert {kind_of(r.statistic) for r in found.opening.results} == KINDS


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_asks_for_every_statistic_and_both_statements(shape):
    metrics = [m for p in deployment_of(shape).charter.panels for m in p.metrics]
    assert {s for m in metrics for s in m.statistics} == set(ALONE)
    assert {s for m in metrics for s, _ in m.paired} == set(PAIRED)
    for kind in ("edges", "thresholds", "limits", "equal_to"):
        assert any(getattr(m, kind) for m in metrics)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_result_that_is_a_little_off_is_seen(kind):
    charter, (found, *_), (mine, *_) = finished()
    results = found.opening.results
    index = next(i for i, r in enumerate(results) if kind_of(r.statistic) == kind)
    right = results[index].value
    # Roots are told to six digits.
    wrong = replace(results[index], value=right + max(Fraction(1), abs(right)) / 10**4)
    changed = replace(found.opening, results=(*results[:index], wrong, *results[index + 1 :]))
    said = list(check_sums(charter, replace(found, opening=changed), mine))
    assert said == [f"round 1: the {wrong.statistic} of {wrong.metric} is wrong"]


def test_a_result_that_is_left_out_or_was_not_asked_for_is_seen():
    charter, (found, *_), (mine, *_) = finished()
    first, *rest = found.opening.results
    less = replace(found, opening=replace(found.opening, results=tuple(rest)))
    assert list(check_sums(charter, less, mine)) == [
        f"round 1: the {first.statistic} of {first.metric} is wrong"
    ]
    extra = replace(first, statistic="range")
    more = replace(found, opening=replace(found.opening, results=(first, *rest, extra)))
    assert list(check_sums(charter, more, mine)) == [
        f"round 1: nobody asked for the range of {first.metric}"
    ]


def test_a_quotient_by_zero_must_be_left_out():
    charter, (found, *_), (mine, *_) = finished()
    (figures,) = mine.values()
    zeros = shown({lab: {**own, "part": "0", "twin": "0"} for lab, own in figures.items()})
    wrong = [what for what in check_sums(charter, found, zeros) if " the " in what]
    for name in ("ratio:part", "weighted-mean:part", "concentration"):
        assert any(name in what for what in wrong)
    kept = [
        r for r in found.opening.results
        if kind_of(r.statistic) not in ("ratio", "weighted-mean", "concentration")
    ]  # fmt: skip
    left = replace(found, opening=replace(found.opening, results=tuple(kept)))
    said = "".join(check_sums(charter, left, zeros))
    for name in ("ratio:part", "weighted-mean:part", "concentration"):
        assert name not in said


def test_a_total_of_a_panel_of_which_only_some_cells_were_opened_is_seen():
    charter, (found, *_), (mine, *_) = finished()
    (figures,) = mine.values()
    said = list(check_sums(charter, found, {("panel-1", "east"): figures}))
    assert "round 1: not all of the sum of hours-1 was opened" in said
    assert "round 1: nobody asked for the sum of hours-1" in said
    assert "round 1: the sum of hours-1 is wrong" in said
