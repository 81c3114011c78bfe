"""Values by their types: dataclasses, maps, tuples and numbers as plain lists, and back.

The types are read once, from the annotations of the classes, and each becomes a pair of functions.
What a field may hold is thereby fixed: there are no names of classes in the bytes, as pickle has.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

from fermata.protocol.growing import GrowingList, GrowingMap

#: Integers of which msgpack has a form of its own; others are bytes.
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1
_PLAIN = (str, bytes, bool, type(None), float)

Convert = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """How values of one type are written and read; None where they are as they are."""

    write: Convert | None
    read: Convert | None


AS_IT_IS = Form(None, None)


class Forms:
    """The forms of types, made as they are asked for. ``special``: those that somebody else has."""

    def __init__(self, special: Mapping[object, Form]) -> None:
        self._forms: dict[object, Form] = dict(special)
        #: Class and field names with their types: other classes have another text.
        self.schema: list[str] = []

    def of(self, kind: Any) -> Form:
        """The form of a type. Raises TypeError for a type that has none."""
        if kind not in self._forms:
            self._forms[kind] = self._made(kind)
        return self._forms[kind]

    def _made(self, kind: Any) -> Form:
        if isinstance(kind, typing.NewType):
            return self.of(kind.__supertype__)
        if kind in _PLAIN:
            return AS_IT_IS
        if kind is int:
            return Form(_write_int, _read_int)
        if kind is Fraction:
            return Form(
                lambda v: [_write_int(v.numerator), _write_int(v.denominator)],
                lambda p: Fraction(_read_int(p[0]), _read_int(p[1])),
            )
        if kind is Decimal:
            return Form(str, Decimal)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return Form(lambda v: v.value, kind)
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return self._dataclass(kind)
        return self._generic(kind, typing.get_origin(kind), typing.get_args(kind))

    def _generic(self, kind: Any, origin: Any, args: tuple[Any, ...]) -> Form:
        if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
            return _many(self.of(args[0]), tuple)
        if origin is tuple:
            return _record([self.of(a) for a in args], tuple, lambda v: v)
        if origin is frozenset:
            return _many(self.of(args[0]), frozenset, sort=True)
        if origin is GrowingList:
            return _many(self.of(args[0]), GrowingList)
        if origin in (Mapping, dict, GrowingMap):
            return _map(self.of(args[0]), self.of(args[1]))
        if origin in (types.UnionType, typing.Union) and len(args) == 2 and type(None) in args:
            return _optional(self.of(next(a for a in args if a is not type(None))))
        raise TypeError(f"a snapshot has no form of {kind}; give the field another type")

    def _dataclass(self, kind: type[Any]) -> Form:
        hints = typing.get_type_hints(kind)
        names = [f.name for f in dataclasses.fields(kind) if f.init]
        self.schema.append(
            f"{kind.__module__}.{kind.__qualname__}: "
            + ", ".join(f"{name} {hints[name]}" for name in names)
        )
        forms = [self.of(hints[name]) for name in names]

        def fields(value: Any) -> list[Any]:
            return [getattr(value, name) for name in names]

        def make(values: Iterable[Any]) -> Any:
            return kind(**dict(zip(names, values, strict=True)))

        if any(f.kw_only for f in dataclasses.fields(kind)):
            return _record(forms, make, fields)
        return _record(forms, lambda values: kind(*values), fields)


def _write_int(value: int) -> int | bytes:
    if _INT_MIN <= value <= _INT_MAX:
        return value
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _read_int(plain: int | bytes) -> int:
    return int.from_bytes(plain, "big", signed=True) if isinstance(plain, bytes) else plain


def _many(form: Form, make: Callable[[Iterable[Any]], Any], *, sort: bool = False) -> Form:
    write, read = form.write, form.read

    def write_all(values: Iterable[Any]) -> list[Any]:
        plain = list(values) if write is None else [write(v) for v in values]
        return sorted(plain) if sort else plain

    if read is None:
        return Form(write_all, make)
    if make is tuple:
        return Form(write_all, lambda plain: tuple([read(p) for p in plain]))
    return Form(write_all, lambda plain: make(map(read, plain)))


def _record(
    forms: list[Form], make: Callable[[list[Any]], Any], fields: Callable[[Any], Iterable[Any]]
) -> Form:
    writes = [(i, form.write) for i, form in enumerate(forms) if form.write is not None]
    reads = [(i, form.read) for i, form in enumerate(forms) if form.read is not None]

    def write_all(value: Any) -> list[Any]:
        plain = list(fields(value))
        for i, write in writes:
            plain[i] = write(plain[i])
        return plain

    def read_all(plain: list[Any]) -> Any:
        for i, read in reads:
            plain[i] = read(plain[i])
        return make(plain)

    return Form(write_all, read_all)


def _map(key: Form, value: Form) -> Form:
    """A map as a mark of its kind, keys, values. A dict keeps its order, which the log gave it."""

    def write_all(items: Mapping[Any, Any]) -> list[Any]:
        keys: list[Any] = list(items)
        values = [items[k] for k in keys]
        return [
            isinstance(items, GrowingMap),
            keys if key.write is None else [key.write(k) for k in keys],
            values if value.write is None else [value.write(v) for v in values],
        ]

    def read_all(plain: list[Any]) -> Mapping[Any, Any]:
        is_growing, keys, values = plain
        read_key, read_value = key.read, value.read
        made = dict(
            zip(
                keys if read_key is None else map(read_key, keys),
                values if read_value is None else map(read_value, values),
                strict=True,
            )
        )
        return GrowingMap(made) if is_growing else made

    return Form(write_all, read_all)


def _optional(form: Form) -> Form:
    write, read = form.write, form.read
    return Form(
        None if write is None else lambda v: None if v is None else write(v),
        None if read is None else lambda p: None if p is None else read(p),
    )
