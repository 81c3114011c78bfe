from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.threshold.ceremony.lockstep import Ceremony, Messages, Received, Turn
from fermata.crypto.threshold.opening import KeyShare
from fermata.crypto.threshold.reshare.ceremony import NextEpoch
from fermata.crypto.threshold.reshare.plan import (
    Plan,
    parties_of,
    plan_refresh,
    plan_reshare,
)
from fermata.crypto.threshold.reshare.turns import (
    Complaint,
    Kept,
    complaints_from_bytes,
    complaints_to_bytes,
)
from fermata.errors import InvalidEncoding, InvalidProof
from harness.crypto.keys import dealt
from harness.crypto.next_epochs import BEFORE, CEREMONY, parties, seed_of, sent_to

KEY = dealt(256, 2, 3)
RECORD = KEY.record
SHARES = {share.index: share for share in KEY.shares}
REFRESH = plan_refresh(RECORD, BEFORE, CEREMONY)
RESHARE = plan_reshare(RECORD, BEFORE, CEREMONY, 3, 5, {2: 1, 6: 3})
PLANS = [REFRESH, RESHARE]
OTHERS = (2, 3)


def turns_of(plan: Plan) -> list[dict[int, Turn]]:
    sides = parties(plan, SHARES)
    turns = [{party: side.begin(seed_of(party)) for party, side in sides.items()}]
    while not turns[-1][1].is_done:
        messages = {party: turn.messages or Messages(b"") for party, turn in turns[-1].items()}
        turns.append(
            {
                party: side.step(turns[-1][party].kept, sent_to(party, messages))
                for party, side in sides.items()
            }
        )
    return turns


@pytest.mark.parametrize("plan", PLANS)
def test_a_party_that_crashed_says_and_ends_with_the_same_again(plan: Plan) -> None:
    assert turns_of(plan) == turns_of(plan)


@pytest.mark.parametrize("plan", PLANS)
def test_without_complaints_there_are_two_turns_of_messages(plan: Plan) -> None:
    turns = turns_of(plan)
    assert [turn[1].number for turn in turns] == [0, 1, 2]
    assert [turn[1].progress.phase for turn in turns] == ["deal", "complaints", "done"]
    for party, end in turns[-1].items():
        assert bool(end.secret_result) == (party in plan.receivers)
        assert end.kept == b""


def test_parties_of_a_reshare_are_the_new_auditors_and_then_dealers_who_leave() -> None:
    old, new = ("a", "b", "c", "d"), ("e", "b", "f", "a")
    assert parties_of(old, new, {"a", "c", "d"}) == (
        ("e", "b", "f", "a", "c", "d"),
        {4: 1, 5: 3, 6: 4},
    )
    with pytest.raises(ValueError, match="old roster"):
        parties_of(old, new, {"e"})
    assert RESHARE.parties == (1, 2, 3, 4, 5, 6)
    assert RESHARE.old_indices == (1, 3)


def test_the_party_is_a_ceremony_of_lockstep() -> None:
    side: Ceremony = NextEpoch(RESHARE, 6, SHARES[3])
    assert (side.index, side.parties) == (6, (1, 2, 3, 4, 5, 6))
    assert set(get_type_hints(Ceremony.begin)) == set(get_type_hints(NextEpoch.begin))


@pytest.mark.parametrize("plan", PLANS)
def test_no_secret_is_in_what_prints(plan: Plan) -> None:
    secrets = [f"{share.value}" for share in KEY.shares] + [f"{seed_of(1)!r}"[2:-1]]
    for turn in turns_of(plan):
        for party, end in turn.items():
            text = f"{end!r} {parties(plan, SHARES)[party]!r} {plan!r}"
            assert all(secret not in text for secret in secrets)
            assert repr(end.kept)[2:-1] not in text or not end.kept


@pytest.mark.parametrize(
    ("party", "index"), [(2, 2), (2, None), (6, 1), (1, 1), (0, None), (7, None)]
)
def test_a_party_without_the_share_that_it_deals_is_misuse(party: int, index: int | None) -> None:
    with pytest.raises(ValueError):
        NextEpoch(RESHARE, party, SHARES[index] if index else None)


