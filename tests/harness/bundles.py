"""Bundles to verify: of a whole run, and of chains that were written by hand."""

import functools

from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.verify.bundle import build_bundle
from fermata.protocol.verify.verifier import FAILED, Verification, verify_bundle
from harness.chains import (
    COORDINATOR,
    MODULUS_BITS_MIN,
    Chain,
    Run,
    cosigned,
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
    store = run.stores[COORDINATOR]
    return tuple(build_bundle(run.state, run.leaves(), run.ledger.checkpoint(), store).items())


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


def bundle_of(chain: Chain, cosigners: tuple[str, ...] | None = None) -> Files:
    """The bundle of a chain that was written by hand, cosigned by these auditors or all."""
    tree = Tree()
    for leaf in chain.leaves:
        tree.append(leaf_hash(leaf))
    charter, keys = chain.deployment.charter, chain.deployment.keys
    head = Checkpoint(charter.log_origin, tree.size, tree.root())
    note = sign_checkpoint(
        head, charter.log_origin, keys[COORDINATOR].sign, keys[COORDINATOR].public_key
    )
    names = charter.auditors if cosigners is None else cosigners
    note = cosigned(chain.deployment, note, *names)
    return build_bundle(chain.state, chain.leaves, note, chain)  # type: ignore[arg-type]
