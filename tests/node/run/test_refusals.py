"""What ends a node: one line, the right exit code, and nothing changed."""

import json
import shutil
import signal
import subprocess
import sys

import pytest

from fermata.crypto.threshold.dealer import deal
from fermata.errors import ConfigError, IdentityError
from fermata.node.config import load_config
from fermata.node.rpc import service
from fermata.node.rpc.client import GrpcLog
from fermata.node.run import assembly
from fermata.node.run.parts import entropy, open_store, tls_files
from fermata.node.storage import keystore
from fermata.node.storage.database.sqlite import SqliteStore
from harness.nodes import COORDINATOR, NAME, WAIT_S, Site, ended, fermata, lay_out, run_node, until


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("nodes") / "site")


@pytest.fixture
def site(template, tmp_path):
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site")


def test_two_processes_on_one_store_do_not_go_on(site):
    config = load_config(site.config("lab-1"))
    with open_store(config):
        assert "store.db" in ended(site, "lab-1", 1, "STORE_IN_USE")


def test_a_node_looks_at_its_clock_before_it_does_anything(site, monkeypatch):
    config = load_config(site.write_config("lab-1"))
    monkeypatch.setattr(assembly, "clock_ms", lambda: -301_000)
    with pytest.raises(ConfigError) as caught, assembly.running(config):
        pass
    assert caught.value.reason == "CLOCK"


def test_two_servers_on_one_port_do_not_go_on_and_the_second_has_logged_nothing(site):
    with site.coordinator() as address:
        site.write_config(COORDINATOR, address)
        path = site.config(COORDINATOR)
        path.write_text(path.read_text().replace("\n\n", '\ndata = "other"\n\n', 1))
        assert address in ended(site, COORDINATOR, 2, "PORT_IN_USE")
        with open_store(load_config(path)) as store:
            assert store.entry_count() == 0
        site.write_config("lab-1", address)
        run_node(site, "lab-1", entries=1)
        page = (site.node(COORDINATOR) / "data" / "telemetry.address").read_text().strip()
        path = site.config("lab-1")
        path.write_text(path.read_text().replace("[telemetry]", f'[telemetry]\naddress = "{page}"'))
        assert page in ended(site, "lab-1", 2, "PORT_IN_USE")


def test_a_full_disk_at_start_ends_a_node_with_one_line(site, monkeypatch):
    opened = SqliteStore.open

    def full(path, deployment, owner, **options):
        return opened(path, deployment, owner, free_bytes=lambda folder: 0, **options)

    monkeypatch.setattr("fermata.node.storage.database.choose.SqliteStore.open", full)
    ended(site, COORDINATOR, 1, "STORAGE_FULL")
    monkeypatch.undo()
    with open_store(load_config(site.config(COORDINATOR))) as store:
        assert store.entry_count() == 0


def test_a_damaged_store_ends_a_node(site):
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        run_node(site, "lab-1", entries=1)
    path = site.node("lab-1") / "data" / "store.db"
    data = bytearray(path.read_bytes())
    place = data.find(b"A charter for tests")
    data[place] ^= 1
    path.write_bytes(data)
    ended(site, "lab-1", 1, "DATA_LOSS")
    assert path.read_bytes() == data


def test_an_expired_certificate_ends_a_node_with_the_clock_as_a_cause(site):
    site.enroll("lab-1", days_ago=31)
    assert "clock" in ended(site, "lab-1", 5, "CERT_EXPIRED")
    site.enroll(COORDINATOR, days_ago=31)
    ended(site, COORDINATOR, 5, "CERT_EXPIRED")


def test_a_certificate_of_another_party_ends_a_node(site):
    site.enroll("lab-2", into="lab-1")
    ended(site, "lab-1", 5, "WRONG_CERTIFICATE")


def test_a_certificate_that_was_taken_back_ends_a_node(site):
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        site.authority().deny("lab", "lab-1")
        ended(site, "lab-1", 5, "CERT_DENIED")


def test_a_certificate_is_of_no_use_within_a_minute_of_being_taken_back(site):
    with site.coordinator() as address:
        config = load_config(site.write_config("lab-1", address))
        with GrpcLog(address, NAME, tls_files(config)) as log:
            log.checkpoint()
            authority = site.node(COORDINATOR) / "authority"
            words = ("--role", "lab", "--id", "lab-1")
            assert fermata("pki", "deny", authority, *words).code == 0
            # On the same connection, at the next call; a stream is looked at every so often.
            with pytest.raises(IdentityError) as caught:
                log.checkpoint()
    assert caught.value.reason == "CERT_DENIED"
    assert service.WATCH_CHECK_S <= 60


def test_a_charter_that_lacks_a_signature_is_not_served(site):
    (site.node(COORDINATOR) / "charter.toml.sig" / "lab-3").unlink()
    assert "not signed by lab-3" in ended(site, COORDINATOR, 2, "SIGNATURES")


