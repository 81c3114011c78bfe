"""Observers and operators read the running log with a configuration of their own, and only read."""

import json
import shutil
import threading

import pytest

from fermata.node.config import load_config
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.pki.identity import load_chain, not_after_ms
from fermata.node.run.participant import run_participant
from harness.nodes import AUDITORS, COORDINATOR, LABS, NAME, Site, fermata, until

READERS = (("observer", "press"), ("operator", "ops"))


@pytest.fixture(scope="module")
def run(template, tmp_path_factory):
    """A deployment whose first round was opened, while all nodes still run; and its address."""
    folder = tmp_path_factory.mktemp("run") / "site"
    shutil.copytree(template.folder, folder, symlinks=True)
    site, ending, threads = Site(folder), threading.Event(), []
    with site.coordinator() as address:
        for party in (*AUDITORS, *LABS):
            config = load_config(site.write_config(party, address))
            words = (config, lambda _: ending.is_set())
            threads.append(threading.Thread(target=run_participant, args=words))
            threads[-1].start()
        until(lambda: site.events("auditor-1", "results_opened"))
        yield site, address
        ending.set()
        for thread in threads:
            thread.join()


def reader(site, address, role, name, days_ago=0.0):
    """A reader's folder as ``fermata init`` makes it, with a certificate and the charter."""
    folder = site.folder / name
    if not folder.exists():
        words = ("--role", role, "--deployment", NAME, "--log", address)
        assert fermata("init", folder, *words).code == 0
        (folder / "charter.toml").write_bytes(site.charter_file.read_bytes())
        enroll_locally(site.authority(days_ago), role, name, folder / "tls")
    return folder / "fermata.toml"


@pytest.mark.parametrize(("role", "name"), READERS)
def test_a_reader_sees_the_log_the_rounds_and_the_results(run, role, name):
    site, address = run
    config = ("--config", reader(site, address, role, name))
    entries = json.loads(fermata("log", "show", *config, "--json").out)
    assert {"Charter", "Report", "Endorsement"} <= {e["statement"] for e in entries}
    status = fermata("status", *config, "--json")
    assert status.code in (0, 1), status.err
    assert [r["state"] for r in json.loads(status.out)["rounds"]][:1] == ["opened"]
    rows = json.loads(fermata("results", *config).out)
    assert "1.875" in {row["value"] for row in rows}
    # The tests' charter has no pause, and watch says so after it has read the log.
    assert fermata("watch", *config).error.endswith("[NO_PAUSE]")


@pytest.mark.parametrize(("role", "name"), READERS)
def test_a_reader_exports_the_public_bundle_and_not_the_sealed_parts(run, role, name, tmp_path):
    site, address = run
    config = ("--config", reader(site, address, role, name))
    assert fermata("bundle", *config, "--public", tmp_path / "public").code == 0
    verified = fermata("verify", tmp_path / "public")
    assert verified.code == 0
    assert "VALID" in verified.out
    refused = fermata("bundle", *config, tmp_path / "full")
    assert refused.code != 0
    assert not (tmp_path / "full").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("motion", "vote", "0", "for"),
        ("motion", "file", "dispute", "--about", "1", "--lab", "lab-1", "--reason", "x"),
        ("lab", "run"),
        ("lab", "report"),
        ("auditor", "run"),
        ("auditor", "check"),
        ("coordinator", "run"),
        ("node", "backup", "--to", "age1x", "--out", "backup.age"),
    ],
)
@pytest.mark.parametrize(("role", "name"), READERS)
def test_a_reader_that_would_write_is_refused_in_one_line(run, role, name, words):
    site, address = run
    answer = fermata(*words, "--config", reader(site, address, role, name))
    assert answer.code in (2, 4, 5), answer.err
    assert answer.error
    assert site.node(COORDINATOR).exists()


def test_a_readers_certificate_is_renewed_while_it_reads(run):
    """No node of its own does it; without this a journalist would be cut off after 30 days."""
    site, address = run
    config = reader(site, address, "observer", "late", days_ago=25)
    certificate = config.parent / "tls" / "cert.pem"
    before = not_after_ms(load_chain(certificate.read_bytes())[0])
    assert fermata("log", "show", "--config", config).code == 0
    after = not_after_ms(load_chain(certificate.read_bytes())[0])
    assert after > before
    assert fermata("log", "show", "--config", config).code == 0
    assert not_after_ms(load_chain(certificate.read_bytes())[0]) == after


def test_a_reader_whose_certificate_was_taken_back_reads_no_more(run):
    site, address = run
    config = reader(site, address, "observer", "gone")
    assert fermata("log", "show", "--config", config).code == 0
    site.authority().deny("observer", "gone")
    refused = fermata("log", "show", "--config", config)
    assert (refused.code, refused.error.endswith("[CERT_DENIED]")) == (5, True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('role = "observer"', 'role = "king"', "role: must be one of operator, observer"),
        ('role = "observer"', "", "keys: must have exactly one of identity"),
        ('party = "press2"', 'party = "lab-1"', "role: must be left out"),
        ('party = "press2"', 'party = "No Id"', "party: must be 1 to 40"),
        ("[log]", '[lab]\nmetrics = "m.csv"\n\n[log]', "must have no"),
        ("[log]", '[listen]\naddress = "127.0.0.1:0"\n\n[log]', "listen: is for"),
    ],
)
def test_a_readers_configuration_with_a_defect_is_refused(run, tmp_path, old, new, said):
    site, address = run
    config = reader(site, address, "observer", "press2")
    text = config.read_text()
    assert old in text
    other = config.with_name("other.toml")
    other.write_text(text.replace(old, new))
    answer = fermata("status", "--config", other)
    assert (answer.code, said in answer.error) == (2, True), answer.err
