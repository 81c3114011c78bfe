"""A log in which a committee has done all that it can, and nodes' replicas of its prefixes."""

import functools
from collections.abc import Iterator
from typing import cast

from fermata.memory_store import MemoryStore
from fermata.protocol.fold.apply import apply
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import State
from fermata.protocol.wire.ports import Log, Witness
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.bundles import head_note, witness_of
from harness.chains import MODULUS_BITS_MIN, Chain, chain_at
from harness.deployments import added_metric
from harness.protocol.amendments import amended, carried, close_round, tabled, under

MEMBERS = "axyz"
#: The lab that is excluded, and the members that vote.
OUT, VOTERS = "lab-3", ("member-1", "member-2", "member-3")
STRICTER = ("cohort_min = 3", "cohort_min = 4")
#: A time of the committee that asks all labs, and a metric that asks each.
SHORTER = ("notice_s = 86400", "notice_s = 43200")
MORE = added_metric("sum").encode()
TITLE = ('title = "For tests"', 'title = "Amended"')


def table(chain: Chain, author: str, kind: int, about: int = 0, **body: object) -> int:
    """Tables a motion that is accepted; returns its entry."""
    if about:
        body["about"] = EntryRef(index=about)
    verdict = chain.say(author, motion=wire.Motion(kind=kind, **body))  # type: ignore[arg-type]
    assert verdict.accepted, verdict
    return verdict.entry


def vote(chain: Chain, motion: int, choice: int, *members: str) -> None:
    for member in members:
        body = wire.Vote(motion=EntryRef(index=motion), choice=choice)  # type: ignore[arg-type]
        verdict = chain.say(member, vote=body)
        assert verdict.accepted, verdict


@functools.cache
def governed_chain() -> Chain:
    """Of one dispute the second ruling is final, of another the first; one ruling is lost, one is
    withdrawn and one expires; an amendment is lost, a lab is excluded and the charter amended with
    round 2."""
    chain = chain_at("collecting", members=MEMBERS).fork()
    first = table(chain, "lab-2", wire.MOTION_KIND_DISPUTE, 2, lab=OUT, reason="It is late.")
    ruling = table(chain, "member-1", wire.MOTION_KIND_RULING, first, is_upheld=True)
    vote(chain, ruling, wire.CHOICE_FOR, *VOTERS)
    table(chain, OUT, wire.MOTION_KIND_APPEAL, first)
    second = table(chain, "member-2", wire.MOTION_KIND_RULING, first, is_upheld=True)
    vote(chain, second, wire.CHOICE_FOR, *VOTERS)
    exclusion = table(chain, "member-1", wire.MOTION_KIND_EXCLUSION, first, lab=OUT, from_round=2)
    vote(chain, exclusion, wire.CHOICE_FOR, *VOTERS)
    other = table(chain, "lab-4", wire.MOTION_KIND_DISPUTE, 2, lab="lab-5")
    lost = table(chain, "member-1", wire.MOTION_KIND_RULING, other, is_upheld=True)
    vote(chain, lost, wire.CHOICE_AGAINST, *VOTERS[:2])
    mistake = table(chain, "member-1", wire.MOTION_KIND_RULING, other, is_upheld=True)
    table(chain, "member-1", wire.MOTION_KIND_WITHDRAWAL, mistake)
    expires = table(chain, "member-1", wire.MOTION_KIND_RULING, other, is_upheld=True)
    chain.advance(chain.due_ms(chain.state.governance.motions[expires].expiry))
    last = table(chain, "member-1", wire.MOTION_KIND_RULING, other)
    vote(chain, last, wire.CHOICE_FOR, *VOTERS)
    chain.advance(chain.due_ms(chain.state.governance.disputes[other].appeal))
    asks = amended(chain, SHORTER) + MORE
    refused = tabled(chain, asks).entry
    vote(chain, refused, wire.CHOICE_AGAINST, *VOTERS[:2])
    data = amended(chain, STRICTER, TITLE)
    due_ms = carried(chain, data)
    close_round(chain)
    under(chain, data).open_round(due_ms)
    return chain


def states(chain: Chain) -> Iterator[State]:
    """The state after each entry of a chain."""
    state = State(charter_sha256=chain.state.charter_sha256, modulus_bits_min=MODULUS_BITS_MIN)
    for leaf in chain.leaves:
        state, _ = apply(state, leaf, chain.cache)
        yield state


class ChainLog:
    """A chain as a log that shows its first ``size`` entries, all or fewer of them witnessed."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.size = self.witnessed = 0

    def news(self, start: int, count_max: int) -> tuple[bytes, list[Witness], list[bytes]]:
        deployment, tree = self.chain.deployment, self.chain.tree
        auditors = deployment.charter.auditors if self.witnessed else ()
        witnesses = [witness_of(deployment, tree, a, self.witnessed) for a in auditors]
        note = head_note(deployment, tree, self.size)
        return note, witnesses, self.read(start, count_max)

    def read(self, start: int, count_max: int) -> list[bytes]:
        return self.chain.leaves[start : min(self.size, start + count_max)]


class Growing:
    """A node's replica of a chain, which grows as its test says."""

    def __init__(self, chain: Chain, size: int = 0) -> None:
        self.log = ChainLog(chain)
        genesis = chain.state.charters[0].charter
        self.replica = Replica(genesis, MemoryStore(), MODULUS_BITS_MIN)
        if size:
            self.grow(size)

    def grow(self, size: int, witnessed: int | None = None) -> None:
        """Pulls the log up to so many entries, of which all or fewer are witnessed."""
        self.log.size, self.log.witnessed = size, size if witnessed is None else witnessed
        while self.replica.pull(cast(Log, self.log)):
            pass
