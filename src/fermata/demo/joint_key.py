"""The demo's auditors make the key together, as processes, so that nobody ever holds it whole."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from fermata.demo.charter import AUDITORS, COORDINATOR
from fermata.demo.layout import Demo, write_config
from fermata.demo.waiting import POLL_S, DemoFailed, wait_for_address

#: What the coordinator does with the signed record once all have handed it in.
ENDING_S = 60.0
#: What a line about a turn begins with.
_TURN = re.compile(r"^turn \d+: ")
PROGRAM = ("-m", "fermata.cli.main")

Say = Callable[[str], None]


def make_joint_key(demo: Demo, say: Say, program: Sequence[str] = PROGRAM) -> None:
    """Holds the ceremony of docs/guides/key-ceremony.md with one process for each party.

    Afterwards the coordinator has the key record and the ceremony's record, and each auditor its
    share. ``say`` gets the lines of the first auditor's command. Raises DemoFailed.
    """
    with ExitStack() as stack:

        def start(party: str, *words: str) -> subprocess.Popen[bytes]:
            said = stack.enter_context(_log(demo, party).open("wb"))
            process = subprocess.Popen(  # noqa: S603 - this program itself
                [sys.executable, *program, *words, "--config", "fermata.toml"],
                cwd=demo.node(party),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        write_config(demo, COORDINATOR, "")
        gathering = start(COORDINATOR, "coordinator", "gather")
        address = wait_for_address(demo, "log", gathering)
        for auditor in AUDITORS:
            write_config(demo, auditor, address)
        taking = {auditor: start(auditor, "keys", "ceremony") for auditor in AUDITORS}
        _follow(demo, taking, say)
        try:
            code = gathering.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            code = 1
        if code != 0:
            raise _failed(demo, COORDINATOR)
    # The log will listen somewhere else.
    (demo.node(COORDINATOR) / "data" / "log.address").unlink(missing_ok=True)


def _log(demo: Demo, party: str) -> Path:
    return demo.folder / "logs" / f"{party}.ceremony"


def _follow(demo: Demo, taking: Mapping[str, subprocess.Popen[bytes]], say: Say) -> None:
    """Says what the first auditor's command is at, until all have ended. Raises DemoFailed."""
    said = ""
    with _log(demo, AUDITORS[0]).open(encoding="utf-8") as lines:
        while any(process.poll() is None for process in taking.values()):
            time.sleep(POLL_S)
            for line in lines:
                # Several turns in a row are of one step.
                step = _TURN.sub("", line.rstrip("\n"))
                if step != said:
                    say(step)
                said = step
            for auditor, process in taking.items():
                if process.poll():
                    raise _failed(demo, auditor)


def _failed(demo: Demo, party: str) -> DemoFailed:
    return DemoFailed(
        "DEMO", f"the auditors made no key: {party}'s command failed; see {_log(demo, party)}"
    )
