"""A finding against a lab, which an exclusion must rest on (governance.md, F12.27)."""

from fermata.protocol.fold.governance.tally import chair_of, entitled
from fermata.protocol.state.governance import OPEN
from fermata.types import EntryIndex
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import COORDINATOR, Chain


def finding(chain: Chain, lab: str) -> EntryIndex:
    """The coordinator disputes what a lab did, the chair upholds it, and the time to appeal passes.

    Returns the dispute's entry.
    """
    body = wire.Motion(kind=wire.MOTION_KIND_DISPUTE, lab=lab, about=EntryRef(index=0))
    dispute = _said(chain, COORDINATOR, body)
    chair = chair_of(chain.state, "ruling", about_entry=dispute)
    assert chair is not None
    about = EntryRef(index=dispute)
    ruling = _said(
        chain, chair, wire.Motion(kind=wire.MOTION_KIND_RULING, about=about, is_upheld=True)
    )
    motions = chain.state.governance.motions
    for member in entitled(chain.state, motions[ruling]):
        if chain.state.governance.motions[ruling].status == OPEN:
            vote = wire.Vote(motion=EntryRef(index=ruling), choice=wire.CHOICE_FOR)
            verdict = chain.say(member.id, vote=vote)
            assert verdict.accepted, verdict
    chain.advance(chain.due_ms(chain.state.governance.disputes[dispute].appeal))
    assert chain.state.governance.disputes[dispute].status == "final"
    return dispute


def _said(chain: Chain, author: str, body: wire.Motion) -> EntryIndex:
    verdict = chain.say(author, motion=body)
    assert verdict.accepted, verdict
    return verdict.entry
