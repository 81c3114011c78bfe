"""One lab, and whoever has no certificate, hold all they can at the door: the round goes on.

Real processes over mutual TLS; the window is 15 s, and the honest labs report in it.
"""

from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest

from fermata.node.pki.identity import server_name
from harness.e2e.deployment import COORDINATOR, Shape
from harness.node.floods import calls_without_message, sockets

#: Cohorts need three organisations: lab-4 is the one that attacks, and does not report.
SHAPE = Shape("flood", auditors=3, threshold=2, labs=4, rounds=1, figures=1, window_s=15)
ATTACKER = "lab-4"
MEMORY_KIB_MAX = 600 * 1024


@contextmanager
def silent_calls(fleet):
    """200 calls of lab-4 that never send their message, and whose places are taken again."""
    material = fleet.deployment.tls(ATTACKER).material()
    credentials = grpc.ssl_channel_credentials(
        material.root_pem, material.key_pem, material.chain_pem
    )
    options = [
        ("grpc.ssl_target_name_override", server_name(material.identity.deployment)),
        ("grpc.use_local_subchannel_pool", 1),
    ]

    def channel():
        return grpc.secure_channel(fleet.address, credentials, options)

    with ExitStack() as stack:
        for method in ("Append", "Watch"):
            path = f"/fermata.wire.v1.LogService/{method}"
            stack.enter_context(calls_without_message(channel, path, 100))
        yield


@contextmanager
def half_open(fleet):
    with sockets(fleet.address, 1_200):
        yield


@contextmanager
def finished(fleet):
    found = fleet.deployment.tls(ATTACKER).material()
    with sockets(fleet.address, 200, tls=SimpleNamespace(found=found)):
        yield


def memory_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


@pytest.mark.parametrize("attack", [silent_calls, half_open, finished])
def test_a_short_round_opens_with_all_honest_labs_during_an_attack(new_fleet, attack):
    fleet = new_fleet(SHAPE)
    fleet.start(COORDINATOR)
    with attack(fleet):
        fleet.start(*fleet.deployment.auditors)
        fleet.start(*(lab for lab in fleet.deployment.labs if lab != ATTACKER))
        found = fleet.wait_opened(1)
        assert set(found.reports) == set(fleet.deployment.labs) - {ATTACKER}
        assert found.close is not None
        assert found.close.listed == tuple(sorted(found.reports))
        assert memory_kib(fleet.processes[COORDINATOR].pid) < MEMORY_KIB_MAX
    fleet.check_all_run()
