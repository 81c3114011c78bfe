"""Points outside GG: affine arithmetic without the library, and proofs that use such points."""

from collections.abc import Callable, Mapping

from fermata.crypto.group import Point, point_from_bytes, point_to_bytes
from fermata.crypto.paillier import EncryptionTable, PublicKey
from fermata.crypto.report.argument import Witness
from fermata.crypto.report.challenges import Context, ReportTranscript
from fermata.crypto.report.codec import OpenProof, fold_count, open_from_bytes, open_to_bytes
from fermata.crypto.report.prover import Report, _Prover
from fermata.crypto.report.statements import StatementSet

P = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)
ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
#: 1 - x. The points outside GG are sums of one of GG and one whose order divides this.
EXPONENT = 0xD201000000010001
PRIMES = (3, 11, 10177, 859267, 52437899)
Affine = tuple[int, int] | None


def add(a: Affine, b: Affine) -> Affine:
    """The sum of two points of y^2 = x^3 + 4; None is the identity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(scalar: int, point: Affine) -> Affine:
    """``scalar * point`` for a scalar of 0 or more."""
    total: Affine = None
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def curve_points(count: int) -> list[tuple[int, int]]:
    """The points with the smallest x, of the even y each; (0, 2) is the first."""
    found: list[tuple[int, int]] = []
    x = 0
    while len(found) < count:
        square = (x**3 + 4) % P
        y = pow(square, (P + 1) // 4, P)
        if y * y % P == square:
            found.append((x, y if y % 2 == 0 else P - y))
        x += 1
    return found


def library_point(point: Affine) -> Point:
    """The library's form of a point."""
    if point is None:
        return Point.identity()
    return Point.from_xy_bytes_unchecked_be(b"".join(part.to_bytes(48, "big") for part in point))


def torsion_points(count: int) -> list[tuple[int, int]]:
    """Points outside GG with no part in it: one of each prime order, then others, all different."""
    points = curve_points(count + 4)
    found = []
    for prime in PRIMES:
        parts = (multiply(ORDER * (EXPONENT // prime), point) for point in points)
        found.append(next(part for part in parts if part is not None))
    found += [part for point in points[1:] if (part := multiply(ORDER, point)) is not None]
    return found[:count]


#: The points of an open part, in order; those of the folds are ``L0``, ``R0``, ``L1``, ...
NAMES = ("w", "a1", "a2", "s", "t0", "t1", "t2", "t3", "t4", "de")
Shift = Callable[[str, Point], Point]


def point_names(statements: StatementSet) -> tuple[str, ...]:
    """The names of all points of an open part."""
    return (*NAMES, *(f"{side}{k}" for k in range(fold_count(statements)) for side in "LR"))


def shifted(proof: OpenProof, shift: Shift) -> OpenProof:
    """A proof with each of its points moved."""
    fields = {name: shift(name, getattr(proof, name)) for name in ("w", "a1", "a2", "s", "de")}
    return OpenProof(
        **{name: getattr(proof, name) for name in OpenProof.__slots__}
        | fields
        | {
            "t": tuple(shift(f"t{k}", point) for k, point in enumerate(proof.t)),
            "folds": tuple(
                (shift(f"L{k}", left), shift(f"R{k}", right))
                for k, (left, right) in enumerate(proof.folds)
            ),
        }
    )


class _ShiftedTranscript(ReportTranscript):
    """Absorbs moved points in place of the prover's own."""

    __slots__ = ("_folds", "_shift")

    def __init__(
        self, statements: StatementSet, key: PublicKey, context: Context, shift: Shift
    ) -> None:
        super().__init__(statements, key, context)
        self._shift, self._folds = shift, 0

    def fork(self) -> "_ShiftedTranscript":
        twin = object.__new__(_ShiftedTranscript)
        twin._statements, twin._running = self._statements, self._running.fork()
        twin._shift, twin._folds = self._shift, self._folds
        return twin

    def _moved(self, name: str, data: bytes) -> bytes:
        return point_to_bytes(self._shift(name, point_from_bytes(data, name)))

    def first(self, ciphertext_digests: tuple[bytes, ...], w: bytes, a1: bytes) -> int:
        return super().first(ciphertext_digests, self._moved("w", w), self._moved("a1", a1))

    def second(self, a2: bytes, s: bytes) -> tuple[int, int]:
        return super().second(self._moved("a2", a2), self._moved("s", s))

    def third(self, t: tuple[bytes, ...]) -> tuple[int, int]:
        return super().third(tuple(self._moved(f"t{k}", data) for k, data in enumerate(t)))

    def announce(self, de: bytes, announcement_digests: tuple[bytes, ...]) -> int:
        return super().announce(self._moved("de", de), announcement_digests)

    def fold(self, left: bytes, right: bytes) -> int:
        k, self._folds = self._folds, self._folds + 1
        return super().fold(self._moved(f"L{k}", left), self._moved(f"R{k}", right))


class TorsionProver(_Prover):
    """A prover that adds points to its own before it sends them, and answers their challenges."""

    def __init__(
        self,
        statements: StatementSet,
        table: EncryptionTable,
        context: Context,
        witness: Witness,
        entropy: Callable[[int], bytes],
        shifts: Mapping[str, Point],
    ) -> None:
        super().__init__(statements, table, context, witness, entropy)

        def shift(name: str, point: Point) -> Point:
            return point + shifts[name] if name in shifts else point

        self._shift = shift
        self.transcript = _ShiftedTranscript(statements, table.public_key, context, shift)

    def report(self) -> Report:
        """The whole report."""
        self.encrypt()
        self.commit()
        self.link()
        made = self.finish()
        proof = shifted(open_from_bytes(self.statements, made.open_part), self._shift)
        return Report(open_to_bytes(self.statements, proof), made.sealed, made.gamma)
