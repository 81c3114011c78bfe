import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.integers import multi_powmod, power_product, random_below, random_unit
from fermata.crypto.report.batch import BatchItem, InvalidBatch, batch_weights, verify_batch
from fermata.crypto.report.codec import SealedProof, sha256
from fermata.crypto.report.prover import prove
from fermata.crypto.report.statements import StatementSet, Value
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
LEAF_HASH = bytes(range(32))
LABS = [f"lab-{k}".encode() for k in range(6)]


def item(lab: bytes) -> BatchItem:
    report = sample_report(lab)
    context = dataclasses.replace(CONTEXT, lab_id=lab)
    return BatchItem(sample(), context, report.open_part, report.sealed)


def forged(lab: bytes, values: Sequence[int], **changes: object) -> BatchItem:
    context = dataclasses.replace(CONTEXT, lab_id=lab)
    report = forge(sample(), best_effort(sample(), values, **changes), context)
    return BatchItem(sample(), context, report.open_part, report.sealed)


def failures(items: Sequence[BatchItem]) -> dict[int, str]:
    with pytest.raises(InvalidBatch) as caught:
        verify_batch(KEY, items, LEAF_HASH)
    assert caught.value.reason == "BATCH"
    return {index: problem.reason for index, problem in caught.value.failures.items()}


def test_a_batch_of_honest_proofs_is_accepted() -> None:
    verify_batch(KEY, [item(lab) for lab in LABS], LEAF_HASH)


def test_an_empty_batch_and_a_batch_of_one_are_accepted() -> None:
    verify_batch(KEY, [], LEAF_HASH)
    verify_batch(KEY, [item(LABS[0])], LEAF_HASH)


def test_open_parts_alone_are_accepted() -> None:
    items = [dataclasses.replace(item(lab), sealed=None) for lab in LABS]
    verify_batch(KEY, items, LEAF_HASH)
    verify_batch(KEY, items)


def test_proofs_of_different_statements_share_a_batch() -> None:
    small = StatementSet((Value(9), Value(2**30)), base=2, modulus_bits=512)
    report = prove(small, table(), CONTEXT, (9, 12345), SeededEntropy("small"))
    other = BatchItem(small, CONTEXT, report.open_part, report.sealed)
    verify_batch(KEY, [item(LABS[0]), other, item(LABS[1])], LEAF_HASH)


@given(st.sets(st.integers(0, 5), min_size=1), st.data())
@settings(max_examples=12, deadline=None)
def test_exactly_the_bad_proofs_are_named(bad: set[int], data: st.DataObject) -> None:
    items = [item(lab) for lab in LABS]
    expected = {}
    for index in bad:
        kind = data.draw(st.sampled_from(("statement", "plaintext", "replay", "bytes", "sealed")))
        lab = LABS[index]
        if kind == "statement":
            items[index], expected[index] = forged(lab, (250, 20, 5001, 1, 0, 1)), "EC3"
        elif kind == "plaintext":
            good = best_effort(sample(), SAMPLE_VALUES).plaintexts[0]
            items[index] = forged(lab, SAMPLE_VALUES, plaintexts=(good + 1,))
            expected[index] = "PA"
        elif kind == "replay":
            copied = item(LABS[(index + 1) % 6])
            context = dataclasses.replace(CONTEXT, lab_id=lab)
            items[index], expected[index] = dataclasses.replace(copied, context=context), "EC1"
        elif kind == "bytes":
            items[index] = dataclasses.replace(items[index], open_part=b"")
            expected[index] = "PROOF_LENGTH"
        else:
            other = sample_report(LABS[(index + 1) % 6]).sealed
            items[index] = dataclasses.replace(items[index], sealed=other)
            expected[index] = "SEALED_DIGEST"
    assert failures(items) == expected


def test_a_proof_that_is_bad_in_its_sealed_part_only_passes_without_it() -> None:
    good = best_effort(sample(), SAMPLE_VALUES).plaintexts[0]
    bad = forged(LABS[0], SAMPLE_VALUES, plaintexts=(good + 1,))
    assert failures([item(LABS[1]), bad]) == {1: "PA"}
    verify_batch(KEY, [dataclasses.replace(bad, sealed=None)], LEAF_HASH)


def exchanged(lab: bytes, name: str, value: int) -> BatchItem:
    """An item whose ciphertext or announcement is ``value``, and whose open part names it."""
    whole = item(lab)
    assert whole.sealed is not None
    data = value.to_bytes(KEY.ciphertext_width, "big")
    before = getattr(whole.sealed, name)[0]
    named = whole.open_part.replace(sha256(before), sha256(data))
    sealed = dataclasses.replace(whole.sealed, **{name: (data,)})
    return dataclasses.replace(whole, open_part=named, sealed=sealed)


