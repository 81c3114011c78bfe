"""The simulator finds bugs: each test plants one in the production code."""

from dataclasses import replace
from typing import Any

import pytest

from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.log.merkle import leaf_hash
from fermata.protocol.fold import reports
from fermata.protocol.fold.limits import is_news
from fermata.protocol.roles import auditor, timekeeping
from fermata.protocol.roles.driver import Driver
from fermata.protocol.roles.lab import Answers
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.standing import panel_round
from fermata.protocol.standing.panel_round import PanelRound, PanelTurn
from fermata.protocol.state import pause as machine
from fermata.protocol.state.clock import Beats, Clock
from fermata.protocol.state.report_flags import NO_FLAGS
from fermata.protocol.state.standing import Cell
from fermata.protocol.statistics import facts, policy
from fermata.protocol.wire.ports import Draft, Duty, Receipt
from fermata.sim.adversaries import play
from fermata.sim.adversaries.misbehaviour import Misbehaviour
from fermata.sim.adversaries.pause import MODEST, TERMS, whole_round
from fermata.sim.setup.deployment import Shape
from fermata.sim.simulation import Outcome, run
from fermata.sim.world import World

#: A seed whose labs have figures that are long enough to be looked for.
RICH_SEED = 2
#: A seed in which the log's time jumps over a deadline.
JUMPED_SEED = 2

#: A seed in which two organisations are beyond their share at once.
SHARES_SEED = 1


def invariants(outcome: Outcome) -> set[str]:
    return {violation.invariant for violation in outcome.violations}


def test_ledger_that_answers_before_its_disk_is_written_violates_i1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep, answer = LogWriter._commit, LogWriter._receipt

    def commit(self: Any, leaf: bytes, sealed: list[bytes], after: Any, verdict: Any) -> None:
        if verdict.kind != "Report":
            keep(self, leaf, sealed, after, verdict)
            return
        grown = self.replica.tree.copy()
        grown.append(leaf_hash(leaf))
        origin, key = self.replica.charter.log_origin, self._signing_key
        head = Checkpoint(origin, grown.size, grown.root())
        self.not_kept = leaf, sign_checkpoint(head, origin, key.sign, key.public_key)
        self.replica.adopt(grown, after, verdict)

    def receipt(self: Any, entry: int) -> Receipt:
        if entry < self.replica.store.entry_count():
            return answer(self, entry)
        proof = tuple(self.replica.tree.inclusion_proof(entry, self.size()))
        return Receipt(entry, self.not_kept[0], self.not_kept[1], proof)

    def read(self: Any, start: int, count_max: int) -> list[bytes]:
        stop = min(self.replica.store.entry_count(), start + count_max)
        return list(self.replica.store.leaves(start, stop)) if start < stop else []

    monkeypatch.setattr(LogWriter, "_commit", commit)
    monkeypatch.setattr(LogWriter, "_receipt", receipt)
    monkeypatch.setattr(LogWriter, "read", read)
    monkeypatch.setattr(LogWriter, "checkpoint", lambda self: self.replica.store.checkpoint())
    assert "I1" in invariants(run(0))


def test_auditor_without_p2_violates_i5(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor, "check_close", lambda state, found, fetch, entropy: found.close)
    exposure = play("OpensOneLab", 1)
    assert "I5" in {violation.invariant for violation in exposure.violations}
    # Too late for the lab, but its bins alone do not add up to the reports: no result is told.
    assert exposure.opened == ()


def test_auditor_without_p5_violates_i6(monkeypatch: pytest.MonkeyPatch) -> None:
    duties = auditor.duties

    def forgetful(
        state: Any, me: str, is_drafted: Any, witnessed: int, passed: Any, *more: Any
    ) -> Any:
        for round_ in auditor.rounds_to_endorse(state, me):
            close = passed(round_)
            if close is not None and close.entry < witnessed:
                slot = f"endorsement/{round_.number}/{close.leaf_hash.hex()}"
                yield Duty(slot, auditor.endorse(state, round_, close, me))

        def is_done(slot: str) -> bool:
            return slot.startswith("endorsement/") or is_drafted(slot)

        yield from duties(state, me, is_done, witnessed, passed, *more)

    monkeypatch.setattr(auditor, "duties", forgetful)
    exposure = play("ForksPastLostCopies", 1)
    assert "I6" in {violation.invariant for violation in exposure.violations}
    assert exposure.opened == (1,)


