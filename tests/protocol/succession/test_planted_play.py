"""Plays with a bug planted: what a rule stops does happen without it, and the plays notice."""

from dataclasses import replace

import pytest

from harness.succession import make_succession
from harness.succession_play import Auditor, Copy, Play

WORLD = make_succession()


class Deaf(Play):
    """Auditors tell each other nothing but their Leaves."""

    def _ask(self, auditor: Auditor) -> None:
        others = [a for a in self.auditors if a is not auditor and a.leaves]
        left_for = tuple(max(other.leaves) for other in others)
        auditor.watched = replace(auditor.watched, left_for=left_for)


@pytest.mark.parametrize("harm", ["withholds", "forks"])
def test_without_asking_each_other_nobody_leaves_and_nothing_goes_on(harm: str) -> None:
    play = Deaf(WORLD, 5)
    play.run(10)
    if harm == "forks":
        play.coordinators[0].fork()
    else:
        play.coordinators[0].withholds = True
    play.run(10)
    before = len(play.settled)
    play.run(60)
    assert len(play.settled) == before
    assert not any(a.leaves for a in play.auditors)


class Impatient(Play):
    """Auditors take whichever log of a later view they see first."""

    def _consider(self, auditor: Auditor, log: Copy) -> None:
        start = next(i for i, leaf in enumerate(log.leaves) if self._is_of(leaf, log.view))
        auditor.copy, auditor.lines = log.first(start, log.view), {}
        auditor.watched = replace(auditor.watched, view=log.view, entered_ms=self.now_ms)


def with_a_short_log(play: Play) -> None:
    """A successor that begins its view with what it likes; the auditors have forgotten the rest."""
    play.run(12)
    assert len(play.settled) > 10
    play.coordinators[0].is_up = False
    play.run(15)
    log = play.logs()[-1]
    handover = next(leaf for leaf in log.leaves if play._is_of(leaf, 1))
    short = Copy(1)
    for leaf in (log.leaves[0], b"another entry", handover):
        short.add(leaf)
    play.coordinators[1].logs[1] = [short]
    for auditor in play.auditors:
        auditor.copy = auditor.copy.first(1, 0)
        auditor.watched = replace(auditor.watched, view=0, entered_ms=play.now_ms)


def test_without_the_checks_of_a_handover_what_was_settled_is_lost() -> None:
    play = Impatient(WORLD, 2)
    with_a_short_log(play)
    with pytest.raises(AssertionError, match="settled"):
        play.run(10)


def test_with_the_checks_the_same_log_is_not_followed() -> None:
    play = Play(WORLD, 2)
    with_a_short_log(play)
    play.run(60)
    assert all(auditor.copy.view != 1 for auditor in play.auditors)


class Talkative(Play):
    """Auditors go on in the old view after they have left it (SU5)."""

    def _leave(self, auditor: Auditor) -> None:
        super()._leave(auditor)
        auditor.own = replace(auditor.own, view=min(auditor.own.view, auditor.copy.view))


def test_auditors_that_talk_on_settle_entries_in_two_views() -> None:
    play = Talkative(WORLD, 4)
    play.run(10)
    # Two auditors hear only the old coordinator, and two only the next one; then all hear both.
    play.coordinators[0].starved = {"auditor-1", "auditor-2", "auditor-3"}
    with pytest.raises(AssertionError, match="settled"):
        for _ in range(8):
            play.run(6)
            play.coordinators[0].starved = set()
            play.run(6)
            play.coordinators[0].starved = {"auditor-1", "auditor-2", "auditor-3"}
