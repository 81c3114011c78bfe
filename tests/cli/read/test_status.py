"""``fermata status``: the health of nodes and rounds and the log's time, and what needs a look."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from fermata.cli.read import status
from fermata.cli.read.status import (
    LATE_MS,
    consent_problems,
    governance_problems,
    health,
    health_document,
    health_text,
    newest_rounds,
    witness_problems,
)
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.roles.witness import Witnessed
from fermata.protocol.state.heartbeats import HeartbeatSeen
from fermata.summary.words import CERTIFICATE_WARN_MS, lab_answer
from fermata.types import Role
from fermata.wire.v1 import statement_pb2
from harness.chains import chain_at
from harness.governed import governed_chain, states
from harness.nodes import COORDINATOR, fermata
from harness.protocol.heartbeats import log

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
#: Those of ``chain_at``.
AUDITORS_OF_CHAIN = ("auditor-1", "auditor-2", "auditor-3")


def state_at(stage):
    return chain_at(stage).state


def beats(state, now_ms, **changes):
    """The same state with a heartbeat of everybody."""
    fields = {
        "entry": 1,
        "count": 1,
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
    deadline_ms = state.clock.due_ms(state.rounds[0].deadline)
    in_time = health(beats(state, deadline_ms), deadline_ms, DAY_MS)
    assert in_time.problems == ()
    late_ms = deadline_ms + LATE_MS + 1
    late = health(beats(state, late_ms), late_ms, DAY_MS)
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
        ({"logged_ms": 1}, "not seen for"),
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


@pytest.mark.parametrize("off_s", [90, -90])
def test_a_clock_that_is_off_the_auditors_is_named_and_shown(off_s):
    """The log's time may be as old as the time between two heartbeats, which proves nothing."""
    state = state_at("opened")
    now_ms = state.time_ms
    ahead_s = state.charter.heartbeat_s + off_s if off_s > 0 else off_s
    right, wrong = beats(state, now_ms), beats(state, now_ms, time_ms=now_ms + 1000 * ahead_s)
    mixed = {**right.heartbeats, "lab-2": wrong.heartbeats["lab-2"]}
    found = health(replace(state, heartbeats=mixed), now_ms, HOUR_MS)
    assert found.problems == (("lab-2", f"its clock is {off_s:+} s off the auditors'"),)
    offsets = {n["node"]: n["clock_offset_s"] for n in health_document(found)["nodes"]}
    assert offsets["lab-2"] == off_s
    assert f"{off_s:+}.0 s" in health_text(found)


def test_when_the_logs_time_lags_the_clock_that_is_behind_is_named_and_nobody_elses():
    """Two of three auditors are up, so the log's time goes by the one that is ten days behind."""
    state = state_at("opened")
    now_ms, told_ms = state.time_ms + 10 * DAY_MS, state.time_ms
    right = beats(state, now_ms, logged_ms=told_ms, time_ms=now_ms).heartbeats
    late = beats(state, told_ms).heartbeats["auditor-2"]
    without = {party: beat for party, beat in right.items() if party != "auditor-3"}
    found = health(replace(state, heartbeats=without | {"auditor-2": late}), now_ms, 30 * DAY_MS)
    off_s = 2 * state.charter.heartbeat_s - 10 * DAY_MS // 1000
    clocks = [(who, what) for who, what in found.problems if "clock" in what]
    assert clocks == [("auditor-2", f"its clock is {off_s:+} s off those of most nodes")]
    gone = {n["node"]: n["clock_offset_s"] for n in health_document(found)["nodes"]}
    assert {gone[party] for party in without if party != "auditor-2"} == {0.0}


@pytest.mark.parametrize("behind_s", [29, 31])
def test_a_reader_whose_clock_is_behind_is_told_so_and_nobody_else_is_blamed(behind_s):
    state = state_at("opened")
    now_ms = state.time_ms - 1000 * behind_s
    found = health(beats(state, state.time_ms), now_ms, HOUR_MS)
    own = "its clock is at least 31 s behind the log's time, which the auditors tell; set it"
    assert found.problems == ((("this machine", own),) if behind_s > 30 else ())


def test_a_reader_whose_clock_is_ahead_does_not_call_every_node_silent():
    state = state_at("opened")
    found = health(beats(state, state.time_ms), state.time_ms + 5 * HOUR_MS, HOUR_MS)
    assert [who for who, _ in found.problems] == ["log"]
    assert "this machine's clock, which is to be set if it is ahead" in found.problems[0][1]


