from collections.abc import Iterator

import pytest

from harness.node import postgres


@pytest.fixture(scope="session")
def databases() -> Iterator[postgres.Databases]:
    if not postgres.is_installed():
        pytest.skip(postgres.ABSENT)
    with postgres.server() as socket:
        yield postgres.Databases(socket)
