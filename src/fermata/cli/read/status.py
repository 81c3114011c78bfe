"""``fermata status``: every node's health and the state of the rounds, from the log."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from fermata.cli.options import CONFIG
from fermata.cli.output import emit, json_option, say, table_text
from fermata.cli.read.own_hold import hold_text, own_silence, silence_document
from fermata.cli.read.view import view_of_log, witnessed_line
from fermata.node.config import NodeConfig, load_config
from fermata.node.hook.silence_watch import unprepared
from fermata.node.pki.own_certificate import open_tls
from fermata.node.run.parts import clock_ms
from fermata.node.run.succession.coordinators import charters_of, heard_now
from fermata.node.run.succession.standing import has_successors, views_of
from fermata.node.storage.consents import has_agreed
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.fold.heartbeats import stale_ms
from fermata.protocol.roles.overdue import Overdue
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.clock import NO_TIME
from fermata.protocol.state.state import OPENED, REFUSED, State
from fermata.protocol.succession.views import leader
from fermata.summary.documents import (
    document,
    drill_document,
    overdue_document,
    pause_document,
    standing_document,
    succession_document,
)
from fermata.summary.drill_words import drill_line, drill_troubles
from fermata.summary.governance_documents import charter_document, committee_document
from fermata.summary.motion_words import charter_line, committee_lines, own_matters
from fermata.summary.node_words import (
    done_text,
    leader_line,
    left_lines,
    left_troubles,
    node_troubles,
)
from fermata.summary.plea_words import plea_sentences
from fermata.summary.records.clocks import LogTime, log_time, silence_ms
from fermata.summary.records.drills import DrillRecord, drill_records
from fermata.summary.records.governance import (
    CharterRecord,
    GovernanceRecord,
    charter_record,
    governance_record,
)
from fermata.summary.records.nodes import NodeRecord, node_records
from fermata.summary.records.pause import (
    PauseRecord,
    RuleRecord,
    newest_judged,
    overdue_records,
    pause_record,
    rule_records,
)
from fermata.summary.records.rounds import RoundRecord, round_records
from fermata.summary.records.succession import SuccessionRecord, succession_record
from fermata.summary.standing_words import standing_line
from fermata.summary.time_words import log_time_line, own_clock_trouble, time_trouble
from fermata.summary.words import (
    NOT_TOLD,
    ago_text,
    culprits_text,
    offset_text,
    overdue_line,
    pause_lines,
    round_line,
)
from fermata.types import EntryIndex, Role

#: A round may be a little past its deadline while its close is on the way.
LATE_MS = 60_000
#: A log has a round per period for ever; a reader wants to know how the newest went.
ROUNDS_SHOWN = 8
#: The exit code if anything needs attention.
UNHEALTHY = 1


@click.command()
@CONFIG
@click.option(
    "--stale-s", type=click.IntRange(min=1),
    help="Seconds after which an unseen node is stale; default: 3 heartbeats.",
)  # fmt: skip
@click.option(
    "--all", "has_all", is_flag=True, help=f"Show all rounds, not only the newest {ROUNDS_SHOWN}."
)
@json_option
@click.pass_context
def status(
    context: click.Context, config_file: Path, stale_s: int | None, has_all: bool, as_json: bool
) -> None:
    """Every node's health and the rounds, from the log; exit code 1 if any needs attention."""
    config = load_config(config_file)
    silence = own_silence(config)
    if hold_text(silence):
        # First, since the log may not answer.
        say(hold_text(silence))
    replica = view_of_log(config)
    missing_ms = 1000 * stale_s if stale_s else stale_ms(replica.charter)
    now_ms = clock_ms()
    report = health(replica.state, now_ms, missing_ms, known_left(config, replica))
    own = [*witness_problems(replica, now_ms - missing_ms), *silence_problems(config, replica)]
    own += consent_problems(config, replica)
    own += governance_problems(config, report)
    if hold_text(silence):
        own.append((config.text.party, hold_text(silence)))
    rounds = report.rounds if has_all else newest_rounds(report.rounds)
    report = replace(report, problems=(*report.problems, *own), rounds=rounds)
    line = witnessed_line(replica)
    data = health_document(report)
    data["test"] = replica.charter.is_test
    data |= {"witnessed": witnessed_document(replica), "silence": silence_document(silence)}
    emit(as_json, data, f"{line}\n\n{health_text(report)}")
    if report.problems:
        context.exit(UNHEALTHY)


