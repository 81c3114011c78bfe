"""A whole ceremony: the key opens, turns are repeatable, and what is kept is no secret's leak."""

from dataclasses import replace
from itertools import combinations

import phe
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.integers import gcd
from fermata.crypto.threshold.key_record import DISTRIBUTED, check_key, key_id
from fermata.crypto.threshold.keygen.generation import KeyGeneration
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.crypto.threshold.opening import check_share, combine, partial_opening
from fermata.crypto.threshold.origin import check_origin
from fermata.errors import InvalidEncoding, InvalidProof
from fermata.sim.keygen.play import play
from harness.crypto.keygens import (
    BITS,
    CONTEXT,
    MORE_BATCHES,
    advance,
    finished,
    parties_of,
    run,
    seeds_of,
    state_at,
)
from harness.crypto.keys import SeededEntropy


def test_every_threshold_of_the_shares_opens_and_fewer_do_not() -> None:
    outcome, shares = finished()
    record, entropy = outcome.record, SeededEntropy("opening")
    ciphertext = phe.PaillierPublicKey(record.n).raw_encrypt(20260, r_value=12345)
    parts = {s.index: partial_opening(record, s, ciphertext, entropy) for s in shares}
    for pair in combinations((1, 2, 3), 2):
        opening = combine(record, ciphertext, {i: parts[i] for i in pair})
        assert opening is not None
        assert (opening.plaintext, opening.root, opening.culprits) == (20260, 12345, ())
    assert combine(record, ciphertext, {1: parts[1]}) is None


def test_the_record_and_every_share_are_right() -> None:
    outcome, shares = finished()
    record = outcome.record
    assert (record.origin, record.epoch, record.threshold) == (DISTRIBUTED, 1, 2)
    check_key(record)
    check_origin(record, None, CONTEXT)
    for share in shares:
        check_share(record, share)
        assert share.key_id == key_id(record)
    assert record.n.bit_length() == BITS
    assert gcd(record.theta, record.n) == 1
    assert outcome.candidates == 16


def test_a_share_of_another_party_or_a_changed_one_is_refused() -> None:
    outcome, shares = finished()
    for value in (shares[1].value, shares[0].value + 1, -shares[0].value):
        with pytest.raises(InvalidProof):
            check_share(outcome.record, replace(shares[0], value=value))


@pytest.mark.parametrize(("parties", "threshold", "seed"), [(4, 2, 1), (4, 4, 1), (5, 3, 2)])
def test_other_numbers_of_parties_make_keys(parties: int, threshold: int, seed: int) -> None:
    played = play(parties_of(parties, threshold), seeds_of(seed, parties))
    (public,) = {turn.public_result for turn in played.ends.values()}
    record = Outcome.from_bytes(public).record
    assert (record.auditors, record.threshold) == (parties, threshold)
    check_origin(record, None, CONTEXT)


def test_other_seeds_give_another_key_and_the_same_seeds_the_same() -> None:
    assert run().ends[1].public_result == run().ends[1].public_result
    assert finished(MORE_BATCHES)[0].record.n != finished()[0].record.n


def test_a_party_that_crashed_says_the_same_again_in_every_turn() -> None:
    parties = parties_of()
    turns = {j: party.begin(seeds_of(3)[j]) for j, party in parties.items()}
    while not turns[1].is_done:
        fresh = parties_of()
        following = advance(parties, turns)
        again = advance(fresh, turns)
        assert following == again
        turns = following


def test_what_is_kept_does_not_grow_from_batch_to_batch() -> None:
    parties = parties_of()
    turns = {j: party.begin(seeds_of(MORE_BATCHES)[j]) for j, party in parties.items()}
    sizes: dict[int, int] = {}
    while not turns[1].is_done:
        turns = advance(parties, turns)
        if not turns[1].is_done:
            state = state_at(1, turns[1].kept)
            if not state.survivors or state.chosen < 0:
                sizes[state.batch] = max(sizes.get(state.batch, 0), len(turns[1].kept))
    assert len(sizes) >= 3
    assert max(sizes.values()) < 1.2 * min(sizes.values())


def test_progress_tells_phases_and_candidates() -> None:
    parties = parties_of()
    turns = {j: party.begin(seeds_of(3)[j]) for j, party in parties.items()}
    phases = []
    while not turns[1].is_done:
        progress = turns[1].progress
        if progress.phase == "candidates":
            assert (progress.done, progress.unit) == (16, "candidates")
            assert progress.expected > 0
        phases.append(progress.phase)
        turns = advance(parties, turns)
    assert list(dict.fromkeys(phases)) == [
        "session",
        "candidates",
        "root exponent",
        "key shares",
        "self-test",
    ]
    assert turns[1].progress.phase == "done"
    assert turns[1].kept == b""


def test_what_is_kept_does_not_print_its_secrets() -> None:
    turn = parties_of()[1].begin(bytes([7]) * 32)
    state = state_at(1, turn.kept)
    for text in (repr(turn), repr(state), str(state)):
        assert "\\x07" not in text
        assert bytes([7] * 32).hex() not in text


@given(st.binary(max_size=60))
@settings(max_examples=50)
def test_kept_bytes_that_no_turn_gave_are_refused(kept: bytes) -> None:
    party, good = parties_of()[1], parties_of()[1].begin(bytes(32)).kept
    for bad in (kept, good[: len(kept)], good + kept[:1] + b"\0"):
        with pytest.raises(InvalidEncoding) as caught:
            party.step(bad, {})
        assert caught.value.reason == "KEYGEN_STATE"


def test_what_another_ceremony_kept_is_refused() -> None:
    kept = parties_of()[1].begin(bytes(32)).kept
    other = KeyGeneration(1, 3, BITS, 2, b"another charter", 16)
    with pytest.raises(InvalidEncoding) as caught:
        other.step(kept, {})
    assert caught.value.reason == "KEYGEN_STATE"


def test_a_turn_needs_everybodys_message() -> None:
    party = parties_of()[1]
    with pytest.raises(ValueError, match="one message of each other party"):
        party.step(party.begin(bytes(32)).kept, {})
    with pytest.raises(ValueError, match="32 bytes"):
        party.begin(bytes(31))


@pytest.mark.parametrize(
    "changes",
    [
        (0, 3, 256, 2, 16),
        (4, 3, 256, 2, 16),
        (1, 3, 256, 1, 16),
        (1, 3, 256, 4, 16),
        (1, 5, 256, 2, 16),
        (1, 2, 256, 2, 16),
        (1, 3, 250, 2, 16),
        (1, 3, 256, 2, 0),
        (1, 3, 256, 2, 2000),
    ],
)
def test_a_set_up_out_of_range_is_refused(changes: tuple[int, int, int, int, int]) -> None:
    index, parties, bits, threshold, batch = changes
    with pytest.raises(ValueError, match=r"must|needs"):
        KeyGeneration(index, parties, bits, threshold, CONTEXT, batch)


def test_an_outcome_is_read_back_and_has_one_form() -> None:
    data = finished()[0].to_bytes()
    assert Outcome.from_bytes(data) == finished()[0]
    for bad in (data[:-1], data + b"\n", data.replace(b"theta: ", b"theta: 0"), data.upper(), b""):
        with pytest.raises(InvalidEncoding) as caught:
            Outcome.from_bytes(bad)
        assert caught.value.reason == "KEYGEN_OUTCOME"


@given(st.binary(max_size=300))
def test_random_bytes_are_no_outcome(data: bytes) -> None:
    with pytest.raises(InvalidEncoding):
        Outcome.from_bytes(data)
