"""tests/vectors/succession.json: Handovers that hold, and others with one defect each."""

import json
from pathlib import Path
from typing import Any

import pytest

from fermata.errors import VerificationError
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.charter.roster import Party
from fermata.protocol.fold.apply import apply
from fermata.protocol.state.state import State
from fermata.protocol.succession.handover import HandedOver, check_handover
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.codec import decode
from fermata.types import Role
from fermata.wire.v1.succession_pb2 import Handover
from harness.protocol.state_digest import state_digest

FILE = Path(__file__).parents[1] / "vectors" / "succession.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text())
CHARTER = parse_charter(VECTORS["charter"].encode(), VECTORS["modulus_bits_min"])
VIEWS = Views(
    CHARTER,
    tuple(
        Party(party, Role.COORDINATOR, "", bytes.fromhex(key))
        for party, key in VECTORS["coordinators"]
    ),
    CHARTER.sha256,
)


def check(case: dict[str, Any]) -> HandedOver:
    handover = decode(Handover, bytes.fromhex(case["handover"]))
    return check_handover(VIEWS, handover, case["start"], bytes.fromhex(case["root"]))


@pytest.mark.parametrize("case", VECTORS["accepted"], ids=lambda case: case["what"])
def test_a_handover_that_holds(case: dict[str, Any]) -> None:
    handed = check(case)
    assert handed.coordinator == case["coordinator"]
    assert list(handed.certified) == case["certified"]
    assert [[auditor, head.size] for auditor, head in handed.left_out] == case["left_out"]


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["what"])
def test_a_handover_with_one_defect_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(VerificationError) as caught:
        check(case)
    assert caught.value.reason == case["reason"]


def folded(leaves: list[str]) -> State:
    """The state after leaves, all of which are accepted."""
    pinned = bytes.fromhex(VECTORS["log"]["charter_sha256"])
    state = State(pinned, VECTORS["modulus_bits_min"])
    for leaf in leaves:
        state, verdict = apply(state, bytes.fromhex(leaf))
        assert verdict.accepted, verdict
    return state


def test_f15_a_log_in_which_two_views_begin_gives_its_states() -> None:
    log = VECTORS["log"]
    assert state_digest(folded(log["leaves"])) == log["state"]
    for count, digest in enumerate(log["states"], 1):
        state = folded([*log["leaves"], *log["next"][:count]])
        assert (state.view, state_digest(state)) == (count, digest)


@pytest.mark.parametrize("case", VECTORS["log"]["refused"], ids=lambda case: case["what"])
def test_f15_a_handover_that_the_log_does_not_take(case: dict[str, Any]) -> None:
    state = folded([*VECTORS["log"]["leaves"], *case["next"]])
    _, verdict = apply(state, bytes.fromhex(case["leaf"]))
    assert (verdict.accepted, verdict.reason) == (False, case["reason"]), verdict
