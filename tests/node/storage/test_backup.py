"""Backups: of a running node, of a stopped one, and what comes back from them."""

import contextlib
import io
import json
import shutil
import sqlite3
import tarfile
import threading

import pyrage
import pytest

from fermata.errors import StorageError
from fermata.node.config import load_config
from fermata.node.run.parts import open_store
from fermata.node.storage import backup, keystore
from fermata.node.storage.high_water import NAME
from harness.nodes import COORDINATOR, WAIT_S, Site, fermata, lay_out, run_node

REPORT = "1-" + "ab" * 32 + ".age"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A coordinator and a lab that have run, and are stopped; the operator's identity."""
    site = lay_out(tmp_path_factory.mktemp("backup") / "site")
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        run_node(site, "lab-1", entries=1)
    keystore.new_identity(site.folder / "operator.txt")
    return site


@pytest.fixture
def site(template, tmp_path):
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site")


def operator(site):
    return keystore.load_identity(site.folder / "operator.txt")


def back_up(site, party, name="copy.age", *more):
    out = site.folder / name
    to = ("--to", operator(site).recipient, "--out", out)
    return out, fermata("node", "backup", "--config", site.config(party), *to, *more)


def restore(site, party, file, *heads):
    words = ["node", "restore", "--config", site.config(party), "--in", file]
    words += ["--identity", site.folder / "operator.txt"]
    for head in heads:
        words += ["--head", head]
    return fermata(*words)


def lose(site, party):
    """The disk of a node is gone."""
    shutil.rmtree(site.node(party) / "data")


def size_of(site, party):
    path = site.node(party) / "data" / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as store:
        return store.execute("SELECT count(*) FROM entries").fetchone()[0]


def go_on(site):
    """The coordinator runs again, and its log grows by the key record and a round."""
    site.deal()
    with site.coordinator() as address:
        site.write_config("lab-2", address)
        # The template's log may have three by now: the charter and two heartbeats.
        run_node(site, "lab-2", entries=4)


def test_a_stopped_node_is_backed_up_and_restored(site):
    (site.node("lab-1") / "data" / "reports").mkdir(exist_ok=True)
    (site.node("lab-1") / "data" / "reports" / REPORT).write_bytes(b"kept")
    before = size_of(site, "lab-1")
    out, answer = back_up(site, "lab-1")
    assert answer.code == 0, answer.err
    assert out.stat().st_mode & 0o777 == 0o600
    lose(site, "lab-1")
    answer = restore(site, "lab-1", out)
    assert answer.code == 0, answer.err
    assert size_of(site, "lab-1") == before
    assert (site.node("lab-1") / "data" / "reports" / REPORT).read_bytes() == b"kept"
    assert (site.node("lab-1") / "data" / "store.db").stat().st_mode & 0o777 == 0o600
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        run_node(site, "lab-1", entries=before)


def test_a_running_node_makes_its_own_backup_and_goes_on(site):
    with site.coordinator():
        _, answer = back_up(site, COORDINATOR)
        assert answer.code == 0, answer.err
        _, answer = back_up(site, COORDINATOR, "again.age")
        assert answer.code == 0, answer.err
    assert site.events(COORDINATOR, "backup_made")
    left = [p.name for p in (site.node(COORDINATOR) / "data").iterdir()]
    assert not [name for name in left if "backup" in name or name.startswith(".fermata")]


def test_a_current_backup_of_the_coordinator_goes_on(site):
    out, _ = back_up(site, COORDINATOR)
    head = site.folder / "head-of-lab-1.note"
    shutil.copy(site.node("lab-1") / "data" / NAME, head)
    lose(site, COORDINATOR)
    answer = restore(site, COORDINATOR, out, head)
    assert answer.code == 0, answer.err
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        run_node(site, "lab-1", entries=1)


def test_an_old_backup_of_the_coordinator_is_quarantined_by_what_others_saw(site):
    out, _ = back_up(site, COORDINATOR)
    go_on(site)
    head = site.folder / "head-of-lab-2.note"
    shutil.copy(site.node("lab-2") / "data" / NAME, head)
    lose(site, COORDINATOR)
    answer = restore(site, COORDINATOR, out, head)
    assert answer.code == StorageError.exit_code
    assert "[STORE_BEHIND]" in answer.error
    assert "quarantined" in answer.error
    assert "restore a newer backup" in answer.error
    assert not (site.node(COORDINATOR) / "data" / "store.db").exists()


def test_an_old_store_put_in_place_by_hand_is_quarantined_at_start(site):
    data = site.node(COORDINATOR) / "data"
    shutil.copy(data / "store.db", site.folder / "old.db")
    go_on(site)
    shutil.copy(site.folder / "old.db", data / "store.db")
    with pytest.raises(StorageError) as caught, site.coordinator():
        pass
    assert caught.value.reason == "STORE_BEHIND"


def test_an_old_store_of_a_participant_is_quarantined_at_start(site):
    data = site.node("lab-1") / "data"
    shutil.copy(data / "store.db", site.folder / "old.db")
    site.deal()
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        run_node(site, "lab-1", entries=3)
        shutil.copy(site.folder / "old.db", data / "store.db")
        with pytest.raises(StorageError) as caught:
            run_node(site, "lab-1", entries=3)
    assert caught.value.reason == "STORE_BEHIND"


def test_a_store_of_another_history_is_quarantined(site, template):
    data = site.node(COORDINATOR) / "data"
    go_on(site)
    newest = (data / NAME).read_bytes()
    shutil.rmtree(data)
    shutil.copytree(template.node(COORDINATOR) / "data", data)
    # The same key logs something else: the rest of the first history is known from its head.
    with site.coordinator() as address:
        site.write_config("lab-3", address)
        run_node(site, "lab-3", entries=3)
    (data / NAME).write_bytes(newest)
    with pytest.raises(StorageError) as caught, site.coordinator():
        pass
    assert caught.value.reason == "STORE_BEHIND"


