"""Who can depose a coordinator, and which coordinators are deposed: SU4 of the specification.

Here nothing but numbers counts: how many honest auditors have a reason of their own to leave, how
many follow, and whether the log still has a quorum that cosigns.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fermata.sim.model.succession.committee import Committee, committees

GOES_ON, DEPOSED, STUCK = "goes on", "deposed", "stuck"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a coordinator and the liars do.

    ``starved``: honest auditors of which the log takes no heartbeat; of a coordinator that has
    stopped, all. ``withholds``: the coordinator hands out no cosignature. ``signing``: liars that
    sign Leaves. ``silent``: liars that cosign nothing.
    """

    starved: int = 0
    withholds: bool = False
    signing: int = 0
    silent: int = 0
    asks_auditors: bool = True


def outcome(committee: Committee, trouble: Trouble) -> str:
    """What becomes of the coordinator after ``succession_s`` and as much again."""
    left = trouble.starved  # SU4, its own heartbeats.
    while True:
        leaves = left + trouble.signing
        staying = committee.honest - left
        cosigners = staying + committee.liars - trouble.silent
        grows = cosigners >= committee.quorum and not trouble.withholds
        follows = leaves >= committee.threshold or (leaves >= 1 and not grows)
        # SU4: the cosignatures of others, which it asks them for, and the log does not hand out.
        sees_more = trouble.withholds and trouble.asks_auditors and staying >= committee.quorum
        if not staying or not (follows or sees_more):
            break
        left = committee.honest
    if leaves >= committee.quorum:
        return DEPOSED
    return GOES_ON if grows else STUCK


def troubles(committee: Committee) -> Iterator[Trouble]:
    """Every case of a committee."""
    for starved in range(committee.honest + 1):
        for signing in range(committee.liars + 1):
            for silent in range(committee.liars + 1):
                for withholds in (False, True):
                    yield Trouble(starved, withholds, signing, silent)


def table(auditors_max: int) -> Iterator[str]:
    """For each committee: whether the liars alone depose, and who stops the log for good."""
    for committee in committees(auditors_max):
        liars = committee.liars
        alone = outcome(committee, Trouble(signing=liars, silent=liars))
        stopped = outcome(committee, Trouble(starved=committee.honest, withholds=True))
        yield (
            f"{committee.auditors} auditors, threshold {committee.threshold}, {liars} liars that"
            f" sign Leaves: {alone}; the coordinator has stopped, and they are silent: {stopped}"
        )
