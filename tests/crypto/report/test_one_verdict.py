"""Factors of small order in a sealed part: no verdict depends on chance, order or memory (R7)."""

import dataclasses
from functools import cache

import pytest

from fermata.crypto.report.batch import BatchItem, InvalidBatch, verify_batch
from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.report.verifier import verify
from fermata.errors import InvalidProof
from harness.crypto.factors import FactorProver, root_of_unity
from harness.crypto.keys import SeededEntropy, primes
from harness.crypto.proof_world import (
    CONTEXT,
    SAMPLE_VALUES,
    best_effort,
    public_key,
    sample,
    sample_report,
    table,
)

KEY = public_key()
#: The smallest odd primes that divide p - 1 or q - 1: who knows them has elements of such orders.
ODD_ORDERS = [d for d in (3, 5, 7, 11, 13) if any((p - 1) % d == 0 for p in primes())]
LEAF_HASHES = [bytes([k]) * 32 for k in range(40)]


def honest(lab: bytes) -> BatchItem:
    report = sample_report(lab)
    context = dataclasses.replace(CONTEXT, lab_id=lab)
    return BatchItem(sample(), context, report.open_part, report.sealed)


@cache
def with_factor(field: str, factor: int, lab: bytes = b"lab-a") -> BatchItem:
    context = dataclasses.replace(CONTEXT, lab_id=lab)
    witness = best_effort(sample(), SAMPLE_VALUES)
    entropy = SeededEntropy(f"factor {field} {factor} {lab!r}")
    prover = FactorProver(sample(), table(), context, witness, entropy, {field: factor})
    report = prover.report()
    return BatchItem(sample(), context, report.open_part, report.sealed)


def holds_alone(item: BatchItem, known: ProofCache | None = None) -> bool:
    assert item.sealed is not None
    try:
        verify(sample(), KEY, item.context, item.open_part, item.sealed, cache=known)
    except InvalidProof as problem:
        return problem.reason != "PA"
    return True


def verdict(
    items: list[BatchItem], leaf_hash: bytes, known: ProofCache | None = None
) -> dict[int, str]:
    try:
        verify_batch(KEY, items, leaf_hash, known)
    except InvalidBatch as problem:
        return {index: error.reason for index, error in problem.failures.items()}
    return {}


@pytest.mark.parametrize("field", ["announcements", "ciphertexts"])
def test_a_negated_number_holds_alone_and_in_every_round(field: str) -> None:
    item = with_factor(field, -1)
    assert holds_alone(item)
    known = ProofCache()
    for leaf_hash in LEAF_HASHES:
        for items in ([item], [honest(b"lab-b"), item]):
            assert verdict(items, leaf_hash) == {}
            assert verdict(items, leaf_hash, known) == {}


def test_two_negated_reports_hold_in_every_round() -> None:
    items = [with_factor("announcements", -1), with_factor("announcements", -1, b"lab-b")]
    assert [verdict(items, leaf_hash) for leaf_hash in LEAF_HASHES] == [{}] * 40


def test_a_factor_of_odd_order_fails_alone_and_has_one_verdict_in_each_round() -> None:
    item, beside = (
        with_factor("announcements", root_of_unity(primes(), ODD_ORDERS[0])),
        honest(b"b"),
    )
    assert not holds_alone(item)
    full = ProofCache()
    assert holds_alone(beside, full)
    found = []
    for leaf_hash in LEAF_HASHES:
        empty = verdict([item, beside], leaf_hash)
        assert verdict([item, beside], leaf_hash) == empty
        assert verdict([item, beside], leaf_hash, full) == empty
        assert verdict([item, beside], leaf_hash, full) == empty
        assert empty in ({}, {0: "PA"})
        found.append(empty == {})
    # Some rounds let it pass and some do not: what matters is that nobody sees another verdict.
    assert True in found
    assert False in found


def test_what_passed_among_others_is_not_remembered_as_holding_alone() -> None:
    item = with_factor("announcements", root_of_unity(primes(), ODD_ORDERS[0]))
    passing = [leaf_hash for leaf_hash in LEAF_HASHES if verdict([item], leaf_hash) == {}]
    failing = [leaf_hash for leaf_hash in LEAF_HASHES if leaf_hash not in passing]
    known = ProofCache()
    assert verdict([item], passing[0], known) == {}
    assert item.digests(KEY)[1] not in known
    assert not holds_alone(item, known)
    assert verdict([item], failing[0], known) == {0: "PA"}
    assert verdict([item, honest(b"lab-b")], failing[0], known) == verdict(
        [item, honest(b"lab-b")], failing[0]
    )


def test_in_a_round_that_fails_all_that_fail_alone_are_named_and_no_other() -> None:
    """Also the one of odd order, which might have passed with other weights."""
    good = best_effort(sample(), SAMPLE_VALUES).plaintexts[0]
    context = dataclasses.replace(CONTEXT, lab_id=b"lab-c")
    witness = best_effort(sample(), SAMPLE_VALUES, plaintexts=(good + 1,))
    report = FactorProver(sample(), table(), context, witness, SeededEntropy("wrong"), {}).report()
    wrong = BatchItem(sample(), context, report.open_part, report.sealed)
    odd = with_factor("announcements", root_of_unity(primes(), ODD_ORDERS[0]))
    minus = with_factor("announcements", -1, b"lab-b")
    for leaf_hash in LEAF_HASHES[:12]:
        items = [odd, minus, wrong, honest(b"lab-d")]
        assert verdict(items, leaf_hash) == {0: "PA", 2: "PA"}
