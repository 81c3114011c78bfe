"""``fermata status``: every node's health and where the rounds stand, from the log."""

from pathlib import Path
from typing import Any

import click

from fermata.cli.govern.pauses import overdue_text, pause_document, pause_lines
from fermata.cli.output import emit, json_option, table_text
from fermata.cli.read.log import replicate
from fermata.cli.run.nodes import CONFIG
from fermata.errors import Refusal
from fermata.node.config import load_config
from fermata.node.run.participant import clock_ms
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.fold.round_rules import waiting_for
from fermata.protocol.roles.overdue import Overdue, overdue
from fermata.protocol.state.state import (
    CLOSED,
    COLLECTING,
    ENDORSED,
    HeartbeatSeen,
    Round,
    State,
    labs_in_force,
    parties_with_nodes,
)
from fermata.summary.clocks import OFFSET_S_MAX, clock_ahead_s, coordinator_ahead_s

#: Nodes beat once a minute unless they are told otherwise.
STALE_S = 300
CERTIFICATE_WARN_MS = 3 * 24 * 60 * 60 * 1000
#: A round may be a little past its deadline while its close is on the way.
LATE_MS = 60_000
#: Certificates and the times of closes are judged by clocks; the way to the log counts as well.
UNHEALTHY = 1


@click.command()
@CONFIG
@click.option(
    "--stale-s", type=click.IntRange(min=1),
    help="A node that was not seen for so long is stale; else 300, or 3 heartbeats.",
)  # fmt: skip
@json_option
@click.pass_context
def status(context: click.Context, config_file: Path, stale_s: int | None, as_json: bool) -> None:
    """Every node's health and the rounds, from the log; exit code 1 if something needs a look."""
    config = load_config(config_file)
    replica, _ = replicate(config)
    # The log does not tell how often the others mean to beat; as often as this node, most likely.
    stale_s = stale_s or max(STALE_S, 3 * config.text.heartbeat_s)
    document = health(replica.state, clock_ms(), stale_s * 1000)
    emit(as_json, document, health_text(document))
    if document["problems"]:
        context.exit(UNHEALTHY)


def health(state: State, now_ms: int, stale_ms: int) -> dict[str, Any]:
    """``nodes``, ``rounds``, ``pause`` (or None) and ``problems``, as far as the log tells them.

    Raises Refusal NO_CHARTER.
    """
    charter = state.charter
    if charter is None:
        raise Refusal("NO_CHARTER", "log: entry 0 is not a valid charter")
    problems: list[dict[str, object]] = []

    def note(who: str, what: str) -> None:
        problems.append({"who": who, "what": what})

    nodes: list[dict[str, object]] = []
    expected = parties_with_nodes(state)
    for party in charter.parties.values():
        beat = state.heartbeats.get(party.id)
        progress = _progress(charter, state, party.id) if party.id in expected else None
        nodes.append(_node(party.id, party.role, beat, now_ms) | {"newest_round": progress})
        if party.id in expected:
            for what in _troubles(state, party.id, now_ms, stale_ms):
                note(party.id, what)
    rounds = [_round(charter, found) for found in state.rounds]
    for found in state.rounds:
        phase = found.phase(charter.endorsement_quorum)
        if phase in (COLLECTING, CLOSED, ENDORSED) and now_ms > found.deadline_ms + LATE_MS:
            waits = ", ".join(_waits_for(charter, found)) or charter.coordinator
            note(f"round {found.number}", f"{phase} past its deadline, waits for {waits}")
        if found.culprits:
            note(f"round {found.number}", f"wrong openings by {', '.join(sorted(found.culprits))}")
    if state.key is None:
        note(charter.coordinator, "the log has no key record yet")
    late: tuple[Overdue, ...] = ()
    if charter.pause is not None:
        late = overdue(state, state.pause, charter.pause, labs_in_force(state), now_ms)
    for each in late:
        note("overdue", overdue_text(each))
    pause = pause_document(state, late)
    return {"nodes": nodes, "rounds": rounds, "pause": pause, "problems": problems}


def _node(party: str, role: str, beat: HeartbeatSeen | None, now_ms: int) -> dict[str, object]:
    return {
        "node": party,
        "role": role,
        "version": beat.version if beat else None,
        "last_seen": utc_text(beat.logged_ms) if beat else None,
        "last_seen_s": max(0, now_ms - beat.logged_ms) // 1000 if beat else None,
        "certificate_until": utc_text(beat.certificate_expires_ms) if beat else None,
        "clock_offset_s": _clock_offset_s(beat) if beat else None,
        "backlog": beat.backlog if beat else None,
    }


