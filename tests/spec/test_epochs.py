"""tests/vectors/epochs.json: the record of a next epoch, and others with one defect each."""

import json
from pathlib import Path
from typing import Any

import pytest

from fermata.protocol.fold.apply import apply
from fermata.protocol.state.state import State
from harness.protocol.state_digest import state_digest

FILE = Path(__file__).parents[1] / "vectors" / "epochs.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text())


def _folded(state: State, leaves: list[str]) -> State:
    for leaf in leaves:
        state, verdict = apply(state, bytes.fromhex(leaf))
        assert verdict.accepted, verdict
    return state


@pytest.fixture(scope="module")
def before() -> State:
    pinned = bytes.fromhex(VECTORS["charter_sha256"])
    return _folded(State(pinned, VECTORS["modulus_bits_min"]), VECTORS["leaves"])


def test_the_record_of_the_next_epoch_gives_its_state(before: State) -> None:
    assert state_digest(before) == VECTORS["state"]
    after = _folded(before, VECTORS["next"])
    assert state_digest(after) == VECTORS["next_state"]
    assert after.keyed().key.entry == VECTORS["record"]


@pytest.mark.parametrize("bad", VECTORS["refused"], ids=lambda bad: bad["what"])
def test_a_record_with_one_defect_is_refused(before: State, bad: dict[str, str]) -> None:
    _, verdict = apply(before, bytes.fromhex(bad["leaf"]))
    assert (verdict.accepted, verdict.reason) == (False, bad["reason"]), verdict
