"""The coordinator's process, for measurements of one that runs."""

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

START_S = 300.0
POLL_S = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Coordinator:
    """The coordinator's process, as the system sees it."""

    folder: Path
    process: subprocess.Popen[bytes]
    address: str = ""

    def wait(self) -> None:
        """Returns when the log is served. Raises SystemExit."""
        file = self.folder / "data" / "log.address"
        until(lambda: file.is_file() and file.read_text().endswith("\n"), START_S, self.process)
        self.address = file.read_text().strip()

    def cpu_s(self) -> float:
        """CPU seconds of all its threads so far, without its second process."""
        return sum(map(int, _after_name(str(self.process.pid))[11:13])) / _TICKS

    def second(self) -> str:
        """The number of the process that it has begun for checks (EN7), or nothing."""
        for folder in Path("/proc").iterdir():
            # A process may end while this one looks.
            with suppress(OSError):
                if folder.name.isdecimal() and _after_name(folder.name)[1] == str(self.process.pid):
                    return folder.name
        return ""

    def second_cpu_s(self) -> float:
        """CPU seconds of that process so far."""
        second = self.second()
        return sum(map(int, _after_name(second)[11:13])) / _TICKS if second else 0.0

    def rss_mb(self) -> float:
        """The most memory that the two have had, in MB."""
        second = self.second()
        theirs = _status(second, "VmHWM") if second else 0
        return (_status(str(self.process.pid), "VmHWM") + theirs) / 1024

    def threads(self) -> int:
        """How many threads it has, without its second process."""
        return _status(str(self.process.pid), "Threads")


def _after_name(pid: str) -> list[str]:
    """What /proc/PID/stat says after the name: state, parent, ..., user and system time."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _status(pid: str, key: str) -> int:
    """A number of /proc/PID/status, such as Threads, or VmHWM in KiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition(f"{key}:")[2].split()[0])


def until(what: Callable[[], object], limit_s: float, process: subprocess.Popen[bytes]) -> None:
    """Waits until ``what`` is true. Raises SystemExit when the time is up or the process ends."""
    limit = time.monotonic() + limit_s
    while not what():
        if time.monotonic() > limit or process.poll() is not None:
            raise SystemExit("the coordinator did not go on; see its node.log")
        time.sleep(POLL_S)
