"""Bytes of a file as text, where only one reading of them is possible."""

import codecs
from collections.abc import Callable
from typing import NoReturn

Refuse = Callable[[str], NoReturn]

#: The longest first: the mark of UTF-32 begins like that of UTF-16.
_WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def decode_text(data: bytes, refuse: Refuse, may_have_mark: bool = False) -> str:
    """UTF-8 as text, without the byte-order mark that it may have if ``may_have_mark``.

    ``refuse`` is called with what is wrong, such as ``line 3: is not UTF-8``, and must raise.
    """
    for mark, name in _WIDE_MARKS.items():
        if data.startswith(mark):
            refuse(f"is {name}; save it as UTF-8")
    # Without a mark, every second byte of plain text in UTF-16 is zero.
    if b"\x00" in data[:2]:
        refuse("is UTF-16 or not text at all; save it as UTF-8")
    if data.startswith(codecs.BOM_UTF8):
        if not may_have_mark:
            refuse("begins with a byte-order mark; save it as UTF-8 without one")
        data = data[len(codecs.BOM_UTF8) :]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        refuse(f"line {_line(data, error.start)}: is not UTF-8")
    if "\x00" in text:
        refuse(f"line {_line(data, data.index(0))}: has a zero byte; the file may be damaged")
    return text


def check_ended(data: bytes, refuse: Refuse) -> None:
    """Refuses a last line without its end: half of a number there would look like a number.

    A last line of spaces alone holds nothing that could be half of anything.
    """
    if data.rpartition(b"\n")[2].strip(b" \t\r"):
        line = data.count(b"\n") + 1
        refuse(f"line {line}: has no line end; is the file still being written? If not, add one")


def _line(data: bytes, at: int) -> int:
    return data[:at].count(b"\n") + 1
