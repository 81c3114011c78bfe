"""tests/vectors/succession.json: Handovers that hold, and others with one defect each."""

import json
from pathlib import Path
from typing import Any

import pytest

from fermata.errors import VerificationError
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.charter.roster import Party
from fermata.protocol.succession.handover import HandedOver, check_handover
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.codec import decode
from fermata.types import Role
from fermata.wire.v1.succession_pb2 import Handover

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
