"""``fermata log|status|bundle|verify``: what anyone can see and check, with exit codes."""

import contextlib
import json
import shutil
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from fermata.cli.read import log as log_commands
from fermata.errors import TransportError
from fermata.memory_store import MemoryStore
from fermata.node.config import load_config
from fermata.node.run.participant import run_participant
from fermata.node.storage.bundles import export_bundle, pull_witnessed, write_bundle
from fermata.protocol.roles.replica import Replica
from fermata.types import Role
from harness.chains import MODULUS_BITS_MIN, Run, make_deployment
from harness.nodes import AUDITORS, COORDINATOR, LABS, Site, fermata
from harness.protocol.successions import STEP_MS, SUCCESSION_MS, SuccessionRun


def run_parties(site, address, parties, done):
    """These nodes in threads of their own until each is ``done``."""
    threads = []
    for party in parties:
        config = load_config(site.write_config(party, address))
        threads.append(threading.Thread(target=run_participant, args=(config, done)))
    for thread in threads:
        thread.start()
    return threads


@pytest.fixture(scope="module")
def run(template, tmp_path_factory):
    """A run whose first round was opened: its folders, while all nodes still run."""
    folder = tmp_path_factory.mktemp("run") / "site"
    shutil.copytree(template.folder, folder, symlinks=True)
    site, ending = Site(folder), threading.Event()
    with site.coordinator() as address:
        threads = run_parties(site, address, (*AUDITORS, *LABS), lambda _: ending.is_set())
        limit = time.monotonic() + 90
        while not site.events("auditor-1", "results_opened") and time.monotonic() < limit:
            time.sleep(0.05)
        yield site
        ending.set()
        for thread in threads:
            thread.join()


def test_the_log_is_shown_entry_by_entry(run):
    answer = fermata("log", "show", "--config", run.config("lab-1"))
    assert answer.code == 0
    assert answer.err == ""
    assert answer.out.splitlines()[0].split() == [
        *("entry", "time", "statement", "author", "round", "verdict", "bytes", "witnessed")
    ]
    told = json.loads(fermata("log", "show", "--config", run.config("lab-1"), "--json").out)
    kinds = {entry["statement"] for entry in told}
    assert {"Charter", "KeyRecord", "OpenRound", "Report", "CloseRound", "Endorsement"} <= kinds
    assert {entry["verdict"] for entry in told} == {"accepted"}
    assert [entry["witnessed"] for entry in told][:5] == [True] * 5
    opened = next(entry for entry in told if entry["statement"] == "OpenRound")
    assert opened["round"] == 1
    assert opened["time"].startswith(str(datetime.now(UTC).year))
    assert [entry["entry"] for entry in told] == list(range(len(told)))
    assert told[0]["bytes"] > run.charter_file.stat().st_size
    assert {entry["round"] for entry in told if entry["statement"] == "Heartbeat"} == {None}


@pytest.mark.parametrize("party", ["lab-1", "auditor-1", COORDINATOR])
def test_status_shows_every_node_and_round(run, party):
    answer = fermata("status", "--config", run.config(party), "--json")
    told = json.loads(answer.out)
    assert {n["node"] for n in told["nodes"]} == set(run.charter.parties)
    assert all(n["last_seen"] for n in told["nodes"]), told["problems"]
    assert told["rounds"][0]["state"] == "opened"
    assert (answer.code, told["problems"]) == (0, [])
    text = fermata("status", "--config", run.config(party)).out
    assert "round 1 (2026Q1): opened" in text


def test_a_bundle_is_exported_and_verifies(run, tmp_path):
    out = tmp_path / "bundle"
    told = json.loads(fermata("bundle", "--config", run.config("auditor-1"), out, "--json").out)
    assert told["charter_hash"] == run.charter.sha256.hex()
    answer = fermata("verify", out, "--charter-hash", run.charter.sha256.hex())
    assert (answer.code, answer.out.endswith("VALID\n")) == (0, True)
    assert "compare it" in fermata("verify", out).out
    again = fermata("bundle", "--config", run.config("auditor-1"), out)
    assert (again.code, again.error.endswith("[FILE_EXISTS]")) == (2, True)
    other = fermata("bundle", "--config", run.config(COORDINATOR), tmp_path / "other")
    assert other.code == 0, other.err


def test_a_lab_exports_a_public_bundle_without_any_ciphertext_of_a_lab(run, tmp_path):
    out = tmp_path / "public"
    answer = fermata("bundle", "--config", run.config("lab-1"), out, "--public")
    assert answer.code == 0, answer.err
    assert not (out / "sealed").exists()
    verified = fermata("verify", out)
    assert verified.code == 0, verified.out
    assert "public bundle" in verified.out
    assert "V7    --" in verified.out
    assert [line.split()[0] for line in verified.out.splitlines() if line.startswith("V")][:12] == [
        f"V{number}" for number in range(1, 13)
    ]
    assert "V11   --   sealed checks, of which this version has none" in verified.out
    (out / "sealed").mkdir()
    (out / "sealed" / ("0" * 64 + ".bin")).write_bytes(b"x")
    assert fermata("verify", out).code == 1


@pytest.mark.parametrize("party", LABS)
def test_a_lab_is_told_to_export_a_public_bundle_before_any_call(
    site, tmp_path, monkeypatch, party
):
    def fail(*arguments):
        raise AssertionError("a call was made")

    monkeypatch.setattr(log_commands, "connect", fail)
    out = tmp_path / "bundle"
    answer = fermata("bundle", "--config", site.write_config(party, "127.0.0.1:1"), out)
    assert (answer.code, answer.error.endswith("[WRONG_ROLE]")) == (5, True)
    assert "use --public" in answer.error
    assert not out.exists()


