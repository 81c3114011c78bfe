"""Bundles to verify: of a whole run, and of chains that were written by hand."""

import functools
from collections.abc import Mapping, Sequence

from fermata.log.checkpoint import Checkpoint, cosign, sign_checkpoint
from fermata.log.merkle import Tree, leaf_hash
from fermata.memory_store import MemoryStore
from fermata.protocol.fold.apply import apply
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.witness import witnessed_size
from fermata.protocol.state.state import State
from fermata.protocol.verify.bundle import build_bundle
from fermata.protocol.verify.check_texts import FAILED
from fermata.protocol.verify.verifier import Verification, verify_bundle
from fermata.protocol.wire.ports import Store, Witness
from harness.chains import (
    COORDINATOR,
    MODULUS_BITS_MIN,
    START_MS,
    Chain,
    Deployment,
    Run,
    figures,
    make_deployment,
)

Files = dict[str, bytes]


@functools.cache
def finished_run() -> Run:
    """Two rounds: one opened, one refused because labs had nothing to report."""
    deployment = make_deployment(last="2025Q4")

    def measure(lab: str, period: str) -> Measurement:
        if period == "2025Q4" and lab in ("lab-1", "lab-2", "lab-3", "lab-4"):
            return Measurement({})
        return Measurement(figures(deployment, lab))

    run = Run(deployment, measure)
    run.until_quiet()
    return run


@functools.cache
def true_files() -> tuple[tuple[str, bytes], ...]:
    run = finished_run()
    return tuple(bundle_of_run(run, run.stores[COORDINATOR]).items())


def bundle_of_run(run: Run, store: Store | None) -> Files:
    """The bundle of a run's log, with the sealed parts of a store or without any."""
    replica = Replica(run.charter, MemoryStore(), MODULUS_BITS_MIN)
    replica.pull(run.ledger)
    note = head_note(run.deployment, replica.tree)
    return build_bundle(replica.trusted(), run.leaves(), note, replica.witnesses, store)


def files() -> Files:
    return dict(true_files())


def verify(bundle: Files, pin: bytes | None = None) -> Verification:
    return verify_bundle(bundle, pin, MODULUS_BITS_MIN)


def failed(found: Verification) -> dict[int, tuple[str, ...]]:
    return {c.number: c.findings for c in found.checks if c.status == FAILED}


def invalid(bundle: Files, number: int, *fragments: str, pin: bytes | None = None) -> None:
    """This check fails, and one of its findings has all the fragments."""
    found = verify(bundle, pin)
    assert not found.is_valid
    findings = failed(found)[number]
    assert any(all(f in finding for f in fragments) for finding in findings), findings


def head_note(deployment: Deployment, tree: Tree, size: int | None = None) -> bytes:
    """The head that the coordinator signs of so many entries, of all by default."""
    origin, key = deployment.charter.log_origin, deployment.keys[COORDINATOR]
    size = tree.size if size is None else size
    head = Checkpoint(origin, size, tree.root(size))
    return sign_checkpoint(head, origin, key.sign, key.public_key)


def witness_of(
    deployment: Deployment, tree: Tree, auditor: str, size: int, time_s: int = START_MS // 1000
) -> Witness:
    """An auditor's cosignature of the head of so many entries."""
    key, name = deployment.keys[auditor], deployment.charter.witness_name(auditor)
    note = head_note(deployment, tree, size)
    return Witness(auditor, size, cosign(note, name, key.sign, key.public_key, time_s))


def bundle_of(
    chain: Chain, cosigners: Sequence[str] | None = None, sizes: Mapping[str, int] | None = None
) -> Files:
    """The bundle of a chain that was written by hand, witnessed by these auditors or all.

    ``sizes``: of the heads that auditors have cosigned; by default all cosigned the newest.
    """
    tree = tree_of(chain.leaves)
    names = chain.deployment.charter.auditors if cosigners is None else cosigners
    sizes = sizes or dict.fromkeys(names, tree.size)
    witnesses = [witness_of(chain.deployment, tree, name, size) for name, size in sizes.items()]
    size = witnessed_size(chain.deployment.charter.endorsement_quorum, sizes.values())
    state = state_after(chain, size)
    note = head_note(chain.deployment, tree)
    return build_bundle(state, chain.leaves, note, witnesses, chain)  # type: ignore[arg-type]


def state_after(chain: Chain, size: int) -> State:
    """The state that follows from the chain's first entries."""
    state = State(chain.state.charter_sha256, MODULUS_BITS_MIN)
    for leaf in chain.leaves[:size]:
        state, _ = apply(state, leaf, chain.cache)
    return state


def tree_of(leaves: Sequence[bytes]) -> Tree:
    """The tree of these leaves."""
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf_hash(leaf))
    return tree
