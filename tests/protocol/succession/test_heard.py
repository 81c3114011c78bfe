"""What boards tell an auditor of the others: SU4 and SU16."""

from fermata.protocol.succession.board import cosigned_head
from fermata.protocol.succession.heard import Withheld, hear
from fermata.wire.v1.board_service_pb2 import BoardWords
from harness.succession import AUDITORS, make_succession, tree_of

WORLD = make_succession()
VIEWS = WORLD.views
SHORT, LONG = tree_of("a", "b", "c"), tree_of("a", "b", "c", "d", "e")
FORK = tree_of("a", "b", "x", "y")
FIRST, SECOND, THIRD, FOURTH = AUDITORS
QUORUM = VIEWS.charter.endorsement_quorum


def head(auditor, tree, view=0):
    line = WORLD.witness(view, tree, auditor).line
    return BoardWords(party=auditor, head=cosigned_head(view, WORLD.note(view, tree), line))


def left(auditor, view=1):
    return BoardWords(party=auditor, leaves=WORLD.seal(WORLD.leave(auditor, LONG, None, view)))


def test_su16_the_newest_of_all_boards_counts():
    heard = hear(
        VIEWS, [[left(FIRST, 1), head(SECOND, SHORT)], [left(FIRST, 3)], [head(SECOND, LONG)]]
    )
    assert heard.left_for(SECOND) == (3,)
    assert heard.left_for(FIRST) == ()
    assert heard.leaves[FIRST][1] == left(FIRST, 3).leaves[0]
    assert heard.heads[SECOND].head.size == 5
    assert heard.witnesses(0) == [WORLD.witness(0, LONG, SECOND)]
    assert heard.witnesses(1) == []


def test_su16_a_board_that_lies_adds_nothing_and_hides_nothing_else():
    forged = left(FIRST)
    forged.party = SECOND
    damaged = head(SECOND, LONG)
    damaged.head.note = damaged.head.note.replace(b"\n5\n", b"\n6\n")
    damaged.leaves.extend(left(SECOND).leaves)
    heard = hear(VIEWS, [[forged, damaged, BoardWords(party="nobody")]])
    assert heard.left_for(FIRST) == (1,)
    assert dict(heard.heads) == {}


def test_certificates_of_anybody_are_heard():
    said = BoardWords(certificate=WORLD.certificate(SHORT))
    assert hear(VIEWS, [[said], [said]]).certificates == (said.certificate,)


def test_su4_two_heads_that_no_one_log_has_are_proof():
    heard = hear(VIEWS, [[head(SECOND, FORK)]])
    proof = heard.proof(0, LONG)
    assert proof is not None
    assert proof.note == WORLD.note(0, FORK)
    # A head of more entries than one has oneself proves nothing yet.
    assert heard.proof(0, SHORT) is None
    assert heard.proof(1, LONG) is None
    assert hear(VIEWS, [[head(SECOND, SHORT)]]).proof(0, LONG) is None


def test_su4_what_the_others_witness_together():
    trees = [LONG, SHORT, SHORT]
    heard = hear(VIEWS, [[head(a, t) for a, t in zip(AUDITORS, trees, strict=False)]])
    assert heard.agreed(0, LONG, QUORUM) == 3
    assert heard.agreed(0, SHORT, QUORUM) == 0
    assert heard.agreed(1, LONG, QUORUM) == 0
    assert hear(VIEWS, [[head(FOURTH, FORK)], [head(FIRST, LONG)]]).agreed(0, LONG, 2) == 0


def test_su4_5_a_log_that_catches_up_withholds_nothing():
    withheld = Withheld()
    assert withheld.look(5, 5, 1000) is None
    assert withheld.look(5, 8, 2000) == 2000
    assert withheld.look(5, 12, 3000) == 2000
    # It witnesses now what the others did at 2000, and not yet what they do.
    assert withheld.look(8, 12, 4000) == 4000
    assert withheld.look(12, 12, 5000) is None


def test_su4_5_a_log_that_hands_out_little_by_little_too_late_is_not_forgiven():
    withheld = Withheld()
    assert withheld.look(5, 8, 1000) == 1000
    assert withheld.look(7, 8, 9000) == 1000
