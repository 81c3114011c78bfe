"""The log as static files: C2SP tlog-tiles, tiles of height 8 (c2sp.org/tlog-tiles).

    tile/<L>/<N>[.p/<W>]          the hashes of tile N on level L, 32 bytes each
    tile/entries/<N>[.p/<W>]      the leaves under tile N of level 0

A tile has 256 places; the last of a level may be partial, with W of them. One deviation from
tlog-tiles: each leaf stands after its length as a big-endian uint32, not uint16, because a key
record is longer than 65,535 bytes.
"""

from collections.abc import Iterator, Mapping, Sequence

from fermata.errors import InvalidEncoding, InvalidProof
from fermata.log.merkle import leaf_hash, node_hash

TILE_WIDTH = 256
LENGTH_BYTES = 4
#: More entries than this are no log of ours. It bounds what a forged size can cost a reader.
ENTRIES_MAX = 1 << 24


def export_tiles(leaves: Sequence[bytes]) -> dict[str, bytes]:
    """All files of a log of these leaves, by path: entry bundles, then hash tiles by level.

    Raises ValueError for more than ``ENTRIES_MAX`` leaves or one of 4 GiB.
    """
    if len(leaves) > ENTRIES_MAX:
        raise ValueError(f"a log of tiles must have at most {ENTRIES_MAX} entries")
    files = dict(_bundles(leaves))
    files.update(_hash_tiles([leaf_hash(leaf) for leaf in leaves]))
    return files


def expected_paths(size: int) -> list[str]:
    """The paths of all files of a log of ``size`` entries, in the order of ``export_tiles``.

    Raises InvalidEncoding SIZE for a size below 0 or above ``ENTRIES_MAX``.
    """
    # L27.1: a forged size must not cost the reader its memory.
    if not 0 <= size <= ENTRIES_MAX:
        raise InvalidEncoding("SIZE", f"log: a size that is not between 0 and {ENTRIES_MAX}")
    paths = [path for path, _ in _tile_paths("entries", size)]
    level, width = 0, size
    while width:
        paths += [path for path, _ in _tile_paths(str(level), width)]
        level, width = level + 1, width // TILE_WIDTH
    return paths


def read_entries(files: Mapping[str, bytes], size: int) -> list[bytes]:
    """The leaves of a log of ``size`` entries, out of its entry bundles; other files are ignored.

    Hashes are not checked. Raises InvalidEncoding TILE with the path for a bundle that is missing,
    too short or too long, and SIZE for a size that no log has.
    """
    # L27.1.
    if not 0 <= size <= ENTRIES_MAX:
        raise InvalidEncoding("SIZE", f"log: a size that is not between 0 and {ENTRIES_MAX}")
    leaves: list[bytes] = []
    for path, width in _tile_paths("entries", size):
        data = files.get(path)
        # L27.2: the log is cut.
        if data is None:
            raise InvalidEncoding("TILE", f"{path}: the file is missing")
        leaves += _read_bundle(path, data, width)
    return leaves


def check_tiles(files: Mapping[str, bytes], leaves: Sequence[bytes]) -> None:
    """Checks that every file of a log of these leaves is there, byte for byte.

    Files at other paths are ignored: ``expected_paths`` says which belong. Raises
    InvalidProof TILE with the first path that is missing or differs.
    """
    for path, data in export_tiles(leaves).items():
        given = files.get(path)
        # L27.5: a mirror without it cannot make its proofs.
        if given is None:
            raise InvalidProof("TILE", f"{path}: the file is missing")
        # L27.6: hashes of another log.
        if given != data:
            raise InvalidProof("TILE", f"{path}: does not match the entries")


def _tile_paths(level: str, size: int) -> Iterator[tuple[str, int]]:
    """Path and width of each tile on a level that has ``size`` places filled."""
    full, rest = divmod(size, TILE_WIDTH)
    for number in range(full):
        yield f"tile/{level}/{_number(number)}", TILE_WIDTH
    if rest:
        yield f"tile/{level}/{_number(full)}.p/{rest}", rest


def _number(number: int) -> str:
    """A tile's number in groups of three digits: 1234067 is x001/x234/067."""
    text = f"{number % 1000:03}"
    while number >= 1000:
        number //= 1000
        text = f"x{number % 1000:03}/{text}"
    return text


def _bundles(leaves: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    start = 0
    for path, width in _tile_paths("entries", len(leaves)):
        parts = []
        for leaf in leaves[start : start + width]:
            if len(leaf) >> (8 * LENGTH_BYTES):
                raise ValueError("a leaf must have less than 4 GiB")
            parts += [len(leaf).to_bytes(LENGTH_BYTES, "big"), leaf]
        yield path, b"".join(parts)
        start += width


def _read_bundle(path: str, data: bytes, width: int) -> Iterator[bytes]:
    place = 0
    for _ in range(width):
        start = place + LENGTH_BYTES
        stop = start + int.from_bytes(data[place:start], "big")
        # L27.3: an entry is cut.
        if start > len(data) or stop > len(data):
            raise InvalidEncoding("TILE", f"{path}: ends within an entry")
        yield data[start:stop]
        place = stop
    # L27.4: no root binds these bytes.
    if place != len(data):
        raise InvalidEncoding("TILE", f"{path}: has bytes after its last entry")


def _hash_tiles(hashes: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Hash tiles of all levels. Only full tiles have a hash on the level above."""
    level = 0
    while hashes:
        tiles = []
        start = 0
        for path, width in _tile_paths(str(level), len(hashes)):
            tiles.append(hashes[start : start + width])
            yield path, b"".join(tiles[-1])
            start += width
        hashes = [_full_root(tile) for tile in tiles if len(tile) == TILE_WIDTH]
        level += 1


def _full_root(tile: Sequence[bytes]) -> bytes:
    """Root over the 256 hashes of a full tile."""
    while len(tile) > 1:
        tile = [node_hash(tile[i], tile[i + 1]) for i in range(0, len(tile), 2)]
    return tile[0]
