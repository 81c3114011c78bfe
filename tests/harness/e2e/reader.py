"""Somebody who follows a guide to the letter, in a folder, with a shell and real processes."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, MutableMapping
from contextlib import ExitStack
from pathlib import Path

from harness.e2e.fleet import WAIT_S, wait_for
from harness.guides import Block, followed_in

#: A line that starts a node, or what gathers the parties: it stays in the foreground.
_RUN = re.compile(r"fermata (?:coordinator|auditor|lab) (?:run|gather) .*")
#: Seconds for one block: who joins waits until all others have.
_BLOCK_S = 3 * WAIT_S
#: Where `fermata` and `python` of this environment are.
_PROGRAMS = Path(sys.executable).parent


class Nodes:
    """The processes that readers have started. All that still run are killed at the end."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[Path, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, folder: Path, words: list[str]) -> None:
        """Starts a node in its folder; what it logs goes to ``node.log`` there."""
        assert folder not in self._running
        with (folder / "node.log").open("ab") as errors:
            process = subprocess.Popen(
                words, cwd=folder, stdin=subprocess.DEVNULL, stderr=errors, env=_environment()
            )
        self._running[folder] = process
        self._stack.callback(_kill, process)

    def wait_for(self, what: str, found: Callable[[], object]) -> None:
        """Polls until ``found`` gives something. Fails after WAIT_S, or if a node has ended."""

        def look() -> object:
            for folder, process in self._running.items():
                assert process.poll() is None, (folder.name, (folder / "node.log").read_text())
            return found()

        wait_for(what, look)

    def finish(self, folder: Path) -> None:
        """Waits until the process of a folder has ended by itself, with 0."""
        process = self._running.pop(folder)
        assert process.wait(WAIT_S) == 0, (folder / "node.log").read_text()

    def stop(self, *folders: Path) -> None:
        """Asks nodes (all) to stop. Each must end with 0."""
        folders = folders or tuple(self._running)
        for folder in folders:
            self._running[folder].send_signal(signal.SIGTERM)
        for folder in folders:
            log = (folder / "node.log").read_text()
            assert self._running.pop(folder).wait(WAIT_S) == 0, log


class Reader:
    """A guide's blocks in order. ``values`` are the reader's own words (``yours`` of a block)."""

    def __init__(
        self, guide: str, folder: Path, nodes: Nodes, values: MutableMapping[str, str]
    ) -> None:
        self.guide = guide
        self.folder = folder
        self.values = values
        #: What the reader's shell has in its environment beside the test's own.
        self.environment: dict[str, str] = {}
        #: What starts a node, for a reader whose node is not an honest one.
        self.node_program = ["fermata"]
        self._nodes = nodes
        self._blocks = followed_in(guide)
        self._left = list(self._blocks)
        folder.mkdir(parents=True, exist_ok=True)

    def until(self, words: str, answer: str = "") -> str:
        """Follows all blocks up to the next one that has ``words``; gives what this one printed.

        ``answer`` is what the reader types when a command asks.
        """
        assert any(words in block.text for block in self._left), f"no block left with {words!r}"
        while True:
            block = self._left.pop(0)
            if words in block.text:
                return self._follow(block, answer)
            self._follow(block, "")

    def rest(self) -> str:
        """Follows all blocks that are left; gives what they printed."""
        blocks, self._left = self._left, []
        return "".join(self._follow(block, "") for block in blocks)

    def again(self, words: str) -> str:
        """Follows the one block that has ``words`` once more, with the values as they are now."""
        (block,) = [block for block in self._blocks if words in block.text]
        return self._follow(block, "")

    def is_past(self, words: str) -> bool:
        """Whether the block that has ``words`` was followed already."""
        return not any(words in block.text for block in self._left)

    def is_done(self) -> bool:
        """Whether no block is left."""
        return not self._left

    def log(self) -> str:
        """What the reader's node has logged."""
        return (self.folder / "node.log").read_text()

    def bound(self, name: str) -> str:
        """The address that the reader's running node has bound."""
        path = self.folder / "data" / f"{name}.address"
        return wait_for(f"{path} is there", lambda: path.is_file() and path.read_text()).strip()

    def _follow(self, block: Block, answer: str) -> str:
        text = block.filled_in(self.values)
        if block.file:
            (self.folder / block.file).write_text(text)
        elif block.added_to:
            with (self.folder / block.added_to).open("a") as file:
                file.write("\n" + text)
        elif block.kind == "console" and _RUN.fullmatch(text.strip()):
            _, *words = shlex.split(text)
            self._nodes.start(self.folder, [*self.node_program, *words])
        else:
            shell = (
                ["bash", "-euo", "pipefail", "-c"] if block.kind == "console" else ["python", "-c"]
            )
            return self._run([*shell, text], answer)
        return ""

    def _run(self, words: list[str], answer: str) -> str:
        done = subprocess.run(
            words,
            cwd=self.folder,
            input=answer,
            capture_output=True,
            text=True,
            timeout=_BLOCK_S,
            check=False,
            env={**_environment(), **self.environment},
        )
        assert done.returncode == 0, (words[-1], done.stdout, done.stderr)
        return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}"}


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
