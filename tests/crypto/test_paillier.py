from collections.abc import Callable

import phe
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.integers import random_prime
from fermata.crypto.paillier import (
    BLOCKS,
    EXPONENT_SLACK_BITS,
    WINDOW_BITS,
    EncryptionTable,
    PublicKey,
    check_modulus,
    ciphertext_from_bytes,
    ciphertext_to_bytes,
    ciphertexts_from_bytes,
    encrypt,
    product,
    random_exponent,
)
from fermata.crypto.split_table import SplitTable
from fermata.errors import InvalidEncoding, InvalidProof
from harness.crypto.keys import SeededEntropy, dealt, encrypt_with_root, primes, root_of_jacobi

P, Q = primes()
KEY = PublicKey(P * Q)


def table_of(key: PublicKey) -> EncryptionTable:
    return EncryptionTable(key, key.bits + EXPONENT_SLACK_BITS)


TABLE = table_of(KEY)
PHE_PRIVATE = phe.PaillierPrivateKey(phe.PaillierPublicKey(KEY.n), P, Q)


def refused(value: int) -> str:
    with pytest.raises(InvalidEncoding) as error:
        ciphertext_from_bytes(KEY, value.to_bytes(KEY.ciphertext_width, "big"))
    return error.value.reason


def good_ciphertext() -> int:
    return encrypt(TABLE, 42, random_exponent(SeededEntropy("good"), KEY))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, KEY.n - 1), st.integers(1, (1 << (KEY.bits + 128)) - 1))
def test_a_table_encrypts_as_the_formula_says_and_phe_decrypts_it(
    message: int, exponent: int
) -> None:
    ciphertext = encrypt(TABLE, message, exponent)
    direct = (1 + KEY.n * message) * pow(KEY.h_s, exponent, KEY.n_squared) % KEY.n_squared
    assert ciphertext == direct
    assert PHE_PRIVATE.raw_decrypt(ciphertext) == message


def test_a_table_at_full_size_encrypts_as_the_formula_says() -> None:
    key = PublicKey(dealt(2048).record.n)
    exponent = random_exponent(SeededEntropy("full size"), key)
    message = key.n // 3
    direct = (1 + key.n * message) * pow(key.h_s, exponent, key.n_squared) % key.n_squared
    assert encrypt(table_of(key), message, exponent) == direct


def test_windows_do_not_change_a_ciphertext() -> None:
    exponent = random_exponent(SeededEntropy("window"), KEY)
    other = SplitTable(KEY.h_s, KEY.n, TABLE.exponent_bits, WINDOW_BITS - 1, BLOCKS)
    assert other.power(exponent, 5) == encrypt(TABLE, 5, exponent)


