"""What parties compute: shares add up, sieved candidates are sieved, the test tells primes."""

from itertools import product as pairs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.crypto.integers import gcd, is_probable_prime, lcm
from fermata.crypto.threshold.key_record import DELTA
from fermata.crypto.threshold.keygen.parameters import STEP, parameters_of
from fermata.crypto.threshold.keygen.work.biprimality import (
    base_of,
    is_plausible,
    is_power_or_prime,
    is_power_right,
    passes,
    power_of,
)
from fermata.crypto.threshold.keygen.work.candidate import CandidateWork, private_steps
from fermata.crypto.threshold.keygen.work.draws import Draws
from fermata.crypto.threshold.keygen.work.pieces import Layout
from fermata.crypto.threshold.keygen.work.replay import replay
from fermata.crypto.threshold.keygen.work.root_shares import (
    RootWork,
    combine_root,
    commitments_to,
    evaluate,
    is_root_right,
    is_subshare_right,
)
from fermata.crypto.threshold.keygen.work.shamir import at_zero, share_out, zero_mask

SESSION = bytes(32)
#: -1 modulo 420, of 128 bits, the first two of them set; far apart.
PRIMES = [3 << 126 | 0x1F5 << 40, 0xFACE << 112 | 0xBEEF]


def prime_from(start: int) -> int:
    candidate = start // STEP * STEP + STEP - 1
    while not is_probable_prime(candidate):
        candidate += STEP
    return candidate


P, Q = map(prime_from, PRIMES)


def parts_of(value: int, count: int, draws: Draws) -> list[int]:
    """Random parts as parties have them: all but the first multiples of 420."""
    others = [STEP * draws.below(value // (STEP * 8)) for _ in range(count - 1)]
    return [value - sum(others), *others]


def powers_for(p: int, q: int, count: int, iteration: int = 0) -> list[int]:
    draws = Draws(bytes(32), "parts")
    parts = list(zip(parts_of(p, count, draws), parts_of(q, count, draws), strict=True))
    base = base_of(SESSION, p * q, iteration)
    return [power_of(i, p * q, base, *parts[i - 1]) for i in range(1, count + 1)]


@given(
    st.integers(0, 2**70),
    st.integers(1, 3),
    st.integers(0, 2**32),
    st.sampled_from([11, 2**61 - 1]),
)
def test_shares_give_the_secret_back(secret: int, degree: int, seed: int, modulus: int) -> None:
    count = 2 * degree + 1
    draws = Draws(seed.to_bytes(32, "big"), "share")
    one = share_out(secret, degree, modulus, count, draws)
    two = share_out(7, degree, modulus, count, draws)
    assert at_zero(one, modulus) == secret % modulus
    products = [a * b % modulus for a, b in zip(one, two, strict=True)]
    assert at_zero(products, modulus) == 7 * secret % modulus


def test_masks_of_all_parties_add_up_to_nothing() -> None:
    def stream(i: int, j: int) -> Draws:
        return Draws(bytes([i, j]).rjust(32), "mask")

    masks = [
        zero_mask(
            i,
            {j: stream(i, j) for j in range(i + 1, 6)},
            {j: stream(j, i) for j in range(1, i)},
            1009,
        )
        for i in range(1, 6)
    ]
    assert sum(masks) % 1009 == 0
    assert len(set(masks)) > 1


def test_a_mask_is_drawn_by_the_party_with_the_lower_index() -> None:
    with pytest.raises(ValueError, match="lower index"):
        zero_mask(2, {1: Draws(bytes(32), "mask")}, {}, 1009)


def test_streams_of_other_names_or_seeds_differ_and_blocks_join() -> None:
    names = [("a",), ("b",), ("a", "b"), ("a", 1)]
    streams = [Draws(bytes(32), *name).bytes(64) for name in names]
    streams.append(Draws(bytes(31) + b"\1", "a").bytes(64))
    assert len(set(streams)) == len(streams)
    whole, piecewise = Draws(bytes(32), "a"), Draws(bytes(32), "a")
    assert whole.bytes(3000) == b"".join(piecewise.bytes(k) for k in (1, 1500, 999, 500))
    with pytest.raises(ValueError, match="32 bytes"):
        Draws(bytes(31), "a")


@given(st.lists(st.integers(0, 1008), min_size=2, max_size=2), st.binary(min_size=32, max_size=32))
def test_a_piece_is_read_back_and_has_one_form(values: list[int], seed: bytes) -> None:
    layout = Layout((1009, 1009), has_mask=True)
    piece = layout.encode(values, seed)
    assert layout.decode(piece, 1, 2) == (values, seed)
    assert len(piece) == layout.width(1, 2) == layout.width(2, 1) + 32
    for bad in (piece[:-1], piece + b"\0", b"\xff" * len(piece)):
        with pytest.raises(ValueError, match=r"wrong length|out of range"):
            layout.decode(bad, 1, 2)


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_candidates_are_sieved_and_their_product_is_what_is_opened(count: int) -> None:
    parameters = parameters_of(256, count)
    for number in range(3):
        seeds = [bytes([number, j]).rjust(32) for j in parameters.indices]
        run = replay(parameters, seeds)
        p, q = run.factors
        assert at_zero(run.products, parameters.ring) == p * q
        for factor in (p, q):
            assert factor % STEP == STEP - 1
            assert gcd(factor, parameters.sieve) == 1
            assert factor.bit_length() == 128
        assert (p * q).bit_length() == 256
        assert all(a % STEP == b % STEP == 0 for a, b in run.parts[1:])


def test_the_units_of_all_but_one_party_say_nothing_of_a_candidate() -> None:
    """With one seed changed, p is another modulo every prime of the sieve, or nearly every one."""
    parameters = parameters_of(256, 3)
    factors = [
        replay(parameters, [bytes(32), bytes([1]) * 32, bytes([seed]) * 32]).factors[0]
        for seed in range(2, 40)
    ]
    assert {p % 11 for p in factors} == set(range(1, 11))


def test_two_primes_pass_with_every_base() -> None:
    for count, iteration in pairs((3, 5), range(20)):
        assert passes(P * Q, powers_for(P, Q, count, iteration))


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (P, Q + STEP * 2),
        (prime_from(1 << 63) * prime_from(3 << 62), Q),
        (P, P),
    ],
    ids=["composite", "three primes", "square"],
)
def test_what_is_no_product_of_two_primes_fails(p: int, q: int) -> None:
    """A square may pass the powers; it is looked for by itself."""
    while p != q and is_probable_prime(q) and is_probable_prime(p):
        q += STEP
    passed = [passes(p * q, powers_for(p, q, 3, iteration)) for iteration in range(8)]
    assert not all(passed) or is_power_or_prime(p * q)


