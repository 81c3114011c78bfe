import json
from dataclasses import replace
from itertools import combinations, product

import pytest

from fermata.crypto.threshold.key_record import (
    DELTA,
    DISTRIBUTED,
    KeyRecord,
    epoch_id,
    key_id,
    share_head,
    share_offset_bits,
    verification_base,
)
from fermata.crypto.threshold.opening import KeyShare, Opening, check_share, combine
from fermata.crypto.threshold.reshare.plan import plan_refresh, plan_reshare
from fermata.errors import InvalidEncoding, InvalidProof
from harness.crypto.keys import VECTORS, dealt, encrypt_with_root, primes
from harness.crypto.next_epochs import BEFORE, CEREMONY, Epoch

KEY = dealt(256, 2, 3)
N = KEY.record.n
CIPHERTEXTS = [encrypt_with_root(N, message, 777 + message) for message in (0, 123456789)]
OPENINGS = [Opening(0, 777, ()), Opening(123456789, 777 + 123456789, ())]
FIRST = Epoch(KEY.record, {share.index: share for share in KEY.shares})


def chain() -> list[Epoch]:
    """(2, 3) is reshared to (3, 5), that is refreshed, and reshared to (3, 4)."""
    five = FIRST.reshared(3, 5, {2: 1, 6: 3})
    refreshed = five.refreshed()
    return [FIRST, five, refreshed, refreshed.reshared(3, 4, {1: 5, 5: 2, 6: 4})]


CHAIN = chain()


@pytest.mark.parametrize("epoch", CHAIN)
def test_every_epoch_opens_the_same_ciphertexts_by_every_t_of_its_auditors(epoch: Epoch) -> None:
    for ciphertext, opening in zip(CIPHERTEXTS, OPENINGS, strict=True):
        assert epoch.open_by_every_subset(ciphertext) == {opening}


@pytest.mark.parametrize("epoch", CHAIN)
def test_one_auditor_fewer_than_t_opens_nothing(epoch: Epoch) -> None:
    parts = epoch.parts(CIPHERTEXTS[1])
    lower = replace(epoch.record, threshold=epoch.record.threshold - 1)
    for subset in combinations(parts, lower.threshold):
        few = {i: parts[i] for i in subset}
        assert combine(epoch.record, CIPHERTEXTS[1], few) is None
        assert combine(lower, CIPHERTEXTS[1], few) is None


@pytest.mark.parametrize(("old", "new"), list(combinations(CHAIN, 2)))
def test_old_and_new_shares_open_nothing_together(old: Epoch, new: Epoch) -> None:
    """Under either record: t - 1 shares of one epoch, and all of the other one that are left."""
    parts = {0: old.parts(CIPHERTEXTS[1]), 1: new.parts(CIPHERTEXTS[1])}
    for record in (old.record, new.record):
        for subset in combinations(
            range(1, min(len(parts[0]), len(parts[1])) + 1), record.threshold
        ):
            for epochs in product((0, 1), repeat=len(subset)):
                if 0 < sum(epochs) < len(epochs):
                    mixed = {i: parts[e][i] for i, e in zip(subset, epochs, strict=True)}
                    assert combine(record, CIPHERTEXTS[1], mixed) is None


def test_one_old_part_among_enough_new_ones_is_named() -> None:
    _, five, refreshed, _ = CHAIN
    parts = {**refreshed.parts(CIPHERTEXTS[1]), 4: five.parts(CIPHERTEXTS[1])[4]}
    assert combine(refreshed.record, CIPHERTEXTS[1], parts) == replace(OPENINGS[1], culprits=(4,))


@pytest.mark.parametrize(("old", "new"), list(combinations(CHAIN, 2)))
def test_a_share_of_one_epoch_is_refused_in_another(old: Epoch, new: Epoch) -> None:
    for epoch, other in ((old, new), (new, old)):
        for index in set(epoch.shares) & set(other.shares):
            with pytest.raises(InvalidProof) as error:
                check_share(epoch.record, other.shares[index])
            assert error.value.reason == "SHARE"


def test_the_key_id_stays_and_the_epoch_id_changes() -> None:
    ids = {epoch_id(e.record, [f"a{i}" for i in range(1, e.record.auditors + 1)]) for e in CHAIN}
    assert len(ids) == len(CHAIN)
    assert {key_id(epoch.record) for epoch in CHAIN} == {key_id(KEY.record)}
    assert [epoch.record.epoch for epoch in CHAIN] == [1, 2, 3, 4]
    assert [epoch.record.kappa for epoch in CHAIN] == [DELTA, DELTA**3, DELTA**3, DELTA**5]
    assert [epoch.record.theta for epoch in CHAIN] == [1] * 4


