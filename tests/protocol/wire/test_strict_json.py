"""The one reader of JSON: what it takes is JSON of bounded size, depth and numbers."""

import ast
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fermata
from fermata.protocol.wire.strict_json import (
    DEPTH_MAX,
    DuplicateKey,
    NotJson,
    decode_json,
    parse_json,
)

SIZE = 1 << 20
BAD = {
    "nothing": b"",
    "space": b" \n",
    "truncated": b'{"a": [1, 2',
    "two documents": b"1 2",
    "4,000 brackets": b"[" * 4000,
    "4,000 closed brackets": b"[" * 4000 + b"]" * 4000,
    "400,000 brackets": b"[" * 400_000,
    "101 objects": b'{"a":' * 102 + b"1" + b"}" * 102,
    "a byte that is not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "a key twice": b'{"a": 1, "a": 2}',
    "a key twice, deep": b'[{"b": {"a": 1, "\\u0061": 2}}]',
    "NaN": b"[NaN]",
    "infinity": b"[-Infinity]",
    "an infinite number": b"[1e999]",
    "2^64": b"[18446744073709551616]",
    "below -2^63": b"[-9223372036854775809]",
    "5,000 digits": b"[" + b"9" * 5000 + b"]",
    "half a surrogate pair": b'["\\ud800"]',
    "half a surrogate pair as a key": b'{"\\udfff": 1}',
    "a control character": b'["\x01"]',
    "too large": b'"' + b"x" * SIZE + b'"',
}


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    number: int


@pytest.mark.parametrize("what", BAD)
def test_what_is_not_strict_json_is_refused(what: str) -> None:
    with pytest.raises(NotJson):
        parse_json(BAD[what], SIZE)
    with pytest.raises(NotJson):
        decode_json(BAD[what], Shape, SIZE)


@pytest.mark.parametrize("document", [b"[]", b"1", b'{"name": 1, "number": 1}', b'{"name": "a"}'])
def test_another_shape_is_refused(document: bytes) -> None:
    with pytest.raises(NotJson, match="keys and types"):
        decode_json(document, Shape, SIZE)


def test_a_key_that_stands_twice_is_named() -> None:
    with pytest.raises(DuplicateKey) as caught:
        parse_json(b'{"a": 1, "b": 1, "b": 2}', SIZE)
    assert caught.value.key == "b"


def test_the_largest_depth_and_integers_are_taken() -> None:
    deep = b"[" * DEPTH_MAX + b"1" + b"]" * DEPTH_MAX
    assert parse_json(deep, SIZE) == json.loads(deep)
    with pytest.raises(NotJson, match="nested"):
        parse_json(b"[" + deep + b"]", SIZE)
    assert parse_json(b"[-9223372036854775808, 18446744073709551615]", SIZE) == [
        -(2**63),
        2**64 - 1,
    ]


def test_a_size_at_the_bound_is_taken_and_one_byte_more_is_not() -> None:
    assert parse_json(b'"xx"', 4) == "xx"
    with pytest.raises(NotJson, match="at most 3 bytes, got 4"):
        parse_json(b'"xx"', 3)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
)


@given(VALUES)
def test_what_python_writes_is_read_as_it_was(value: object) -> None:
    assert parse_json(json.dumps(value).encode(), SIZE) == value


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse_json(data, SIZE)
    except NotJson as error:
        assert str(error).isprintable()  # noqa: PT017


def test_nothing_else_in_the_source_reads_json_or_toml() -> None:
    readers = {"strict_json.py", "toml_source.py", "documents.py"}
    banned = {("json", "load"), ("json", "loads"), ("json", "decode"), ("json", "JSONDecoder")}
    banned |= {("json", "Decoder"), ("toml", "decode"), ("tomllib", "load"), ("tomllib", "loads")}
    found = []
    for path in sorted(Path(fermata.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                owner = node.value
                name = getattr(owner, "id", getattr(owner, "attr", ""))
                if (name, node.attr) in banned and path.name not in readers:
                    found.append(f"{path.name}:{node.lineno}")
            if isinstance(node, ast.ImportFrom) and node.module in (
                "json",
                "msgspec.json",
                "tomllib",
            ):
                found.append(f"{path.name}:{node.lineno}")
    assert found == []
