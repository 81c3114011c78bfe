"""Whole nodes over loopback: what they do while they run, and how they come back."""

import contextlib
import http.client
import json
import shutil
import threading
import time

import pytest

from fermata.errors import FermataError, StorageError
from fermata.node.config import load_config
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.participant import run_participant
from fermata.node.run.parts import open_store, tls_files
from fermata.node.storage.database.sqlite import SqliteStore
from fermata.node.storage.signatures import sign_file
from harness.nodes import COORDINATOR, NAME, WAIT_S, Site, fermata, lay_out, run_node, until


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("nodes") / "site")


@pytest.fixture
def site(template, tmp_path):
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site")


def test_a_lab_and_an_auditor_run_beside_a_coordinator(site):
    site.deal()
    with site.coordinator() as address:
        site.open_round(address)
        for party in ("lab-1", "auditor-1"):
            site.write_config(party, address)
            driver = run_node(site, party, entries=3)
            assert driver.replica.state.charter == site.charter
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
    drivers = []
    thread = threading.Thread(target=lambda: drivers.append(run_node(site, "lab-1", entries=1)))
    thread.start()
    until(lambda: site.events("lab-1", "log_unreachable"))
    with site.coordinator(address):
        thread.join(WAIT_S)
    assert drivers[0].replica.state.size >= 1
    assert site.events("lab-1", "recovered")


def test_a_node_comes_back_after_the_coordinator_was_restarted(site):
    sizes, ending = [], threading.Event()

    def done(driver):
        sizes.append(driver.replica.state.size)
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
        site.open_round(address)
        until(lambda: sizes[-1] >= 4)
        ending.set()
        thread.join(WAIT_S)
    assert not thread.is_alive()


def test_the_coordinator_waits_for_the_key_record_and_says_what_is_missing(site):
    site.deal()
    signature = site.node(COORDINATOR) / "key-record.bin.sig" / "auditor-2"
    kept = signature.read_bytes()
    signature.unlink()
    with site.coordinator() as address:
        until(lambda: site.events(COORDINATOR, "key_record_waits"))
        signature.write_bytes(b"junk")
        until(lambda: len(site.events(COORDINATOR, "key_record_waits")) == 2)
        signature.write_bytes(kept)
        site.open_round(address)
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
        run_node(site, "lab-1", entries=1)


def is_ready(page):
    connection = http.client.HTTPConnection(page, timeout=10)
    connection.request("GET", "/-/ready")
    with contextlib.closing(connection):
        return connection.getresponse().status == 200


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
        page = (site.node(COORDINATOR) / "data" / "telemetry.address").read_text().strip()
        until(lambda: is_ready(page))
        full.set()
        signature.write_bytes(kept)
        until(lambda: site.events(COORDINATOR, "step_failed"))
        with GrpcLog(address, NAME, tls_files(load_config(site.config("lab-1")))) as log:
            assert len(log.read(0, 10)) >= 1
        full.clear()
        until(lambda: site.events(COORDINATOR, "recovered"))
        site.open_round(address)
    assert site.events(COORDINATOR, "recovered")


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


def test_an_old_certificate_is_renewed_while_the_node_runs(site):
    site.enroll("lab-1", days_ago=25)
    site.enroll(COORDINATOR, days_ago=25)
    tls = site.node("lab-1") / "tls"
    before = tls.resolve()
    with site.coordinator() as address:
        until(lambda: site.events(COORDINATOR, "certificate_renewed"))
        site.write_config("lab-1", address)
        config = load_config(site.config("lab-1"))
        driver = run_participant(
            config, lambda _: bool(site.events("lab-1", "certificate_renewed"))
        )
        # The node goes on under the new one, without having been started again.
        assert tls.resolve() != before
        assert driver.replica.state.size >= 1
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
        site.open_round(address)
        site.witness()
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
