"""The pause as the fold derives it, as nodes live it, and as the verifier finds it again."""

import functools
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.pause import (
    COMPLIED,
    NO_DUTY,
    NOT_SHOWN,
    SILENT,
    acknowledgements_due,
    compliance_of,
    settling_limit,
)
from fermata.protocol.roles.auditor import check_close, endorse, open_part
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.standing.sweep import waits_for
from fermata.protocol.state.pause import LIFTING, PAUSED, RUNNING, TRIGGERED, asking, missing
from fermata.protocol.state.report_flags import ShownRange
from fermata.protocol.state.state import State
from fermata.protocol.verify.check_texts import FAILED, PASSED
from fermata.protocol.verify.pause_checks import Moment, findings_v10, findings_v12
from fermata.protocol.verify.verifier import verify_bundle
from fermata.summary.records.pause import pause_record
from fermata.summary.words import pause_lines
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.bundles import bundle_of_run
from harness.chains import (
    COORDINATOR,
    MODULUS_BITS_MIN,
    PAUSE_TABLES,
    Chain,
    Run,
    make_deployment,
    moments_of,
)
from harness.protocol.findings import finding

BETA = {f"wide-{k}": "1" for k in range(1, 6)}


@functools.cache
def deployment():  # type: ignore[no-untyped-def]
    return make_deployment(extra=PAUSE_TABLES, last="2026Q4")


def figures(lab: str, hours: str) -> dict[str, str]:
    return {"hours": hours, "share": "1"} | (BETA if lab != "lab-1" else {})


def one_round(chain: Chain, hours: str, silent: str = "", **by_lab: str) -> None:
    """A whole round in which all labs report these hours, but for those named. ``silent``: one that
    does not report."""
    chain.open_round()
    for lab in chain.deployment.charter.labs:
        if lab == silent:
            continue
        chain.report(lab, figures(lab, by_lab.get(lab.replace("-", "_"), hours)))
    chain.close()
    chain.endorse()
    chain.open_part()


def acknowledge(chain: Chain, *labs: str) -> list[str]:
    change = next(c for c in reversed(chain.state.pause.changes) if c.why in ("rule", "lifted"))
    said = statement_pb2.Acknowledgement(change=EntryRef(index=change.entry))
    return [chain.say(lab, acknowledgement=said).reason for lab in labs]


@functools.cache
def _triggered() -> Chain:
    chain = Chain(deployment())
    chain.start()
    one_round(chain, "20")
    return chain


@functools.cache
def _paused() -> Chain:
    chain = _triggered().fork()
    acknowledge(chain, "lab-1", "lab-2", "lab-3", "lab-4")
    return chain


def triggered() -> Chain:
    return _triggered().fork()


def paused() -> Chain:
    return _paused().fork()


def test_a_result_at_the_limit_triggers_the_pause_at_the_entry_that_opened_it() -> None:
    chain = triggered()
    pause = chain.state.pause
    assert pause.phase == TRIGGERED
    assert chain.round.opening is not None
    assert pause.changes[0].entry == chain.round.opening.entry
    assert pause.changes[0].rules == ("hot",)


def test_a_result_below_the_limit_triggers_nothing() -> None:
    chain = Chain(deployment())
    chain.start()
    one_round(chain, "16.666")
    assert chain.state.pause.phase == RUNNING
    assert {v.rule: v.holds for v in chain.state.judgements[1].verdicts} == {
        "hot": False,
        "calm": False,
    }


def test_the_pause_is_there_when_the_share_of_labs_has_acknowledged() -> None:
    chain = triggered()
    assert acknowledge(chain, "lab-1", "lab-2", "lab-3") == ["", "", ""]
    assert chain.state.pause.phase == TRIGGERED
    assert acknowledge(chain, "lab-4") == [""]
    assert chain.state.pause.phase == PAUSED
    assert missing(chain.state.pause, chain.deployment.charter.labs) == ("lab-5", "lab-6")