def _clock_offset_s(beat: HeartbeatSeen) -> float:
    """The node's clock less the log's, at its last heartbeat; a slow way makes it smaller."""
    return (beat.time_ms - beat.logged_ms) / 1000


def _progress(charter: Charter, state: State, party: str) -> str | None:
    """What a party has done in the newest round; None without a round."""
    if not state.rounds:
        return None
    found = state.rounds[-1]
    if party == charter.coordinator:
        return found.phase(charter.endorsement_quorum)
    if party in charter.auditors:
        steps = (("opened", party in found.parts), ("endorsed", party in found.endorsements))
    else:
        steps = (("reported", party in found.reports), ("abstained", party in found.abstained))
    return next((what for what, is_done in steps if is_done), "not yet")


def _troubles(state: State, party: str, now_ms: int, stale_ms: int) -> list[str]:
    beat = state.heartbeats.get(party)
    if beat is None:
        return ["was never seen"]
    found = []
    if now_ms > beat.logged_ms + stale_ms:
        found.append(f"not seen for {(now_ms - beat.logged_ms) // 1000} s")
    # Of a node that is silent it is old news.
    elif abs(ahead_s := clock_ahead_s(state, party)) > OFFSET_S_MAX:
        whose = "most nodes'" if coordinator_ahead_s(state) else "the log's"
        found.append(f"its clock is {ahead_s:+.0f} s off {whose}")
    if now_ms > beat.certificate_expires_ms:
        found.append("its certificate has ended")
    elif now_ms > beat.certificate_expires_ms - CERTIFICATE_WARN_MS:
        found.append("its certificate ends within three days")
    return found


def _waits_for(charter: Charter, found: Round) -> tuple[str, ...]:
    phase = found.phase(charter.endorsement_quorum)
    if phase == COLLECTING:
        return waiting_for(charter, found)
    done = {CLOSED: found.endorsements, ENDORSED: found.parts}.get(phase)
    return () if done is None else tuple(a for a in charter.auditors if a not in done)


def _round(charter: Charter, found: Round) -> dict[str, object]:
    return {
        "round": found.number,
        "period": found.period,
        "state": found.phase(charter.endorsement_quorum),
        "deadline": utc_text(found.deadline_ms),
        "reports": len(found.reports),
        "abstained": len(found.abstained),
        "endorsements": len(found.endorsements),
        "endorsements_needed": charter.endorsement_quorum,
        "openings": len(found.parts),
        "openings_needed": charter.threshold,
        "waits_for": list(_waits_for(charter, found)),
        "refused": found.refusal or None,
        "culprits": sorted(found.culprits),
    }


def health_text(document: dict[str, Any]) -> str:
    """The same for people: a table, a line a round, and what needs a look."""
    columns = ["node", "role", "version", "last seen", "certificate until"]
    columns += ["clock", "backlog", "newest round"]
    rows = []
    for node in document["nodes"]:
        seen = node["last_seen_s"]
        ago = "never" if seen is None else f"{seen} s ago"
        offset_s = node["clock_offset_s"]
        clock = f"{offset_s:+.1f} s" if isinstance(offset_s, float) else None
        cells = [node["node"], node["role"], node["version"], ago, node["certificate_until"]]
        cells += [clock, node["backlog"], node["newest_round"]]
        rows.append(["-" if cell is None else str(cell) for cell in cells])
    lines = [table_text(columns, rows), ""]
    lines += [round_line(found) for found in document["rounds"]] or ["no round yet"]
    lines += pause_lines(document["pause"]) if document["pause"] else []
    lines += [f"! {problem['who']}: {problem['what']}" for problem in document["problems"]]
    return "\n".join(lines)


def round_line(found: dict[str, object]) -> str:
    """Where a round stands, and for whom it waits."""
    state = found["state"]
    line = f"round {found['round']} ({found['period']}): {state}"
    if state == COLLECTING:
        line += f", {found['reports']} reports, {found['abstained']} abstained"
        line += f", until {found['deadline']}"
    elif state == CLOSED:
        line += f", {found['endorsements']} of {found['endorsements_needed']} endorsements"
    elif state == ENDORSED:
        line += f", {found['openings']} of {found['openings_needed']} openings"
    elif found["refused"]:
        line += f": {found['refused']}"
    waits = found["waits_for"]
    if isinstance(waits, list) and waits:
        line += f", waits for {', '.join(waits)}"
    elif state == COLLECTING:
        line += ", waits for the coordinator"
    return line
