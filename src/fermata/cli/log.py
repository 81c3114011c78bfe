"""``fermata log|bundle|status|verify``: what anyone can see and check."""

import sys
from pathlib import Path

import click

from fermata.cli.output import emit, json_option, progress_bar, say, table_text
from fermata.errors import ConfigError, FermataError, Refusal
from fermata.node.bundles import export_bundle, read_bundle, write_bundle
from fermata.node.config import NodeConfig, load_config
from fermata.node.nodes import clock_ms, connect, tls_files
from fermata.protocol.bundle import sealed_wanted, summary_paths
from fermata.protocol.charter import MODULUS_BITS_MIN
from fermata.protocol.memory_store import MemoryStore
from fermata.protocol.periods import utc_text
from fermata.protocol.replica import Replica
from fermata.protocol.results import results_document
from fermata.protocol.round_rules import waiting_for
from fermata.protocol.state import CLOSED, COLLECTING, ENDORSED, State, Verdict
from fermata.protocol.verifier import FAILED, NOT_CHECKED, Check, Verification, verify_bundle

PATH = click.Path(path_type=Path)
CONFIG = click.option("--config", "config_file", type=PATH, required=True, help="Node's TOML file.")


def replicate(config: NodeConfig) -> tuple[Replica, list[Verdict]]:
    """The log as the coordinator shows it now, checked and folded in memory."""
    verdicts: list[Verdict] = []
    with connect(config, tls_files(config)) as log_port:
        replica = Replica(config.charter, MemoryStore(), MODULUS_BITS_MIN, verdicts.append)
        replica.pull(log_port)
    return replica, verdicts


@click.group()
def log() -> None:
    """The transparency log."""


@log.command("show")
@CONFIG
@json_option
def show(config_file: Path, as_json: bool) -> None:
    """Every entry of the log with its verdict."""
    _, verdicts = replicate(load_config(config_file))
    rows = [
        [str(v.entry), v.kind, v.author or "-", "accepted" if v.accepted else v.reason]
        for v in verdicts
    ]
    columns = ["entry", "statement", "author", "verdict"]
    data = [dict(zip(columns, row, strict=True)) for row in rows]
    emit(as_json, data, table_text(columns, rows))


@click.command()
@CONFIG
@json_option
def status(config_file: Path, as_json: bool) -> None:
    """Every node's health and the newest round, from the log."""
    config = load_config(config_file)
    replica, _ = replicate(config)
    nodes = health_rows(replica.state, clock_ms())
    rounds = round_lines(replica.state)
    columns = ["node", "role", "version", "last seen", "certificate until", "backlog"]
    rows = [[str(node[c]) for c in columns] for node in nodes]
    text = table_text(columns, rows) + "\n\n" + "\n".join(rounds)
    emit(as_json, {"nodes": nodes, "rounds": rounds}, text)


def health_rows(state: State, now_ms: int) -> list[dict[str, object]]:
    """Every node's health, as far as the log tells it."""
    charter = state.charter
    if charter is None:
        raise Refusal("NO_CHARTER", "log: entry 0 is not a valid charter")
    nodes: list[dict[str, object]] = []
    for party in charter.parties.values():
        beat = state.heartbeats.get(party.id)
        ago = f"{max(0, now_ms - beat.logged_ms) // 1000} s ago" if beat else "never"
        nodes.append(
            {
                "node": party.id,
                "role": party.role,
                "version": beat.version if beat else "-",
                "last seen": ago,
                "certificate until": utc_text(beat.certificate_expires_ms) if beat else "-",
                "backlog": beat.backlog if beat else "-",
            }
        )
    return nodes


