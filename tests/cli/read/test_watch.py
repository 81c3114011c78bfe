"""``fermata watch``, and the pause in ``fermata status``: from the log, line by line."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from fermata.cli.read import watch as watch_module
from fermata.cli.read.status import health, health_document, health_text
from fermata.cli.read.watch import Watcher
from fermata.errors import InvalidProof, TransportError
from fermata.node.config import load_config
from fermata.node.hook.notice import idempotency_key, open_notice
from fermata.node.run.loop import Wake
from fermata.node.run.participant import run_participant
from fermata.protocol.charter.periods import utc_text
from harness.governed import Growing, governed_chain
from harness.nodes import AUDITORS, COORDINATOR, LABS, WAIT_S, fermata, lay_out, until
from harness.pauses import copy_of, late_run, lifted_run, pause_run

#: Round 1 of the tests' labs adds up to 1.875, round 2 to 1.5.
PAUSE = """
[[rule]]
id = "high"
kind = "level"
metric = "score"
statistic = "sum"
at_least = "1.8"

[[rule]]
id = "low"
kind = "level"
metric = "score"
statistic = "sum"
below = "1.6"

[pause]
triggers = ["high"]
lift = "low"
lift_rounds = 3
acknowledge_s = 3600
acknowledge_share = "2/3"
open_within_s = 3600
settle_within_s = 3600
silence_s = 3600
fail_safe = "none"
"""
#: Fails at its first call, then keeps what it gets, in the order in which it comes.
PROGRAM = """#!{python}
import os, sys
folder = {folder!r}
calls = len(os.listdir(folder))
with open(f"{{folder}}/{{calls:03}}-" + os.environ["FERMATA_IDEMPOTENCY_KEY"], "w") as file:
    file.write(sys.stdin.read())
