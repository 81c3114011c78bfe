"""Cosignatures of several heads as text: one form, and nothing in it that a reader trips over."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.signing import SigningKey
from fermata.errors import InvalidEncoding
from fermata.log.checkpoint import Checkpoint, cosign, sign_checkpoint
from fermata.protocol.wire.ports import Witness
from fermata.protocol.wire.witnesses import (
    WITNESSES_BYTES_MAX,
    decode_witnesses,
    encode_witnesses,
)

KEY = SigningKey.from_seed(bytes(32))
ORIGIN = "demo.fermata/log"
NOTE = sign_checkpoint(Checkpoint(ORIGIN, 5, bytes(32)), ORIGIN, KEY.sign, KEY.public_key)


def line_of(name: str) -> bytes:
    return cosign(NOTE, name, KEY.sign, KEY.public_key, 1_000_000)


def witness(auditor: str, size: int = 5) -> Witness:
    return Witness(auditor, size, line_of(f"demo.fermata/auditor/{auditor}"))


A, B = witness("a", 57), witness("b", 1)
TEXT = encode_witnesses([B, A])
LINE_A, LINE_B = TEXT.splitlines(keepends=True)


def test_the_text_of_cosignatures_is_a_line_for_each_auditor_in_order() -> None:
    assert b"57 " + A.line + b"1 " + B.line == TEXT
    assert decode_witnesses(TEXT) == [A, B]
    assert (encode_witnesses([]), decode_witnesses(b"")) == (b"", [])


REFUSED = {
    "too long": (b"\n" * (WITNESSES_BYTES_MAX + 1), "SIZE"),
    "too many lines": (encode_witnesses(witness(f"a{n:02}") for n in range(33)), "WITNESSES"),
    "no size": (A.line, "WITNESSES"),
    "a size of 0": (b"0 " + A.line, "WITNESSES"),
    "a zero before the size": (b"057 " + A.line, "WITNESSES"),
    "a sign before the size": (b"+57 " + A.line, "WITNESSES"),
    "a size that no head has": (b"%d " % 2**63 + A.line, "WITNESSES"),
    "a size of many digits": (b"1" * 5000 + b" " + A.line, "WITNESSES"),
    "no line after the size": (b"57\n", "WITNESSES"),
    "two spaces": (b"57  " + A.line, "NOTE"),
    "a control character": (LINE_A[:-1] + b"\x07\n", "NOTE"),
    "a carriage return": (LINE_A[:-1] + b"\r\n", "NOTE"),
    "no newline at the end": (TEXT[:-1], "NOTE"),
    "a line that is not an auditor's": (b"57 " + line_of(ORIGIN), "WITNESSES"),
    "another order": (LINE_B + LINE_A, "WITNESSES"),
    "an auditor with two lines": (LINE_A + b"58 " + A.line, "WITNESSES"),
    "an empty line": (LINE_A + b"\n", "WITNESSES"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_text_that_the_encoder_would_not_write_is_refused(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(InvalidEncoding) as caught:
        decode_witnesses(data)
    assert caught.value.reason == reason


def test_what_the_encoder_writes_at_its_limits_is_read() -> None:
    most = [witness(f"a{n:02}", 2**63 - 1 - n) for n in range(32)]
    assert decode_witnesses(encode_witnesses(most)) == most


@given(st.binary(max_size=40), st.integers(0, len(TEXT)), st.integers(0, 4))
@settings(max_examples=200, deadline=None)
def test_any_other_bytes_are_refused_or_are_in_their_one_form(
    new: bytes, start: int, cut: int
) -> None:
    data = TEXT[:start] + new + TEXT[start + cut :]
    try:
        witnesses = decode_witnesses(data)
    except InvalidEncoding:
        return
    assert encode_witnesses(witnesses) == data
