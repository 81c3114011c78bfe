"""The set-up of a deployment with the command line alone, and what it costs each party.

Every party has a folder of its own. A person's steps are counted: the commands that the person
types, and the files that the person carries from one folder to another.
"""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fermata.errors import TransportError
from harness.e2e.fleet import WAIT_S, wait_for

FERMATA = (sys.executable, "-m", "fermata.cli.main")
OVERSIGHT, DEALER = "oversight", "dealer"


def free_port() -> int:
    """A port of loopback that nobody listens on just now; join files need it before the start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class SetupPlay:
    """The folders under ``root``, what was counted, and the processes that were started."""

    root: Path
    stack: ExitStack
    commands: Counter[str] = field(default_factory=Counter)
    carried: Counter[str] = field(default_factory=Counter)

    def folder(self, person: str) -> Path:
        path = self.root / person
        path.mkdir(exist_ok=True)
        return path

    def run(self, person: str, *words: object, code: int = 0) -> str:
        """A command that a person types, to its end."""
        process = self.start(person, *words)
        out, _ = process.communicate(timeout=WAIT_S)
        assert process.returncode == code, (words, out, self.log(person))
        return out

    def start(self, person: str, *words: object) -> "subprocess.Popen[str]":
        """A command that a person types and leaves running."""
        self.commands[person] += 1
        errors = self.stack.enter_context((self.folder(person) / "stderr.log").open("a"))
        process = subprocess.Popen(
            [*FERMATA, *map(str, words)],
            cwd=self.folder(person),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        self.stack.callback(process.communicate)
        self.stack.callback(process.kill)
        return process

    def stop(self, process: "subprocess.Popen[str]") -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(WAIT_S)

    def carry(self, giver: str, taker: str, name: str, into: str = "") -> None:
        """A file goes from one person's folder to another's, by hand; the taker's count grows."""
        target = self.folder(taker) / (into or Path(name).name)
        shutil.copy(self.folder(giver) / name, target)
        self.carried[taker] += 1

    def log(self, person: str) -> str:
        path = self.folder(person) / "stderr.log"
        return path.read_text() if path.exists() else ""

    def edit(self, person: str, name: str, *pairs: tuple[str, str]) -> None:
        """A person edits a file of its own; each pattern must match."""
        path = self.folder(person) / name
        text = path.read_text()
        for pattern, by in pairs:
            text, count = re.subn(pattern, by, text)
            assert count, pattern
        path.write_text(text)

    def told(self, person: str, *words: object, may_be_away: bool = False) -> Any:
        """What a command says that only this test needs; it is not counted.

        ``may_be_away``: nothing while the log does not answer, as when all nodes start at once.
        """
        done = subprocess.run(
            [*FERMATA, *map(str, words), "--json"],
            cwd=self.folder(person),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        if may_be_away and done.returncode == TransportError.exit_code:
            return []
        assert done.returncode in (0, 1), (words, done.stderr)
        return json.loads(done.stdout)

    def wait_said(self, person: str, text: str) -> None:
        wait_for(f"{person} says {text}", lambda: text in self.log(person))
