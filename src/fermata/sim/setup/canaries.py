"""I4: a run plants secrets that must stay with their owners, and searches all that was written."""

from collections.abc import Iterable

#: Shorter byte strings could turn up by chance.
BYTES_MIN = 6


class Canaries:
    """Secrets in every form in which they could leak, and every piece of data that left a node."""

    def __init__(self) -> None:
        self._needles: dict[bytes, str] = {}
        self._pieces: dict[bytes, str] = {}

    def plant_number(self, what: str, number: int) -> None:
        """Adds a number to search for: in decimal, in hexadecimal, and as bytes in either order."""
        magnitude = abs(number)
        raw = magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big")
        self._plant(what, f"{magnitude}".encode())
        self.plant_bytes(what, raw)

    def plant_text(self, what: str, text: str) -> None:
        """Adds a text to search for."""
        self._plant(what, text.encode())

    def plant_bytes(self, what: str, raw: bytes) -> None:
        """Adds bytes to search for: in either order, and in hexadecimal."""
        self._plant(what, raw)
        self._plant(what, raw[::-1])
        self._plant(what, raw.hex().encode())

    def release(self, raw: bytes) -> None:
        """Searches no more for bytes, or their number, that their owner shows by the rules."""
        number, bare = int.from_bytes(raw, "big"), raw.lstrip(b"\0")
        for needle in (bare, bare[::-1], bare.hex().encode(), f"{number}".encode()):
            self._needles.pop(needle, None)

    def _plant(self, what: str, needle: bytes) -> None:
        if len(needle) >= BYTES_MIN:
            self._needles[needle] = what

    def saw(self, where: str, pieces: Iterable[bytes]) -> None:
        """Keeps data that a node wrote, sent or printed."""
        for piece in pieces:
            self._pieces.setdefault(piece, where)

    def leaks(self) -> list[str]:
        """The name of each secret that left its owner, and where it is; never the secret itself."""
        everything = b"\0".join(self._pieces)
        places = []
        for needle, what in self._needles.items():
            if needle not in everything:
                continue
            where = next((w for p, w in self._pieces.items() if needle in p), "two pieces")
            places.append(f"{what} is in {where}")
        return places