def test_the_pause_is_there_with_the_heartbeat_that_says_that_the_deadline_has_passed() -> None:
    chain = triggered()
    deadline_ms = chain.due_ms(asking(chain.state.pause)[-1].deadline)
    chain.advance(deadline_ms - 1)
    assert chain.state.pause.phase == TRIGGERED
    chain.advance(deadline_ms)
    assert chain.state.pause.phase == PAUSED
    assert chain.verdicts[chain.state.pause.changes[-1].entry].kind == "Heartbeat"
    assert chain.state.pause.changes[-1].why == "deadline"


def test_only_a_lab_acknowledges_and_only_once_and_only_what_asks_for_it() -> None:
    chain = triggered()
    change = chain.state.pause.changes[0].entry
    said = statement_pb2.Acknowledgement(change=EntryRef(index=change))
    assert chain.say("auditor-1", acknowledgement=said).reason == "WRONG_ROLE"
    assert chain.say("lab-1", acknowledgement=said).accepted
    assert chain.say("lab-1", acknowledgement=said).reason == "DUPLICATE"
    other = statement_pb2.Acknowledgement(change=EntryRef(index=change - 1))
    assert chain.say("lab-2", acknowledgement=other).reason == "NO_CHANGE"


def test_a_charter_without_a_pause_takes_no_acknowledgement() -> None:
    chain = Chain(make_deployment())
    chain.start()
    said = statement_pb2.Acknowledgement(change=EntryRef(index=1))
    assert chain.say("lab-1", acknowledgement=said).reason == "NO_PAUSE"


def test_rounds_of_a_pause_tell_who_complied_who_did_not_and_who_was_silent() -> None:
    chain = paused()
    chain.open_round()
    assert chain.round.asked.duties
    for lab in ("lab-1", "lab-2", "lab-3"):
        chain.report(lab, figures(lab, "8"))
    chain.report("lab-4", figures("lab-4", "10.001"))
    chain.abstain("lab-5")
    chain.close(chain.deadline_ms)
    charter = chain.deployment.charter
    assert compliance_of(charter, chain.round, charter.labs) == {
        "lab-1": COMPLIED,
        "lab-2": COMPLIED,
        "lab-3": COMPLIED,
        "lab-4": NOT_SHOWN,
        "lab-5": SILENT,
        "lab-6": SILENT,
    }


def test_a_lab_without_a_panel_that_has_a_duty_has_none_to_show() -> None:
    tables = PAUSE_TABLES.replace('[[duty]]\nmetric = "hours"', '[[duty]]\nmetric = "wide-1"')
    chain = Chain(make_deployment(extra=tables))
    chain.start()
    one_round(chain, "20")
    acknowledge(chain, "lab-1", "lab-2", "lab-3", "lab-4")
    chain.open_round()
    chain.close(chain.deadline_ms)
    charter = chain.deployment.charter
    assert compliance_of(charter, chain.round, charter.labs)["lab-1"] == NO_DUTY


def test_nothing_is_told_of_compliance_outside_a_pause() -> None:
    chain = triggered()
    charter = chain.deployment.charter
    assert compliance_of(charter, chain.round, charter.labs) == {}


def test_two_calm_rounds_lift_and_the_lift_is_acknowledged_too() -> None:
    chain = paused()
    one_round(chain, "8")
    assert (chain.state.pause.phase, chain.state.pause.calm_rounds) == (LIFTING, 1)
    one_round(chain, "8")
    assert chain.state.pause.phase == RUNNING
    assert acknowledge(chain, "lab-6") == [""]
    chain.open_round()
    assert not chain.round.asked.duties


