"""The self-test of a new key: a wrong part is noticed whatever the threshold (K18.1)."""

from itertools import combinations

import pytest

from fermata.crypto.integers import powmod
from fermata.crypto.threshold.dealer import deal
from fermata.crypto.threshold.key_record import AUDITORS_MAX, lagrange
from fermata.crypto.threshold.keygen.steps import final
from fermata.crypto.threshold.keygen.steps.final import all_open
from fermata.crypto.threshold.opening import culprits_of, partial_opening
from harness.crypto.keys import SeededEntropy

BITS = 256
#: Every number of auditors with every threshold that a ceremony takes (K12).
SHAPES = [
    (auditors, threshold)
    for auditors in range(3, AUDITORS_MAX + 1)
    for threshold in range((auditors + 1) // 2, auditors + 1)
]


def key_and_parts(auditors, threshold):
    entropy = SeededEntropy(f"self-test {auditors} {threshold}")
    made = deal(BITS, threshold, auditors, entropy, bytes(32))
    test = final.test_ciphertexts(b"session", made.record.n)[0]
    parts = {
        share.index: partial_opening(made.record, share, test[0], entropy) for share in made.shares
    }
    return made.record, test, parts


@pytest.mark.parametrize(("auditors", "threshold"), SHAPES)
def test_right_parts_open_and_one_wrong_part_does_not(auditors, threshold):
    record, test, parts = key_and_parts(auditors, threshold)
    assert all_open(record, test, parts)
    for index, part in parts.items():
        assert not all_open(record, test, parts | {index: part ^ 1}), index


@pytest.mark.parametrize(("auditors", "threshold"), SHAPES)
def test_two_parts_that_are_bent_to_open_all_together_do_not_pass(auditors, threshold):
    """What one adds to the product of all parts the other takes away again."""
    record, test, parts = key_and_parts(auditors, threshold)
    everybody = tuple(sorted(parts))
    for one, other in combinations(everybody, 2):
        taken, added = lagrange(other, everybody), lagrange(one, everybody)
        bent = {
            one: parts[one] * powmod(4, taken, record.n) % record.n,
            other: parts[other] * powmod(4, -added, record.n) % record.n,
        }
        is_hidden = all_open(record, test, parts | bent)
        # With as many parts as it takes to open there is no other subset that could tell.
        assert is_hidden == (threshold == auditors), (one, other)


def test_of_too_few_auditors_nobody_is_wrong_beyond_doubt():
    record, (_, _, root), parts = key_and_parts(4, 3)
    assert culprits_of(record, root, parts | {4: parts[4] ^ 1}) == ()


def test_a_part_with_the_other_sign_is_right():
    record, test, parts = key_and_parts(4, 3)
    assert all_open(record, test, parts | {4: record.n - parts[4]})


def test_a_known_plaintext_or_root_that_does_not_come_out_fails():
    record, (ciphertext, plaintext, root), parts = key_and_parts(3, 2)
    assert not all_open(record, (ciphertext, plaintext + 1, root), parts)
    assert not all_open(record, (ciphertext, plaintext, root + 1), parts)
