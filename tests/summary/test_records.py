"""The records of a folded state: the pause, rounds, nodes, dues and what the committee decides."""

from dataclasses import replace

import pytest

from fermata.errors import Refusal
from fermata.protocol.fold.heartbeats import stale_ms
from fermata.protocol.state.pause import RUNNING, Change, asking
from fermata.protocol.state.state import State
from fermata.summary.governance_words import motion_count
from fermata.summary.node_words import backlog_text, node_troubles
from fermata.summary.records.dues import account_records
from fermata.summary.records.governance import governance_record
from fermata.summary.records.nodes import node_records
from fermata.summary.records.pause import (
    newest_judged,
    overdue_records,
    pause_record,
    pause_spans,
    rule_records,
)
from fermata.summary.records.rounds import result_records, round_record
from fermata.summary.words import (
    auditor_opening,
    cause_words,
    lab_answer,
    overdue_words,
    rule_line,
)
from harness.chains import chain_at
from harness.dashboard import paused_chain

DAY_MS = 24 * 60 * 60 * 1000


def state() -> State:
    return paused_chain().state


def test_the_pause_tells_its_phase_its_rules_and_how_far_the_lift_is() -> None:
    found = pause_record(state())
    assert (found.phase, found.calm_rounds, found.lift_rounds) == ("lifting", 1, 2)
    assert found.trigger is not None
    assert (found.trigger.fired, found.trigger.round, found.lift_rule) == (("hot",), 4, "calm")
    assert found.since == found.changes[-1]
    assert found.since.entry == state().pause.changes[-1].entry


def test_the_pause_tells_who_has_acknowledged_and_who_has_not() -> None:
    found = pause_record(state())
    assert (found.acknowledged, found.labs, found.needed) == (5, 6, 4)
    assert (found.missing, found.late) == (("lab-6",), ())
    assert found.asked is not None
    due_ms = paused_chain().due_ms(asking(state().pause)[-1].deadline)
    assert found.asked.acknowledge_by_ms == found.acknowledge_by_ms == due_ms


def test_changes_stand_oldest_first_with_their_cause_in_words() -> None:
    assert [(c.index, c.after, cause_words(c)) for c in pause_record(state()).changes] == [
        (0, "triggered", "a rule triggered it"),
        (1, "paused", "enough labs acknowledged"),
        (2, "lifting", "a calm round"),
    ]


def test_what_is_late_depends_on_the_readers_clock() -> None:
    late, later = (overdue_records(state(), state().time_ms + ms) for ms in (0, DAY_MS))
    assert list(map(overdue_words, late)) == ["A change of the pause is not acknowledged"]
    assert "The log is silent" in map(overdue_words, later)


@pytest.mark.parametrize("stage", ["empty", "keyed"])
def test_without_a_pause_nothing_is_late_and_nothing_holds(stage: str) -> None:
    found = chain_at(stage).state
    assert overdue_records(found, found.time_ms + 1000 * DAY_MS) == ()
    pause = pause_record(found)
    assert (pause.is_holding, pause.lift_rounds, pause.needed, pause.changes) == (False, 0, 0, ())


def test_rules_tell_value_limit_and_verdict_as_of_the_newest_round() -> None:
    assert newest_judged(state()) == 5
    assert list(map(rule_line, rule_records(state(), 5))) == [
        "rule hot, round 5: does not hold, 50.5 against 100",
        "rule calm, round 5: holds, 50.5 against 60",
    ]


@pytest.mark.parametrize("number", [0, 6])
def test_a_round_that_is_not_there_has_no_verdicts(number: int) -> None:
    assert rule_records(state(), number) == ()


def test_a_pause_covers_the_rounds_from_its_trigger_to_the_newest() -> None:
    assert pause_spans(state()) == ((4, 5),)


def test_a_pause_that_was_lifted_covers_the_rounds_up_to_the_one_that_lifted_it() -> None:
    entry = state().judgements[5].entry
    lifted = Change(entry, 0, "lifting", RUNNING, 5, ("calm",), "lifted", 2)
    over = replace(state().pause, phase=RUNNING, changes=(*state().pause.changes, lifted))
    sixth = replace(state().rounds[4], number=6)
    later = replace(state(), pause=over, rounds=(*state().rounds, sixth))
    assert pause_spans(later) == ((4, 5),)


