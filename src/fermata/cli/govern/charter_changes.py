"""What an amendment changes, line by line under the tables of the charter's file."""

import difflib
from collections.abc import Iterator

from fermata.node.observe.telemetry import plain_text
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import CHARTER_TYPE, decode_entry, sha256
from fermata.protocol.wire.envelope import statement_of, unseal

#: Characters of an escaped one, such as \\x10ffff.
_ESCAPED_MAX = 8


def charter_text(replica: Replica, charter_sha256: bytes) -> str:
    """The file of a charter that the log has, in entry 0 or in a motion; empty if it has none."""
    numbers = [0, *sorted(m.entry for m in replica.state.governance.motions.values() if m.charter)]
    for number in numbers:
        (leaf,) = replica.leaves(number, number + 1)
        envelope = unseal(decode_entry(leaf).envelope)
        is_charter = envelope.payload_type == CHARTER_TYPE
        data = envelope.payload if is_charter else statement_of(envelope).motion.charter
        if sha256(data) == charter_sha256:
            return data.decode()
    return ""


def charter_changes(old: str, new: str) -> Iterator[str]:
    """Lines that only one of two charters has, marked - and +, each after its table's heading."""
    heading: str | None = None
    for mark, table, line in _changed(old, new):
        if table != heading:
            yield f"  {shown_line(table) or '(top)'}"
            heading = table
        yield f"  {mark} {shown_line(line)}"


def shown_line(line: str) -> str:
    """A line of a file that its author chose, whole, and safe for a terminal."""
    return plain_text(line, _ESCAPED_MAX * len(line))


def _changed(old: str, new: str) -> Iterator[tuple[str, str, str]]:
    before, after = _with_tables(old), _with_tables(new)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            yield from (("-", table, line) for table, line in before[i1:i2] if line)
            yield from (("+", table, line) for table, line in after[j1:j2] if line)


def _with_tables(text: str) -> list[tuple[str, str]]:
    """Each line with the heading that it stands under; comments and headings count as lines."""
    lines, table = [], ""
    for line in text.splitlines():
        if line.startswith("["):
            table = line.strip()
        lines.append((table, line.strip()))
    return lines