def test_no_bundle_is_made_without_the_auditors(site, tmp_path):
    with site.coordinator():
        words = ("bundle", "--config", site.config(COORDINATOR), tmp_path / "bundle")
        answer = fermata(*words, "--wait-s", "0")
    assert (answer.code, answer.error.endswith("[NOT_COSIGNED]")) == (6, True)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("command", ["log show", "status", "bundle"])
def test_a_log_that_is_away_is_one_line(site, tmp_path, command):
    site.write_config("lab-1", "127.0.0.1:1")
    words = [*command.split(), "--config", site.config("lab-1")]
    words += [tmp_path / "bundle", "--public"] if command == "bundle" else []
    answer = fermata(*words)
    assert (answer.code, answer.error.endswith("[UNREACHABLE]")) == (6, True)
    assert answer.err.count("\n") == 1
    assert answer.out == ""


def test_a_log_of_another_charter_is_not_shown(site):
    path = site.node("lab-1") / "charter.toml"
    path.write_text(path.read_text() + "# another\n")
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        for words in (("log", "show"), ("status",)):
            answer = fermata(*words, "--config", site.config("lab-1"))
            assert (answer.code, answer.error.endswith("[CHARTER_HASH]")) == (2, True)


@pytest.fixture(scope="module")
def small_bundle(tmp_path_factory):
    """A bundle of a deployment with a key too small for real use, and its charter's hash."""
    made = Run(make_deployment(last="2025Q3"))
    made.until_quiet()
    replica = Replica(made.charter, MemoryStore(), MODULUS_BITS_MIN)
    log = made.log_of("auditor-1")
    pull_witnessed(replica, log, 0, lambda: 0, lambda seconds: None)
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    write_bundle(folder, export_bundle(replica, log))
    return folder


def test_a_bundle_with_a_toy_key_is_invalid(small_bundle):
    answer = fermata("verify", small_bundle, "--json")
    assert answer.code == 1
    told = json.loads(answer.out)
    assert told["valid"] is False
    assert any(c["status"] == "failed" and c["findings"] for c in told["checks"])


def test_exit_code_1_names_the_check_that_failed(run, tmp_path):
    out = tmp_path / "bundle"
    assert fermata("bundle", "--config", run.config("auditor-1"), out).code == 0
    sealed = next((out / "sealed").iterdir())
    sealed.write_bytes(sealed.read_bytes()[:-1] + b"\0")
    answer = fermata("verify", out)
    assert answer.code == 1
    assert "V6  FAILED" in answer.out
    assert answer.out.endswith("INVALID\n")
    answer = fermata("verify", out, "--charter-hash", "ab" * 32)
    assert (answer.code, "V1  FAILED" in answer.out) == (1, True)


def test_exit_code_2_is_for_what_is_no_bundle(tmp_path, small_bundle):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for path in ("none", "file", "empty"):
        answer = fermata("verify", tmp_path / path)
        assert (answer.code, answer.error.endswith("[BUNDLE]")) == (2, True)
    for text in ("", "xy", "ab" * 31, "ab" * 33):
        answer = fermata("verify", small_bundle, "--charter-hash", text)
        assert (answer.code, answer.error.endswith("[CHARTER_HASH]")) == (2, True)
    assert fermata("verify").error.endswith("[USAGE]")
    assert fermata("verify").code == 2


def test_exit_code_3_is_for_a_fault_of_the_verifier(small_bundle, monkeypatch):
    def fail(*arguments, **more):
        raise KeyError("a secret text")

    monkeypatch.setattr("fermata.cli.read.log.verify_bundle", fail)
    answer = fermata("verify", small_bundle)
    assert answer.code == 3
    assert "KeyError at test_log.py" in answer.err
    assert "a secret text" not in answer.err
    assert answer.out == ""


def test_junk_in_a_bundle_is_a_verdict_or_a_usage_error(tmp_path, small_bundle):
    for k, name in enumerate(("checkpoint", "charter.toml", "tile/0/000")):
        folder = tmp_path / str(k)
        shutil.copytree(small_bundle, folder)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"\xff\x1b[31mjunk")
        answer = fermata("verify", folder)
        assert answer.code == 1
        assert "\x1b" not in answer.out + answer.err


def replicated(run, monkeypatch):
    """What a command makes of the log of the successor that leads."""
    log = run.writers["successor-1"].as_caller(Role.LAB, "lab-1")

    @contextlib.contextmanager
    def checked_log(config):
        yield log, Replica(run.charter, MemoryStore(), MODULUS_BITS_MIN)

    monkeypatch.setattr(log_commands, "checked_log", checked_log)
    monkeypatch.setattr(log_commands, "MODULUS_BITS_MIN", MODULUS_BITS_MIN)
    return log_commands.replicate(SimpleNamespace(genesis=run.charter, roster=run.charter))


def test_a_log_of_a_later_view_is_read_once_a_quorum_goes_on_with_it(monkeypatch):
    run = SuccessionRun()
    run.turn(3)
    run.down.add(COORDINATOR)
    run.turn(SUCCESSION_MS // STEP_MS + 2)
    run.take_over("successor-1", 1)
    with pytest.raises(
        TransportError, match="no quorum of auditors has cosigned its Handover"
    ) as e:
        replicated(run, monkeypatch)
    assert e.value.reason == "NOT_COSIGNED"
    run.turn(6, 1000)
    replica, verdicts = replicated(run, monkeypatch)
    assert (replica.state.view, len(verdicts)) == (1, replica.tree.size)
