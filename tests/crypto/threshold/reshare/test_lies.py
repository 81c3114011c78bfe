"""A lie in any message of any turn names its author, and nobody else."""

from collections.abc import Callable

import pytest

from fermata.crypto.threshold.ceremony.lockstep import Messages, Misbehaviour, Turn
from fermata.crypto.threshold.key_record import DELTA
from fermata.crypto.threshold.reshare.dealing import polynomial
from fermata.crypto.threshold.reshare.outcome import Outcome
from fermata.crypto.threshold.reshare.plan import Plan, plan_refresh, plan_reshare
from fermata.crypto.threshold.reshare.turns import Complaint, complaints_to_bytes
from harness.crypto.keys import dealt, primes
from harness.crypto.next_epochs import (
    BEFORE,
    CEREMONY,
    Lies,
    deal_of,
    finish,
    hashes_of,
    parties,
    play,
    seed_of,
    with_private,
)

KEY = dealt(512, 3, 5)
N = KEY.record.n
WIDTH = 64
SHARES = {share.index: share for share in KEY.shares}
PLANS = {
    "refresh": plan_refresh(KEY.record, BEFORE, CEREMONY),
    # Parties 1 and 2 are old and new, party 4 is old alone and party 3 new alone.
    "reshare": plan_reshare(KEY.record, BEFORE, CEREMONY, 2, 3, {1: 4, 2: 1, 4: 5}),
}
LIAR, VICTIM = 2, 3

Lie = Callable[[Plan, Messages], Messages]


def found(plan: Plan, lies: dict[int, Lies]) -> tuple[str, int, int]:
    """What every honest party finds."""
    ends = play(parties(plan, SHARES), lies)
    findings = set()
    for end in ends.values():
        assert isinstance(end, Misbehaviour), end
        findings.add((end.reason, end.culprit, end.turn))
    (finding,) = findings
    return finding


def public(change: Callable[[bytes], bytes]) -> Lie:
    return lambda _, sent: Messages(change(sent.public), sent.private)


def first_commitment(number: int) -> Lie:
    return public(lambda data: number.to_bytes(WIDTH, "big") + data[WIDTH:])


MALFORMED: dict[str, Lie] = {
    "nothing": public(lambda _: b""),
    "a byte less": public(lambda data: data[:-1]),
    "a byte more": public(lambda data: data + b"\0"),
    "a commitment less": public(lambda data: data[WIDTH:]),
    "a hash less": public(lambda data: data[:-32]),
    "a commitment of 0": first_commitment(0),
    "a commitment of 1": first_commitment(1),
    "a commitment of -1": first_commitment(N - 1),
    "a commitment that is not reduced": first_commitment(N),
    "a commitment that is not a unit": first_commitment(primes(512)[0] * 5),
}


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_deal_names_its_dealer(kind: str, what: str) -> None:
    plan = PLANS[kind]
    lies = {LIAR: {0: lambda sent: MALFORMED[what](plan, sent)}}
    assert found(plan, lies) == ("RESHARE_DEAL", LIAR, 0)


def test_a_deal_by_who_is_not_a_dealer_names_it() -> None:
    lies = {3: {0: lambda _: Messages(b"\0")}}
    assert found(PLANS["reshare"], lies) == ("RESHARE_DEAL", 3, 0)


def coefficients(plan: Plan) -> list[int]:
    index = dict(plan.dealers)[LIAR]
    return list(polynomial(plan, index, SHARES[index].value, seed_of(LIAR)))


def dealing(change: Callable[[list[int]], None]) -> Lie:
    """A deal of changed coefficients, all of whose commitments and sub-shares fit each other."""

    def lie(plan: Plan, sent: Messages) -> Messages:
        changed = coefficients(plan)
        change(changed)
        return deal_of(plan, LIAR, tuple(changed))

    return lie


def add(place: int, number: int) -> Callable[[list[int]], None]:
    def change(numbers: list[int]) -> None:
        numbers[place] += number

    return change


def wrong_message(change: Callable[[int], int]) -> Lie:
    def lie(plan: Plan, sent: Messages) -> Messages:
        value = change(int.from_bytes(sent.private[VICTIM], "big"))
        message = (value % (1 << 8 * plan.sub_share_bytes)).to_bytes(plan.sub_share_bytes, "big")
        return with_private(plan, sent, VICTIM, message)

    return lie


def of_another(plan: Plan, sent: Messages) -> Messages:
    return with_private(plan, sent, VICTIM, sent.private[1])


