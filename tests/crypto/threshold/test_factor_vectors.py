"""Known answers for a factor proof: the product, and the text's checks written again."""

import json
from pathlib import Path
from typing import Any

import pytest

from fermata.crypto.threshold.factor_proof import FactorProof, verify
from fermata.errors import InvalidProof
from harness.crypto.keys import VECTORS
from harness.spec.changed_vector import changed_vector
from harness.spec.factor_check import failed_check

ROOT = Path(__file__).parents[3]
GOOD = json.loads((VECTORS / "factor_proof.json").read_text())
BAD = sorted(path.name for path in VECTORS.glob("factor_proof_bad_*.json"))


def changed(name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    return changed_vector(name, "factor_proof.json")


def check(vector: dict[str, Any]) -> None:
    responses = tuple(int(y, 16) for y in vector["responses"])
    proof = FactorProof(bytes.fromhex(vector["challenge"]), responses)
    verify(int(vector["n"], 16), proof, bytes.fromhex(vector["charter"]))


def test_the_good_factor_proof_is_accepted() -> None:
    check(GOOD)
    assert failed_check(GOOD) is None


@pytest.mark.parametrize("name", BAD)
def test_a_bad_factor_proof_fails_the_check_that_it_names(name: str) -> None:
    vector, refused = changed(name)
    with pytest.raises(InvalidProof) as error:
        check(vector)
    assert error.value.reason == "FACTOR_PROOF"
    assert refused == {
        "error": "InvalidProof",
        "reason": "FACTOR_PROOF",
        "check": failed_check(vector),
    }


def test_there_is_a_vector_for_every_check_of_a_factor_proof() -> None:
    named = [json.loads((VECTORS / name).read_text())["refused"]["check"] for name in BAD]
    assert set(named) == {f"K10.{k}" for k in range(1, 5)}
    assert len(BAD) == 17
