"""CE12: the place of a new share before a ceremony begins."""

from types import SimpleNamespace

import pytest

from fermata.errors import ConfigError
from fermata.node.ceremony.epochs.sign_record import record_file
from fermata.node.ceremony.take_part import Auditor
from fermata.node.opener.share_backup import share_path, shares_set_aside
from fermata.protocol.ceremony.basis import KEYGEN, REFRESH, RESHARE
from harness.ceremony.epochs import EpochTable


class Node:
    """One auditor's node, as far as it knows where its shares are and what the log says."""

    def __init__(self, folder, again):
        bases = EpochTable(folder / "table", REFRESH).bases
        self.first, self.lines = folder / "share.age", []
        text = SimpleNamespace(keys=SimpleNamespace(share="share.age"))
        config = SimpleNamespace(
            text=text, file=folder / "fermata.toml", path=lambda name: folder / name
        )
        self.auditor = Auditor.__new__(Auditor)
        self.auditor.config, self.auditor.again = config, again
        self.auditor.say = self.lines.append
        self.auditor._me = SimpleNamespace(bases=bases)
        self.share = share_path(self.first, 2)

    def refused(self, kind, reason):
        with pytest.raises(ConfigError) as caught:
            self.auditor._make_way(kind)
        assert caught.value.reason == reason


@pytest.fixture
def node(tmp_path):
    (tmp_path / "table").mkdir()
    return lambda again: Node(tmp_path, again)


@pytest.mark.parametrize("kind", [REFRESH, RESHARE])
def test_ce12_1_a_share_in_the_place_of_the_next_epoch_stops_a_ceremony_that_begins(node, kind):
    first = node(again=False)
    first.first.write_bytes(b"the share in force")
    first.auditor._make_way(kind)
    first.share.write_bytes(b"the next share")
    first.refused(kind, "FILE_EXISTS")
    assert first.share.read_bytes() == b"the next share"


def test_ce12_1_held_again_it_is_set_aside_and_said(node):
    again = node(again=True)
    again.share.write_bytes(b"of an epoch that never began")
    again.auditor._make_way(REFRESH)
    assert not again.share.exists()
    (aside,) = shares_set_aside(again.first, 2)
    assert aside.read_bytes() == b"of an epoch that never began"
    assert aside.name in again.lines[0]
    again.auditor._make_way(REFRESH)
    again.share.write_bytes(b"of another one")
    again.auditor._make_way(REFRESH)
    assert len(shares_set_aside(again.first, 2)) == 2


def test_ce12_1_the_share_of_a_first_key_is_never_set_aside(node, monkeypatch):
    again = node(again=True)
    again.first.write_bytes(b"the share")
    bases = again.auditor._me.bases
    basis = bases.now(REFRESH)
    first = SimpleNamespace(now=lambda kind: type(basis)(basis.charter))
    again.auditor._me = SimpleNamespace(bases=first)
    again.refused(KEYGEN, "FILE_EXISTS")
    assert again.first.exists()


def test_ce12_2_a_share_whose_record_is_signed_stays(node):
    again = node(again=True)
    again.share.write_bytes(b"the share")
    record_file(again.auditor.config, 2).write_bytes(b"the record")
    again.refused(REFRESH, "KEY_RECORD")
    assert again.share.exists()
