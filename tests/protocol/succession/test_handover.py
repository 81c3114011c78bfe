"""A Handover: what it keeps, every defect, and every history of the counting model in bytes."""

from collections.abc import Iterator
from itertools import combinations

import pytest

from fermata.errors import VerificationError
from fermata.protocol.succession.handover import check_handover
from fermata.sim.model.succession.committee import Committee
from fermata.sim.model.succession.history import (
    FORK,
    LOG,
    PREFIX,
    RULES,
    Auditor,
    History,
    after,
    settled,
    witnessed,
)
from fermata.wire.v1.succession_pb2 import Handover
from harness.succession import AUDITORS, tree_of
from harness.succession_defects import DEFECTS, LONG, OTHER, SHORT, WORLD, leaves

#: The logs of the model: a prefix that everybody has, and two that go on from it.
TREES = {PREFIX: SHORT, LOG: LONG, FORK: OTHER}


def check(handover: Handover, start: int = 5, root: bytes = LONG.root()) -> object:
    return check_handover(WORLD.views, handover, start, root)


def test_a_handover_that_leaves_no_head_out() -> None:
    handed = check_handover(WORLD.views, WORLD.handover(LONG, *leaves()), 5, LONG.root())
    assert (handed.view, handed.coordinator, handed.start) == (1, "successor-1", 5)
    assert handed.auditors == ("auditor-1", "auditor-2", "auditor-4")
    assert handed.certified == (0, 3)
    assert handed.left_out == ()


def test_a_head_that_the_kept_entries_lack_is_named() -> None:
    handover = WORLD.handover(SHORT, *leaves())
    handed = check_handover(WORLD.views, handover, 3, SHORT.root())
    assert [(auditor, head.size) for auditor, head in handed.left_out] == [("auditor-1", 5)]


def test_nothing_needs_to_be_witnessed_yet() -> None:
    bare = [WORLD.leave(auditor, None) for auditor in AUDITORS[:3]]
    handed = check_handover(WORLD.views, WORLD.handover(SHORT, *bare), 3, SHORT.root())
    assert handed.left_out == ()


def test_a_certificate_of_a_later_view_outweighs_a_longer_one() -> None:
    grown = tree_of("a", "b", "c", "handover")
    old = WORLD.leave("auditor-1", LONG, LONG, view=2)
    new = WORLD.leave("auditor-2", grown, grown, view=2, head_view=1, certificate_view=1)
    third = WORLD.leave("auditor-3", grown, view=2, head_view=1)
    handover = WORLD.handover(grown, old, new, third, view=2)
    handed = check_handover(WORLD.views, handover, 4, grown.root())
    assert (handed.coordinator, handed.left_out) == ("successor-2", ())
    with pytest.raises(ValueError, match="every certificate"):
        WORLD.handover(LONG, old, new, third, view=2)


@pytest.mark.parametrize("what", DEFECTS)
def test_every_defect_of_a_handover_is_refused(what: str) -> None:
    defect, reason = DEFECTS[what]
    handover = WORLD.handover(LONG, *leaves())
    check(handover)
    defect(handover)
    with pytest.raises(VerificationError) as caught:
        check(handover)
    assert caught.value.reason == reason


def test_su8_1_entries_without_what_was_settled_are_refused() -> None:
    said = [WORLD.leave(a, LONG, LONG) for a in AUDITORS[:3]]
    handover = WORLD.handover(LONG, *said)
    for kept in (SHORT, OTHER):
        with pytest.raises(VerificationError, match="consistency"):
            check(handover, kept.size, kept.root())


def test_su8_2_a_proof_of_no_certificate_is_refused() -> None:
    handover = WORLD.handover(LONG, *[WORLD.leave(a, LONG) for a in AUDITORS[:3]])
    check(handover)
    handover.certificate_proof.append(bytes(32))
    with pytest.raises(VerificationError) as caught:
        check(handover)
    assert caught.value.reason == "HEAD_PROOFS"


def test_su8_4_a_head_of_a_view_before_the_certificate_does_not_count() -> None:
    grown = tree_of("a", "b", "c", "handover")
    said = [WORLD.leave(a, grown, grown, 2, 1, 1) for a in AUDITORS[:2]]
    said.append(WORLD.leave("auditor-3", LONG, view=2))
    handover = WORLD.handover(grown, *said, view=2)
    handover.heads[2].is_left_out = True
    with pytest.raises(VerificationError) as caught:
        check(handover, grown.size, grown.root())
    assert caught.value.reason == "HEAD_PROOFS"


def histories(committee: Committee) -> list[History]:
    known = {(Auditor(),) * committee.honest}
    waiting = list(known)
    while waiting:
        for following in after(committee, RULES, waiting.pop()):
            if following not in known:
                known.add(following)
                waiting.append(following)
    return sorted(known)


def quorums(committee: Committee, history: History) -> Iterator[tuple[tuple[str, str], ...]]:
    """(head, certificate) of each Leave, of every quorum that the history and the liars allow."""
    honest = [(a.head, a.certificate) for a in history if a.has_left]
    lies = {(head, PREFIX) for head in TREES}
    for count in range(committee.quorum - committee.liars, committee.quorum + 1):
        for chosen in set(combinations(sorted(honest), count)):
            others = combinations(sorted(lies), committee.quorum - count)
            yield from ((*chosen, *lie) for lie in others)


def test_no_history_of_the_model_loses_in_bytes_what_it_must_not() -> None:
    committee = Committee(4, 2, 1)
    checked: dict[tuple[tuple[tuple[str, str], ...], str], tuple[bool, bool]] = {}
    losses = 0
    for history in histories(committee):
        for shown in quorums(committee, history):
            for kept in TREES:
                if (shown, kept) not in checked:
                    checked[shown, kept] = judged(shown, kept)
                is_accepted, is_plain = checked[shown, kept]
                for log in (LOG, FORK):
                    if kept == log or not is_accepted:
                        continue
                    assert not settled(committee, history, log), (history, shown, kept)
                    if witnessed(committee, history, log):
                        assert not is_plain, (history, shown, kept)
                        losses += 1
    # Both happen: handovers that the fold would take, and losses that only the wait prevents.
    assert losses > 0
    assert {is_accepted for is_accepted, _ in checked.values()} == {True, False}


def judged(shown: tuple[tuple[str, str], ...], kept: str) -> tuple[bool, bool]:
    """Whether a Handover after a log with these Leaves holds, and whether no head is left out."""
    said = [
        WORLD.leave(auditor, TREES[head], TREES[certificate])
        for auditor, (head, certificate) in zip(AUDITORS, shown, strict=False)
    ]
    tree = TREES[kept]
    try:
        handover = WORLD.handover(tree, *said)
    except ValueError:
        return False, False
    handed = check_handover(WORLD.views, handover, tree.size, tree.root())
    lacking = [head for head, _ in shown if head not in {PREFIX, kept}]
    assert len(handed.left_out) == len(lacking)
    return True, not handed.left_out
