"""The counting model of succession: every committee keeps the promises, and no rule is idle."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from fermata.protocol.charter.parse import Charter
from fermata.sim.model.succession import epochs
from fermata.sim.model.succession.committee import Committee, committees
from fermata.sim.model.succession.history import RULES, Rules
from fermata.sim.model.succession.leaving import (
    DEPOSED,
    GOES_ON,
    STUCK,
    Trouble,
    outcome,
    troubles,
)
from fermata.sim.model.succession.search import explore, main

ALL = tuple(committees(7))
#: The most liars that a threshold allows; fewer can do no more, since a liar may keep the rules.
WORST = tuple(c for c in ALL if c.liars == c.threshold - 1)


@pytest.mark.parametrize("committee", WORST, ids=str)
def test_every_committee_keeps_its_promises_in_every_history(committee: Committee) -> None:
    assert explore(committee).violations == ()


def test_committees_with_fewer_liars_keep_them_too() -> None:
    fewer = [c for c in committees(5) if c not in WORST]
    assert len(fewer) > 10
    assert [v for c in fewer for v in explore(c).violations] == []


@pytest.mark.parametrize("committee", WORST, ids=str)
def test_as_many_liars_as_two_quorums_share_break_a_promise(committee: Committee) -> None:
    shared = 2 * committee.quorum - committee.auditors
    assert committee.liars < shared <= committee.auditors
    assert explore(replace(committee, liars=shared)).violations


@pytest.mark.parametrize(
    ("rules", "broken"),
    [
        (replace(RULES, says_after_leave=True), "without what was settled"),
        (replace(RULES, cosigns_after_leave=True), "the old view goes on"),
        (replace(RULES, leave_shows_certificate=False), "without what was settled"),
        (replace(RULES, leave_shows_head=False), "leaves no head out"),
    ],
)
def test_no_rule_may_be_left_out(rules: Rules, broken: str) -> None:
    violations = explore(Committee(4, 2, 1), rules).violations
    assert any(broken in violation for violation in violations)


def test_the_wait_decides_with_one_log_as_with_two() -> None:
    for rules in (RULES, replace(RULES, forks=False)):
        explored = explore(Committee(4, 2, 1), rules)
        assert explored.waits > 0
        assert explored.violations == ()
    assert explore(Committee(4, 2, 1)).histories > 250


@pytest.mark.parametrize("committee", ALL, ids=str)
def test_a_live_committee_is_never_stuck(committee: Committee) -> None:
    outcomes = {outcome(committee, trouble) for trouble in troubles(committee)}
    assert (STUCK in outcomes) != committee.is_live


@pytest.mark.parametrize("committee", [c for c in ALL if c.is_live], ids=str)
def test_a_coordinator_that_stops_or_starves_or_withholds_is_deposed(committee: Committee) -> None:
    for silent in range(committee.liars + 1):
        stopped = Trouble(starved=committee.honest, withholds=True, silent=silent)
        assert outcome(committee, stopped) == DEPOSED
        assert outcome(committee, Trouble(withholds=True, silent=silent)) == DEPOSED
        for starved in range(committee.threshold, committee.honest + 1):
            assert outcome(committee, Trouble(starved, silent=silent)) == DEPOSED


@pytest.mark.parametrize("committee", ALL, ids=str)
def test_liars_depose_only_by_leaves_and_only_if_the_log_needs_them(committee: Committee) -> None:
    silent = Trouble(silent=committee.liars)
    assert outcome(committee, silent) != DEPOSED
    alone = Trouble(signing=committee.liars, silent=committee.liars)
    spare = committee.auditors - committee.quorum
    assert (outcome(committee, alone) == DEPOSED) == (committee.liars > spare)
    assert outcome(committee, Trouble(signing=committee.liars)) == GOES_ON


def test_of_the_charters_committees_one_is_safe_from_all_that_may_lie() -> None:
    worst = [c for c in WORST if 2 * c.threshold >= c.auditors and c.liars]
    safe = [c for c in worst if outcome(c, Trouble(signing=c.liars, silent=c.liars)) == GOES_ON]
    assert safe == [Committee(4, 2, 1)]


def test_without_asking_each_other_a_coordinator_that_withholds_stops_everything() -> None:
    deaf = Trouble(withholds=True, asks_auditors=False)
    assert {outcome(committee, deaf) for committee in ALL} == {STUCK}


def test_fewer_than_t_starved_auditors_are_shut_out_and_the_others_go_on() -> None:
    assert outcome(Committee(4, 2), Trouble(starved=1)) == GOES_ON
    assert outcome(Committee(4, 2, 1), Trouble(starved=1, silent=1)) == DEPOSED


def test_the_command_tells_every_committee(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--auditors", "4"]) == 0
    told = capsys.readouterr().out
    assert "4 auditors, threshold 2, 1 liars: 304 histories" in told
    assert told.count(", 0 violations") == len(tuple(committees(4)))
    assert "211 changes of the auditors, 0 after which two logs go on\n" in told


def test_the_quorum_of_the_model_is_that_of_the_charter() -> None:
    charters = [SimpleNamespace(auditors=range(c.auditors), threshold=c.threshold) for c in ALL]
    quorums = [Charter.endorsement_quorum.fget(charter) for charter in charters]  # type: ignore[attr-defined]
    assert quorums == [c.quorum for c in ALL]


CHANGES = tuple(epochs.changes(4))
#: Four auditors of whom any two open, and one that takes the place of another.
USUAL = epochs.Change(Committee(4, 2, 1), Committee(4, 2, 1), 3, 1)


def test_after_every_change_of_auditors_one_log_goes_on() -> None:
    assert USUAL in CHANGES
    assert {c.shared for c in CHANGES} == {0, 1, 2, 3, 4}
    assert [what for change in CHANGES if (what := epochs.broken(change))] == []
    assert epochs.broken(epochs.Change(Committee(5, 3, 2), Committee(5, 3, 2), 3, 1)) == ""


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("names_its_copy", "the old auditors witness one log, and the new ones another"),
        ("asks_a_quorum", "the old auditors witness one log, and the new ones another"),
        ("is_silent", "the old auditors witness one log, and the new ones another"),
        ("waits_for_its_own", "the new auditors witness two logs"),
    ],
)
def test_no_rule_of_a_change_may_be_left_out(rule: str, what: str) -> None:
    without = replace(epochs.RULES, **{rule: False})
    assert epochs.broken(USUAL, without).startswith(what)
    # Auditors of both committees may help; where there are none, nothing else does.
    others = [c for c in CHANGES if c.old == USUAL.old and c.new.liars and not c.shared]
    assert len(others) == 6
    assert all(epochs.broken(change, without) for change in others)


@pytest.mark.parametrize("side", ["old", "new"])
def test_as_many_liars_as_two_quorums_share_break_a_change(side: str) -> None:
    many = replace(USUAL.old, liars=2)
    assert epochs.broken(replace(USUAL, **{side: many}))