def test_a_dealer_whose_share_is_damaged_does_not_begin() -> None:
    with pytest.raises(InvalidProof) as error:
        NextEpoch(REFRESH, 1, KeyShare(1, SHARES[1].value + 1, SHARES[1].key_id))
    assert error.value.reason == "SHARE"


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_of_another_length_is_misuse(size: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        NextEpoch(REFRESH, 1, SHARES[1]).begin(bytes(size))


def test_a_turn_without_everybodys_messages_is_misuse() -> None:
    side = NextEpoch(REFRESH, 1, SHARES[1])
    kept = side.begin(seed_of(1)).kept
    for received in (
        {},
        {2: Received(b"")},
        {2: Received(b""), 3: Received(b""), 4: Received(b"")},
    ):
        with pytest.raises(ValueError, match="every other party"):
            side.step(kept, received)


@pytest.mark.parametrize(
    "arguments",
    [
        (1, 3, {1: 1, 2: 2}),
        (4, 3, {1: 1, 2: 2}),
        (2, 8, {1: 1, 2: 2}),
        (2, 3, {1: 1}),
        (2, 3, {1: 1, 2: 2, 3: 3}),
        (2, 3, {1: 1, 2: 1}),
        (2, 3, {1: 1, 2: 4}),
        (2, 3, {0: 1, 2: 2}),
        (2, 3, {1: 1, 5: 2}),
    ],
)
def test_an_impossible_reshare_is_misuse(arguments: tuple[int, int, dict[int, int]]) -> None:
    with pytest.raises(ValueError):
        plan_reshare(RECORD, BEFORE, CEREMONY, *arguments)


def test_one_auditor_alone_has_nothing_to_refresh() -> None:
    with pytest.raises(ValueError, match="threshold of 1"):
        plan_refresh(dealt(256, 1, 3).record, BEFORE, CEREMONY)


def test_ids_of_another_length_are_misuse() -> None:
    for ids in ((b"", CEREMONY), (BEFORE, bytes(31))):
        with pytest.raises(ValueError, match="32 bytes"):
            plan_refresh(RECORD, *ids)


bodies = st.builds(Received, st.binary(max_size=9), st.binary(max_size=9))
received = st.fixed_dictionaries(dict.fromkeys(OTHERS, bodies))


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.lists(received, max_size=3))
def test_what_is_kept_comes_back(seed: bytes, history: list[dict[int, Received]]) -> None:
    kept = Kept(seed, tuple(history))
    assert Kept.from_bytes(kept.to_bytes(CEREMONY), CEREMONY, OTHERS) == kept


KEPT = Kept(bytes(32), ({2: Received(b"a", b"b"), 3: Received(b"", b"")},)).to_bytes(CEREMONY)


@pytest.mark.parametrize(
    "data", [b"", KEPT[:-1], KEPT + b"\0", KEPT[:-4], KEPT[1:], KEPT + KEPT, KEPT.upper()]
)
def test_what_no_turn_gave_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidEncoding) as error:
        Kept.from_bytes(data, CEREMONY, OTHERS)
    assert error.value.reason == "CEREMONY_KEPT"


def test_what_another_ceremony_gave_is_refused() -> None:
    with pytest.raises(InvalidEncoding) as error:
        Kept.from_bytes(KEPT, bytes(32), OTHERS)
    assert error.value.reason == "CEREMONY_KEPT"
    side = NextEpoch(plan_refresh(RECORD, BEFORE, bytes(32)), 1, SHARES[1])
    with pytest.raises(InvalidEncoding):
        side.step(turns_of(REFRESH)[0][1].kept, {2: Received(b""), 3: Received(b"")})


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_complaints_in_one_form_or_not_at_all(data: bytes) -> None:
    complaints = complaints_from_bytes(RESHARE, 1, data)
    assert complaints is None or complaints_to_bytes(complaints) == data


@settings(deadline=None)
@given(st.lists(st.binary(max_size=RESHARE.sub_share_bytes + 2), min_size=1, max_size=2))
def test_complaints_come_back(messages: list[bytes]) -> None:
    complaints = tuple(
        Complaint.of(RESHARE, dealer, message)
        for dealer, message in zip((2, 6), messages, strict=False)
    )
    assert complaints_from_bytes(RESHARE, 1, complaints_to_bytes(complaints)) == complaints
