"""Two coordinators on one PostgreSQL database: one writes, the other waits for its turn."""

import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fermata.node.storage.database.postgres import PostgresStore
from harness.e2e.deployment import COORDINATOR, SMALL
from harness.e2e.fleet import Fleet, check_sums, wait_for
from harness.node import postgres


@pytest.fixture
def url() -> Iterator[str]:
    if not postgres.is_installed():
        pytest.skip(postgres.ABSENT)
    with postgres.server() as socket:
        yield postgres.Databases(socket).new()


def start_replica(fleet: Fleet) -> subprocess.Popen[bytes]:
    """A second coordinator with the same keys and address, and a data folder of its own."""
    first = fleet.deployment.node(COORDINATOR)
    second = first.with_name("replica")
    shutil.copytree(first, second, symlinks=True, ignore=shutil.ignore_patterns("data"))
    config = second / fleet.deployment.config(COORDINATOR).name
    config.write_text(config.read_text().replace(f"{COORDINATOR}.log", "replica.log"))
    command = [sys.executable, "-m", "fermata.cli.main", "coordinator", "run", "--config", config]
    with (fleet.deployment.folder / "logs" / "replica.stderr").open("ab") as errors:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors)


def test_a_replica_that_is_stopped_while_it_waits_ends_in_order(new_fleet, url):
    fleet = new_fleet(SMALL)
    fleet.deployment.stores[COORDINATOR] = url
    fleet.start(COORDINATOR)
    fleet.deployment.write_config(COORDINATOR, fleet.address)
    replica = start_replica(fleet)
    try:
        fleet.wait_told("replica", "store_waits", reason="STORE_IN_USE")
    finally:
        replica.terminate()
    assert replica.wait(60) == 0
    fleet.check_all_run()


def test_a_coordinator_that_is_killed_is_followed_by_its_replica_on_the_same_log(new_fleet, url):
    fleet = new_fleet(SMALL)
    made = fleet.deployment
    made.stores[COORDINATOR] = url
    fleet.start(COORDINATOR)
    made.write_config(COORDINATOR, fleet.address)
    replica = start_replica(fleet)
    try:
        fleet.wait_told("replica", "store_waits", reason="STORE_IN_USE")
        fleet.start(*made.auditors, *made.labs)
        fleet.wait_opened(1)
        fleet.kill(COORDINATOR)
        size = fleet.state().size
        done = len(fleet.state().rounds)
        fleet.wait_opened(done + 1)
        assert fleet.state().size > size
        for round_ in fleet.state().rounds[:done]:
            check_sums(made, round_)
        fleet.stop(*made.auditors, *made.labs)
    finally:
        replica.terminate()
        assert replica.wait(60) == 0
    assert all(fleet.events(lab, "statement_refused") == [] for lab in made.labs)
    # The replica's token is the second, this one's the third.
    owner = f"coordinator/{COORDINATOR}"
    with PostgresStore.open(url, made.charter.sha256, owner, wait=lambda seconds: False) as store:
        wait_for("all is kept", lambda: store.entry_count() >= size)
        assert store._lease.token == 3
