"""A lab's page: what waits for it, how old its figures are, and its rounds."""

from dataclasses import replace

import pytest

from fermata.dashboard.pages import names, render
from fermata.dashboard.views.labs import ROUNDS_MAX, lab_ids, lab_page
from fermata.summary.lab_words import lab_waits
from fermata.summary.records.pause import pause_record
from fermata.summary.records.rounds import round_records
from harness.chains import chain_at
from harness.dashboard import paused_checks, paused_source


def now():
    return paused_source().snapshot()


def shown(name, snapshot=None):
    page = render(snapshot or now(), paused_checks().view(), name)
    return None if page is None else page.body.decode()


def test_every_lab_has_a_page_and_nobody_else_has_one():
    labs = now().charter.labs
    assert lab_ids(now().state) == list(labs)
    assert {f"lab-{lab}.html" for lab in labs} <= set(names(now()))
    for other in ("auditor-1", "oversight", "member-1", "nobody", "lab-7", ""):
        assert lab_page(now(), other) is None
        assert shown(f"lab-{other}.html") is None
    assert shown("lab-lab-1\n.html") is None


def test_a_labs_page_says_what_waits_for_it():
    late, well = lab_page(now(), "lab-6"), lab_page(now(), "lab-1")
    change = pause_record(now().state).asked.entry
    acknowledge = f"the change in entry {change} waits for its acknowledgement"
    figures = "the lift waits for newer figures of it"
    assert late.waits == (acknowledge, figures)
    assert well.waits == (figures,)
    assert all(f"<li>{sentence}</li>" in shown("lab-lab-6.html") for sentence in late.waits)
    assert lab_page(now(), "lab-5").troubles == ("was never seen",)


def test_an_open_round_waits_for_the_labs_that_have_not_answered():
    chain = chain_at("collecting")
    chain.report("lab-1", {"hours": "10", "share": "0"})
    newest = round_records(chain.state)[-1]
    assert lab_waits("lab-1", newest, None) == []
    (sentence,) = lab_waits("lab-2", newest, None)
    assert sentence.startswith(f"round {newest.period} waits for its answer, until 2")
    assert lab_waits("lab-2", None, None) == []


def test_a_labs_figures_have_the_age_that_the_rounds_record_says():
    page = lab_page(now(), "lab-6")
    newest = round_records(now().state)[-1]
    told = {(f.panel, f.figure_of, f.age) for f in page.figures if f.is_in_sums}
    assert told == {
        (panel.panel, figure.figure_of, figure.age)
        for panel in newest.panels
        for figure in panel.members
        if figure.lab == "lab-6"
    }
    assert page.figures_of == newest.period
    assert [f.panel for f in lab_page(now(), "lab-1").figures] == ["alpha"]


def test_a_labs_rounds_are_those_that_asked_it_newest_first():
    page = lab_page(now(), "lab-4")
    assert [row.round.number for row in page.rounds] == [5, 4, 3, 2, 1]
    assert {row.answer for row in page.rounds} == {"reported"}
    assert [row.compliance for row in page.rounds][1:] == [""] * 4
    assert page.rounds[0].compliance == round_records(now().state)[-1].compliance["lab-4"]
    assert page.rounds[0].entry == now().state.rounds[-1].reports["lab-4"].entry
    assert len(page.rounds) <= ROUNDS_MAX


def test_a_labs_dues_are_those_of_the_account():
    assert lab_page(now(), "lab-1").owed == ((6002.5, "EUR"),)
    assert "6002.50 EUR" in shown("lab-lab-1.html")


def test_dues_that_an_amendment_does_away_with_stay_on_their_page():
    snapshot = now()
    assert "no dues any more" not in shown("dues.html", snapshot)
    charter = replace(snapshot.charter, dues=None)
    gone = replace(snapshot, charter=charter, state=replace(snapshot.state, charter=charter))
    assert "no dues any more" in shown("dues.html", gone)
    assert "Dues by lab, EUR" in shown("dues.html", gone)
    assert "6002.50 EUR" in shown("lab-lab-1.html", gone)


def test_a_lab_that_is_excluded_or_has_left_the_charter_is_marked():
    snapshot = now()
    governance = replace(snapshot.state.governance, exclusions={"lab-6": 5})
    excluded = replace(snapshot, state=replace(snapshot.state, governance=governance))
    assert "from round 5 on" in shown("lab-lab-6.html", excluded)
    parties = {k: p for k, p in snapshot.charter.parties.items() if k != "lab-6"}
    charter = replace(snapshot.charter, parties=parties)
    gone = replace(snapshot, state=replace(snapshot.state, charter=charter))
    assert lab_page(gone, "lab-6").node is None
    assert "not in the one in force" in shown("lab-lab-6.html", gone)


@pytest.mark.parametrize("page", ["participants.html", "round-5.html", "dues.html", "index.html"])
def test_pages_that_name_a_lab_lead_to_its_page(page):
    assert '<a href="lab-lab-6.html">lab-6</a>' in shown(page)


def test_the_overview_says_how_old_figures_are_and_whom_the_round_waits_for():
    page = shown("index.html")
    assert "Age of the figures" in page
    assert "<li>panel alpha: new sums; figures of 6 labs</li>" in page
    assert "<dt>The round waits for</dt><dd>nobody</dd>" in page