def committed_to_another(plan: Plan, sent: Messages) -> Messages:
    number = int.from_bytes(sent.public[:WIDTH], "big") * 4 % N
    return first_commitment(number)(plan, sent)


WRONG: dict[str, Lie] = {
    "a sub-share that is one more": wrong_message(lambda value: value + 1),
    "a sub-share of nothing": wrong_message(lambda _: 0),
    "a sub-share above all": wrong_message(lambda _: -1),
    "a sub-share of another receiver": of_another,
    "a commitment to another number": committed_to_another,
    "another constant": dealing(add(0, 1)),
    "another constant, a multiple of Delta": dealing(add(0, DELTA**3)),
    "a coefficient beyond the range": dealing(add(1, 1 << 1200)),
    "a coefficient that is a little beyond the range": lambda plan, sent: dealing(
        add(1, 8 << plan.mask_bits)
    )(plan, sent),
    "a negative coefficient": dealing(add(1, -(1 << 1200))),
}


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_sub_share_names_its_dealer(kind: str, what: str) -> None:
    plan = PLANS[kind]
    lies = {LIAR: {0: lambda sent: WRONG[what](plan, sent)}}
    assert found(plan, lies) == ("RESHARE_SUB_SHARE", LIAR, 0)


def test_a_dealer_of_the_old_roster_alone_is_named_like_others() -> None:
    plan = PLANS["reshare"]

    def lie(sent: Messages) -> Messages:
        return with_private(plan, sent, VICTIM, bytes(plan.sub_share_bytes))

    assert found(plan, {4: {0: lie}}) == ("RESHARE_SUB_SHARE", 4, 0)


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("message", ["", "00", "long"])
def test_a_signed_sub_share_of_another_length_names_its_dealer(kind: str, message: str) -> None:
    plan = PLANS[kind]
    data = bytes(plan.sub_share_bytes + 5) if message == "long" else bytes.fromhex(message)
    turn = 0 if message == "00" else 2

    def lie(sent: Messages) -> Messages:
        return with_private(plan, sent, VICTIM, data)

    assert found(plan, {LIAR: {0: lie}}) == ("RESHARE_SUB_SHARE", LIAR, turn)


@pytest.mark.parametrize("kind", PLANS)
def test_a_hash_of_no_message_names_its_dealer(kind: str) -> None:
    plan = PLANS[kind]

    def lie(sent: Messages) -> Messages:
        return Messages(sent.public[:-32] + bytes(32), sent.private)

    def answer(_: Messages) -> Messages:
        index = dict(plan.dealers)[LIAR]
        true = deal_of(plan, LIAR, polynomial(plan, index, SHARES[index].value, seed_of(LIAR)))
        return Messages(true.private[max(plan.receivers)])

    assert found(plan, {LIAR: {0: lie, 2: answer}}) == ("RESHARE_SUB_SHARE", LIAR, 2)


def complaint(plan: Plan, sent: Messages, dealer: int) -> bytes:
    """About what a dealer that is honest has sent."""
    index = dict(plan.dealers)[dealer]
    honest = deal_of(plan, dealer, polynomial(plan, index, SHARES[index].value, seed_of(dealer)))
    return complaints_to_bytes([Complaint.of(plan, dealer, honest.private[LIAR])])


def long_message(plan: Plan) -> bytes:
    return bytes(plan.sub_share_bytes + 1)


def sha256(message: bytes) -> bytes:
    return hashes_of({1: message})[1]


FALSE: dict[str, Lie] = {
    "of what is right": lambda plan, sent: Messages(complaint(plan, sent, 1)),
    "cut short": lambda plan, sent: Messages(complaint(plan, sent, 1)[:-1]),
    "with a byte more": lambda plan, sent: Messages(complaint(plan, sent, 1) + b"\1"),
    "twice": lambda plan, _: Messages(
        complaints_to_bytes([Complaint.of(plan, 1, b"\1"), Complaint.of(plan, 1, b"\1")])
    ),
    "about itself": lambda plan, _: Messages(
        complaints_to_bytes([Complaint.of(plan, LIAR, b"\1")])
    ),
    "about nobody": lambda plan, _: Messages(complaints_to_bytes([Complaint.of(plan, 9, b"\1")])),
    "with the hash of another message": lambda plan, _: Messages(
        complaints_to_bytes([Complaint(1, bytes(32), b"\1")])
    ),
    "with a message that is too long": lambda plan, _: Messages(
        complaints_to_bytes([Complaint(1, sha256(long_message(plan)), long_message(plan))])
    ),
}


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("what", FALSE)
def test_a_false_complaint_names_its_author(kind: str, what: str) -> None:
    plan = PLANS[kind]
    lies = {LIAR: {1: lambda sent: FALSE[what](plan, sent)}}
    assert found(plan, lies) == ("RESHARE_COMPLAINT", LIAR, 1)


