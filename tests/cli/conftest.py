"""A deployment that is laid out once, with its key dealt; each test gets a copy of its own."""

import pytest

from harness.prepared import copied, dealt, opened, shared


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return shared(tmp_path_factory, "dealt", dealt)


@pytest.fixture
def site(template, tmp_path):
    return copied(template, tmp_path / "site")


@pytest.fixture(scope="session")
def opened_template(template, tmp_path_factory):
    """The same with a log whose first round is open; nobody runs."""
    return shared(tmp_path_factory, "opened", lambda folder: opened(copied(template, folder)))


@pytest.fixture
def opened_site(opened_template, tmp_path):
    return copied(opened_template, tmp_path / "site")
