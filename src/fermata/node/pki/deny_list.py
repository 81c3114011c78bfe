"""Certificates and identities that were taken back, in a text file that people can read.

One entry a line, ``identity fermata://...`` or ``serial <hexadecimal>``; ``#`` starts a comment.
The file is looked at with every question and read when it has changed, so a change holds from the
next call on, also on connections and sessions that were open before it.
"""

import re
from pathlib import Path
from typing import NamedTuple

from fermata.errors import ConfigError, IdentityError
from fermata.node.files import exclusive_lock, read_file, stamp, write_atomic
from fermata.node.pki.alarm import Alarm
from fermata.node.pki.identity import Identity
from fermata.protocol.wire.ports import ClockMs

DENY_LIST_BYTES_MAX = 1024 * 1024
#: Longer than any step in which a file system counts time; FAT counts in two seconds.
SETTLED_MS = 3000
_SERIAL = re.compile(r"[0-9a-f]{1,40}\Z")
#: The bytes of a deny-list without entries.
EMPTY_DENY_LIST = (
    b"# One entry a line: identity fermata://<deployment>/<role>/<id>, or serial <hex>.\n"
)


#: The entries of one state of the file: identities, and serial numbers.
Denied = frozenset[Identity | int]


class _Reading(NamedTuple):
    """What was read last: the file's stamp, empty if it must be read again, bytes and entries.

    ``data`` is None for a file that cannot be read.
    """

    stamp: tuple[int, ...]
    data: bytes | None
    denied: Denied


class DenyList:
    """The deny-list at ``path``. A file that breaks while it is in use leaves the last good
    entries in force, and ``alarm`` is told once for each broken state. ``clock_ms``: by it a file
    that was written just now is read again, see ``is_settled``.

    Raises ``ConfigError`` DENY_LIST_SYNTAX and those of ``read_file`` when made.
    """

    def __init__(self, path: Path, alarm: Alarm, clock_ms: ClockMs) -> None:
        self._path, self._alarm, self._clock_ms = path, alarm, clock_ms
        data = read_file(path, DENY_LIST_BYTES_MAX)
        self._last = _Reading((), data, parse_deny_list(data, path))

    def is_denied(self, identity: Identity, serial: int) -> bool:
        """Whether this identity, or the certificate with this serial number, was denied."""
        denied = self._current()
        return identity in denied or serial in denied

    def _current(self) -> Denied:
        """The entries to go by; returned, so that no other thread's older read replaces them."""
        # Taken before reading: what changes while the file is read is read with the next question.
        last, newest = self._last, stamp(self._path)
        if newest and newest == last.stamp:
            return last.denied
        try:
            data = read_file(self._path, DENY_LIST_BYTES_MAX)
        except ConfigError as problem:
            # None stands for every state that cannot be read, so that it is told once.
            if last.data is not None:
                self._alarm(problem)
            self._last = _Reading((), None, last.denied)
            return last.denied
        denied = last.denied
        if data != last.data:
            try:
                denied = parse_deny_list(data, self._path)
            except ConfigError as problem:
                self._alarm(problem)
        settled = newest if is_settled(newest, self._clock_ms()) else ()
        # In one step, so that no thread meets entries of one state with the stamp of another.
        self._last = _Reading(settled, data, denied)
        return denied


def is_settled(of_file: tuple[int, ...], now_ms: int) -> bool:
    """Whether a file with this stamp, of ``stamp``, was last written ``SETTLED_MS`` ago or earlier.

    File systems count in steps of some milliseconds: a file that is written twice within one, with
    as many bytes, can have one stamp for both.
    """
    return bool(of_file) and max(of_file[:2]) <= (now_ms - SETTLED_MS) * 1_000_000


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
