"""The proof that a modulus has no small prime, and what passed before there was one."""

from dataclasses import replace
from math import isqrt

import pytest

from fermata.crypto.integers import is_probable_prime, lcm
from fermata.crypto.paillier import check_modulus
from fermata.crypto.threshold import factor_proof, modulus_proof
from fermata.crypto.threshold.factor_proof import FactorProof, prove, response_width, verify
from fermata.errors import InvalidProof
from harness.crypto.keys import CONTEXT, SeededEntropy, dealt, primes

P, Q = primes(256)
N = P * Q
PROOF = dealt(256).factor_proof
OFFSET, LOWEST, ABOVE = factor_proof._bounds(N)


def refused(
    proof: FactorProof, n: int = N, context: bytes = CONTEXT, match: str = "factor proof"
) -> None:
    with pytest.raises(InvalidProof, match=match) as error:
        verify(n, proof, context)
    assert error.value.reason == "FACTOR_PROOF"


def next_prime(value: int) -> int:
    """The next prime that is 3 modulo 4."""
    value |= 3
    while not is_probable_prime(value):
        value += 4
    return value


def prime_of_order(multiple: int, bits: int) -> int:
    """A prime of so many bits, 3 modulo 4, such that ``multiple`` divides it less 1."""
    k = (1 << bits - 1) // multiple | 1
    while not is_probable_prime(k * multiple + 1):
        k += 2
    return k * multiple + 1


def best_forgery(small: int, large: int, attempts: int) -> tuple[FactorProof, int]:
    """What a dealer does who knows a small prime: responses by the exponent ``small``, which fits
    n modulo the order of every unit, and other announcements until many rounds fit; and how many.
    """
    n = small * large
    offset, lowest, above = factor_proof._bounds(n)
    entropy = SeededEntropy("forger")
    base = factor_proof._base(n, CONTEXT)
    best, fitting = FactorProof(bytes(16), ()), -1
    for _ in range(attempts):
        masks = [int.from_bytes(entropy(64), "big") % (above - lowest) + lowest for _ in range(64)]
        challenge = factor_proof._challenge(n, [pow(base, r, n) for r in masks], CONTEXT)
        digits = factor_proof._digits(challenge)
        exact = [r + (small - offset) * e for r, e in zip(masks, digits, strict=True)]
        count = sum(lowest <= y < above for y in exact)
        if count > fitting:
            best, fitting = FactorProof(challenge, tuple(exact)), count
    return best, fitting


def test_a_dealers_proof_passes() -> None:
    verify(N, PROOF, CONTEXT)
    assert len(PROOF.responses) == 64


def test_a_proof_at_full_size_passes() -> None:
    key = dealt(2048)
    verify(key.record.n, key.factor_proof, CONTEXT)
    assert max(key.factor_proof.responses).bit_length() <= 8 * response_width(2048)


def test_a_modulus_of_2048_bits_with_a_prime_of_24_bits_passes_every_other_check_and_not_this() -> (
    None
):
    """Before, a lab that knew such a prime could report other numbers than it proved."""
    small = next_prime(1 << 23)
    large = prime_of_order(small - 1, 2048 - 23)
    n = small * large
    check_modulus(n, 2048)
    proof = modulus_proof.prove(small, large, CONTEXT, SeededEntropy("24 bits"))
    modulus_proof.verify(n, proof, CONTEXT)
    with pytest.raises(ValueError, match="same size"):
        prove(small, large, CONTEXT, SeededEntropy("24 bits"))
    forged, fitting = best_forgery(small, large, attempts=3)
    assert fitting < 64
    refused(forged, n=n, match="out of its range")
    refused(dealt(2048).factor_proof, n=n)


def test_the_offset_refuses_the_short_exponent_of_a_small_prime() -> None:
    """p - 1 divides q - 1, so that n is p modulo the order of every unit, and p is short: without
    the offset the proof of Poupard and Stern holds for it."""
    small = next_prime(1 << 20)
    large = prime_of_order(small - 1, 236)
    n = small * large
    assert (n - small) % lcm(small - 1, large - 1) == 0
    forged, fitting = best_forgery(small, large, attempts=50)
    # Only rounds with the challenge 0 fit, which are a quarter.
    assert fitting < 40
    refused(forged, n=n, match="out of its range")
    # Their equation holds all the same: what refuses them is their range.
    base = factor_proof._base(n, CONTEXT)
    shift = pow(base, factor_proof._bounds(n)[0] - n, n)
    announcements = [
        pow(base, y, n) * pow(shift, e, n) % n
        for y, e in zip(forged.responses, factor_proof._digits(forged.challenge), strict=True)
    ]
    assert factor_proof._challenge(n, announcements, CONTEXT) == forged.challenge


def answers(n: int, order: int, mask: int) -> int:
    """How many of the four challenges have a response for the announcement g^mask."""
    offset, lowest, above = factor_proof._bounds(n)
    count = 0
    for e in range(4):
        # The least response that fits modulo the order, from the lowest one on.
        y = lowest + (mask + (n - offset) * e - lowest) % order
        count += y < above
    return count


