"""G13a: a key that was lost or stolen is replaced, and by whose word."""

import base64
from typing import Any

import pytest

from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import Chain, chain_at
from harness.deployments import party_keys
from harness.governed import VOTERS, table, vote
from harness.protocol.amendments import amended, close_round, signed, tabled, under

NEW = party_keys(13, 6, 3)["lab-6"]
LAB = "lab-6"


@pytest.fixture
def chain() -> Chain:
    return chain_at("collecting", members="axyz").fork()


#: What the lab is called when it comes back.
BACK = "lab-6b"


def edit_key(chain: Chain) -> tuple[str, str]:
    old = base64.b64encode(chain.deployment.keys[LAB].public_key).decode()
    return old, base64.b64encode(NEW.public_key).decode()


def renewed(chain: Chain, *edits: tuple[str, str]) -> bytes:
    """The charter with the lab under another id and with another key."""
    return amended(chain, edit_key(chain), (LAB, BACK), *edits)


def found(chain: Chain, lab: str = LAB, is_upheld: bool = True) -> int:
    """A dispute about a lab's key, whose ruling is final."""
    dispute = table(chain, "lab-2", wire.MOTION_KIND_DISPUTE, 2, lab=lab, reason="Its key is lost.")
    ruling = table(chain, "member-1", wire.MOTION_KIND_RULING, dispute, is_upheld=is_upheld)
    vote(chain, ruling, wire.CHOICE_FOR, *VOTERS)
    chain.advance(chain.due_ms(chain.state.governance.disputes[dispute].appeal))
    return dispute


def _signers(data: bytes) -> dict[str, Any]:
    return {"lab_6b" if BACK.encode() in data else "lab_6": NEW}


def replaced(chain: Chain, data: bytes, about: int = -1, **body: Any) -> Any:
    if about >= 0:
        body["about"] = EntryRef(index=about)
    return tabled(chain, data, signatures=signed(data, **_signers(data)), **body)


def refused(chain: Chain, data: bytes, about: int) -> None:
    verdict = replaced(chain.fork(), data, about)
    assert (verdict.accepted, verdict.reason) == (False, "NO_GROUND"), verdict


def test_a_lab_is_asked_before_it_gets_another_key(chain: Chain) -> None:
    """CO2: whoever holds its key speaks for it, and nobody else."""
    entry = replaced(chain, amended(chain, edit_key(chain))).entry
    assert chain.state.governance.motions[entry].asked_labs == (LAB,)


def test_it_is_asked_before_it_leaves_the_roster(chain: Chain) -> None:
    entry = replaced(chain, renewed(chain)).entry
    assert chain.state.governance.motions[entry].asked_labs == (LAB,)


def test_a_lab_whose_key_was_found_lost_is_not_asked(chain: Chain) -> None:
    data, dispute = renewed(chain), found(chain)
    entry = replaced(chain, data, dispute).entry
    assert chain.state.governance.motions[entry].asked_labs == ()
    vote(chain, entry, wire.CHOICE_FOR, *VOTERS)
    close_round(chain)
    due_ms = chain.due_ms(chain.state.governance.motions[entry].notice)
    under(chain, data, lab_6b=NEW).open_round(due_ms)
    said = chain.deployment.statement(LAB, abstention=wire.Abstention(round=2))
    assert chain.put(chain.seal(said)).reason == "NOT_ON_ROSTER"
    assert chain.abstain(BACK).accepted


def test_it_can_appeal_against_the_finding_with_the_key_that_it_has(chain: Chain) -> None:
    """A committee that says so of a lab whose key is not lost is heard about it."""
    data = renewed(chain)
    dispute = table(chain, "lab-2", wire.MOTION_KIND_DISPUTE, 2, lab=LAB)
    ruling = table(chain, "member-1", wire.MOTION_KIND_RULING, dispute, is_upheld=True)
    vote(chain, ruling, wire.CHOICE_FOR, *VOTERS)
    refused(chain, data, dispute)
    table(chain, LAB, wire.MOTION_KIND_APPEAL, dispute)
    refused(chain, data, dispute)


def test_the_finding_is_upheld_about_this_lab_and_used_once(chain: Chain) -> None:
    data = renewed(chain)
    refused(chain, data, 0)
    refused(chain, data, 2)
    twin = chain.fork()
    refused(twin, data, found(twin, is_upheld=False))
    twin = chain.fork()
    refused(twin, data, found(twin, "lab-5"))
    dispute = found(chain)
    exclusion = table(chain, "member-1", wire.MOTION_KIND_EXCLUSION, dispute, lab=LAB, from_round=2)
    vote(chain, exclusion, wire.CHOICE_FOR, *VOTERS)
    refused(chain, data, dispute)


def test_it_comes_back_as_a_new_lab_of_its_organisation(chain: Chain) -> None:
    """ST7: under its old id it would be beside figures that were told of another party."""
    dispute = found(chain)
    refused(chain, amended(chain, edit_key(chain)), dispute)
    refused(chain, renewed(chain, ('"Organisation f"', '"Puppets"')), dispute)
    data = amended(chain, ("cohort_min = 3", "cohort_min = 4"))
    verdict = tabled(chain, data, about=EntryRef(index=dispute))
    assert verdict.reason == "NO_GROUND"
