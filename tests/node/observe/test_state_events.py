"""What binds somebody is told: each field of the state has an event, or a reason for none.

The table names every field. That the events come when such a field changes is tried on whole logs.
"""

import dataclasses
import functools
import io
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fermata.node.observe.governance_events import GovernanceEvents
from fermata.node.observe.pause_events import PauseEvents
from fermata.node.observe.round_events import RoundEvents
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.roles.driver import Driver
from fermata.protocol.state.judgement import RuleMemory
from fermata.protocol.state.state import KeyedState, Round, State
from fermata.types import Role
from fermata.wire.v1 import statement_pb2 as wire
from harness.chains import Chain
from harness.dashboard import paused_chain
from harness.governed import Growing, governed_chain, vote

#: Where the classes of the state are; what they hold of other packages is not walked.
PACKAGE = "fermata.protocol.state"


@dataclass(frozen=True)
class Told:
    """One of these events comes with every change of the field."""

    events: tuple[str, ...]


def told(*events: str) -> Told:
    return Told(events)


PARTS = "its parts are fields of their own, in this table"
OPENED = told("round_opened")
CLOSED = told("round_closed")
OPENS = told("results_opened")
PAUSE = told("pause_changed")
FILED = told("motion_filed")
DECIDED = told("motion_decided")
PLACE = "says where the log stands, and binds nobody"
TIME = "the log's time; what it decides is told where it is decided"
REPORT = "a lab's own answer, which its node tells as statement_logged; it counts with round_closed"
OF_CLOSE = "part of a close, which round_closed tells"
OF_OPENING = "part of an opening, which results_opened tells"
OF_KEY = "part of the key, which key_in_force tells"
OF_MOTION = "said of a motion when it is filed, which motion_filed tells"
OF_DISPUTE = "said of a dispute when it is filed, which motion_filed tells"
OF_RULE = "what the rules say decides over the pause, which pause_changed tells"
HEALTH = "a node's health, which fermata status and the gauges show"
DRILLED = "of the newest drill that had ended, whose end drill_ended tells"
STANDING = "which figures stand in sums, which round_closed and fermata status tell"

