"""What a successor goes on from, and when: SU20."""

import pytest

from fermata.protocol.succession.handover import check_handover
from fermata.protocol.succession.leave import open_leave
from fermata.protocol.succession.takeover import Copy, best_take_over, is_due
from harness.succession import AUDITORS, make_succession, tree_of

WORLD = make_succession()
VIEWS = WORLD.views
SHORT, LONG = tree_of("a", "b", "c"), tree_of("a", "b", "c", "d", "e")
FORK = tree_of("a", "b", "c", "x", "y", "z")
FIRST, SECOND, THIRD, FOURTH = AUDITORS
SUCCESSION_MS = 60_000


def leaves(*said):
    opened = ((open_leave(VIEWS, envelope), envelope) for envelope in WORLD.seal(*said))
    return {left.auditor: (left, envelope) for left, envelope in opened}


def three(head=LONG, certified=SHORT, view=1):
    return leaves(
        WORLD.leave(FIRST, head, certified, view),
        WORLD.leave(SECOND, SHORT, None, view),
        WORLD.leave(THIRD, None, None, view),
    )


def copy(tree, source="mirror", view=0):
    return Copy(source, view, tree)


def test_su20_a_handover_holds_and_keeps_every_head():
    made = best_take_over(VIEWS, 1, three(), [copy(SHORT), copy(LONG, FIRST)])
    assert made is not None
    assert (made.copy.source, made.left_out) == (FIRST, 0)
    handed = check_handover(VIEWS, made.handover, LONG.size, LONG.root())
    assert (handed.coordinator, handed.left_out) == ("successor-1", ())
    assert handed.auditors == (FIRST, SECOND, THIRD)


def test_su20_without_a_quorum_there_is_none():
    few = leaves(WORLD.leave(FIRST, LONG), WORLD.leave(SECOND, LONG))
    assert best_take_over(VIEWS, 1, few, [copy(LONG)]) is None


def test_su20_nobody_goes_on_without_the_largest_certificate():
    assert best_take_over(VIEWS, 1, three(certified=LONG), [copy(SHORT), copy(FORK)]) is None
    assert best_take_over(VIEWS, 1, three(), []) is None
    handed = WORLD.certificate(LONG)
    assert best_take_over(VIEWS, 1, three(), [copy(SHORT)], [handed]) is None
    # One of this view, or of a later one, is no word about what came before it.
    later = WORLD.certificate(FORK, view=1)
    assert best_take_over(VIEWS, 1, three(), [copy(LONG)], [later]) is not None


def test_su20_the_copy_with_the_most_heads_is_the_best_however_short():
    made = best_take_over(VIEWS, 1, three(), [copy(FORK, "fork"), copy(LONG, "long")])
    assert made is not None
    assert made.copy.source == "long"


def test_su20_of_two_with_as_many_heads_the_longer_is_the_best():
    without = leaves(*(WORLD.leave(auditor, SHORT) for auditor in AUDITORS[:3]))
    made = best_take_over(VIEWS, 1, without, [copy(SHORT), copy(FORK, "fork")])
    assert made is not None
    assert made.copy.source == "fork"


def test_su20_heads_that_do_not_count_make_no_copy_better():
    """A certificate of view 1 replaced what was in view 0 beyond it."""
    said = leaves(
        WORLD.leave(FIRST, SHORT, SHORT, 2, head_view=1, certificate_view=1),
        WORLD.leave(SECOND, FORK, None, 2),
        WORLD.leave(THIRD, FORK, None, 2),
    )
    made = best_take_over(VIEWS, 2, said, [copy(FORK, "fork"), copy(LONG, "later", view=1)])
    assert made is not None
    assert (made.copy.source, made.left_out) == ("later", 0)


def test_su20_a_head_that_nobody_handed_in_is_waited_for():
    made = best_take_over(VIEWS, 1, three(), [copy(SHORT)])
    assert made is not None
    assert made.left_out == 1
    assert not is_due(made, 0, 1_000, 1_000 + SUCCESSION_MS // 2 - 1, SUCCESSION_MS)
    assert is_due(made, 0, 1_000, 1_000 + SUCCESSION_MS // 2, SUCCESSION_MS)
    whole = best_take_over(VIEWS, 1, three(), [copy(LONG)])
    assert whole is not None
    assert is_due(whole, 0, 1_000, 1_000, SUCCESSION_MS)


@pytest.mark.parametrize(("view", "factor"), [(1, 1), (2, 2), (4, 8)])
def test_su20_patience_grows_as_the_auditors_does(view, factor):
    made = best_take_over(VIEWS, view, three(view=view), [copy(SHORT)])
    assert made is not None
    wait_ms = SUCCESSION_MS * factor // 2
    assert not is_due(made, 0, 0, wait_ms - 1, SUCCESSION_MS)
    assert is_due(made, 0, 0, wait_ms, SUCCESSION_MS)


def test_su24_a_head_that_nobody_handed_in_costs_a_leave_and_no_patience_of_auditors():
    """One auditor that shows a head and keeps its entries must not stop everybody else."""
    said = leaves(
        WORLD.leave(FIRST, LONG, SHORT),
        *(WORLD.leave(auditor, SHORT, SHORT) for auditor in AUDITORS[1:]),
    )
    made = best_take_over(VIEWS, 1, said, [copy(SHORT)])
    assert made is not None
    handed = check_handover(VIEWS, made.handover, SHORT.size, SHORT.root())
    assert (handed.auditors, handed.left_out) == (AUDITORS[1:], ())
    # Its entries are waited for all the same: they hold what others were promised.
    assert made.left_out == 1
    assert not is_due(made, 0, 0, SUCCESSION_MS // 2 - 1, SUCCESSION_MS)


def test_su24_of_two_heads_the_one_without_entries_is_done_without():
    said = leaves(
        WORLD.leave(FIRST, FORK, SHORT),
        WORLD.leave(SECOND, LONG, SHORT),
        WORLD.leave(THIRD, tree_of("a", "b", "c", "d"), SHORT),
        WORLD.leave(FOURTH, tree_of("a", "b", "c", "d"), SHORT),
    )
    whole = tree_of("a", "b", "c", "d")
    made = best_take_over(VIEWS, 1, said, [copy(whole), copy(FORK, FIRST)])
    assert made is not None
    handed = check_handover(VIEWS, made.handover, whole.size, whole.root())
    assert [auditor for auditor, _ in handed.left_out] == [FIRST]
    assert SECOND not in handed.auditors


def test_su24_the_certificate_of_the_latest_view_stays():
    """Without it heads of an earlier view would count again."""
    said = leaves(
        WORLD.leave(FIRST, FORK, SHORT, 2, head_view=1, certificate_view=1),
        *(WORLD.leave(auditor, LONG, None, 2) for auditor in AUDITORS[1:]),
    )
    made = best_take_over(VIEWS, 2, said, [copy(SHORT)])
    assert made is not None
    handed = check_handover(VIEWS, made.handover, SHORT.size, SHORT.root())
    assert handed.certified == (1, SHORT.size)
    assert [auditor for auditor, _ in handed.left_out] == [FIRST]
