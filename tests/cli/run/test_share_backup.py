"""``fermata auditor backup-share`` and ``restore-share``: whole, tried, and never over another."""

import json
import shutil
from dataclasses import replace

import pytest

from fermata.crypto.threshold.auditor_share import auditor_share
from fermata.node.opener.marks import HEAD, OPENED, Marks
from fermata.node.opener.share_backup import back_up_share, load_share
from fermata.node.storage import keystore
from harness.nodes import AUDITORS, NAME, Site, dealt_key, fermata, lay_out, until

ME = "auditor-1"
ROUND = f"1 7 {'ab' * 32} {'cd' * 32}\n".encode()


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Site:
    site = lay_out(tmp_path_factory.mktemp("template") / "site")
    site.deal()
    return site


@pytest.fixture
def site(template, tmp_path) -> Site:
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    site = Site(tmp_path / "site")
    keystore.new_identity(tmp_path / "safe.txt")
    marks = site.node(ME) / "data" / "opener"
    marks.mkdir(parents=True, mode=0o700)
    marks.parent.chmod(0o700)
    for name, data in ((HEAD, b"9 " + bytes(32).hex().encode() + b"\n"), (OPENED, ROUND)):
        (marks / name).write_bytes(data)
        (marks / name).chmod(0o600)
    return site


def back_up(site, out="share.backup"):
    safe = keystore.load_identity(site.folder.parent / "safe.txt")
    return fermata(
        "auditor", "backup-share", "--config", site.config(ME), "--to", safe.recipient,
        "--out", site.folder.parent / out, "--json",
    )  # fmt: skip


def restore(site, *more, file="share.backup", identity="safe.txt"):
    return fermata(
        "auditor", "restore-share", "--config", site.config(ME), "--in",
        site.folder.parent / file, "--identity", site.folder.parent / identity, *more,
    )  # fmt: skip


def share_path(site):
    return site.node(ME) / "keys" / "share.age"


def keyed(site, address):
    """Waits until the log has its key."""
    site.write_config(ME, address)
    until(lambda: site.events("oversight", "key_record_logged"))


def test_a_lost_share_comes_back_from_its_backup_with_what_was_opened(site) -> None:
    assert json.loads(back_up(site).out)["epoch"] == 1
    assert back_up(site).error.endswith("[FILE_EXISTS]")
    before = load_share(share_path(site), NAME, site.unlock(ME))
    marks = Marks(site.node(ME) / "data" / "opener")
    saved = marks.saved()
    with site.coordinator() as address:
        keyed(site, address)
        # A drill changes nothing, and the share may be there.
        files = sorted(p for p in site.node(ME).rglob("*") if p.is_file())
        drilled = restore(site, "--drill", "--json")
        assert json.loads(drilled.out) == {
            "share": str(share_path(site)), "restored": False, "opens": True,
        }  # fmt: skip
        assert files == sorted(p for p in site.node(ME).rglob("*") if p.is_file())
        assert restore(site).error.endswith("[FILE_EXISTS]")
        share_path(site).unlink()
        shutil.rmtree(marks.folder)
        assert restore(site).code == 0
    assert share_path(site).stat().st_mode & 0o777 == 0o600
    assert load_share(share_path(site), NAME, site.unlock(ME)) == before
    assert marks.saved() == saved


def test_a_backup_that_would_not_do_is_refused_with_its_reason(site, tmp_path) -> None:
    share = load_share(share_path(site), NAME, site.unlock(ME))
    safe = keystore.load_identity(site.folder.parent / "safe.txt")
    lock = keystore.Recipient(safe.recipient)
    charter, dealt = site.charter, dealt_key(site.charter.sha256)
    theirs = auditor_share(dealt.shares[1], dealt.record, charter.sha256, charter.auditors)
    made = {
        "epoch": (replace(share, epoch=7, epoch_id=bytes(32)), "of epoch 7"),
        "other": (theirs, "another auditor's"),
        "charter": (replace(share, charter_sha256=bytes(32)), "is for the log of charter"),
    }
    none = Marks(tmp_path / "none")
    for name, (bad, _) in made.items():
        back_up_share(bad, none, NAME, lock, tmp_path / name)
    back_up_share(share, none, NAME, lock, tmp_path / "good")
    keystore.save_sealed(tmp_path / "half", b"fermata/v1/share-backup\n\0\0\1\0abc", "share-backup",
                         NAME, lock)  # fmt: skip
    keystore.save_sealed(tmp_path / "foreign", share.to_bytes(), keystore.KEY_SHARE, NAME, lock)
    (tmp_path / "cut").write_bytes((tmp_path / "good").read_bytes()[:-40])
    (tmp_path / "cut").chmod(0o600)
    share_path(site).unlink()
    with site.coordinator() as address:
        keyed(site, address)
        for name, (_, said) in made.items():
            for more in ((), ("--drill",)):
                error = restore(site, *more, file=name).error
                assert said in error
                assert error.endswith("[KEY_SHARE]")
        for name, reason in (("half", "KEY_SHARE"), ("cut", "KEYFILE_UNREADABLE"),
                             ("foreign", "KEYFILE_FOREIGN")):  # fmt: skip
            assert restore(site, file=name).error.endswith(f"[{reason}]")
        mine = f"site/{ME}/keys/identity.txt"
        assert restore(site, file="good", identity=mine).error.endswith("[KEYFILE_UNREADABLE]")
        # The marks that are there know more than this backup.
        assert not Marks(tmp_path / "none").saved()
        head = f"3 {'ef' * 32}\n".encode()
        older = Marks(tmp_path / "older")
        older.restore(head)
        back_up_share(share, older, NAME, lock, tmp_path / "older.backup")
        assert restore(site, file="older.backup").error.endswith("[MARKS_OLDER]")
    assert not share_path(site).exists()


def test_there_is_nothing_to_back_up_where_the_share_is_elsewhere(site) -> None:
    config = site.config(ME)
    config.write_text(config.read_text().replace("keys/share.age", "offline"))
    assert back_up(site).error.endswith("[KEY_SHARE]")
    assert len(AUDITORS) == 2