#: By class and field: the events that tell of it, or why none needs to.
FIELDS: dict[str, Told | str] = {
    "State.charter_sha256": "every party configured it; it never changes",
    "State.modulus_bits_min": "a limit of this program",
    "State.position": PLACE,
    "State.clock": PARTS,
    "State.charters": told("amendment_in_force"),
    "State.rounds": PARTS,
    "State.heartbeats": PARTS,
    "State.last_entry": "orders the statements of one author",
    "State.judgements": PARTS,
    "State.pause": PARTS,
    "State.governance": PARTS,
    "State.drills": "a drill moves nothing; its begin and end are told, see test_drill_events.py",
    "State.handovers": "who leads follows from it, and every head names the view",
    "State.unended": "rounds whose end is told when it comes",
    "State.digests": REPORT,
    "State.memory": "follows from the rounds, and decides nothing by itself",
    "State.charter": told("amendment_in_force"),
    "State.key": told("key_in_force"),
    "State.past_keys": "was in force before, which key_in_force told",
    "Position.frontier": PLACE,
    "Position.chunks": PLACE,
    "Clock.place": TIME,
    "Clock.gap_ms": TIME,
    "Clock.time_ms": TIME,
    "Clock.beats": TIME,
    "Clock.jumps": TIME,
    "Clock.auditors": TIME,
    "Clock.eras": TIME,
    "Era.place": TIME,
    "Era.beats": TIME,
    "Beats.newest_ms": TIME,
    "Beats.chunks": TIME,
    "CharterVersion.charter": told("amendment_in_force"),
    "CharterVersion.from_round": told("amendment_in_force"),
    "CharterVersion.entry": told("amendment_in_force"),
    "Round.number": OPENED,
    "Round.period": OPENED,
    "Round.entry": OPENED,
    "Round.opened_ms": OPENED,
    "Round.window_ms": OPENED,
    "Round.plea_ms": OPENED,
    "Round.asked": OPENED,
    "Round.barred": told("lab_excluded", "round_opened"),
    "Round.key_id": OPENED,
    "Round.reports": REPORT,
    "Round.revisions": REPORT,
    "Round.ciphertexts_seen": REPORT,
    "Round.excluded": told("report_not_counted"),
    "Round.abstained": REPORT,
    "Round.close": CLOSED,
    "Round.endorsements": "one endorsement decides nothing; a quorum of them is round_endorsed",
    "Round.parts": "one opening part decides nothing; enough of them are results_opened",
    "Round.culprits": told("opening_wrong"),
    "Round.opening": OPENS,
    "Round.fault": told("round_refused"),
    "Round.starved": told("lab_starved"),
    "Round.keeps_endorsements": "a quorum of them is round_endorsed, which was told before",
    "Round.unconsenting": told("lab_not_consented"),
    "Asked.duties": OPENED,
    "Asked.share_limits": "follows from the charter and from sums that results_opened has told",
    "ReportSeen.lab": REPORT,
    "ReportSeen.entry": REPORT,
    "ReportSeen.parts": REPORT,
    "ReportSeen.sealed_sha256": REPORT,
    "ReportSeen.evidence_sha256": REPORT,
    "ReportSeen.flags": REPORT,
    "ReportPart.panel": REPORT,
    "ReportPart.ciphertext_sha256": REPORT,
    "ReportPart.proof": REPORT,
    "ReportPart.shown_ranges": REPORT,
    "ShownRange.metric": REPORT,
    "ShownRange.low": REPORT,
    "ShownRange.high": REPORT,
    "Flags.complies": REPORT,
    "Flags.within_shares": REPORT,
    "Flags.dues_band": REPORT,
    "Flags.alone": REPORT,
    "Close.entry": CLOSED,
    "Close.leaf_hash": OF_CLOSE,
    "Close.time_ms": OF_CLOSE,
    "Close.listed": CLOSED,
    "Close.cohorts": OF_CLOSE,
    "Close.cells": OF_CLOSE,
    "Close.aggregates": OF_CLOSE,
    "Close.aggregate_sha256": OF_CLOSE,
    "Close.refusal": told("round_refused"),
    "Close.organisations": OF_CLOSE,
    "Close.figures": STANDING,
    "Close.standing": STANDING,
    "Close.unchanged": STANDING,
    "Close.unconsenting": told("lab_not_consented"),
    "Close.able": DRILLED,
    "Cell.panel": STANDING,
    "Cell.groups": STANDING,
    "Cell.labs": STANDING,
    "PanelStanding.cells": STANDING,
    "PanelStanding.entered": STANDING,
    "PanelStanding.waiting": STANDING,
    "PanelStanding.alone": STANDING,
    "PanelStanding.changed_at": STANDING,
    "PanelStanding.rows": STANDING,
    "PanelStanding.spells": STANDING,
    "PanelStanding.known": STANDING,
    "Opening.entry": OPENS,
    "Opening.sums": OPENS,
    "Opening.results": OPENS,
    "Opening.plaintexts": OF_OPENING,
    "Opening.roots": OF_OPENING,
    "Result.metric": OF_OPENING,
    "Result.statistic": OF_OPENING,
    "Result.value": OF_OPENING,
    "Result.text": OF_OPENING,
    "Result.group": OF_OPENING,
    "HeartbeatSeen.entry": HEALTH,
    "HeartbeatSeen.count": HEALTH,
    "HeartbeatSeen.seen": HEALTH,
    "HeartbeatSeen.logged_ms": HEALTH,
    "HeartbeatSeen.time_ms": HEALTH,
    "HeartbeatSeen.version": HEALTH,
    "HeartbeatSeen.certificate_expires_ms": HEALTH,
    "HeartbeatSeen.backlog": HEALTH,
    "HeartbeatSeen.pleas": "a plea puts a close off; fermata status names it, lab_starved its end",
    "HeartbeatSeen.named": "what follows of it for a round is told as lab_not_consented",
    "HeartbeatSeen.accepted": "as HeartbeatSeen.named",
    "Plea.round_number": "as HeartbeatSeen.pleas",
    "Plea.lab": "as HeartbeatSeen.pleas",
    "Plea.envelope_sha256": "as HeartbeatSeen.pleas",
    "Judgement.entry": OF_RULE,
    "Judgement.time_ms": OF_RULE,
    "Judgement.verdicts": OF_RULE,
    "Judgement.late": OF_RULE,
    "RuleVerdict.rule": OF_RULE,
    "RuleVerdict.holds": OF_RULE,
    "RuleVerdict.value": OF_RULE,
    "RuleVerdict.limit": OF_RULE,
    "RuleVerdict.streak": OF_RULE,
    "RuleVerdict.for_rounds": OF_RULE,
    "RuleVerdict.why": OF_RULE,
    "Pause.phase": PAUSE,
    "Pause.calm_rounds": PAUSE,
    "Pause.changes": PAUSE,
    "Pause.acknowledged": "a lab's own word, which its node tells as statement_logged",
    "Pause.settled": "which rounds were counted; what follows is pause_changed",
    "Change.entry": PAUSE,
    "Change.time_ms": PAUSE,
    "Change.before": PAUSE,
    "Change.after": PAUSE,
    "Change.round": PAUSE,
    "Change.rules": PAUSE,
    "Change.why": PAUSE,
    "Change.calm_rounds": PAUSE,
    "Change.motion_entry": PAUSE,
    "Change.acknowledge_ms": PAUSE,
    "Change.left_out": "labs of whom lab_not_consented has told; their part is in pause_changed",
    "Acknowledged.entry": "as Pause.acknowledged",
    "Acknowledged.time_ms": "as Pause.acknowledged",
    "Acknowledged.is_late": "as Pause.acknowledged; the alarm has told it as overdue",
    "Governance.motions": PARTS,
    "Governance.disputes": PARTS,
    "Governance.exclusions": told("lab_excluded", "amendment_in_force"),
    "Governance.notices": told("motion_decided", "lab_excluded", "amendment_in_force"),
    "Governance.lifts": DECIDED,
    "Governance.amendment": told("motion_filed", "motion_decided", "amendment_in_force"),
    "Governance.envelopes": FILED,
    "Governance.unended": "motions and disputes whose end is told when it comes",
    "Motion.entry": FILED,
    "Motion.kind": FILED,
    "Motion.author": FILED,
    "Motion.tabled_ms": FILED,
    "Motion.vote_ms": FILED,
    "Motion.reason": FILED,
    "Motion.lab": FILED,
    "Motion.about_entry": FILED,
    "Motion.is_upheld": FILED,
    "Motion.from_round": FILED,
    "Motion.charter": FILED,
    "Motion.votes": "one vote decides nothing; what the votes decide is motion_decided",
    "Motion.status": told("motion_decided", "motion_filed"),
    "Motion.decided_entry": told("motion_decided", "motion_filed"),
    "Motion.decided_ms": told("motion_decided", "motion_filed"),
    "Motion.notice_ms": DECIDED,
    "Motion.asked_labs": FILED,
    "Motion.has_share": FILED,
    "Motion.is_in_pause": FILED,
    "Motion.waits_for_key": "follows from the charter that the motion filed",
    "Motion.consents": "one lab's word decides nothing; what the votes decide is motion_decided",
    "Dispute.entry": FILED,
    "Dispute.author": FILED,
    "Dispute.lab": FILED,
    "Dispute.about_entry": FILED,
    "Dispute.reason": FILED,
    "Dispute.filed_ms": FILED,
    "Dispute.ruling_ms": FILED,
    "Dispute.status": told("motion_filed", "motion_decided", "ruling_final"),
    "Dispute.is_upheld": DECIDED,
    "Dispute.chair": DECIDED,
    "Dispute.ruling_entry": DECIDED,
    "Dispute.ruled_entry": DECIDED,
    "Dispute.appeal_ms": DECIDED,
    "Dispute.appeal_entry": FILED,
    "ThresholdKey.record": OF_KEY,
    "ThresholdKey.public_key": OF_KEY,
    "ThresholdKey.key_id": told("key_in_force"),
    "ThresholdKey.epoch_id": OF_KEY,
    "ThresholdKey.entry": told("key_in_force"),
    "ThresholdKey.auditors": OF_KEY,
    "ThresholdKey.record_sha256": OF_KEY,
}


