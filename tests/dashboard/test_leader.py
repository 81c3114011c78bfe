"""The overview's section on who leads the log, under a charter that names successors."""

from dataclasses import replace

from fermata.dashboard.checks import ChecksView
from fermata.dashboard.pages import render
from harness.chains import COORDINATOR
from harness.dashboard import paused_source
from harness.handed_over import LEAVERS, begun, handed_over
from harness.pauses import copy_of, lifted_run


def index(chain=None, left=None, is_live=True):
    now = paused_source().snapshot()
    if chain is not None:
        state = chain.state
        now = replace(
            now, state=state, charter=state.charter, is_live=is_live, left=left or {}, rejected=()
        )
    page = render(now, ChecksView(), "index.html")
    assert page is not None
    return page.body.decode()


def test_a_charter_without_successors_has_no_such_section():
    assert "leads the log" not in index()


def test_the_overview_says_who_leads_and_who_is_next():
    page = index(begun()[0])
    assert f"view 0: {COORDINATOR} leads the log; next in turn: successor-1, successor-2" in page
    assert "No auditor is known to have left." in page
    assert "Handovers, newest first" not in page


def test_a_bundle_says_nothing_of_who_has_left():
    assert "known to have left" not in index(begun()[0], is_live=False)


def test_handovers_and_leaves_are_shown():
    page = index(handed_over()[0], {"auditor-4": 2})
    assert "view 1: successor-1 leads the log" in page
    assert f">{', '.join(LEAVERS)}</td>" in page
    assert "left for view 2, which successor-2 would lead: auditor-4; 3 Leaves are needed" in page
    assert "No auditor is known to have left." not in page


def test_su2_1_the_overview_says_of_a_lift_whether_it_is_settled():
    waits = "The pause is lifted, and this is not settled yet: labs hold"
    run = lifted_run(successors=1)
    unsettled = copy_of(run, size=run.state.pause.changes[-1].entry + 1)
    assert waits in index(unsettled)
    # What a bundle shows is settled: its verifier has left out what is not.
    assert waits not in index(unsettled, is_live=False)
    assert waits not in index(run)