def test_a_node_of_another_charter_says_so_and_keeps_nothing(site):
    path = site.node("lab-1") / "charter.toml"
    path.write_text(path.read_text() + "# another\n")
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        said = ended(site, "lab-1", 2, "CHARTER_HASH")
    assert site.charter.sha256.hex() in said
    with open_store(load_config(site.config("lab-1"))) as store:
        assert store.entry_count() == 0


@pytest.mark.parametrize(
    ("party", "name", "other", "reason"),
    [
        ("lab-1", "signing.age", "lab-2", "KEYFILE_UNREADABLE"),
        ("lab-1", "identity.txt", "lab-2", "KEYFILE_UNREADABLE"),
        ("auditor-1", "share.age", "auditor-2", "KEYFILE_UNREADABLE"),
    ],
)
def test_a_key_file_of_another_party_ends_a_node(site, party, name, other, reason):
    site.deal()
    (site.node(party) / "keys" / name).unlink()
    shutil.copy(site.node(other) / "keys" / name, site.node(party) / "keys" / name)
    ended(site, party, 2, reason)


def test_a_key_that_is_not_the_charters_ends_a_node(site):
    path = site.node("lab-1") / "keys" / "signing.age"
    path.unlink()
    made = fermata("keys", "new", path, "--deployment", NAME, "--identity", site.identity("lab-1"))
    assert made.code == 0
    assert "lab-1" in ended(site, "lab-1", 2, "SIGNING_KEY")


def test_a_share_that_the_record_does_not_know_ends_an_auditor(site):
    site.deal()
    share = site.node("auditor-1") / "keys" / "share.age"
    share.unlink()
    wrong = deal(2048, 2, 2, entropy, b"another").shares
    for index, said in ((1, "got another auditor's"), (0, "belongs to another key")):
        share.unlink(missing_ok=True)
        lock = site.unlock("auditor-1")
        keystore.save_sealed(share, wrong[index].to_bytes(), keystore.KEY_SHARE, NAME, lock)
        with site.coordinator() as address:
            site.write_config("auditor-1", address)
            assert said in ended(site, "auditor-1", 2, "KEY_SHARE")


def test_a_log_that_lost_entries_ends_a_node_and_the_proof_is_there(site):
    with site.coordinator():
        pass
    data = site.node(COORDINATOR) / "data"
    shutil.copytree(data, site.folder / "copy")
    site.deal()
    with site.coordinator() as address:
        site.open_round(address)
        site.write_config("lab-1", address)
        run_node(site, "lab-1", entries=4)
    site.record.unlink()
    shutil.rmtree(data)
    shutil.copytree(site.folder / "copy", data)
    with site.coordinator(address):
        answer = fermata("lab", "run", "--config", site.config("lab-1"))
    assert answer.code == 3
    assert answer.error.endswith(("[ROLLBACK]", "[SPLIT_VIEW]"))
    notes = list((site.node("lab-1") / "data").glob("evidence-*.note"))
    assert len(notes) == 2
    assert all(note.name in answer.error for note in notes)
    (told,) = map(json.loads, site.events("lab-1", "stopped")[-1:])
    assert told["reason"] in ("ROLLBACK", "SPLIT_VIEW")


@pytest.mark.parametrize("party", ["lab-1", COORDINATOR])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_in_good_order(site, party, number):
    role = {"o": "coordinator", "l": "lab"}[party[0]]
    # Nobody listens at port 1: a node waits, and must not make its operator wait.
    site.write_config(party, "127.0.0.1:0" if party == COORDINATOR else "127.0.0.1:1")
    process = subprocess.Popen(
        [sys.executable, "-m", "fermata.cli.main", role, "run", "--config", site.config(party)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        until(lambda: site.events(party, "started") or process.poll() is not None)
        process.send_signal(number)
        out, _ = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, b"")
    assert site.events(party, "stopped")


def test_a_coordinator_on_an_auditors_store_ends_with_one_line(site):
    theirs = load_config(site.write_config("auditor-1"))
    open_store(theirs).close()
    theirs.data.rename(site.node(COORDINATOR) / "data")
    site.write_config(COORDINATOR)
    assert "is the store of auditor/auditor-1" in ended(site, COORDINATOR, 1, "STORE_FOREIGN")


@pytest.mark.parametrize("folder", ["keys", "data"])
def test_a_node_does_not_start_on_a_folder_that_anybody_may_write(site, folder):
    site.write_config(COORDINATOR)
    place = site.node(COORDINATOR) / folder
    place.mkdir(exist_ok=True)
    place.chmod(0o777)
    try:
        assert "chmod o-w" in ended(site, COORDINATOR, 2, "FOLDER_MODE")
    finally:
        place.chmod(0o700)
