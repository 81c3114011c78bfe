"""Walks over the shapes that files are decoded into."""

from collections.abc import Iterator

from msgspec import inspect


def integers_of(kind: type, path: str = "") -> Iterator[tuple[str, inspect.IntType]]:
    """Every whole number of a shape without a list of values: its path and its bounds."""
    yield from _integers(inspect.type_info(kind), path)


def _integers(found: inspect.Type, path: str) -> Iterator[tuple[str, inspect.IntType]]:
    if isinstance(found, inspect.Metadata):
        yield from _integers(found.type, path)
    elif isinstance(found, inspect.IntType):
        yield path, found
    elif isinstance(found, inspect.StructType):
        for field in found.fields:
            yield from _integers(field.type, f"{path}.{field.encode_name}".lstrip("."))
    elif isinstance(found, inspect.UnionType):
        for part in found.types:
            yield from _integers(part, path)
    elif isinstance(found, inspect.ListType | inspect.VarTupleType):
        yield from _integers(found.item_type, f"{path}[0]")
    elif isinstance(found, inspect.DictType):
        yield from _integers(found.value_type, f"{path}.*")