def round_lines(state: State) -> list[str]:
    """One line a round: where it stands, and for whom it waits."""
    charter = state.charter
    if charter is None:
        return []
    lines = []
    for found in state.rounds:
        phase = found.phase(charter.endorsement_quorum)
        line = f"round {found.number} ({found.period}): {phase}"
        if phase == COLLECTING:
            line += f", {len(found.reports)} reports, until {utc_text(found.deadline_ms)}"
            line += f", waits for {', '.join(waiting_for(charter, found)) or 'the coordinator'}"
        elif phase == CLOSED:
            absent = [a for a in charter.auditors if a not in found.endorsements]
            line += f", {len(found.endorsements)} of {charter.endorsement_quorum} endorsements"
            line += f", waits for {', '.join(absent)}"
        elif phase == ENDORSED:
            absent = [a for a in charter.auditors if a not in found.parts]
            line += f", {len(found.parts)} of {charter.threshold} openings"
            line += f", waits for {', '.join(absent)}"
        elif found.refusal:
            line += f": {found.refusal}"
        if found.culprits:
            line += f"; wrong openings by {', '.join(sorted(found.culprits))}"
        lines.append(line)
    return lines or ["no round yet"]


@click.command()
@CONFIG
@click.argument("out", type=PATH)
@json_option
def bundle(config_file: Path, out: Path, as_json: bool) -> None:
    """Export a bundle that anyone can verify offline (auditors and the coordinator)."""
    config = load_config(config_file)
    if out.exists():
        raise ConfigError("FILE_EXISTS", f"{out}: is there already; choose another folder")
    with connect(config, tls_files(config)) as log_port:
        replica = Replica(config.charter, MemoryStore(), MODULUS_BITS_MIN)
        note = log_port.checkpoint()
        replica.pull(log_port)
        with progress_bar("fetching sealed parts", len(sealed_wanted(replica.state))) as advance:
            files = export_bundle(replica, log_port, note, advance)
    write_bundle(out, files)
    emit(as_json, {"bundle": str(out), "files": len(files)}, f"{out}: {summary_paths(files)}")


@click.command()
@click.argument("folder", type=PATH)
@click.option("--charter-hash", help="SHA-256 of the charter that you trust, in hex.")
@json_option
@click.pass_context
def verify(context: click.Context, folder: Path, charter_hash: str | None, as_json: bool) -> None:
    """Verify a bundle offline. Exit 0 valid, 1 invalid, 2 malformed or usage, 3 own fault."""
    pinned = _charter_hash(charter_hash)
    files = read_bundle(folder)
    try:
        verification = verify_bundle(files, pinned)
    except (FermataError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        say(f"fermata: the verifier itself failed ({type(error).__name__}); please report it")
        context.exit(3)
    emit(as_json, _document(verification), "\n".join(_lines(verification, pinned is not None)))
    sys.stdout.flush()
    context.exit(0 if verification.is_valid else 1)


def _charter_hash(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise ConfigError("CHARTER_HASH", "--charter-hash: must be 64 hex digits")
    return found


def _document(verification: Verification) -> dict[str, object]:
    return {
        "valid": verification.is_valid,
        "checks": [
            {"check": f"V{c.number}", "title": c.title, "status": c.status,
             "findings": list(c.findings)}
            for c in verification.checks
        ],
        "evidence": [
            {"entry": v.entry, "statement": v.kind, "author": v.author, "reason": v.reason}
            for v in verification.rejected
        ],
        "results": results_document(verification.state),
    }  # fmt: skip


def _lines(verification: Verification, pinned: bool) -> list[str]:
    lines = [_check_line(c) for c in verification.checks]
    for verdict in verification.rejected:
        lines.append(
            f"evidence: entry {verdict.entry}, {verdict.kind} of {verdict.author or 'nobody'}:"
            f" {verdict.reason}"
        )
    charter = verification.state.charter
    if charter is not None and not pinned:
        lines.append(f"charter {charter.sha256.hex()}: compare it, or give it as --charter-hash")
    lines.append("VALID" if verification.is_valid else "INVALID")
    return lines


def _check_line(check: Check) -> str:
    mark = {FAILED: "FAILED", NOT_CHECKED: "  --  "}.get(check.status, "  ok  ")
    line = f"V{check.number:<2} {mark} {check.title}"
    return "\n".join([line, *(f"           {finding}" for finding in check.findings)])