def known_left(config: NodeConfig, replica: Replica) -> Mapping[str, int]:
    """The last view for which each auditor has left, by what the coordinators' boards say."""
    if not has_successors(replica):
        return {}
    files = open_tls(config, clock_ms, charters=charters_of(replica))
    return heard_now(config, files, views_of(replica)).left


def consent_problems(config: NodeConfig, replica: Replica) -> Iterator[tuple[str, str]]:
    """(who, what) needs attention at a lab's own node: its owner has not agreed to the charter."""
    party, charter = config.text.party, replica.charter
    if config.role == Role.LAB and not has_agreed(config, replica.state):
        what = (
            f"not consented: the charter in force is not accepted, so the node sends nothing; see:"
            f" fermata charter accept {charter.sha256.hex()} --config {config.file}"
        )
        yield party, what


def governance_problems(config: NodeConfig, report: "Health") -> Iterator[tuple[str, str]]:
    """(who, what) the committee decides, or has decided, about this very party."""
    if report.governance is not None:
        party = config.text.party
        yield from ((party, what) for what in own_matters(report.governance, party))


def witness_problems(replica: Replica, stale_ms: int) -> Iterator[tuple[str, str]]:
    """(who, what) needs attention: false cosignatures, and an entry that auditors had seen before
    ``stale_ms``, or that stands since then, and is not witnessed."""
    witnessed = replica.witnessed
    for auditor in witnessed.false:
        yield auditor, "its cosignature is not of this log: one of the two was shown another log"
    if witnessed.size < replica.tree.size:
        seen_ms = replica.state.clock.start_ms(EntryIndex(witnessed.size))
        # Before there is a time, nothing says for how long the entry has been there.
        if NO_TIME < (seen_ms or replica.state.time_ms) < stale_ms:
            waits = witnessed.waits_for(witnessed.size + 1, replica.charter.auditors)
            yield "log", f"entry {witnessed.size} is not witnessed; it waits for {', '.join(waits)}"


def silence_problems(config: NodeConfig, replica: Replica) -> Iterator[tuple[str, str]]:
    """(who, what): a lab that knows too few auditors to tell silence from being cut off."""
    text = config.text.silence
    known = text.auditors if text is not None else {}
    if config.role == Role.LAB and (lack := unprepared(replica.charter, known)):
        yield config.text.party, lack


def witnessed_document(replica: Replica) -> dict[str, object]:
    """What is witnessed, for programs: ``entries`` of ``of``, by ``auditors``."""
    size, witnessed = replica.tree.size, replica.witnessed
    return {
        "entries": witnessed.size,
        "of": size,
        "quorum": witnessed.quorum,
        "auditors": {
            auditor: {"entries": cosigned.size, "at": utc_text(1000 * cosigned.time_s)}
            for auditor, cosigned in sorted(witnessed.cosigned.items())
        },
        "waits_for": list(witnessed.waits_for(size, replica.charter.auditors)),
    }


