"""A coordinator whose proofs a real Dask cluster checks, and that loses it in the middle of a round
(engine.md, EN4)."""

import signal

import pytest

pytest.importorskip("distributed", reason="needs the extra dask of the package")

from harness.e2e.deployment import COORDINATOR, SPREAD
from harness.e2e.fleet import check_sums, run_cli, wait_for
from harness.node.cluster import Cluster, running_cluster

TABLE = """
[engine]
ca = "{files.ca}"
certificate = "{files.certificate}"
key = "{files.key}"
connect_s = 60
task_s = 4
"""


@pytest.fixture
def cluster(tmp_path):
    with running_cluster(tmp_path / "cluster") as started:
        yield started


def tasks_done(cluster: Cluster) -> int:
    """How many tasks the workers have computed."""
    from distributed import Client, Security

    files = cluster.files
    security = Security(
        tls_ca_file=str(files.ca),
        tls_client_cert=str(files.certificate),
        tls_client_key=str(files.key),
        require_encryption=True,
    )
    with Client(f"tls://{cluster.address}", security=security, timeout=60) as client:
        counts = client.run(lambda dask_worker: dask_worker.state.executed_count)
    return sum(counts.values())


def test_a_round_whose_workers_are_killed_in_it_opens_and_its_log_is_valid(
    new_fleet, cluster, tmp_path
):
    fleet = new_fleet(SPREAD)
    made = fleet.deployment
    fleet.edits[COORDINATOR] = lambda text: text + TABLE.format(files=cluster.files)
    fleet.options[COORDINATOR] = ["--engine", cluster.url]
    fleet.start(COORDINATOR)
    fleet.start(*made.auditors)
    fleet.wait_told(COORDINATOR, "engine_ready")
    first, *others = made.labs
    fleet.start(first)
    fleet.wait("a report came", lambda state: state.round(1) and first in state.round(1).reports)
    assert tasks_done(cluster) > 0
    # Stopped, they keep what they are given, until they are killed.
    for worker in cluster.workers:
        worker.send_signal(signal.SIGSTOP)
    fleet.start(*others)
    for lab in others:
        wait_for(f"{lab} runs", lambda lab=lab: fleet.bound(lab, "telemetry"))
    for worker in cluster.workers:
        worker.kill()
        worker.wait()
    fleet.wait_told(COORDINATOR, "engine_lost", reason="NO_ANSWER")
    check_sums(made, fleet.wait_opened(1))
    assert len(fleet.events(COORDINATOR, "engine_lost")) == 1
    assert not fleet.events(COORDINATOR, "engine_lied")
    done = run_cli("bundle", "--config", made.config("auditor-1"), tmp_path / "bundle")
    assert done.returncode == 0, done.stderr
    verified = run_cli("verify", tmp_path / "bundle")
    assert (verified.returncode, verified.stdout.splitlines()[-1]) == (0, "VALID"), verified.stdout