def test_a_wrong_power_fails_and_its_negative_does_not_matter() -> None:
    powers = powers_for(P, Q, 3)
    assert passes(P * Q, [P * Q - powers[0], *powers[1:]])
    assert not passes(P * Q, [powers[0], powers[1] + 1, powers[2]])


def test_a_power_is_compared_with_the_parts_that_its_party_has() -> None:
    draws = Draws(bytes(32), "parts")
    parts = list(zip(parts_of(P, 3, draws), parts_of(Q, 3, draws), strict=True))
    base = base_of(SESSION, P * Q, 0)
    for i in (1, 2, 3):
        power = power_of(i, P * Q, base, *parts[i - 1])
        assert is_power_right(i, base, power, P * Q, parts[i - 1], P)
        assert not is_power_right(i, base, power ^ 1, P * Q, parts[i - 1], P)
        assert not is_power_right(i, base, power + P * Q, P * Q, parts[i - 1], P)
        assert not is_power_right(i, base, power, P * Q, parts[i % 3], P)


@pytest.mark.parametrize(
    "n",
    [
        P * Q + STEP,
        (P * Q) >> 1,
        (P * Q) << 1,
        prime_from(1 << 120) * prime_from(1 << 120),
        131 * prime_from(1 << 248),
    ],
    ids=["residue or factor", "short", "long", "shorter", "small factor"],
)
def test_an_opened_number_that_cannot_be_a_modulus_is_not_plausible(n: int) -> None:
    assert is_plausible(P * Q, parameters_of(256, 3))
    assert not is_plausible(n, parameters_of(256, 3))


@pytest.mark.parametrize(("count", "threshold"), [(3, 2), (4, 3), (5, 3), (7, 4)])
def test_parts_of_the_root_exponent_add_up_to_it(count: int, threshold: int) -> None:
    parameters, draws, n = parameters_of(256, count), Draws(bytes(32), "parts"), P * Q
    parts = list(zip(parts_of(P, count, draws), parts_of(Q, count, draws), strict=True))
    works = {
        i: RootWork(parameters, i, n, parts[i - 1], bytes([i]) * 32) for i in parameters.indices
    }
    sent = [work.pieces() for work in works.values()]
    inputs = {i: [pieces[i - 1] for pieces in sent] for i in works}
    numbers = combine_root(parameters, n, [w.opening(inputs[i]) for i, w in works.items()])
    assert numbers.is_coprime
    polynomials = [w.polynomial(inputs[i], numbers, threshold) for i, w in works.items()]
    assert {len(polynomial) for polynomial in polynomials} == {threshold}
    d = sum(polynomial[0] for polynomial in polynomials) // DELTA
    assert (d * n - numbers.theta) % lcm(P - 1, Q - 1) == 0
    assert d.bit_length() < 256 + 128 + 4
    commitments = {i: commitments_to(n, polynomials[i - 1]) for i in works}
    assert is_root_right(n, numbers.theta, commitments)
    assert not is_root_right(n, numbers.theta + 1, commitments)
    value = evaluate(polynomials[0], 2)
    assert is_subshare_right(n, commitments[1], 2, value)
    assert not is_subshare_right(n, commitments[1], 2, value + 1)
    assert not is_subshare_right(n, commitments[1], 3, value)


def test_a_step_has_the_same_pieces_whenever_it_is_repeated() -> None:
    parameters = parameters_of(256, 3)
    works = [CandidateWork(parameters, i, bytes([i]) * 32) for i in parameters.indices]
    step = private_steps(parameters)[0]
    assert works[0].pieces(step, {}) == works[0].pieces(step, {})
    assert works[0].pieces(step, {}) != works[1].pieces(step, {})


def test_a_prime_and_a_square_are_told_from_a_product_of_two_primes() -> None:
    assert is_power_or_prime(prime_from(1 << 255))
    assert is_power_or_prime(P * P)
    assert not is_power_or_prime(P * Q)
