"""Seeds of deployments whose coordinators stop, sleep, lie and come back (``sim.succession``)."""

import functools

import pytest

from fermata.log.merkle import Tree, leaf_hash
from fermata.memory_store import MemoryStore
from fermata.protocol.succession.handover import HandedOver
from fermata.protocol.wire.ports import LOGGED, Draft
from fermata.sim.faults import Tally
from fermata.sim.succession import __main__ as command
from fermata.sim.succession import simulation
from fermata.sim.succession.oracle import Oracle
from harness.succession import make_succession, tree_of

WORLD = make_succession()
CHARTER = WORLD.deployment.charter
AUDITOR = WORLD.auditors[0]
ONE, OTHER = tree_of("a", "b", "c"), tree_of("a", "b", "x")


@functools.cache
def outcome(seed: int) -> simulation.Outcome:
    return simulation.run(seed)


def test_a_seed_has_no_violation_and_more_than_one_view():
    assert outcome(0).violations == ()
    assert outcome(0).views > 0
    assert outcome(0).entries > 0


def test_a_seed_replays_line_by_line():
    assert simulation.run(0).text == outcome(0).text


def test_a_coordinator_that_leads_asks_for_the_sealed_parts_that_came_while_it_was_off():
    assert outcome(6).violations == ()
    assert outcome(6).views > 0


def test_su26_parts_that_a_coordinator_keeps_to_itself_are_given_by_others():
    given = outcome(0).seen["sealed part given"] + outcome(6).seen["sealed part given"]
    assert given > 0


def test_su24_a_leave_whose_entries_nobody_has_is_done_without():
    """One auditor alone has the last entries of a leader that stopped, and keeps them."""
    assert outcome(25).violations == ()
    assert outcome(25).seen["did_without"] > 0
    assert outcome(25).views > 0


def test_an_auditor_that_has_left_for_views_that_nobody_else_needs_stops_nobody():
    assert outcome(8).violations == ()
    last = next(line for line in reversed(outcome(8).lines) if "auditor-1" in line)
    assert "left view=" in last
    assert outcome(8).views == 1


def test_the_program_says_what_happened_and_how_to_replay_what_must_not(monkeypatch, capsys):
    bad = simulation.Outcome(9, ("a line",), ("two logs in view 1",), Tally(killed=2), 1, 5)
    monkeypatch.setattr(command, "run", lambda seed: bad)
    assert command.main(["--seed", "9"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("a line\nseeds       1\nviews       1 began after the first\n")
    assert "  seed 9: two logs in view 1\n" in shown
    assert shown.endswith("  replay: python -m fermata.sim.succession --seed 9\n")


class Copy:
    """What the oracle looks at of a copy of the log."""

    def __init__(self, tree: Tree, witnessed: int = 0, handed: tuple[HandedOver, ...] = ()) -> None:
        self.tree, self.store = tree, MemoryStore()
        self.witnessed = type("Seen", (), {"size": witnessed})
        view = handed[-1].view if handed else 0
        fields = {"handovers": handed, "view": view, "heartbeats": {}}
        self.state = type("Folded", (), fields)


def handed(start: int) -> HandedOver:
    return HandedOver(1, "successor-1", WORLD.auditors[:3], start, (0, 0), ())


def test_an_auditor_that_cosigns_two_heads_of_one_view_is_told():
    oracle = Oracle(CHARTER)
    oracle.saw_cosignature(AUDITOR, WORLD.note(0, ONE))
    oracle.saw_cosignature(AUDITOR, WORLD.note(1, OTHER))
    assert oracle.violations == []
    oracle.saw_cosignature(AUDITOR, WORLD.note(0, OTHER))
    assert oracle.violations == [f"{AUDITOR} cosigned two heads of 3 entries in view 0"]


def test_an_auditor_with_another_log_than_it_cosigned_is_told():
    oracle = Oracle(CHARTER)
    oracle.saw_cosignature(AUDITOR, WORLD.note(0, ONE))
    oracle.look(AUDITOR, Copy(OTHER), False)
    assert oracle.violations == [f"{AUDITOR} has another log in view 0 than it cosigned"]


def test_a_second_handover_of_a_view_is_told():
    oracle = Oracle(CHARTER)
    oracle.look("lab-1", Copy(ONE, handed=(handed(2),)), False)
    assert oracle.violations == []
    oracle.look("lab-2", Copy(OTHER, handed=(handed(2),)), False)
    assert oracle.violations == ["lab-2 has a second Handover of view 1"]


@pytest.mark.parametrize("is_split", [False, True])
def test_witnessed_entries_of_two_logs_are_told(is_split):
    oracle = Oracle(CHARTER, is_split=is_split)
    oracle.look("lab-1", Copy(ONE, 3), False)
    oracle.look("lab-2", Copy(OTHER, 2), False)
    assert oracle.violations == []
    oracle.look("lab-2", Copy(OTHER, 3), False)
    told = ["lab-2: entries that a quorum witnessed in view 0 are of two logs"]
    assert (
        oracle.violations
        == ([] if is_split else ["lab-2: witnessed entries are of two logs"]) + told
    )


def test_what_was_acknowledged_and_is_gone_is_told():
    oracle, disk, kept = Oracle(CHARTER), MemoryStore(), Copy(ONE)
    disk.put_draft(Draft("answer/1/0", b"said"))
    oracle.check_end({"lab-1": disk}, kept)
    assert oracle.violations == []
    disk.settle_draft("answer/1/0", LOGGED)
    oracle.check_end({"lab-1": disk}, kept)
    assert oracle.violations == ["the log lacks answer/1/0 of lab-1, which has a receipt"]


def test_what_was_settled_and_is_gone_is_told(monkeypatch):
    oracle = Oracle(CHARTER)
    monkeypatch.setattr("fermata.sim.succession.oracle.settled_size", lambda charter, beats: 2)
    oracle.look("oversight", Copy(tree_of("a", "b")), True)
    oracle.check_end({}, Copy(tree_of("a", "x")))
    assert oracle.violations == ["the log lacks settled entries"]
    other = Tree()
    other.append(leaf_hash(b"z"))
    other.append(leaf_hash(b"y"))
    oracle.look("successor-1", Copy(other), True)
    assert "successor-1: settled entries are of two logs" in oracle.violations


def test_su23_boards_that_lie_about_entries_are_told_and_others_hand_them_out():
    assert outcome(8).seen["board lies"] > 0
    assert outcome(8).seen["gathered"] > 0
    assert outcome(0).seen["gathered"] > 0