def name_of(kind: type) -> str:
    """The class as the table has it: the three phases of the state are one."""
    return "State" if issubclass(kind, State) else kind.__name__


def is_part(kind: object) -> bool:
    return (
        isinstance(kind, type)
        and dataclasses.is_dataclass(kind)
        and kind.__module__.startswith(PACKAGE)
    )


def classes(kind: Any, found: dict[str, type]) -> dict[str, type]:
    """Every class of the state that can be reached from one, by its name."""
    if is_part(kind) and kind is not RuleMemory and name_of(kind) not in found:
        found[name_of(kind)] = kind
        for hint in typing.get_type_hints(kind).values():
            classes(hint, found)
    for argument in typing.get_args(kind):
        classes(argument, found)
    return found


ALL = classes(KeyedState, {})


def test_every_field_of_the_state_has_an_event_or_a_reason_for_none():
    fields = [f"{name}.{f.name}" for name, kind in ALL.items() for f in dataclasses.fields(kind)]
    assert sorted(fields) == sorted(FIELDS)


Fields = dict[tuple[str, str], Any]


def fields_of(value: Any, path: str = "") -> Iterator[tuple[str, str, Field[Any], Any]]:
    """(name in the table, path, field, value) of all fields in a state, however deep."""
    if is_part(type(value)) and not isinstance(value, RuleMemory):
        for field in dataclasses.fields(value):
            held, here = getattr(value, field.name), f"{path}.{field.name}"
            yield f"{name_of(type(value))}.{field.name}", here, field, held
            yield from fields_of(held, here)
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield from fields_of(held, f"{path}[{key}]")
    elif isinstance(value, tuple):
        for index, held in enumerate(value):
            yield from fields_of(held, f"{path}[{index}]")