def test_no_announcement_under_a_modulus_with_a_small_prime_answers_two_challenges() -> None:
    small = next_prime(1 << 21)
    for large in (next_prime(1 << 230), prime_of_order(small - 1, 231)):
        n = small * large
        entropy = SeededEntropy("masks")
        masks = [
            int.from_bytes(entropy(16), "big") % factor_proof._bounds(n)[2] for _ in range(500)
        ]
        # Orders of a base: the largest, and those of bases that are powers.
        for index in (1, 2, 2 * 3 * 5 * 7):
            order = lcm(small - 1, large - 1) // index
            found = {answers(n, order, mask) for mask in masks}
            assert max(found) == 1


def test_an_honest_announcement_answers_all_four() -> None:
    order = lcm(P - 1, Q - 1)
    assert answers(N, order, (LOWEST + ABOVE) // 2) == 4


def test_a_proof_is_bound_to_its_context_and_its_modulus() -> None:
    refused(PROOF, context=b"another charter", match="do not fit")
    refused(PROOF, n=dealt(256, 1, 1).record.n)


@pytest.mark.parametrize("count", [0, 1, 63])
def test_fewer_rounds_are_refused(count: int) -> None:
    refused(replace(PROOF, responses=PROOF.responses[:count]), match="64 rounds")


def test_more_rounds_or_a_challenge_of_another_length_are_refused() -> None:
    refused(replace(PROOF, responses=(*PROOF.responses, LOWEST)), match="64 rounds")
    for challenge in (b"", PROOF.challenge[:15], PROOF.challenge + b"\0"):
        refused(replace(PROOF, challenge=challenge), match="64 rounds")


@pytest.mark.parametrize("value", [LOWEST - 1, ABOVE, 0, -1, OFFSET, N])
def test_a_response_out_of_its_range_is_refused(value: int) -> None:
    changed = (*PROOF.responses[:9], value, *PROOF.responses[10:])
    refused(replace(PROOF, responses=changed), match="out of its range")


def test_a_response_at_the_ends_of_the_range_is_not_out_of_it() -> None:
    for value in (LOWEST, ABOVE - 1):
        changed = (*PROOF.responses[:9], value, *PROOF.responses[10:])
        refused(replace(PROOF, responses=changed), match="do not fit")


@pytest.mark.parametrize("position", [0, 31, 63])
def test_every_response_and_every_bit_of_the_challenge_count(position: int) -> None:
    responses = list(PROOF.responses)
    responses[position] += 1 if responses[position] + 1 < ABOVE else -1
    refused(replace(PROOF, responses=tuple(responses)), match="do not fit")
    flipped = int.from_bytes(PROOF.challenge, "big") ^ 1 << 2 * position
    refused(replace(PROOF, challenge=flipped.to_bytes(16, "big")), match="do not fit")


def test_a_base_that_shares_a_factor_with_the_modulus_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(factor_proof, "_base", lambda n, context: P)
    refused(PROOF, match="factor in common")


def test_every_pair_of_primes_that_the_dealer_draws_is_close_enough() -> None:
    """With the two top bits set neither prime is 4/3 of the other or more."""
    for low, high in ((3 << 126, (1 << 128) - 1), (3 << 126, (3 << 126) + 1)):
        offset = isqrt(4 * low * high) - 1
        assert 0 <= low + high - 1 - offset <= offset // factor_proof.WINDOW_DIVISOR
        assert factor_proof._bounds(low * high)[0] == offset


def test_a_prover_refuses_primes_of_unlike_size() -> None:
    for p, q in ((next_prime(1 << 100), Q), (next_prime(3 * P // 2), next_prime(P))):
        with pytest.raises(ValueError, match="same size"):
            prove(p, q, CONTEXT, SeededEntropy("unlike"))


def test_a_prover_with_a_source_that_gives_zeros_gives_no_proof() -> None:
    with pytest.raises(ValueError, match="entropy"):
        prove(next_prime(3 << 30), next_prime(7 << 29), CONTEXT, bytes)


def test_a_response_does_not_tell_where_p_plus_q_lies() -> None:
    """Published responses are uniform on their range, whatever the challenge was."""
    by_challenge: dict[int, list[int]] = {e: [] for e in range(4)}
    for seed in range(40):
        proof = prove(P, Q, CONTEXT, SeededEntropy(f"uniform {seed}"))
        for e, y in zip(factor_proof._digits(proof.challenge), proof.responses, strict=True):
            by_challenge[e].append(y)
    for found in by_challenge.values():
        assert len(found) > 500
        below = sum(y < (LOWEST + ABOVE) // 2 for y in found) / len(found)
        assert 0.4 < below < 0.6


def test_the_base_and_the_challenge_depend_on_everything_that_was_said_before() -> None:
    bases = {factor_proof._base(n, c) for n, c in ((N, b"a"), (N, b"b"), (N + 2, b"a"))}
    assert len(bases) == 3
    sent = [([5, 6], b"a"), ([6, 5], b"a"), ([5], b"a"), ([5, 6], b"b")]
    assert len({factor_proof._challenge(N, x, c) for x, c in sent}) == 4
