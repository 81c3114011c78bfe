"""Fixtures for all tests: small deployments, and chains that have come to a given stage."""

import pytest

from harness.chains import Chain, Deployment, chain_at, make_deployment

#: Files of few tests that take a minute and more. Begun last, one would run alone at the end.
SLOW = (
    "protocol/roles/test_two_years.py",
    "sim/test_planted_bugs.py",
    "sim/test_adversaries.py",
    "sim/test_seeds.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the slow files first, for workers that take file by file."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(SLOW))


@pytest.fixture
def deployment() -> Deployment:
    return make_deployment()


@pytest.fixture
def keyed() -> Chain:
    """Charter and key are in the log."""
    return chain_at("keyed")


@pytest.fixture
def collecting() -> Chain:
    """Round 1 is open."""
    return chain_at("collecting")


@pytest.fixture
def reported() -> Chain:
    """All labs have reported in round 1."""
    return chain_at("reported")


@pytest.fixture
def closed() -> Chain:
    """Round 1 is closed."""
    return chain_at("closed")


@pytest.fixture
def endorsed() -> Chain:
    """All auditors have endorsed the close of round 1."""
    return chain_at("endorsed")


@pytest.fixture
def opened() -> Chain:
    """All auditors have given their parts of round 1."""
    return chain_at("opened")
