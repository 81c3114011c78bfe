"""Honest auditors under a coordinator that shows different logs: P5, P9, and asking again."""

import pytest

from fermata.errors import InvalidProof, TransportError
from harness.chains import Chain, chain_at
from harness.rogue import Auditor, RogueLog, all_auditors, let_work

# P5: two closes.


def forked(chain: Chain) -> tuple[RogueLog, RogueLog]:
    """Two logs with the same reports and different closes: in one of them a lab abstains."""
    ours, theirs = RogueLog(chain), RogueLog(chain)
    ours.log_statement(chain.close_statement())
    other = chain.fork()
    other.report("lab-6")
    theirs.leaves = list(other.leaves)
    theirs.sealed_parts = dict(other.sealed_parts)
    theirs.now_ms = other.time_ms
    theirs.log_statement(other.close_statement())
    return ours, theirs


def cross_post(source: RogueLog, target: RogueLog) -> None:
    """The coordinator logs in one fork what auditors have said in the other."""
    for envelope in list(source.heard):
        target.log(envelope)


@pytest.mark.parametrize("split", [1, 2])
def test_of_two_closes_shown_to_different_auditors_none_is_endorsed(
    reported: Chain, split: int
) -> None:
    """An endorsement would be lost with its slot, and no quorum has seen either close."""
    ours, theirs = forked(reported)
    names = reported.deployment.charter.auditors
    auditors = [Auditor(n, ours if i < split else theirs) for i, n in enumerate(names)]
    let_work(*auditors)
    assert (len(ours.cosigned), len(theirs.cosigned)) == (split, 3 - split)
    for auditor in auditors:
        assert auditor.store.draft("endorsement/1") is None
        assert auditor.driver.replica.witnessed.size == 0
    assert ours.heard == theirs.heard == []


def test_with_an_auditor_who_endorses_both_at_most_one_close_is_opened() -> None:
    chain = chain_at("reported", auditors=4, threshold=2)
    ours, theirs = forked(chain)
    honest = [
        Auditor("auditor-1", ours),
        Auditor("auditor-2", ours),
        Auditor("auditor-3", theirs),
    ]
    traitors = [Auditor("auditor-4", ours), Auditor("auditor-4", theirs)]
    let_work(*honest, *traitors)
    assert len(ours.said("endorsement")) == 3
    assert theirs.said("endorsement") == []
    assert honest[2].store.draft("endorsement/1") is None
    cross_post(ours, theirs)
    let_work(*honest, *traitors)
    assert {v.reason for v in honest[2].driver.replica.rejected} == {"SPLIT_VIEW"}
    assert honest[2].driver.replica.state.rounds[0].endorsements == {}
    assert "auditor-1" in ours.said("partial_opening")
    assert theirs.said("partial_opening") == []
    assert honest[2].driver.replica.state.rounds[0].parts == {}


def test_an_endorsement_is_kept_before_it_is_sent_and_made_once(reported: Chain) -> None:
    ours, theirs = forked(reported)
    auditor, *others = all_auditors(ours)
    let_work(auditor, *others)
    kept = auditor.store.draft("endorsement/1")
    assert kept is not None
    auditor.start()
    let_work(auditor)
    assert auditor.store.draft("endorsement/1") == kept
    assert ours.said("endorsement").count("auditor-1") == 1
    auditor.follow(theirs)
    with pytest.raises(InvalidProof) as caught:
        auditor.driver.step()
    assert caught.value.reason in ("SPLIT_VIEW", "ROLLBACK")
    assert theirs.heard == []


# P9: the log itself.


def test_a_shorter_log_is_a_rollback(closed: Chain) -> None:
    auditor = Auditor("auditor-1", RogueLog(closed))
    auditor.driver.step()
    auditor.follow(RogueLog(chain_at("reported")))
    with pytest.raises(InvalidProof) as caught:
        auditor.driver.step()
    assert caught.value.reason == "ROLLBACK"
    assert auditor.log.heard == []


def test_another_log_of_the_same_size_is_a_split_view(closed: Chain) -> None:
    log = RogueLog(closed)
    auditor = Auditor("auditor-1", log)
    auditor.driver.replica.pull(log)
    other = RogueLog(closed)
    other.leaves[-1] = other.leaves[-2]
    auditor.follow(other)
    with pytest.raises(InvalidProof) as caught:
        auditor.driver.step()
    assert caught.value.reason == "SPLIT_VIEW"
    assert other.heard == other.cosigned == []


def test_another_past_under_a_longer_log_is_a_split_view(closed: Chain, opened: Chain) -> None:
    log = RogueLog(closed)
    auditor = Auditor("auditor-1", log)
    auditor.driver.replica.pull(log)
    other = RogueLog(opened)
    other.leaves[4], other.leaves[5] = other.leaves[5], other.leaves[4]
    auditor.follow(other)
    with pytest.raises(InvalidProof) as caught:
        auditor.driver.step()
    assert caught.value.reason == "SPLIT_VIEW"


def test_entries_that_a_head_covers_and_nobody_shows_are_withheld(closed: Chain) -> None:
    class Silent(RogueLog):
        def read(self, start: int, count_max: int) -> list[bytes]:
            return self.leaves[start : min(start + count_max, 5)]

    auditor = Auditor("auditor-1", Silent(closed))
    with pytest.raises(InvalidProof) as caught:
        auditor.driver.step()
    assert caught.value.reason == "WITHHELD"


def test_a_refused_head_leaves_the_auditor_where_it_was(closed: Chain) -> None:
    log = RogueLog(closed)
    auditor = Auditor("auditor-1", log)
    auditor.driver.replica.pull(log)
    state, note = auditor.driver.replica.state, auditor.store.checkpoint()
    log.leaves = log.leaves[:-1]
    with pytest.raises(InvalidProof):
        auditor.driver.replica.pull(log)
    assert auditor.driver.replica.state == state
    assert auditor.store.checkpoint() == note


# L17: a cosignature says nothing of what the entries mean.


def test_an_auditor_cosigns_a_head_before_it_folds_the_entries(closed: Chain) -> None:
    """Every node waits for the cosignatures, and a fold may have a round's proofs to check."""
    folded: list[int] = []

    class Noting(RogueLog):
        def add_cosignature(self, note: bytes) -> None:
            folded.append(auditor.driver.replica.state.size)
            super().add_cosignature(note)

    auditor = Auditor("auditor-1", Noting(closed))
    auditor.driver.step()
    assert folded == [0]
    auditor.driver.step()
    assert len(folded) == 1


def test_a_cosignature_that_did_not_arrive_is_made_again(closed: Chain) -> None:
    class Away(RogueLog):
        is_away = True

        def add_cosignature(self, note: bytes) -> None:
            if self.is_away:
                raise TransportError("UNAVAILABLE", "log: does not answer")
            super().add_cosignature(note)

    log = Away(closed)
    auditor = Auditor("auditor-1", log)
    with pytest.raises(TransportError):
        auditor.driver.step()
    log.is_away = False
    auditor.driver.step()
    assert len(log.cosigned) == 1


# F13: asked again.


def test_a_part_is_made_once_and_sent_again_in_the_same_bytes(reported: Chain) -> None:
    log = RogueLog(reported)
    log.log_statement(reported.close_statement())
    auditors = all_auditors(log)
    let_work(*auditors)
    kept = auditors[0].store.draft("opening/1")
    assert kept is not None
    auditors[0].start()
    let_work(*auditors)
    assert auditors[0].store.draft("opening/1") == kept
    assert log.heard.count(kept.envelope) == 1
