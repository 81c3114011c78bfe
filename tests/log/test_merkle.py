import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from fermata.errors import InvalidProof
from fermata.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    Tree,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

#: Outside vectors (transparency-dev/merkle), beside the project where they are at hand.
OUTSIDE = Path(__file__).parents[3] / "shared" / "vectors" / "rfc6962" / "testdata"
OWN = Path(__file__).parent / "vectors"

#: Roots of the first n of the eight leaves that Certificate Transparency tests with.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def tree_of(count: int) -> Tree:
    tree = Tree()
    for number in range(count):
        tree.append(leaf_hash(b"leaf %d" % number))
    return tree


def reason_of(error: pytest.ExceptionInfo[InvalidProof]) -> str:
    return error.value.reason


# The tree.


def test_leaf_and_node_hashes_are_domain_separated() -> None:
    left, right = leaf_hash(b"l"), leaf_hash(b"r")
    assert node_hash(left, right) != leaf_hash(left + right)
    assert leaf_hash(b"").hex() == ROOTS[1]


def test_roots_are_the_published_ones_at_every_size() -> None:
    tree = Tree()
    assert tree.root() == EMPTY_ROOT
    for size, leaf in enumerate(LEAVES, 1):
        tree.append(leaf_hash(leaf))
        assert tree.size == size
        assert tree.root().hex() == ROOTS[size]
    assert [tree.root(size).hex() for size in range(9)] == ROOTS


@given(count=st.integers(0, 70), data=st.data())
@settings(max_examples=50, deadline=None)
def test_roots_of_earlier_sizes_stay(count: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, count))
    assert tree_of(count).root(size) == tree_of(size).root()


def test_a_copy_grows_on_its_own() -> None:
    tree = tree_of(5)
    twin = tree.copy()
    for number in range(5, 8):
        twin.append(leaf_hash(b"leaf %d" % number))
    assert (tree.size, tree.root()) == (5, tree_of(5).root())
    assert (twin.size, twin.root()) == (8, tree_of(8).root())


@given(
    start=st.integers(0, 20),
    steps=st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=40),
)
@settings(max_examples=200, deadline=None)
def test_trees_that_were_copied_from_each_other_never_see_what_the_others_append(
    start: int, steps: list[tuple[int, bool]]
) -> None:
    trees = [tree_of(start)]
    leaves = [[leaf_hash(b"leaf %d" % number) for number in range(start)]]
    for step, (which, is_copy) in enumerate(steps):
        which %= len(trees)
        if is_copy:
            trees.append(trees[which].copy())
            leaves.append(list(leaves[which]))
        else:
            trees[which].append(leaf_hash(b"step %d" % step))
            leaves[which].append(leaf_hash(b"step %d" % step))
    for tree, own in zip(trees, leaves, strict=True):
        alone = Tree()
        for leaf in own:
            alone.append(leaf)
        assert tree.size == len(own)
        assert [tree.leaf(index) for index in range(tree.size)] == own
        assert [tree.root(n) for n in range(len(own) + 1)] == [
            alone.root(n) for n in range(len(own) + 1)
        ]
        assert tree.frontier().root() == alone.root()
        with pytest.raises(IndexError):
            tree.leaf(len(own))


def test_an_append_to_a_copy_does_not_touch_the_nodes_before_it() -> None:
    tree = tree_of(1000)
    grown = tree.copy()
    grown.append(leaf_hash(b"one more"))
    assert grown._levels is tree._levels


def test_misuse_of_a_tree_is_a_value_error() -> None:
    tree = tree_of(3)
    for misuse in (
        lambda: tree.append(b"short"),
        lambda: tree.root(4),
        lambda: tree.root(-1),
        lambda: tree.inclusion_proof(2, 2),
        lambda: tree.inclusion_proof(-1, 2),
        lambda: tree.inclusion_proof(0, 0),
        lambda: tree.inclusion_proof(0, 4),
        lambda: tree.consistency_proof(2, 1),
        lambda: tree.consistency_proof(-1, 1),
        lambda: tree.consistency_proof(1, 4),
    ):
        with pytest.raises(ValueError):
            misuse()
    assert tree.size == 3


def test_every_small_proof_verifies() -> None:
    tree = tree_of(20)
    for size in range(1, 21):
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            verify_inclusion(leaf_hash(b"leaf %d" % index), index, size, proof, tree.root(size))
        for old in range(1, size + 1):
            proof = tree.consistency_proof(old, size)
            verify_consistency(old, tree.root(old), size, tree.root(size), proof)


def test_roots_and_audit_paths_are_those_of_an_independent_implementation() -> None:
    oracle = InmemoryTree(algorithm="sha256")
    for number in range(18):
        oracle.append_entry(b"leaf %d" % number)
    tree = tree_of(18)
    for size in range(1, 19):
        assert oracle.get_root(size) == tree.root(size)
        for index in range(size):
            # It counts from one and puts the leaf first.
            path = oracle.prove_inclusion(index + 1, size).path
            assert path[1:] == tree.inclusion_proof(index, size)
        for old in range(1, size):
            proof = tree.consistency_proof(old, size)
            verify_consistency(old, oracle.get_root(old), size, oracle.get_root(size), proof)


# What is refused.


