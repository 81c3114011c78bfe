"""docs/spec/bytes.md: each recipe, written again without the product, gives the vector's bytes."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from harness.spec.recipes import RECIPES
from harness.spec.transcripts import report_challenges

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "vectors"
PAGE = (ROOT / "docs" / "spec" / "bytes.md").read_text()
VECTORS = json.loads((FOLDER / "bytes.json").read_text())
CASES = json.loads((FOLDER / "report_proof.json").read_text())["cases"]


@pytest.mark.parametrize("name", VECTORS)
def test_the_recipe_gives_the_vectors_bytes(name):
    vector = VECTORS[name]
    assert RECIPES[name](**vector["in"]).hex() == vector["out"]


def test_every_recipe_of_the_page_has_a_vector_and_the_reverse():
    first = PAGE.partition("## Transcripts")[0]
    named = set(re.findall(r"^\| `([a-z-]+)` \|", first, re.MULTILINE))
    # The seed is shown by the challenges that are made of it.
    assert named - {"modulus-proof-seed"} == set(RECIPES) == set(VECTORS)


def test_the_statement_hash_is_of_the_preimage_that_the_vector_has():
    preimage = bytes.fromhex(VECTORS["statements"]["out"])
    assert hashlib.sha512(preimage).hexdigest() == CASES[1]["statement_hash"]


@pytest.mark.parametrize("case", CASES, ids=[case["what"] for case in CASES])
def test_the_transcript_of_the_page_gives_every_challenge_of_a_report_proof(case):
    found = report_challenges(case)
    assert {k: [f"{u:x}" for u in v] if k == "u" else f"{v:x}" for k, v in found.items()} == (
        case["challenges"]
    )
