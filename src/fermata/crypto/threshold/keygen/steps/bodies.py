"""How a party's words of one turn stand in bytes (docs/spec/keys.md, K13).

A body begins with its kind. Ordinary words go on with a digest for each private body that the
sender sends in this turn, by ascending receiver, and then the payload of the step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fermata.crypto.threshold.keygen.work.pieces import DIGEST_BYTES

WORDS, COMPLAINT, ANSWERS, SILENCE = 1, 2, 3, 4
_LENGTH_BYTES = 4


class Fault(Exception):
    """What is wrong with a message, before it is said whose it is; ``reason`` is one of K13's."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Words:
    """``digests``: one after another, by receiver; ``payload``: what the step asks for."""

    digests: bytes
    payload: bytes


def encode_words(digests: bytes, payload: bytes) -> bytes:
    """An ordinary body."""
    return bytes([WORDS]) + digests + payload


def kind_of(body: bytes) -> int:
    """The kind of a body; 0 for none."""
    return body[0] if body else 0


def decode_words(body: bytes, digests: int) -> Words:
    """The parts of an ordinary body with so many digests. Raises Fault KEYGEN_ENCODING."""
    width = digests * DIGEST_BYTES
    if kind_of(body) != WORDS or len(body) < 1 + width:
        raise encoding_fault("must be the words of this step")
    return Words(body[1 : 1 + width], body[1 + width :])


def encode_complaint(accused: Sequence[int]) -> bytes:
    """A body that names whose private bodies its sender cannot use, ascending."""
    return bytes([COMPLAINT, *accused])


def decode_complaint(body: bytes, others: Sequence[int]) -> list[int]:
    """Whom a complaint names. Raises Fault KEYGEN_ENCODING."""
    accused = list(body[1:])
    if not accused or accused != sorted(set(accused) & set(others)):
        raise encoding_fault("a complaint must name other auditors, each once and in order")
    return accused


def encode_answers(bodies: Sequence[bytes]) -> bytes:
    """A body that shows the private bodies that were complained of."""
    parts = [len(body).to_bytes(_LENGTH_BYTES, "big") + body for body in bodies]
    return bytes([ANSWERS]) + b"".join(parts)


def decode_answers(body: bytes, count: int) -> list[bytes]:
    """The ``count`` bodies that are shown. Raises Fault KEYGEN_ENCODING."""
    at, bodies = 1, []
    for _ in range(count):
        length = int.from_bytes(body[at : at + _LENGTH_BYTES], "big")
        bodies.append(body[at + _LENGTH_BYTES : at + _LENGTH_BYTES + length])
        at += _LENGTH_BYTES + length
    if body != encode_answers(bodies):
        raise encoding_fault(f"must show {count} private bodies and nothing else")
    return bodies


def encoding_fault(text: str) -> Fault:
    """Bytes that are not what the step asks for."""
    return Fault("KEYGEN_ENCODING", text)


def check_length(payload: bytes, count: int) -> None:
    """Raises Fault KEYGEN_ENCODING unless the payload has so many bytes."""
    if len(payload) != count:
        raise encoding_fault(f"must have {count} bytes, got {len(payload)}")


def decode_numbers(data: bytes, moduli: Sequence[int], widths: Sequence[int]) -> list[int]:
    """Big-endian numbers, each below its modulus. Raises Fault KEYGEN_ENCODING."""
    check_length(data, sum(widths))
    at, numbers = 0, []
    for modulus, width in zip(moduli, widths, strict=True):
        number = int.from_bytes(data[at : at + width], "big")
        if number >= modulus:
            raise encoding_fault("a number must be below its modulus")
        numbers.append(number)
        at += width
    return numbers
