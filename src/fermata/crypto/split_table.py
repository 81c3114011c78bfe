"""Tables of one base's powers mod n^2: what makes an encryption ten times as fast as a power.

A comb [Lim and Lee, CRYPTO '94, 3] over pairs, see ``SplitTable``. Nothing here is constant time.
"""

from fermata.crypto.integers import comb_digits, fast_int, split_units

WINDOW_MAX = 12


class SplitTable:
    """Powers of one base mod n^2, each kept as a pair (u, b) with value u*(1 + n*b).

    A product of such powers is prod(u) * (1 + n*sum(b)): the factors are half as wide as n^2,
    and adding a plaintext costs nothing. A comb: the exponent's bits stand in ``window`` rows; a
    column of them is one look-up, and ``blocks`` columns are looked up for each of the ``steps``
    squarings. Entries: blocks * (2^window - 1) pairs, so with window 9 about 2.4 MB for 4 blocks
    at 3072 bits. ``blocks=None`` needs no squarings.
    """

    __slots__ = ("_n", "_n_squared", "_rows", "exponent_bits", "steps", "window")

    def __init__(
        self, base: int, n: int, exponent_bits: int, window: int, blocks: int | None = None
    ) -> None:
        if (
            exponent_bits < 1
            or not 1 <= window <= WINDOW_MAX
            or (blocks is not None and blocks < 1)
        ):
            raise ValueError(
                "a table must have a positive exponent length, a window of 1 to 12 and a block"
            )
        self.exponent_bits, self.window = exponent_bits, window
        self._n = fast_int(n)
        self._n_squared = self._n**2
        columns = -(-exponent_bits // window)
        self.steps = 1 if blocks is None else -(-columns // blocks)
        starts = range(0, columns, self.steps)
        heads = self._heads(base, [row * columns + at for row in range(window) for at in starts])
        rows: list[list[tuple[int, int]]] = [[] for _ in starts]
        for tooth in range(window):
            self._double(rows, heads[tooth * len(starts) : (tooth + 1) * len(starts)])
        self._rows = tuple(map(tuple, rows))

    def _heads(self, base: int, wanted: list[int]) -> list[tuple[int, int]]:
        """The pairs of base^(2^i) for the ``wanted`` i, which rise."""
        # Squared as low + n*high: two numbers as wide as n, and less work than one of n^2.
        high, low = divmod(base % self._n_squared, self._n)
        powers, at = [], 0
        for index in wanted:
            for _ in range(at, index):
                carry, square = divmod(low * low, self._n)
                low, high = square, (2 * low * high + carry) % self._n
            at = index
            powers.append(low + self._n * high)
        return split_units(powers, self._n)

    def _double(self, rows: list[list[tuple[int, int]]], heads: list[tuple[int, int]]) -> None:
        """Adds to each row its head, and the product of the head with each entry so far."""
        products = [
            (unit * head, slope + head_slope)
            for row, (head, head_slope) in zip(rows, heads, strict=True)
            for unit, slope in row
        ]
        split = split_units([unit for unit, _ in products], self._n)
        entries = iter(
            (unit, (slope + rest) % self._n)
            for (unit, rest), (_, slope) in zip(split, products, strict=True)
        )
        for row, head in zip(rows, heads, strict=True):
            more = [next(entries) for _ in row]
            row += [head, *more]

    def power(self, exponent: int, message: int) -> int:
        """``(1 + n*message) * base^exponent mod n^2`` for 0 <= exponent < 2^exponent_bits."""
        if exponent < 0 or exponent.bit_length() > self.exponent_bits:
            raise ValueError(f"the exponent must be in [0, 2^{self.exponent_bits})")
        columns = comb_digits(exponent, self.window, -(-self.exponent_bits // self.window))
        total, linear = fast_int(1), fast_int(0)
        for step in reversed(range(self.steps)):
            if step != self.steps - 1:
                total, linear = total * total % self._n_squared, 2 * linear
            for row, digit in zip(self._rows, columns[step :: self.steps], strict=False):
                if digit:
                    unit, slope = row[digit - 1]
                    total = total * unit % self._n_squared
                    linear += slope
        return int(total * (1 + self._n * ((linear + message) % self._n)) % self._n_squared)
