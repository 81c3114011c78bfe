"""Two engines of modular powers, OpenSSL's and gmpy2's, which must never differ."""

import _hashlib
import hashlib
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fermata.crypto import integers, libcrypto
from fermata.crypto.libcrypto import check_known_answers, constant_time_power

ODD = (1 << 127) - 1
#: 64-bit words of a modulus: one, two around a power of two, a report's key and its square.
WORDS = (1, 2, 7, 8, 9, 16, 48)


@pytest.fixture
def without_libcrypto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integers, "constant_time_power", lambda: None)


@st.composite
def powers(draw: st.DrawFn) -> tuple[int, int, int]:
    """A base below an odd modulus above 1, and an exponent of 0 or more."""
    bits = 64 * draw(st.sampled_from(WORDS)) + draw(st.integers(-3, 3))
    modulus = draw(st.integers(1 << (bits - 1), (1 << bits) - 1)) | 1
    edges = st.sampled_from((0, 1, 2, modulus - 1, modulus - 2))
    base = draw(st.one_of(edges, st.integers(0, modulus - 1)))
    exponent = draw(
        st.one_of(st.integers(0, 3), st.integers(0, 1 << (64 * draw(st.integers(1, 4)))))
    )
    return base, exponent, modulus


def test_openssl_is_there() -> None:
    """The tests run with a CPython that has it; without it they would compare gmpy2 with itself."""
    assert _hashlib.__file__
    assert constant_time_power() is not None


@settings(max_examples=300, deadline=None)
@given(powers())
@example((0, 0, 3))
@example((0, 1 << 64, 3))
@example((2, (1 << 128) - 1, 3))
def test_both_engines_agree_with_pythons_own(numbers: tuple[int, int, int]) -> None:
    base, exponent, modulus = numbers
    expected = pow(base, exponent, modulus)
    power = constant_time_power()
    assert power is not None
    assert power(base, exponent, modulus) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integers, "constant_time_power", lambda: None)
        assert integers.powmod_secret(base, exponent, modulus) == expected
    assert integers.powmod_secret(base, exponent, modulus) == expected
    assert integers.powmod(base, exponent, modulus) == expected


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("bits", [511, 512, 513, 2048])
def test_a_long_public_power_agrees_with_pythons_own(bits: int, sign: int) -> None:
    modulus = (1 << 1279) - 1
    exponent = sign * ((1 << bits) - 3)
    for base in (0, 1, 3, modulus - 1, modulus + 3, -3):
        if base or sign > 0:
            assert integers.powmod(base, exponent, modulus) == pow(base, exponent, modulus)
    assert integers.powmod(5, 1 << bits, 1 << 2048) == pow(5, 1 << bits, 1 << 2048)


@pytest.mark.usefixtures("without_libcrypto")
def test_gmpy2_takes_over_where_openssl_is_missing() -> None:
    assert integers.powmod_secret(3, -(1 << 600) - 5, ODD) == pow(3, -(1 << 600) - 5, ODD)
    modulus = (1 << 1279) - 1
    assert integers.powmod(3, (1 << 600) + 5, modulus) == pow(3, (1 << 600) + 5, modulus)


def test_numbers_of_gmpy2_come_back_as_pythons_own() -> None:
    fast = integers.fast_int
    assert type(integers.powmod_secret(fast(3), fast(5), fast(ODD))) is int


@pytest.mark.parametrize(
    ("base", "exponent", "modulus"),
    [(3, -1, 7), (-1, 2, 7), (7, 2, 7), (3, 2, 8), (3, 2, 1), (3, 2, 0), (3, 2, -7)],
)
def test_the_engine_refuses_what_openssl_does_not_define(
    base: int, exponent: int, modulus: int
) -> None:
    power = constant_time_power()
    assert power is not None
    with pytest.raises(ValueError, match="odd modulus above 1"):
        power(base, exponent, modulus)


def test_an_engine_that_computes_wrongly_is_not_used() -> None:
    check_known_answers(pow)
    for wrong in (
        lambda base, exponent, modulus: pow(base, exponent + 1, modulus),
        lambda base, exponent, modulus: (
            pow(base, exponent, modulus) ^ (modulus.bit_length() > 6000)
        ),
        lambda base, exponent, modulus: 0,
    ):
        with pytest.raises(RuntimeError, match="install it again"):
            check_known_answers(wrong)


@pytest.mark.parametrize("path", [None, "/nowhere/libcrypto.so", hashlib.__file__])
def test_a_library_that_cannot_be_called_is_passed_over(
    path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_hashlib, "__file__", path)
    constant_time_power.cache_clear()
    try:
        assert constant_time_power() is None
        assert integers.powmod_secret(3, 5, ODD) == 243
    finally:
        constant_time_power.cache_clear()


@pytest.mark.parametrize("major", [1, 2, 4])
def test_another_version_is_passed_over(major: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypto, "MAJOR_VERSION", major)
    constant_time_power.cache_clear()
    try:
        assert constant_time_power() is None
    finally:
        constant_time_power.cache_clear()


def test_many_powers_leave_no_memory_behind() -> None:
    """Ten thousand powers that each left a number of 48 words behind would add 900 pages."""
    script = (
        "from pathlib import Path\n"
        "from fermata.crypto.integers import powmod_secret\n"
        "n = (1 << 3072) - 1103717\n"
        "def pages(): return int(Path('/proc/self/statm').read_text().split()[1])\n"
        "for _ in range(200): powmod_secret(n - 3, 3, n)\n"
        "before = pages()\n"
        "for _ in range(10000): powmod_secret(n - 3, 3, n)\n"
        "print(pages() - before)\n"
    )
    grown = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert int(grown.stdout) < 256
