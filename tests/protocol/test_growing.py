"""Maps and lists that share what a change leaves alone: they do what a dict and a tuple do."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.protocol.growing import GrowingList, GrowingMap, with_item

KEYS = st.text(max_size=3)


@given(st.lists(st.tuples(KEYS, st.integers())), st.dictionaries(KEYS, st.integers()))
def test_a_map_holds_what_a_dict_holds_and_older_ones_stay(items, start) -> None:
    expected, grown = dict(start), GrowingMap(start)
    for key, value in items:
        before, copy = grown, dict(expected)
        expected[key] = value
        grown = with_item(grown, key, value)
        assert before == copy
    assert grown == expected == dict(grown)
    assert list(grown) == sorted(expected)
    assert GrowingMap(start).with_items(items) == grown
    assert with_item(dict(start), "a", 1) == {**start, "a": 1}
    assert len(grown) == len(expected)
    assert all(key in grown and grown[key] == expected[key] for key in expected)


@given(st.lists(st.integers()), st.lists(st.tuples(st.booleans(), st.integers())))
def test_a_list_holds_what_a_tuple_holds_and_older_ones_stay(start, changes) -> None:
    expected, grown = tuple(start), GrowingList(start)
    for is_last, value in changes:
        before, copy = grown, expected
        if is_last and expected:
            expected, grown = (*expected[:-1], value), grown.with_last(value)
        else:
            expected, grown = (*expected, value), grown.with_appended(value)
        assert tuple(before) == copy
    assert tuple(grown) == expected
    assert len(grown) == len(expected)
    assert grown == GrowingList(expected)
    assert grown != GrowingList((*expected, 1))
    assert grown[1:3] == expected[1:3]
    assert grown[::-1] == expected[::-1]
    assert all(grown[i] == expected[i] for i in range(-len(expected), len(expected)))
    assert grown != expected


def test_what_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        GrowingMap({"a": 1})["b"]
    with pytest.raises(IndexError, match="item 1 must be among 1"):
        GrowingList([7])[1]
    with pytest.raises(IndexError):
        GrowingList([7])[-2]
    with pytest.raises(IndexError, match="empty"):
        GrowingList().with_last(1)
    assert repr(GrowingList([7])) == "GrowingList([7])"


def test_a_map_is_read_in_one_order_in_every_process() -> None:
    """Python hashes text with a key of the process, and nobody may see another order."""
    program = (
        "from fermata.protocol.growing import GrowingMap;"
        "print(list(GrowingMap({f'lab-{i}': i for i in range(50)}.items())))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(said) == 1