def test_a_lift_waits_for_a_lab_that_fell_silent_and_the_verifier_follows() -> None:
    chain = paused()
    one_round(chain, "8", silent="lab-3")
    assert (chain.state.pause.phase, waits_for(chain.state)) == (PAUSED, ("lab-3",))
    record = pause_record(chain.state)
    assert record.waits_for == ("lab-3",)
    assert "  the lift waits for newer figures of lab-3" in pause_lines(record, ())
    one_round(chain, "8")
    one_round(chain, "8", silent="lab-3")
    assert (chain.state.pause.phase, chain.state.pause.calm_rounds) == (LIFTING, 1)
    assert replayed(chain) == []
    one_round(chain, "8")
    assert chain.state.pause.phase == RUNNING
    assert waits_for(chain.state) == ()
    assert replayed(chain) == []


def test_a_refused_round_counts_neither_as_calm_nor_as_not_calm() -> None:
    chain = paused()
    one_round(chain, "8")
    chain.open_round()
    chain.close(chain.deadline_ms)
    assert chain.round.refusal
    assert (chain.state.pause.phase, chain.state.pause.calm_rounds) == (LIFTING, 1)
    verdicts = {v.rule: v for v in chain.state.judgements[3].verdicts}
    assert verdicts["calm"].holds is None
    assert "refused" in verdicts["calm"].why


def test_a_trigger_while_lifting_is_a_relapse() -> None:
    chain = paused()
    one_round(chain, "8")
    one_round(chain, "30")
    assert chain.state.pause.phase == PAUSED
    assert chain.state.pause.changes[-1].why == "relapse"


def test_a_lab_owes_an_acknowledgement_until_it_has_given_it() -> None:
    chain = triggered()
    change = chain.state.pause.changes[0].entry
    assert acknowledgements_due(chain.state, "lab-2") == (change,)
    acknowledge(chain, "lab-2")
    assert acknowledgements_due(chain.state, "lab-2") == ()
    assert acknowledgements_due(chain.state, "auditor-1") == ()


HOURS: Mapping[str, str] = {"2025Q3": "20", "2025Q4": "8", "2026Q1": "8", "2026Q2": "8"}


@functools.cache
def lived() -> Run:
    """Nodes that live through a trigger, the pause and the lift by themselves."""

    def measure(lab: str, period: str) -> Measurement | None:
        return Measurement(figures(lab, HOURS[period])) if period in HOURS else None

    run = Run(deployment(), measure)
    while not run.state.pause.changes:
        for name in run.drivers:
            if not run.state.pause.changes:
                run.step(name)
    # All labs acknowledge before the next round opens, which is then one of the pause.
    run.until_quiet(*run.charter.labs, *run.charter.auditors)
    run.until_quiet()
    return run


def test_nodes_trigger_acknowledge_comply_and_lift_without_anybody_telling_them() -> None:
    state = lived().state
    assert [c.after for c in state.pause.changes] == [TRIGGERED, PAUSED, LIFTING, RUNNING]
    asked = [c.entry for c in state.pause.changes if c.why in ("rule", "lifted")]
    assert all(len(state.pause.acknowledged[entry]) == 6 for entry in asked)
    complied = compliance_of(deployment().charter, state.rounds[1], deployment().charter.labs)
    assert set(complied.values()) == {COMPLIED}


def test_every_node_derives_the_same_pause() -> None:
    run = lived()
    for driver in run.drivers.values():
        assert driver.replica.state.pause == run.state.pause
        assert driver.replica.state.judgements == run.state.judgements


@given(cut=st.integers(0, 200))
@settings(max_examples=50, deadline=None)
def test_a_restart_at_any_entry_changes_nothing_about_the_pause(cut: int) -> None:
    leaves = lived().leaves()
    state = State(deployment().charter.sha256, MODULUS_BITS_MIN)
    snapshots = []
    for leaf in leaves:
        state, _ = apply(state, leaf)
        snapshots.append(state)
    resumed = snapshots[min(cut, len(leaves) - 1)]
    for leaf in leaves[resumed.size :]:
        resumed, _ = apply(resumed, leaf)
    assert resumed.pause == lived().state.pause
    assert resumed.judgements == lived().state.judgements


