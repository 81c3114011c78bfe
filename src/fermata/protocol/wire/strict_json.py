"""The one reader of JSON: every JSON file, answer and payload goes through it.

Python's own reader takes more than RFC 8259 allows or a program can bear: a key that stands twice
(the last one wins, and another reader may take the first), NaN, integers of any length, lone
surrogates that no file can hold, and nesting until the interpreter's stack ends.
"""

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import msgspec

T = TypeVar("T")
#: Steps from the top to a value.
DEPTH_MAX = 100
#: What a 64-bit signed or unsigned integer holds; larger ones are written as strings.
INT_MIN, INT_MAX = -(1 << 63), (1 << 64) - 1
#: Characters of INT_MIN and INT_MAX, which is all that may have to be parsed.
_INT_CHARACTERS = 20


class NotJson(ValueError):
    """The bytes are not JSON that is read here; the message says why, and quotes none of them."""


class DuplicateKey(NotJson):
    """A key stands twice in one object. ``key`` is foreign text."""

    def __init__(self, key: str) -> None:
        super().__init__("a key stands twice in one object")
        self.key = key


def parse_json(data: bytes, bytes_max: int, number: Callable[[str], Any] | None = None) -> Any:
    """A JSON document (RFC 8259) of at most ``bytes_max`` bytes of UTF-8.

    Integers must fit 64 bits and other numbers must be finite; ``number``, if given, makes what
    stands for every number, also for NaN and the infinities, from its text. Raises NotJson.
    """
    if len(data) > bytes_max:
        raise NotJson(f"must have at most {bytes_max} bytes, got {len(data)}")
    try:
        document = json.loads(
            data.decode("utf-8"),
            parse_int=number or _integer,
            parse_float=number or _finite,
            parse_constant=number or _constant,
            object_pairs_hook=_unique,
        )
    except NotJson:
        raise
    except UnicodeDecodeError:
        raise NotJson("must be UTF-8") from None
    except RecursionError:
        _refuse_depth()
    except ValueError:
        raise NotJson("must be JSON") from None
    _check(document)
    return document


def decode_json(data: bytes, kind: type[T], bytes_max: int) -> T:
    """The document as ``kind``, such as a msgspec.Struct. Raises NotJson, also for other shapes."""
    document = parse_json(data, bytes_max)
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError:
        raise NotJson("must have the keys and types of its form") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateKey(key)
            seen.add(key)
    return members


def _integer(text: str) -> int:
    value = int(text) if len(text) <= _INT_CHARACTERS else INT_MAX + 1
    if not INT_MIN <= value <= INT_MAX:
        raise NotJson("integers must fit 64 bits")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotJson("numbers must be finite")
    return value


def _constant(text: str) -> NoReturn:
    raise NotJson("NaN and infinities are not JSON")


def _refuse_depth() -> NoReturn:
    raise NotJson(f"must be nested at most {DEPTH_MAX} deep")


def _check(document: Any) -> None:
    """Depth and text of what was parsed; level by level, so that depth costs no stack here."""
    level = [document]
    for _ in range(DEPTH_MAX + 1):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(value)
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
            elif isinstance(value, str) and not value.isascii():
                _check_text(value)
        if not inner:
            return
        level = inner
    _refuse_depth()


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotJson("text must not have half a surrogate pair") from None
