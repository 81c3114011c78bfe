"""R11: one value of a report is opened, the others stay hidden; one failing test per check."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.group import POINT_BYTES, Q, msm, point_to_bytes, scalar_to_bytes
from fermata.crypto.report import value_opening
from fermata.crypto.report.argument import commit_values
from fermata.crypto.report.codec import open_from_bytes
from fermata.crypto.report.prover import Report, prove
from fermata.crypto.report.value_opening import ValueClaim, opening_bytes, prove_value, verify_value
from fermata.errors import InvalidEncoding, InvalidProof, VerificationError
from harness.crypto.keys import SeededEntropy
from harness.crypto.proof_world import (
    CONTEXT,
    SAMPLE_VALUES,
    charters,
    sample,
    sample_report,
    table,
)

AUDITOR = b"auditor-1"


def claim_of(report: Report, index: int = 0, **changes: Any) -> ValueClaim:
    w = open_from_bytes(sample(), report.open_part).w
    claim = ValueClaim(CONTEXT, w, index, SAMPLE_VALUES[index], AUDITOR)
    return dataclasses.replace(claim, **changes)


def opened(index: int = 0, seed: str = "opening") -> tuple[ValueClaim, bytes]:
    report = sample_report()
    claim = claim_of(report, index)
    entropy = SeededEntropy(seed)
    return claim, prove_value(sample(), claim, SAMPLE_VALUES, report.gamma, entropy)


def reason(call: Callable[[], None], error: type[VerificationError] = InvalidProof) -> str:
    with pytest.raises(error) as caught:
        call()
    return caught.value.reason


def refused(claim: ValueClaim, proof: bytes, error: type[VerificationError] = InvalidProof) -> str:
    return reason(lambda: verify_value(sample(), claim, proof), error)


@pytest.mark.parametrize("index", range(len(SAMPLE_VALUES)))
def test_every_value_of_a_report_can_be_opened(index: int) -> None:
    claim, proof = opened(index)
    assert len(proof) == opening_bytes(sample())
    verify_value(sample(), claim, proof)


@given(charters(256), st.data())
@settings(max_examples=50, deadline=None)
def test_openings_of_any_report_are_accepted(charter: Any, data: st.DataObject) -> None:
    statements, values = charter
    report = prove(statements, table(256), CONTEXT, values, SeededEntropy(repr(values)))
    w = open_from_bytes(statements, report.open_part).w
    index = data.draw(st.integers(0, len(values) - 1))
    claim = ValueClaim(CONTEXT, w, index, values[index], AUDITOR)
    proof = prove_value(statements, claim, values, report.gamma, SeededEntropy("any"))
    verify_value(statements, claim, proof)
    wrong = dataclasses.replace(claim, value=values[index] ^ 1)
    with pytest.raises(InvalidProof):
        verify_value(statements, wrong, proof)


def test_another_value_is_refused() -> None:
    claim, proof = opened()
    assert refused(dataclasses.replace(claim, value=251), proof) == "VALUE_OPENING"


def test_another_place_is_refused() -> None:
    claim, proof = opened(3)
    assert refused(dataclasses.replace(claim, index=5), proof) == "VALUE_OPENING"


@pytest.mark.parametrize("value", [-1, 301, SAMPLE_VALUES[0] + Q])
def test_a_value_that_is_the_same_mod_q_only_is_refused(value: int) -> None:
    claim, proof = opened()
    assert refused(dataclasses.replace(claim, value=value), proof) == "VALUE_RANGE"


@pytest.mark.parametrize("field", ["charter_hash", "round_id", "lab_id"])
def test_another_context_is_refused(field: str) -> None:
    claim, proof = opened()
    context = dataclasses.replace(claim.context, **{field: b"another"})
    assert refused(dataclasses.replace(claim, context=context), proof) == "VALUE_OPENING"


def test_a_proof_for_another_auditor_is_refused() -> None:
    claim, proof = opened()
    assert refused(dataclasses.replace(claim, auditor=b"auditor-2"), proof) == "VALUE_OPENING"


def test_another_report_is_refused() -> None:
    claim, proof = opened()
    other = open_from_bytes(sample(), sample_report(b"lab-b").open_part).w
    assert refused(dataclasses.replace(claim, w=other), proof) == "VALUE_OPENING"


def test_other_statements_are_refused() -> None:
    claim, proof = opened()
    assert reason(lambda: verify_value(sample(base=4), claim, proof)) == "VALUE_OPENING"


@pytest.mark.parametrize("change", [lambda p: p[:-1], lambda p: p + b"\0", lambda p: b""])
def test_a_proof_of_another_length_is_refused(change: Callable[[bytes], bytes]) -> None:
    claim, proof = opened()
    assert refused(claim, change(proof), InvalidEncoding) == "PROOF_LENGTH"


def test_an_announcement_that_is_no_point_is_refused() -> None:
    claim, proof = opened()
    assert refused(claim, bytes(POINT_BYTES) + proof[48:], InvalidEncoding) == "POINT"
    identity = b"\xc0" + bytes(POINT_BYTES - 1)
    assert refused(claim, identity + proof[48:], InvalidEncoding) == "POINT"


def test_a_response_that_is_not_reduced_is_refused() -> None:
    claim, proof = opened()
    assert refused(claim, proof[:-32] + Q.to_bytes(32, "little"), InvalidEncoding) == "SCALAR"


@given(st.integers(POINT_BYTES, opening_bytes(sample()) - 1))
@settings(max_examples=50, deadline=None)
def test_a_changed_response_is_refused(at: int) -> None:
    claim, proof = opened()
    changed = bytearray(proof)
    changed[at] ^= 1
    with pytest.raises(VerificationError):
        verify_value(sample(), claim, bytes(changed))


def test_only_a_challenge_known_beforehand_makes_a_forgery(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator: from responses and a challenge, for any value and without gamma."""
    false, e, blinding = claim_of(sample_report(), value=7), 12345, 13
    responses = [21, 22, 23, 24, 25]
    left = commit_values(blinding, [e * false.value, *responses])
    announcement = msm([left, false.w], [1, -e])
    scalars = map(scalar_to_bytes, (*responses, blinding))
    proof = b"".join((point_to_bytes(announcement), *scalars))
    assert refused(false, proof) == "VALUE_OPENING"
    monkeypatch.setattr(value_opening, "_challenge", lambda *_: e)
    verify_value(sample(), false, proof)


