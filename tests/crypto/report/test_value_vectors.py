"""Known answers for the opening of one value, good and bad."""

import json
from pathlib import Path
from typing import Any

import pytest

from fermata import errors
from fermata.crypto.group import point_from_bytes
from fermata.crypto.report.argument import commit_values
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.value_opening import ValueClaim, verify_value
from harness.crypto.keys import VECTORS
from harness.crypto.proof_vectors import inputs, statements_of
from harness.spec.transcripts import value_challenge

ROOT = Path(__file__).parents[3]
GOOD = json.loads((VECTORS / "value_opening.json").read_text())
CASE = json.loads((VECTORS / GOOD["of"]).read_text())["cases"][GOOD["case"]]


def check(found: dict[str, Any]) -> None:
    context = Context(*(bytes.fromhex(found[k]) for k in ("charter_hash", "round_id", "lab_id")))
    w = point_from_bytes(bytes.fromhex(found["W"]), "W")
    claim = ValueClaim(context, w, found["index"], int(found["value"]), found["auditor"].encode())
    verify_value(statements_of(CASE["statements"]), claim, bytes.fromhex(found["proof"]))


def test_the_good_opening_of_a_value_is_accepted() -> None:
    check(GOOD)


def test_the_good_opening_is_of_the_report_in_the_vectors() -> None:
    statements, _, _, open_part, _ = inputs(CASE)
    assert GOOD["statement_hash"] == statements.statement_hash.hex()
    assert bytes.fromhex(GOOD["W"]) in open_part
    values = [int(value) for value in CASE["values"]]
    w = point_from_bytes(bytes.fromhex(GOOD["W"]), "W")
    assert commit_values(int(GOOD["gamma"], 16), values) == w
    assert values[GOOD["index"]] == int(GOOD["value"])


def test_the_transcript_of_the_page_gives_the_challenge_of_an_opening() -> None:
    names = ("charter_hash", "statement_hash", "round_id", "lab_id", "W")
    announcement = bytes.fromhex(GOOD["proof"])[:48]
    e = value_challenge(
        *(bytes.fromhex(GOOD[name]) for name in names),
        GOOD["index"], int(GOOD["value"]), GOOD["auditor"].encode(), announcement,
    )  # fmt: skip
    assert f"{e:x}" == GOOD["e"]


@pytest.mark.parametrize("also", GOOD["also"], ids=[also["what"] for also in GOOD["also"]])
def test_an_opening_with_parts_outside_the_group_is_accepted(also: dict[str, Any]) -> None:
    assert all(GOOD[name] != value for name, value in also["replace"].items())
    check({**GOOD, **also["replace"]})


@pytest.mark.parametrize("bad", GOOD["bad"], ids=[bad["what"] for bad in GOOD["bad"]])
def test_a_bad_opening_gets_the_answer_it_names(bad: dict[str, Any]) -> None:
    assert all(GOOD[name] != value for name, value in bad["replace"].items())
    with pytest.raises(errors.VerificationError) as error:
        check({**GOOD, **bad["replace"]})
    assert type(error.value) is getattr(errors, bad["refused"]["error"])
    assert error.value.reason == bad["refused"]["reason"]


def test_every_reason_of_an_opened_value_has_a_vector() -> None:
    reasons = {bad["refused"]["reason"] for bad in GOOD["bad"]}
    assert reasons == {"VALUE_RANGE", "VALUE_OPENING", "PROOF_LENGTH", "POINT", "SCALAR"}
