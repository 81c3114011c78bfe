"""The log as static files (C2SP tlog-tiles, height 8).

One deviation: an entry bundle gives each leaf's length as 4 bytes, not 2, since a key record is
longer than 64 KiB (docs/spec/log.md, L28).
"""

from collections.abc import Mapping, Sequence

from fermata.errors import InvalidEncoding, InvalidProof
from fermata.log.merkle import HASH_BYTES, leaf_hash, node_hash

WIDTH = 256
LENGTH_BYTES = 4


def _number(index: int) -> str:
    """A tile's number: groups of three digits, all but the last after an x."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return "/".join(groups)


def _paths(kind: str, count: int) -> list[tuple[str, int, int]]:
    """Path, first and end position of each tile over ``count`` items."""
    found = []
    for index, start in enumerate(range(0, count, WIDTH)):
        stop = min(start + WIDTH, count)
        partial = f".p/{stop - start}" if stop - start < WIDTH else ""
        found.append((f"tile/{kind}/{_number(index)}{partial}", start, stop))
    return found


def expected_paths(size: int) -> list[str]:
    """The paths of all tiles of a log of this size."""
    paths = [path for path, _, _ in _paths("entries", size)]
    level, count = 0, size
    while count:
        paths += [path for path, _, _ in _paths(str(level), count)]
        level, count = level + 1, count // WIDTH
    return paths


def _complete_root(hashes: Sequence[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [node_hash(a, b) for a, b in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def export_tiles(leaves: Sequence[bytes]) -> dict[str, bytes]:
    """All tiles of a log with these leaves, by path."""
    files = {
        path: b"".join(
            len(leaf).to_bytes(LENGTH_BYTES, "big") + leaf for leaf in leaves[start:stop]
        )
        for path, start, stop in _paths("entries", len(leaves))
    }
    hashes = [leaf_hash(leaf) for leaf in leaves]
    level = 0
    while hashes:
        for path, start, stop in _paths(str(level), len(hashes)):
            files[path] = b"".join(hashes[start:stop])
        whole = len(hashes) // WIDTH
        hashes = [_complete_root(hashes[i * WIDTH : (i + 1) * WIDTH]) for i in range(whole)]
        level += 1
    return files


def read_entries(files: Mapping[str, bytes], size: int) -> list[bytes]:
    """The leaves in the entry bundles. Raises InvalidEncoding TILE naming the path."""
    leaves: list[bytes] = []
    for path, start, stop in _paths("entries", size):
        data = files.get(path)
        if data is None:
            raise InvalidEncoding("TILE", f"{path}: the file is missing")
        at = 0
        for index in range(start, stop):
            length = int.from_bytes(data[at : at + LENGTH_BYTES], "big")
            at += LENGTH_BYTES
            if at + length > len(data) or at > len(data):
                raise InvalidEncoding("TILE", f"{path}: entry {index} is cut short")
            leaves.append(data[at : at + length])
            at += length
        if at != len(data):
            raise InvalidEncoding("TILE", f"{path}: has bytes after entry {stop - 1}")
    return leaves


def check_tiles(files: Mapping[str, bytes], leaves: Sequence[bytes]) -> None:
    """Checks that the tiles are exactly those of these leaves. Raises InvalidProof TILE."""
    wanted = export_tiles(leaves)
    for path in sorted(wanted.keys() | files.keys()):
        if files.get(path) == wanted.get(path):
            continue
        what = _difference(files.get(path), wanted.get(path))
        raise InvalidProof("TILE", f"{path}: {what}")


def _difference(found: bytes | None, wanted: bytes | None) -> str:
    if found is None:
        return "the file is missing"
    if wanted is None:
        return "a file that does not belong to the log"
    if len(found) != len(wanted):
        return "has another length than the log's entries give"
    at = next(i for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b)
    return f"hash {at // HASH_BYTES} is not the one that the entries give"
