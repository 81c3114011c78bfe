"""Waiting for the processes of a demo."""

import subprocess
import time

from fermata.demo.charter import COORDINATOR
from fermata.demo.layout import Demo
from fermata.errors import FermataError

START_S = 120.0
POLL_S = 0.1


class DemoFailed(FermataError):
    """A node of the demo did not do its part; its log file says why."""


def wait_for_address(demo: Demo, name: str, process: subprocess.Popen[bytes]) -> str:
    """The address that the coordinator has bound. Raises DemoFailed if it does not start."""
    path = demo.node(COORDINATOR) / "data" / f"{name}.address"
    limit = time.monotonic() + START_S
    while time.monotonic() < limit and process.poll() is None:
        if path.is_file() and path.read_text().endswith("\n"):
            return path.read_text().strip()
        time.sleep(POLL_S)
    raise DemoFailed(
        "DEMO", f"the coordinator did not start; see {demo.folder / 'logs'}/{COORDINATOR}.*"
    )
