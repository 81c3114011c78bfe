"""The argument for ranges and products (docs/spec/proof.md, R5): constraints and polynomials.

Bünz et al., ePrint 2017/1066, with two phases of commitments and a look-up by logarithmic
derivatives; vectors have one entry a slot.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import add

from fermata.crypto.group import Point, Q, generators, msm
from fermata.crypto.integers import Entropy, invert, random_bits
from fermata.crypto.report.challenges import Challenges
from fermata.crypto.report.codec import OpenProof
from fermata.crypto.report.decomposition import fill_slots
from fermata.crypto.report.equations import Equation
from fermata.crypto.report.statements import LinearForm, StatementSet
from fermata.crypto.scalars import inner, invert_all, pad, powers


def random_scalar(entropy: Entropy) -> int:
    """Uniform mod q up to 2^-256."""
    return random_bits(entropy, 512) % Q


def random_scalars(entropy: Entropy, count: int) -> list[int]:
    """``count`` scalars from one draw."""
    data = entropy(64 * count)
    return [int.from_bytes(data[at : at + 64], "little") % Q for at in range(0, 64 * count, 64)]


@dataclass(frozen=True, slots=True)
class Witness:
    """What a lab knows: values, plaintexts of the ciphertexts, and the vectors of the slots.

    ``left``: digits, bits, left factors, then zeros; ``counts``: how often each table entry
    occurs among the digits; ``factors``: right factors of the products. An honest witness has
    ``cross`` zero (the second phase's left vector).
    """

    values: tuple[int, ...] = field(repr=False)
    plaintexts: tuple[int, ...] = field(repr=False)
    left: tuple[int, ...] = field(repr=False)
    counts: tuple[int, ...] = field(repr=False)
    factors: tuple[int, ...] = field(repr=False)
    cross: tuple[int, ...] = field(repr=False)


def make_witness(statements: StatementSet, values: Sequence[int]) -> Witness:
    """The witness of values that satisfy the statements. Raises ValueError if they do not."""
    statements.check(values)
    layout = statements.layout
    ranged = [claim.form.at(values) for claim in statements.all_ranges]
    bounds = [claim.bound for claim in statements.all_ranges]
    digits, bits = fill_slots(bounds, ranged, layout.base)
    counts = [0] * layout.size
    for digit in digits:
        counts[digit] += 1
    products = [p.a.at(values) for p in statements.products]
    return Witness(
        values=tuple(values),
        plaintexts=statements.packing.pack([values[i] for i in statements.enc_indices]),
        left=tuple(pad([*digits, *bits, *products], layout.size)),
        counts=tuple(counts),
        factors=tuple(p.b.at(values) for p in statements.products),
        cross=(0,) * layout.size,
    )


@dataclass(frozen=True, slots=True)
class Weights:
    """All constraints, weighted and collected: ``t_1 = delta - <c, w>`` holds if they all do.

    ``p1``, ``p2``, ``q2``: public parts of l(X) and r(X), one entry a slot, not reduced. ``cross``:
    weight of the constraint that the second left vector is zero; ``y_powers``, ``y_inverses``:
    y^i, y^-i.
    """

    y_powers: list[int]
    y_inverses: list[int]
    p1: list[int]
    p2: list[int]
    q2: list[int]
    cross: int
    c: list[int]
    delta: int


def weigh(statements: StatementSet, beta: int, y: int, z: int) -> Weights:
    """Collects the constraints of R5 under the challenges beta, y, z."""
    layout = statements.layout
    size, digits, bits = layout.size, len(layout.digits), len(layout.bits)
    y_powers, y_inverses = powers(y, size), powers(invert(y, Q), size)
    ranges, equalities = statements.all_ranges, statements.equalities
    products = statements.products
    count = 3 + len(ranges) + 1 + 2 * len(products) + len(equalities)
    weights = iter(powers(z, count)[3:])
    c = [0] * len(statements.values)
    constants = 0

    def move(form: LinearForm, weight: int) -> int:
        """Takes a form to the side of the values; returns what its constant adds to kappa."""
        for index, coef in form.coefficients:
            c[index] -= weight * coef
        return weight * form.constant

    range_weights = [next(weights) for _ in ranges]
    for claim, weight in zip(ranges, range_weights, strict=True):
        constants += move(claim.form, weight)
    table = next(weights) if layout.table_size else 0
    table_parts = invert_all([beta + v for v in range(layout.table_size)], Q - table)
    p1 = [beta + table * inverse for inverse in y_inverses[:digits]]
    q2 = [weight * range_weights[k] for k, weight in layout.digits]
    z_squared = z * z % Q
    p1 += [Q - z_squared] * bits
    for (k, weight), power in zip(layout.bits, y_powers[digits : digits + bits], strict=True):
        q2.append(z_squared * power + weight * range_weights[k])
    for index, product in enumerate(products, start=digits + bits):
        left, right = next(weights), next(weights)
        constants += move(product.c, y_powers[index])
        constants += move(product.a, left) + move(product.b, right)
        p1.append(y_inverses[index] * right)
        q2.append(left)
    for equality in equalities:
        constants += move(equality.form, next(weights))
    ones = sum(y_powers[:digits]) + z_squared * sum(y_powers[digits : digits + bits])
    p1, q2 = pad(p1, size), pad(q2, size)
    p2 = [part * power for part, power in zip(table_parts, y_inverses, strict=False)]
    # <p2, p1'> with p1' = cross * y^i: the powers of y cancel.
    delta = constants + ones + inner(p1, q2) + z * sum(table_parts)
    return Weights(
        y_powers=y_powers,
        y_inverses=y_inverses,
        p1=p1,
        p2=pad(p2, size),
        q2=q2,
        cross=z,
        c=[value % Q for value in c],
        delta=delta % Q,
    )


@dataclass(slots=True)
class Vectors:
    """The prover's polynomials l(X), r(X) by coefficient, and the blindings of A1, A2, S."""

    left: list[list[int]] = field(repr=False)
    right: list[list[int]] = field(repr=False)
    blindings: tuple[int, int, int] = field(repr=False)

    def coefficients(self) -> list[int]:
        """t_0..t_4 of ``t(X) = <l(X), r(X)>``."""
        coefficients = [0] * 5
        for i, left in enumerate(self.left):
            for k, right in enumerate(self.right):
                coefficients[i + k] += inner(left, right)
        return [t % Q for t in coefficients]

    def at(self, x: int) -> tuple[list[int], list[int]]:
        """l(x) and r(x)."""
        square = x * x % Q
        left, right = (
            [(a + x * b + square * c) % Q for a, b, c in zip(*rows, strict=True)]
            for rows in (self.left, self.right)
        )
        return left, right


def commit_slots(blinding: int, left: Sequence[int], right: Sequence[int]) -> Point:
    """``blinding H + <left, g> + <right, h>``."""
    points = [generators("base")[1], *generators("g")[: len(left)], *generators("h")[: len(right)]]
    return msm(points, [blinding, *left, *right])


def commit_values(blinding: int, values: Sequence[int]) -> Point:
    """W of R3: ``blinding H + sum values[j] G_j``."""
    points = [generators("base")[1], *generators("G")[: len(values)]]
    return msm(points, [blinding, *values])


def second_right(statements: StatementSet, witness: Witness, beta: int) -> list[int]:
    """The right vector of A2: 1/(d + beta), bit - 1, right factors, zeros.

    Raises ValueError if a digit is -beta.
    """
    layout = statements.layout
    digits, bits = len(layout.digits), len(layout.bits)
    left = witness.left
    right = invert_all([digit + beta for digit in left[:digits]])
    right += [bit - 1 for bit in left[digits : digits + bits]]
    return pad([*right, *witness.factors], layout.size)


def make_vectors(
    witness: Witness,
    second: list[int],
    masks: tuple[list[int], list[int]],
    blindings: tuple[int, int, int],
    weights: Weights,
) -> Vectors:
    """l(X) and r(X) of R5 from the committed vectors."""
    y, cross = weights.y_powers, weights.cross
    left = [
        list(map(add, witness.left, weights.p1)),
        list(map(add, witness.cross, weights.p2)),
        masks[0],
    ]
    right = [
        [power * (count + cross) % Q for power, count in zip(y, witness.counts, strict=True)],
        [
            (power * value + public) % Q
            for power, value, public in zip(y, second, weights.q2, strict=True)
        ],
        [power * mask % Q for power, mask in zip(y, masks[1], strict=True)],
    ]
    return Vectors(left, right, blindings)


def ec1_equation(proof: OpenProof, challenges: Challenges, weight: int) -> Equation:
    """(EC1) ``t^ G + tau_x H = sum x^k T_k``: the evaluation belongs to the committed t(X)."""
    return Equation(
        base=(weight * proof.t_hat, weight * proof.tau_x, 0),
        points=proof.t,
        scalars=[-weight * power % Q for power in powers(challenges.x, 5)],
    )


def ec2_equation(
    proof: OpenProof, challenges: Challenges, weights: Weights, weight: int
) -> Equation:
    """(EC2) The inner product argument for l(x), r(x), as one sum over the original generators."""
    x, omega, u = challenges.x, challenges.omega, challenges.u
    inverses = invert_all(u)
    signs, opposite = [weight], [weight]
    for up, down in zip(u, inverses, strict=True):
        signs = [sign * factor % Q for sign in signs for factor in (down, up)]
        opposite = [sign * factor % Q for sign in opposite for factor in (up, down)]
    constant, scaled_x = weight * weights.cross, weight * x % Q
    left = [
        weight * one + scaled_x * two - final
        for one, two, final in zip(weights.p1, weights.p2, _spread(signs, proof.left), strict=True)
    ]
    right = [
        constant + inverse * (scaled_x * public - final)
        for inverse, public, final in zip(
            weights.y_inverses, weights.q2, _spread(opposite, proof.right), strict=True
        )
    ]
    final_product = inner(proof.left, proof.right)
    points = [proof.a1, proof.a2, proof.s]
    scalars = [weight, scaled_x, scaled_x * x % Q]
    for (up_point, down_point), up, down in zip(proof.folds, u, inverses, strict=True):
        points += [up_point, down_point]
        scalars += [weight * up % Q * up, weight * down % Q * down]
    return Equation(
        base=(0, -weight * proof.mu, weight * omega % Q * (proof.t_hat - final_product)),
        left=left,
        right=right,
        points=points,
        scalars=scalars,
    )


def _spread(blocks: Sequence[int], final: Sequence[int]) -> list[int]:
    """Entry ``block * len(final) + j`` is ``blocks[block] * final[j]``."""
    return [block * value for block in blocks for value in final]