@dataclass(frozen=True, slots=True)
class Health:
    """The log's time, nodes and rounds at ``now_ms``, the reader's clock.

    ``rounds`` are the newest ones, or all, and ``rounds_in_all`` counts all. ``pause`` is None if
    the charter has none; ``rules`` is what they said last. ``governance`` is None without a
    committee, and ``succession`` without successors; ``drills`` are all of the log.
    ``problems``: (who or what needs attention, why).
    """

    now_ms: int
    time: LogTime
    nodes: tuple[NodeRecord, ...]
    rounds: tuple[RoundRecord, ...]
    rounds_in_all: int
    pause: PauseRecord | None
    rules: tuple[RuleRecord, ...]
    charter: CharterRecord
    governance: GovernanceRecord | None
    drills: tuple[DrillRecord, ...]
    overdue: tuple[Overdue, ...]
    succession: SuccessionRecord | None
    problems: tuple[tuple[str, str], ...]


def health(
    state: State, now_ms: int, stale_ms: int, left: Mapping[str, int] = MappingProxyType({})
) -> Health:
    """The health of the deployment, as far as the log shows it. Raises Refusal NO_CHARTER.

    ``left``: the last view for which each auditor is known to have left, by the boards.
    """
    charter = state.chartered().charter
    coordinator, succession = leader(charter, state.view), succession_record(state, left)
    nodes, rounds, late = node_records(state), round_records(state), overdue_records(state, now_ms)
    time = log_time(state, now_ms, stale_ms)
    by_ms = silence_ms(time, now_ms)
    problems = [
        (node.party, what)
        for node in nodes
        for what in node_troubles(node, now_ms, by_ms, stale_ms)
    ]
    if own := own_clock_trouble(time, now_ms):
        problems.append(("this machine", own))
    if time.waits_for:
        problems.append(("log", time_trouble(time, now_ms)))
    for round_ in rounds:
        due_ms = round_.deadline_ms
        is_late = due_ms is not None and now_ms > due_ms + LATE_MS
        if round_.state not in (OPENED, REFUSED) and is_late:
            waits = ", ".join(round_.waits_for) or coordinator
            what = f"{round_.state} past its deadline, waits for {waits}"
            problems.append((f"round {round_.number}", what))
        if round_.pleaded or round_ is rounds[-1]:
            problems += [(f"round {round_.number}", what) for what in plea_sentences(round_)]
        if round_.culprits:
            problems.append((f"round {round_.number}", culprits_text(round_.culprits)))
    if state.key is None:
        problems.append((coordinator, "the log has no key record yet"))
    drills = drill_records(state)
    problems += drill_troubles(drills)
    problems += left_troubles(succession) if succession is not None else []
    problems += [("overdue", overdue_line(thing)) for thing in late]
    return Health(
        now_ms=now_ms,
        time=time,
        nodes=nodes,
        rounds=rounds,
        rounds_in_all=len(rounds),
        pause=pause_record(state) if charter.pause else None,
        rules=rule_records(state, newest_judged(state)),
        charter=charter_record(state),
        governance=governance_record(state, now_ms) if charter.committee else None,
        drills=drills,
        overdue=late,
        succession=succession,
        problems=tuple(problems),
    )


def newest_rounds(rounds: tuple[RoundRecord, ...]) -> tuple[RoundRecord, ...]:
    """The newest rounds, and the older ones that have not ended."""
    older = (r for r in rounds[:-ROUNDS_SHOWN] if r.state not in (OPENED, REFUSED))
    return (*older, *rounds[-ROUNDS_SHOWN:])


def health_document(report: Health) -> dict[str, Any]:
    """``log_time``, ``nodes``, ``rounds``, ``rounds_in_all``, ``pause`` (or None), ``charter``,
    ``governance`` (or None), ``succession`` (or None), ``drill``, the newest (or None), and
    ``problems``, for programs."""
    pause, governance, succession = None, report.governance, report.succession
    if report.pause is not None:
        late = [overdue_document(thing) for thing in report.overdue]
        pause = pause_document(report.pause, report.rules) | {"overdue": late}
    return {
        "log_time": document(report.time, "time=time_ms waits_for"),
        "nodes": [_node(node, report.now_ms) for node in report.nodes],
        "rounds": [_round(round_) for round_ in report.rounds],
        "rounds_in_all": report.rounds_in_all,
        "pause": pause,
        "charter": charter_document(report.charter),
        "governance": committee_document(governance) if governance is not None else None,
        "succession": succession_document(succession) if succession is not None else None,
        "drill": drill_document(report.drills[-1]) if report.drills else None,
        "problems": [{"who": who, "what": what} for who, what in report.problems],
    }


