"""Shares of the root exponent of n = p*q, from the parts of p and q (docs/spec/keys.md, K15, K16).

phi = (p-1)(q-1) is blinded by a number beta that nobody knows: D = phi*beta. Then D is 0 modulo the
order of every unit, and d = -floor(D/n) has d*n = theta - D with theta = D mod n.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fermata.crypto.integers import gcd, multi_powmod, powmod, powmod_secret, product_mod
from fermata.crypto.threshold.key_record import DELTA, DISTRIBUTED, mask_bits, verification_base
from fermata.crypto.threshold.keygen.parameters import WRAP_BITS, Parameters
from fermata.crypto.threshold.keygen.work.draws import SEED_BYTES, Draws
from fermata.crypto.threshold.keygen.work.pieces import Layout
from fermata.crypto.threshold.keygen.work.shamir import (
    at_zero,
    share_out,
    weights_at_zero,
    zero_mask,
)


@dataclass(frozen=True, slots=True)
class RootOpening:
    """What a party opens: its share of the blinded p + q - 1, and the two ends of its part of D.

    ``blinded`` below the gcd ring's modulus; ``top``: the part's highest 64 bits (65 at most);
    ``residue``: the part modulo n.
    """

    blinded: int
    top: int
    residue: int


@dataclass(frozen=True, slots=True)
class RootNumbers:
    """What all openings give: whether gcd(p + q - 1, n) = 1, theta, and what is to be taken off.

    ``wraps``: how often the parts of D go over the ring's modulus; ``carry``: how often their
    residues go over n.
    """

    is_coprime: bool
    theta: int
    wraps: int
    carry: int


def root_layout(parameters: Parameters) -> Layout:
    """Shares of p + q - 1, r and n*R over the gcd ring, of phi and beta over the root ring."""
    return Layout((parameters.gcd_ring,) * 3 + (parameters.root_ring,) * 2, has_mask=True)


class RootWork:
    """What party ``index`` does for its part of the root exponent; ``seed`` is of this step."""

    __slots__ = ("_index", "_n", "_p_i", "_parameters", "_q_i", "_seed")

    def __init__(
        self, parameters: Parameters, index: int, n: int, parts: tuple[int, int], seed: bytes
    ) -> None:
        self._parameters, self._index, self._n, self._seed = parameters, index, n, seed
        self._p_i, self._q_i = parts

    def pieces(self) -> list[bytes]:
        """The piece for every party from 1 on, this one among them."""
        parameters, n, draws = self._parameters, self._n, Draws(self._seed, "root")
        is_first = self._index == 1
        total = self._p_i + self._q_i
        phi = n + 1 - total if is_first else -total
        blinder, mask = draws.below(n), n * draws.bits(parameters.gcd_mask_bits)
        beta = draws.bits(parameters.beta_bits)
        degree, count = parameters.degree, parameters.parties
        rows = [
            share_out(total - is_first, degree, parameters.gcd_ring, count, draws),
            share_out(blinder, degree, parameters.gcd_ring, count, draws),
            share_out(mask, 2 * degree, parameters.gcd_ring, count, draws),
            share_out(phi, degree, parameters.root_ring, count, draws),
            share_out(beta, degree, parameters.root_ring, count, draws),
        ]
        layout = root_layout(parameters)
        return [
            layout.encode([row[j - 1] for row in rows], self._mask_seed(j))
            for j in parameters.indices
        ]

    def opening(self, inputs: Sequence[bytes]) -> RootOpening:
        """What this party opens, from the pieces of all parties in order."""
        parameters = self._parameters
        total, blinder, mask, _, _ = self._sums(inputs)
        part = self._part(inputs)
        return RootOpening(
            blinded=int((total * blinder + mask) % parameters.gcd_ring),
            top=part >> (parameters.root_bits - WRAP_BITS),
            residue=part % self._n,
        )

    def polynomial(
        self, inputs: Sequence[bytes], numbers: RootNumbers, threshold: int
    ) -> list[int]:
        """This party's part of the key's polynomial: Delta*d_i, then t - 1 coefficients."""
        part = self._part(inputs)
        if self._index == 1:
            part -= numbers.wraps * int(self._parameters.root_ring)
        d_i = -(part // self._n) - (numbers.carry if self._index == 1 else 0)
        draws = Draws(self._seed, "key")
        # From 2^(B-1) below 2^B (K20): more than Delta*d, so that no share is below its head.
        bits = mask_bits(self._n, DISTRIBUTED) - 1
        masks = [(1 << bits) + draws.bits(bits) for _ in range(threshold - 1)]
        return [DELTA * d_i, *masks]

    def _sums(self, inputs: Sequence[bytes]) -> list[int]:
        rows = [self._received(j, inputs)[0] for j in self._parameters.indices]
        return [sum(column) for column in zip(*rows, strict=True)]

    def _part(self, inputs: Sequence[bytes]) -> int:
        """D'_i: this party's additive share of D over the root ring."""
        parameters = self._parameters
        ring = parameters.root_ring
        _, _, _, phi, beta = self._sums(inputs)
        later = {j: self._mask_seed(j) for j in parameters.indices if j > self._index}
        earlier = {j: self._received(j, inputs)[1] for j in range(1, self._index)}
        mask = zero_mask(
            self._index,
            {j: Draws(seed, "root mask") for j, seed in later.items()},
            {j: Draws(seed, "root mask") for j, seed in earlier.items()},
            ring,
        )
        weight = weights_at_zero(parameters.parties, ring)[self._index - 1]
        return int((weight * (phi * beta % ring) + mask) % ring)

    def _mask_seed(self, receiver: int) -> bytes:
        if receiver <= self._index:
            return b""
        return Draws(self._seed, "mask seed", receiver).bytes(SEED_BYTES)

    def _received(self, sender: int, inputs: Sequence[bytes]) -> tuple[list[int], bytes]:
        return root_layout(self._parameters).decode(inputs[sender - 1], sender, self._index)


def combine_root(parameters: Parameters, n: int, openings: Sequence[RootOpening]) -> RootNumbers:
    """The public numbers that everybody computes from all openings."""
    blinded = at_zero([opening.blinded for opening in openings], parameters.gcd_ring)
    ring = int(parameters.root_ring)
    tops = sum(opening.top for opening in openings) << (parameters.root_bits - WRAP_BITS)
    residues = sum(opening.residue for opening in openings)
    wraps = (2 * tops + ring) // (2 * ring)
    # D = sum D'_i - wraps*ring, of which party 1 takes the wraps off.
    lowest = residues - openings[0].residue + (openings[0].residue - wraps * ring) % n
    return RootNumbers(
        is_coprime=gcd(blinded, n) == 1, theta=lowest % n, wraps=wraps, carry=lowest // n
    )


def evaluate(coefficients: Sequence[int], index: int) -> int:
    """The value of a polynomial over the integers."""
    value = 0
    for coefficient in reversed(coefficients):
        value = value * index + coefficient
    return value


def commitments_to(n: int, coefficients: Sequence[int]) -> list[int]:
    """``v^(Delta*a) mod n`` for each coefficient a of a party's part of the key's polynomial."""
    base = verification_base(n)
    return [powmod_secret(base, DELTA * coefficient, n) for coefficient in coefficients]


def committed_value(n: int, commitments: Sequence[int], index: int) -> int:
    """``v^(Delta*f(index))``, from the commitments to f's coefficients."""
    return multi_powmod(commitments, [index**k for k in range(len(commitments))], n)


def is_subshare_right(n: int, commitments: Sequence[int], index: int, subshare: int) -> bool:
    """Whether a subshare is what its sender's commitments say (Feldman)."""
    power = powmod_secret(verification_base(n), DELTA * subshare, n)
    return power == committed_value(n, commitments, index)


def is_root_right(n: int, theta: int, commitments: Mapping[int, Sequence[int]]) -> bool:
    """Whether the constants that all parties committed to add up to an exponent of n-th roots.

    ``(prod F_i0)^n = v^(Delta^2*theta)``, since d*n = theta modulo the order of every unit.
    """
    product = product_mod((row[0] for row in commitments.values()), n)
    return powmod(product, n, n) == powmod(verification_base(n), DELTA**2 * theta, n)
