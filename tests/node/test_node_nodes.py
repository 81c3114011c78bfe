"""Whole nodes over loopback: what they need to start, what ends them, how they come back."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from fermata.crypto.dealer import deal
from fermata.errors import FermataError, StorageError
from fermata.node import keystore
from fermata.node.client import GrpcLog
from fermata.node.config import load_config
from fermata.node.nodes import entropy, open_store, run_participant, tls_files
from fermata.node.signatures import sign_file
from fermata.node.store import SqliteStore
from support_nodes import COORDINATOR, NAME, Site, fermata, lay_out

WAIT_S = 60.0


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("nodes") / "site")


@pytest.fixture
def site(template, tmp_path):
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site")


def until(what):
    limit = time.monotonic() + WAIT_S
    while not (found := what()):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return found


def run(site, party, *, entries=0, limit_s=WAIT_S):
    """A node in this thread until it has so many entries, or its own end."""
    limit = time.monotonic() + limit_s
    return run_participant(
        load_config(site.config(party)),
        lambda agent: 0 < entries <= agent.replica.state.size or time.monotonic() > limit,
    )


def ended(site, party, code, reason):
    """The node ends by itself with one line; gives the line."""
    role = {"o": "coordinator", "a": "auditor", "l": "lab"}[party[0]]
    answer = fermata(role, "run", "--config", site.config(party))
    assert answer.err.count("\n") == 1, answer.err
    assert answer.error.endswith(f"[{reason}]"), answer.err
    assert answer.code == code
    assert answer.out == ""
    return answer.error


def test_a_lab_and_an_auditor_run_beside_a_coordinator(site):
    site.deal()
    with site.coordinator() as address:
        for party in ("lab-1", "auditor-1"):
            site.write_config(party, address)
            agent = run(site, party, entries=3)
            assert agent.replica.state.charter == site.charter
            assert json.loads(next(iter(site.events(party))))["event"] == "started"
            assert site.events(party, "stopped")
    assert site.events(COORDINATOR, "started")
    assert site.events(COORDINATOR, "key_record_logged")
    assert site.events(COORDINATOR, "round_opened")
    assert site.events(COORDINATOR, "stopped")


def test_a_node_that_is_started_before_the_coordinator_connects_later(site):
    with site.coordinator() as address:
        pass
    site.write_config("lab-1", address)
    agents = []
    thread = threading.Thread(target=lambda: agents.append(run(site, "lab-1", entries=1)))
    thread.start()
    until(lambda: site.events("lab-1", "log_unreachable"))
    with site.coordinator(address):
        thread.join(WAIT_S)
    assert agents[0].replica.state.size >= 1
    assert site.events("lab-1", "recovered")


def test_a_node_comes_back_after_the_coordinator_was_restarted(site):
    sizes, ending = [], threading.Event()

    def done(agent):
        sizes.append(agent.replica.state.size)
        return ending.is_set()

    with site.coordinator() as address:
        site.write_config("lab-1", address)
        config = load_config(site.config("lab-1"))
        thread = threading.Thread(target=lambda: run_participant(config, done))
        thread.start()
        until(lambda: sizes and sizes[-1] >= 1)
    until(lambda: site.events("lab-1", "log_unreachable"))
    site.deal()
    with site.coordinator(address):
        # The key record and the first round come with the second run.
        until(lambda: sizes[-1] >= 4)
        ending.set()
        thread.join(WAIT_S)
    assert not thread.is_alive()


def test_the_coordinator_waits_for_the_key_record_and_says_what_is_missing(site):
    site.deal()
    signature = site.node(COORDINATOR) / "key-record.bin.sig" / "auditor-2"
    kept = signature.read_bytes()
    signature.unlink()
    with site.coordinator():
        until(lambda: site.events(COORDINATOR, "key_record_waits"))
        signature.write_bytes(b"junk")
        until(lambda: len(site.events(COORDINATOR, "key_record_waits")) == 2)
        signature.write_bytes(kept)
        until(lambda: site.events(COORDINATOR, "round_opened"))
    first, second = map(json.loads, site.events(COORDINATOR, "key_record_waits"))
    assert "not signed by auditor-2" in first["where"]
    assert "is not auditor-2's signature" in second["where"]


def test_a_key_record_that_is_junk_is_told_and_the_log_is_served(site):
    site.record.write_bytes(b"junk")
    for auditor in ("auditor-1", "auditor-2"):
        sign_file(site.record, auditor, site.signing_key(auditor))
    with site.coordinator() as address:
        (told,) = map(json.loads, until(lambda: site.events(COORDINATOR, "key_record_waits")))
        assert told["reason"] == "ENCODING"
        site.write_config("lab-1", address)
        run(site, "lab-1", entries=1)


def test_two_processes_on_one_store_do_not_go_on(site):
    config = load_config(site.config("lab-1"))
    with open_store(config):
        assert "store.db" in ended(site, "lab-1", 1, "STORE_IN_USE")


def test_two_servers_on_one_port_do_not_go_on_and_the_second_has_logged_nothing(site):
    with site.coordinator() as address:
        site.write_config(COORDINATOR, address)
        path = site.config(COORDINATOR)
        path.write_text(path.read_text().replace("\n\n", '\ndata = "other"\n\n', 1))
        assert address in ended(site, COORDINATOR, 2, "PORT_IN_USE")
        with open_store(load_config(path)) as store:
            assert store.entry_count() == 0
        site.write_config("lab-1", address)
        run(site, "lab-1", entries=1)
        page = (site.node(COORDINATOR) / "data" / "telemetry.address").read_text().strip()
        path = site.config("lab-1")
        path.write_text(path.read_text().replace("[telemetry]", f'[telemetry]\naddress = "{page}"'))
        assert page in ended(site, "lab-1", 2, "PORT_IN_USE")


def test_a_full_disk_at_start_ends_a_node_with_one_line(site, monkeypatch):
    opened = SqliteStore.open

    def full(path, deployment):
        return opened(path, deployment, free_bytes=lambda folder: 0)

    monkeypatch.setattr("fermata.node.nodes.SqliteStore.open", full)
    ended(site, COORDINATOR, 1, "STORAGE_FULL")
    monkeypatch.undo()
    with open_store(load_config(site.config(COORDINATOR))) as store:
        assert store.entry_count() == 0


def test_a_full_disk_of_a_node_that_runs_is_told_and_waited_out(site, monkeypatch):
    def beat(self, start, leaves, *rest):
        if full.is_set() and leaves:
            raise StorageError("STORAGE_FULL", "store: full")
        return extend(self, start, leaves, *rest)

    full, extend = threading.Event(), SqliteStore.extend
    monkeypatch.setattr(SqliteStore, "extend", beat)
    site.deal()
    signature = site.node(COORDINATOR) / "key-record.bin.sig" / "auditor-2"
    kept = signature.read_bytes()
    signature.unlink()
    with site.coordinator() as address:
        until(lambda: site.events(COORDINATOR, "key_record_waits"))
        full.set()
        signature.write_bytes(kept)
        until(lambda: site.events(COORDINATOR, "step_failed"))
        with GrpcLog(address, NAME, tls_files(load_config(site.config("lab-1")))) as log:
            assert len(log.read(0, 10)) >= 1
        full.clear()
        until(lambda: site.events(COORDINATOR, "round_opened"))
    assert site.events(COORDINATOR, "recovered")


def test_a_damaged_store_ends_a_node(site):
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        run(site, "lab-1", entries=1)
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


def test_a_certificate_is_taken_back_while_the_node_runs(site):
    ending = threading.Event()
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        config = load_config(site.config("lab-1"))
        thread = threading.Thread(target=lambda: run_participant(config, lambda _: ending.is_set()))
        thread.start()
        until(lambda: site.events("lab-1", "started"))
        until(lambda: (site.node("lab-1") / "data" / "telemetry.address").exists())
        with GrpcLog(address, NAME, tls_files(config)) as log:
            until(lambda: log.read(0, 1))
            time.sleep(0.5)
            answer = fermata(
                "pki",
                "deny",
                site.node(COORDINATOR) / "authority",
                "--role",
                "lab",
                "--id",
                "lab-1",
            )
            assert answer.code == 0
            with pytest.raises(FermataError) as caught:
                log.read(0, 1)
        assert caught.value.reason == "CERT_DENIED"
        (told,) = map(json.loads, until(lambda: site.events("lab-1", "step_failed"))[:1])
        assert told["reason"] == "CERT_DENIED"
        ending.set()
        thread.join(WAIT_S)
    assert not thread.is_alive()


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
    for index, said in ((1, "another auditor"), (0, "belongs to another key")):
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
        until(lambda: site.events(COORDINATOR, "round_opened"))
        site.write_config("lab-1", address)
        run(site, "lab-1", entries=4)
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


def test_an_old_certificate_is_renewed_while_the_node_runs(site):
    site.enroll("lab-1", days_ago=25)
    site.enroll(COORDINATOR, days_ago=25)
    tls = site.node("lab-1") / "tls"
    before = tls.resolve()
    with site.coordinator() as address:
        until(lambda: site.events(COORDINATOR, "certificate_renewed"))
        site.write_config("lab-1", address)
        config = load_config(site.config("lab-1"))
        agent = run_participant(config, lambda _: bool(site.events("lab-1", "certificate_renewed")))
        # The node goes on under the new one, without having been started again.
        assert tls.resolve() != before
        assert agent.replica.state.size >= 1
        with GrpcLog(address, NAME, tls_files(config)) as log:
            assert log.health()


def test_leftovers_of_a_killed_write_are_removed_at_start(site):
    config = load_config(site.config("lab-1"))
    open_store(config).close()
    left = config.data / ".fermata-abc.tmp"
    left.write_bytes(b"half")
    open_store(config).close()
    assert not left.exists()


def test_figures_that_cannot_be_reported_are_told_once_and_sent_when_they_are_mended(site):
    site.deal()
    metrics = site.node("lab-1") / "metrics.csv"
    good = metrics.read_text()
    metrics.write_text(good.replace("0.625", "1.7734"))
    ending = threading.Event()
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        config = load_config(site.config("lab-1"))
        thread = threading.Thread(target=lambda: run_participant(config, lambda _: ending.is_set()))
        thread.start()
        until(lambda: site.events("lab-1", "metrics_refused"))
        time.sleep(3)
        metrics.write_text(good)
        until(lambda: site.events("lab-1", "statement_logged"))
        ending.set()
        thread.join(WAIT_S)
    (told,) = map(json.loads, site.events("lab-1", "metrics_refused"))
    assert (told["round"], told["reason"]) == (1, "METRIC_RANGE")
    assert "1.7734" not in (site.node("lab-1") / "node.log").read_text()


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
