"""One whole run that several tests look at: its bundle, its exit codes, all that it wrote."""

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fermata.protocol.state.state import State
from harness.e2e.deployment import COORDINATOR
from harness.e2e.fleet import Fleet, opened, run_cli


@dataclass
class Finished:
    """A run that has ended. ``pieces`` is everything that left a process, by where it was."""

    fleet: Fleet
    bundle: Path
    verified: dict[str, Any]
    exit_codes: dict[str, int]
    state: State
    pieces: dict[str, bytes] = field(repr=False)
    pages: int = 0

    @property
    def charter_hash(self) -> str:
        return self.fleet.deployment.charter.sha256.hex()


def run_to_end(fleet: Fleet) -> Finished:
    """Runs all nodes through all rounds, exports and verifies a bundle, stops everybody."""
    made = fleet.deployment
    pieces: dict[str, bytes] = {}
    fleet.start(COORDINATOR)
    fleet.start(*made.auditors, *made.labs)

    def ended(state: State) -> bool:
        look_at_processes(fleet, pieces)
        return all(opened(state, number) for number in range(1, made.shape.rounds + 1))

    fleet.wait("all rounds open", ended)
    fleet.cosigned_note()
    look_at_processes(fleet, pieces)
    # The stores' write-ahead logs are folded in when the nodes stop.
    pieces |= {f"running: {where}": data for where, data in files_under(made.folder).items()}
    config, bundle = made.config(made.auditors[0]), made.folder / "bundle"
    commands = {
        "bundle": run_cli("bundle", "--config", config, bundle),
        "verify": run_cli("verify", bundle, "--charter-hash", made.charter.sha256.hex(), "--json"),
        "log show": run_cli("log", "show", "--config", config, "--json"),
        "status": run_cli("status", "--config", config),
    }
    for name, done in commands.items():
        assert done.returncode == 0, (name, done.stdout, done.stderr, fleet.tail())
        pieces[f"output of {name}"] = (done.stdout + done.stderr).encode()
    state = fleet.state()
    pages = sum(name.startswith("page") for name in pieces)
    # Participants first, so that none loses its log before it is told to stop.
    exit_codes = fleet.stop(*made.auditors, *made.labs) | fleet.stop(COORDINATOR)
    pieces |= files_under(made.folder)
    verified = json.loads(commands["verify"].stdout)
    return Finished(fleet, bundle, verified, exit_codes, state, pieces, pages)


def look_at_processes(fleet: Fleet, pieces: dict[str, bytes]) -> None:
    """Keeps what running processes show: pages, arguments, environment."""
    for party, process in fleet.processes.items():
        for name in ("cmdline", "environ"):
            shown = Path(f"/proc/{process.pid}/{name}").read_bytes()
            keep(pieces, f"{name} of {party}", shown)
        address = fleet.bound(party, "telemetry")
        for path in ("/metrics", "/-/ready") if address else ():
            keep(pieces, f"page {path} of {party}", fetch(f"http://{address}{path}"))


def keep(pieces: dict[str, bytes], where: str, data: bytes) -> None:
    """Keeps every state that was seen of a thing."""
    seen = [name for name in pieces if name.startswith(where)]
    if all(pieces[name] != data for name in seen):
        pieces[f"{where} #{len(seen)}"] = data


def fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.read()


def files_under(folder: Path) -> dict[str, bytes]:
    """Every file by its path from the folder; links are not followed."""
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root) / name
            # A store's reserve is large, and has nothing in it.
            if not path.is_symlink() and (data := path.read_bytes()).strip(b"\0"):
                found[str(path.relative_to(folder))] = data
    return found