@pytest.mark.parametrize("epoch", CHAIN)
def test_the_length_of_every_exponent_follows_from_the_record(epoch: Epoch) -> None:
    for index, share in epoch.shares.items():
        head = DELTA * share_head(index, epoch.record.threshold)
        length = head.bit_length() + epoch.record.offset_bits
        assert (DELTA * share.value).bit_length() == length


def test_a_key_that_was_made_together_is_refreshed_and_reshared() -> None:
    """Its theta is not 1, and its root exponent is longer than n and negative."""
    p, q = primes(256)
    n = p * q
    theta, order = 987654321, (p - 1) * (q - 1)
    d = theta * pow(n, -1, order) % order - (order << 128)
    offset, masks = 1 << share_offset_bits(n, DISTRIBUTED), 1 << 256 + 290
    values = {i: DELTA * d + (offset + masks + 12345) * i for i in (1, 2, 3)}
    base = verification_base(n)
    record = KeyRecord(
        n=n,
        threshold=2,
        epoch=1,
        kappa=DELTA,
        theta=theta,
        verification=tuple(pow(base, DELTA * s, n) for s in values.values()),
        origin=DISTRIBUTED,
    )
    first = Epoch(record, {i: KeyShare(i, s, key_id(record)) for i, s in values.items()})
    ciphertext = encrypt_with_root(n, 5, 77)
    for epoch in (first, first.refreshed(), first.refreshed().reshared(3, 5, {2: 1, 6: 3})):
        assert epoch.open_by_every_subset(ciphertext) == {Opening(5, 77, ())}
        assert (epoch.record.theta, epoch.record.origin) == (theta, DISTRIBUTED)


def test_after_twelve_reshares_the_key_must_be_a_new_one() -> None:
    epoch = FIRST
    for count in range(12):
        epoch = epoch.reshared(2, 2 + count % 2, {1: 1, 2: 2})
    assert epoch.open_by_every_subset(CIPHERTEXTS[1]) == {OPENINGS[1]}
    with pytest.raises(InvalidEncoding, match="at most 12") as error:
        plan_reshare(epoch.record, BEFORE, CEREMONY, 2, 3, {1: 1, 2: 2})
    assert error.value.reason == "KEY_RANGE"
    assert epoch.refreshed().open_by_every_subset(CIPHERTEXTS[1]) == {OPENINGS[1]}


def test_a_share_that_was_refreshed_often_keeps_its_length() -> None:
    epoch = FIRST
    for _ in range(20):
        epoch = epoch.refreshed()
        assert epoch.record.offset_bits == CHAIN[0].record.offset_bits + 10
    assert epoch.record.kappa == DELTA
    assert epoch.open_by_every_subset(CIPHERTEXTS[1]) == {OPENINGS[1]}


def test_the_last_epoch_of_a_key_is_not_refreshed() -> None:
    with pytest.raises(InvalidEncoding, match="at most 4096 epochs") as error:
        plan_refresh(replace(KEY.record, epoch=4096), BEFORE, CEREMONY)
    assert error.value.reason == "KEY_SHAPE"


@pytest.mark.parametrize(
    ("old", "new"), [((1, 1), (2, 2)), ((2, 2), (7, 7)), ((7, 7), (2, 3)), ((4, 7), (4, 7))]
)
def test_keys_of_every_shape_are_reshared(old: tuple[int, int], new: tuple[int, int]) -> None:
    key = dealt(256, *old)
    ciphertext = encrypt_with_root(key.record.n, 5, 77)
    first = Epoch(key.record, {share.index: share for share in key.shares})
    apart = {new[1] + i: old[1] - old[0] + i for i in range(1, old[0] + 1)}
    for dealers in (apart, dict(zip(range(1, new[1] + 1), range(1, old[0] + 1), strict=False))):
        if len(dealers) == old[0]:
            opened = first.reshared(*new, dealers).open_by_every_subset(ciphertext)
            assert opened == {Opening(5, 77, ())}


def test_a_key_of_full_size_is_refreshed_and_reshared() -> None:
    good = json.loads((VECTORS / "opening.json").read_text())
    fields, case = good["record"], good["openings"][0]
    record = KeyRecord(
        n=int(fields["n"], 16),
        threshold=fields["threshold"],
        epoch=fields["epoch"],
        kappa=int(fields["kappa"], 16),
        theta=int(fields["theta"], 16),
        verification=tuple(int(v, 16) for v in fields["verification"]),
        origin=fields["origin"],
    )
    assert record.n.bit_length() == 2048
    key = key_id(record)
    shares = {i: KeyShare(i, int(s, 16), key) for i, s in enumerate(good["shares"], 1)}
    epoch = Epoch(record, shares).refreshed().reshared(2, 3, {1: 2, 2: 5, 4: 1})
    opening = Opening(int(case["plaintext"], 16), int(case["root"], 16), ())
    assert epoch.open_by_every_subset(int(case["ciphertext"], 16)) == {opening}