def default_of(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def changed(before: State, after: State) -> set[str]:
    """The told fields whose value is another one, or that came with a value of their own."""
    known = {path: held for _, path, _, held in fields_of(before)}
    return {
        name
        for name, path, field, held in fields_of(after)
        if isinstance(FIELDS[name], Told) and known.get(path, default_of(field)) != held
    }


class Watched:
    """A lab's node over a chain, with all that tells of the state, one entry at a time."""

    def __init__(self, chain: Chain) -> None:
        self._growing = Growing(chain, 1)
        self._out = io.StringIO()
        replica = self.replica = self._growing.replica
        telemetry = Telemetry("lab-3", "lab", lambda: 0, stream=self._out)
        driver = cast(Driver, SimpleNamespace(replica=replica, me="lab-3", role=Role.LAB))
        self._looks: list[Callable[[], None]] = [
            RoundEvents(driver, telemetry, lambda: 0).look,
            PauseEvents(replica, telemetry).look,
            GovernanceEvents("lab-3", replica, telemetry).look,
        ]

    def look(self) -> list[dict[str, Any]]:
        start = self._out.tell()
        for look in self._looks:
            look()
        return [json.loads(line) for line in self._out.getvalue()[start:].splitlines()]

    def grow(self, size: int, witnessed: int | None = None) -> list[dict[str, Any]]:
        """The events of one more look, at so many entries."""
        self._growing.grow(size, witnessed)
        return self.look()


@functools.cache
def lifted_chain() -> Chain:
    """A pause that a motion lifts."""
    chain = paused_chain().fork()
    (lift,) = (m for m in chain.state.governance.open_motions if m.kind == "lift")
    voters = (m for m in ("member-1", "member-3", "member-4") if m not in lift.votes)
    for member in voters:
        if chain.state.governance.motions[lift.entry].status == "open":
            vote(chain, lift.entry, wire.CHOICE_FOR, member)
    assert chain.state.pause.phase == "running"
    return chain


def found_against(round_: Round) -> Round:
    """The round as the fold leaves it when parties have done wrong in it."""
    assert round_.close is not None
    return replace(
        round_,
        close=replace(round_.close, unconsenting={"lab-3": bytes(32)}),
        unconsenting=frozenset({"lab-2"}),
        excluded=((7, "PROOF"), (8, "SUPERSEDED")),
        culprits=frozenset({"auditor-1"}),
        starved={"lab-1": ("auditor-2",)},
        fault="panel alpha: a sum is above what valid reports can give",
        opening=None,
    )


@functools.cache
def told_in(make: Callable[[], Chain]) -> tuple[frozenset[str], tuple[dict[str, Any], ...]]:
    """The told fields that changed in a chain, each with one of its events; and all events."""
    chain = make()
    watched, covered, events = Watched(chain), set[str](), []
    for size in range(2, len(chain.leaves) + 1):
        before = watched.replica.trusted()
        here = watched.grow(size)
        names = {event["event"] for event in here}
        for field in changed(before, watched.replica.trusted()):
            wanted = FIELDS[field]
            assert isinstance(wanted, Told)
            assert names & {*wanted.events}, (size, field, names)
            covered.add(field)
        events += here
    return frozenset(covered), tuple(events)


CHAINS = (governed_chain, lifted_chain)
#: Fields of what no honest log has; the test below sets them.
AGAINST = {"Round.excluded", "Round.culprits", "Round.starved", "Round.fault"}
AGAINST |= {"Round.unconsenting", "Close.unconsenting"}


@pytest.mark.parametrize("make", CHAINS)
def test_no_field_that_binds_changes_without_its_event(make):
    covered, events = told_in(make)
    assert covered
    assert "round_opened" in {event["event"] for event in events}


def test_every_field_that_is_told_changes_in_one_of_these_logs():
    covered = frozenset[str]().union(*(told_in(make)[0] for make in CHAINS))
    wanted = {name for name, how in FIELDS.items() if isinstance(how, Told)}
    assert wanted - covered == AGAINST - covered


def test_what_the_log_has_against_a_party_is_told_once():
    watched = Watched(lifted_chain())
    watched.grow(len(lifted_chain().leaves))
    state = watched.replica.state
    watched.replica.state = state.with_round(found_against(state.rounds[-1]))
    assert changed(state, watched.replica.state) >= AGAINST
    number = state.rounds[-1].number
    shown = [{k: v for k, v in e.items() if k not in ("time_ms", "node")} for e in watched.look()]
    assert shown == [
        {"event": "round_refused", "round": number},
        {"event": "sum_impossible", "round": number},
        {"event": "report_not_counted", "round": number, "entry": 7, "reason": "PROOF"},
        {"event": "lab_starved", "round": number, "party": "lab-1"},
        {"event": "lab_not_consented", "round": number, "party": "lab-2"},
        {"event": "lab_not_consented", "round": number, "party": "lab-3"},
        {"event": "opening_wrong", "round": number, "party": "auditor-1"},
    ]
    assert watched.look() == []


def test_what_only_the_coordinator_has_signed_is_not_told_yet():
    chain = governed_chain()
    exclusion = next(m for m in chain.state.governance.motions.values() if m.kind == "exclusion")
    watched = Watched(chain)
    watched.grow(exclusion.entry)
    unseen = {e["event"] for e in watched.grow(exclusion.entry + 1, exclusion.entry)}
    assert "motion_filed" not in unseen
    assert [
        e["entry"] for e in watched.grow(exclusion.entry + 2) if e["event"] == "motion_filed"
    ] == [exclusion.entry]


def test_the_excluded_lab_itself_is_told_by_its_own_node():
    exclusion = next(
        m for m in governed_chain().state.governance.motions.values() if m.kind == "exclusion"
    )
    own = [e for e in told_in(governed_chain)[1] if e["event"] == "this_lab_excluded"]
    assert [(e["entry"], e["round"], e["reason"]) for e in own] == [
        (exclusion.entry, 2, "EXCLUDED")
    ] * 2
    about = [e for e in told_in(governed_chain)[1] if e["event"] == "motion_about_this_lab"]
    assert {e["status"] for e in about} == {"motion_filed", "ruling_final"}


def test_a_restarted_node_does_not_repeat_what_it_told():
    chain = governed_chain()
    watched = Watched(chain)
    watched.grow(len(chain.leaves))
    telemetry = Telemetry("lab-3", "lab", lambda: 0, stream=(out := io.StringIO()))
    for observer in (
        PauseEvents(watched.replica, telemetry),
        GovernanceEvents("lab-3", watched.replica, telemetry),
    ):
        observer.look()
    assert out.getvalue() == ""
