"""SU9: whether an auditor goes on with a Handover."""

import pytest

from fermata.log.merkle import Tree
from fermata.protocol.succession.following import Answer, answer_to
from fermata.protocol.succession.handover import HandedOver, check_handover
from fermata.wire.v1.succession_pb2 import Certificate
from harness.succession_defects import LONG, OTHER, SHORT, WORLD, leaves

WAIT_MS = 1000


def handed_over(kept: Tree) -> HandedOver:
    return check_handover(WORLD.views, WORLD.handover(kept, *leaves()), kept.size, kept.root())


def answer(
    kept: Tree,
    waited_ms: int,
    certificates: tuple[Certificate, ...] = (),
    copies: tuple[Tree, ...] = (),
) -> Answer:
    return answer_to(handed_over(kept), kept, certificates, copies, waited_ms, WAIT_MS)


def test_su9_1_a_handover_that_leaves_nothing_out_is_followed_at_once() -> None:
    assert answer(LONG, 0, (WORLD.certificate(OTHER),), (OTHER,)) == Answer.FOLLOWS


def test_su9_2_a_certificate_that_is_handed_in_ends_it() -> None:
    for waited_ms in (0, WAIT_MS):
        assert answer(SHORT, waited_ms, (WORLD.certificate(LONG),)) == Answer.REFUSES
    assert answer(SHORT, WAIT_MS, (WORLD.certificate(SHORT),)) == Answer.FOLLOWS


def test_su9_2_a_certificate_of_the_view_itself_is_no_reason() -> None:
    of_the_view = WORLD.certificate(LONG, view=1)
    assert answer(SHORT, WAIT_MS, (of_the_view,)) == Answer.FOLLOWS


def test_su9_3_entries_that_somebody_has_are_not_left_out() -> None:
    for waited_ms in (0, WAIT_MS):
        assert answer(SHORT, waited_ms, (), (SHORT, LONG)) == Answer.REFUSES
    # A copy without the head, and one that does not extend what is kept, say nothing.
    assert answer(SHORT, WAIT_MS, (), (SHORT, OTHER)) == Answer.FOLLOWS
    assert answer(OTHER, WAIT_MS, (), (LONG,)) == Answer.FOLLOWS


@pytest.mark.parametrize(
    ("waited_ms", "expected"), [(0, Answer.WAITS), (999, Answer.WAITS), (1000, Answer.FOLLOWS)]
)
def test_su9_4_others_get_the_time_to_hand_in_what_they_have(
    waited_ms: int, expected: Answer
) -> None:
    assert answer(SHORT, waited_ms) == expected
