"""A board over mutual TLS: who may call what, and what comes back (SU16 to SU19)."""

import grpc
import pytest

from fermata.errors import FermataError
from fermata.log.merkle import Tree, leaf_hash
from fermata.node.run.succession import board_client, handed_in
from fermata.node.run.succession.board_client import SERVICE
from fermata.node.run.succession.board_folder import BoardFolder
from fermata.protocol.succession.leave import open_leave
from fermata.wire.v1 import board_service_pb2 as wire
from harness.node.boards import boards, folder_of
from harness.node.node_world import call
from harness.succession import make_succession

WORLD = make_succession()
FIRST, SECOND = WORLD.auditors[:2]
ENTRIES = [b"entry %d" % number for number in range(40)]
#: Another log from entry 30 on, and one that ends early.
FORKED = [*ENTRIES[:30], *(b"other %d" % number for number in range(30, 50))]


def tree_of(entries: list[bytes]) -> Tree:
    tree = Tree()
    for entry in entries:
        tree.append(leaf_hash(entry))
    return tree


def words(party: str, entries: list[bytes] = ENTRIES, view: int = 1) -> wire.BoardWords:
    left = WORLD.leave(party, tree_of(entries), None, view)
    return wire.BoardWords(party=party, leaves=WORLD.seal(left))


def reads(entries: list[bytes]):
    return lambda start, stop: entries[start:stop]


@pytest.fixture
def here(tmp_path):
    with boards(tmp_path, WORLD, tree_of(ENTRIES[:35])) as made:
        yield made


def refused(reason, work):
    with pytest.raises(FermataError) as caught:
        work()
    assert caught.value.reason == reason


def test_su16_what_one_auditor_leaves_everybody_reads(here):
    with here.client("auditor", FIRST) as first:
        first.post(words(FIRST))
        first.post(words(FIRST))
    for role, party in (("auditor", SECOND), ("lab", "lab-1"), ("observer", "eye")):
        with here.client(role, party) as other:
            assert list(other.read().words) == [words(FIRST)]


def test_su16_an_auditor_posts_in_its_own_name_alone(here):
    with here.client("auditor", SECOND) as second:
        refused("NOT_AUTHOR", lambda: second.post(words(FIRST)))
        assert list(second.read().words) == []


def test_a_refusal_comes_with_its_reason(here):
    bad = words(FIRST)
    bad.leaves[0] += b"\x78\x01"
    with here.client("auditor", FIRST) as first:
        refused("ENCODING", lambda: first.post(bad))


@pytest.mark.parametrize(
    ("role", "party", "method"),
    [
        ("observer", "eye", "PostWords"),
        ("lab", "lab-1", "GetPrefix"),
        ("lab", "lab-1", "HandIn"),
        ("observer", "eye", "HandIn"),
        ("lab", "lab-1", "GetCopy"),
        ("observer", "eye", "GetCopy"),
    ],
)
def test_who_may_not_call_what(here, role, party, method):
    with here.client(role, party) as other:
        kind = getattr(wire, f"{method}Request")
        answer = getattr(wire, f"{method}Response")
        refused("WRONG_ROLE", lambda: other.connection.ask(method, kind(), answer, SERVICE))


def test_nobody_without_a_certificate_and_no_stranger(here):
    tls = here.world.authority.party("auditor", "mallory")
    for method in ("PostWords", "GetBoard", "GetPrefix", "HandIn", "GetCopy"):
        with here.world.channel(tls) as channel, pytest.raises(grpc.RpcError) as caught:
            call(channel, method, service=SERVICE)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_call_without_words_is_refused(here):
    with here.client("auditor", FIRST) as first:
        request, kind = wire.PostWordsRequest(), wire.PostWordsResponse
        refused("MISSING", lambda: first.connection.ask("PostWords", request, kind, SERVICE))


@pytest.mark.parametrize("entries", [ENTRIES, FORKED], ids=["extends", "forks"])
def test_su19_a_copy_goes_on_from_what_is_common(here, entries, monkeypatch):
    monkeypatch.setattr(board_client, "PIECE_BYTES", 30)
    head = open_leave(WORLD.views, words(FIRST, entries).leaves[0]).head
    with here.client("auditor", FIRST) as first:
        first.post(words(FIRST, entries))
        assert first.hand_in(1, head, tree_of(entries), reads(entries))
    (copy,) = here.folder.whole_copies()
    assert (copy.auditor, copy.head, copy.head_view) == (FIRST, head, 0)
    assert copy.start == (35 if entries is ENTRIES else 30)
    assert [*ENTRIES[: copy.start], *copy.leaves()] == entries


def test_su19_nothing_is_handed_in_that_the_coordinator_has(here):
    entries = ENTRIES[:33]
    head = open_leave(WORLD.views, words(FIRST, entries).leaves[0]).head
    with here.client("auditor", FIRST) as first:
        first.post(words(FIRST, entries))
        assert not first.hand_in(1, head, tree_of(entries), reads(entries))
    assert here.folder.whole_copies() == []


