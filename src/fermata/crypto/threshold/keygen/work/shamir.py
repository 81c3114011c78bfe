"""Secret sharing over the integers modulo any m that is coprime to 210 (docs/spec/keys.md, K12)."""

from functools import cache
from math import prod

from fermata.crypto.integers import invert
from fermata.crypto.threshold.keygen.work.draws import Draws


def share_out(secret: int, degree: int, modulus: int, parties: int, draws: Draws) -> list[int]:
    """Shares for the parties from 1 on: values of a random polynomial that is ``secret`` at 0."""
    coefficients = [draws.below(modulus) for _ in range(degree)]
    shares = []
    for index in range(1, parties + 1):
        value = 0
        for coefficient in reversed(coefficients):
            value = (value + coefficient) * index
        shares.append((secret + value) % modulus)
    return shares


@cache
def weights_at_zero(parties: int, modulus: int) -> tuple[int, ...]:
    """What a polynomial's values at 1..parties are multiplied by to add up to its value at 0.

    Right for every degree below ``parties``. Raises ValueError if the modulus is not coprime to
    the differences of the points.
    """
    weights = []
    for index in range(1, parties + 1):
        others = [j for j in range(1, parties + 1) if j != index]
        below = prod(j - index for j in others)
        weights.append(prod(others) * invert(below % modulus, modulus) % modulus)
    return tuple(weights)


def at_zero(values: list[int], modulus: int) -> int:
    """The value at 0 of the polynomial with these values at 1, 2, ..."""
    weights = weights_at_zero(len(values), modulus)
    return int(sum(w * value for w, value in zip(weights, values, strict=True)) % modulus)


def zero_mask(index: int, sent: dict[int, Draws], received: dict[int, Draws], modulus: int) -> int:
    """A party's part of masks that add up to 0: what it drew for later, less what earlier sent.

    ``sent``: streams by the receiver's index, all above ``index``; ``received``: by the sender's.
    """
    if any(j <= index for j in sent) or any(j >= index for j in received):
        raise ValueError("a mask is drawn by the party with the lower index")
    drawn = sum(draws.below(modulus) for draws in sent.values())
    return int((drawn - sum(draws.below(modulus) for draws in received.values())) % modulus)