def log_troubles(found):
    return [what for who, what in found.problems if who == "log"]


def without_time():
    """A log with its charter and its key, in which no auditor has spoken."""
    chain = chain_at("empty")
    for envelope in (chain.deployment.charter_envelope, chain.deployment.key_envelope):
        log(chain, envelope)
    return chain


def test_status_says_that_there_is_no_time_yet_and_for_whom_it_waits():
    """Two of three auditors must tell it."""
    chain = without_time()
    found = health(chain.state, chain.time_ms, HOUR_MS)
    everyone = "has no time yet; it waits for heartbeats of auditor-1, auditor-2, auditor-3"
    assert log_troubles(found) == [f"{everyone} (2 of these are enough)"]
    assert "\nthe log has no time yet\n" in health_text(found)
    assert health_document(found)["log_time"] == {
        "time": None,
        "waits_for": list(AUDITORS_OF_CHAIN),
    }
    chain.beat("auditor-1")
    found = health(chain.state, chain.time_ms, HOUR_MS)
    others = "has no time yet; it waits for heartbeats of auditor-2, auditor-3"
    assert log_troubles(found) == [f"{others} (1 of these is enough)"]
    chain.beat("auditor-3")
    found = health(chain.state, chain.time_ms + 2000, HOUR_MS)
    assert log_troubles(found) == []
    now = utc_text(chain.time_ms)
    assert health_document(found)["log_time"] == {"time": now, "waits_for": []}
    assert f"\nthe log's time: {now}, 2 s ago\n" in health_text(found)


def test_a_node_that_was_seen_before_there_was_a_time_is_not_called_silent():
    chain = without_time()
    chain.beat("lab-1")
    found = health(chain.state, chain.time_ms, HOUR_MS)
    (node,) = (n for n in health_document(found)["nodes"] if n["node"] == "lab-1")
    assert (node["version"], node["last_seen"], node["last_seen_s"]) == ("", None, None)
    assert "lab-1      lab                   a time not told yet" in health_text(found)
    assert not any("not seen" in what for _, what in found.problems)
    for auditor in AUDITORS_OF_CHAIN:
        chain.beat(auditor)
    # From then on it was seen when the auditors had seen its heartbeat.
    first_ms = chain.time_ms
    for auditor in AUDITORS_OF_CHAIN:
        chain.beat(auditor, first_ms + HOUR_MS + 2000)
    found = health(chain.state, first_ms + HOUR_MS + 2000, HOUR_MS)
    (node,) = (n for n in health_document(found)["nodes"] if n["node"] == "lab-1")
    assert node["last_seen"] == utc_text(first_ms)
    assert ("lab-1", "not seen for 3602 s") in found.problems


def test_a_node_whose_heartbeat_no_auditor_had_seen_yet_was_seen_by_the_first_time():
    """The auditors signed theirs before it was logged, and nothing makes them sign again soon."""
    chain = without_time()
    signed = [chain.seal(chain.beat_statement(auditor)) for auditor in AUDITORS_OF_CHAIN]
    for envelope in (chain.seal(chain.beat_statement("lab-1")), *signed):
        log(chain, envelope)
    assert chain.state.clock.start_ms(chain.state.heartbeats["lab-1"].entry) is None
    found = health(chain.state, chain.time_ms, HOUR_MS)
    (node,) = (n for n in health_document(found)["nodes"] if n["node"] == "lab-1")
    assert node["last_seen"] == utc_text(chain.state.time_ms)


def test_status_says_when_the_logs_time_stands_still_and_for_whom_it_waits():
    chain = chain_at("opened")
    told_ms = chain.state.time_ms
    assert log_troubles(health(chain.state, told_ms + HOUR_MS, HOUR_MS)) == []
    now_ms = told_ms + HOUR_MS + 60_000
    found = health(chain.state, now_ms, HOUR_MS)
    still = "its time has stood still for 1 h 1 min"
    own = "by this machine's clock, which is to be set if it is ahead"
    everyone = ", ".join(AUDITORS_OF_CHAIN)
    waits = f"it waits for heartbeats of {everyone} (2 of these are enough)"
    assert log_troubles(found) == [f"{still} {own}; {waits}"]
    # Heartbeats are dated by the log's time, so nothing says that anybody else is silent.
    assert not any("not seen" in what for _, what in found.problems)
    assert health_document(found)["log_time"] == {
        "time": utc_text(told_ms),
        "waits_for": list(AUDITORS_OF_CHAIN),
    }
    chain.beat("auditor-2", now_ms)
    found = health(chain.state, now_ms, HOUR_MS)
    waits = "it waits for heartbeats of auditor-1, auditor-3 (1 of these is enough)"
    assert log_troubles(found) == [f"{still}; {waits}"]
    chain.beat("auditor-1", now_ms)
    assert log_troubles(health(chain.state, now_ms, HOUR_MS)) == []


