"""Known answers for a dealer's proof: the product, and the text's checks written again."""

import json
from pathlib import Path
from typing import Any

import pytest

from fermata.crypto.threshold.modulus_proof import ModulusProof, verify
from fermata.errors import InvalidProof
from harness.crypto.keys import VECTORS
from harness.spec.changed_vector import changed_vector
from harness.spec.modulus_check import failed_check

ROOT = Path(__file__).parents[3]
GOOD = json.loads((VECTORS / "modulus_proof.json").read_text())
BAD = sorted(path.name for path in VECTORS.glob("modulus_proof_bad_*.json"))
ALSO_GOOD = sorted(path.name for path in VECTORS.glob("modulus_proof_also_*.json"))


def changed(name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    return changed_vector(name, "modulus_proof.json")


def check(vector: dict[str, Any]) -> None:
    rounds = tuple(
        (int(x, 16), int(z, 16), bool(a), bool(b)) for x, z, a, b in vector["rounds"]
    )  # fmt: skip
    proof = ModulusProof(int(vector["w"], 16), rounds)
    verify(int(vector["n"], 16), proof, bytes.fromhex(vector["charter"]))


def test_the_good_modulus_proof_is_accepted() -> None:
    check(GOOD)
    assert failed_check(GOOD) is None


@pytest.mark.parametrize("name", ALSO_GOOD)
def test_a_modulus_proof_that_the_hashed_weights_let_pass_is_accepted(name: str) -> None:
    vector, refused = changed(name)
    check(vector)
    assert refused is None
    assert failed_check(vector) is None


@pytest.mark.parametrize("name", BAD)
def test_a_bad_modulus_proof_fails_the_check_that_it_names(name: str) -> None:
    vector, refused = changed(name)
    with pytest.raises(InvalidProof) as error:
        check(vector)
    assert error.value.reason == "MODULUS_PROOF"
    assert refused == {
        "error": "InvalidProof",
        "reason": "MODULUS_PROOF",
        "check": failed_check(vector),
    }


def test_there_is_a_vector_for_every_check_of_a_modulus_proof() -> None:
    named = [json.loads((VECTORS / name).read_text())["refused"]["check"] for name in BAD]
    assert set(named) == {f"K4.{k}" for k in range(1, 6)}
    assert len(BAD) == 26
