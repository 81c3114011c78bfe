"""Looks for secrets in the memory of running processes, as root can."""

from collections.abc import Iterable
from pathlib import Path


def holds(pid: int, needles: Iterable[bytes]) -> bool:
    """Whether a process has one of these byte strings in memory that it can write to."""
    wanted = tuple(needles)
    keep = max(map(len, wanted)) - 1
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, mode = line.split()[:2]
            if not mode.startswith("rw"):
                continue
            start, end = (int(side, 16) for side in span.split("-"))
            tail = b""
            while start < end:
                try:
                    memory.seek(start)
                    piece = memory.read(min(1 << 22, end - start))
                except (OSError, ValueError):
                    break
                if not piece:
                    break
                if any(needle in tail + piece for needle in wanted):
                    return True
                tail, start = piece[-keep:], start + len(piece)
    return False


def forms_of(number: int) -> list[bytes]:
    """A middle piece of a secret number in the forms in which a process can hold it."""
    size = (number.bit_length() + 7) // 8
    little = number.to_bytes(size, "little")
    middle = size // 2 & ~7
    text = f"{number:x}".encode()
    digits = [number >> 30 * place & (1 << 30) - 1 for place in range(size * 8 // 30)]
    # Python keeps 30 bits in every four bytes; gmpy2 keeps 64 bits in every eight.
    python = b"".join(digit.to_bytes(4, "little") for digit in digits)
    start = len(python) // 2 & ~3
    pieces = [little[middle : middle + 24], little[::-1][middle : middle + 24]]
    return [*pieces, python[start : start + 24], text[len(text) // 2 :][:32]]


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]
