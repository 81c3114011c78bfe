"""What pages show, as data: the pause, a round, participants, dues, the log, motions."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.dashboard.views.governance import governance_view
from fermata.dashboard.views.log import entry_page, entry_row, log_page, page_count, proof_steps
from fermata.dashboard.views.nodes import dues_view, duration_text, key_view, node_rows
from fermata.dashboard.views.overview import overview
from fermata.dashboard.views.pause import (
    limits_of,
    newest_judgement,
    pause_view,
    rule_views,
    spans_of,
)
from fermata.dashboard.views.round import round_page
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.state.pause import RUNNING, Change
from fermata.protocol.state.state import Verdict
from harness.chains import chain_at
from harness.dashboard import paused_chain, paused_source

DAY_MS = 24 * 60 * 60 * 1000


def now():
    return paused_source().snapshot()


def pause(later_ms=0):
    shown = now()
    found = pause_view(shown.state, shown.charter, shown.now_ms + later_ms)
    assert found is not None
    return found


def test_the_pause_tells_its_phase_its_rules_and_how_far_the_lift_is():
    found = pause()
    assert (found.phase, found.calm_rounds, found.lift_rounds) == ("lifting", 1, 2)
    assert (found.rules, found.round, found.lift_rule) == (("hot",), 4, "calm")
    assert found.since_entry == paused_chain().state.pause.changes[-1].entry


def test_the_pause_tells_who_has_acknowledged_and_who_has_not():
    found = pause()
    assert (found.acknowledged, found.labs, found.needed) == (5, 6, 4)
    assert found.missing == ("lab-6",)


def test_changes_stand_newest_first_in_words():
    assert [(c.after, c.why) for c in pause().changes] == [
        ("lifting", "a calm round"),
        ("paused", "enough labs acknowledged"),
        ("triggered", "a rule triggered it"),
    ]


def test_what_is_late_depends_on_the_readers_clock():
    assert [late.what for late in pause().overdue] == ["A change of the pause is not acknowledged"]
    assert "The log is silent" in [late.what for late in pause(DAY_MS).overdue]


def test_a_charter_without_a_pause_has_no_view_of_one():
    chain = chain_at("keyed")
    assert pause_view(chain.state, chain.deployment.charter, 0) is None


def test_rules_tell_value_limit_and_verdict_as_of_the_newest_round():
    shown = now()
    judged = newest_judgement(shown.state)
    assert judged is not None
    assert judged[0] == 5
    hot, calm = rule_views(shown.charter, judged[1])
    assert (hot.value, hot.limit, hot.verdict, hot.role) == (
        "50.5",
        "100",
        "does not hold",
        "triggers the pause",
    )
    assert (calm.verdict, calm.role) == ("holds", "lifts the pause")
    assert hot.text == "level of hours: Sum, at least 100"


def test_rules_before_any_round_are_not_judged_yet():
    charter = now().charter
    assert {rule.verdict for rule in rule_views(charter, None)} == {"not judged yet"}


def test_limits_of_levels_are_drawn_and_the_pause_is_shaded_while_it_lasts():
    shown = now()
    assert [value for _, value in limits_of(shown.charter)["hours", "sum"]] == [100.0, 60.0]
    assert spans_of(shown.state) == ((4, 5),)


def test_a_pause_that_was_lifted_is_shaded_up_to_the_round_that_lifted_it():
    state = now().state
    entry = state.judgements[5].entry
    lifted = Change(entry, 0, "lifting", RUNNING, 5, ("calm",), "lifted", 2)
    over = replace(state.pause, phase=RUNNING, changes=(*state.pause.changes, lifted))
    later = replace(state, pause=over, rounds=(*state.rounds, replace(state.rounds[4], number=6)))
    assert spans_of(later) == ((4, 5),)


def test_a_round_tells_who_reported_and_who_complied():
    page = round_page(now().state, now().state.rounds[4])
    assert {row.lab: (row.answer, row.compliance) for row in page.labs} == {
        "lab-1": ("reported", "complied"),
        "lab-2": ("reported", "complied"),
        "lab-3": ("reported", "complied"),
        "lab-4": ("reported", "not shown"),
        "lab-5": ("reported", "complied"),
        "lab-6": ("reported", "complied"),
    }
    assert (page.is_asked, page.compliant, page.earlier, page.later) == (True, 5, 4, 0)


def test_a_round_tells_who_endorsed_and_who_opened():
    page = round_page(now().state, now().state.rounds[0])
    assert all(row.entry > 0 for row in page.auditors)
    assert {row.opening for row in page.auditors} <= {"gave its part", "was not needed"}
    assert {row.compliance for row in page.labs} == {""}


@pytest.mark.parametrize(
    ("stage", "answer"), [("collecting", "not yet"), ("reported", "reported so far")]
)
def test_an_open_round_tells_who_has_reported_so_far(stage, answer):
    chain = chain_at(stage)
    assert {row.answer for row in round_page(chain.state, chain.round).labs} == {answer}


def test_a_refused_round_tells_why():
    chain = chain_at("collecting")
    chain.report("lab-1")
    chain.abstain("lab-2")
    chain.close(chain.round.deadline_ms)
    page = round_page(chain.state, chain.round)
    assert page.round.phase == "refused"
    assert page.round.refusal
    assert [row.answer for row in page.labs][:3] == ["reported", "has no figures", "silent"]


def test_participants_tell_what_needs_a_look():
    rows = {row.party: row for row in node_rows(now().state, now().charter, now().now_ms)}
    assert rows["lab-1"].troubles == ()
    assert rows["lab-2"].troubles == ("its clock is off",)
    assert rows["lab-3"].troubles == ("its certificate ends within three days",)
    assert rows["lab-5"].troubles == ("never seen",)
    assert rows["auditor-3"].troubles == ("has statements that it could not send yet",)
    assert rows["member-1"].troubles == ()
    assert rows["lab-1"].clock == "+0.1 s"


def test_participants_that_went_silent_or_lost_their_certificate_are_told():
    rows = {row.party: row for row in node_rows(now().state, now().charter, now().now_ms + DAY_MS)}
    assert rows["lab-3"].troubles[:2] == ("not seen lately", "its certificate has ended")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 s"),
        (999, "0 s"),
        (61_000, "1 min 1 s"),
        (7_500_000, "2 h 5 min"),
        (90 * DAY_MS, "90 d"),
    ],
)
def test_durations_have_their_two_largest_units(milliseconds, text):
    assert duration_text(milliseconds) == text


def test_the_key_tells_epoch_origin_and_threshold():
    found = key_view(now().state)
    assert found is not None
    assert (found.epoch, found.origin, found.threshold, found.auditors) == (1, "dealer", 2, 3)
    assert key_view(chain_at("empty").state) is None


def test_dues_by_lab_and_by_round_add_up_to_the_total():
    found = dues_view(now().state, now().charter)
    assert found is not None
    assert found.total == "18005.00"
    assert found.lines[0].round == 5
    assert len(found.lines) == 30
    chain = chain_at("opened")
    assert dues_view(chain.state, chain.deployment.charter) is None


def test_the_log_shows_each_entry_with_its_verdict():
    page = log_page(now(), 1)
    assert page is not None
    assert [row.kind for row in page.rows[:3]] == ["Charter", "KeyRecord", "OpenRound"]
    (evidence,) = [row for row in page.rows if not row.accepted]
    assert (evidence.author, evidence.reason) == ("auditor-1", "ALREADY_ENDORSED")
    assert page.rejected == 1


@pytest.mark.parametrize("number", [-1, 0, 2, 10**11])
def test_a_page_of_the_log_that_is_not_there_is_none(number):
    assert log_page(now(), number) is None


@pytest.mark.parametrize(("size", "pages"), [(0, 1), (1, 1), (100, 1), (101, 2)])
def test_pages_of_the_log_are_counted_from_its_size(size, pages):
    assert page_count(size) == pages


@given(leaf=st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_whatever_stands_in_the_log_has_a_row(leaf):
    row = entry_row(3, leaf, {3: Verdict(3, "Unknown", "", False, "MALFORMED", "no")})
    assert not row.accepted


def test_an_entry_leads_to_the_root_of_the_head():
    page = entry_page(now(), 7)
    assert page is not None
    leaf = now().leaves(7, 8)[0]
    assert page.leaf_hash == hashlib.sha256(b"\0" + leaf).hexdigest()
    assert page.leads
    assert page.steps[-1].result == page.root == now().root.hex()


@pytest.mark.parametrize("entry", [-1, 10**9])
def test_an_entry_that_is_not_there_is_none(entry):
    assert entry_page(now(), entry) is None


@given(size=st.integers(1, 70), data=st.data())
@settings(max_examples=50, deadline=None)
def test_the_steps_of_every_entry_of_every_log_end_at_its_root(size, data):
    entry = data.draw(st.integers(0, size - 1))
    tree = Tree()
    for i in range(size):
        tree.append(leaf_hash(bytes([i])))
    steps = proof_steps(leaf_hash(bytes([entry])), entry, size, tree.inclusion_proof(entry, size))
    last = steps[-1].result if steps else leaf_hash(bytes([entry])).hex()
    assert last == tree.root().hex()


def test_motions_tell_their_votes_and_disputes_their_ruling():
    found = governance_view(now().state, now().charter, now().now_ms)
    assert found is not None
    kinds = {row.kind: row for row in found.motions}
    assert kinds["lift"].status == "open"
    assert kinds["lift"].votes == (("member-2", "for"),)
    assert kinds["lift"].count == "1 for, 0 against, 3 not yet; 3 carry it"
    (dispute,) = found.disputes
    assert (dispute.author, dispute.lab, dispute.outcome) == ("lab-2", "lab-4", "no ruling yet")
    assert sum(member.is_chair for member in found.members) == 1


def test_a_ruling_that_nobody_gave_is_overdue():
    found = governance_view(now().state, now().charter, now().now_ms + 10 * DAY_MS)
    assert found is not None
    assert found.overdue == ()


def test_a_charter_without_a_committee_has_no_governance():
    chain = chain_at("keyed")
    assert governance_view(chain.state, chain.deployment.charter, 0) is None


def test_results_of_groups_stand_on_the_rounds_page_and_not_in_the_series():
    state, charter = now().state, now().charter
    found = state.rounds[4]
    assert found.opening is not None
    grouped = replace(found.opening.results[0], group="small", text="7")
    opening = replace(found.opening, results=(*found.opening.results, grouped))
    changed = state.with_round(replace(found, opening=opening))
    assert [row.group for row in round_page(changed, changed.rounds[4]).groups] == ["small"]
    texts = [p.text for s in overview(changed, charter).series for p in s.points]
    assert "7" not in texts