@given(st.dictionaries(st.integers(0, 5), st.sampled_from(("ciphertexts", "announcements"))))
@settings(max_examples=12, deadline=None)
def test_whatever_is_no_unit_is_named_though_one_gcd_serves_all(
    bad: dict[int, str],
) -> None:
    """Also p in one item and q in another, whose product is a multiple of n."""
    reasons = {"ciphertexts": "CT_NOT_UNIT", "announcements": "ANNOUNCEMENT"}
    items = [item(lab) for lab in LABS]
    for index, name in bad.items():
        items[index] = exchanged(LABS[index], name, 7 * primes(512)[index % 2])
    if bad:
        assert failures(items) == {index: reasons[name] for index, name in bad.items()}
    else:
        verify_batch(KEY, items, LEAF_HASH)


def test_an_empty_sealed_part_is_not_a_missing_one() -> None:
    vacuous = dataclasses.replace(item(LABS[0]), sealed=SealedProof((), (), ()))
    assert failures([vacuous, item(LABS[1])]) == {0: "SEALED_LENGTH"}


def test_a_proof_twice_in_a_batch_is_checked_twice() -> None:
    bad = forged(LABS[0], (250, 20, 5001, 1, 0, 1))
    assert failures([bad, item(LABS[0]), bad]) == {0: "EC3", 2: "EC3"}


def first_weights(items: Sequence[BatchItem], leaf_hash: bytes = LEAF_HASH, bits: int = 512) -> str:
    weights = batch_weights(public_key(bits), items, leaf_hash)
    return " ".join(str(next(weights)) for _ in range(4))


def test_weights_depend_on_the_key_the_close_and_everything_checked() -> None:
    good = item(LABS[0])
    variants = [
        [good],
        [good, good],
        [],
        [dataclasses.replace(good, open_part=good.open_part + b"\0")],
        [dataclasses.replace(good, open_part=b"", context=dataclasses.replace(CONTEXT))],
        [dataclasses.replace(good, context=dataclasses.replace(CONTEXT, round_id=b"8"))],
        [dataclasses.replace(good, context=dataclasses.replace(CONTEXT, charter_hash=bytes(32)))],
        [dataclasses.replace(good, statements=sample(base=64))],
        [item(LABS[1])],
        [item(LABS[0]), item(LABS[1])],
        [item(LABS[1]), item(LABS[0])],
    ]
    drawn = [first_weights(items) for items in variants]
    drawn += [first_weights([good], bits=256), first_weights([good], b"\1" * 32)]
    drawn.append(first_weights([good], b""))
    assert len(set(drawn)) == len(drawn)
    assert len(set(drawn[0].split())) == 4


def test_weights_do_not_depend_on_which_sealed_parts_are_at_hand() -> None:
    items = [item(lab) for lab in LABS[:3]]
    without = [dataclasses.replace(items[0], sealed=None), *items[1:]]
    assert first_weights(items) == first_weights(without)
    good = best_effort(sample(), SAMPLE_VALUES).plaintexts[0]
    bad = forged(LABS[2], SAMPLE_VALUES, plaintexts=(good + 1,))
    assert failures([without[0], items[1], bad]) == failures([*items[:2], bad]) == {2: "PA"}


@given(st.lists(st.integers(0, 1 << 260), min_size=0, max_size=80))
@settings(max_examples=50, deadline=None)
def test_a_product_of_powers_is_what_power_by_power_gives(exponents: list[int]) -> None:
    entropy = SeededEntropy(f"bases {len(exponents)}")
    bases = [random_unit(entropy, KEY.n) + KEY.n * random_below(entropy, KEY.n) for _ in exponents]
    assert power_product(bases, exponents, KEY.n) == multi_powmod(bases, exponents, KEY.n_squared)


def test_a_product_of_powers_is_right_where_there_is_but_one_base_many_times() -> None:
    base = KEY.h_s * (1 + 5 * KEY.n) % KEY.n_squared
    exponents = list(range(40))
    expected = pow(base, sum(exponents), KEY.n_squared)
    assert power_product([base] * 40, exponents, KEY.n) == expected


def test_a_product_of_powers_refuses_a_base_without_an_inverse() -> None:
    bases = [KEY.h_s] * 30
    bases[17] *= primes()[0]
    with pytest.raises(ValueError, match="no inverse"):
        power_product(bases, [1] * 30, KEY.n)


def test_a_product_of_powers_needs_one_exponent_of_0_or_more_for_each_base() -> None:
    for bases, exponents in (([3], [1, 2]), ([3, 4], [1]), ([3], [-1])):
        with pytest.raises(ValueError):
            power_product(bases, exponents, 77)
