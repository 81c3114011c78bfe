"""K32: what of a round stays when an epoch of the key ends, and what is said anew."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fermata.crypto.threshold.opening import check_share
from fermata.errors import InvalidProof
from fermata.protocol.roles.auditor import (
    check_close,
    duties,
    endorse,
    open_part,
    own_opener,
    rounds_to_endorse,
    rounds_to_open,
)
from fermata.protocol.state.state import CLOSED, ENDORSED, OPENED, Round, RoundPhase, Verdict
from fermata.wire.v1 import statement_pb2
from harness.chains import Chain, chain_at
from harness.epochs import next_epoch

ALL = ("auditor-1", "auditor-2", "auditor-3")


def first(chain: Chain) -> Round:
    return chain.state.rounds[0]


def phase(chain: Chain) -> RoundPhase:
    return first(chain).phase(chain.state.chartered().charter.endorsement_quorum)


def say_endorsement(chain: Chain, auditor: str) -> Verdict:
    close = check_close(chain.state, first(chain), chain.fetch, chain.cache)
    statement = endorse(chain.state.keyed(), first(chain), close, auditor)
    return chain.put(chain.seal(statement))


def part_of(chain: Chain, auditor: str) -> statement_pb2.Statement:
    found = first(chain)
    assert found.close is not None
    share = chain.deployment.shares[auditor]
    return open_part(chain.state.keyed(), found, found.close, auditor, share, chain.entropy)


def give_parts(chain: Chain, auditors: Sequence[str] = ALL) -> list[Verdict]:
    return [chain.put(chain.seal(part_of(chain, auditor))) for auditor in auditors]


@pytest.mark.parametrize("factor", [1, None])
def test_a_round_that_a_quorum_has_endorsed_stays_so_and_opens_with_new_parts(
    factor: int | None,
) -> None:
    chain = chain_at("endorsed")
    endorsed = first(chain).endorsements
    assert next_epoch(chain, **({"factor": factor} if factor else {})).accepted
    assert phase(chain) == ENDORSED
    assert first(chain).endorsements == endorsed
    plain = chain_at("opened")
    assert all(verdict.accepted for verdict in give_parts(chain, ALL[:2]))
    assert phase(chain) == OPENED
    opening, wanted = first(chain).opening, first(plain).opening
    assert opening is not None
    assert wanted is not None
    assert (opening.results, opening.roots) == (wanted.results, wanted.roots)


def test_a_closed_round_with_fewer_endorsements_is_endorsed_anew() -> None:
    chain = chain_at("closed")
    for auditor in ALL[:2]:
        assert say_endorsement(chain, auditor).accepted
    assert next_epoch(chain).accepted
    assert (phase(chain), first(chain).endorsements) == (CLOSED, {})
    assert chain.put(chain.seal(part_of_closed(chain))).reason == "NO_QUORUM"
    for auditor in ALL:
        assert say_endorsement(chain, auditor).accepted
    assert say_endorsement(chain, ALL[0]).reason == "DUPLICATE"
    assert all(verdict.accepted for verdict in give_parts(chain, ALL[:2]))
    assert phase(chain) == OPENED


def part_of_closed(chain: Chain) -> statement_pb2.Statement:
    """A part that its auditor would not give yet: nobody has endorsed the round."""
    twin = chain.fork()
    twin.state = twin.state.with_round(replace(first(twin), keeps_endorsements=True))
    return part_of(twin, ALL[0])


def test_parts_of_two_epochs_are_not_mixed() -> None:
    """One old part and one new one are two parts, and no two shares of one polynomial."""
    chain = chain_at("endorsed")
    late = part_of(chain, ALL[1])
    assert give_parts(chain, ALL[:1])[0].accepted
    assert next_epoch(chain).accepted
    assert first(chain).parts == {}
    assert chain.put(chain.seal(late)).reason == "EPOCH_ID"
    assert all(verdict.accepted for verdict in give_parts(chain, ALL[1:]))
    assert phase(chain) == OPENED
    assert first(chain).culprits == frozenset()


def test_a_share_of_the_epoch_before_is_refused_by_its_owner() -> None:
    """P5.4, K6.3: parts by it would make an honest auditor a culprit."""
    chain = chain_at("endorsed")
    old = chain.deployment.shares["auditor-1"]
    assert next_epoch(chain).accepted
    record = chain.state.keyed().key.record
    check_share(record, chain.deployment.shares["auditor-1"])
    with pytest.raises(InvalidProof, match="another epoch") as caught:
        check_share(record, old)
    assert caught.value.reason == "SHARE"


def test_what_was_opened_in_an_epoch_takes_no_part_of_the_next() -> None:
    chain = chain_at("endorsed")
    assert all(verdict.accepted for verdict in give_parts(chain, ALL[:2]))
    before = first(chain)
    assert next_epoch(chain).accepted
    after = first(chain)
    assert replace(after, keeps_endorsements=False) == before
    assert give_parts(chain, ALL[2:])[0].reason == "EPOCH_ID"
    assert rounds_to_open(chain.state.keyed(), ALL[2]) == []


def test_a_round_that_collects_goes_on_under_the_next_epoch() -> None:
    chain = chain_at("collecting")
    for lab in chain.deployment.charter.labs[:3]:
        chain.report(lab)
    assert next_epoch(chain).accepted
    for lab in chain.deployment.charter.labs[3:]:
        chain.report(lab)
    chain.close()
    chain.endorse()
    chain.open_part()
    assert phase(chain) == OPENED


def test_an_auditor_does_anew_what_the_new_epoch_asks_in_slots_of_its_own() -> None:
    chain = chain_at("endorsed")
    assert give_parts(chain, ALL[:1])[0].accepted
    assert next_epoch(chain).accepted
    state = chain.state.keyed()
    assert rounds_to_endorse(state, ALL[0]) == []
    share = chain.deployment.shares[ALL[0]]
    close = check_close(chain.state, first(chain), chain.fetch, chain.cache)
    owed = [
        duty.slot
        for duty in duties(
            state,
            ALL[0],
            lambda slot: False,
            state.size,
            lambda r: close,
            own_opener(ALL[0], share, chain.entropy),
        )
    ]
    assert owed == [f"opening/1/{state.key.entry}"]


def test_an_endorsed_round_keeps_its_quorum_where_the_next_epoch_asks_for_more() -> None:
    """q of the epoch in force is of other auditors, who did not check that close."""
    found = replace(first(chain_at("endorsed")), keeps_endorsements=True)
    assert found.phase(7) == ENDORSED
    assert replace(found, keeps_endorsements=False).phase(7) == CLOSED
