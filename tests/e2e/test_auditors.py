"""Auditors that are away, that leave half way, or whose part is wrong."""

import json
from pathlib import Path

from fermata.protocol.state.state import State
from harness.e2e.deployment import COORDINATOR, FULL, SMALL
from harness.e2e.fleet import Fleet, check_sums, run_cli, wait_for

#: Whose configuration the command reads; the node need not run.
OBSERVING = "auditor-1"
ROGUE = Path(__file__).parents[1] / "harness" / "e2e" / "rogue_auditor.py"


def status_of(fleet: Fleet, number: int, party: str) -> tuple[str, int, int, list[str], list[str]]:
    """What ``fermata status`` says of a round: phase, endorsements, parts, awaited, culprits."""
    done = run_cli("status", "--config", fleet.deployment.config(party), "--json")
    # 1 is for something that needs a look, such as a node that was never seen.
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)["rounds"][number - 1]
    names = ("state", "endorsements", "openings", "waits_for", "culprits")
    phase, endorsements, parts, awaited, culprits = (found[name] for name in names)
    return phase, endorsements, parts, awaited, culprits


def endorsers(state: State, number: int) -> set[str]:
    found = state.round(number)
    return set(found.endorsements) if found else set()


def witnessed_of(fleet: Fleet) -> tuple[int, list[str]]:
    """How many entries are witnessed, and for whom the rest waits, as ``fermata status`` says."""
    done = run_cli("status", "--config", fleet.deployment.config(OBSERVING), "--json")
    found = json.loads(done.stdout)["witnessed"]
    return found["entries"], found["waits_for"]


def test_a_round_waits_for_a_quorum_and_outlives_auditors_that_leave(new_fleet):
    fleet = new_fleet(FULL)
    made = fleet.deployment
    fleet.start(COORDINATOR)
    # Four of five witness; two of them leave before there is a close.
    fleet.start("auditor-1", "auditor-2", "auditor-3", "auditor-4")
    opened = fleet.wait("round 1 is open", lambda s: s.round(1)).entry
    wait_for("its opening is witnessed", lambda: witnessed_of(fleet)[0] > opened)
    fleet.kill("auditor-3", "auditor-4")
    fleet.report(1)
    close = fleet.wait("round 1 is closed", lambda s: s.rounds[0].close).entry
    for auditor in ("auditor-1", "auditor-2"):
        fleet.wait_told(auditor, "waiting_for", status="unwitnessed")
    # Two have cosigned the close, and endorse nothing that no quorum has seen.
    assert witnessed_of(fleet)[0] <= close
    assert status_of(fleet, 1, OBSERVING) == ("closed", 0, 0, list(made.auditors), [])
    # One of the two leaves for good. What it has cosigned stays cosigned.
    fleet.kill("auditor-2")
    fleet.start("auditor-3", "auditor-4")
    three = {"auditor-1", "auditor-3", "auditor-4"}
    fleet.wait("three endorse", lambda s: endorsers(s, 1) == three)
    assert witnessed_of(fleet)[0] > close
    assert status_of(fleet, 1, OBSERVING) == ("closed", 3, 0, ["auditor-2", "auditor-5"], [])
    fleet.start("auditor-5")
    check_sums(made, fleet.wait_opened(1))
    # Four of five are enough for all that follows.
    fleet.report(2)
    check_sums(made, fleet.wait_opened(2))
    assert "auditor-2" not in endorsers(fleet.state(), 2)
    assert status_of(fleet, 1, OBSERVING)[0] == "opened"


def test_a_wrong_part_changes_no_result_and_names_its_auditor(new_fleet):
    fleet = new_fleet(SMALL)
    fleet.start(COORDINATOR)
    fleet.start("auditor-1", program=ROGUE)
    fleet.start("auditor-2", "auditor-3")
    for number in (1, 2):
        fleet.report(number)
        check_sums(fleet.deployment, fleet.wait_opened(number))

    def named(state: State) -> bool:
        return all(state.rounds[i].culprits == {"auditor-1"} for i in range(2))

    fleet.wait("the wrong parts are in the log", named)
    assert status_of(fleet, 2, "auditor-2")[4] == ["auditor-1"]
    fleet.cosigned_note()
    bundle = fleet.deployment.folder / "bundle"
    done = run_cli("bundle", "--config", fleet.deployment.config("auditor-2"), bundle)
    assert done.returncode == 0, done.stderr
    verified = run_cli("verify", bundle)
    assert verified.returncode == 0, verified.stdout
    assert "wrong openings by auditor-1" in verified.stdout