@given(size=st.integers(1, 40), data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_changed_inclusion_proof_is_refused(size: int, data: st.DataObject) -> None:
    tree = tree_of(size)
    index = data.draw(st.integers(0, size - 1))
    proof, root = tree.inclusion_proof(index, size), tree.root(size)
    leaf, noise = leaf_hash(b"leaf %d" % index), leaf_hash(b"noise")
    changes = [
        (leaf_hash(b"other"), index, size, proof, root),
        (leaf, (index + 1) % size if size > 1 else 1, size, proof, root),
        (leaf, index, size, [*proof, noise], root),
        (leaf, index, size, [noise, *proof], root),
        (leaf, index, size, proof, noise),
        (leaf, index - size, size, proof, root),
        (leaf, size, size, proof, root),
    ]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        changes += [
            (leaf, index, size, proof[:-1], root),
            (leaf, index, size, proof[1:], root),
            (leaf, index, size, [*proof[:place], noise, *proof[place + 1 :]], root),
            (leaf, index, size, [*proof[:place], proof[place][:31], *proof[place + 1 :]], root),
        ]
    for changed in changes:
        with pytest.raises(InvalidProof) as caught:
            verify_inclusion(*changed)
        assert reason_of(caught) == "INCLUSION"


@given(new=st.integers(2, 40), data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_changed_consistency_proof_is_refused(new: int, data: st.DataObject) -> None:
    tree = tree_of(new)
    old = data.draw(st.integers(1, new - 1))
    proof, before, after = tree.consistency_proof(old, new), tree.root(old), tree.root(new)
    noise = leaf_hash(b"noise")
    place = data.draw(st.integers(0, len(proof) - 1))
    for changed in [
        (old, noise, new, after, proof),
        (old, before, new, noise, proof),
        (old, after, new, before, proof),
        (new, before, old, after, proof),
        (0, EMPTY_ROOT, new, after, []),
        (-1, before, new, after, proof),
        (old, before, new, after, []),
        (old, before, new, after, [*proof, noise]),
        (old, before, new, after, [noise, *proof]),
        (old, before, new, after, proof[:-1]),
        (old, before, new, after, proof[1:]),
        (old, before, new, after, [*proof[:place], noise, *proof[place + 1 :]]),
        (old, before, new, after, [*proof[:place], proof[place] + b"\0", *proof[place + 1 :]]),
        (old, before[:31], new, after, proof),
    ]:
        with pytest.raises(InvalidProof) as caught:
            verify_consistency(*changed)
        assert reason_of(caught) == "CONSISTENCY"


def test_an_inner_node_is_not_shown_as_a_leaf() -> None:
    """Its path is a hash too short for the size, and leads to the root all the same."""
    one, two, three, four = (leaf_hash(bytes([i])) for i in range(4))
    left, right = node_hash(one, two), node_hash(three, four)
    with pytest.raises(InvalidProof, match="has a hash too few"):
        verify_inclusion(left, 0, 4, [right], node_hash(left, right))


def test_equal_sizes_have_equal_roots_and_no_proof() -> None:
    one, other = tree_of(3).root(), leaf_hash(b"")
    verify_consistency(3, one, 3, one, [])
    for roots, proof in [((one, other), []), ((one, one), [other])]:
        with pytest.raises(InvalidProof):
            verify_consistency(3, roots[0], 3, roots[1], proof)


# Vectors.


def verify_vector(vector: dict[str, Any]) -> None:
    proof = [base64.b64decode(h) for h in vector["proof"] or []]
    if "leafIdx" in vector:
        verify_inclusion(
            base64.b64decode(vector["leafHash"] or ""),
            vector["leafIdx"],
            vector["treeSize"],
            proof,
            base64.b64decode(vector["root"] or ""),
        )
    else:
        verify_consistency(
            vector["size1"],
            base64.b64decode(vector["root1"] or ""),
            vector["size2"],
            base64.b64decode(vector["root2"] or ""),
            proof,
        )


def check_vectors(vectors: list[dict[str, Any]]) -> int:
    for vector in vectors:
        if vector["wantErr"]:
            with pytest.raises(InvalidProof):
                verify_vector(vector)
        else:
            verify_vector(vector)
    return len(vectors)


def test_the_projects_own_vectors_hold() -> None:
    vectors = json.loads((OWN / "merkle.json").read_text())
    assert check_vectors(vectors["good"] + vectors["bad"]) > 20
    assert {v["wantErr"] for v in vectors["good"]} == {False}
    assert {v["wantErr"] for v in vectors["bad"]} == {True}


def test_the_outside_vectors_hold_where_they_are_at_hand() -> None:
    if not OUTSIDE.is_dir():
        assert not os.environ.get("CI"), f"{OUTSIDE} is missing"
        return
    files = sorted(OUTSIDE.rglob("*.json"))
    assert check_vectors([json.loads(f.read_text()) for f in files]) == len(files) >= 190


# The frontier.


def test_a_frontier_has_the_roots_of_the_whole_tree_at_every_size() -> None:
    tree, frontier = Tree(), Frontier()
    assert frontier.root() == EMPTY_ROOT
    for number in range(300):
        tree.append(leaf_hash(b"leaf %d" % number))
        before = frontier
        frontier = frontier.after(leaf_hash(b"leaf %d" % number))
        assert (frontier.size, frontier.root()) == (number + 1, tree.root())
        assert len(frontier.subtrees) == (number + 1).bit_count()
        assert before.root() == tree.root(number)


def test_a_tree_gives_the_frontier_of_every_size_that_it_had() -> None:
    tree, frontiers = Tree(), [Frontier()]
    for number in range(70):
        tree.append(leaf_hash(b"leaf %d" % number))
        frontiers.append(frontiers[-1].after(leaf_hash(b"leaf %d" % number)))
    assert [tree.frontier(size) for size in range(71)] == frontiers
    for size in (-1, 71):
        with pytest.raises(ValueError, match="the size must be"):
            tree.frontier(size)