@pytest.fixture
def folder(tmp_path):
    made = folder_of(tmp_path, WORLD, tree_of(ENTRIES[:35]))
    made.post(FIRST, words(FIRST))
    return made


def hand_in(folder: BoardFolder, caller: str = FIRST, **changes: object):
    fields = {"view": 1, "start": 35, "offset": 0, "leaves": ENTRIES[35:]} | changes
    return folder.hand_in(caller, wire.HandInRequest(**fields))


def test_su19_1_entries_of_which_no_leave_says_anything(folder):
    refused("NO_LEAVE", lambda: hand_in(folder, SECOND))
    refused("NO_LEAVE", lambda: hand_in(folder, view=2))
    folder.post(SECOND, wire.BoardWords(party=SECOND, leaves=WORLD.seal(WORLD.leave(SECOND, None))))
    refused("NO_LEAVE", lambda: hand_in(folder, SECOND))


@pytest.mark.parametrize("start", [36, 41, 2**63])
def test_su19_2_a_copy_that_goes_on_from_what_is_not_here(folder, start):
    refused("RANGE", lambda: hand_in(folder, start=start))


def test_su19_2_a_copy_that_goes_on_after_its_own_head(folder):
    folder.post(SECOND, words(SECOND, ENTRIES[:33]))
    refused("RANGE", lambda: hand_in(folder, SECOND, start=34, leaves=[]))


@pytest.mark.parametrize(
    "leaves",
    [[*ENTRIES[35:], b"more"], [b""], [b"x" * (handed_in.LEAF_BYTES_MAX + 1)]],
    ids=["too many", "empty", "too large"],
)
def test_su19_3_sizes(folder, leaves):
    refused("SIZE", lambda: hand_in(folder, leaves=leaves))
    assert hand_in(folder).is_whole


def test_su19_3_all_of_one_auditor_together(folder, monkeypatch):
    monkeypatch.setattr(handed_in, "COPY_BYTES_MAX", 30)
    assert hand_in(folder, leaves=ENTRIES[35:36]).have == 1
    refused("SIZE", lambda: hand_in(folder, offset=1, leaves=ENTRIES[36:38]))


def test_su19_4_entries_that_are_not_those_of_the_head(folder):
    refused("CONSISTENCY", lambda: hand_in(folder, leaves=FORKED[35:40]))
    refused("CONSISTENCY", lambda: hand_in(folder, start=34, leaves=[*ENTRIES[35:], b"x"]))
    assert folder.whole_copies() == []
    assert hand_in(folder).is_whole


def test_su19_pieces_come_in_order_and_a_gap_is_not_taken(folder):
    assert hand_in(folder, leaves=ENTRIES[35:37]).have == 2
    assert hand_in(folder, offset=3, leaves=ENTRIES[38:]).have == 2
    assert hand_in(folder, offset=2, start=34, leaves=ENTRIES[37:]).have == 0
    assert hand_in(folder, offset=2, leaves=ENTRIES[37:]).is_whole
    # Whoever asks at the next turn learns that nothing is missing.
    assert hand_in(folder, offset=5, leaves=[]) == wire.HandInResponse(have=5, is_whole=True)


def test_su19_a_new_copy_takes_the_place_of_the_last(folder):
    assert hand_in(folder).is_whole
    folder.post(FIRST, words(FIRST, FORKED, view=2))
    assert hand_in(folder, view=2, start=30, leaves=FORKED[30:]).is_whole
    (copy,) = folder.whole_copies()
    assert copy.head.root == tree_of(FORKED).root()
    assert list(copy.leaves()) == FORKED[30:]


def test_su18_words_outlive_a_restart_and_copies_do_not(folder, tmp_path):
    assert hand_in(folder).is_whole
    folder.post(
        "lab-1", wire.BoardWords(party="lab-1", certificate=WORLD.certificate(tree_of(ENTRIES)))
    )
    again = folder_of(tmp_path, WORLD, tree_of(ENTRIES[:35]))
    assert again.all() == folder.all()
    assert len(again.all().words) == 2
    assert again.whole_copies() == []
    assert sorted(path.name for path in (tmp_path / "board").iterdir()) == [
        "_others.words",
        "auditor-1.words",
    ]


def test_su18_a_damaged_file_is_dropped_and_filled_again(folder, tmp_path):
    (tmp_path / "board" / "auditor-1.words").write_bytes(b"\xff" * 20)
    again = folder_of(tmp_path, WORLD, tree_of(ENTRIES))
    assert list(again.all().words) == []
    again.post(FIRST, words(FIRST))
    assert folder_of(tmp_path, WORLD, tree_of(ENTRIES)).all() == again.all()


def test_news_wake_who_waits_for_them(folder):
    told = []
    folder.on_news = lambda: told.append(1)
    folder.post(FIRST, words(FIRST))
    assert told == []
    folder.post(FIRST, words(FIRST, view=2))
    hand_in(folder)
    assert told == [1, 1]
