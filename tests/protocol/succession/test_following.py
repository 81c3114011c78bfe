"""SU9: whether an auditor goes on with a Handover."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from fermata.log.checkpoint import Checkpoint
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.succession.following import Answer, Wanted, answer_to, reaches, wanted_by
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
    copy: Tree = SHORT,
    got: Collection[Wanted] = (),
) -> Answer:
    return answer_to(handed_over(kept), kept, certificates, copy, got, waited_ms, WAIT_MS)


def test_su9_1_a_handover_that_leaves_nothing_out_is_followed_at_once() -> None:
    assert answer(LONG, 0, (WORLD.certificate(OTHER),), OTHER) == Answer.FOLLOWS


def test_su9_2_a_certificate_that_is_handed_in_ends_it() -> None:
    for waited_ms in (0, WAIT_MS):
        assert answer(SHORT, waited_ms, (WORLD.certificate(LONG),)) == Answer.REFUSES
    assert answer(SHORT, WAIT_MS, (WORLD.certificate(SHORT),)) == Answer.FOLLOWS


def test_su9_2_a_certificate_of_the_view_itself_is_no_reason() -> None:
    of_the_view = WORLD.certificate(LONG, view=1)
    assert answer(SHORT, WAIT_MS, (of_the_view,)) == Answer.FOLLOWS


def test_su9_3_entries_that_somebody_has_are_not_left_out() -> None:
    for waited_ms in (0, WAIT_MS):
        assert answer(SHORT, waited_ms, (), LONG) == Answer.REFUSES
    # A copy without the head, and one that does not extend what is kept, say nothing.
    assert answer(SHORT, WAIT_MS, (), OTHER) == Answer.FOLLOWS
    assert answer(OTHER, WAIT_MS, (), LONG) == Answer.FOLLOWS


def test_su23_entries_that_another_auditor_has_are_not_left_out() -> None:
    wanted = wanted_by(handed_over(SHORT), SHORT)
    assert wanted
    assert all(want.head.size > SHORT.size for want in wanted)
    for waited_ms in (0, WAIT_MS):
        for want in wanted:
            assert answer(SHORT, waited_ms, got=frozenset([want])) == Answer.REFUSES
    # After other entries it says nothing of this Handover.
    elsewhere = frozenset(replace(want, root=bytes(32)) for want in wanted)
    assert answer(SHORT, WAIT_MS, got=elsewhere) == Answer.FOLLOWS


def test_su23_a_head_of_no_more_entries_than_are_kept_is_not_asked_for() -> None:
    """No entry goes on from what is kept to it: its log is another one from before that."""
    handed = handed_over(SHORT)
    for size in (SHORT.size - 1, SHORT.size, SHORT.size + 1):
        head = Checkpoint("log", size, bytes(32))
        left_out = replace(handed, left_out=(("auditor-1", head),))
        assert [want.head for want in wanted_by(left_out, SHORT)] == [head] * (size > SHORT.size)


def test_su23_3_entries_reach_the_head_from_those_that_are_kept_alone() -> None:
    kept, entries = Tree(), [b"entry %d" % number for number in range(9)]
    whole = Tree()
    for number, entry in enumerate(entries):
        whole.append(leaf_hash(entry))
        if number < 4:
            kept.append(leaf_hash(entry))
    want = Wanted("auditor-1", Checkpoint("log", 9, whole.root()), 4, kept.root())
    assert reaches(want, kept, entries[4:])
    for false in (entries[4:8], [*entries[4:], b"more"], [*entries[4:8], b"other"], entries, []):
        assert not reaches(want, kept, false)
    assert not reaches(replace(want, root=bytes(32)), kept, entries[4:])


@pytest.mark.parametrize(
    ("waited_ms", "expected"), [(0, Answer.WAITS), (999, Answer.WAITS), (1000, Answer.FOLLOWS)]
)
def test_su9_4_others_get_the_time_to_hand_in_what_they_have(
    waited_ms: int, expected: Answer
) -> None:
    assert answer(SHORT, waited_ms) == expected
