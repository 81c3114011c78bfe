"""Short reprs of records, and tables of them for notebooks.

The repr that dataclasses generate prints all that a record holds. Of a state that is every number
of every report, which buries the prompt of whoever looks at a result.

    >>> from dataclasses import dataclass
    >>> @short_repr()
    ... @dataclass(frozen=True)
    ... class Lot:
    ...     name: str
    ...     numbers: tuple[int, ...]
    >>> Lot("a", (1, 2, 3))
    Lot(name='a', numbers=(3 items))
    >>> Lot("<b>", ())._repr_html_()[:45]
    '<table><tr><th>name</th><td>&lt;b&gt;</td></t'
"""

import html
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

#: Characters of a repr, and of one value in it; and of a value in a table for notebooks.
REPR_CHARS_MAX, VALUE_CHARS_MAX, CELL_CHARS_MAX = 240, 44, 120
#: Rows of a table for notebooks.
ROWS_MAX = 60
_INT_BITS_MAX = 64
#: The attribute of a class that says what of its records is shown.
_NAMES = "_names_of_repr"

C = TypeVar("C", bound=type[Any])
R = TypeVar("R")


def short_repr(names: str = "", rows: str = "") -> Callable[[C], C]:
    """A decorator that gives a dataclass a short ``repr`` and ``_repr_html_``.

    ``names``: the attributes that are shown, in their order; all fields of the dataclass, if empty.
    ``rows``: the attribute whose records a notebook shows as a table below.
    """

    def decorate(kind: C) -> C:
        def _repr_html_(record: object) -> str:
            table = rows_html(getattr(record, rows)) if rows else ""
            return record_html(record) + table

        attributes = tuple(names.split()) or tuple(f.name for f in fields(kind) if f.repr)
        given = {_NAMES: attributes, "__repr__": _short, "_repr_html_": _repr_html_}
        for name, value in given.items():
            setattr(kind, name, value)
        return kind

    return decorate


class Records(tuple[R, ...]):
    """Records of one kind, in their order: a tuple that says how many it has, and is a table in
    a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        kind = f" {type(self[0]).__name__}" if self else ""
        return f"{type(self).__name__}({len(self)}{kind})"

    def _repr_html_(self) -> str:
        return rows_html(self)


def brief(value: object, chars_max: int = VALUE_CHARS_MAX) -> str:
    """A value in a few characters; of what holds other values, how many they are."""
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes {value[:4].hex()}>"
    if isinstance(value, int) and not isinstance(value, bool) and _is_large(value):
        return f"<integer of {value.bit_length()} bits>"
    if isinstance(value, Mapping):
        return f"{{{len(value)} items}}" if value else "{}"
    if isinstance(value, Sequence | Set) and not isinstance(value, str):
        return f"({len(value)} items)" if value else "()"
    # The repr of a foreign type may be of any length, so only those of plain values are asked for.
    text = f"<{type(value).__name__}>" if is_dataclass(value) else _plain(value)
    return text if len(text) <= chars_max else f"{text[: chars_max - 3]}..."


def record_html(record: object) -> str:
    """A table of a record's attributes, escaped."""
    names: tuple[str, ...] = getattr(record, _NAMES)
    rows = (
        f"<tr><th>{html.escape(name)}</th><td>{_cell(getattr(record, name))}</td></tr>"
        for name in names
    )
    return f"<table>{''.join(rows)}</table>"


def rows_html(records: Sequence[object]) -> str:
    """A table with a row for each of at most ``ROWS_MAX`` records, escaped."""
    if not records:
        return "<p>nothing</p>"
    names: tuple[str, ...] = getattr(records[0], _NAMES)
    lines = [f"<tr>{''.join(f'<th>{html.escape(name)}</th>' for name in names)}</tr>"]
    for record in records[:ROWS_MAX]:
        cells = (f"<td>{_cell(getattr(record, name))}</td>" for name in names)
        lines.append(f"<tr>{''.join(cells)}</tr>")
    more = len(records) - ROWS_MAX
    foot = f"<p>and {more} more</p>" if more > 0 else ""
    return f"<table>{''.join(lines)}</table>{foot}"


def _cell(value: object) -> str:
    """A value for a table, escaped; texts without the quotes of a program."""
    if isinstance(value, tuple) and value and all(isinstance(part, str) for part in value):
        value = "; ".join(value)
    text = str(value) if isinstance(value, str) else brief(value, CELL_CHARS_MAX)
    return html.escape(text if len(text) <= CELL_CHARS_MAX else f"{text[: CELL_CHARS_MAX - 3]}...")


def _short(record: object) -> str:
    text, comma = f"{type(record).__name__}(", ""
    names: tuple[str, ...] = getattr(record, _NAMES)
    for name in names:
        more = f"{comma}{name}={brief(getattr(record, name))}"
        if len(text) + len(more) > REPR_CHARS_MAX - len(", ...)"):
            return f"{text}{comma}...)"
        text, comma = text + more, ", "
    return f"{text})"


def _is_large(value: int) -> bool:
    return value.bit_length() > _INT_BITS_MAX


def _plain(value: object) -> str:
    """The repr of a value; of a fraction or a decimal with many digits, its size alone."""
    numerator, denominator = (getattr(value, name, 0) for name in ("numerator", "denominator"))
    parts = [part for part in (numerator, denominator) if isinstance(part, int)]
    if any(map(_is_large, parts)):
        return f"<{type(value).__name__} of {max(part.bit_length() for part in parts)} bits>"
    return repr(value)