def test_a_deadline_that_the_auditors_have_not_told_yet_is_shown_as_such():
    chain = chain_at("keyed")
    log(chain, chain.seal(chain.open_round_statement()))
    found = health(chain.state, chain.time_ms, HOUR_MS)
    assert health_document(found)["rounds"][0]["deadline"] is None
    assert "0 abstained, until a time not told yet, waits for lab-1" in health_text(found)
    chain.tell()
    by = utc_text(chain.deadline_ms)
    found = health(chain.state, chain.time_ms, HOUR_MS)
    assert health_document(found)["rounds"][0]["deadline"] == by
    assert f"0 abstained, until {by}, waits for lab-1" in health_text(found)


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
    log(chain, chain.deployment.charter_envelope)
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


def test_an_excluded_lab_is_marked():
    found = health(with_committee(("lab-6",)), state_at("opened").time_ms, HOUR_MS)
    marked = {n["node"]: n["excluded_from"] for n in health_document(found)["nodes"]}
    assert {node: number for node, number in marked.items() if number} == {"lab-6": 2}
    (line,) = [line for line in health_text(found).splitlines() if line.startswith("lab-6 ")]
    assert line.endswith("excluded from round 2 on")


def test_status_shows_the_newest_rounds_and_those_that_have_not_ended_and_all_if_asked():
    rounds = health(state_at("opened"), 0, HOUR_MS).rounds * 12
    numbered = [replace(r, number=k) for k, r in enumerate(rounds, 1)]
    numbered[1] = replace(numbered[1], state="closed")
    assert [r.number for r in newest_rounds(tuple(numbered))] == [2, *range(5, 13)]
    assert newest_rounds(tuple(numbered[4:])) == tuple(numbered[4:])
    found = health(state_at("opened"), 0, HOUR_MS)
    text = health_text(replace(found, rounds=newest_rounds(tuple(numbered)), rounds_in_all=12))
    assert "\n3 earlier rounds have ended; see them with --all\nround 2 (" in text
    assert "--all" not in health_text(found)


@pytest.mark.parametrize("role", ["coordinator", "auditor", "lab"])
def test_with_a_committee_every_node_that_must_run_is_missed(role):
    state = with_committee()
    gone = next(p.id for p in state.charter.parties.values() if p.role == role)
    left = {p: b for p, b in state.heartbeats.items() if p != gone}
    found = health(replace(state, heartbeats=left), state.time_ms, HOUR_MS)
    assert found.problems == ((gone, "was never seen"),)


def unwitnessed(chain, since_ms):
    """What of a log of which three entries are witnessed needs attention."""
    charter = chain.deployment.charter
    replica = SimpleNamespace(
        state=chain.state, charter=charter, tree=chain.tree, witnessed=Witnessed(3, 2, {})
    )
    return list(witness_problems(replica, since_ms))


def test_an_entry_that_was_there_long_ago_and_is_not_witnessed_needs_a_look():
    chain = chain_at("opened")
    seen_ms = chain.state.clock.start_ms(3)
    waits = f"entry 3 is not witnessed; it waits for {', '.join(AUDITORS_OF_CHAIN)}"
    assert unwitnessed(chain, seen_ms + 1) == [("log", waits)]
    assert unwitnessed(chain, seen_ms) == []


def test_before_there_is_a_time_no_entry_is_called_old():
    chain = without_time()
    for lab in ("lab-1", "lab-2"):
        chain.beat(lab)
    assert unwitnessed(chain, chain.time_ms) == []
    for auditor in AUDITORS_OF_CHAIN:
        chain.beat(auditor)
    assert len(unwitnessed(chain, chain.time_ms + 1)) == 1


def test_status_ends_with_0_when_all_is_well_with_a_committee(site, monkeypatch):
    state = with_committee()
    view = SimpleNamespace(
        state=state,
        charter=state.charter,
        tree=SimpleNamespace(size=5),
        witnessed=Witnessed(5, state.charter.endorsement_quorum, {}),
    )
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


