"""``fermata status``: every node's health and the state of the rounds, from the log."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from fermata.cli.options import CONFIG
from fermata.cli.output import emit, json_option, table_text
from fermata.cli.read.view import view_of_log, witnessed_line
from fermata.node.config import load_config
from fermata.node.run.parts import clock_ms
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.roles.overdue import Overdue
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.witness import Witnessed
from fermata.protocol.state.state import OPENED, REFUSED, State
from fermata.protocol.wire.codec import decode_entry
from fermata.summary.documents import document, overdue_document, pause_document
from fermata.summary.records.clocks import offset_s
from fermata.summary.records.nodes import STALE_MS, NodeRecord, node_records
from fermata.summary.records.pause import (
    PauseRecord,
    RuleRecord,
    newest_judged,
    overdue_records,
    pause_record,
    rule_records,
)
from fermata.summary.records.rounds import RoundRecord, round_records
from fermata.summary.words import (
    ago_text,
    culprits_text,
    node_troubles,
    offset_text,
    overdue_line,
    pause_lines,
    round_line,
)

#: A round may be a little past its deadline while its close is on the way.
LATE_MS = 60_000
#: The exit code if anything needs attention.
UNHEALTHY = 1


@click.command()
@CONFIG
@click.option(
    "--stale-s", type=click.IntRange(min=1),
    help="Seconds after which an unseen node is stale; default: 300, or 3 heartbeats.",
)  # fmt: skip
@json_option
@click.pass_context
def status(context: click.Context, config_file: Path, stale_s: int | None, as_json: bool) -> None:
    """Every node's health and the rounds, from the log; exit code 1 if any needs attention."""
    config = load_config(config_file)
    replica, witnessed = view_of_log(config)
    # The log does not say how often others mean to send heartbeats; most likely as this node does.
    stale_ms = 1000 * stale_s if stale_s else max(STALE_MS, 3000 * config.text.heartbeat_s)
    now_ms = clock_ms()
    report = health(replica.state, now_ms, stale_ms)
    unwitnessed = witness_problems(replica, witnessed, now_ms - stale_ms)
    report = replace(report, problems=(*report.problems, *unwitnessed))
    line = witnessed_line(replica, witnessed)
    data = health_document(report) | {"witnessed": witnessed_document(replica, witnessed)}
    emit(as_json, data, f"{line}\n\n{health_text(report)}")
    if report.problems:
        context.exit(UNHEALTHY)


def witness_problems(
    replica: Replica, witnessed: Witnessed, stale_ms: int
) -> Iterator[tuple[str, str]]:
    """(who, what) needs attention: false cosignatures, and an entry logged before ``stale_ms`` that
    is not witnessed."""
    for auditor in witnessed.false:
        yield auditor, "its cosignature is not of this log: one of the two was shown another log"
    if witnessed.size < replica.tree.size:
        (leaf,) = replica.store.leaves(witnessed.size, witnessed.size + 1)
        if decode_entry(leaf).time_ms < stale_ms:
            waits = witnessed.waits_for(witnessed.size + 1, replica.charter.auditors)
            yield "log", f"entry {witnessed.size} is not witnessed; it waits for {', '.join(waits)}"


def witnessed_document(replica: Replica, witnessed: Witnessed) -> dict[str, object]:
    """What is witnessed, for programs: ``entries`` of ``of``, by ``auditors``."""
    size = replica.tree.size
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
    """Nodes and rounds at ``now_ms``, the reader's clock.

    ``pause`` is None if the charter has none; ``rules`` is what they said last. ``problems``: (who
    or what needs attention, why).
    """

    now_ms: int
    nodes: tuple[NodeRecord, ...]
    rounds: tuple[RoundRecord, ...]
    pause: PauseRecord | None
    rules: tuple[RuleRecord, ...]
    overdue: tuple[Overdue, ...]
    problems: tuple[tuple[str, str], ...]


def health(state: State, now_ms: int, stale_ms: int) -> Health:
    """The health of the deployment, as far as the log shows it. Raises Refusal NO_CHARTER."""
    charter = state.chartered().charter
    nodes, rounds, late = node_records(state), round_records(state), overdue_records(state, now_ms)
    problems = [
        (node.party, what) for node in nodes for what in node_troubles(node, now_ms, stale_ms)
    ]
    for round_ in rounds:
        if round_.state not in (OPENED, REFUSED) and now_ms > round_.deadline_ms + LATE_MS:
            waits = ", ".join(round_.waits_for) or charter.coordinator
            what = f"{round_.state} past its deadline, waits for {waits}"
            problems.append((f"round {round_.number}", what))
        if round_.culprits:
            problems.append((f"round {round_.number}", culprits_text(round_.culprits)))
    if state.key is None:
        problems.append((charter.coordinator, "the log has no key record yet"))
    problems += [("overdue", overdue_line(thing)) for thing in late]
    return Health(
        now_ms=now_ms,
        nodes=nodes,
        rounds=rounds,
        pause=pause_record(state) if charter.pause else None,
        rules=rule_records(state, newest_judged(state)),
        overdue=late,
        problems=tuple(problems),
    )


def health_document(report: Health) -> dict[str, Any]:
    """``nodes``, ``rounds``, ``pause`` (or None) and ``problems``, for programs."""
    pause = None
    if report.pause is not None:
        late = [overdue_document(thing) for thing in report.overdue]
        pause = pause_document(report.pause, report.rules) | {"overdue": late}
    return {
        "nodes": [_node(node, report.now_ms) for node in report.nodes],
        "rounds": [_round(round_) for round_ in report.rounds],
        "pause": pause,
        "problems": [{"who": who, "what": what} for who, what in report.problems],
    }


def _node(node: NodeRecord, now_ms: int) -> dict[str, object]:
    beat = node.beat
    if beat is None:
        keys = "version last_seen last_seen_s certificate_until clock_offset_s backlog"
        seen: dict[str, object] = dict.fromkeys(keys.split())
    else:
        seen = {
            **document(beat, "version last_seen=logged_ms"),
            "last_seen_s": max(0, now_ms - beat.logged_ms) // 1000,
            **document(beat, "certificate_until=certificate_expires_ms"),
            "clock_offset_s": offset_s(beat),
            "backlog": beat.backlog,
        }
    return {"node": node.party, "role": node.role, **seen, "newest_round": node.done}


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
        "refused": round_.refusal or None,
        "culprits": list(round_.culprits),
    }


def health_text(report: Health) -> str:
    """The health for people: a table of nodes, a line for each round, and what needs attention."""
    columns = ["node", "role", "version", "last seen", "certificate until"]
    columns += ["clock", "backlog", "newest round"]
    rows = [_row(node, report.now_ms) for node in report.nodes]
    lines = [table_text(columns, rows), ""]
    lines += [round_line(round_) for round_ in report.rounds] or ["no round yet"]
    lines += pause_lines(report.pause, report.rules) if report.pause else []
    lines += [f"! {who}: {what}" for who, what in report.problems]
    return "\n".join(lines)


def _row(node: NodeRecord, now_ms: int) -> list[str]:
    beat, done = node.beat, node.done or "-"
    if beat is None:
        return [node.party, node.role, "-", "never", "-", "-", "-", done]
    ago = ago_text(now_ms - beat.logged_ms)
    until, clock = utc_text(beat.certificate_expires_ms), offset_text(offset_s(beat))
    return [node.party, node.role, beat.version, ago, until, clock, str(beat.backlog), done]
