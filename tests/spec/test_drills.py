"""tests/vectors/drills.json: a drill in a log, other ways in which it goes on, and refusals."""

import json
from pathlib import Path
from typing import Any

import pytest

from fermata.protocol.fold.apply import apply
from fermata.protocol.state.state import State
from harness.protocol.state_digest import state_digest

FILE = Path(__file__).parents[1] / "vectors" / "drills.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text())


def _folded(state: State, leaves: list[str]) -> State:
    for leaf in leaves:
        state, verdict = apply(state, bytes.fromhex(leaf))
        assert verdict.accepted, verdict
    return state


@pytest.fixture(scope="module")
def begun() -> State:
    pinned = bytes.fromhex(VECTORS["charter_sha256"])
    return _folded(State(pinned, VECTORS["modulus_bits_min"]), VECTORS["leaves"])


def test_each_statement_of_a_drill_gives_its_state(begun: State) -> None:
    assert state_digest(begun) == VECTORS["state"]
    state = begun
    assert len(VECTORS["next"]) == len(VECTORS["states"]) >= 6
    for leaf, digest in zip(VECTORS["next"], VECTORS["states"], strict=True):
        state = _folded(state, [leaf])
        assert state_digest(state) == digest
    assert state.drills[-1].is_enough


@pytest.mark.parametrize("life", VECTORS["lives"], ids=lambda life: life["what"])
def test_a_drill_that_goes_on_otherwise_gives_its_state(begun: State, life: Any) -> None:
    state = _folded(begun, life["next"])
    assert state_digest(state) == life["state"]
    assert not state.drills[0].is_enough


@pytest.mark.parametrize("bad", VECTORS["refused"], ids=lambda bad: bad["what"])
def test_what_is_refused_in_a_drill(begun: State, bad: Any) -> None:
    state = _folded(begun, bad["next"])
    _, verdict = apply(state, bytes.fromhex(bad["leaf"]))
    assert (verdict.accepted, verdict.reason) == (False, bad["reason"]), verdict
