"""For each message of each step a lie: everybody names its teller, and nobody else."""

import pytest

from fermata.crypto.threshold.ceremony.lockstep import Messages
from fermata.crypto.threshold.keygen.steps.bodies import COMPLAINT, encode_complaint, kind_of
from fermata.sim.keygen.lies import (
    LIES,
    LIES_BY_NAME,
    Lie,
    LyingParty,
    always,
    flip_last,
    has_no_key,
)
from fermata.sim.keygen.play import play
from harness.crypto.keygens import (
    MORE_BATCHES,
    ONE_BATCH,
    common,
    finished,
    parties_of,
    run,
    run_with,
    seeds_of,
)

SECRET_WORDS = ("0x", "seed:", "value:")


@pytest.mark.parametrize("lie", [lie for lie in LIES if not lie.is_harmless], ids=lambda x: x.name)
def test_every_honest_party_names_the_liar(lie: Lie) -> None:
    for liar in (1, 3):
        played = run_with(lie, liar, MORE_BATCHES if lie.when is has_no_key else ONE_BATCH)
        assert played.culprits({1, 2, 3} - {liar}) == {liar}
        for finding in played.findings.values():
            assert f"auditor {liar}, turn {finding.turn}" in str(finding)
            assert finding.reason.startswith("KEYGEN_")
            assert not any(word in str(finding) for word in SECRET_WORDS)


@pytest.mark.parametrize("lie", [lie for lie in LIES if lie.when is always], ids=lambda x: x.name)
def test_a_lie_has_one_reason_whether_or_not_its_batch_has_a_key(lie: Lie) -> None:
    reasons = {
        finding.reason
        for number in (ONE_BATCH, MORE_BATCHES)
        for finding in run_with(lie, 2, number).findings.values()
    }
    assert len(reasons) == (not lie.is_harmless)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("audit: another root of the next batch", "KEYGEN_SEED"),
        ("audit: another leaf of the chosen candidate", "KEYGEN_AUDIT"),
    ],
)
def test_a_lie_in_what_an_audit_says_last_is_told_where_it_means_this(
    name: str, reason: str
) -> None:
    played = run_with(LIES_BY_NAME[name], 2, MORE_BATCHES)
    assert played.culprits({1, 3}) == {2}
    assert {finding.reason for finding in played.findings.values()} == {reason}


def test_a_party_whose_lie_has_no_time_to_be_told_has_not_lied() -> None:
    lie = LIES_BY_NAME["audit: another root of the next batch"]
    parties = parties_of()
    liar = parties[2] = LyingParty((2, *common()), lie)
    played = play(parties, seeds_of(ONE_BATCH))
    assert not liar.has_lied
    assert {turn.is_done for turn in played.ends.values()} == {True}


@pytest.mark.parametrize("lie", [lie for lie in LIES if lie.is_harmless], ids=lambda x: x.name)
def test_a_lie_that_changes_nothing_leaves_the_key_right(lie: Lie) -> None:
    played = run_with(lie, 2)
    assert {turn.is_done for turn in played.ends.values()} == {True}


@pytest.mark.parametrize("threshold", [2, 3, 4])
def test_a_wrong_part_in_the_self_test_is_named_whatever_the_threshold(threshold: int) -> None:
    """With three of four to open nobody is wrong beyond doubt, and the part was let pass."""
    shape = common(4, threshold)
    parties = parties_of(4, threshold)
    parties[3] = LyingParty((3, *shape), LIES_BY_NAME["self-test: another part"])
    played = play(parties, seeds_of(ONE_BATCH, 4))
    assert played.culprits({1, 2, 4}) == {3}


def test_a_party_says_the_same_at_the_audit_of_every_batch() -> None:
    outcome, _ = finished(MORE_BATCHES)
    assert outcome.candidates > 16


def test_a_body_that_is_altered_on_the_way_is_shown_and_the_ceremony_goes_on() -> None:
    """The sender's words have the digest of what it sent, so that what it shows decides."""
    altered: list[int] = []

    def tamper(turn: int, sender: int, words: Messages) -> Messages:
        if words.private and sender == 2:
            altered.append(turn)
            private = {j: flip_last(body) for j, body in words.private.items()}
            return Messages(words.public, private)
        return words

    played = run(ONE_BATCH, tamper)
    assert len(altered) >= 5
    honest, _ = finished()
    assert played.turns == run().turns + 2 * len(altered)
    assert len({turn.public_result for turn in played.ends.values()}) == 1
    assert honest.record.n == finished()[0].record.n


def test_a_sender_that_shows_another_body_than_it_published_the_digest_of_is_named() -> None:
    def tamper(turn: int, sender: int, words: Messages) -> Messages:
        if sender != 2:
            return words
        if kind_of(words.public) == 3 and len(words.public) > 1:
            return Messages(flip_last(words.public))
        return Messages(words.public, {j: flip_last(body) for j, body in words.private.items()})

    played = run(ONE_BATCH, tamper)
    assert played.culprits({1, 3}) == {2}
    assert {finding.turn for finding in played.findings.values()} == {2}
    assert {finding.reason for finding in played.findings.values()} == {"KEYGEN_SHARE"}


def test_a_sender_that_shows_nothing_is_named() -> None:
    def tamper(turn: int, sender: int, words: Messages) -> Messages:
        if sender == 2 and kind_of(words.public) == 3:
            return Messages(words.public[:1])
        return Messages(
            words.public, dict.fromkeys(words.private, b"") if sender == 2 else words.private
        )

    assert run(ONE_BATCH, tamper).culprits({1, 3}) == {2}


def test_a_complaint_without_a_cause_stops_nothing() -> None:
    done: list[int] = []

    def tamper(turn: int, sender: int, words: Messages) -> Messages:
        # Party 3 gets what party 1 sent cut short, and complains of it, at every private step.
        if sender == 1 and 3 in words.private:
            done.append(turn)
            return Messages(words.public, {**words.private, 3: words.private[3][:-1]})
        return words

    played = run(ONE_BATCH, tamper)
    assert done
    assert len({turn.public_result for turn in played.ends.values()}) == 1


@pytest.mark.parametrize(
    "body",
    [encode_complaint([]), encode_complaint([2]), encode_complaint([3, 1]), encode_complaint([4])],
    ids=["nobody", "itself", "out of order", "nobody's index"],
)
def test_a_complaint_that_cannot_be_meant_names_its_author(body: bytes) -> None:
    def tamper(turn: int, sender: int, words: Messages) -> Messages:
        return Messages(body, words.private) if (turn, sender) == (3, 2) else words

    assert kind_of(body) == COMPLAINT
    assert run(ONE_BATCH, tamper).culprits({1, 3}) == {2}


def test_a_complaint_where_nothing_was_private_names_its_author() -> None:
    def tamper(turn: int, sender: int, words: Messages) -> Messages:
        return Messages(encode_complaint([1])) if (turn, sender) == (1, 2) else words

    assert run(ONE_BATCH, tamper).culprits({1, 3}) == {2}