def test_a_complaint_by_who_is_dealt_nothing_names_it() -> None:
    plan = PLANS["reshare"]
    data = complaints_to_bytes([Complaint.of(plan, 1, b"\1")])
    assert found(plan, {4: {1: lambda _: Messages(data)}}) == ("RESHARE_COMPLAINT", 4, 1)


def unsigned(plan: Plan) -> Lies:
    """A complaint that shows another message than the dealer published the hash of."""
    data = complaints_to_bytes([Complaint.of(plan, 1, b"\1")])
    return {1: lambda _: Messages(data)}


ANSWERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("RESHARE_ANSWER", lambda _: b""),
    "cut short": ("RESHARE_ANSWER", lambda data: data[:-1]),
    "too many": ("RESHARE_ANSWER", lambda data: data * 2),
    "another message": ("RESHARE_SUB_SHARE", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
}


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("what", ANSWERS)
def test_a_wrong_answer_names_its_dealer(kind: str, what: str) -> None:
    plan = PLANS[kind]
    reason, change = ANSWERS[what]
    lies: dict[int, Lies] = {
        LIAR: unsigned(plan),
        1: {2: lambda sent: Messages(change(sent.public))},
    }
    assert found(plan, lies) == (reason, 1, 2)


@pytest.mark.parametrize("kind", PLANS)
def test_an_answer_that_nobody_asked_for_names_its_author(kind: str) -> None:
    plan = PLANS[kind]
    answer = bytes(plan.sub_share_bytes)
    lies: dict[int, Lies] = {LIAR: unsigned(plan), 3: {2: lambda _: Messages(answer)}}
    assert found(plan, lies) == ("RESHARE_ANSWER", 3, 2)


@pytest.mark.parametrize("kind", PLANS)
def test_a_complaint_that_its_dealer_answers_is_in_the_result_and_stops_nothing(kind: str) -> None:
    plan = PLANS[kind]
    epoch = finish(plan, play(parties(plan, SHARES), {LIAR: unsigned(plan)}))
    assert epoch.outcome is not None
    (dispute,) = epoch.outcome.disputes
    assert (dispute.dealer, dispute.receiver) == (dict(plan.dealers)[1], LIAR)
    assert dispute.received_sha256 == sha256(b"\1")


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("message", [b"", b"\0", bytes(1000)])
def test_a_message_that_its_dealer_did_not_sign_is_replaced_by_the_answer(
    kind: str, message: bytes
) -> None:
    plan = PLANS[kind]

    def lie(sent: Messages) -> Messages:
        return Messages(sent.public, {**sent.private, VICTIM: message})

    ends = play(parties(plan, SHARES), {LIAR: {0: lie}})
    victim = ends[VICTIM]
    assert isinstance(victim, Turn)
    epoch = finish(plan, ends)
    assert epoch.shares[VICTIM].index == VICTIM
    outcome = Outcome.from_bytes(victim.public_result, N)
    assert [dispute.receiver for dispute in outcome.disputes] == [VICTIM]


@pytest.mark.parametrize(("kind", "is_old"), [("refresh", 0), ("refresh", 1), ("reshare", 0)])
def test_a_receiver_that_takes_a_share_of_nothing_is_named(kind: str, is_old: int) -> None:
    """A dealer whose receiver tells it what all others dealt deals what takes that away."""
    plan = PLANS[kind]
    if kind == "reshare":
        plan = plan_reshare(KEY.record, BEFORE, CEREMONY, 3, 5, {1: 4, 2: 1, 3: 5})
    honest_end = finish(plan, play(parties(plan, SHARES)))
    missing = is_old * SHARES[1].value - honest_end.shares[1].value
    dealer = 3

    def collude(_: Messages) -> Messages:
        index = dict(plan.dealers)[dealer]
        numbers = polynomial(plan, index, SHARES[index].value, seed_of(dealer))
        # Beside what is right: 0 for party 2, which is honest, and `missing` for party 1.
        changed = (numbers[0], numbers[1] + 2 * missing, numbers[2] - missing)
        return deal_of(plan, dealer, changed)

    silent: Lies = {1: lambda _: Messages(b"")}
    lies = {1: silent, 3: {0: collude, **silent}, 4: silent, 5: silent}
    assert found(plan, lies) == ("RESHARE_SUB_SHARE", 1, 1)