sys.exit(0 if calls else 1)
"""


@pytest.fixture
def clock(monkeypatch):
    """The time by which the command says what is late."""
    now = [0]
    monkeypatch.setattr(watch_module, "clock_ms", lambda: now[0])
    return now


@pytest.fixture
def run():
    return pause_run()


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_the_pause_is_shown_as_it_is_now(run, clock, capsys):
    watcher = Watcher(copy_of(run), run.log_of("lab-1"), False)
    watcher.tell_state()
    first, *rules = lines(capsys)
    assert first.startswith("pause: paused since 2036-01-01T")
    assert first.endswith("labs hold")
    assert rules == [
        "  rule hot, round 1: holds, 120 against 100",
        "  rule calm, round 1: does not hold, 120 against 60",
        "  the lift waits for newer figures of lab-1, lab-2, lab-3, lab-4",
    ]


def test_every_change_is_shown_as_it_comes_and_once(run, clock, capsys):
    replica = copy_of(run, size=run.state.pause.changes[0].entry)
    watcher = Watcher(replica, run.log_of("lab-1"), False)
    watcher.tell_state()
    assert lines(capsys) == ["pause: running, labs may go on"]
    watcher.look(Wake())
    shown = [line.partition(" ")[2] for line in lines(capsys)]
    first, second = run.state.pause.changes
    assert shown == [
        f"running -> triggered: rule, round 1 (2025Q3), by hot, entry {first.entry}",
        f"triggered -> paused: acknowledged, round 1 (2025Q3), by hot, entry {second.entry}",
    ]
    watcher.look(Wake())
    assert lines(capsys) == []


@pytest.mark.parametrize("as_json", [False, True])
def test_su2_1_the_end_of_a_pause_is_shown_as_not_settled_until_it_is(clock, capsys, as_json):
    run = lifted_run(successors=1)
    lift = run.state.pause.changes[-1]
    replica = copy_of(run, size=lift.entry + 1)
    assert replica.trusted().pause.phase == "running"
    watcher = Watcher(replica, run.log_of("lab-1"), as_json)
    watcher.tell_state()
    (first, *_) = lines(capsys)
    if as_json:
        told = json.loads(first)
        assert (told["phase"], told["holding"], told["settled"]) == ("running", True, False)
    else:
        assert first.endswith(", not settled yet, labs hold")
    report = health(replica.trusted(), 0, 0)
    assert not report.pause.is_settled
    assert "not settled yet, labs hold" in health_text(report)
    watcher.look(Wake())
    (second,) = lines(capsys)
    if as_json:
        assert json.loads(second) == {"event": "settled", "entry": lift.entry}
    else:
        assert second == f"the end of the pause in entry {lift.entry} is settled: labs may go on"
    watcher.look(Wake())
    assert lines(capsys) == []
    pause = health_document(health(replica.trusted(), 0, 0))["pause"]
    assert (pause["phase"], pause["holding"], pause["settled"]) == ("running", False, True)


def test_su2_1_a_watch_says_that_the_end_which_it_has_just_shown_is_not_settled(clock, capsys):
    run = lifted_run(successors=1)
    *_, before, lift = run.state.pause.changes
    away = run.log_of("lab-1")
    away.checkpoint = unreachable
    watcher = Watcher(copy_of(run, size=lift.entry), away, False)
    # Its copy has grown by the one entry.
    watcher._replica = copy_of(run, size=lift.entry + 1)
    watcher.look(Wake())
    change, told = lines(capsys)
    assert f"{before.after} -> running" in change
    assert told == f"the end of the pause in entry {lift.entry} is not settled yet: labs hold"


def test_json_is_one_object_a_line(run, clock, capsys):
    replica = copy_of(run, size=run.state.pause.changes[0].entry)
    watcher = Watcher(replica, run.log_of("lab-1"), True)
    watcher.tell_state()
    watcher.look(Wake())
    state, first, second = map(json.loads, lines(capsys))
    assert (state["event"], state["phase"], state["holding"]) == ("state", "running", False)
    assert (first["event"], first["index"], first["after"]) == ("change", 0, "triggered")
    assert (second["event"], second["index"], second["why"]) == ("change", 1, "acknowledged")


def deadline_ms(state):
    """Until when the labs of a state must acknowledge its first change."""
    return state.clock.due_ms(state.pause.changes[0].deadline)


def test_what_is_late_is_shown_when_it_becomes_so_and_when_it_is_over(clock, capsys):
    run, size = late_run()
    replica = copy_of(run, size=size)
    clock[0] = deadline_ms(replica.state)
    away = run.log_of("lab-1")
    away.checkpoint = unreachable
    watcher = Watcher(replica, away, False)
    for _ in range(2):
        watcher.look(Wake())
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 1
    assert told.out.startswith("! overdue: unacknowledged since 2036-01-01T")
    assert told.err.count("the log cannot be reached") == 1
    del away.checkpoint
    watcher.look(Wake())
    assert lines(capsys)[-1] == "no longer overdue: unacknowledged"


def unreachable():
    raise TransportError("UNREACHABLE", "log: no answer")


def test_a_log_that_breaks_its_promises_ends_the_watch(run, clock):
    log = run.log_of("lab-1")
    leaves = run.leaves()
    log.read = lambda start, count_max: [leaves[0]] * count_max
    with pytest.raises(InvalidProof, match="contradicts what it showed"):
        Watcher(copy_of(run, size=2), log, False).look(Wake())


def test_status_shows_the_pause_its_rules_and_who_has_not_acknowledged(run):
    state = copy_of(run, size=run.state.pause.changes[0].entry + 2).state
    assert deadline_ms(state) is None
    found = health(state, state.time_ms, 10**12)
    pause = health_document(found)["pause"]
    assert (pause["phase"], pause["holding"], pause["overdue"]) == ("triggered", True, [])
    assert pause["missing"] == [lab for lab in state.charter.labs if lab in pause["missing"]]
    assert len(pause["missing"]) == 3
    # Too few auditors have told that they saw the change: it is this or later.
    by = utc_text(state.pause.changes[0].time_ms + 600_000)
    assert pause["acknowledge_by"] == by
    assert [(r["rule"], r["holds"]) for r in pause["rules"]] == [("hot", True), ("calm", False)]
    text = health_text(found)
    assert "pause: triggered since" in text
    assert f"  not acknowledged by {', '.join(pause['missing'])}; due {by}" in text
    assert "overdue" not in text


def test_status_shows_until_when_to_acknowledge_once_the_auditors_have_told():
    run, size = late_run()
    state = copy_of(run, size=size).state
    found = health(state, state.time_ms, 10**12)
    by = health_document(found)["pause"]["acknowledge_by"]
    assert by == utc_text(deadline_ms(state))
    assert f"  not acknowledged by lab-1, lab-2, lab-3, lab-4; due {by}" in health_text(found)


def test_status_counts_what_is_overdue_as_a_problem():
    run, size = late_run()
    state = copy_of(run, size=size).state
    found = health(state, deadline_ms(state), 10**12)
    document = health_document(found)
    assert [o["what"] for o in document["pause"]["overdue"]] == ["unacknowledged"]
    (problem,) = (p for p in document["problems"] if p["who"] == "overdue")
    assert "not acknowledged by lab-1, lab-2, lab-3, lab-4" in problem["what"]
    assert f"! overdue: {problem['what']}" in health_text(found)


def committee_watcher(as_json=False):
    """A watch of a log in which the exclusion of a lab has just been filed."""
    motions = governed_chain().state.governance.motions.values()
    exclusion = next(m for m in motions if m.kind == "exclusion")
    growing = Growing(governed_chain(), exclusion.entry + 1)
    return growing, Watcher(growing.replica, growing.log, as_json), exclusion


def test_what_is_before_the_committee_is_shown_as_it_is_now(clock, capsys):
    _, watcher, exclusion = committee_watcher()
    watcher.tell_state()
    first, *rest = lines(capsys)
    assert first == "committee: member-1 has the chair"
    assert any(
        line.startswith(f"  exclusion of entry {exclusion.entry}: exclude lab-3 from round 2; ")
        for line in rest
    )
    _, watcher, exclusion = committee_watcher(as_json=True)
    watcher.tell_state()
    (state,) = map(json.loads, lines(capsys))
    (row,) = (m for m in state["governance"]["motions"] if m["kind"] == "exclusion")
    assert (row["entry"], row["status"], row["needed"]) == (exclusion.entry, "open", 3)


def test_every_step_of_a_motion_is_shown_as_it_comes_and_once(clock, capsys):
    growing, watcher, exclusion = committee_watcher()
    growing.log.size = growing.log.witnessed = len(governed_chain().leaves)
    watcher.look(Wake())
    shown = [line.partition(" ")[2] for line in lines(capsys) if line.startswith("20")]
    names = [line.partition(",")[0] for line in shown]
    assert names[0] == "motion_decided"
    assert {"ruling_final", "lab_excluded", "amendment_in_force"} <= {*names}
    texts = [line.partition(": ")[2] for line in shown]
    assert f"lab-3 is excluded from round 2 on, by the motion of entry {exclusion.entry}" in texts
    watcher.look(Wake())
    assert lines(capsys) == []


def test_what_an_amendment_changes_stands_under_it_and_in_the_json(clock, capsys):
    for as_json in (False, True):
        growing, watcher, _ = committee_watcher(as_json)
        growing.log.size = growing.log.witnessed = len(governed_chain().leaves)
        watcher.look(Wake())
        told = lines(capsys)
        if as_json:
            last = json.loads(told[-1])
            assert last["event"] == "amendment_in_force"
            assert last["changes"][0] == {
                "text": "cohort_min 3 -> 4: stricter",
                "labs": [],
                "free": True,
            }
        else:
            assert told[-2:] == [
                "    cohort_min 3 -> 4: stricter",
                "    title 'For tests' -> 'Amended'",
            ]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    site = lay_out(tmp_path_factory.mktemp("watch") / "site", extra=PAUSE)
    site.deal()
    return site


def test_a_charter_without_a_pause_is_not_watched(tmp_path):
    site = lay_out(tmp_path / "site")
    with site.coordinator() as address:
        answer = fermata("watch", "--config", site.write_config("lab-1", address))
    assert (answer.code, answer.error.endswith("[NO_PAUSE]")) == (2, True)


def test_a_pause_comes_to_the_hook_the_watch_and_the_status_of_a_running_deployment(site, tmp_path):
    calls, program = tmp_path / "calls", tmp_path / "hook"
    calls.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(calls)))
    program.chmod(0o700)
    ending = threading.Event()
    threads = []
    with site.coordinator() as address:
        for party in (*AUDITORS, *LABS):
            command = {"lab-1": program, "lab-2": "/bin/false"}.get(party)
            hook = f'\n[hook]\ncommand = ["{command}"]\n' if command else ""
            config = load_config(site.write_config(party, address, hook))
            threads.append(
                threading.Thread(target=run_participant, args=(config, lambda _: ending.is_set()))
            )
        words = ["watch", "--config", str(site.config("lab-3")), "--json"]
        watch = subprocess.Popen(
            [sys.executable, "-m", "fermata.cli.main", *words], stdout=subprocess.PIPE, text=True
        )
        try:
            assert json.loads(watch.stdout.readline())["phase"] == "running"
            for thread in threads:
                thread.start()
            seen = [json.loads(watch.stdout.readline()) for _ in range(2)]
            until(lambda: len(site.events("lab-1", "hook_taken")) >= 2)
            watch.send_signal(signal.SIGTERM)
            assert watch.wait(WAIT_S) == 0
        finally:
            ending.set()
            watch.kill()
            watch.communicate()
            for thread in threads:
                thread.join()
        # Neither its node nor this command speaks for a lab whose hook has taken nothing.
        fermata("lab", "report", "--config", site.config("lab-2"), "--wait-s", "0")
        status = fermata("status", "--config", site.config("lab-3"), "--json")
    assert [(c["event"], c["why"], c["rules"]) for c in seen] == [
        ("change", "rule", ["high"]),
        ("change", "acknowledged", ["high"]),
    ]
    pause = json.loads(status.out)["pause"]
    assert (pause["holding"], pause["missing"]) == (True, ["lab-2"])
    # The lab's first word came only after its hook had taken the change, at the second try.
    told = sorted(calls.iterdir())[:3]
    keys = [idempotency_key(site.charter.sha256, index) for index in (0, 0, 1)]
    assert [file.name[4:] for file in told] == keys
    notices = [open_notice(file.read_bytes(), site.charter) for file in told]
    assert [n.change.after for n in notices] == ["triggered", "triggered", "paused"]
    assert [n.node for n in notices] == ["lab-1"] * 3
    assert site.events(COORDINATOR, "stopped")