def bundle() -> dict[str, bytes]:
    run = lived()
    for _ in range(3):
        run.step()
    return bundle_of_run(run, run.stores[COORDINATOR])


def test_the_verifier_finds_the_same_pause_offline() -> None:
    found = verify_bundle(bundle(), None, MODULUS_BITS_MIN)
    statuses = {c.number: (c.status, c.findings) for c in found.checks}
    assert {number: status for number, (status, _) in statuses.items()} == dict.fromkeys(
        [*range(1, 11), 12], PASSED
    ), [c for c in statuses.values() if c[0] == FAILED]
    assert found.state.pause == lived().state.pause


@functools.cache
def moments() -> list[Moment]:
    return moments_of(lived().deployment, lived().leaves())


def test_v10_finds_a_pause_that_does_not_follow() -> None:
    state = lived().state
    assert list(findings_v10(state, moments())) == []
    forged = replace(state, pause=replace(state.pause, phase=PAUSED))
    assert any("pause" in f for f in findings_v10(forged, moments()))


def test_v10_finds_a_verdict_that_the_results_do_not_give() -> None:
    state = lived().state
    judgement = state.judgements[1]
    forged = replace(judgement.verdicts[0], holds=False)
    changed = replace(judgement, verdicts=(forged, *judgement.verdicts[1:]))
    lied = replace(state, judgements={**state.judgements, 1: changed})
    assert any("round 1" in f for f in findings_v10(lied, moments()))


def test_v10_finds_a_round_that_nobody_judged() -> None:
    state = lived().state
    judgements = {n: j for n, j in state.judgements.items() if n != 2}
    assert any("round 2" in f for f in findings_v10(replace(state, judgements=judgements), []))


def test_v12_finds_an_acknowledgement_of_nothing() -> None:
    state = lived().state
    assert list(findings_v12(state)) == []
    entry, by_lab = next(iter(state.pause.acknowledged.items()))
    moved = replace(state.pause, acknowledged={entry - 1: by_lab})
    assert any("lab-1" in f for f in findings_v12(replace(state, pause=moved)))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('triggers = ["hot"]', 'triggers = ["none"]', "must name a rule"),
        ('lift = "calm"', 'lift = "hot"', "must not be a trigger"),
        ('below = "60"', 'below = "130"', "must not hold where the trigger hot holds"),
        ('below = "60"', 'below = "60"\nunknown = "holds"', "resets"),
        ('acknowledge_share = "2/3"', 'acknowledge_share = "3/2"', "at most 1"),
        ("lift_rounds = 2", "lift_rounds = 0", "1.."),
    ],
)
def test_a_pause_that_contradicts_itself_is_refused_with_its_line(
    old: str, new: str, what: str
) -> None:
    text = deployment().charter_data.decode()
    assert old in text
    with pytest.raises(ConfigError, match=what) as refused:
        parse_charter(text.replace(old, new, 1).encode(), MODULUS_BITS_MIN)
    assert "line" in str(refused.value)


def test_duties_without_a_pause_are_refused() -> None:
    text = deployment().charter_data.decode()
    head, _, tail = text.partition("[pause]")
    _, mark, duty = tail.partition("[[duty]]")
    with pytest.raises(ConfigError, match="has no effect without"):
        parse_charter((head + mark + duty).encode(), MODULUS_BITS_MIN)


@functools.cache
def opened_late() -> Chain:
    """Two hot rounds in a row pull the pause; the first is opened after the second."""
    tables = PAUSE_TABLES.replace('at_least = "100"', 'at_least = "100"\nfor_rounds = 2')
    chain = Chain(make_deployment(extra=tables))
    chain.start()
    chain.open_round()
    for lab in chain.deployment.charter.labs:
        chain.report(lab, figures(lab, "20"))
    chain.close()
    chain.endorse()
    one_round(chain, "20")
    assert chain.state.pause.phase == RUNNING
    for auditor in ("auditor-1", "auditor-2"):
        late = chain.state.rounds[0]
        assert late.close is not None
        share = chain.deployment.shares[auditor]
        said = open_part(chain.state, late, late.close, auditor, share, chain.entropy)
        chain.put_ok(chain.seal(said))
    return chain


