"""Proofs whose points lie outside GG: one verdict, alone and in every batch (R1.5, R10.3)."""

import dataclasses
from functools import cache

import pytest

from fermata.crypto.group import Point, generators
from fermata.crypto.report import value_opening
from fermata.crypto.report.batch import BatchItem, InvalidBatch, verify_batch
from fermata.crypto.report.codec import open_from_bytes, open_to_bytes
from fermata.crypto.report.prover import Report
from fermata.crypto.report.value_opening import ValueClaim, prove_value, verify_value
from fermata.crypto.report.verifier import verify, verify_open
from fermata.errors import InvalidProof
from harness.crypto.keys import SeededEntropy
from harness.crypto.proof_world import (
    CONTEXT,
    SAMPLE_VALUES,
    best_effort,
    public_key,
    sample,
    sample_report,
    table,
)
from harness.crypto.torsion import (
    TorsionProver,
    library_point,
    point_names,
    shifted,
    torsion_points,
)

KEY = public_key()
NAMES = point_names(sample())
TORSION = tuple(library_point(point) for point in torsion_points(len(NAMES)))


def made(
    shifts: dict[str, Point], values: tuple[int, ...] = SAMPLE_VALUES, seed: str = "torsion"
) -> Report:
    witness = best_effort(sample(), values)
    prover = TorsionProver(sample(), table(), CONTEXT, witness, SeededEntropy(seed), shifts)
    return prover.report()


@cache
def everywhere() -> Report:
    return made(dict(zip(NAMES, TORSION, strict=True)))


def item(report: Report, lab: bytes = CONTEXT.lab_id) -> BatchItem:
    context = dataclasses.replace(CONTEXT, lab_id=lab)
    return BatchItem(sample(), context, report.open_part, report.sealed)


def check_everywhere(report: Report) -> None:
    verify(sample(), KEY, CONTEXT, report.open_part, report.sealed)
    verify_open(sample(), KEY, CONTEXT, report.open_part)
    beside = item(sample_report(b"lab-b"), b"lab-b")
    for seed in range(4):
        verify_batch(KEY, [item(report), beside], bytes([seed]) * 32)


@pytest.mark.parametrize("name", NAMES)
def test_a_part_of_order_3_in_any_point_is_accepted_alone_and_in_a_batch(name: str) -> None:
    """Without the cofactor a sum would be right for one weight in three."""
    check_everywhere(made({name: TORSION[0]}))


def test_parts_of_all_orders_in_all_points_are_accepted_alone_and_in_a_batch() -> None:
    check_everywhere(everywhere())


def test_forty_batches_give_a_proof_with_parts_of_small_order_one_verdict() -> None:
    for seed in range(40):
        verify_batch(KEY, [item(everywhere())], bytes([seed]) * 32)


@pytest.mark.parametrize("name", NAMES)
def test_a_part_of_small_order_added_after_the_challenges_is_refused(name: str) -> None:
    """The challenges come from the encodings, not from the points' parts in GG."""
    report = sample_report()
    moved = shifted(
        open_from_bytes(sample(), report.open_part),
        lambda which, point: point + TORSION[0] if which == name else point,
    )
    data = open_to_bytes(sample(), moved)
    with pytest.raises(InvalidProof, match=r"evaluation|statement|inner product"):
        verify_open(sample(), KEY, CONTEXT, data)


@pytest.mark.parametrize("name", NAMES)
def test_a_false_statement_with_a_part_of_small_order_is_refused_with_its_reason(
    name: str,
) -> None:
    bad = made({name: TORSION[-1]}, (250, 20, 5001, 1, 0, 1))
    with pytest.raises(InvalidProof) as alone:
        verify(sample(), KEY, CONTEXT, bad.open_part, bad.sealed)
    assert alone.value.reason == "EC3"
    for seed in range(3):
        with pytest.raises(InvalidBatch) as caught:
            verify_batch(KEY, [item(bad), item(everywhere())], bytes([seed]) * 32)
        assert {k: e.reason for k, e in caught.value.failures.items()} == {0: "EC3"}


def test_a_point_with_a_part_in_the_group_as_well_is_not_taken_for_one_of_small_order() -> None:
    shift = TORSION[0] + generators("base")[0]
    bad = made({"de": shift})
    with pytest.raises(InvalidProof) as caught:
        verify_open(sample(), KEY, CONTEXT, bad.open_part)
    assert caught.value.reason == "EC3"


def test_a_value_is_opened_from_a_commitment_with_a_part_of_small_order() -> None:
    """And with one in its announcement: both sides of (VO) are compared in GG."""
    report = everywhere()
    w = open_from_bytes(sample(), report.open_part).w
    for index, value in enumerate(SAMPLE_VALUES):
        claim = ValueClaim(CONTEXT, w, index, value, b"auditor-1")
        proof = prove_with_torsion(claim, report)
        verify_value(sample(), claim, proof)
        wrong = dataclasses.replace(claim, value=1 - value if value < 2 else value - 1)
        with pytest.raises(InvalidProof, match="is not the one in the report"):
            verify_value(sample(), wrong, proof)


def prove_with_torsion(claim: ValueClaim, report: Report) -> bytes:
    """``prove_value`` by a lab whose W and announcement lie outside GG."""
    true_commit = value_opening.commit_values
    moved = iter((TORSION[0], TORSION[3]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            value_opening, "commit_values", lambda *given: true_commit(*given) + next(moved)
        )
        return prove_value(
            sample(), claim, SAMPLE_VALUES, report.gamma, SeededEntropy("opened from torsion")
        )
