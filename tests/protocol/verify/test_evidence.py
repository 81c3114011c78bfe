"""Two files of evidence convict a coordinator that signed two logs, and nobody else (L34)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from fermata.errors import ConfigError, InvalidProof, InvalidSignature, VerificationError
from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.fold.references import at
from fermata.protocol.succession.views import leader
from fermata.protocol.verify.evidence import (
    FORMAT,
    Conviction,
    Evidence,
    View,
    convictions,
    kept_refusal,
    parse_evidence,
    view_of,
)
from fermata.protocol.wire.refusals import seal_refusal
from harness.chains import COORDINATOR, Chain, Deployment, chain_at, make_deployment


def convicted(index: int) -> Conviction:
    return Conviction(index, ("a", "b"), COORDINATOR)


def head_of(chain: Chain, key_of: str = COORDINATOR) -> bytes:
    origin, key = chain.deployment.charter.log_origin, chain.deployment.keys[key_of]
    head = Checkpoint(origin, chain.tree.size, chain.tree.root())
    return sign_checkpoint(head, origin, key.sign, key.public_key)


def shown(chain: Chain, *entries: int, refusals: tuple[Any, ...] = ()) -> Evidence:
    views = tuple(view_of(chain.tree, head_of(chain), index) for index in entries)
    return Evidence(FORMAT, chain.deployment.charter.sha256.hex(), views, refusals)


def refused(chain: Chain) -> Any:
    charter = chain.deployment.charter
    head = at(chain.tree, chain.tree.size - 1)
    key = chain.deployment.keys[COORDINATOR]
    signed = seal_refusal(COORDINATOR, key, charter.sha256, b"words", "LATE", head)
    return kept_refusal("LATE", b"words", signed)


#: The first entry in which the two logs differ.
FORK = chain_at("collecting").tree.size


@pytest.fixture
def forked() -> tuple[Chain, Chain]:
    """Two logs that differ from the last entry but one on."""
    ours = chain_at("collecting")
    theirs = ours.fork()
    ours.abstain("lab-1")
    theirs.abstain("lab-2")
    for chain in (ours, theirs):
        chain.abstain("lab-3")
    return ours, theirs


def judged(**files: Evidence) -> list[Conviction]:
    return convictions(chain_at("collecting").deployment.charter, files)


def test_two_views_of_one_entry_convict(forked: tuple[Chain, Chain]) -> None:
    ours, theirs = forked
    assert judged(a=shown(ours, FORK), b=shown(theirs, FORK)) == [
        Conviction(FORK, ("a", "b"), COORDINATOR)
    ]
    # An entry after the fork differs too, also if the same words stand in it.
    assert judged(a=shown(ours, FORK + 1), b=shown(theirs, FORK + 1)) == [convicted(FORK + 1)]


def test_views_that_agree_or_do_not_meet_convict_nobody(forked: tuple[Chain, Chain]) -> None:
    ours, theirs = forked
    assert judged(a=shown(ours, 0, 1, 2), b=shown(theirs, 0, 1, 2)) == []
    assert judged(a=shown(ours, FORK), b=shown(theirs, FORK + 1)) == []
    assert judged(a=shown(ours, FORK), b=shown(ours, FORK)) == []
    grown = ours.fork()
    grown.abstain("lab-4")
    assert judged(a=shown(ours, FORK, FORK + 1), b=shown(grown, FORK, FORK + 1, FORK + 2)) == []


def test_a_signed_refusal_is_a_view_of_the_log_that_refused(forked: tuple[Chain, Chain]) -> None:
    ours, theirs = forked
    newest = ours.tree.size - 1
    by_refusal = shown(theirs, refusals=(refused(theirs),))
    assert judged(a=shown(ours, newest), b=by_refusal) == [
        Conviction(newest, ("a", "b"), COORDINATOR)
    ]
    assert judged(a=shown(theirs, newest), b=by_refusal) == []


def test_a_head_that_the_coordinator_did_not_sign_convicts_nobody(
    forked: tuple[Chain, Chain],
) -> None:
    ours, theirs = forked
    view = view_of(theirs.tree, head_of(theirs, "lab-1"), FORK)
    made_up = Evidence(FORMAT, ours.deployment.charter.sha256.hex(), (view,))
    with pytest.raises(VerificationError) as caught:
        judged(a=shown(ours, FORK), b=made_up)
    assert str(caught.value).startswith("b: ")


def test_a_leaf_that_is_not_in_the_head_convicts_nobody(forked: tuple[Chain, Chain]) -> None:
    ours, theirs = forked
    honest = shown(ours, FORK)
    (view,) = honest.views
    other = type(view)(view.note, view.index, theirs.tree.leaf(FORK).hex(), view.path)
    with pytest.raises(InvalidProof):
        judged(a=honest, b=Evidence(FORMAT, honest.charter_sha256, (other,)))


def test_a_refusal_of_a_stranger_convicts_nobody(forked: tuple[Chain, Chain]) -> None:
    ours, theirs = forked
    charter, head = ours.deployment.charter, at(theirs.tree, theirs.tree.size - 1)
    key = ours.deployment.keys["lab-1"]
    signed = seal_refusal(COORDINATOR, key, charter.sha256, b"words", "LATE", head)
    with pytest.raises(InvalidSignature):
        judged(a=shown(ours, FORK, refusals=(kept_refusal("LATE", b"words", signed),)))


def test_evidence_of_another_deployment_is_refused(forked: tuple[Chain, Chain]) -> None:
    other = Evidence(FORMAT, make_deployment(seed=5).charter.sha256.hex())
    with pytest.raises(ConfigError) as caught:
        judged(a=shown(forked[0], FORK), b=other)
    assert caught.value.reason == "EVIDENCE"


def test_a_file_is_read_back(forked: tuple[Chain, Chain]) -> None:
    made = shown(forked[0], 0, FORK, refusals=(refused(forked[0]),))
    assert parse_evidence(made.to_bytes(), "f") == made
    assert json.loads(made.to_bytes())["format"] == FORMAT


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": "other/1", "charter_sha256": ""}',
        b'{"format": "fermata-evidence/1", "charter_sha256": "", "views": [{}]}',
        b'{"format": "fermata-evidence/1", "format": "x", "charter_sha256": ""}',
        b"\xff",
    ],
)
def test_a_file_that_is_none_gets_a_clear_error(data: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_evidence(data, "some.json")
    assert caught.value.reason == "EVIDENCE"
    assert str(caught.value).startswith("some.json: must")


@pytest.mark.parametrize("change", [{"leaf_hash": "zz"}, {"path": ["0"]}, {"note": "no head"}])
def test_a_view_with_damage_is_refused(
    forked: tuple[Chain, Chain], change: dict[str, object]
) -> None:
    document = json.loads(shown(forked[0], FORK).to_bytes())
    document["views"][0].update(change)
    damaged = parse_evidence(json.dumps(document).encode(), "f")
    with pytest.raises((ConfigError, VerificationError)) as caught:
        judged(f=damaged)
    assert str(caught.value).startswith("f: ")


# Nobody is framed.


@pytest.mark.parametrize("spell", [str.upper, lambda h: f" {h} ", lambda h: f"{h[:2]} {h[2:]}"])
def test_another_spelling_of_one_hash_convicts_nobody(
    forked: tuple[Chain, Chain], spell: Callable[[str], str]
) -> None:
    honest = shown(forked[0], FORK)
    (view,) = honest.views
    spelt = View(view.note, view.index, spell(view.leaf_hash), view.path)
    assert judged(a=honest, b=Evidence(FORMAT, honest.charter_sha256, (spelt,))) == []


def test_a_refusal_in_another_deployment_of_the_same_coordinator_convicts_nobody(
    forked: tuple[Chain, Chain],
) -> None:
    """A coordinator may use one key in two deployments, whose logs differ of course."""
    ours, theirs = forked
    head = at(theirs.tree, theirs.tree.size - 1)
    key = ours.deployment.keys[COORDINATOR]
    signed = seal_refusal(COORDINATOR, key, bytes(32), b"words", "LATE", head)
    elsewhere = shown(ours, refusals=(kept_refusal("LATE", b"words", signed),))
    with pytest.raises(InvalidProof) as caught:
        judged(a=shown(ours, ours.tree.size - 1), b=elsewhere)
    assert caught.value.reason == "REFUSAL"


def seen_in_view(deployment: Deployment, view: int, *entries: bytes) -> Evidence:
    """The newest of these entries, as the coordinator of a view showed them."""
    charter, tree = deployment.charter, Tree()
    for entry in entries:
        tree.append(leaf_hash(entry))
    origin, key = charter.origin_of(view), deployment.keys[leader(charter, view)]
    head = Checkpoint(origin, tree.size, tree.root())
    note = sign_checkpoint(head, origin, key.sign, key.public_key)
    return Evidence(FORMAT, charter.sha256.hex(), (view_of(tree, note, tree.size - 1),))


def test_the_logs_of_two_views_convict_nobody_and_two_of_one_view_its_coordinator() -> None:
    """A Handover may begin with less than the log before it had, so that the two differ."""
    deployment = make_deployment(successors=2)
    files = {
        "a": seen_in_view(deployment, 0, b"charter", b"a report"),
        "b": seen_in_view(deployment, 1, b"charter", b"a Handover"),
    }
    assert convictions(deployment.charter, files) == []
    files["c"] = seen_in_view(deployment, 1, b"charter", b"another Handover")
    assert convictions(deployment.charter, files) == [Conviction(1, ("b", "c"), "successor-1")]