def test_a_round_that_is_opened_late_fires_what_a_later_one_shows_now() -> None:
    state = opened_late().state
    assert {v.rule: v.holds for v in state.judgements[1].verdicts}["hot"] is False
    assert state.judgements[1].late == ("hot",)
    assert [(c.round, c.why, c.rules) for c in state.pause.changes] == [(1, "rule", ("hot",))]


def test_v10_finds_what_a_late_round_is_said_to_fire_and_does_not() -> None:
    chain = opened_late()
    times = moments_of(chain.deployment, chain.leaves)
    assert list(findings_v10(chain.state, times)) == []
    lied = replace(chain.state.judgements[1], late=())
    forged = replace(chain.state, judgements={**chain.state.judgements, 1: lied})
    assert any("round 1" in f for f in findings_v10(forged, times))


def opened(chain: Chain, number: int) -> None:
    """An older round is endorsed and opened after later ones have settled."""
    for auditor in chain.deployment.charter.auditors:
        found = chain.state.rounds[number - 1]
        close = check_close(chain.state, found, chain.fetch, chain.cache)
        chain.put_ok(chain.seal(endorse(chain.state.keyed(), found, close, auditor)))
    for auditor in chain.deployment.charter.auditors[:2]:
        found = chain.state.rounds[number - 1]
        assert found.close is not None
        share, keyed = chain.deployment.shares[auditor], chain.state.keyed()
        part = open_part(keyed, found, found.close, auditor, share, chain.entropy)
        chain.put_ok(chain.seal(part))


def held_back(hours: str) -> Chain:
    """Paused; round 2 with these hours is closed and not endorsed; rounds 3 and 4 are calm."""
    chain = paused()
    chain.open_round()
    for lab in chain.deployment.charter.labs:
        chain.report(lab, figures(lab, hours))
    chain.close()
    one_round(chain, "1")
    one_round(chain, "1")
    return chain


def test_a_round_that_is_held_back_until_the_lift_holds_the_lift_up() -> None:
    """Two calm rounds in a row are there; round 2, closed before them, would fire."""
    chain = held_back("20")
    assert (chain.state.pause.phase, chain.state.pause.calm_rounds) == (LIFTING, 2)
    opened(chain, 2)
    assert (chain.state.pause.phase, chain.state.pause.changes[-1].why) == (PAUSED, "relapse")
    assert replayed(chain) == []


def test_a_lift_comes_when_the_older_round_has_settled_without_firing() -> None:
    chain = held_back("1")
    assert (chain.state.pause.phase, chain.state.pause.calm_rounds) == (LIFTING, 2)
    opened(chain, 2)
    last = chain.state.pause.changes[-1]
    assert (last.after, last.why, last.round) == (RUNNING, "lifted", 4)
    assert replayed(chain) == []


def test_a_lift_waits_for_an_older_round_only_while_it_can_still_settle() -> None:
    chain = held_back("20")
    round_ = chain.state.rounds[1]
    assert round_.close is not None
    until_ms = chain.due_ms(settling_limit(chain.state, round_.close, round_))
    chain.advance(until_ms - 1)
    assert chain.state.pause.phase == LIFTING
    chain.advance(until_ms)
    assert (chain.state.pause.phase, chain.state.pause.changes[-1].why) == (RUNNING, "lifted")
    assert replayed(chain) == []


@functools.cache
def _governed() -> Chain:
    """Paused, with a committee; its chair in round 1 is member-1, who shares lab-1's house."""
    chain = Chain(make_deployment(extra=PAUSE_TABLES, members="axyz"))
    chain.start()
    one_round(chain, "20")
    acknowledge(chain, "lab-1", "lab-2", "lab-3", "lab-4")
    return chain