def test_a_round_tells_who_reported_and_who_complied() -> None:
    found = round_record(state(), state().rounds[4])
    assert {lab: lab_answer(found, lab) for lab in found.labs} == dict.fromkeys(
        found.labs, "reported"
    )
    complied = dict.fromkeys(found.labs, "complied")
    assert found.compliance == complied | {"lab-4": "not shown"}
    assert (found.is_asked, found.compliant) == (True, 5)


def test_a_round_tells_who_endorsed_and_who_opened() -> None:
    found = round_record(state(), state().rounds[0])
    auditors = ("auditor-1", "auditor-2", "auditor-3")
    assert found.endorsed == auditors
    two = replace(found, opened_by=auditors[:2])
    assert [auditor_opening(two, a) for a in auditors] == ["gave its part"] * 2 + ["was not needed"]
    assert found.compliance == {}


def test_an_auditor_that_opened_wrongly_is_told() -> None:
    found = replace(round_record(state(), state().rounds[0]), culprits=("auditor-1",))
    assert auditor_opening(found, "auditor-1") == "gave a wrong part"


@pytest.mark.parametrize(
    ("stage", "answer"), [("collecting", "not yet"), ("reported", "reported so far")]
)
def test_an_open_round_tells_who_has_reported_so_far(stage: str, answer: str) -> None:
    chain = chain_at(stage)
    found = round_record(chain.state, chain.round)
    assert {lab_answer(found, lab) for lab in found.labs} == {answer}
    assert (found.closed_ms, found.close_entry, found.cohort) == (None, None, 0)


def test_a_refused_round_tells_why_and_who_was_silent() -> None:
    chain = chain_at("collecting")
    chain.report("lab-1")
    chain.abstain("lab-2")
    chain.close(chain.deadline_ms)
    found = round_record(chain.state, chain.round)
    assert found.state == "refused"
    assert found.refusal
    answers = [lab_answer(found, lab) for lab in found.labs]
    assert answers[:3] == ["reported", "has no figures", "silent"]
    assert list(result_records(chain.state, chain.round)) == []


def test_a_report_that_does_not_count_is_told_apart() -> None:
    found = round_record(state(), state().rounds[0])
    assert lab_answer(replace(found, reported=found.reported[1:]), found.reported[0]) == (
        "reported, not counted"
    )


def troubles(later_ms: int = 0) -> dict[str, list[str]]:
    now_ms = state().time_ms + later_ms
    charter = paused_chain().deployment.charter
    return {
        node.party: [*node_troubles(node, now_ms, now_ms, stale_ms(charter)), *backlog_text(node)]
        for node in node_records(state())
    }


def test_nodes_tell_what_needs_a_look() -> None:
    found = troubles()
    assert found["lab-1"] == found["member-1"] == []
    assert found["lab-2"] == ["its clock is -46 s off the auditors'"]
    assert found["lab-3"] == ["its certificate ends within three days"]
    assert found["lab-5"] == ["was never seen"]
    assert found["auditor-3"] == ["has statements that it could not send yet"]


def test_nodes_that_went_silent_or_lost_their_certificate_are_told() -> None:
    assert troubles(4 * DAY_MS)["lab-3"] == [
        "not seen for 345600 s",
        "its certificate has ended",
    ]


def test_before_the_charter_there_are_no_nodes_and_no_dues() -> None:
    assert node_records(State()) == ()
    assert account_records(State()) == ()


def test_dues_by_lab_and_by_round_add_up_to_the_total() -> None:
    (found,) = account_records(state())
    assert str(found.total) == "18005.00"
    assert len(found.lines) == 30
    assert found.lines[-1].period == state().rounds[4].period
    assert account_records(chain_at("opened").state) == ()


def test_motions_tell_their_votes_and_disputes_their_ruling() -> None:
    found = governance_record(state(), state().time_ms)
    kinds = {motion.kind: motion for motion in found.motions}
    lift = kinds["lift"]
    assert lift.status == "open"
    assert dict(lift.votes) == {"member-2": "for"}
    count = motion_count(lift, found.tallies[lift.entry])
    assert count == "1 for, 0 against, 3 not yet; 3 carry it"
    assert kinds["dispute"].entry not in found.tallies
    (dispute,) = found.disputes.values()
    assert (dispute.author, dispute.lab) == ("lab-2", "lab-4")
    assert found.chair in {member.id for member in found.committee.members}


def test_a_ruling_that_is_voted_on_is_not_overdue() -> None:
    assert governance_record(state(), state().time_ms + 10 * DAY_MS).overdue == ()


def test_a_charter_without_a_committee_has_no_governance() -> None:
    with pytest.raises(Refusal, match="no committee"):
        governance_record(chain_at("keyed").state, 0)
