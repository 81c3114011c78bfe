import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto import group
from fermata.crypto.group import (
    Q,
    generators,
    hash_generator,
    msm,
    point_from_bytes,
    point_to_bytes,
    scalar_from_bytes,
    scalar_to_bytes,
)
from fermata.crypto.integers import random_bits
from fermata.crypto.scalars import inner, invert_all, pad, powers
from fermata.errors import InvalidEncoding
from harness.crypto.keys import SeededEntropy

FIELD = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)


def refused(data: bytes) -> str:
    with pytest.raises(InvalidEncoding) as caught:
        point_from_bytes(data, "here")
    return caught.value.reason


def test_hash_to_curve_gives_the_points_of_rfc_9380() -> None:
    domain = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
    # RFC 9380, J.9.1: P.x for the messages "" and "abc".
    expected = {
        b"": "052926add2207b76ca4fa57a8734416c8dc95e24501772c8"
        "14278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1",
        b"abc": "03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0"
        "a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903",
    }
    for message, x in expected.items():
        point = group.Point.hash_to_curve(message, domain)
        assert bytes(point.to_xy_bytes_be()).hex()[:96] == x


def test_the_data_file_holds_the_hashed_generators() -> None:
    assert group._generator_bytes() == group.generator_file_bytes()
    for kind, first, count in group.GENERATOR_KINDS:
        assert len(generators(kind)) == count
        assert generators(kind)[count - 1] == hash_generator(kind, first + count - 1)


def test_no_two_generators_are_equal_and_none_is_the_librarys() -> None:
    every = [p for kind, _, _ in group.GENERATOR_KINDS for p in generators(kind)]
    encoded = {point_to_bytes(p) for p in every}
    assert len(encoded) == len(every)
    assert point_to_bytes(group.Point()) not in encoded


def test_a_damaged_data_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "GENERATOR_FILE_SHA256", hashlib.sha256(b"").hexdigest())
    with pytest.raises(RuntimeError):
        group._generator_bytes.__wrapped__()


def test_an_unknown_kind_of_generators_is_an_error() -> None:
    with pytest.raises(ValueError):
        generators("k")


def test_points_survive_their_encoding() -> None:
    for point in (*generators("base"), generators("G")[0] + generators("g")[7]):
        assert point_from_bytes(point_to_bytes(point), "here") == point


@pytest.mark.parametrize("length", [0, 1, 47, 49, 96])
def test_a_point_of_another_length_is_refused(length: int) -> None:
    assert refused(b"\x80" * length) == "POINT"


def test_the_identity_is_neither_read_nor_written() -> None:
    for encoded in (
        b"\xc0" + bytes(47),
        b"\xe0" + bytes(47),
        b"\xc0" + bytes(46) + b"\1",
        b"\x40" + bytes(47),
        bytes(48),
    ):
        assert refused(encoded) == "POINT"
    with pytest.raises(ValueError):
        point_to_bytes(group.Point.identity())


def test_a_point_off_the_curve_is_refused() -> None:
    refusals = 0
    for x in range(60):
        encoded = (1 << 383 | x).to_bytes(48, "big")
        if pow(x**3 + 4, (FIELD - 1) // 2, FIELD) == 1:
            assert point_to_bytes(point_from_bytes(encoded, "here")) == encoded
        else:
            assert refused(encoded) == "POINT"
            refusals += 1
    assert 20 < refusals < 40


def test_a_coordinate_that_is_not_reduced_is_refused() -> None:
    encoded = point_to_bytes(generators("base")[0])
    x = int.from_bytes(encoded, "big") & ((1 << 381) - 1)
    flags = encoded[0] & 0xE0
    wide = x + FIELD
    if wide.bit_length() <= 381:
        assert refused(bytes([flags | wide >> 376]) + wide.to_bytes(48, "big")[1:]) == "POINT"
    assert refused(bytes([flags & 0x7F | encoded[0] & 0x1F]) + encoded[1:]) == "POINT"
    assert refused(bytes([encoded[0] | 0x40]) + encoded[1:]) == "POINT"


@given(st.integers(0, Q - 1))
@settings(max_examples=50, deadline=None)
def test_scalars_survive_their_encoding(value: int) -> None:
    assert scalar_from_bytes(scalar_to_bytes(value), "here") == value


@pytest.mark.parametrize(
    "data", [b"", bytes(31), bytes(33), Q.to_bytes(32, "little"), b"\xff" * 32]
)
def test_a_scalar_not_reduced_or_of_another_length_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidEncoding) as caught:
        scalar_from_bytes(data, "here")
    assert caught.value.reason == "SCALAR"


@pytest.mark.parametrize("value", [-1, Q])
def test_a_scalar_out_of_range_is_not_written(value: int) -> None:
    with pytest.raises(ValueError):
        scalar_to_bytes(value)


def test_an_msm_of_lists_of_different_lengths_is_an_error() -> None:
    g, h, u = generators("base")
    for points, scalars in (([g, h, u], [1, 2]), ([g], [1, 2]), ([], [1])):
        with pytest.raises(ValueError):
            msm(points, scalars)


@given(st.lists(st.integers(-(2**300), 2**300), max_size=6))
@settings(max_examples=30, deadline=None)
def test_an_msm_is_the_sum_of_multiples(scalars: list[int]) -> None:
    points = generators("g")[: len(scalars)]
    total = group.Point.identity()
    for point, scalar in zip(points, scalars, strict=True):
        total = total + msm([point], [scalar])
    assert msm(points, scalars) == total
    assert msm([*points, *points], [*scalars, *(-s for s in scalars)]) == group.Point.identity()


def test_q_is_the_order_of_the_group() -> None:
    g = generators("base")[0]
    assert msm([g, g], [Q - 1, 1]) == group.Point.identity()
    assert msm([g], [1]) != group.Point.identity()


def test_vectors_of_scalars() -> None:
    entropy = SeededEntropy("scalars")
    values = [random_bits(entropy, 250) + 1 for _ in range(20)]
    assert all(a * b % Q == 1 for a, b in zip(values, invert_all(values), strict=True))
    scaled = invert_all(values, 7)
    assert all(a * b % Q == 7 for a, b in zip(values, scaled, strict=True))
    assert powers(values[0], 4) == [pow(values[0], k, Q) for k in range(4)]
    assert inner(values, values) == sum(v * v for v in values) % Q
    assert pad([1, 2], 4) == [1, 2, 0, 0]
    assert invert_all([]) == powers(3, 0) == []


@pytest.mark.parametrize("values", [[0], [3, 0, 4], [Q]])
def test_zero_has_no_inverse(values: list[int]) -> None:
    with pytest.raises(ValueError):
        invert_all(values)


def test_vectors_of_different_lengths_have_no_inner_product() -> None:
    with pytest.raises(ValueError):
        inner([1], [1, 2])
    with pytest.raises(ValueError):
        pad([1, 2, 3], 2)