def _node(node: NodeRecord, now_ms: int) -> dict[str, object]:
    beat = node.beat
    if beat is None:
        keys = "version last_seen last_seen_s certificate_until clock_offset_s backlog"
        seen: dict[str, object] = dict.fromkeys(keys.split())
    else:
        seen = {
            "version": beat.version,
            **document(node, "last_seen=seen_ms"),
            "last_seen_s": None if node.seen_ms is None else max(0, now_ms - node.seen_ms) // 1000,
            **document(beat, "certificate_until=certificate_expires_ms"),
            "clock_offset_s": node.ahead_s,
            "backlog": beat.backlog,
        }
    named = document(node, "newest_round=done excluded_from not_consented accepted_charter")
    return {"node": node.party, "role": node.role, **seen, **named}


def _round(round_: RoundRecord) -> dict[str, object]:
    return {
        **document(round_, "round=number period state deadline=deadline_ms"),
        "reports": len(round_.received),
        "abstained": len(round_.abstained),
        "endorsements": len(round_.endorsed),
        "endorsements_needed": round_.endorsements_needed,
        "openings": len(round_.opened_by),
        "openings_needed": round_.openings_needed,
        "waits_for": list(round_.waits_for),
        "not_consented": list(round_.unconsenting),
        "pleaded": {lab: list(auditors) for lab, auditors in round_.pleaded.items()},
        "starved": {lab: list(auditors) for lab, auditors in round_.starved.items()},
        "refused": round_.refusal or None,
        "panels": {panel.panel: standing_document(panel) for panel in round_.panels},
        "culprits": list(round_.culprits),
    }


def health_text(report: Health) -> str:
    """The health for people: a table of nodes, the log's time, a line for each round, the pause,
    the newest drill, the charter in force, who leads the log if there are successors, what is
    before the committee, and what to look at."""
    columns = ["node", "role", "version", "last seen", "certificate until"]
    columns += ["clock", "backlog", "newest round"]
    rows = [_row(node, report.now_ms) for node in report.nodes]
    lines = [table_text(columns, rows), "", log_time_line(report.time, report.now_ms)]
    if hidden := report.rounds_in_all - len(report.rounds):
        lines.append(f"{hidden} earlier rounds have ended; see them with --all")
    lines += [round_line(round_) for round_ in report.rounds] or ["no round yet"]
    newest = next((round_ for round_ in reversed(report.rounds) if round_.panels), None)
    lines += [f"  {standing_line(panel)}" for panel in newest.panels] if newest else []
    lines += pause_lines(report.pause, report.rules) if report.pause else []
    lines += [drill_line(report.drills[-1])] if report.drills else []
    lines += [charter_line(report.charter)]
    if report.succession is not None:
        lines += [leader_line(report.succession), *left_lines(report.succession)]
    lines += committee_lines(report.governance) if report.governance is not None else []
    lines += [f"! {who}: {what}" for who, what in report.problems]
    return "\n".join(lines)


def _row(node: NodeRecord, now_ms: int) -> list[str]:
    beat, done = node.beat, done_text(node)
    if beat is None:
        return [node.party, node.role, "-", "never", "-", "-", "-", done]
    ago = NOT_TOLD if node.seen_ms is None else ago_text(now_ms - node.seen_ms)
    until, clock = utc_text(beat.certificate_expires_ms), offset_text(node.ahead_s)
    return [node.party, node.role, beat.version, ago, until, clock, str(beat.backlog), done]
