"""What pages show, as data: the log, and the results of a run over its rounds."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.dashboard.pages import render
from fermata.dashboard.views.log import entry_page, log_page, page_count, proof_steps
from fermata.dashboard.views.overview import overview, rule_limits
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.state.clock import Clock
from fermata.protocol.state.state import Verdict
from fermata.summary.records.entries import entry_record
from harness.chains import START_MS
from harness.dashboard import paused_checks, paused_source


def now():
    return paused_source().snapshot()


def test_the_log_shows_each_entry_with_its_verdict():
    page = log_page(now(), 1)
    assert page is not None
    kinds = [row.kind for row in page.rows if row.kind != "Heartbeat"]
    assert kinds[:3] == ["Charter", "KeyRecord", "OpenRound"]
    assert page.rows[0].time == utc_text(START_MS + 1000)
    rows = [row for number in range(1, page.pages + 1) for row in log_page(now(), number).rows]
    (evidence,) = [row for row in rows if not row.accepted]
    assert (evidence.author, evidence.reason) == ("auditor-1", "ALREADY_ENDORSED")
    assert page.rejected == 1


@pytest.mark.parametrize("number", [-1, 0, 4, 10**11])
def test_a_page_of_the_log_that_is_not_there_is_none(number):
    assert log_page(now(), number) is None


@pytest.mark.parametrize(("size", "pages"), [(0, 1), (1, 1), (100, 1), (101, 2)])
def test_pages_of_the_log_are_counted_from_its_size(size, pages):
    assert page_count(size) == pages


@given(leaf=st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_whatever_stands_in_the_log_has_a_row(leaf):
    row = entry_record(3, leaf, {3: Verdict(3, "Unknown", "", False, "MALFORMED", "no")}, Clock())
    assert not row.accepted


def test_an_entry_leads_to_the_root_of_the_head():
    page = entry_page(now(), 7)
    assert page is not None
    leaf = now().leaves(7, 8)[0]
    assert page.leaf_hash == hashlib.sha256(b"\0" + leaf).hexdigest()
    assert page.leads
    assert page.steps[-1].result == page.root == now().head.root.hex()


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


def test_limits_of_levels_are_drawn() -> None:
    limits = rule_limits(now().charter.rules)["hours", "sum"]
    assert limits == [("hot: at least 100", 100.0), ("calm: below 60", 60.0)]


def test_the_charter_hash_to_compare_is_that_of_entry_0() -> None:
    amended = replace(now().charter, sha256=b"\x07" * 32)
    run = overview(now().state, amended)
    assert run.charter_hash == now().state.charters[0].charter.sha256.hex()


def test_results_of_groups_stand_on_the_rounds_page_and_not_in_the_series():
    shown = now()
    found = shown.state.rounds[4]
    assert found.opening is not None
    grouped = replace(found.opening.results[0], group="small", text="7.7")
    opening = replace(found.opening, results=(*found.opening.results, grouped))
    close = replace(found.close, cohorts={**found.close.cohorts, "alpha/small": 3})
    changed = shown.state.with_round(replace(found, opening=opening, close=close))
    page = render(replace(shown, state=changed), paused_checks().view(), "round-5.html")
    row = (
        '<td role="cell" data-label="Group">small</td>'
        '<td role="cell" data-label="Statistic">Sum</td>'
        '<td class="number" role="cell" data-label="Value">7.7</td>'
    )
    assert row in page.body.decode()
    texts = [p.text for s in overview(changed, shown.charter).series for p in s.points]
    assert "7.7" not in texts
