"""``fermata log|status|bundle|verify``: what anyone can see and check, with exit codes."""

import json
import shutil
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fermata.cli.read import log as log_commands
from fermata.cli.read import status
from fermata.cli.read.status import LATE_MS, health, health_document, health_text
from fermata.memory_store import MemoryStore
from fermata.node.config import load_config
from fermata.node.run.participant import run_participant
from fermata.node.storage.bundles import export_bundle, pull_cosigned_head, write_bundle
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.witness import Witnessed
from fermata.protocol.state.state import HeartbeatSeen
from fermata.summary.words import CERTIFICATE_WARN_MS
from harness.chains import MODULUS_BITS_MIN, Run, chain_at, make_deployment
from harness.nodes import AUDITORS, COORDINATOR, LABS, Site, fermata, lay_out

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    site = lay_out(tmp_path_factory.mktemp("log") / "site")
    site.deal()
    return site


@pytest.fixture
def site(template, tmp_path):
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site")


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
    assert answer.out.splitlines()[0].split() == ["entry", "statement", "author", "verdict"]
    told = json.loads(fermata("log", "show", "--config", run.config("lab-1"), "--json").out)
    kinds = {entry["statement"] for entry in told}
    assert {"Charter", "KeyRecord", "OpenRound", "Report", "CloseRound", "Endorsement"} <= kinds
    assert {entry["verdict"] for entry in told} == {"accepted"}


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
    note = pull_cosigned_head(replica, log, 0, lambda: 0, lambda seconds: None)
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    write_bundle(folder, export_bundle(replica, log, note, lambda done: None))
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


def state_at(stage):
    return chain_at(stage).state


def beats(state, now_ms, **changes):
    """The same state with a heartbeat of everybody."""
    fields = {
        "entry": 1,
        "seen": 0,
        "logged_ms": now_ms,
        "time_ms": now_ms,
        "version": "1",
        "backlog": 0,
    }
    fields |= {"certificate_expires_ms": now_ms + 30 * 24 * HOUR_MS} | changes
    beat = HeartbeatSeen(**fields)
    return replace(state, heartbeats=dict.fromkeys(state.charter.parties, beat))


@pytest.mark.parametrize("stage", ["collecting", "closed", "endorsed", "opened"])
def test_a_round_in_time_is_healthy_and_one_past_its_deadline_is_not(stage):
    state = state_at(stage)
    deadline_ms = state.rounds[0].deadline_ms
    in_time = health(beats(state, deadline_ms), deadline_ms, HOUR_MS)
    assert in_time.problems == ()
    late_ms = deadline_ms + LATE_MS + 1
    late = health(beats(state, late_ms), late_ms, HOUR_MS)
    assert bool(late.problems) == (stage != "opened")
    if stage != "opened":
        assert "past its deadline, waits for" in late.problems[0][1]


def test_a_round_says_for_whom_it_waits():
    for stage, who in (("collecting", "lab-1"), ("closed", "auditor-1"), ("endorsed", "auditor-1")):
        state = state_at(stage)
        found = health(beats(state, state.time_ms), state.time_ms, HOUR_MS)
        assert who in health_document(found)["rounds"][0]["waits_for"]
        assert f"waits for {who}" in health_text(found)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"logged_ms": 0}, "not seen for"),
        ({"certificate_expires_ms": 1}, "its certificate has ended"),
        ({"certificate_expires_ms": CERTIFICATE_WARN_MS}, "within three days"),
    ],
)
def test_a_node_that_needs_a_look_is_named(changes, what):
    state = state_at("opened")
    now_ms = state.time_ms
    if "certificate_expires_ms" in changes and changes["certificate_expires_ms"] > 1:
        changes = {"certificate_expires_ms": now_ms + CERTIFICATE_WARN_MS - 1}
    problems = health(beats(state, now_ms, **changes), now_ms, HOUR_MS).problems
    assert {who for who, _ in problems} == set(state.charter.parties)
    assert all(what in said for _, said in problems)


def test_a_clock_that_is_off_the_logs_is_named_and_shown():
    state = state_at("opened")
    now_ms = state.time_ms
    right, wrong = beats(state, now_ms), beats(state, now_ms, time_ms=now_ms + 90_000)
    mixed = {**right.heartbeats, "lab-2": wrong.heartbeats["lab-2"]}
    found = health(replace(state, heartbeats=mixed), now_ms, HOUR_MS)
    assert found.problems == (("lab-2", "its clock is +90 s off the log's"),)
    offsets = {n["node"]: n["clock_offset_s"] for n in health_document(found)["nodes"]}
    assert offsets["lab-2"] == 90.0
    assert "+90.0 s" in health_text(found)


