"""tests/vectors/charters.json, and docs/spec/charter-checks.md against the code's refusals."""

import ast
import json
import re
from pathlib import Path

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "fermata" / "protocol" / "charter"
VECTORS = json.loads((ROOT / "tests" / "vectors" / "charters.json").read_text())
PAGE = (ROOT / "docs" / "spec" / "charter-checks.md").read_text()
#: Rules have a page of their own; the reader of TOML checks forms alone.
ELSEWHERE = {"trigger_rules.py", "toml_source.py"}


def charter_of(case):
    head, found, tail = VECTORS["charter"].partition(case["replace"])
    assert found
    return (head + case["by"] + tail + case["add"]).encode()


@pytest.mark.parametrize("case", VECTORS["accepted"], ids=lambda case: case["what"])
def test_a_charter_of_the_vectors_is_accepted(case):
    found = parse_charter(charter_of(case), VECTORS["modulus_bits_min"])
    assert found.sha256.hex() == case["hash"]


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["what"])
def test_a_charter_of_the_vectors_is_refused_and_its_line_named(case):
    with pytest.raises(ConfigError) as caught:
        parse_charter(charter_of(case), VECTORS["modulus_bits_min"])
    assert caught.value.reason == "CHARTER"
    if case["line"] is not None:
        assert str(caught.value).startswith(f"charter line {case['line']}: ")


def refused_keys():
    """The key that each refusal of the code is about, as far as the code names it as a text."""
    found = set()
    for path in SOURCE.glob("*.py"):
        if path.name in ELSEWHERE:
            continue
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            if isinstance(call.func, ast.Attribute) and call.func.attr == "fail":
                texts = [c.value for c in ast.walk(call.args[0]) if isinstance(c, ast.Constant)]
                words = re.findall(r"[a-z_]+", str(texts[-1])) if texts else []
                found |= {words[-1]} if words else set()
    return found


def test_every_key_that_the_code_refuses_is_on_the_page():
    found = refused_keys()
    assert {"change_min", "statistics", "quorum", "acknowledge_share", "amount"} <= found
    named = set(re.findall(r"\b[a-z_]+\b", " ".join(re.findall(r"`[^`]+`", PAGE))))
    assert found - named == set()
    shown = {
        case["key"] for name in ("accepted", "refused") for case in VECTORS[name] if "key" in case
    }
    assert shown - named == set()
    assert len(found & shown) > 20
