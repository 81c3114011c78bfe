"""The files that a path of the configuration means, each read once, whole, and bounded."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from fermata.errors import ConfigError
from fermata.node.files import read_file, stamp

FILE_BYTES_MAX = 32 * 1024 * 1024
FILES_MAX = 1000
PERIOD = "{period}"
_WILD = re.compile(r"[*?\[]")
#: What SQLite leaves beside a database that is being written, or was when it was copied.
_SQLITE_COMPANIONS = ("-journal", "-wal")
_SQLITE_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read: its name for people, and the bytes, which alone are looked at.

    ``companions``: files of its folder that say what it is about.
    """

    name: str
    data: bytes = field(repr=False)
    companions: tuple["SourceFile", ...] = field(default=(), compare=False)


def path_fault(path: str) -> str:
    """What is wrong with a path as the configuration has it; empty if nothing is."""
    if not Path(path).name or not path.isprintable():
        return "must be the path of a file, of printable characters"
    if "**" in path:
        return "must not have **; name each folder, or use * for it"
    if path.count(PERIOD) > 1 or set("{}") & set(path.replace(PERIOD, "")):
        return "has braces that are not one {period}"
    return ""


def find_files(folder: Path, pattern: str, period: str) -> list[Path]:
    """The files that a pattern means, in order; relative to ``folder``.

    A link is followed only to what lies below the pattern's fixed part: else a link in a folder
    of logs could have any file of this machine read. Raises ConfigError SOURCE_PATH.
    """
    parts = Path(pattern.replace(PERIOD, period)).parts
    wild = next((i for i, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
    base = folder.joinpath(*parts[:wild]).absolute()
    try:
        paths = sorted(base.glob(str(Path(*parts[wild:]))))[: FILES_MAX + 1]
        root = base.resolve()
        outside = [path for path in paths if not path.resolve().is_relative_to(root)]
    except (OSError, ValueError, RuntimeError):
        raise ConfigError("SOURCE_PATH", f"{base}: cannot be looked through") from None
    if outside:
        raise ConfigError(
            "SOURCE_PATH", f"{outside[0]}: is a link to outside {base}; copy the file there"
        )
    if len(paths) > FILES_MAX:
        raise ConfigError(
            "SOURCE_PATH", f"{base}: more than {FILES_MAX} files match; narrow the path"
        )
    return [path for path in paths if not path.is_dir()]


def read_source(path: Path, folder: Path) -> SourceFile:
    """A file's bytes, of at most FILE_BYTES_MAX. Raises ConfigError.

    SOURCE_CHANGING if it was written meanwhile or is: try again when it is whole.
    """
    before = stamp(path)
    data = read_file(path, FILE_BYTES_MAX)
    if stamp(path) != before:
        raise ConfigError("SOURCE_CHANGING", f"{path}: was written while it was read")
    if data.startswith(_SQLITE_MAGIC):
        _check_settled(path)
    name = path.relative_to(folder) if path.is_relative_to(folder) else path
    return SourceFile(str(name), data)


def read_companion(path: Path, top: Path, folder: Path) -> SourceFile:
    """A file beside a source, which must lie in ``top`` wherever links lead. Raises ConfigError."""
    if not path.resolve().is_relative_to(top.resolve()):
        raise ConfigError("SOURCE_PATH", f"{path}: is a link to outside {top}; copy the file there")
    return read_source(path, folder)


def stamp_files(paths: list[Path]) -> tuple[object, ...]:
    """What changes when one of the files does."""
    companions = ("", *_SQLITE_COMPANIONS)
    return tuple(
        (str(path), *(stamp(path.with_name(path.name + suffix)) for suffix in companions))
        for path in paths
    )


def _check_settled(path: Path) -> None:
    """Refuses a database whose newest state is in another file."""
    for suffix in _SQLITE_COMPANIONS:
        companion = path.with_name(path.name + suffix)
        try:
            size = companion.stat().st_size
        except OSError:
            continue
        if size:
            raise ConfigError(
                "SOURCE_CHANGING",
                f"{path}: {companion.name} is beside it, so it is being written; stop the"
                " writer, or copy the database with sqlite3's .backup and name the copy",
            )
