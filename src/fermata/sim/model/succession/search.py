"""Counts through every history of every committee, and lists what breaks a promise."""

import argparse
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fermata.sim.model.succession.committee import Committee, committees
from fermata.sim.model.succession.epochs import broken, changes
from fermata.sim.model.succession.history import (
    FORK,
    LOG,
    RULES,
    Auditor,
    History,
    Rules,
    after,
    settled,
    witnessed,
)
from fermata.sim.model.succession.leaving import table

VIOLATIONS_MAX = 20
#: Auditors of each of two committees, of which one follows the other.
CHANGED_MAX = 5


@dataclass(frozen=True, slots=True)
class Explored:
    """``waits``: histories in which a handover that leaves a head out would lose what was
    witnessed, so that only the wait of SU9 protects it."""

    histories: int
    waits: int
    violations: tuple[str, ...]


def explore(committee: Committee, rules: Rules = RULES) -> Explored:
    """Visits every history of a committee."""
    start: History = (Auditor(),) * committee.honest
    known, queue = {start}, deque([start])
    waits = 0
    violations: list[str] = []
    while queue:
        history = queue.popleft()
        waits += _needs_wait(committee, history)
        if len(violations) < VIOLATIONS_MAX:
            violations += [f"{committee}: {w}: {history}" for w in _broken(committee, history)]
        for following in after(committee, rules, history):
            if following not in known:
                known.add(following)
                queue.append(following)
        # Whoever cosigns after its Leave is not told by the count alone.
        if rules.cosigns_after_leave and _has_handover(committee, history, lambda _: True):
            violations.append(f"{committee}: the old view goes on: {history}")
    return Explored(len(known), waits, tuple(violations[:VIOLATIONS_MAX]))


def _has_handover(
    committee: Committee, history: History, may_be_in: Callable[[Auditor], bool]
) -> bool:
    """Whether a quorum of Leaves exists whose honest ones are all of this kind.

    Liars sign Leaves that say whatever the successor needs, short of a certificate that none has.
    """
    leaves = sum(a.has_left and may_be_in(a) for a in history)
    return leaves + committee.liars >= committee.quorum


def _broken(committee: Committee, history: History) -> Iterator[str]:
    # SU6: two logs never both go on.
    stayed = sum(not a.has_left for a in history)
    if _has_handover(committee, history, lambda _: True) and (
        stayed + committee.liars >= committee.quorum
    ):
        yield "a handover while the old view still has a quorum"
    # SU7 rests on this: of two logs only one is ever witnessed.
    if witnessed(committee, history, LOG) and witnessed(committee, history, FORK):
        yield "two logs are witnessed"
    # SU8: whatever the Leaves are, the fold takes none without what was settled.
    if settled(committee, history, LOG) and _has_handover(
        committee, history, lambda a: a.certificate != LOG
    ):
        yield "a handover without what was settled"
    # SU8: a handover that leaves no head out has all that was witnessed.
    if witnessed(committee, history, LOG) and _has_handover(
        committee, history, lambda a: a.head != LOG
    ):
        yield "a handover that leaves no head out, without what was witnessed"


def _needs_wait(committee: Committee, history: History) -> bool:
    """Whether the fold would take a handover that leaves out what was witnessed."""
    return witnessed(committee, history, LOG) and _has_handover(
        committee, history, lambda a: a.certificate != LOG
    )


def main(arguments: list[str]) -> int:
    """Returns 0 if every promise holds in every history, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m fermata.sim.model.succession",
        description="Counts through every history of a fork, a handover and a change of auditors.",
    )
    parser.add_argument("--auditors", type=int, default=7, choices=range(1, 8), metavar="N")
    options = parser.parse_args(arguments)
    violations: list[str] = []
    for committee in committees(options.auditors):
        explored = explore(committee)
        violations += explored.violations
        sys.stdout.write(
            f"{committee.auditors} auditors, threshold {committee.threshold},"
            f" {committee.liars} liars: {explored.histories} histories,"
            f" {explored.waits} where the wait decides, {len(explored.violations)} violations\n"
        )
    of_five = list(changes(min(options.auditors, CHANGED_MAX)))
    conflicts = [what for change in of_five if (what := broken(change))]
    violations += conflicts
    sys.stdout.write(
        f"{len(of_five)} changes of the auditors, {len(conflicts)} after which two logs go on\n"
    )
    for line in table(options.auditors):
        sys.stdout.write(f"{line}\n")
    for violation in violations:
        sys.stdout.write(f"violation: {violation}\n")
    return 1 if violations else 0
