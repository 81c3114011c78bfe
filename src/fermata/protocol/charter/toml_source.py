"""TOML files read strictly: unknown keys are errors, and every error names its line.

A number of a file is foreign until its domain is checked. So every integer of a ``Strict`` shape
has bounds in its type, ``Annotated[int, Meta(ge=..., le=...)]`` or a ``Literal``, and ``decode``
refuses a number outside of them before any code computes with it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn, TypeVar

import msgspec
from msgspec import Meta, inspect

from fermata.errors import ConfigError

T = TypeVar("T")
#: The parser's time grows with the square of a dotted key's depth: minutes for a large file.
LINE_DOTS_MAX = 64


YEAR_S = 366 * 86400
#: Beyond these, a number in a charter is a mistake.
ROUNDS_LIMIT = 1_000_000
#: A duration of a charter.
Seconds = Annotated[int, Meta(ge=1, le=YEAR_S, description="seconds, at most a year")]
#: A round's number, or a number of rounds.
Rounds = Annotated[int, Meta(ge=1, le=ROUNDS_LIMIT, description="rounds")]
RoundsOrNone = Annotated[int, Meta(ge=0, le=ROUNDS_LIMIT, description="rounds; 0 for no limit")]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the shapes that files are decoded into."""


class TomlSource:
    """The bytes of a file, with its name in messages and the reason of its errors.

    ``faults``: where to collect messages instead of raising at the first; see ``part``.
    """

    def __init__(
        self,
        data: bytes,
        name: str,
        reason: str,
        bytes_max: int = 256 * 1024,
        faults: list[str] | None = None,
    ) -> None:
        self.faults = faults
        #: The line of the last fault, None if it is of the whole file.
        self.fault_line: int | None = None
        self._data = data
        self._name = name
        self._reason = reason
        self._bytes_max = bytes_max
        self._lines = data.decode("utf-8", "replace").split("\n")

    def fail(self, path: str, what: str) -> NoReturn:
        """Raises ConfigError: ``what`` is wrong at a path such as ``metric[2].min``.

        The message names the file and the line. An empty path stands for the whole file.
        """
        line = self.fault_line = self._line(path)
        where = f"{self._name} line {line}" if line else self._name
        key = f"{path}: " if path else ""
        # What is quoted from the file must not move a terminal's cursor.
        message = "".join(c if c.isprintable() else "?" for c in f"{where}: {key}{what}")
        raise ConfigError(self._reason, message)

    @contextmanager
    def part(self) -> Iterator[None]:
        """Runs checks that stand by themselves.

        Where faults are collected, the first one of these checks is kept and what follows is
        checked too; otherwise it is raised.
        """
        try:
            yield
        except ConfigError as fault:
            if self.faults is None or fault.reason != self._reason:
                raise
            self.faults.append(str(fault))

    def without_line(self, number: int) -> "TomlSource":
        """The same file with an empty line in the place of this one (from 1)."""
        lines = self._data.split(b"\n")
        lines[number - 1] = b""
        data = b"\n".join(lines)
        return TomlSource(data, self._name, self._reason, self._bytes_max, self.faults)

    def fail_unknown(self, path: str, kind: str, name: str) -> NoReturn:
        """Raises ConfigError: a key must name ``kind`` ("a lab"), and ``name`` is not one."""
        self.fail(path, f"must name {kind}, and {name} is not one")

    def fail_repeated(self, path: str, name: str) -> NoReturn:
        """Raises ConfigError: an id that another table of the same kind has already."""
        self.fail(path, f"must be unique, got {name} again")

    def decode(self, kind: type[T]) -> T:
        """The file as ``kind``, a Strict. Raises ConfigError with the line."""
        # C1.1: a stranger does not decide on our memory and time.
        if len(self._data) > self._bytes_max:
            self.fail("", f"must have at most {self._bytes_max} bytes, got {len(self._data)}")
        for number, line in enumerate(self._lines, 1):
            # C1.2: the parser would work for minutes.
            if line.count(".") > LINE_DOTS_MAX and not line.lstrip().startswith("#"):
                self.fail("", f"line {number} must have at most {LINE_DOTS_MAX} dots")
        try:
            # C1.3: no misspelt key is ignored, no number is foreign.
            return msgspec.toml.decode(self._data, type=kind)
        except msgspec.ValidationError as error:
            what, _, path = str(error).partition(" - at `$")
            path = path.rstrip("`").lstrip(".")
            unknown = re.search(r"unknown field `(.*)`", what)
            if unknown:
                path = f"{path}.{unknown[1]}" if path else unknown[1]
                what = "is not a key of this table; remove it, or correct its spelling"
            domain = _domain_text(kind, path)
            if domain and ", got `" not in what:
                what = f"must be {domain}"
            self.fail(path, what[:1].lower() + what[1:])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.fail("", f"must be TOML: {error}")
        except (ValueError, RecursionError):
            self.fail("", "must be TOML with shallower nesting and shorter numbers")

    def _line(self, path: str) -> int | None:
        """The line of a key, or of its table's heading; None if neither is found."""
        table, _, key = path.rpartition(".")
        if not table and "[" in path:
            table, key = path, ""
        key = key.partition("[")[0]
        name, _, index = table.partition("[")
        wanted = int(index.rstrip("]")) if index.rstrip("]").isdigit() else 0
        seen, current, heading = -1, not table, None
        for number, line in enumerate(self._lines, 1):
            text = line.strip()
            if text.startswith("["):
                title = text.lstrip("[").split("]")[0].strip()
                if not table and key and title == key:
                    return number
                here = title == name
                seen += here
                current = here and seen == wanted
                heading = number if current else heading
            elif current and key and re.match(rf"{re.escape(key)}\s*=", text):
                return number
        if heading is None and "." in table:
            # An inline table: the key that it stands under.
            return self._line(table)
        return heading


def domain_of(kind: type, path: str) -> inspect.Type | None:
    """The type of the key at a path such as ``rule[2].for_rounds`` in a shape, or None."""
    type_info: inspect.Type | None = inspect.type_info(kind)
    for word in re.split(r"[.\[]", path):
        parts = type_info.types if isinstance(type_info, inspect.UnionType) else (type_info,)
        type_info = next((inner for part in parts if (inner := _step(part, word))), None)
    return type_info


def _step(type_info: inspect.Type | None, word: str) -> inspect.Type | None:
    if isinstance(type_info, inspect.StructType):
        return next((f.type for f in type_info.fields if f.encode_name == word), None)
    if isinstance(type_info, inspect.ListType | inspect.VarTupleType) and word.endswith("]"):
        return type_info.item_type
    return type_info.value_type if isinstance(type_info, inspect.DictType) else None


def _domain_text(kind: type, path: str) -> str:
    """The range of the whole number at this path, in words; empty for a key of another type."""
    domain = domain_of(kind, path)
    parts = domain.types if isinstance(domain, inspect.UnionType) else (domain,)
    for part in parts:
        plain = part.type if isinstance(part, inspect.Metadata) else part
        if isinstance(plain, inspect.IntType):
            return f"a whole number from {plain.ge} to {plain.le}"
        if isinstance(plain, inspect.LiteralType) and isinstance(plain.values[0], int):
            return f"one of {', '.join(map(str, plain.values))}"
    return ""
