import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto import signing
from fermata.crypto.signing import SMALL_ORDER_Y, SigningKey, pae, verify_signature
from fermata.errors import InvalidSignature

KEY = SigningKey.from_seed(bytes(range(32)))
SIGNATURE = KEY.sign(b"message")

FIELD = 2**255 - 19
D = -121665 * pow(121666, -1, FIELD) % FIELD


def refused(public_key: bytes, signature: bytes = SIGNATURE, message: bytes = b"message") -> str:
    with pytest.raises(InvalidSignature) as error:
        verify_signature(public_key, signature, message)
    return error.value.reason


def test_rfc_8032_test_vector_2_is_reproduced() -> None:
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = SigningKey.from_seed(seed)
    assert key.public_key.hex() == (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    )
    assert key.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
def test_what_is_signed_verifies(seed: bytes, message: bytes) -> None:
    key = SigningKey.from_seed(seed)
    verify_signature(key.public_key, key.sign(message), message)


def test_another_message_signature_or_key_is_refused() -> None:
    verify_signature(KEY.public_key, SIGNATURE, b"message")
    assert refused(KEY.public_key, message=b"massage") == "SIGNATURE"
    assert refused(KEY.public_key, SIGNATURE[:-1] + bytes([SIGNATURE[-1] ^ 1])) == "SIGNATURE"
    assert refused(SigningKey.from_seed(bytes(32)).public_key) == "SIGNATURE"


@pytest.mark.parametrize("message", [b"", b"message", bytes(signing._HELD_BYTES_MAX), bytes(9000)])
def test_what_held_once_vouches_for_nothing_else_and_what_did_not_never_holds(
    message: bytes,
) -> None:
    """Short messages are remembered, long ones are not; nobody can tell from the answer."""
    signature, other = KEY.sign(message), SigningKey.from_seed(bytes(32))
    for _ in range(2):
        verify_signature(KEY.public_key, signature, message)
        assert refused(other.public_key, signature, message) == "SIGNATURE"
        assert refused(KEY.public_key, other.sign(message), message) == "SIGNATURE"
        assert refused(KEY.public_key, signature, message + b"\0") == "SIGNATURE"
        assert refused(KEY.public_key + b"\0", signature, message) == "PUBLIC_KEY"


def test_a_signature_that_held_is_computed_once_and_one_that_did_not_each_time() -> None:
    signature, before = KEY.sign(b"computed once"), signing._verify_once.cache_info()
    for _ in range(3):
        verify_signature(KEY.public_key, signature, b"computed once")
        refused(KEY.public_key, signature, b"computed twice")
    after = signing._verify_once.cache_info()
    assert (after.hits - before.hits, after.misses - before.misses) == (2, 4)
    assert after.currsize <= signing._HELD_MAX


@pytest.mark.parametrize("signature", [b"", SIGNATURE[:63], SIGNATURE + b"\0"])
def test_a_signature_of_another_length_is_refused(signature: bytes) -> None:
    with pytest.raises(InvalidSignature, match="64 bytes") as error:
        verify_signature(KEY.public_key, signature, b"message")
    assert error.value.reason == "SIGNATURE"


def test_a_signature_of_zeros_is_refused() -> None:
    assert refused(KEY.public_key, bytes(64)) == "SIGNATURE"


def test_a_signature_with_an_unreduced_scalar_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(SIGNATURE[32:], "little") + order
    assert refused(KEY.public_key, SIGNATURE[:32] + scalar.to_bytes(32, "little")) == "SIGNATURE"


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    assert refused(KEY.public_key[:size] + bytes(max(0, size - 32))) == "PUBLIC_KEY"


def test_the_all_zero_key_is_refused() -> None:
    assert refused(bytes(32)) == "PUBLIC_KEY"


@pytest.mark.parametrize("y", sorted(SMALL_ORDER_Y))
@pytest.mark.parametrize("sign", [0, 1])
def test_keys_of_small_order_are_refused(y: int, sign: int) -> None:
    assert refused((y | sign << 255).to_bytes(32, "little")) == "PUBLIC_KEY"


@pytest.mark.parametrize("y", [FIELD, FIELD + 1, FIELD + 3, 2**255 - 1])
def test_keys_that_are_not_reduced_are_refused(y: int) -> None:
    assert refused(y.to_bytes(32, "little")) == "PUBLIC_KEY"


def test_a_key_that_is_no_point_is_refused() -> None:
    assert refused((2).to_bytes(32, "little")) == "PUBLIC_KEY"


def double(point: tuple[int, int]) -> tuple[int, int]:
    """Twice a point of edwards25519 (RFC 8032, 5.1.4, affine)."""
    x, y = point
    t = D * x * x * y * y % FIELD
    return (
        2 * x * y * pow(1 + t, -1, FIELD) % FIELD,
        (y * y + x * x) * pow(1 - t, -1, FIELD) % FIELD,
    )


def test_the_list_of_small_orders_is_exactly_the_points_whose_order_divides_8() -> None:
    found = set()
    for y in SMALL_ORDER_Y:
        square = (y * y - 1) * pow(D * y * y + 1, -1, FIELD) % FIELD
        x = pow(square, (FIELD + 3) // 8, FIELD)
        if x * x % FIELD != square:
            x = x * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
        assert x * x % FIELD == square
        assert double(double(double((x, y)))) == (0, 1)
        found |= {(x, y), (-x % FIELD, y)}
    # The group is cyclic of order 8 times a prime: it has 8 such points.
    assert len(found) == 8


def test_pae_is_that_of_the_dsse_specification() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("", b"") == b"DSSEv1 0  0 "
    assert pae("\u00e9", b"\0") == b"DSSEv1 2 \xc3\xa9 1 \0"


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=6), st.binary(max_size=6), st.text(max_size=6), st.binary(max_size=6))
def test_two_payloads_never_share_their_encoding(a: str, b: bytes, c: str, d: bytes) -> None:
    assert (pae(a, b) == pae(c, d)) == ((a, b) == (c, d))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_of_another_length_is_misuse(size: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        SigningKey.from_seed(bytes(size))


def test_a_signing_key_does_not_print_copy_or_pickle() -> None:
    seed = KEY._key.private_bytes_raw()
    for text in (repr(KEY), str(KEY), f"{KEY}"):
        assert seed.hex() not in text
        assert repr(seed) not in text
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(KEY)
