"""One party's work on one candidate modulus: two sieved numbers that nobody knows, multiplied.

Each step follows from the party's seed for this candidate and from the pieces that it received, so
that whoever has everybody's seed repeats it (docs/spec/keys.md, K13).
"""

from collections.abc import Mapping, Sequence
from functools import cache

from fermata.crypto.integers import gcd
from fermata.crypto.threshold.keygen.parameters import (
    STEP,
    Parameters,
    parameters_of,
    residue_weights,
)
from fermata.crypto.threshold.keygen.work.draws import SEED_BYTES, Draws
from fermata.crypto.threshold.keygen.work.pieces import Layout
from fermata.crypto.threshold.keygen.work.shamir import share_out, weights_at_zero, zero_mask

UNITS, FACTORS = "units", "factors"
#: p and q.
_BOTH = ("p", "q")

#: Pieces by the step in which they were sent, then by sender from 1.
Inputs = Mapping[str, Sequence[bytes]]


def product_step(factor: int) -> str:
    """The name of the step in which products with party ``factor``'s unit are shared again."""
    return f"product {factor}"


def private_steps(parameters: Parameters) -> tuple[str, ...]:
    """The steps in which pieces are sent, in order."""
    products = (product_step(factor) for factor in range(2, parameters.parties))
    return (UNITS, *products, FACTORS)


def layout_of(step: str, parameters: Parameters) -> Layout:
    """What a piece of the step has."""
    kind = step if step in (UNITS, FACTORS) else ""
    return _layouts(parameters.modulus_bits, parameters.parties)[kind]


@cache
def _layouts(modulus_bits: int, parties: int) -> dict[str, Layout]:
    parameters = parameters_of(modulus_bits, parties)
    pair = (parameters.sieve,) * 2
    return {
        UNITS: Layout(pair, has_mask=True),
        "": Layout(pair),
        FACTORS: Layout((parameters.ring,) * 3),
    }


class CandidateWork:
    """What party ``index`` does for one candidate, from its 32-byte seed for it.

    What it receives in a step must not change from call to call.
    """

    __slots__ = ("_index", "_parameters", "_parts", "_read", "_seed")

    def __init__(self, parameters: Parameters, index: int, seed: bytes) -> None:
        self._parameters, self._index, self._seed = parameters, index, seed
        self._parts: tuple[int, int] | None = None
        self._read: dict[tuple[str, int], tuple[list[int], bytes]] = {}

    def pieces(self, step: str, inputs: Inputs) -> list[bytes]:
        """The pieces of a step for every party from 1 on, this one among them."""
        if step == UNITS:
            return self._unit_pieces()
        if step == FACTORS:
            return self._factor_pieces(inputs)
        return self._product_pieces(step, inputs)

    def _unit_pieces(self) -> list[bytes]:
        """Shares of two random units modulo M, and seeds of masks for the parties after this."""
        parameters, shares = self._parameters, []
        for which in _BOTH:
            draws = self._draws("unit", which)
            while gcd(unit := draws.below(parameters.sieve), parameters.sieve) != 1:
                pass
            shares.append(self._share(unit, parameters.degree, parameters.sieve, draws))
        layout = layout_of(UNITS, parameters)
        return [
            layout.encode([row[j - 1] for row in shares], self._mask_seed(j))
            for j in parameters.indices
        ]

    def _product_pieces(self, step: str, inputs: Inputs) -> list[bytes]:
        """Shares of this party's products, which have twice the degree, with the degree l again."""
        parameters = self._parameters
        factor = int(step.removeprefix("product "))
        shares = []
        for at, which in enumerate(_BOTH):
            product = self._running_product(at, factor, inputs)
            draws = self._draws(step, which)
            shares.append(self._share(product, parameters.degree, parameters.sieve, draws))
        layout = layout_of(step, parameters)
        return [layout.encode([row[j - 1] for row in shares]) for j in parameters.indices]

    def _running_product(self, at: int, factor: int, inputs: Inputs) -> int:
        """This party's share of the product of the first units, times its share of the next."""
        parameters = self._parameters
        if factor == 2:
            share = self._received(UNITS, 1, inputs)[0][at]
        else:
            step = product_step(factor - 1)
            weights = weights_at_zero(parameters.parties, parameters.sieve)
            share = sum(
                weight * self._received(step, j, inputs)[0][at]
                for j, weight in zip(parameters.indices, weights, strict=True)
            )
        return int(share * self._received(UNITS, factor, inputs)[0][at] % parameters.sieve)

    def factors(self, inputs: Inputs) -> tuple[int, int]:
        """This party's p_i and q_i; the sum of all p_i has no prime factor of the sieve."""
        if self._parts is not None:
            return self._parts
        parameters = self._parameters
        sieve = parameters.sieve
        weight = weights_at_zero(parameters.parties, sieve)[self._index - 1]
        mod_sieve, mod_step = residue_weights(sieve)
        later = {j: self._mask_seed(j) for j in parameters.indices if j > self._index}
        earlier = {j: self._received(UNITS, j, inputs)[1] for j in range(1, self._index)}
        is_first = self._index == 1
        parts = []
        for at, which in enumerate(_BOTH):
            mask = zero_mask(
                self._index,
                {j: Draws(seed, "mask", which) for j, seed in later.items()},
                {j: Draws(seed, "mask", which) for j, seed in earlier.items()},
                sieve,
            )
            product = self._running_product(at, parameters.parties, inputs)
            residue = (weight * product + mask) % sieve
            part = residue * mod_sieve + (STEP - 1) * is_first * mod_step
            spread = self._draws("spread", which).below(parameters.spread)
            part = part % (STEP * sieve) + STEP * sieve * spread
            parts.append(int(part + parameters.offset * is_first))
        self._parts = (parts[0], parts[1])
        return self._parts

    def _factor_pieces(self, inputs: Inputs) -> list[bytes]:
        """Shares of p_i and q_i over Z_P, and of a zero that hides the product's polynomial."""
        parameters = self._parameters
        draws, ring = self._draws("factors"), parameters.ring
        p_i, q_i = self.factors(inputs)
        shares = [
            self._share(p_i, parameters.degree, ring, draws),
            self._share(q_i, parameters.degree, ring, draws),
            self._share(0, 2 * parameters.degree, ring, draws),
        ]
        layout = layout_of(FACTORS, parameters)
        return [layout.encode([row[j - 1] for row in shares]) for j in parameters.indices]

    def product_share(self, inputs: Inputs) -> int:
        """n(index): this party's share of n = p*q over Z_P, which is opened."""
        parameters = self._parameters
        rows = [self._received(FACTORS, j, inputs)[0] for j in parameters.indices]
        p_share, q_share, zero = (sum(column) for column in zip(*rows, strict=True))
        return int((p_share * q_share + zero) % parameters.ring)

    def _share(self, secret: int, degree: int, modulus: int, draws: Draws) -> list[int]:
        return share_out(secret, degree, modulus, self._parameters.parties, draws)

    def _draws(self, *name: str) -> Draws:
        return Draws(self._seed, *name)

    def _mask_seed(self, receiver: int) -> bytes:
        """The seed of the masks that this party has with one after it; none for others."""
        if receiver <= self._index:
            return b""
        return self._draws("mask seed", str(receiver)).bytes(SEED_BYTES)

    def _received(self, step: str, sender: int, inputs: Inputs) -> tuple[list[int], bytes]:
        if (step, sender) not in self._read:
            layout = layout_of(step, self._parameters)
            piece = inputs[step][sender - 1]
            self._read[step, sender] = layout.decode(piece, sender, self._index)
        return self._read[step, sender]
