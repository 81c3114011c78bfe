"""Reports that wait at the door together: each has the verdict that it would have alone (R7.3)."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.report import batch
from fermata.crypto.report.batch import BatchItem, verify_apart
from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.report.verifier import verify
from fermata.errors import VerificationError
from harness.crypto.factors import FactorProver, root_of_unity
from harness.crypto.keys import SeededEntropy, primes
from harness.crypto.proof_world import (
    CONTEXT,
    SAMPLE_VALUES,
    best_effort,
    forge,
    public_key,
    sample,
    sample_report,
    table,
)

KEY = public_key()
#: Who knows the primes has numbers of this order.
ODD_ORDER = next(d for d in (3, 5, 7, 11, 13) if any((p - 1) % d == 0 for p in primes()))
LABS = [f"lab-{k}".encode() for k in range(6)]


def item(lab: bytes) -> BatchItem:
    report = sample_report(lab)
    context = dataclasses.replace(CONTEXT, lab_id=lab)
    return BatchItem(sample(), context, report.open_part, report.sealed)


def with_factor(lab: bytes, factor: int) -> BatchItem:
    """A report whose announcement is multiplied by a number of small order."""
    context = dataclasses.replace(CONTEXT, lab_id=lab)
    witness, entropy = best_effort(sample(), SAMPLE_VALUES), SeededEntropy(f"door {lab!r}")
    made = FactorProver(sample(), table(), context, witness, entropy, {"announcements": factor})
    report = made.report()
    return BatchItem(sample(), context, report.open_part, report.sealed)


def spoilt(lab: bytes, kind: str) -> BatchItem:
    good = item(lab)
    context = good.context
    if kind == "values":
        report = forge(sample(), best_effort(sample(), [v + 1 for v in SAMPLE_VALUES]), context)
        return BatchItem(sample(), context, report.open_part, report.sealed)
    if kind == "link":
        first = best_effort(sample(), SAMPLE_VALUES).plaintexts[0]
        forged = best_effort(sample(), SAMPLE_VALUES, plaintexts=(first + 1,))
        report = forge(sample(), forged, context)
        return BatchItem(sample(), context, report.open_part, report.sealed)
    if kind == "length":
        return dataclasses.replace(good, open_part=b"")
    if kind == "negated":
        return with_factor(lab, -1)
    if kind == "root":
        return with_factor(lab, root_of_unity(primes(), ODD_ORDER))
    other = sample_report(LABS[(LABS.index(lab) + 1) % len(LABS)]).sealed
    return dataclasses.replace(good, sealed=other)


def alone(one: BatchItem) -> str:
    assert one.sealed is not None
    try:
        verify(one.statements, KEY, one.context, one.open_part, one.sealed, table())
    except VerificationError as problem:
        return problem.reason
    return ""


KINDS = ("good", "values", "link", "length", "exchanged", "negated")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), st.booleans())
def test_each_report_has_the_verdict_that_it_has_alone(kinds: list[str], has_table: bool) -> None:
    items = [
        item(lab) if kind == "good" else spoilt(lab, kind)
        for lab, kind in zip(LABS, kinds, strict=False)
    ]
    cache, powers = ProofCache(), table() if has_table else None
    expected = {index: reason for index, each in enumerate(items) if (reason := alone(each))}
    for _ in range(2):
        found = verify_apart(KEY, items, powers, cache)
        assert {index: problem.reason for index, problem in found.items()} == expected
    for index, each in enumerate(items):
        assert (each.digests(KEY)[-1] in cache) is (index not in expected)


def test_the_door_refuses_a_residue_of_small_order_under_all_weights() -> None:
    """In a round it would pass once in its order (R7.4); so no weight stands before it here."""
    for count in range(1, len(LABS)):
        items = [spoilt(LABS[0], "root"), *map(item, LABS[1:count])]
        found = verify_apart(KEY, items)
        assert {index: problem.reason for index, problem in found.items()} == {0: "PA"}


def test_what_held_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, items = ProofCache(), [item(lab) for lab in LABS[:3]]
    assert verify_apart(KEY, items, cache=cache) == {}
    asked = []
    monkeypatch.setattr(batch, "holds", lambda equations: asked.append(1))
    monkeypatch.setattr(batch, "paillier_holds", lambda *args: asked.append(1))
    assert verify_apart(KEY, items, cache=cache) == {}
    assert asked == []


def test_a_report_without_its_sealed_part_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="sealed part"):
        verify_apart(KEY, [dataclasses.replace(item(LABS[0]), sealed=None)])
