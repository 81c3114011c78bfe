"""How long shares are in every epoch, and that what is dealt hides what it is dealt from (K20)."""

from fractions import Fraction
from itertools import combinations, pairwise
from math import log2, prod

import pytest

from fermata.crypto.threshold.key_record import (
    AUDITORS_MAX,
    DEALER,
    DELTA,
    DISTRIBUTED,
    EPOCHS_MAX,
    LATER_SLACK_BITS,
    RESHARE_GROWTH_BITS,
    kappa_after,
    lagrange,
    mask_bits,
    reshares_of,
    share_head,
    share_offset_bits,
)
from fermata.crypto.threshold.reshare.dealing import polynomial, value_at
from fermata.crypto.threshold.reshare.plan import LAGRANGE_BITS, plan_refresh, plan_reshare
from fermata.errors import InvalidEncoding
from harness.crypto.keys import dealt
from harness.crypto.next_epochs import BEFORE, CEREMONY, seed_of

INDICES = range(1, AUDITORS_MAX + 1)
SUBSETS = [s for size in INDICES for s in combinations(INDICES, size)]
HEAD_MAX = share_head(AUDITORS_MAX, AUDITORS_MAX)


def vanishing(subset: tuple[int, ...]) -> list[Fraction]:
    """The coefficients of ``prod (1 - X/i)``, constant first."""
    numbers = [Fraction(1)]
    for i in subset:
        above = [*numbers, Fraction(0)]
        below = [Fraction(0), *numbers]
        numbers = [a - b / i for a, b in zip(above, below, strict=True)]
    return numbers


def test_no_lagrange_coefficient_is_longer_than_the_offset_of_a_deal_assumes() -> None:
    longest = max(abs(lagrange(i, s)) for s in SUBSETS for i in s)
    assert longest.bit_length() <= LAGRANGE_BITS


def test_what_many_refreshes_add_up_to_stays_below_the_offset() -> None:
    """Seven dealers in each epoch, each sub-share at its bound: in units of 2^B."""
    most = DELTA * EPOCHS_MAX * AUDITORS_MAX * 2 * HEAD_MAX
    assert most < 1 << LATER_SLACK_BITS


def test_a_deal_hides_what_it_is_of_up_to_2_to_the_minus_128() -> None:
    """Another w_i moves the coefficients by so much, in units of 2^(B + growth)."""
    largest = max(abs(lagrange(i, s)) for s in SUBSETS for i in s)
    moved = max(sum(map(abs, vanishing(s)[1:])) for s in SUBSETS)
    assert moved == 7
    distance = AUDITORS_MAX * moved * largest
    assert log2(distance) + LATER_SLACK_BITS - RESHARE_GROWTH_BITS < -128


def test_a_refresh_hides_the_root_exponent_up_to_2_to_the_minus_128() -> None:
    """What t - 1 old and t - 1 other new shares leave open moves the coefficients of one dealer."""
    moved = max(sum(map(abs, vanishing(s)[1:])) for s in SUBSETS)
    for origin in (DEALER, DISTRIBUTED):
        for reshares in range(13):
            kappa = kappa_after(reshares)
            secret = 2048 + (0 if origin == DEALER else 128 + 3) + log2(kappa)
            distance = secret + log2(2 * moved) - mask_bits(1 << 2047, origin, kappa)
            assert distance < -128


@pytest.mark.parametrize("origin", [DEALER, DISTRIBUTED])
def test_lengths_grow_by_the_same_number_with_each_reshare(origin: str) -> None:
    n = 1 << 2047
    assert mask_bits(n) == 2048 + 160
    assert share_offset_bits(n) == 2048 + 200
    assert share_offset_bits(n, DISTRIBUTED) == 2048 + 332
    lengths = [share_offset_bits(n, origin, 20, kappa_after(k)) for k in range(13)]
    assert {b - a for a, b in pairwise(lengths)} == {208}
    assert lengths[0] == mask_bits(n, origin) + 50