def test_the_prover_refuses_what_it_cannot_prove() -> None:
    report, entropy = sample_report(), SeededEntropy("x")
    claim = claim_of(report)
    for wrong, values, gamma in (
        (claim_of(report, value=251), SAMPLE_VALUES, report.gamma),
        (claim, SAMPLE_VALUES[:-1], report.gamma),
        (claim, (*SAMPLE_VALUES[:-1], 0), report.gamma),
        (claim, SAMPLE_VALUES, report.gamma + 1),
    ):
        with pytest.raises(ValueError, match=r"must be (about these|those of)"):
            prove_value(sample(), wrong, values, gamma, entropy)
    nowhere = dataclasses.replace(claim, index=6)
    for call in (
        lambda: prove_value(sample(), nowhere, SAMPLE_VALUES, report.gamma, entropy),
        lambda: verify_value(sample(), nowhere, b""),
    ):
        with pytest.raises(ValueError, match="no value 6"):
            call()


def test_a_source_that_repeats_itself_repeats_no_mask_between_auditors() -> None:
    report = sample_report()
    proofs = []
    for auditor in (AUDITOR, b"auditor-2"):
        claim = claim_of(report, auditor=auditor)
        stuck = SeededEntropy("stuck")
        proofs.append(prove_value(sample(), claim, SAMPLE_VALUES, report.gamma, stuck))
    assert proofs[0][:POINT_BYTES] != proofs[1][:POINT_BYTES]


def test_secrets_are_not_shown() -> None:
    report = sample_report()
    assert str(report.gamma) not in repr(report)
    assert "value" not in repr(claim_of(report)).removeprefix("ValueClaim")
