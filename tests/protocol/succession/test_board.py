"""What a board takes of words and keeps of them: SU17 and SU18."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import FermataError
from fermata.log.checkpoint import add_signatures
from fermata.log.merkle import Tree
from fermata.protocol.succession.board import (
    LEAVES_KEPT,
    WORD_BYTES_MAX,
    Board,
    cosigned_head,
    open_cosigned_head,
    open_words,
)
from fermata.protocol.wire.codec import encode
from fermata.wire.v1.board_service_pb2 import BoardWords, CosignedHead
from harness.succession import AUDITORS, make_succession, tree_of

WORLD = make_succession()
VIEWS = WORLD.views
SHORT, LONG = tree_of("a", "b", "c"), tree_of("a", "b", "c", "d", "e")
FIRST, SECOND = AUDITORS[:2]


def head(tree: Tree = LONG, view: int = 0, auditor: str = FIRST) -> CosignedHead:
    line = WORLD.witness(view, tree, auditor).line
    return cosigned_head(view, WORLD.note(view, tree), line)


def words(party: str = FIRST, view: int = 1, tree: Tree = LONG) -> BoardWords:
    """A Leave, a head and a certificate that hold."""
    return BoardWords(
        party=party,
        leaves=WORLD.seal(WORLD.leave(party, tree, SHORT, view)),
        head=head(tree, auditor=party),
        certificate=WORLD.certificate(SHORT),
    )


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(FermataError) as caught:
        call()
    return caught.value.reason


def refused(said: BoardWords, caller: str = FIRST) -> str:
    """The reason; and what is refused leaves nothing behind."""
    board = Board()
    reason = reason_of(lambda: board.post(VIEWS, caller, said))
    assert board.words(VIEWS) == []
    return reason


def test_a_board_hands_out_what_it_took() -> None:
    board = Board()
    assert board.post(VIEWS, FIRST, words()) == words()
    assert board.post(VIEWS, FIRST, words()) is None
    board.post(VIEWS, SECOND, words(SECOND))
    assert board.words(VIEWS) == [words(), words(SECOND)]
    leaves = board.leaves(VIEWS, 1)
    assert sorted(leaves) == [FIRST, SECOND]
    assert leaves[FIRST][1] == words().leaves[0]
    assert board.leaves(VIEWS, 2) == {}


def test_a_head_says_who_cosigned_what() -> None:
    seen = open_cosigned_head(VIEWS, FIRST, head())
    assert (seen.view, seen.head.size, seen.head.root) == (0, 5, LONG.root())
    assert seen.note == WORLD.note(0, LONG)
    assert seen.witness == WORLD.witness(0, LONG, FIRST)


@pytest.mark.parametrize("view", [1, 2])
def test_a_head_of_a_later_view_is_its_coordinators(view: int) -> None:
    assert open_cosigned_head(VIEWS, FIRST, head(view=view)).view == view


def test_su17_1_words_in_the_name_of_another() -> None:
    assert refused(words(SECOND), FIRST) == "NOT_AUTHOR"


def test_su17_2_too_many_leaves_and_words_that_are_too_large() -> None:
    said = words()
    many = [WORLD.leave(FIRST, LONG, SHORT, view) for view in range(1, LEAVES_KEPT + 2)]
    said.leaves[:] = WORLD.seal(*many)
    assert refused(said) == "SIZE"
    for change in (
        lambda w: w.leaves.__setitem__(0, b"x" * (WORD_BYTES_MAX + 1)),
        lambda w: setattr(w.head, "note", b"x" * (WORD_BYTES_MAX + 1)),
        lambda w: setattr(w.certificate, "root", b"x" * (WORD_BYTES_MAX + 1)),
    ):
        said = words()
        change(said)
        assert refused(said) == "SIZE"


def test_su17_2_all_words_of_a_full_board_fit_into_one_message() -> None:
    largest = encode(words())
    assert len(largest) < WORD_BYTES_MAX
    assert 7 * (LEAVES_KEPT + 2) * WORD_BYTES_MAX + WORD_BYTES_MAX < 2 * 1024 * 1024


@pytest.mark.parametrize("party", ["lab-1", "nobody"])
def test_su17_3_a_party_that_is_no_auditor_leaves_nothing(party: str) -> None:
    assert refused(BoardWords(party=party, leaves=words().leaves), party) == "NOT_ON_ROSTER"
    assert refused(BoardWords(party=party, head=head()), party) == "NOT_ON_ROSTER"


def test_su17_4_a_leave_that_does_not_hold() -> None:
    said = words()
    said.leaves[0] += b"\x78\x01"
    assert refused(said) == "ENCODING"
    said.leaves[:] = WORLD.seal(WORLD.leave(FIRST, LONG, SHORT, view=0))
    assert refused(said) == "VIEW"


def test_su17_5_a_leave_of_another() -> None:
    said = words()
    said.leaves[:] = words(SECOND).leaves
    assert refused(said) == "NOT_AUTHOR"


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: CosignedHead(view=0, note=WORLD.note(0, LONG)), "UNSIGNED"),
        (lambda: head(auditor=SECOND), "UNSIGNED"),
        (lambda: CosignedHead(view=1, note=head().note), "UNSIGNED"),
        (lambda: head(Tree()), "CHECKPOINT"),
        (lambda: CosignedHead(view=0, note=head().note[:-1]), "NOTE"),
        (
            lambda: CosignedHead(view=0, note=head().note.replace(b"\n5\n", b"\n4\n")),
            "SIGNATURE",
        ),
        (
            lambda: CosignedHead(
                view=0, note=add_signatures(head().note, [WORLD.witness(0, LONG, SECOND).line])
            ),
            "FOREIGN_LINE",
        ),
        (
            lambda: CosignedHead(
                view=0,
                note=add_signatures(WORLD.note(0, LONG), [WORLD.witness(0, SHORT, FIRST).line]),
            ),
            "SIGNATURE",
        ),
    ],
    ids=[
        "no line of the auditor",
        "another auditor's line",
        "another view",
        "no entries",
        "no note",
        "another size",
        "a line too many",
        "a line of another head",
    ],
)
def test_su17_6_a_head_that_does_not_hold(made: Callable[[], CosignedHead], reason: str) -> None:
    said = words()
    said.head.CopyFrom(made())
    assert refused(said) == reason


def test_su17_7_a_certificate_that_does_not_hold() -> None:
    said = words()
    del said.certificate.witnesses[0]
    assert refused(said) == "WITNESSES_FEW"


def test_su18_others_share_one_place_for_the_largest_certificate() -> None:
    board = Board()
    large = BoardWords(party="lab-1", certificate=WORLD.certificate(LONG))
    board.post(VIEWS, "lab-1", large)
    board.post(VIEWS, "lab-2", BoardWords(party="lab-2", certificate=WORLD.certificate(SHORT)))
    assert board.words(VIEWS) == [BoardWords(certificate=WORLD.certificate(LONG))]


def test_su18_what_is_older_changes_nothing() -> None:
    board = Board()
    board.post(VIEWS, FIRST, words(tree=LONG))
    older = BoardWords(party=FIRST, head=head(SHORT), certificate=WORLD.certificate(SHORT))
    assert board.post(VIEWS, FIRST, older) is None
    # Of a later view everything is newer, however few entries it has.
    later = BoardWords(party=FIRST, head=head(SHORT, 1), certificate=WORLD.certificate(SHORT, 1))
    kept = board.post(VIEWS, FIRST, later)
    assert kept is not None
    assert (kept.head, kept.certificate) == (later.head, later.certificate)


def test_su18_of_two_leaves_for_one_view_the_first_stays() -> None:
    board = Board()
    board.post(VIEWS, FIRST, words(tree=LONG))
    assert board.post(VIEWS, FIRST, words(tree=SHORT)) is None


def test_su18_the_leaves_for_the_latest_views_stay() -> None:
    board = Board()
    for view in range(1, LEAVES_KEPT + 3):
        said = WORLD.seal(WORLD.leave(FIRST, LONG, SHORT, view))
        board.post(VIEWS, FIRST, BoardWords(party=FIRST, leaves=said))
    kept = open_words(VIEWS, board.words(VIEWS)[0]).leaves
    assert [left.view for left, _ in kept] == list(range(3, LEAVES_KEPT + 3))


def test_su18_what_an_amendment_ended_is_dropped() -> None:
    board = Board()
    board.post(VIEWS, FIRST, words())
    board.post(VIEWS, SECOND, words(SECOND))
    keys = {**VIEWS.charter.signing_keys, FIRST: VIEWS.charter.signing_keys[SECOND]}
    parties = {
        party: replace(its, signing_key=keys[party]) for party, its in VIEWS.charter.parties.items()
    }
    charter = replace(VIEWS.charter, sha256=b"\x01" * 32, parties=parties)
    after = replace(VIEWS, charter=charter)
    assert FIRST not in [said.party for said in board.words(after)]


def test_su18_what_was_kept_is_checked_again() -> None:
    board, damaged = Board(), words(SECOND)
    damaged.leaves[0] += b"\x78\x01"
    board.put_back(VIEWS, [words(), damaged])
    assert board.words(VIEWS) == [words()]


POSTS = [
    words(auditor, view, tree)
    for auditor in AUDITORS[:2]
    for view in (1, 2)
    for tree in (SHORT, LONG)
]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(POSTS), max_size=6))
def test_su18_a_board_is_bounded_and_forgets_no_view(posts: list[BoardWords]) -> None:
    board = Board()
    for said in posts:
        board.post(VIEWS, said.party, said)
    for kept in board.words(VIEWS):
        held = open_words(VIEWS, kept)
        own = [open_words(VIEWS, said) for said in posts if said.party == kept.party]
        assert {left.view for left, _ in held.leaves} == {
            left.view for each in own for left, _ in each.leaves
        }
        assert held.head is not None
        assert held.head.head.size == max(w.head.head.size for w in own if w.head is not None)
