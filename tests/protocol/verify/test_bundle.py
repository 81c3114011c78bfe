"""Bundles: what is in them, and when none is made."""

import functools

import pytest

from fermata.errors import Refusal
from fermata.memory_store import MemoryStore
from fermata.protocol.verify.bundle import FULL, MARKER, build_bundle, summary_paths
from harness.bundles import bundle_of_run, head_note
from harness.chains import COORDINATOR, Run, make_deployment


@functools.cache
def finished() -> Run:
    run = Run(make_deployment(last="2025Q3"))
    run.until_quiet()
    return run


def test_a_bundle_has_the_log_the_charter_and_the_sealed_parts_that_count() -> None:
    run = finished()
    files = bundle_of_run(run, run.stores[COORDINATOR])
    size = run.ledger.size()
    sealed = [p for p in files if p.startswith("sealed/")]
    assert len(sealed) == 6
    assert set(files) - set(sealed) == {
        MARKER,
        "charter.toml",
        "checkpoint",
        "witnesses",
        f"tile/entries/000.p/{size}",
        f"tile/0/000.p/{size}",
    }
    assert files[MARKER] == FULL
    assert files["charter.toml"] == run.deployment.charter_data
    assert summary_paths(files).startswith(f"{len(files)} files, ")


def test_an_auditor_that_checked_a_round_can_make_the_same_bundle() -> None:
    run = finished()
    files = [bundle_of_run(run, run.stores[name]) for name in (COORDINATOR, "auditor-1")]
    assert files[0] == files[1]


def test_a_node_without_the_sealed_parts_makes_no_bundle() -> None:
    run = finished()
    with pytest.raises(Refusal) as caught:
        bundle_of_run(run, run.stores["lab-1"])
    assert caught.value.reason == "NO_SEALED"


def test_leaves_and_checkpoint_are_of_one_size_and_the_state_is_of_no_more() -> None:
    run = finished()
    leaves = run.leaves()
    with pytest.raises(ValueError, match="another size"):
        build_bundle(run.state, leaves[:-1], run.ledger.checkpoint(), [], MemoryStore())
    shorter = head_note(run.deployment, run.ledger.replica.tree, len(leaves) - 1)
    with pytest.raises(ValueError, match="of more entries"):
        build_bundle(run.state, leaves[:-1], shorter, [], MemoryStore())
