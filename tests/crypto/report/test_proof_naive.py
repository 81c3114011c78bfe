"""A second verifier, written from docs/spec/proof.md without the package's code of the proof.

Slow and plain: it folds generators point by point and checks one constraint sum after the other.
Only the group's points are shared. Sums of points are compared in GG (R1.5).
"""

import hashlib
import json
from typing import Any

import pytest

from fermata.crypto.group import Point, hash_generator, msm, point_from_bytes
from harness.crypto.keys import VECTORS

Q = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
GOOD = json.loads((VECTORS / "report_proof.json").read_text())
BAD = sorted(VECTORS.glob("report_proof_bad_*.json"))
ALSO_GOOD = sorted(VECTORS.glob("report_proof_also_*.json"))
Form = tuple[dict[int, int], int]


class Refused(Exception):
    pass


def need(holds: bool, what: str) -> None:
    if not holds:
        raise Refused(what)


def form(fields: dict[str, Any]) -> Form:
    return {i: int(c) for i, c in fields["coefficients"]}, int(fields["constant"])


def cover(bound: int, base: int) -> list[tuple[int, int]]:
    if base == 2 or bound < base - 1:
        bits: list[tuple[int, int]] = []
        while bound > 0:
            bits.insert(0, ((bound + 1) // 2, 1))
            bound -= bits[0][0]
        return bits
    parts = [(1, base - 1)] + ([(bound % (base - 1), 1)] if bound % (base - 1) else [])
    while (placed := sum(w for w, top in parts if top > 1)) < bound // (base - 1):
        reached = sum(w * top for w, top in parts)
        parts.append((min(reached + 1, bound // (base - 1) - placed), base - 1))
    return parts


def integers(*values: int) -> bytes:
    found = b""
    for v in values:
        size = (abs(v).bit_length() + 7) // 8
        found += bytes([v < 0]) + size.to_bytes(2, "big") + abs(v).to_bytes(size, "big")
    return found


class Statements:
    def __init__(self, s: dict[str, Any]) -> None:
        self.bounds = [int(v["bound"]) for v in s["values"]]
        self.enc = [v["enc"] for v in s["values"]]
        extra = [(form(r), int(r["bound"])) for r in s["ranges"]]
        forms = [f for f, _ in extra]
        own = []
        for x, bound in enumerate(self.bounds):
            implied = bound > 1 and any(
                ({x: 1, c: -t}, 0) in forms and ({x: -1, c: bound - t + 1}, t - 1) in forms
                for c in range(len(self.bounds))
                if c != x and self.bounds[c] == 1
                for f, _ in forms
                if set(f) == {x, c}
                for t in [-f[c]]
                if 0 < t <= bound
            )
            if not implied:
                own.append((({x: 1}, 0), bound))
        self.ranges = own + extra
        self.equalities = [form(e) for e in s["equalities"]]
        self.products = [tuple(form(p[k]) for k in "abc") for p in s["products"]]
        self.modulus_bits, self.headroom = s["modulus_bits"], s["headroom_bits"]
        self.a_bits = self.modulus_bits + 128
        bases = [s["base"]] if s["base"] else [1 << k for k in range(1, 11)]
        self.base, self.slots, self.size = min(
            ((b, *self.slots_of(b)) for b in bases), key=lambda found: found[2]
        )
        self.offsets: dict[int, tuple[int, int]] = {}
        k = end = 0
        for j, (bound, enc) in enumerate(zip(self.bounds, self.enc, strict=True)):
            if enc:
                width = bound.bit_length() + self.headroom
                if end + width > self.modulus_bits - 1:
                    k, end = k + 1, 0
                self.offsets[j], end = (k, end), end + width
        self.ciphertexts = k + 1

    def slots_of(self, base: int) -> tuple[list[tuple[str, int, int]], int]:
        parts = [(k, w, top) for k, (_, b) in enumerate(self.ranges) for w, top in cover(b, base)]
        slots = [("digit", k, w) for k, w, top in parts if top > 1]
        slots += [("bit", k, w) for k, w, top in parts if top == 1]
        slots += [("product", k, 0) for k in range(len(self.products))]
        least, size = max(len(slots), base if slots and slots[0][0] == "digit" else 1), 1
        while size < least:
            size *= 2
        return slots + [("padding", 0, 0)] * (size - len(slots)), size

    def hash(self) -> bytes:
        def of(f: Form) -> bytes:
            return integers(f[1], *(part for i in sorted(f[0]) for part in (i, f[0][i])))

        parts = [
            b"fermata/v1/statements",
            integers(128, 16, 4, self.a_bits),
            integers(self.modulus_bits, self.headroom, self.base, self.size),
            integers(*(p for b, e in zip(self.bounds, self.enc, strict=True) for p in (b, int(e)))),
            integers(*(part for offset in self.offsets.values() for part in offset)),
            integers(len(self.ranges)),
        ]
        for f, bound in self.ranges:
            parts += [of(f), integers(bound, *(p for w in cover(bound, self.base) for p in w))]
        parts += [integers(len(self.equalities)), *map(of, self.equalities)]
        parts += [integers(len(self.products)), *(of(f) for p in self.products for f in p)]
        whole = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hashlib.sha512(whole).digest()


class Oracle:
    def __init__(self) -> None:
        self.data = b""

    def absorb(self, label: str, data: bytes) -> None:
        head = b"A" + len(label).to_bytes(2, "big") + len(data).to_bytes(8, "big")
        self.data += head + label.encode() + data

    def digest(self, label: str) -> bytes:
        self.data += b"C" + len(label).to_bytes(2, "big") + label.encode()
        found = hashlib.sha512(self.data).digest()
        self.data += found
        return found

    def scalar(self, label: str) -> int:
        value = int.from_bytes(self.digest(label), "little") % Q
        need(value != 0, "challenge")
        return value


class Bytes:
    def __init__(self, data: bytes) -> None:
        self.rest = data

    def take(self, size: int) -> bytes:
        need(len(self.rest) >= size, "short")
        found, self.rest = self.rest[:size], self.rest[size:]
        return found


def add(*points: Point) -> Point:
    total = Point.identity()
    for point in points:
        total = total + point
    return total


def equal(left: Point, right: Point) -> bool:
    """R1.5: (1 - x) (left - right) is the identity, bit by bit."""
    difference, total = left + -right, Point.identity()
    for bit in f"{0xD201000000010001:b}":
        total = total + total
        if bit == "1":
            total = total + difference
    return bool(total == Point.identity())


def times(point: Point, scalar: int) -> Point:
    return msm([point], [scalar % Q])


def constraint_sum(
    s: Statements, beta: int, y: int, z: int
) -> tuple[list[int], list[int], list[int], list[int], int]:
    """p1, q2, p2, c and delta of R5.4."""
    n_slots, digits = s.size, sum(kind == "digit" for kind, _, _ in s.slots)
    f_left, f_right, c, kappa = [0] * n_slots, [0] * n_slots, [0] * len(s.bounds), 0
    k = 0

    def weight() -> int:
        nonlocal k
        k += 1
        return pow(z, 2 + k, Q)

    def take_form(f: Form, by: int) -> None:
        nonlocal kappa
        kappa += by * f[1]
        for j, coef in f[0].items():
            c[j] -= by * coef

    for index, (f, _) in enumerate(s.ranges):
        by = weight()
        take_form(f, by)
        for i, (kind, owner, wt) in enumerate(s.slots):
            if kind in ("digit", "bit") and owner == index:
                f_left[i] += by * wt
    table = weight() if digits else 0
    for i, (kind, owner, _) in enumerate(s.slots):
        if kind == "digit":
            f_right[i] += beta * pow(y, i, Q) + table
            kappa += pow(y, i, Q)
        elif kind == "bit":
            by = z * z * pow(y, i, Q)
            f_left[i], f_right[i], kappa = f_left[i] + by, f_right[i] - by, kappa + by
        elif kind == "product":
            one, two, three = s.products[owner]
            take_form(three, pow(y, i, Q))
            f_left[i] = weight()
            take_form(one, f_left[i])
            f_right[i] = weight()
            take_form(two, f_right[i])
    for f in s.equalities:
        take_form(f, weight())
    inverse_y = pow(y, -1, Q)
    p1 = [pow(inverse_y, i, Q) * f_right[i] % Q for i in range(n_slots)]
    p2 = [
        -pow(inverse_y, v, Q) * table * pow(beta + v, -1, Q) if digits and v < s.base else 0
        for v in range(n_slots)
    ]
    crossed = [z * pow(y, i, Q) for i in range(n_slots)]
    delta = kappa + sum(a * b for a, b in zip(p1, f_left, strict=True))
    delta += sum(a * b for a, b in zip(p2, crossed, strict=True))
    return p1, f_left, p2, c, delta % Q


def verify(case: dict[str, Any]) -> None:
    s, n = Statements(case["statements"]), int(case["n"], 16)
    need(n.bit_length() == s.modulus_bits, "key")
    need(all(b.bit_length() <= 107 for b, e in zip(s.bounds, s.enc, strict=True) if e), "bound")
    for f in s.equalities:
        reach = sum(abs(coef) * s.bounds[j] for j, coef in f[0].items()) + abs(f[1])
        need(4 * reach < Q, "wrap")
    data, count = Bytes(bytes.fromhex(case["open_part"])), s.ciphertexts
    oracle = Oracle()
    oracle.absorb("protocol", b"fermata/v1/report-proof")
    oracle.absorb("charter", bytes.fromhex(case["charter_hash"]))
    oracle.absorb("statements", s.hash())
    oracle.absorb("round", bytes.fromhex(case["round_id"]))
    oracle.absorb("lab", bytes.fromhex(case["lab_id"]))
    key = n.to_bytes((n.bit_length() + 7) // 8, "big") + s.a_bits.to_bytes(4, "big")
    oracle.absorb("key", key)

    # The open part, R8.2; absorbed in the order of R4.2.
    c_digests = [data.take(32) for _ in range(count)]
    raw = {k: data.take(48) for k in ("W", "A1", "A2", "S", "T0", "T1", "T2", "T3", "T4", "DE")}
    point = {k: point_from_bytes(v, k) for k, v in raw.items()}
    dc_digests = [data.take(32) for _ in range(count)]
    z_raw, z_list = b"", []
    for bound, enc in zip(s.bounds, s.enc, strict=True):
        bits = bound.bit_length() + 144
        part = data.take((bits + 7) // 8 if enc else 32)
        z_raw, value = z_raw + part, int.from_bytes(part, "little")
        need(value < (1 << bits if enc else Q), "response")
        z_list.append(value)
    za_digests = [data.take(32) for _ in range(count)]
    raws = [data.take(32) for _ in range(4)]
    th, t_hat, tau_x, mu = (int.from_bytes(part, "little") for part in raws)
    rounds, length = [], s.size
    while length > 4:
        rounds.append((data.take(48), data.take(48)))
        length //= 2
    finals = [int.from_bytes(data.take(32), "little") for _ in range(2 * length)]
    need(not data.rest and all(v < Q for v in (th, t_hat, tau_x, mu, *finals)), "encoding")
    left, right = finals[:length], finals[length:]

    for digest in c_digests:
        oracle.absorb("C", digest)
    for name, content in (("W", raw["W"]), ("U", b""), ("A1", raw["A1"])):
        oracle.absorb(name, content)
    beta = oracle.scalar("beta")
    oracle.absorb("A2", raw["A2"])
    oracle.absorb("S", raw["S"])
    y, z = oracle.scalar("y"), oracle.scalar("z")
    for k in range(5):
        oracle.absorb(f"T{k}", raw[f"T{k}"])
    x, rho = oracle.scalar("x"), oracle.scalar("rho")
    oracle.absorb("DE", raw["DE"])
    oracle.absorb("DU", b"")
    for digest in dc_digests:
        oracle.absorb("DC", digest)
    e = int.from_bytes(oracle.digest("e")[:16], "little")
    oracle.absorb("resp", z_raw + b"".join(za_digests) + raws[0])
    oracle.absorb("eval", b"".join(raws[1:]))
    omega = oracle.scalar("omega")

    p1, q2, p2, c, delta = constraint_sum(s, beta, y, z)
    big_g, big_h, big_u = (hash_generator("base", k) for k in range(3))
    # EC1, EC3.
    need(
        equal(
            add(times(big_g, t_hat), times(big_h, tau_x)),
            add(*(times(point[f"T{k}"], pow(x, k, Q)) for k in range(5))),
        ),
        "EC1",
    )
    opened = [times(hash_generator("G", j + 1), v) for j, v in enumerate(z_list)]
    crossed = sum(a * b for a, b in zip(c, z_list, strict=True))
    target = add(point["W"], times(add(point["T1"], times(big_g, -delta)), rho))
    need(
        equal(
            add(*opened, times(big_g, -rho * crossed), times(big_h, th)),
            add(point["DE"], times(target, e)),
        ),
        "EC3",
    )
    # EC2, folding point by point.
    inverse_y = pow(y, -1, Q)
    g = [hash_generator("g", i) for i in range(s.size)]
    h = [times(hash_generator("h", i), pow(inverse_y, i, Q)) for i in range(s.size)]
    total = add(point["A1"], times(point["A2"], x), times(point["S"], x * x), times(big_h, -mu))
    for i in range(s.size):
        total = add(total, times(g[i], p1[i] + x * p2[i]))
        total = add(total, times(h[i], z * pow(y, i, Q) + x * q2[i]))
    total = add(total, times(big_u, t_hat * omega))
    for l_raw, r_raw in rounds:
        oracle.absorb("L", l_raw)
        oracle.absorb("R", r_raw)
        u = oracle.scalar("u")
        v, half = pow(u, -1, Q), len(g) // 2
        g = [add(times(a, v), times(b, u)) for a, b in zip(g[:half], g[half:], strict=True)]
        h = [add(times(a, u), times(b, v)) for a, b in zip(h[:half], h[half:], strict=True)]
        l_point, r_point = point_from_bytes(l_raw, "L"), point_from_bytes(r_raw, "R")
        total = add(times(l_point, u * u), total, times(r_point, v * v))
    last = sum(a * b for a, b in zip(left, right, strict=True))
    rest = [times(p, v) for p, v in zip([*g, *h], [*left, *right], strict=True)]
    need(equal(total, add(*rest, times(big_u, last * omega))), "EC2")

    check_sealed(case["sealed"], s, n, (c_digests, dc_digests, za_digests), z_list, e)


def check_sealed(
    sealed: dict[str, list[str]],
    s: Statements,
    n: int,
    digests: tuple[list[bytes], ...],
    z_list: list[int],
    e: int,
) -> None:
    names, square = ("ciphertexts", "announcements", "exponents"), n * n
    fields = [[bytes.fromhex(part) for part in sealed[name]] for name in names]
    found = [[hashlib.sha256(part).digest() for part in parts] for parts in fields]
    need(found == list(digests), "digest")
    width = (square.bit_length() + 7) // 8
    need(all(len(part) == width for part in fields[0] + fields[1]), "width")
    n_bytes = n.to_bytes((n.bit_length() + 7) // 8, "big")
    wide = hashlib.shake_256(b"fermata/v1/h" + n_bytes).digest((n.bit_length() + 256 + 7) // 8)
    h_s = pow(pow(int.from_bytes(wide, "big") % n, 2, n), n, square)
    for k, (c_raw, dc_raw, za_raw) in enumerate(zip(*fields, strict=True)):
        ciphertext, announcement = int.from_bytes(c_raw, "big"), int.from_bytes(dc_raw, "big")
        for unit in (ciphertext, announcement):
            need(0 < unit < square and pow_exists(unit, n), "unit")
        need(ciphertext % n not in (1, n - 1), "unblinded")
        za = int.from_bytes(za_raw, "little")
        need(len(za_raw) == (s.a_bits + 151) // 8 and za < 1 << s.a_bits + 144, "za")
        message = sum(z_list[j] << off for j, (at, off) in s.offsets.items() if at == k)
        claimed = (1 + n * message) * pow(h_s, za, square) % square
        found = announcement * pow(ciphertext, e, square) % square
        need(claimed**2 % square == found**2 % square, "PA")


def pow_exists(value: int, n: int) -> bool:
    try:
        pow(value, -1, n)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("case", GOOD["cases"], ids=[c["what"] for c in GOOD["cases"]])
def test_the_second_verifier_accepts_what_the_first_made(case: dict[str, Any]) -> None:
    assert Statements(case["statements"]).hash().hex() == case["statement_hash"]
    verify(case)


def changed(vector: dict[str, Any]) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(json.dumps(GOOD["cases"][vector["case"]]))
    for change in vector["changes"]:
        *where, last = change["replace"]
        place = case
        for step in where:
            place = place[step]
        place[last] = change["by"]
    return case


@pytest.mark.parametrize("path", ALSO_GOOD, ids=[path.stem for path in ALSO_GOOD])
def test_the_second_verifier_accepts_what_holds_in_the_group_and_up_to_a_sign(path: Any) -> None:
    verify(changed(json.loads(path.read_text())))


@pytest.mark.parametrize("path", BAD, ids=[path.stem for path in BAD])
def test_the_second_verifier_refuses_every_bad_vector(path: Any) -> None:
    from fermata.errors import InvalidEncoding

    bad = json.loads(path.read_text())
    case = changed(bad)
    with pytest.raises((Refused, InvalidEncoding)) as caught:
        verify(case)
    if bad["refused"]["reason"] in {"EC1", "EC3", "EC2", "PA"}:
        assert str(caught.value) == bad["refused"]["reason"]
