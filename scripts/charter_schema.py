"""Writes docs/spec/charter-schema.md: every key of a charter, from the shapes that parse it.

``--check`` compares only; a test runs it.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import inspect

from fermata.protocol.charter.parse import CharterText

FILE = Path(__file__).resolve().parent.parent / "docs" / "spec" / "charter-schema.md"
HEAD = """# The charter's keys

Normative. Generated from the code by `scripts/charter_schema.py`; do not edit. A key that is not
here is an error, and so is a number outside of its bounds. What the keys mean, and which
combinations of them are refused, is said in [charter.md](charter.md) and the documents it names.
A *decimal* is a string such as `"0.25"`: at most 30 digits on each side of the point, no exponent,
no leading zeros, no negative zero.

"""


def plain(found: inspect.Type) -> inspect.Type:
    """A type without its description, and without None."""
    if isinstance(found, inspect.Metadata):
        return plain(found.type)
    if isinstance(found, inspect.UnionType):
        (only,) = (t for t in found.types if not isinstance(t, inspect.NoneType))
        return plain(only)
    return found


def described(found: inspect.Type) -> str:
    """The unit of a number, as its type says."""
    parts = found.types if isinstance(found, inspect.UnionType) else (found,)
    texts = (p.extra_json_schema for p in parts if isinstance(p, inspect.Metadata))
    return next((str(t["description"]) for t in texts if t), "")


def words(found: inspect.Type) -> str:
    """A type and its domain in words."""
    kind = plain(found)
    if isinstance(kind, inspect.IntType):
        return f"{kind.ge} to {kind.le}" + (f" ({described(found)})" if described(found) else "")
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(
            f"`{v}`" if isinstance(v, int) else f'`"{v}"`' for v in kind.values
        )
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return f"list of {words(kind.item_type)}"
    if isinstance(kind, inspect.DictType):
        return f"table of {words(kind.value_type)}"
    return {"StrType": "string", "BoolType": "true or false"}[type(kind).__name__]


def table_of(found: inspect.Type) -> inspect.StructType | None:
    """The shape of a table or of a list of tables."""
    kind = plain(found)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        kind = plain(kind.item_type)
    return kind if isinstance(kind, inspect.StructType) else None


def tables(found: inspect.StructType, heading: str = "") -> Iterator[str]:
    """One section for a table, then those for the tables in it."""
    yield f"## {f'`{heading}`' if heading else 'Top of the file'}\n"
    yield "| key | type | default |"
    yield "|---|---|---|"
    inner = []
    for field in found.fields:
        shape = table_of(field.type)
        if shape is not None:
            many = isinstance(plain(field.type), inspect.ListType | inspect.VarTupleType)
            name = f"{heading.strip('[]')}.{field.encode_name}".lstrip(".")
            inner.append((shape, f"[[{name}]]" if many else f"[{name}]", field.required))
            continue
        default = (
            "required" if field.required else f"`{msgspec.json.encode(given(field)).decode()}`"
        )
        yield f"| `{field.encode_name}` | {words(field.type)} | {default} |"
    yield ""
    for shape, name, required in inner:
        yield from tables(shape, name)
        yield "This table is required.\n" if required else "This table may be left out.\n"


def given(field: inspect.Field) -> object:
    """The default of a field."""
    if field.default is not msgspec.NODEFAULT:
        return field.default
    return field.default_factory() if callable(field.default_factory) else None


def page() -> str:
    """The document."""
    root = inspect.type_info(CharterText)
    if not isinstance(root, inspect.StructType):
        raise TypeError("the charter's shape is not a struct")
    return HEAD + "\n".join(tables(root)).rstrip() + "\n"


def main() -> int:
    """Writes the document, or returns 1 with ``--check`` if it is not what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        FILE.write_text(page())
        return 0
    if FILE.exists() and FILE.read_text() == page():
        return 0
    print(f"{FILE.name} is out of date: run python scripts/charter_schema.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
