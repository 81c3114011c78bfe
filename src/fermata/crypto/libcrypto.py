"""Modular powers by OpenSSL's constant-time routine: the one place that calls a C library by hand.

The library is the libcrypto that CPython's own hashlib has loaded already, so that nothing is
searched for. ``fermata.crypto.integers`` asks for it, and takes gmpy2 where it is not there.
"""

import _hashlib
import ctypes
import hashlib
from collections.abc import Callable
from functools import cache

#: ``power(base, exponent, modulus)`` for 0 <= base < modulus, an exponent of 0 or more and an odd
#: modulus above 1; raises ValueError for others.
Power = Callable[[int, int, int], int]

#: The releases whose functions have the signatures below: OpenSSL 3.
MAJOR_VERSION = 3
#: Bits of modulus and exponent of the powers that are computed when the library is loaded.
TEST_SIZES = ((1024, 512), (3072, 128), (6144, 64))
TEST_SHA256 = "ab4d093966e6ad7d8a7ee303b91787dbfd8094abd34a72ebefb57d18941ca2b6"

_POINTER = ctypes.c_void_p
_SIGNATURES: tuple[tuple[str, object, tuple[object, ...]], ...] = (
    ("OpenSSL_version_num", ctypes.c_ulong, ()),
    ("BN_new", _POINTER, ()),
    ("BN_clear_free", None, (_POINTER,)),
    ("BN_bin2bn", _POINTER, (ctypes.c_char_p, ctypes.c_int, _POINTER)),
    ("BN_bn2binpad", ctypes.c_int, (_POINTER, ctypes.c_char_p, ctypes.c_int)),
    ("BN_CTX_new", _POINTER, ()),
    ("BN_CTX_free", None, (_POINTER,)),
    ("BN_mod_exp_mont_consttime", ctypes.c_int, (_POINTER,) * 6),
)


@cache
def constant_time_power() -> Power | None:
    """The routine, or None where CPython does not come with an OpenSSL 3 that can be called.

    It is looked for and tested at the first call. Raises RuntimeError if it computes a known power
    wrongly.
    """
    library = _load()
    if library is None:
        return None

    def power(base: int, exponent: int, modulus: int) -> int:
        if modulus < 3 or modulus % 2 == 0 or not 0 <= base < modulus or exponent < 0:
            raise ValueError(
                "a power must have an odd modulus above 1, a base below it and an exponent of 0 or"
                " more"
            )
        return _power(library, base, exponent, modulus)

    check_known_answers(power)
    return power


def check_known_answers(power: Power) -> None:
    """Computes a power of each of ``TEST_SIZES``. Raises RuntimeError if one is wrong."""
    answers = b""
    for modulus_bits, exponent_bits in TEST_SIZES:
        modulus = _test_number("modulus", modulus_bits) | 1
        exponent = _test_number("exponent", exponent_bits)
        base = _test_number("base", modulus_bits - 1)
        answers += power(base, exponent, modulus).to_bytes(modulus_bits // 8, "big")
    if hashlib.sha256(answers).hexdigest() != TEST_SHA256:
        raise RuntimeError(
            "libcrypto computes a known modular power wrongly: the OpenSSL that Python has loaded"
            " is damaged or not what it says; install it again"
        )


def _test_number(name: str, bits: int) -> int:
    """A number of exactly so many bits that everybody gets by hashing its name."""
    drawn = hashlib.shake_256(f"fermata/v1/power-test/{name}/{bits}".encode()).digest(bits // 8 + 1)
    return int.from_bytes(drawn, "big") % (1 << (bits - 1)) | 1 << (bits - 1)


def _load() -> ctypes.CDLL | None:
    """Functions of the libcrypto that ``_hashlib`` was linked with, if they are those of OpenSSL 3.

    A name is looked up in the module and in the libraries that it needs, in no others.
    """
    path = getattr(_hashlib, "__file__", None)
    if path is None:
        return None
    try:
        library = ctypes.CDLL(path)
        for name, result, arguments in _SIGNATURES:
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library if library.OpenSSL_version_num() >> 28 == MAJOR_VERSION else None


def _power(library: ctypes.CDLL, base: int, exponent: int, modulus: int) -> int:
    """One power; the other threads of Python run meanwhile.

    Its time depends on the numbers of 64-bit words of exponent and modulus. All that OpenSSL was
    given, and what it made of it, is overwritten before the memory is given back; Python's own
    integers are not, and lie in memory until they are overwritten by chance.
    """
    numbers: list[int | None] = []
    width = (modulus.bit_length() + 7) // 8
    result = ctypes.create_string_buffer(width)
    context = library.BN_CTX_new()
    try:
        numbers = [_to_bignum(library, value) for value in (base, exponent, modulus)]
        numbers.append(library.BN_new())
        is_made = context and all(numbers)
        if (
            not is_made
            or library.BN_mod_exp_mont_consttime(numbers[3], *numbers[:3], context, None) != 1
            or library.BN_bn2binpad(numbers[3], result, width) != width
        ):
            raise MemoryError("OpenSSL must have memory for a modular power, and got none")
        return int.from_bytes(result.raw, "big")
    finally:
        for number in numbers:
            library.BN_clear_free(number)
        library.BN_CTX_free(context)
        ctypes.memset(result, 0, width)


def _to_bignum(library: ctypes.CDLL, value: int) -> int | None:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    made: int | None = library.BN_bin2bn(data, len(data), None)
    return made
