import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import InvalidEncoding, InvalidProof
from fermata.log import tiles
from fermata.log.merkle import Tree, leaf_hash
from fermata.log.tiles import ENTRIES_MAX, check_tiles, expected_paths, export_tiles, read_entries


def leaves_of(count: int) -> list[bytes]:
    return [b"leaf %d" % number for number in range(count)]


def root_of(leaves: list[bytes]) -> bytes:
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf_hash(leaf))
    return tree.root()


def test_an_empty_log_has_no_files() -> None:
    assert export_tiles([]) == {}
    assert expected_paths(0) == []
    assert read_entries({}, 0) == []
    check_tiles({}, [])


def test_a_small_log_has_one_partial_tile_and_one_partial_bundle() -> None:
    files = export_tiles([b"", b"ab"])
    assert files == {
        "tile/entries/000.p/2": b"\0\0\0\0\0\0\0\2ab",
        "tile/0/000.p/2": leaf_hash(b"") + leaf_hash(b"ab"),
    }


def test_a_full_tile_has_its_root_on_the_level_above() -> None:
    leaves = leaves_of(256)
    files = export_tiles(leaves)
    assert list(files) == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    assert len(files["tile/0/000"]) == 8192
    assert files["tile/1/000.p/1"] == root_of(leaves)


def test_partial_tiles_are_not_hashed_into_the_level_above() -> None:
    leaves = leaves_of(257 + 256)
    files = export_tiles(leaves)
    assert files["tile/0/002.p/1"] == leaf_hash(leaves[512])
    assert files["tile/1/000.p/2"] == root_of(leaves[:256]) + root_of(leaves[256:512])


def test_the_paths_of_the_specifications_example() -> None:
    paths = expected_paths(70_000)
    assert len([p for p in paths if p.startswith("tile/0/")]) == 274
    assert [p for p in paths if p.startswith("tile/0/")][-1] == "tile/0/273.p/112"
    assert [p for p in paths if p.startswith("tile/1/")] == ["tile/1/000", "tile/1/001.p/17"]
    assert [p for p in paths if p.startswith("tile/2/")] == ["tile/2/000.p/1"]
    assert not [p for p in paths if p.startswith("tile/3/")]
    assert tiles._number(1234067) == "x001/x234/067"
    assert tiles._number(1000) == "x001/000"
    assert tiles._number(999) == "999"


@given(st.lists(st.binary(max_size=5), max_size=40), st.sampled_from([0, 250, 256, 500]))
@settings(max_examples=50, deadline=None)
def test_leaves_come_back_from_their_files(some: list[bytes], more: int) -> None:
    leaves = leaves_of(more) + some
    files = export_tiles(leaves)
    assert list(files) == expected_paths(len(leaves))
    assert read_entries(files, len(leaves)) == leaves
    check_tiles(files, leaves)


def test_a_leaf_longer_than_65535_bytes_comes_back() -> None:
    leaf = hashlib.sha256(b"seed").digest() * 4000
    assert read_entries(export_tiles([leaf]), 1) == [leaf]


FILES = export_tiles(leaves_of(300))
BUNDLE = "tile/entries/001.p/44"


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        FILES[BUNDLE][:-1],
        FILES[BUNDLE] + b"\0",
        FILES[BUNDLE] + b"\0\0\0\0",
        FILES[BUNDLE][:3],
        b"\xff" + FILES[BUNDLE][1:],
        b"\0\0" + FILES[BUNDLE],
    ],
)
def test_a_bundle_that_is_missing_or_of_another_length_is_named(data: bytes | None) -> None:
    files = {**FILES, BUNDLE: data} if data is not None else dict(FILES)
    if data is None:
        del files[BUNDLE]
    with pytest.raises(InvalidEncoding, match=r"tile/entries/001\.p/44") as caught:
        read_entries(files, 300)
    assert caught.value.reason == "TILE"


@pytest.mark.parametrize("path", list(FILES))
def test_every_changed_or_missing_file_is_named(path: str) -> None:
    data = FILES[path]
    for changed in (
        data[:-1] + bytes([data[-1] ^ 1]),
        data + data[:32],
        data[:-32],
        b"",
    ):
        with pytest.raises(InvalidProof, match=re.escape(path)) as caught:
            check_tiles({**FILES, path: changed}, leaves_of(300))
        assert caught.value.reason == "TILE"
    with pytest.raises(InvalidProof, match=re.escape(path)):
        check_tiles({p: d for p, d in FILES.items() if p != path}, leaves_of(300))


def test_an_absurd_size_costs_nothing() -> None:
    for size in (-1, ENTRIES_MAX + 1, 2**63 - 1):
        for refuse in (
            lambda size=size: expected_paths(size),
            lambda size=size: read_entries({}, size),
        ):
            with pytest.raises(InvalidEncoding) as caught:
                refuse()
            assert caught.value.reason == "SIZE"
    with pytest.raises(InvalidEncoding) as caught:
        read_entries({}, ENTRIES_MAX)
    assert caught.value.reason == "TILE"
