"""What boards tell a successor of the auditors: SU16 and SU20."""

from fermata.protocol.succession.heard import hear
from fermata.wire.v1.board_service_pb2 import BoardWords
from harness.succession import AUDITORS, make_succession, tree_of

WORLD = make_succession()
VIEWS = WORLD.views
SHORT, LONG = tree_of("a", "b", "c"), tree_of("a", "b", "c", "d", "e")
FIRST, SECOND = AUDITORS[:2]


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
