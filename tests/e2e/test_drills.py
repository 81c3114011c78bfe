"""Drills among processes: two openers beside their nodes, and a share on another machine."""

import shutil

from fermata.protocol.drills.drill import DrillOutcome, DrillPhase
from harness.e2e.deployment import COORDINATOR, DRILLING
from harness.e2e.fleet import check_sums, run_cli

AWAY = "auditor-1"


def fine(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(done, code, reason):
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stderr.splitlines()[-1].endswith(f"[{reason}]"), done.stderr


def test_auditors_show_that_they_could_open_one_of_them_with_its_share_elsewhere(
    new_fleet, tmp_path
):
    fleet = new_fleet(DRILLING)
    made = fleet.deployment
    machine, keys = tmp_path / "machine", made.node(AWAY) / "keys"
    machine.mkdir()
    shutil.move(keys / "share.age", machine / "share.age")
    shutil.copy2(keys / "identity.txt", machine / "identity.txt")
    fleet.edits[AWAY] = lambda text: text.replace('"keys/share.age"', '"offline"')
    fleet.start(COORDINATOR)
    fleet.start(*made.auditors)
    fleet.wait_told(AWAY, "drill_wanted")
    waiting = fleet.wait(
        "two commit themselves",
        lambda s: len(s.drills) == 1 and len(s.drills[0].commitments) == 2 and s,
    )
    assert waiting.drills[0].phase == DrillPhase.COMMITTING
    # A round goes its way meanwhile, but for the part of whoever is asked for it elsewhere.
    fleet.report(1)
    check_sums(made, fleet.wait_opened(1))
    config = made.config(AWAY)
    task, file = machine / "drill.task", machine / "drill.answer"
    export = ("auditor", "export-task", "--config", config, "--out")
    assert run_cli(*export, task).returncode == 2
    assert run_cli(*export, task, "--drill", "--round", "1").returncode == 2
    fine(run_cli(*export, task, "--drill"))
    fine(
        run_cli(
            "auditor", "open", task, "--share", machine / "share.age",
            "--identity", machine / "identity.txt", "--out", file,
        )
    )  # fmt: skip
    cut = machine / "cut"
    cut.write_bytes(file.read_bytes()[:-1])
    refused(run_cli("auditor", "import-opening", cut, "--config", config), 4, "OPENING_FORM")
    fine(run_cli("auditor", "import-opening", file, "--config", config))
    ended = fleet.wait("the drill ends", lambda s: s.drills[0].phase == DrillPhase.ENDED and s)
    drill = ended.drills[0]
    assert drill.is_enough
    assert {drill.outcome(a) for a in made.auditors} == {DrillOutcome.ABLE}
    # Nothing takes answers any more.
    refused(run_cli(*export, machine / "late", "--drill"), 4, "NO_DRILL")
