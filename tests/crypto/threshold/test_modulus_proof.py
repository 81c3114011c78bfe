from dataclasses import replace

import pytest

from fermata.crypto.integers import is_probable_prime, jacobi, random_prime
from fermata.crypto.threshold import modulus_proof
from fermata.crypto.threshold.modulus_proof import ROUNDS, ModulusProof, prove, verify
from fermata.errors import InvalidProof
from harness.crypto.keys import CONTEXT, SeededEntropy, dealt, primes

P, Q = primes(256)
N = P * Q
PROOF = dealt(256).modulus_proof
ENTROPY = SeededEntropy("modulus proof")


def refused(proof: ModulusProof, n: int = N, context: bytes = CONTEXT) -> None:
    with pytest.raises(InvalidProof) as error:
        verify(n, proof, context)
    assert error.value.reason == "MODULUS_PROOF"


def with_round(index: int, x: int, z: int, a: bool, b: bool) -> ModulusProof:
    rounds = list(PROOF.rounds)
    rounds[index] = (x, z, a, b)
    return replace(PROOF, rounds=tuple(rounds))


def next_prime(value: int, residue: int) -> int:
    while value % 4 != residue or not is_probable_prime(value):
        value += 1
    return value


def test_a_dealers_proof_passes() -> None:
    verify(N, PROOF, CONTEXT)
    assert len(PROOF.rounds) == ROUNDS == 128


def test_a_proof_at_full_size_passes() -> None:
    verify(dealt(2048).record.n, dealt(2048).modulus_proof, CONTEXT)


def test_a_proof_is_bound_to_its_context() -> None:
    refused(PROOF, context=b"another charter")


def test_a_proof_is_bound_to_its_modulus() -> None:
    refused(PROOF, n=dealt(256, 1, 1).record.n)


@pytest.mark.parametrize("count", [0, 1, 127])
def test_fewer_rounds_are_refused(count: int) -> None:
    refused(replace(PROOF, rounds=PROOF.rounds[:count]))


def test_more_rounds_are_refused() -> None:
    refused(replace(PROOF, rounds=(*PROOF.rounds, PROOF.rounds[0])))


@pytest.mark.parametrize("position", [0, 64, 127])
def test_each_field_of_a_round_counts(position: int) -> None:
    x, z, a, b = PROOF.rounds[position]
    for changed in (
        (x + 1, z, a, b),
        (x, z + 1, a, b),
        (x, N - z, a, b),
        (x, z, not a, b),
        (x, z, a, not b),
    ):
        refused(with_round(position, *changed))


@pytest.mark.parametrize("value", [0, -1, N, N + 3, P])
def test_roots_out_of_range_or_no_units_are_refused(value: int) -> None:
    x, z, a, b = PROOF.rounds[3]
    refused(with_round(3, value, z, a, b))
    refused(with_round(3, x, value, a, b))


def test_roots_that_are_not_reduced_are_refused() -> None:
    x, z, a, b = PROOF.rounds[3]
    refused(with_round(3, x + N, z, a, b))
    refused(with_round(3, x - N, z, a, b))
    refused(with_round(3, x, z + N, a, b))


@pytest.mark.parametrize("w", [0, 1, N - 1, N, P, -1, PROOF.w + N])
def test_a_w_without_jacobi_symbol_minus_one_is_refused(w: int) -> None:
    """K4.4 would refuse it too, and would blame the roots."""
    with pytest.raises(InvalidProof, match="w must have Jacobi symbol -1"):
        verify(N, replace(PROOF, w=w), CONTEXT)


def test_a_w_chosen_after_the_challenges_is_refused() -> None:
    other = next(w for w in range(2, 100) if jacobi(w, N) == -1)
    refused(replace(PROOF, w=other))


def test_rounds_exchanged_are_refused() -> None:
    refused(replace(PROOF, rounds=(PROOF.rounds[1], PROOF.rounds[0], *PROOF.rounds[2:])))


@pytest.mark.parametrize("n", [0, 1, N + 1, random_prime(SeededEntropy("prime"), 256)])
def test_an_even_or_prime_modulus_is_refused(n: int) -> None:
    refused(PROOF, n=n)


def test_a_proof_for_a_prime_modulus_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """All its rounds hold: every unit has an n-th root and, up to sign, a fourth root."""
    n = next_prime(1 << 255, 3)
    w = next(w for w in range(2, 100) if jacobi(w, n) == -1)
    rounds = []
    for y in modulus_proof._challenges(n, w, CONTEXT):
        a = jacobi(y, n) == -1
        x = pow(n - y if a else y, ((n + 1) // 4) ** 2, n)
        rounds.append((x, y, a, False))
    forged = ModulusProof(w, tuple(rounds))
    refused(forged, n=n)
    # What refuses it is that n is a prime, and nothing else.
    monkeypatch.setattr(modulus_proof, "is_probable_prime", lambda value: False)
    verify(n, forged, CONTEXT)


def test_a_prover_refuses_primes_that_it_cannot_prove() -> None:
    one_mod_four = next_prime(P, 1)
    for p, q in ((P, P), (one_mod_four, Q), (P, one_mod_four)):
        with pytest.raises(ValueError, match="primes"):
            prove(p, q, CONTEXT, ENTROPY)


def test_a_prover_refuses_a_modulus_that_divides_its_order() -> None:
    p = next_prime(1 << 40, 3)
    q = next(c for k in range(1, 10**4) if is_probable_prime(c := 2 * k * p + 1) and c % 4 == 3)
    with pytest.raises(ValueError, match="gcd"):
        prove(p, q, CONTEXT, ENTROPY)


def roots_by_search(n: int, y: int, w: int) -> tuple[int, bool, bool] | None:
    """A fourth root of +-y or +-wy by trying every x: only for tiny n."""
    fourth = {pow(x, 4, n): x for x in range(1, n)}
    for a in (False, True):
        for b in (False, True):
            square = y * w % n if b else y
            square = n - square if a else square
            if square in fourth:
                return fourth[square], a, b
    return None


def test_a_modulus_of_three_primes_has_no_answer_to_most_challenges() -> None:
    n = 7 * 11 * 19
    w = next(w for w in range(2, n) if jacobi(w, n) == -1)
    units = [y for y in range(2, n) if jacobi(y, n)]
    answered = sum(roots_by_search(n, y, w) is not None for y in units)
    assert answered <= len(units) / 2


def test_a_modulus_with_a_prime_1_mod_4_has_no_answer_to_most_challenges() -> None:
    n = 13 * 19
    w = next(w for w in range(2, n) if jacobi(w, n) == -1)
    units = [y for y in range(2, n) if jacobi(y, n)]
    answered = sum(roots_by_search(n, y, w) is not None for y in units)
    assert answered <= len(units) / 2


def test_challenges_depend_on_everything_that_was_said_before() -> None:
    def first(n: int, w: int, context: bytes) -> int:
        return modulus_proof._challenges(n, w, context)[0]

    assert (
        len({first(N, 5, b"a"), first(N, 6, b"a"), first(N, 5, b"b"), first(N + 2, 5, b"a")}) == 4
    )
    assert len(set(modulus_proof._challenges(N, 5, b"a"))) == ROUNDS