def test_when_all_others_differ_from_the_coordinator_its_clock_alone_is_named():
    state = state_at("opened")
    now_ms = state.time_ms
    found = health(beats(state, now_ms, time_ms=now_ms - 330_000), now_ms, HOUR_MS)
    assert found.problems == ((COORDINATOR, "its clock is +330 s off most nodes'"),)


@pytest.mark.parametrize(
    ("stage", "coordinator", "auditor", "lab"),
    [
        ("keyed", None, None, None),
        ("collecting", "collecting", "not yet", "not yet"),
        ("closed", "closed", "not yet", "reported"),
        ("endorsed", "endorsed", "endorsed", "reported"),
        ("opened", "opened", "opened", "reported"),
    ],
)
def test_every_node_shows_what_it_has_done_in_the_newest_round(stage, coordinator, auditor, lab):
    state = state_at(stage)
    found = health(beats(state, state.time_ms), state.time_ms, HOUR_MS)
    done = {n["node"]: n["newest_round"] for n in health_document(found)["nodes"]}
    assert (done[COORDINATOR], done["auditor-1"], done["lab-1"]) == (coordinator, auditor, lab)
    if auditor is not None:
        assert auditor in health_text(found)


def test_a_node_that_was_never_seen_and_a_key_that_is_missing_are_named():
    chain = chain_at("empty")
    chain.put_ok(chain.deployment.charter_envelope)
    problems = health(chain.state, chain.time_ms, HOUR_MS).problems
    assert [what for _, what in problems][:10] == ["was never seen"] * 10
    assert problems[-1] == (COORDINATOR, "the log has no key record yet")
    assert "no round yet" in health_text(health(chain.state, chain.time_ms, HOUR_MS))


def with_committee(excluded=()):
    """A round that is over in a deployment with a committee; only nodes that must run have beaten.

    The members never do, and these labs are excluded and gone.
    """
    state = chain_at("opened", members="abc").state
    governance = replace(state.governance, exclusions=dict.fromkeys(excluded, 2))
    beating = beats(replace(state, governance=governance), state.time_ms)
    parties = state.charter.parties.values()
    runs = {p.id for p in parties if p.role != "member"} - set(excluded)
    assert len(runs) == len(parties) - 3 - len(excluded)
    return replace(beating, heartbeats={p: b for p, b in beating.heartbeats.items() if p in runs})


@pytest.mark.parametrize("excluded", [(), ("lab-6",), ("lab-1", "lab-6")])
def test_who_needs_no_node_is_not_missed(excluded):
    state = with_committee(excluded)
    found = health(state, state.time_ms, HOUR_MS)
    assert found.problems == ()
    assert {node.party: node.done for node in found.nodes}["member-1"] is None


@pytest.mark.parametrize("role", ["coordinator", "auditor", "lab"])
def test_with_a_committee_every_node_that_must_run_is_missed(role):
    state = with_committee()
    gone = next(p.id for p in state.charter.parties.values() if p.role == role)
    left = {p: b for p, b in state.heartbeats.items() if p != gone}
    found = health(replace(state, heartbeats=left), state.time_ms, HOUR_MS)
    assert found.problems == ((gone, "was never seen"),)


def test_status_ends_with_0_when_all_is_well_with_a_committee(site, monkeypatch):
    state = with_committee()
    replica = SimpleNamespace(state=state, charter=state.charter, tree=SimpleNamespace(size=5))
    view = replica, Witnessed(5, state.charter.endorsement_quorum, {})
    monkeypatch.setattr(status, "view_of_log", lambda config: view)
    monkeypatch.setattr(status, "clock_ms", lambda: state.time_ms)
    answer = fermata("status", "--config", site.write_config(COORDINATOR, "127.0.0.1:1"))
    assert (answer.code, answer.err) == (0, ""), answer.out
    assert "member-1" in answer.out


def test_status_ends_with_1_when_something_needs_a_look(site):
    with site.coordinator():
        answer = fermata("status", "--config", site.config(COORDINATOR))
    assert answer.code == 1
    assert "! lab-1: was never seen" in answer.out
    assert answer.err == ""