def test_the_blinding_base_is_hashed_from_n_and_is_a_square_and_a_residue() -> None:
    assert pow(KEY.h, (P - 1) // 2, P) == 1
    assert pow(KEY.h, (Q - 1) // 2, Q) == 1
    assert KEY.h_s == pow(KEY.h, KEY.n, KEY.n_squared)
    assert PHE_PRIVATE.raw_decrypt(KEY.h_s) == 0
    assert PublicKey(dealt(256).record.n).h != KEY.h


def test_exponents_cover_their_range_and_no_more() -> None:
    bits = KEY.bits + 128
    assert random_exponent(lambda size: b"\xff" * size, KEY) == (1 << bits) - 1
    assert random_exponent(bytes, KEY) == 0


def test_the_product_of_ciphertexts_is_the_ciphertext_of_the_sum() -> None:
    entropy = SeededEntropy("sum")
    ciphertexts = [encrypt(TABLE, m, random_exponent(entropy, KEY)) for m in (5, 7, 2**40)]
    assert PHE_PRIVATE.raw_decrypt(product(KEY, ciphertexts)) == 12 + 2**40


def test_a_product_of_no_ciphertexts_is_misuse() -> None:
    with pytest.raises(ValueError, match="there must be a ciphertext"):
        product(KEY, [])


@pytest.mark.parametrize("message", [-1, KEY.n])
def test_a_message_out_of_range_is_misuse(message: int) -> None:
    with pytest.raises(ValueError, match="message"):
        encrypt(TABLE, message, 5)


@pytest.mark.parametrize("exponent", [-1, 1 << (KEY.bits + 128)])
def test_an_exponent_out_of_range_is_misuse(exponent: int) -> None:
    with pytest.raises(ValueError, match="exponent"):
        encrypt(TABLE, 1, exponent)


def test_our_encryption_refuses_to_leave_a_message_unblinded() -> None:
    with pytest.raises(ValueError, match="blind"):
        encrypt(TABLE, 1, 0)


def test_a_ciphertext_comes_back_from_its_bytes() -> None:
    data = ciphertext_to_bytes(KEY, good_ciphertext())
    assert len(data) == KEY.ciphertext_width == 2 * KEY.modulus_width == 128
    assert ciphertext_from_bytes(KEY, data) == good_ciphertext()


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=127, max_size=129))
def test_whatever_bytes_are_taken_print_as_they_were(data: bytes) -> None:
    if len(data) == KEY.ciphertext_width and 0 < int.from_bytes(data, "big") < KEY.n_squared:
        # No test will come upon the other reasons by chance.
        assert ciphertext_to_bytes(KEY, ciphertext_from_bytes(KEY, data)) == data
    else:
        with pytest.raises(InvalidEncoding) as error:
            ciphertext_from_bytes(KEY, data)
        assert error.value.reason in {"CT_ENCODING", "CT_RANGE"}


def test_zero_is_refused() -> None:
    assert refused(0) == "CT_RANGE"


def test_the_modulus_is_refused() -> None:
    assert refused(KEY.n) == "CT_NOT_UNIT"


def test_numbers_that_are_not_reduced_are_refused() -> None:
    assert refused(KEY.n_squared) == "CT_RANGE"
    assert refused(KEY.n_squared + 1) == "CT_RANGE"
    small = next(c for m in range(200) if (c := encrypt(TABLE, m, m + 1)) < KEY.n_squared // 8)
    assert PHE_PRIVATE.raw_decrypt(small + KEY.n_squared) == PHE_PRIVATE.raw_decrypt(small)
    assert refused(small + KEY.n_squared) == "CT_RANGE"


def test_a_multiple_of_a_factor_is_refused_and_points_at_the_key() -> None:
    assert refused(12345 * P) == "CT_NOT_UNIT"
    with pytest.raises(InvalidEncoding, match="compromised"):
        ciphertext_from_bytes(KEY, (7 * Q).to_bytes(KEY.ciphertext_width, "big"))


@pytest.mark.parametrize("factor", [1, 2, 12345])
def test_a_multiple_of_the_modulus_is_refused_without_a_word_on_the_key(factor: int) -> None:
    with pytest.raises(InvalidEncoding, match="which anyone can send") as caught:
        ciphertext_from_bytes(KEY, (factor * KEY.n).to_bytes(KEY.ciphertext_width, "big"))
    assert caught.value.reason == "CT_NOT_UNIT"
    assert "compromised" not in str(caught.value)


def test_a_sign_byte_is_refused() -> None:
    data = b"\0" + ciphertext_to_bytes(KEY, good_ciphertext())
    with pytest.raises(InvalidEncoding) as error:
        ciphertext_from_bytes(KEY, data)
    assert error.value.reason == "CT_ENCODING"


@pytest.mark.parametrize("change", [lambda b: b"\0\0" + b, lambda b: b[1:], lambda b: b""])
def test_another_width_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(InvalidEncoding) as error:
        ciphertext_from_bytes(KEY, change(ciphertext_to_bytes(KEY, good_ciphertext())))
    assert error.value.reason == "CT_ENCODING"


def test_a_mebibyte_is_refused_for_its_width_alone() -> None:
    with pytest.raises(InvalidEncoding) as error:
        ciphertext_from_bytes(KEY, b"\xff" * (1 << 20))
    assert error.value.reason == "CT_ENCODING"


#: Encodings of every kind: good ones, not reduced, with a factor of n, unblinded, of another width.
ENCODINGS = [
    *((good_ciphertext() + k * KEY.n).to_bytes(KEY.ciphertext_width, "big") for k in (0, 1, 2)),
    *(
        number.to_bytes(KEY.ciphertext_width, "big")
        for number in (0, KEY.n, 5 * KEY.n, 7 * P, 9 * Q, 1 + 3 * KEY.n, KEY.n - 1, KEY.n_squared)
    ),
    # A unit, blinded, and not reduced.
    (KEY.n_squared + 12345).to_bytes(KEY.ciphertext_width, "big"),
    b"",
    bytes(KEY.ciphertext_width + 1),
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(ENCODINGS[:3]), st.sampled_from(ENCODINGS)), max_size=6))
def test_many_ciphertexts_are_taken_or_refused_as_one_by_one(encoded: list[bytes]) -> None:
    def outcome(parse: Callable[[], tuple[int, ...]]) -> tuple[object, ...]:
        try:
            return parse()
        except InvalidEncoding as error:
            return error.reason, str(error)

    expected = outcome(lambda: tuple(ciphertext_from_bytes(KEY, data) for data in encoded))
    assert outcome(lambda: ciphertexts_from_bytes(KEY, encoded)) == expected


