"""Runs that have come into a pause, and nodes' replicas of them over stores of their own."""

import functools

from fermata.memory_store import MemoryStore
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.roles.replica import WITNESSES, Replica
from fermata.protocol.wire.witnesses import encode_witnesses
from harness.bundles import witness_of
from harness.chains import MODULUS_BITS_MIN, PAUSE_TABLES, Run, make_deployment

#: The hours of each lab by period: four labs reach the limit of 100, then stay below 60 twice.
HOURS = {"2025Q3": "30", "2025Q4": "10", "2026Q1": "10"}


def measure_hours(lab, hours):
    """A lab's figures of a round, of which only the hours matter."""
    values = {"hours": hours, "share": "1"}
    if lab != "lab-1":
        values |= {f"wide-{k}": "1" for k in range(1, 6)}
    return Measurement(values)


def measure(lab, period):
    return measure_hours(lab, HOURS[period])


@functools.cache
def pause_run(last="2025Q3"):
    """A run to its end; with the first period alone it ends paused, with all three lifted."""
    run = Run(make_deployment(labs=4, auditors=2, extra=PAUSE_TABLES, last=last), measure)
    run.until_quiet()
    return run


@functools.cache
def lifted_run(successors):
    """A run to the end of its pause, with coordinators after the first or without."""
    shape = {"labs": 4, "auditors": 2, "extra": PAUSE_TABLES, "last": "2026Q1"}
    run = Run(make_deployment(**shape, successors=successors), measure)
    run.until_quiet()
    return run


@functools.cache
def late_run():
    """The run to its first pause, in which no lab acknowledges before the auditors have told when
    the pause began; and the log's size until then."""
    run = Run(make_deployment(labs=4, auditors=2, extra=PAUSE_TABLES, last="2025Q3"), measure)
    while not run.state.pause.changes:
        for name in run.drivers:
            if not run.state.pause.changes:
                run.step(name)
    run.until_quiet(*run.charter.auditors)
    size = run.state.size
    run.until_quiet()
    return run, size


def copy_of(run, store=None, size=None, witnessed=None):
    """A replica of the run's log, whole or up to a size, over a store of its own.

    All of it is witnessed, or the first so many entries.
    """
    store = MemoryStore() if store is None else store
    if store.entry_count() == 0:
        leaves = run.leaves()[:size]
        store.extend(0, leaves, head_of(run, len(leaves)))
        see(run, store, len(leaves) if witnessed is None else witnessed)
    return Replica(run.charter, store, MODULUS_BITS_MIN)


def see(run, store, size):
    """Lets the store have all auditors' cosignatures of so many entries."""
    tree = run.ledger.replica.tree
    lines = (
        [witness_of(run.deployment, tree, a, size) for a in run.charter.auditors] if size else []
    )
    store.put_value(WITNESSES, encode_witnesses(lines))


def head_of(run, size):
    """The log's signed note over its first entries."""
    return run.ledger.heads.signed(size, run.ledger.replica.tree.root(size))
