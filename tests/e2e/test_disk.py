"""A full disk costs time, and nothing that was acknowledged."""

import contextlib
import errno
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fermata.errors import TransportError
from harness.e2e.deployment import COORDINATOR, SMALL
from harness.e2e.fleet import Fleet, check_sums, statements_of

DISK_BYTES = 24 * 1024 * 1024


def mount(folder: Path) -> bool:
    """Mounts a small disk of memory, where that is allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def may_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() != 0 or not mount(Path(folder)):
            return False
        subprocess.run(["umount", folder], check=True)
        return True


class SmallDisk:
    """A node's data on a disk that can be filled, by its size."""

    def __init__(self, fleet: Fleet) -> None:
        self._data = fleet.deployment.node(COORDINATOR) / "data"
        assert mount(self._data)

    def fill(self, fleet: Fleet) -> None:
        """Writes until the disk refuses: the node writes too, so the room left is not known."""
        with (self._data / "filler").open("wb", buffering=0) as filler:
            with pytest.raises(OSError) as refused:
                while True:
                    filler.write(bytes(4096))
            assert refused.value.errno == errno.ENOSPC

    def clear(self, fleet: Fleet) -> None:
        (self._data / "filler").unlink()

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self._data)], check=True)


def limit_files(fleet: Fleet, party: str, more_bytes: int | None = 100) -> None:
    """Lets a running node's store grow by no more than that; None for no limit."""
    wal = fleet.deployment.node(party) / "data" / "store.db-wal"
    limit = resource.RLIM_INFINITY if more_bytes is None else wal.stat().st_size + more_bytes
    pid = fleet.processes[party].pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


class FileLimit:
    """The same by a limit on the size of the process's files: writes fail half way."""

    def __init__(self, fleet: Fleet) -> None:
        pass

    def fill(self, fleet: Fleet) -> None:
        limit_files(fleet, COORDINATOR)

    def clear(self, fleet: Fleet) -> None:
        limit_files(fleet, COORDINATOR, None)

    def close(self) -> None:
        pass


@contextlib.contextmanager
def disk_of(kind: type[SmallDisk] | type[FileLimit], fleet: Fleet) -> Iterator:
    disk = kind(fleet)
    try:
        yield disk
    finally:
        fleet.close()
        disk.close()


def check_refused(fleet: Fleet) -> None:
    """A report gets no receipt, and the lab learns why."""
    with pytest.raises(TransportError) as refused:
        for _ in range(5):
            fleet.driver("lab-2").step()
    assert refused.value.reason == "STORAGE_FULL"


@pytest.mark.parametrize("kind", [FileLimit, *([SmallDisk] if may_mount() else [])])
def test_a_full_disk_loses_no_receipt_and_the_round_goes_on_with_room(new_fleet, kind):
    fleet = new_fleet(SMALL)
    with disk_of(kind, fleet) as disk:
        fleet.start(COORDINATOR)
        fleet.start(*fleet.deployment.auditors)
        fleet.report(1, "lab-1")
        disk.fill(fleet)
        # Counted now: until there was no room, nodes logged their heartbeats.
        size = fleet.state().size
        check_refused(fleet)
        fleet.wait_told(COORDINATOR, "call_refused", method="Append", reason="STORAGE_FULL")
        assert fleet.state().size == size
        assert list(fleet.state().rounds[0].reports) == ["lab-1"]
        if kind is SmallDisk:
            # Started on the full disk, it finds all that it had.
            fleet.kill(COORDINATOR)
            fleet.start(COORDINATOR)
            assert fleet.wait_told(COORDINATOR, "started", entries=size)
            fleet.end(COORDINATOR)
        disk.clear(fleet)
        if kind is SmallDisk:
            fleet.start(COORDINATOR)
        fleet.report(1)
        check_sums(fleet.deployment, fleet.wait_opened(1))
        assert set(fleet.stop().values()) == {0}
        authors = [
            s.author for _, s in statements_of(fleet.stored_leaves()) if s.HasField("report")
        ]
        assert sorted(authors) == list(fleet.deployment.labs)


def test_an_auditor_on_a_full_disk_waits_and_cosigns_and_endorses_when_it_has_room(new_fleet):
    fleet = new_fleet(SMALL)
    fleet.start(COORDINATOR)
    fleet.start(*fleet.deployment.auditors)
    fleet.report(1, "lab-1")
    # All three have read the report and written what they do with it.
    fleet.cosigned_note()
    limit_files(fleet, "auditor-1")
    fleet.report(1)
    fleet.wait_told("auditor-1", "step_failed", reason="STORAGE_FULL")
    # All three are needed before the close is witnessed, so the others wait for it.
    fleet.wait("the round is closed", lambda s: s.rounds[0].close)
    told = fleet.wait_told("auditor-2", "waiting_for", status="unwitnessed")
    assert told["party"] == "auditor-1"
    assert fleet.state().rounds[0].endorsements == {}
    limit_files(fleet, "auditor-1", None)
    check_sums(fleet.deployment, fleet.wait_opened(1))
    assert set(fleet.state().rounds[0].endorsements) == set(fleet.deployment.auditors)