def test_a_coordinator_is_not_restored_without_what_others_saw(site):
    out, _ = back_up(site, COORDINATOR)
    lose(site, COORDINATOR)
    answer = restore(site, COORDINATOR, out)
    assert "[RESTORE_HEAD]" in answer.error


def test_a_file_that_is_no_head_is_refused(site):
    out, _ = back_up(site, COORDINATOR)
    lose(site, COORDINATOR)
    wrong = site.folder / "wrong.note"
    wrong.write_text("not a head\n")
    assert "[HEAD_NOTE]" in restore(site, COORDINATOR, out, wrong).error


def test_a_store_that_is_there_is_never_restored_over(site):
    out, _ = back_up(site, "lab-1")
    assert "[RESTORE_OVER]" in restore(site, "lab-1", out).error


def test_a_backup_file_that_is_there_is_never_replaced(site):
    out, _ = back_up(site, "lab-1")
    before = out.read_bytes()
    _, answer = back_up(site, "lab-1")
    assert "[BACKUP_EXISTS]" in answer.error
    assert out.read_bytes() == before


def test_a_node_without_a_store_has_nothing_to_back_up(site):
    _, answer = back_up(site, "lab-3")
    assert "[STORE_MISSING]" in answer.error


def test_a_recipient_of_another_form_is_refused(site):
    words = ("--to", "age1nonsense", "--out", site.folder / "x.age")
    answer = fermata("node", "backup", "--config", site.config("lab-1"), *words)
    assert "[RECIPIENT_FORM]" in answer.error


def test_another_partys_backup_is_refused(site):
    out, _ = back_up(site, "lab-1")
    answer = restore(site, "lab-2", out)
    assert "[BACKUP_FOREIGN]" in answer.error
    assert not (site.node("lab-2") / "data" / "store.db").exists()


def test_a_damaged_backup_is_refused(site):
    out, _ = back_up(site, "lab-1")
    data = bytearray(out.read_bytes())
    data[-1] ^= 1
    out.write_bytes(data)
    lose(site, "lab-1")
    assert "[BACKUP_UNREADABLE]" in restore(site, "lab-1", out).error
    assert not (site.node("lab-1") / "data" / "store.db").exists()


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "store.db/x", "keys/signing.age"])
def test_a_backup_with_a_name_that_is_not_ours_is_refused(site, name):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
    out = site.folder / "made.age"
    to = pyrage.x25519.Recipient.from_str(operator(site).recipient)
    out.write_bytes(pyrage.encrypt(made.getvalue(), [to]))
    lose(site, "lab-1")
    assert "[BACKUP_UNREADABLE]" in restore(site, "lab-1", out).error


def test_another_identity_opens_nothing(site):
    out, _ = back_up(site, "lab-1")
    lose(site, "lab-1")
    words = ("--in", out, "--identity", site.identity("lab-2"))
    answer = fermata("node", "restore", "--config", site.config("lab-1"), *words)
    assert "[BACKUP_UNREADABLE]" in answer.error


def test_a_node_that_does_not_answer_is_told(site):
    config = load_config(site.config("lab-1"))
    ready, ending = threading.Event(), threading.Event()

    def hold():
        with open_store(config):
            ready.set()
            ending.wait(WAIT_S)

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait(WAIT_S)
    try:
        _, answer = back_up(site, "lab-1", "copy.age", "--wait-s", "1")
    finally:
        ending.set()
        thread.join()
    assert "[BACKUP_NO_ANSWER]" in answer.error
    assert not (config.data / backup.REQUEST).exists()


@pytest.mark.parametrize(
    "request_text",
    [
        *("", "[]", "{}", '{"id": "../x", "recipient": "age1a"}', '{"id": 1, "recipient": 2}'),
        *("[" * 4000, '{"id":' * 600, '{"id": "\udcff"}', '{"id": NaN}', '{"id": 1e999}'),
        '{"id": "0123456789abcdef", "id": "0123456789abcdef", "recipient": "age1a"}',
    ],
)
def test_a_request_of_another_form_is_refused_and_removed(site, request_text):
    config = load_config(site.config("lab-1"))
    path = config.data / backup.REQUEST
    path.write_bytes(request_text.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    told = []

    class Told:
        def event(self, name, **fields):
            told.append((name, fields))

    backup.Backups(config, None, Told()).look()
    assert told == [("backup_refused", {"reason": "BACKUP_REQUEST"})]
    assert not path.exists()


def test_a_backup_holds_no_key_and_nothing_in_the_clear(site):
    out, _ = back_up(site, "lab-1")
    identity = pyrage.x25519.Identity.from_str(
        (site.folder / "operator.txt").read_text().splitlines()[1]
    )
    with tarfile.open(fileobj=io.BytesIO(pyrage.decrypt(out.read_bytes(), [identity]))) as tar:
        names = tar.getnames()
        manifest = json.loads(tar.extractfile("backup.json").read())
    assert set(names) == {"backup.json", "store.db"}
    assert manifest["party"] == "lab-1"
    assert b"SQLite format" not in out.read_bytes()


def test_errors_of_the_request_reach_the_command(site, monkeypatch):
    def full(*_):
        raise StorageError("STORAGE_FULL", "the disk is almost full")

    monkeypatch.setattr(backup, "write_backup", full)
    with site.coordinator():
        _, answer = back_up(site, COORDINATOR)
    assert "[BACKUP_FAILED]" in answer.error
    assert "almost full" in answer.error
