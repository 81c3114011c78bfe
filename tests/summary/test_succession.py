"""Who leads the log, and who has left: records, words and documents (succession.md, SU1, SU5)."""

import pytest

from fermata.cli.read.status import health, health_document, health_text
from fermata.protocol.charter.periods import utc_text
from fermata.summary.documents import succession_document
from fermata.summary.node_words import leader_line, left_lines, left_troubles
from fermata.summary.records.nodes import node_records
from fermata.summary.records.succession import succession_record
from harness.chains import COORDINATOR, chain_at
from harness.handed_over import LEAVERS, begun, handed_over, log, made
from harness.nodes import numbers_as_text

DAY_MS = 24 * 60 * 60 * 1000


def record(chain, left=None):
    shown = succession_record(chain.state, left or {})
    assert shown is not None
    return shown


def test_a_charter_without_successors_has_nothing_to_show():
    state = chain_at("opened").state
    assert succession_record(state, {"auditor-1": 1}) is None
    report = health(state, state.time_ms, DAY_MS, {"auditor-1": 1})
    assert health_document(report)["succession"] is None
    assert "leads the log" not in health_text(report)
    assert not [what for _, what in report.problems if "left" in what]


def test_su1_the_first_coordinator_leads_view_0():
    chain, _ = begun()
    shown = record(chain)
    assert (shown.view, shown.leader, shown.since) == (0, COORDINATOR, None)
    assert shown.following == ("successor-1", "successor-2")
    line = leader_line(shown)
    assert line == f"view 0: {COORDINATOR} leads the log; next in turn: successor-1, successor-2"
    assert left_lines(shown) == []


def test_su1_a_handover_says_who_leads_since_when_and_by_whom():
    chain, _ = handed_over()
    entry = chain.tree.size - 1
    shown = record(chain)
    assert (shown.view, shown.leader) == (1, "successor-1")
    assert shown.following == ("successor-2", COORDINATOR)
    assert shown.since is not None
    assert shown.since.time_ms is None
    assert "since a time not told yet" in leader_line(shown)
    chain.advance(chain.time_ms + DAY_MS)
    for auditor in chain.deployment.charter.auditors:
        chain.beat(auditor)
    since = record(chain).since
    assert since is not None
    assert (since.entry, since.auditors, since.left_out) == (entry, LEAVERS, ())
    assert since.time_ms == chain.state.clock.start_ms(entry)
    said = f"since {utc_text(since.time_ms)}, entry {entry}, by the Leaves of {', '.join(LEAVERS)};"
    assert said in leader_line(record(chain))


def test_every_handover_is_shown_and_the_last_one_leads():
    chain, world = handed_over()
    assert log(chain, made(chain, world, view=5), "successor-2").accepted
    shown = record(chain)
    assert [handed.view for handed in shown.handovers] == [1, 5]
    assert (shown.leader, shown.following) == ("successor-2", (COORDINATOR, "successor-1"))


@pytest.mark.parametrize("view", range(4))
def test_su5_a_leave_shows_until_a_handover_of_its_view_is_in_the_log(view):
    chain, _ = handed_over()
    shown = record(chain, {"auditor-1": view, "auditor-2": view})
    is_known = view > 1
    assert shown.left == ({"auditor-1": view, "auditor-2": view} if is_known else {})
    assert bool(left_lines(shown)) == bool(left_troubles(shown)) == is_known
    if is_known:
        assert shown.leads(view) in left_lines(shown)[0]
        assert "auditor-1, auditor-2; 3 Leaves are needed" in left_lines(shown)[0]


def test_leaves_for_several_views_have_a_line_each_and_status_ends_with_a_problem_for_each():
    chain, _ = handed_over()
    left = {"auditor-3": 3, "auditor-1": 2, "auditor-2": 3}
    assert record(chain, left).left_for == {2: ("auditor-1",), 3: ("auditor-2", "auditor-3")}
    report = health(chain.state, chain.state.time_ms, DAY_MS, left)
    text = health_text(report)
    for line in (leader_line(record(chain)), *left_lines(record(chain, left))):
        assert line in text
    told = [who for who, what in report.problems if what.startswith("it has left for view")]
    assert told == ["auditor-1", "auditor-2", "auditor-3"]


def test_the_document_has_all_of_the_record():
    chain, _ = handed_over()
    shown = succession_document(record(chain, {"auditor-2": 2}))
    assert shown == {
        "view": 1,
        "leader": "successor-1",
        "coordinators": [COORDINATOR, "successor-1", "successor-2"],
        "leaves_needed": 3,
        "handovers": [
            {
                "view": 1,
                "coordinator": "successor-1",
                "entry": chain.tree.size - 1,
                "time": None,
                "auditors": list(LEAVERS),
                "left_out": [],
            }
        ],
        "left": [{"auditor": "auditor-2", "view": 2}],
    }
    assert numbers_as_text(shown) == []


def test_su20_only_the_coordinator_that_leads_must_be_seen():
    for chain, leader in ((begun()[0], COORDINATOR), (handed_over()[0], "successor-1")):
        coordinators = chain.deployment.charter.coordinators
        nodes = {node.party: node for node in node_records(chain.state)}
        assert [c for c in coordinators if nodes[c].is_expected] == [leader]
        report = health(chain.state, chain.state.time_ms, DAY_MS)
        assert {who for who, what in report.problems if what == "was never seen"}.isdisjoint(
            set(coordinators) - {leader}
        )
