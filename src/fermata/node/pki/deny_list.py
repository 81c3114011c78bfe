"""Certificates and identities that were taken back, in a text file that people can read.

One entry a line, ``identity fermata://...`` or ``serial <hexadecimal>``; ``#`` starts a comment.
The file is read at every question, so a change holds from the next call on, also on connections
and sessions that were open before it.
"""

import re
from pathlib import Path

from fermata.errors import ConfigError, IdentityError
from fermata.node.files import exclusive_lock, read_file, write_atomic
from fermata.node.pki.alarm import Alarm
from fermata.node.pki.identity import Identity

DENY_LIST_BYTES_MAX = 1024 * 1024
_SERIAL = re.compile(r"[0-9a-f]{1,40}\Z")
#: The bytes of a deny-list without entries.
EMPTY_DENY_LIST = (
    b"# One entry a line: identity fermata://<deployment>/<role>/<id>, or serial <hex>.\n"
)


#: The entries of one state of the file: identities, and serial numbers.
Denied = frozenset[Identity | int]


class DenyList:
    """The deny-list at ``path``. A file that breaks while it is in use leaves the last good
    entries in force, and ``alarm`` is told once for each broken state.

    Raises ``ConfigError`` DENY_LIST_SYNTAX and those of ``read_file`` when made.
    """

    def __init__(self, path: Path, alarm: Alarm) -> None:
        self._path = path
        self._alarm = alarm
        self._bytes: bytes | None = read_file(path, DENY_LIST_BYTES_MAX)
        self._denied = parse_deny_list(self._bytes, path)

    def is_denied(self, identity: Identity, serial: int) -> bool:
        """Whether this identity, or the certificate with this serial number, was denied."""
        denied = self._current()
        return identity in denied or serial in denied

    def _current(self) -> Denied:
        """The entries to go by; returned, so that no other thread's older read replaces them."""
        try:
            data = read_file(self._path, DENY_LIST_BYTES_MAX)
        except ConfigError as problem:
            # None stands for every state that cannot be read, so that it is told once.
            if self._bytes is not None:
                self._bytes = None
                self._alarm(problem)
            return self._denied
        if data == self._bytes:
            return self._denied
        denied = self._denied
        try:
            denied = parse_deny_list(data, self._path)
        except ConfigError as problem:
            self._alarm(problem)
        self._denied, self._bytes = denied, data
        return denied


def parse_deny_list(data: bytes, path: Path) -> Denied:
    """Reads a deny-list. Raises ``ConfigError`` DENY_LIST_SYNTAX with the line's number."""
    if not data:
        # What an editor leaves for a moment, or a crash for good: never "nobody is denied".
        raise ConfigError(
            "DENY_LIST_SYNTAX", f"{path} is empty; restore it, or write a comment line into it"
        )
    entries = (
        _entry(line, f"{path}, line {number}") for number, line in enumerate(data.split(b"\n"), 1)
    )
    return frozenset(entry for entry in entries if entry is not None)


def _entry(line: bytes, where: str) -> Identity | int | None:
    """What a line denies; None for an empty line or a comment."""
    words = line.partition(b"#")[0].split()
    if not words:
        return None
    try:
        kind, value = (word.decode("ascii") for word in words)
        if kind == "identity":
            return Identity.parse(value)
        if kind == "serial" and _SERIAL.match(value):
            return int(value, 16)
        raise ValueError
    except (ValueError, IdentityError):
        raise ConfigError(
            "DENY_LIST_SYNTAX",
            f"{where}: must be 'identity fermata://<deployment>/<role>/<id>' or"
            " 'serial <hexadecimal>'; fix the line",
        ) from None


def deny(path: Path, *entries: Identity | int) -> None:
    """Adds identities and serial numbers to the file; those that are there already stay once.

    Raises ``ConfigError`` DENY_LIST_SYNTAX, FILE_MISSING, FILE_UNWRITABLE.
    """
    with exclusive_lock(path.with_name(path.name + ".lock")):
        data = read_file(path, DENY_LIST_BYTES_MAX)
        denied = parse_deny_list(data, path)
        lines = [
            f"identity {entry.uri}\n" if isinstance(entry, Identity) else f"serial {entry:x}\n"
            for entry in dict.fromkeys(entries)
            if entry not in denied
        ]
        if data and not data.endswith(b"\n"):
            data += b"\n"
        write_atomic(path, data + "".join(lines).encode())


def allow(path: Path, *entries: Identity | int) -> Denied:
    """Takes identities and serial numbers off the file; returns those that were there.

    The other lines stay as they are, comments included. A file that does not name any of the
    entries is not written. Raises as ``deny`` does.
    """
    with exclusive_lock(path.with_name(path.name + ".lock")):
        data = read_file(path, DENY_LIST_BYTES_MAX)
        removed = parse_deny_list(data, path).intersection(entries)
        if removed:
            lines = data.split(b"\n")
            kept = [line for line in lines if _entry(line, str(path)) not in removed]
            # A file without any byte is not a deny-list.
            write_atomic(path, b"\n".join(kept) or EMPTY_DENY_LIST)
        return removed
