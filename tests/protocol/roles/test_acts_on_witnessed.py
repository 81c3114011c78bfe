"""What nodes do, and what they leave, while auditors are away: L36.3, L36.4 and P5.2."""

from dataclasses import replace

from fermata.protocol.roles.lab import duties
from fermata.protocol.state.pause import asking
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import Duty, LogWrapper, Witness
from harness.chains import (
    COORDINATOR,
    PAUSE_TABLES,
    Run,
    chain_at,
    deadline_of,
    make_deployment,
)

#: Of four auditors with threshold 2 three must cosign, and three tell the time.
FOUR = {"auditors": 4, "threshold": 2}


def run_until_opened() -> Run:
    """The first round is opened and witnessed, and nobody has answered it."""
    run = Run(make_deployment(last="2025Q4", **FOUR))
    run.until_quiet(COORDINATOR, *run.charter.auditors)
    return run


def seen_by(run: Run, party: str) -> int:
    return run.state.heartbeats[party].seen


def test_a_round_that_too_few_auditors_have_witnessed_is_not_answered() -> None:
    run = Run(make_deployment(last="2025Q4", **FOUR))
    # With these two the round is opened: the third has spoken before it went away.
    run.step("auditor-1", "auditor-2", "auditor-3")
    run.step("auditor-1", "auditor-2", "auditor-3")
    run.step(COORDINATOR)
    two = ("auditor-1", "auditor-2")
    for _ in range(4):
        run.step(*two, *run.charter.labs)
    (round_,) = run.state.rounds
    assert round_.reports == {}
    assert all(run.stores[lab].draft("answer/1/0") is None for lab in run.charter.labs)
    run.step("auditor-3")
    run.step(*run.charter.labs)
    assert run.state.rounds[0].reports != {}


def test_while_the_auditors_are_away_reports_are_taken_and_nothing_passes_a_limit() -> None:
    run = run_until_opened()
    before = run.state.time_ms
    labs = run.charter.labs
    run.now_ms = deadline_of(run, 1) + 1
    for _ in range(4):
        run.step(COORDINATOR, "auditor-1", *labs)
    (round_,) = run.state.rounds
    answered = {*round_.reports, *round_.abstained}
    assert answered == set(labs)
    assert all(run.stores[lab].draft_outcome("answer/1/0") == "logged" for lab in labs)
    # All have answered, so the round is closed; what no limit waits for is done.
    assert (run.state.time_ms, round_.endorsements) == (before, {})
    run.until_quiet(COORDINATOR, *run.charter.auditors)
    assert run.state.rounds[0].opening is not None


def test_a_close_is_endorsed_when_a_quorum_has_cosigned_it() -> None:
    run = run_until_opened()
    for _ in range(3):
        run.step(COORDINATOR, *run.charter.labs)
    assert run.state.rounds[0].close is not None
    for _ in range(3):
        run.step("auditor-1", "auditor-2")
    assert run.state.rounds[0].endorsements == {}
    assert run.stores["auditor-1"].draft("endorsement/1") is None
    run.step("auditor-3")
    run.step("auditor-1", "auditor-2")
    assert set(run.state.rounds[0].endorsements) == {"auditor-1", "auditor-2"}


def test_a_change_of_the_pause_is_acknowledged_once_it_is_witnessed() -> None:
    chain = chain_at("opened", extra=PAUSE_TABLES)
    (change,) = asking(chain.state.pause)

    def due(witnessed: int) -> list[Duty]:
        return list(
            duties(
                chain.state,
                "lab-1",
                lambda slot: False,
                witnessed,
                lambda round_: None,
                lambda entry: True,
            )
        )

    assert due(change.entry) == []
    (duty,) = due(change.entry + 1)
    assert duty.slot == f"acknowledgement/{change.entry}"


def test_a_statement_has_the_view_of_the_newest_witnessed_entry() -> None:
    run = run_until_opened()
    opened = run.state.rounds[0].entry
    run.step(*run.charter.labs)
    size = run.drivers["lab-1"].replica.witnessed.size
    assert opened < size < run.state.size
    draft = run.stores["lab-1"].draft("answer/1/0")
    assert draft is not None
    assert statement_of(unseal(draft.envelope)).seen.index == size - 1


def test_a_heartbeat_does_not_speak_of_what_is_not_witnessed() -> None:
    run = Run(make_deployment(last="2025Q4", **FOUR))
    for _ in range(3):
        run.step("auditor-1", "auditor-2", "lab-1")
    # Nothing is witnessed, and entry 0 is the charter that everybody has.
    assert seen_by(run, "auditor-1") == seen_by(run, "lab-1") == 0
    run.until_quiet(COORDINATOR, *run.charter.auditors)
    run.now_ms += run.charter.heartbeat_s * 1000
    run.step("lab-1")
    assert seen_by(run, "lab-1") == run.drivers["lab-1"].replica.witnessed.size - 1 > 0


def test_a_node_whose_store_was_set_back_does_not_say_that_it_has_seen_less() -> None:
    run = run_until_opened()
    run.now_ms += run.charter.heartbeat_s * 1000
    run.step("lab-1")
    before = run.state.heartbeats["lab-1"]
    assert before.seen > 0
    run.now_ms += run.charter.heartbeat_s * 1000
    run.step("auditor-1", "auditor-2", "auditor-3")
    run.stores["lab-1"].put_value("witnesses", b"")
    # A log that hands out no cosignature any more.
    run.ledger.replica.witnesses = ()
    run.restart("lab-1").step()
    assert run.drivers["lab-1"].replica.witnessed.size == 0
    after = run.state.heartbeats["lab-1"]
    assert (after.count, after.seen) == (before.count + 1, before.seen)


class Accusing(LogWrapper):
    """Hands out an auditor's cosignature as if it were of another head."""

    def witnesses(self) -> list[Witness]:
        return [replace(w, size=w.size - 1) for w in super().witnesses()]


def test_a_node_names_once_each_auditor_whose_cosignature_is_not_of_its_log() -> None:
    run = run_until_opened()
    lab = run.drivers["lab-2"] = run.make_driver("lab-2", Accusing(run.log_of("lab-2")))
    lab.step()
    lab.step()
    named = [event for name, event, _ in run.told if name == "lab-2"]
    assert named.count("cosignature_false") == len(run.charter.auditors)
    assert lab.replica.witnessed.size == 0


def test_an_auditor_tells_a_start_when_its_entry_is_witnessed() -> None:
    """Else a limit could begin in a log that no quorum has seen."""
    run = Run(make_deployment(last="2025Q4", **FOUR))
    three = ("auditor-1", "auditor-2", "auditor-3")
    for _ in range(3):
        run.step(*three)
    run.step(COORDINATOR)
    opened = run.state.rounds[0].entry
    run.step("auditor-1", "auditor-2")
    run.step("auditor-1", "auditor-2")
    assert max(seen_by(run, a) for a in three) < opened
    assert run.state.clock.start_ms(opened) is None
    run.step("auditor-3")
    run.step(*three)
    assert run.state.clock.start_ms(opened) is not None