def test_kappa_tells_the_number_of_reshares() -> None:
    assert [reshares_of(kappa_after(count)) for count in range(13)] == list(range(13))
    for kappa in (0, 1, DELTA**2, DELTA**4, kappa_after(13)):
        with pytest.raises(InvalidEncoding) as error:
            reshares_of(kappa)
        assert error.value.reason == "KEY_RANGE"


KEY = dealt(256, 3, 5)
PLANS = [
    plan_refresh(KEY.record, BEFORE, CEREMONY),
    plan_reshare(KEY.record, BEFORE, CEREMONY, 3, 4, {1: 1, 2: 2, 3: 5}),
    plan_reshare(KEY.record, BEFORE, CEREMONY, 7, 7, {1: 1, 2: 4, 3: 5}),
]


def test_everything_that_an_honest_dealer_deals_is_in_range() -> None:
    for plan in PLANS:
        for party, index in plan.dealers:
            numbers = polynomial(plan, index, KEY.shares[index - 1].value, seed_of(party))
            for j in plan.receivers:
                assert 0 <= value_at(numbers, j) < plan.sub_share_bound(j)


def test_the_extremes_that_a_dealer_can_draw_are_in_range() -> None:
    for plan in PLANS:
        widest = 0
        if plan.kind == "reshare":
            widest = (1 << (plan.record.offset_bits + LAGRANGE_BITS)) - 1
        for j in plan.receivers:
            offset = plan.dealt_offset * j
            most = (1 << plan.mask_bits) - 1
            assert offset - widest >= 0
            assert widest + offset + most * share_head(j, plan.threshold) < plan.sub_share_bound(j)


def test_fewer_new_shares_than_the_threshold_fit_every_share_of_a_dealer() -> None:
    """Two sub-shares of three: another w_i with them is a polynomial over the integers away."""
    plan = PLANS[1]
    index = 5
    numbers = polynomial(plan, index, KEY.shares[index - 1].value, seed_of(3))
    for pair in combinations(plan.receivers, 2):
        for change in (1, -1, 2, 7, 1 << 100):
            moved = [DELTA * change * a for a in vanishing(pair)]
            assert all(a.denominator == 1 for a in moved)
            other = tuple(a + int(b) for a, b in zip(numbers, moved, strict=True))
            assert other[0] == numbers[0] + DELTA * change
            assert [value_at(other, j) for j in pair] == [value_at(numbers, j) for j in pair]


def test_public_heads_of_the_dealers_add_up_to_nothing() -> None:
    for subset in SUBSETS:
        total = sum(lagrange(i, subset) * share_head(i, len(subset)) for i in subset)
        assert total == 0
    assert prod(range(1, 9)) == DELTA


def test_every_seed_and_every_plan_gives_other_coefficients() -> None:
    plan = PLANS[0]
    value = KEY.shares[0].value
    plans = [
        plan,
        plan_refresh(KEY.record, BEFORE, bytes(32)),
        plan_refresh(KEY.record, bytes(32), CEREMONY),
        plan_reshare(KEY.record, BEFORE, CEREMONY, 3, 5, {1: 1, 2: 2, 3: 3}),
        plan_reshare(KEY.record, BEFORE, CEREMONY, 3, 5, {1: 1, 2: 2, 3: 4}),
        plan_reshare(KEY.record, BEFORE, CEREMONY, 3, 5, {1: 1, 2: 2, 4: 3}),
        plan_reshare(KEY.record, BEFORE, CEREMONY, 3, 6, {1: 1, 2: 2, 3: 3}),
        plan_reshare(KEY.record, BEFORE, CEREMONY, 2, 5, {1: 1, 2: 2, 3: 3}),
    ]
    drawn = [polynomial(each_plan, 1, value, seed_of(1)) for each_plan in plans]
    drawn += [polynomial(plan, 1, value, seed_of(2))]
    # The last coefficient has no offset.
    assert len({numbers[-1] % (1 << 300) for numbers in drawn}) == len(drawn)
    assert polynomial(plan, 1, value, seed_of(1)) == drawn[0]
