"""A sum other than that of the figures that stand is never opened."""

import pytest

from fermata.sim.adversaries import standing as adversaries_standing
from fermata.sim.adversaries.misbehaviour import Misbehaviour
from fermata.sim.setup.deployment import COORDINATOR
from harness.plays import exposed, kinds_of, played, replays


@pytest.mark.parametrize(
    "name",
    [
        "OpensNewReportsAlone",
        "OpensOlderFigure",
        "IgnoresChangeRule",
        "ChangesSetEarly",
        "IgnoresDominance",
    ],
)
def test_product_that_is_not_of_the_standing_figures_is_never_opened(name: str) -> None:
    exposure = exposed(name)
    assert exposure.opened == (1,)
    assert exposure.reasons == {"P2_PRODUCT"}
    assert exposure.named == (COORDINATOR,)
    assert exposure.violations == ()


def test_close_with_too_few_newer_figures_is_rejected_by_everyone() -> None:
    exposure = exposed("IgnoresFreshMin")
    assert exposure.opened == (1,)
    assert exposure.reasons == {"CLOSE_PANELS"}
    assert exposure.named == (COORDINATOR,)
    assert exposure.violations == ()


def test_endorsement_of_a_round_in_which_nothing_changes_is_refused() -> None:
    exposure = exposed("EndorsesUnchanged")
    assert exposure.opened == (1,)
    assert exposure.reasons == {"ROUND_REFUSED"}
    assert exposure.named == ()
    assert exposure.violations == ()


def test_old_figure_of_a_starved_lab_stands_and_keeps_no_sum_from_the_others() -> None:
    kind, exposure = played(adversaries_standing.StarvesMember)
    assert exposure.starved == ((2, "lab-5", 2),)
    assert exposure.opened == (1, 2)
    assert kind.stood == {f"lab-{n}": 2 for n in range(1, 5)} | {"lab-5": 1}
    assert exposure.named == (COORDINATOR,)
    assert exposure.violations == ()


@pytest.mark.parametrize("kind", kinds_of(adversaries_standing))
def test_misbehaviour_about_standing_figures_replays_from_its_seed(
    kind: type[Misbehaviour],
) -> None:
    assert replays(kind)
