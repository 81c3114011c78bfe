"""What boards tell of the auditors: SU16, SU20 and SU21."""

import pytest

from fermata.protocol.succession.heard import backed_view, hear
from fermata.wire.v1.board_service_pb2 import BoardWords
from harness.succession import AUDITORS, make_succession, tree_of

WORLD = make_succession()
VIEWS = WORLD.views
SHORT, LONG = tree_of("a", "b", "c"), tree_of("a", "b", "c", "d", "e")
FIRST, SECOND, THIRD = AUDITORS[:3]


def left(auditor, view=1):
    return BoardWords(party=auditor, leaves=WORLD.seal(WORLD.leave(auditor, LONG, None, view)))


def test_su16_the_newest_of_all_boards_counts():
    heard = hear(VIEWS, [[left(FIRST, 1), left(SECOND, 2)], [left(FIRST, 3)], [left(SECOND, 1)]])
    assert {auditor: each.view for auditor, (each, _) in heard.leaves.items()} == {
        FIRST: 3,
        SECOND: 2,
    }
    assert heard.leaves[FIRST][1] == left(FIRST, 3).leaves[0]


def test_su16_a_board_that_lies_adds_nothing_and_hides_nothing_else():
    forged = left(FIRST)
    forged.party = SECOND
    damaged = left(SECOND)
    damaged.leaves[0] += b"\x78\x01"
    damaged.leaves.extend(left(SECOND, 2).leaves)
    heard = hear(VIEWS, [[forged, damaged, BoardWords(party="nobody")]])
    assert {auditor: each.view for auditor, (each, _) in heard.leaves.items()} == {SECOND: 2}


def test_certificates_of_anybody_are_heard():
    said = BoardWords(certificate=WORLD.certificate(SHORT))
    assert hear(VIEWS, [[said], [said]]).certificates == (said.certificate,)


def backed(claimed, *words):
    return backed_view(hear(VIEWS, [words]), claimed, 3)


def certified(view):
    return BoardWords(certificate=WORLD.certificate(SHORT, view))


def test_su21_1_a_view_with_a_certificate_is_backed_whoever_claims_what():
    assert backed([0, 9], certified(1)) == 1
    assert backed([], certified(1), certified(2)) == 2


@pytest.mark.parametrize("claimed", [(1,), (0, 9), (2**63,)])
def test_su21_1_a_claim_that_no_auditor_backs_sends_nobody_anywhere(claimed):
    assert backed(claimed) == 0
    forged = certified(9)
    forged.certificate.view = 8
    assert backed(claimed, forged) == 0


def test_su21_2_a_claimed_view_is_backed_by_a_quorum_that_has_left_for_it_or_beyond():
    assert backed([0, 1], left(FIRST, 1), left(SECOND, 1)) == 0
    assert backed([0, 1], left(FIRST, 1), left(SECOND, 1), left(THIRD, 3)) == 1
    # Nobody has left for view 2, except one that has gone beyond; and nobody claims view 1.
    assert backed([0, 2], left(FIRST, 1), left(SECOND, 1), left(THIRD, 3)) == 0
