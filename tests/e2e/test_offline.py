"""An auditor whose share is on a machine without a network: from the task to the result."""

import shutil
from pathlib import Path

from harness.e2e.deployment import COORDINATOR, SMALL
from harness.e2e.fleet import check_sums, run_cli

OFFLINE = ("auditor-1", "auditor-2")


class Machine:
    """A folder that stands for a machine without a network: a share, its identity, and tasks."""

    def __init__(self, fleet, auditor, folder: Path) -> None:
        self.fleet, self.auditor, self.folder = fleet, auditor, folder
        keys = fleet.deployment.node(auditor) / "keys"
        folder.mkdir()
        shutil.move(keys / "share.age", folder / "share.age")
        shutil.copy2(keys / "identity.txt", folder / "identity.txt")
        self.config = fleet.deployment.config(auditor)

    def open(self, task, out, *more, share="share.age", identity="identity.txt"):
        return run_cli(
            "auditor", "open", self.folder / task, "--share", self.folder / share,
            "--identity", self.folder / identity, "--out", self.folder / out, *more,
        )  # fmt: skip

    def export(self, number, out):
        return run_cli(
            "auditor", "export-task", "--config", self.config, "--round", str(number),
            "--out", self.folder / out,
        )  # fmt: skip

    def bring_back(self, file):
        return run_cli("auditor", "import-opening", self.folder / file, "--config", self.config)


def refused(done, code, reason):
    assert done.returncode == code, (done.stdout, done.stderr)
    (line,) = done.stderr.splitlines()
    assert line.endswith(f"[{reason}]"), line
    return line


def fine(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_round_is_opened_by_auditors_whose_shares_never_were_on_their_nodes(new_fleet, tmp_path):
    fleet = new_fleet(SMALL)
    made = fleet.deployment
    machines = [Machine(fleet, a, tmp_path / f"machine of {a}") for a in OFFLINE]
    first, second = machines
    for auditor in OFFLINE:
        fleet.edits[auditor] = lambda text: text.replace('"keys/share.age"', '"offline"')
    fleet.start(COORDINATOR)
    fleet.start(*made.auditors)
    fleet.report(1)
    for auditor in OFFLINE:
        fleet.wait_told(auditor, "opening_wanted", round=1)
    refused(first.export(2, "too-early"), 4, "NO_ROUND")
    fine(first.export(1, "task-1"))
    refused(first.export(1, "task-1"), 2, "FILE_EXISTS")
    check_refusals(first, second)
    fine(first.open("task-1", "opening-1"))
    # The same task again gives the same bytes.
    fine(first.open("task-1", "again"))
    opening = (first.folder / "opening-1").read_bytes()
    assert opening == (first.folder / "again").read_bytes()
    # One is signed on the node, the other where it was opened.
    fine(second.export(1, "task-1"))
    key = made.node(second.auditor) / "keys" / "signing.age"
    fine(second.open("task-1", "opening-1", "--key", key))
    refused(first.bring_back(f"../{second.folder.name}/opening-1"), 2, "OPENING_FOREIGN")
    for machine in machines:
        fine(machine.bring_back("opening-1"))
        fine(machine.bring_back("opening-1"))
    check_sums(made, fleet.wait_opened(1))
    given = fleet.wait("all give their parts", lambda s: len(s.rounds[0].parts) == 3 and s)
    assert given.rounds[0].culprits == frozenset()
    # An older task after a newer one.
    fleet.report(2)
    fleet.wait_told(first.auditor, "opening_wanted", round=2)
    fine(first.export(2, "task-2"))
    fine(first.open("task-2", "opening-2"))
    refused(first.open("task-1", "older"), 4, "LOG_BEHIND")
    fine(first.bring_back("opening-2"))
    check_sums(made, fleet.wait_opened(2))


def check_refusals(first: Machine, second: Machine) -> None:
    """What a person may do wrong on the machine, and what a carrier may do to a task."""
    task = (first.folder / "task-1").read_bytes()
    other = {"share": f"../{second.folder.name}/share.age"}
    wrong = [("task-1", 2, "KEYFILE_UNREADABLE", other)]
    other = {**other, "identity": f"../{second.folder.name}/identity.txt"}
    wrong.append(("task-1", 2, "KEY_SHARE", other))
    (first.folder / "cut").write_bytes(task[: len(task) // 2])
    wrong.append(("cut", 2, "TASK_FORM", {}))
    changed = bytearray(task)
    # A sealed part is the last piece before the end.
    changed[-1000] ^= 1
    (first.folder / "changed").write_bytes(changed)
    wrong.append(("changed", 2, "TASK_FORM", {}))
    for name, code, reason, options in wrong:
        refused(first.open(name, "never", **options), code, reason)
        assert not (first.folder / "never").exists()
        assert not (first.folder / "share.age.opened").exists()