def test_a_close_that_waits_for_a_plea_and_a_starved_lab_are_one_sentence_each():
    chain = chain_at("collecting")
    labs = chain.deployment.charter.labs
    chain.report_all(labs[:-1])
    plea = statement_pb2.Plea(round=1, lab=labs[-1], envelope_sha256=bytes(32))
    chain.pleas["auditor-2"] = [plea]
    chain.pass_deadline()
    until_ms = chain.due_ms(chain.round.plea_limit)
    report = health(chain.state, chain.time_ms, DAY_MS)
    waits = (
        f"auditor-2 had the answer of {labs[-1]} in time, and the log does not have it;"
        f" the close waits for it until {utc_text(until_ms)}"
    )
    assert ("round 1", waits) in report.problems
    assert health_document(report)["rounds"][0]["pleaded"] == {labs[-1]: ["auditor-2"]}
    chain.advance(until_ms)
    chain.close()
    report = health(chain.state, chain.time_ms, DAY_MS)
    starved = f"{labs[-1]} was starved: auditor-2 had its answer, and it was never logged"
    assert ("round 1", starved) in report.problems
    assert health_document(report)["rounds"][0]["starved"] == {labs[-1]: ["auditor-2"]}
    assert lab_answer(report.rounds[0], labs[-1]) == "starved: auditors had its answer"
    # It is news of the newest round alone.
    chain.open_round(chain.time_ms + 100 * DAY_MS)
    assert starved not in [what for _, what in health(chain.state, chain.time_ms, DAY_MS).problems]


def test_a_lab_that_has_not_consented_is_shown_at_its_own_node(tmp_path):
    state = state_at("collecting")
    text = SimpleNamespace(party="lab-1", lab=None)
    replica = SimpleNamespace(state=state, charter=state.charter)

    def problems(role, *pinned):
        first, roster = (SimpleNamespace(sha256=sha256) for sha256 in pinned)
        config = SimpleNamespace(
            text=text, role=role, file="f.toml", data=tmp_path, genesis=first, roster=roster
        )
        return list(consent_problems(config, replica))

    other, own = bytes(32), state.charter.sha256
    ((who, what),) = problems(Role.LAB, other, other)
    assert who == "lab-1"
    assert what.startswith("not consented: ")
    assert what.endswith(f"fermata charter accept {own.hex()} --config f.toml")
    assert problems(Role.LAB, other, own) == problems(Role.AUDITOR, other, other) == []


def governed_health(after=None):
    """The health of a log with a committee, after an entry, or at its end."""
    every = list(states(governed_chain()))
    state = every[-1 if after is None else after]
    return health(state, state.time_ms, 10**12)


def test_status_shows_the_charter_in_force_and_what_is_before_the_committee():
    motions = governed_chain().state.governance.motions.values()
    exclusion = next(m for m in motions if m.kind == "exclusion")
    found = governed_health(exclusion.decided_entry)
    told = health_document(found)
    assert told["charter"]["from_round"] == 1
    assert [m["entry"] for m in told["governance"]["motions"]] == [exclusion.entry]
    text = health_text(found)
    assert f"exclusion of entry {exclusion.entry} has carried: exclude lab-3 from round 2" in text
    assert "carried: dispute" not in text
    after = governed_health()
    assert health_document(after)["charter"]["from_round"] == 2
    assert health_document(after)["governance"]["excluded"] == {"lab-3": 2}
    assert "charter in force: " in health_text(after)


def test_a_dispute_that_was_filed_is_not_called_carried():
    dispute = min(governed_chain().state.governance.disputes)
    found = governed_health(dispute)
    assert f"dispute of lab-2, entry {dispute}: filed, waits for a ruling" in health_text(found)
    assert "carried" not in health_text(found)
    assert health_document(found)["governance"]["disputes"][0]["status"] == "filed"


def test_an_excluded_lab_is_told_at_its_own_node_and_no_other():
    for party, count in (("lab-3", 1), ("lab-1", 0)):
        config = SimpleNamespace(text=SimpleNamespace(party=party))
        problems = list(governance_problems(config, governed_health()))
        assert len(problems) == count
        for who, what in problems:
            assert (who, "excluded from round 2 on" in what) == (party, True)


def test_without_a_committee_status_has_no_governance():
    found = health(state_at("collecting"), 0, 10**12)
    assert (found.governance, health_document(found)["governance"]) == (None, None)
    config = SimpleNamespace(text=SimpleNamespace(party="lab-1"))
    assert list(governance_problems(config, found)) == []