def test_lab_that_notes_its_figures_violates_i4(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Answers.make

    def noting(self: Any, round_: Any, measurement: Any) -> Any:
        self._replica.store.put_value("last", repr(dict(measurement.values)).encode())
        return make(self, round_, measurement)

    monkeypatch.setattr(Answers, "make", noting)
    assert "I4" in invariants(run(RICH_SEED))


def test_lab_that_tells_its_randomness_violates_i4(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Answers.make

    def telling(self: Any, round_: Any, measurement: Any) -> Any:
        self._event_once("drew", round_.number, self._entropy(32).hex())
        return make(self, round_, measurement)

    monkeypatch.setattr(Answers, "make", telling)
    assert "I4" in invariants(run(RICH_SEED))


def test_agent_that_sends_before_it_keeps_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the outbox a lab encrypts anew at each retry, and the log holds what it lost."""

    def draft(self: Any, duty: Duty) -> None:
        envelope = self._signer.seal(self.replica, duty.statement)
        self._log.append(envelope, duty.sealed_part)
        self.store.put_draft(Draft(duty.slot, envelope, duty.sealed_part))

    monkeypatch.setattr(Driver, "_draft", draft)
    assert any(invariants(run(seed)) for seed in range(6))


#: Seeds whose charters have a pause.
PAUSED_SEEDS = (0, 1, 6, 14)


def is_found_in_pauses(invariant: str) -> bool:
    return any(invariant in invariants(run(seed)) for seed in PAUSED_SEEDS)


def test_rules_that_take_unknown_for_true_violate_i8(monkeypatch: pytest.MonkeyPatch) -> None:
    leaf = policy._leaf

    def bold(rule: Any, window: Any) -> Any:
        found = leaf(rule, window)
        return policy._Finding(True) if found.holds is None else found

    monkeypatch.setattr(policy, "_leaf", bold)
    assert is_found_in_pauses("I8")


def test_a_pause_that_does_not_wait_for_the_share_violates_i8(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "labs_needed", lambda terms, labs: 1)
    assert is_found_in_pauses("I8")


def test_figures_beyond_their_share_that_nobody_counts_violate_i8(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = facts._beyond

    def nobody(*of_round: Any) -> Any:
        return dict.fromkeys(count(*of_round), frozenset())

    monkeypatch.setattr(facts, "_beyond", nobody)
    assert "I8" in invariants(run(SHARES_SEED))


class _Rounds(Misbehaviour):
    """Honest rounds. ``reporting``: how many labs, the first ones, report in each."""

    shape = Shape(3, 2, "aabcde", rounds=3, terms=TERMS)
    reporting: tuple[int, ...]

    def misbehave(self, world: World) -> None:
        for number, count in enumerate(self.reporting, start=1):
            whole_round(world, number, MODEST, *world.charter.labs[:count])


class _OneJoins(_Rounds):
    reporting = (5, 6, 6)


class _FewReportAgain(_Rounds):
    reporting = (6, 3)


class _FourReportAgain(_Rounds):
    reporting = (6, 4)


class _ThreeOfFour(_Rounds):
    shape = Shape(3, 2, "abcde", rounds=1, cohort_min=4, fresh_min=3, terms=TERMS)
    reporting = (3,)


def played(kind: type[Misbehaviour]) -> tuple[tuple[int, ...], set[str]]:
    exposure = kind().play(1)
    return exposure.opened, {violation.invariant for violation in exposure.violations}


def plant_blind_auditors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor, "check_openable", lambda *_: None)


@pytest.mark.parametrize(
    ("kind", "opened"), [(_OneJoins, (1, 2, 3)), (_FewReportAgain, (1,)), (_ThreeOfFour, ())]
)
def test_rounds_without_a_bug_open_what_they_should(
    kind: type[Misbehaviour], opened: tuple[int, ...]
) -> None:
    assert played(kind) == (opened, set())


def test_a_round_that_ignores_its_cohort_violates_i6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PanelTurn, "is_cohort", lambda self, cell: True)
    assert played(_ThreeOfFour) == ((), {"I6"})
    plant_blind_auditors(monkeypatch)
    assert played(_ThreeOfFour) == ((1,), {"I5", "I6", "I8", "sums"})


def test_newer_figures_that_are_counted_by_labs_break_the_lemma(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def by_labs(self: PanelTurn, cell: Cell) -> int:
        return len(set(cell.labs) & self.waiting.keys())

    monkeypatch.setattr(PanelTurn, "fresh", by_labs)
    assert played(_FewReportAgain) == ((1,), {"I6", "lemma"})
    plant_blind_auditors(monkeypatch)
    opened, invariants_broken = played(_FewReportAgain)
    assert opened == (1, 2)
    assert invariants_broken >= {"I5", "I6", "lemma", "sums"}


def test_a_set_that_changes_without_the_set_test_violates_i6(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(panel_round, "isolated_by_spell_or_lab", lambda *_: None)
    opened, invariants_broken = played(_OneJoins)
    assert opened == (1, 2)
    assert "I6" in invariants_broken
    plant_blind_auditors(monkeypatch)
    opened, invariants_broken = played(_OneJoins)
    assert opened == (1, 2, 3)
    assert invariants_broken >= {"I5", "I6", "sums"}


def test_a_sum_from_which_older_figures_are_dropped_violates_i6(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take = PanelTurn.run

    def newest_only(self: PanelTurn) -> PanelRound:
        taken = take(self)
        figures = {
            cell: {lab: number for lab, number in of_cell.items() if number == self.given.number}
            for cell, of_cell in taken.figures.items()
        }
        return replace(taken, figures=figures)

    monkeypatch.setattr(PanelTurn, "run", newest_only)
    opened, invariants_broken = played(_FourReportAgain)
    assert opened == (1, 2)
    assert invariants_broken >= {"I5", "I6", "sums"}


def test_a_lab_that_does_not_show_what_it_keeps_violates_i12(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reports, "flags_for", lambda *args: NO_FLAGS)
    assert is_found_in_pauses("I12")


def test_time_that_goes_by_the_fastest_clock_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    under = Clock.under
    monkeypatch.setattr(Clock, "under", lambda self, *terms: replace(under(self, *terms), place=0))
    exposure = play("TellsNextYear", 1)
    assert any("ahead of the true one" in v.detail for v in exposure.violations)


def plant_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Clock.heard
    monkeypatch.setattr(Clock, "heard", lambda self, *told: replace(heard(self, *told), jumps=()))


@pytest.mark.parametrize("name", ["ShutsOutByBurst", "ExpiresVoteByBurst", "EndsNoticeByBurst"])
def test_limit_that_begins_before_its_entry_was_seen_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(Beats, "first_seeing", lambda self, entry: self.chunks[0][0][1])
    # The gap would still save the lab and the vote.
    plant_no_gap(monkeypatch)
    exposure = play(name, 1)
    assert any("early by the true time" in v.detail for v in exposure.violations)


def test_limit_that_passes_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    due_ms = Clock.due_ms

    def hasty(self: Clock, limit: Any) -> int | None:
        found = due_ms(self, limit)
        return None if found is None else found - 60_000

    monkeypatch.setattr(Clock, "due_ms", hasty)
    assert "time" in invariants(run(0))


def test_right_that_passes_while_the_log_was_down_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant_no_gap(monkeypatch)
    assert "time" in invariants(run(JUMPED_SEED))


def test_auditors_that_beat_only_when_a_limit_needs_it_let_the_time_stand_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def only_news(state: Any, me: str, seen: Any, now_ms: int, has_unnamed: bool) -> bool:
        is_told = state.charter is not None and me in state.heartbeats
        return not is_told or is_news(state.chartered(), me, seen, now_ms)

    monkeypatch.setattr(timekeeping, "is_due", only_news)
    assert "liveness" in invariants(run(RICH_SEED))
