"""tests/vectors/fold_*.json: of two faults in one entry, the verdict names the first check's."""

import json
from pathlib import Path
from typing import Any

import pytest

from fermata.protocol.fold.apply import apply
from fermata.protocol.state.state import State
from harness.protocol.state_digest import state_digest

FOLDER = Path(__file__).parents[2] / "vectors"
FILES = sorted(p for p in FOLDER.glob("fold_f*.json"))
LOGS: dict[str, Any] = json.loads((FOLDER / "fold_logs.json").read_text())


def _states(leaves: list[str]) -> list[State]:
    """The state after each number of leaves; every leaf is accepted."""
    states = [
        State(
            charter_sha256=bytes.fromhex(LOGS["charter_sha256"]),
            modulus_bits_min=LOGS["modulus_bits_min"],
        )
    ]
    for leaf in leaves:
        state, verdict = apply(states[-1], bytes.fromhex(leaf))
        assert verdict.accepted, verdict
        states.append(state)
    return states


@pytest.fixture(scope="module")
def states() -> dict[str, list[State]]:
    return {name: _states(log["leaves"]) for name, log in LOGS["logs"].items()}


def test_the_honest_logs_give_their_states(states: dict[str, list[State]]) -> None:
    for name, log in LOGS["logs"].items():
        assert state_digest(states[name][-1]) == log["state"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_first_check_that_fails_gives_the_reason(
    path: Path, states: dict[str, list[State]]
) -> None:
    vector = json.loads(path.read_text())
    state = states[vector["log"]][vector["size"]]
    reasons = []
    for leaf in vector["leaves"]:
        state, verdict = apply(state, bytes.fromhex(leaf))
        reasons.append(verdict.reason)
    assert (reasons, state_digest(state)) == (vector["reasons"], vector["state"])


def test_every_pair_of_checks_has_a_file_or_a_reason_why_not() -> None:
    named = {json.loads(path.read_text())["faults"] for path in FILES}
    missing = LOGS["pairs_without_a_file"]
    checks = {5: 16, 6: 6, 7: 10, 8: 6, 9: 13, 10: 11}
    pairs = {
        f"F{rule}.{first} F{rule}.{second}"
        for rule, count in checks.items()
        for first in range(1, count + 1)
        for second in range(first + 1, count + 1)
    }
    assert named | missing.keys() == pairs
    assert not named & missing.keys()
