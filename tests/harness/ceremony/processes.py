"""A coordinator that gathers and auditors who hold a ceremony, as processes on this machine."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from harness.e2e.deployment import COORDINATOR, Deployment
from harness.e2e.fleet import wait_for

TESTS = Path(__file__).resolve().parents[2]
AUDITORS = ("auditor-1", "auditor-2", "auditor-3")
_LISTENS = re.compile(r"over (127\.0\.0\.1:\d+)")


def without_key(made: Deployment) -> Deployment:
    """A deployment before its key: all have joined and signed, and nobody has dealt."""
    node = made.node(COORDINATOR)
    (node / "key-record.bin").unlink()
    shutil.rmtree(node / "key-record.bin.sig")
    signatures = node / "charter.toml.sig"
    for auditor in AUDITORS:
        (made.node(auditor) / "keys" / "share.age").unlink()
        # As fermata join leaves them.
        shutil.copytree(signatures, made.node(auditor) / "charter.toml.sig")
    config = made.write_config(COORDINATOR, "127.0.0.1:0")
    text = config.read_text()
    config.write_text(text.replace("[listen]", '[listen]\nenrolment = "127.0.0.1:0"'))
    # Of the dealer whom nobody will ask.
    (node / "for-dealer.bin").write_bytes(b"")
    return made


class CeremonyPlay:
    """The processes; all that still run are killed at the end."""

    def __init__(self, made: Deployment) -> None:
        self.made = made
        self._stack = ExitStack()

    def __enter__(self) -> "CeremonyPlay":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, party: str, *words: str, **env: str) -> "subprocess.Popen[str]":
        errors = self._stack.enter_context(self._errors(party).open("a"))
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=self.made.node(party),
            env=os.environ | {"PYTHONPATH": str(TESTS)} | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        self._stack.callback(process.communicate)
        self._stack.callback(process.kill)
        return process

    def _errors(self, party: str) -> Path:
        return self.made.folder / f"{party}.stderr"

    def stderr(self, party: str) -> str:
        return self._errors(party).read_text()

    def gather(self, program: str, **env: str) -> "subprocess.Popen[str]":
        """The coordinator's ``gather``; auditors then know where it listens."""
        before = self.stderr(COORDINATOR) if self._errors(COORDINATOR).exists() else ""
        count = len(_LISTENS.findall(before))
        words = ("coordinator", "gather", "--config", "fermata.toml")
        process = self.start(COORDINATOR, program, *words, **env)
        found = wait_for(
            "the relay listens", lambda: _LISTENS.findall(self.stderr(COORDINATOR))[count:]
        )
        for auditor in AUDITORS:
            self.made.write_config(auditor, found[-1])
        return process

    def listen_again_at(self, address: str) -> None:
        """The coordinator's next process listens where the last did."""
        config = self.made.config(COORDINATOR)
        text = config.read_text()
        config.write_text(text.replace('address = "127.0.0.1:0"', f'address = "{address}"', 1))

    def address(self) -> str:
        return _LISTENS.findall(self.stderr(COORDINATOR))[-1]
