"""Fixtures of the end-to-end tests: deployments laid out once, and fleets of their copies."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from harness.e2e.deployment import FULL, Deployment, Shape, lay_out
from harness.e2e.finished_run import Finished, run_to_end
from harness.e2e.fleet import Fleet, fleet_of


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Callable[[Shape], Deployment]:
    """Gives the laid-out deployment of a shape; tests run copies of it."""
    made: dict[Shape, Deployment] = {}

    def find(shape: Shape) -> Deployment:
        if shape not in made:
            made[shape] = lay_out(tmp_path_factory.mktemp(shape.name), shape)
        return made[shape]

    return find


@pytest.fixture
def new_fleet(template, tmp_path) -> Iterator[Callable[[Shape], Fleet]]:
    """Gives fleets of fresh copies; ends all their processes after the test."""
    with ExitStack() as stack:
        made: list[Fleet] = []

        def make(shape: Shape) -> Fleet:
            folder = tmp_path / f"{shape.name}-{len(made)}"
            made.append(stack.enter_context(fleet_of(template(shape), folder)))
            return made[-1]

        yield make


@pytest.fixture(scope="session")
def finished(template, tmp_path_factory) -> Iterator[Finished]:
    """A whole run of the full deployment, for all tests that only look at it."""
    with fleet_of(template(FULL), tmp_path_factory.mktemp("finished") / "run") as fleet:
        yield run_to_end(fleet)