def test_unblinded_ciphertexts_are_refused() -> None:
    by_phe = phe.PaillierPublicKey(KEY.n).encrypt(1234, r_value=0).ciphertext(be_secure=False)
    assert by_phe == 1 + 1234 * KEY.n
    for value in (by_phe, KEY.n_squared - by_phe, 1, KEY.n_squared - 1):
        assert refused(value) == "CT_UNBLINDED"


def test_a_ciphertext_of_a_longer_key_is_refused() -> None:
    other = PublicKey(dealt(1024).record.n)
    data = ciphertext_to_bytes(other, encrypt(table_of(other), 1, 99))
    with pytest.raises(InvalidEncoding):
        ciphertext_from_bytes(KEY, data)


def test_a_ciphertext_of_jacobi_symbol_minus_one_is_taken() -> None:
    ciphertext = encrypt_with_root(KEY.n, 3, root_of_jacobi(KEY.n, -1))
    data = ciphertext_to_bytes(KEY, ciphertext)
    assert ciphertext_from_bytes(KEY, data) == ciphertext


def test_a_good_modulus_passes() -> None:
    check_modulus(KEY.n, 512)
    check_modulus(dealt(2048).record.n, 2048)


SMALL = 1048573
BIG_PRIME = random_prime(SeededEntropy("big prime"), 492)


@pytest.mark.parametrize(
    ("n", "reason"),
    [
        (0, "MODULUS_LENGTH"),
        (-KEY.n, "MODULUS_LENGTH"),
        (KEY.n >> 1, "MODULUS_LENGTH"),
        (KEY.n << 1, "MODULUS_LENGTH"),
        (KEY.n + 1, "MODULUS_EVEN"),
        (SMALL * BIG_PRIME, "MODULUS_SMALL_FACTOR"),
        (random_prime(SeededEntropy("prime modulus"), 512), "MODULUS_PRIME"),
        (P * P, "MODULUS_POWER"),
    ],
)
def test_a_bad_modulus_is_refused(n: int, reason: str) -> None:
    with pytest.raises(InvalidProof) as error:
        check_modulus(n, 512)
    assert error.value.reason == reason


@pytest.mark.parametrize("n", [0, 1, 4, -15])
def test_a_public_key_of_an_impossible_modulus_is_misuse(n: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        PublicKey(n)


def test_public_keys_of_one_modulus_are_equal() -> None:
    assert PublicKey(KEY.n) == KEY
    assert len({PublicKey(KEY.n), KEY}) == 1
