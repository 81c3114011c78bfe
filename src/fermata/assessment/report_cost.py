"""What reports cost: their time on this machine, and the size of their sealed parts.

Four operations are timed, and then counted. That is good to a factor of two: enough to see that a
charter asks for seconds and not for minutes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from timeit import repeat

from fermata.crypto.group import Q, generators, msm, point_from_bytes, point_to_bytes
from fermata.crypto.integers import powmod
from fermata.crypto.paillier import BLOCKS, WINDOW_BITS
from fermata.crypto.report.batch import WEIGHT_BITS
from fermata.crypto.report.codec import exponent_response_bits, fold_count
from fermata.crypto.report.statements import StatementSet

#: Nanoseconds since any moment; CPU time of the process, so that others do not count.
ClockNs = Callable[[], int]

RUNS = 3
EXPONENT_BITS = 256
POINTS = 256
SCALARS = 2000
#: Products mod q per slot that a prover, and a verifier, makes in Python.
PROVER_PRODUCTS, VERIFIER_PRODUCTS = 60, 25


@dataclass(frozen=True, slots=True)
class Speed:
    """Nanoseconds of CPU for one product mod n^2, one point of a sum, one decoding, one scalar."""

    product_ns: float
    point_ns: float
    decoding_ns: float
    scalar_ns: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU to make one report of a panel, and to check one by itself."""

    make_ms: float
    check_ms: float


def measure_speed(modulus_bits: int, clock_ns: ClockNs) -> Speed:
    """Times each operation a few times and takes the least: about 0.1 s in all."""
    modulus = (1 << 2 * modulus_bits) - 1
    base, exponent = modulus // 3, (1 << EXPONENT_BITS) - 1
    points, scalars = generators("g")[:POINTS], [Q // (k + 2) for k in range(POINTS)]
    encoded = [point_to_bytes(point) for point in points[:16]]

    def least(task: Callable[[], object]) -> float:
        return max(0, min(repeat(task, timer=clock_ns, repeat=RUNS, number=1)))

    return Speed(
        # A window saves most of the products, so that a bit costs little more than a squaring.
        product_ns=least(lambda: powmod(base, exponent, modulus)) / (1.2 * EXPONENT_BITS),
        point_ns=least(lambda: msm(points, scalars)) / POINTS,
        decoding_ns=least(lambda: [point_from_bytes(e, "point") for e in encoded]) / len(encoded),
        scalar_ns=least(lambda: [scalars[k % POINTS] ** 2 % Q for k in range(SCALARS)]) / SCALARS,
    )


def sealed_bytes(statements: StatementSet) -> int:
    """About the size of a sealed part: its ciphertexts, announcements and sealed responses."""
    response = exponent_response_bits(statements) // 8 + 1
    return statements.packing.ciphertexts * (statements.modulus_bits // 2 + response)


def cost_of(statements: StatementSet, speed: Speed) -> Cost:
    """The time of one report with these statements, after the tables of powers are made."""
    size, values = statements.layout.size, len(statements.values)
    ciphertexts, folds = statements.packing.ciphertexts, fold_count(statements)
    columns = -(-exponent_response_bits(statements) // WINDOW_BITS)
    # One look-up a column, with a factor half as wide, and the squarings of the comb.
    power = 0.6 * columns + columns / BLOCKS
    make_ns = (
        # W and DE; A1, A2 and S; the T_k; L and R of each fold.
        speed.point_ns * (2 * values + 5 * size + 10 + 2 * folds * (size + 1))
        # The ciphertexts and their announcements.
        + speed.product_ns * 2 * ciphertexts * power
        + speed.scalar_ns * PROVER_PRODUCTS * size
    )
    points = 10 + 2 * folds
    check_ns = (
        speed.decoding_ns * points
        + speed.point_ns * (2 * size + values + points)
        + speed.product_ns * ciphertexts * (power + 1.2 * WEIGHT_BITS)
        + speed.scalar_ns * VERIFIER_PRODUCTS * size
    )
    return Cost(make_ns / 1e6, check_ns / 1e6)
