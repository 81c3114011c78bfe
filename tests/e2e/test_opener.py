"""The process that holds an auditor's share: what it protects, and what it does not do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.e2e.deployment import COORDINATOR, SMALL
from harness.e2e.fleet import check_sums, wait_for
from harness.e2e.memory import children_of, forms_of, holds

#: Unlocks the share as a node did before it had an opener, and waits to be looked at.
UNPROTECTED = """
import sys
from pathlib import Path
from fermata.node.opener.share_backup import load_share
from fermata.node.storage.keystore import load_identity
keys = Path(sys.argv[1])
share = load_share(keys / "share.age", sys.argv[2], load_identity(keys / "identity.txt"))
print("loaded", flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0,
    reason="only root on Linux can read another process's memory",
)


def test_the_search_finds_a_share_in_a_process_that_holds_one(new_fleet):
    made = new_fleet(SMALL).deployment
    keys, name = made.node("auditor-1") / "keys", made.charter.deployment
    command = [sys.executable, "-c", UNPROTECTED, keys, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"loaded\n"
        mine, other = (forms_of(made.key_share(a).value) for a in ("auditor-1", "auditor-2"))
        assert holds(process.pid, mine)
        assert not holds(process.pid, other)
        process.stdin.close()


def test_no_share_is_in_the_memory_of_a_node_nor_left_in_that_of_its_opener(new_fleet):
    fleet = new_fleet(SMALL)
    made = fleet.deployment
    fleet.start(COORDINATOR)
    fleet.start(*made.auditors)
    for number in (1, 2):
        fleet.report(number)
        check_sums(made, fleet.wait_opened(number))
    fleet.wait("all have given their parts", lambda s: len(s.rounds[1].parts) == 3)
    for auditor in made.auditors:
        node = fleet.processes[auditor].pid
        (opener,) = children_of(node)
        shares = forms_of(made.key_share(auditor).value)
        # What it has of its work is there, so that finding nothing means something.
        assert holds(opener, [made.charter.sha256.hex().encode()])
        assert not holds(node, shares), auditor
        assert not holds(opener, shares), auditor
        limits = Path(f"/proc/{opener}/limits").read_text()
        assert any(line.split()[:6] == ["Max", "core", "file", "size", "0", "0"]
                   for line in limits.splitlines())  # fmt: skip
        shown = b"".join(Path(f"/proc/{opener}/{f}").read_bytes() for f in ("cmdline", "environ"))
        identity = (made.node(auditor) / "keys" / "identity.txt").read_text().split()[-1]
        assert identity.encode() not in shown


def test_an_opener_that_was_killed_is_started_again_and_one_without_a_node_ends(new_fleet):
    fleet = new_fleet(SMALL)
    made = fleet.deployment
    fleet.start(COORDINATOR)
    fleet.start(*made.auditors)
    fleet.report(1)
    check_sums(made, fleet.wait_opened(1))
    openers = {a: children_of(fleet.processes[a].pid) for a in made.auditors}
    for auditor in made.auditors:
        os.kill(openers[auditor][0], 9)
    fleet.report(2)
    check_sums(made, fleet.wait_opened(2))
    assert any(fleet.events(auditor, "opener_restarted") for auditor in made.auditors)
    openers = {a: children_of(fleet.processes[a].pid) for a in made.auditors}
    fleet.kill("auditor-1")
    (left,) = openers["auditor-1"]
    wait_for("the opener ends with its node", lambda: not Path(f"/proc/{left}").exists())