def decide(chain: Chain, author: str, *members: str, **motion: object) -> int:
    tabled = chain.say(author, motion=statement_pb2.Motion(**motion))
    assert tabled.accepted, tabled
    for member in members:
        said = statement_pb2.Vote(
            motion=EntryRef(index=tabled.entry), choice=statement_pb2.CHOICE_FOR
        )
        assert chain.say(member, vote=said).accepted
    return tabled.entry


def replayed(chain: Chain) -> list[str]:
    return [
        *findings_v10(chain.state, moments_of(chain.deployment, chain.leaves)),
        *findings_v12(chain.state),
    ]


def test_a_quorum_of_the_committee_lifts_by_hand() -> None:
    chain = _governed().fork()
    motion = decide(
        chain, "member-1", "member-1", "member-2", "member-3", kind=statement_pb2.MOTION_KIND_LIFT
    )
    pause = chain.state.pause
    assert (pause.phase, pause.changes[-1].why) == (RUNNING, "motion")
    assert pause.changes[-1].motion_entry == motion
    assert acknowledgements_due(chain.state, "lab-5")[-1] == pause.changes[-1].entry
    assert replayed(chain) == []


def test_less_than_a_quorum_lifts_nothing() -> None:
    chain = _governed().fork()
    decide(chain, "member-1", "member-1", "member-2", kind=statement_pb2.MOTION_KIND_LIFT)
    assert chain.state.pause.phase == PAUSED


def test_nothing_is_lifted_where_nothing_is_paused() -> None:
    chain = Chain(make_deployment(extra=PAUSE_TABLES, members="axyz"))
    chain.start()
    lift = statement_pb2.Motion(kind=statement_pb2.MOTION_KIND_LIFT)
    assert chain.say("member-1", motion=lift).reason == "NOT_PAUSED"


def test_an_excluded_lab_is_asked_for_nothing_and_the_verifier_follows() -> None:
    chain = _governed().fork()
    decide(
        chain,
        "member-1",
        "member-1",
        "member-2",
        "member-3",
        kind=statement_pb2.MOTION_KIND_EXCLUSION,
        lab="lab-6",
        from_round=2,
        about=EntryRef(index=finding(chain, "lab-6")),
    )
    chain.time_ms += 86_400_000
    chain.open_round()
    said = statement_pb2.Acknowledgement(change=EntryRef(index=chain.state.pause.changes[0].entry))
    assert chain.say("lab-6", acknowledgement=said).reason == "NOT_ON_ROSTER"
    for lab in ("lab-1", "lab-2", "lab-3", "lab-4", "lab-5"):
        chain.report(lab, figures(lab, "8"))
    chain.close()
    chain.endorse()
    chain.open_part()
    assert acknowledgements_due(chain.state, "lab-6") == ()
    assert acknowledge(chain, "lab-5") == [""]
    assert replayed(chain) == []


def test_v12_finds_a_flag_that_no_proof_shows() -> None:
    state = lived().state
    found = state.rounds[0]
    report = found.reports["lab-1"]
    assert not report.flags.complies
    lied = replace(
        report, parts=(replace(report.parts[0], shown_ranges=(ShownRange("hours", 0, 1),)),)
    )
    rounds = (replace(found, reports={**found.reports, "lab-1": lied}), *state.rounds[1:])
    assert any("flags claim" in f for f in findings_v12(replace(state, rounds=rounds)))


def test_v12_finds_a_decision_that_the_votes_do_not_give() -> None:
    chain = _governed().fork()
    kind = statement_pb2.MOTION_KIND_LIFT
    entry = decide(chain, "member-1", "member-1", "member-2", "member-3", kind=kind)
    assert list(findings_v12(chain.state)) == []
    motion = chain.state.governance.motions[entry]
    fewer = replace(motion, votes={"member-1": "for"})
    governance = replace(chain.state.governance, motions={entry: fewer})
    forged = replace(chain.state, governance=governance)
    assert any("votes" in f for f in findings_v12(forged))
