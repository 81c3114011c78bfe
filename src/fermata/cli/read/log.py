"""``fermata log|bundle|verify``: reads the log, exports it, and verifies an export."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from fermata.cli.late_group import LateGroup
from fermata.cli.options import CONFIG, PATH, charter_hash_option
from fermata.cli.output import (
    TEST_LINE,
    emit,
    json_option,
    progress_bar,
    say,
    say_if_test,
    table_text,
)
from fermata.errors import FermataError, IdentityError, TransportError
from fermata.log.checkpoint import NOTE_BYTES_MAX, parse_checkpoint, parse_note
from fermata.memory_store import MemoryStore
from fermata.node.config import NodeConfig, load_config
from fermata.node.files import read_file
from fermata.node.observe.stray_lines import place_of
from fermata.node.pki.own_certificate import renew_reader
from fermata.node.pki.tls import TlsFiles
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.parts import check_log_charter, clock_ms, connect, entropy, tls_files
from fermata.node.run.succession.reading import Reading
from fermata.node.storage.bundles import (
    check_new,
    export_bundle,
    pinned_hash,
    pull_witnessed,
    read_bundle,
    write_bundle,
)
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.clock import NO_TIME
from fermata.protocol.state.state import Verdict
from fermata.protocol.verify.bundle import summary_paths
from fermata.protocol.verify.check_texts import FAILED, NOT_CHECKED, WITHOUT_CHECK, Check
from fermata.protocol.verify.freshness import Demands, unmet, witnessed_ms
from fermata.protocol.verify.key_checks import liars_of_ceremonies
from fermata.protocol.verify.verification import Verification
from fermata.protocol.verify.verifier import verify_bundle
from fermata.summary.documents import document, drill_document, results_document
from fermata.summary.drill_words import drill_lines, undrilled_line
from fermata.summary.records.drills import drill_records
from fermata.summary.records.entries import entry_record
from fermata.summary.words import culprits_text, duration_text

OWN_FAULT = 3
#: Roles that may have the sealed parts of all labs.
_ENTRY = "entry time=seen_ms statement=kind author round verdict bytes=size_bytes"
HOLD_SEALED = ("coordinator", "auditor")


def keep_certificate(config: NodeConfig, files: TlsFiles, log_port: GrpcLog | Reading) -> None:
    """Renews the certificate of an observer or operator once it is due; a node does it itself."""
    try:
        renew_reader(config, files, log_port.renew, clock_ms, entropy)
    except FermataError as error:
        say(f"the certificate was not renewed, and will expire: {error} [{error.reason}]")


@contextmanager
def checked_log(config: NodeConfig) -> Iterator[tuple[GrpcLog, Replica]]:
    """The coordinator's log, which is that of the node's charter, and an empty replica in memory.

    Raises whatever ``connect`` and ``check_log_charter`` raise.
    """
    files = tls_files(config)
    with connect(config, files) as log_port:
        check_log_charter(log_port, config)
        keep_certificate(config, files, log_port)
        yield log_port, Replica(config.genesis, MemoryStore(), MODULUS_BITS_MIN)


def replicate(config: NodeConfig) -> tuple[Replica, list[Verdict]]:
    """The log as the coordinator shows it now, checked and folded in memory, and its verdicts.

    Nothing says that others were shown the same: see ``fermata.cli.read.view``. Raises
    TransportError NOT_COSIGNED for a log of a later view that no quorum goes on with, what
    ``Replica.pull`` raises, and InvalidEncoding for a note that is none.
    """
    verdicts: list[Verdict] = []
    say_if_test(config.roster)
    with checked_log(config) as (log_port, replica):
        # The bar alone goes by it: who may sign a head, the entries say, and pull checks it.
        total = parse_checkpoint(parse_note(log_port.checkpoint()).text).size
        with progress_bar("reading the log", total) as advance:

            def seen(verdict: Verdict) -> None:
                verdicts.append(verdict)
                advance(len(verdicts))

            replica = Replica(config.genesis, MemoryStore(), MODULUS_BITS_MIN, seen)
            replica.pull(log_port)
    if total and not replica.tree.size:
        # Only a quorum shows an empty copy that a later view goes on (succession.md, SU13).
        raise TransportError(
            "NOT_COSIGNED",
            "log: its view has begun, and no quorum of auditors has cosigned its Handover yet; see"
            " whether the auditors' nodes run, and try again",
        )
    return replica, verdicts


@click.group(
    cls=LateGroup,
    later={
        "evidence": "fermata.cli.read.evidence:evidence",
        "judge": "fermata.cli.read.evidence:judge",
    },
)
def log() -> None:
    """Read the transparency log."""


@log.command("show")
@CONFIG
@json_option
def show(config_file: Path, as_json: bool) -> None:
    """Show every entry of the log: its time, round, verdict, size, and whether it is witnessed.

    The time is the log's, by which enough auditors had seen the entry.
    """
    replica, verdicts = replicate(load_config(config_file))
    rejected: dict[int, Verdict] = {v.entry: v for v in verdicts if not v.accepted}
    leaves, clock = replica.leaves(0, replica.tree.size), replica.state.clock
    entries = [entry_record(i, leaf, rejected, clock) for i, leaf in enumerate(leaves)]
    data = [
        document(entry, _ENTRY) | {"witnessed": entry.entry < replica.witnessed.size}
        for entry in entries
    ]
    columns = ["entry", "time", "statement", "author", "round", "verdict", "bytes", "witnessed"]
    rows = [[_cell(row[column]) for column in columns] for row in data]
    emit(as_json, data, table_text(columns, rows))


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "not yet"
    return str(value or 0) if isinstance(value, int) else str(value or "-")


@click.command()
@CONFIG
@click.argument("out", type=PATH, help="A new folder for the bundle.")
@click.option(
    "--wait-s", type=click.IntRange(min=0), default=60, show_default=True,
    help="How long to wait until the entries that the log has now are witnessed.",
)  # fmt: skip
@click.option(
    "--public", "is_public", is_flag=True,
    help="Leave the sealed parts out: no ciphertext of a single lab. Any party can export it.",
)  # fmt: skip
@json_option
def bundle(config_file: Path, out: Path, wait_s: int, is_public: bool, as_json: bool) -> None:
    """Export a bundle that anyone can verify offline (full: auditors and the coordinator).

    It has the whole log. A verdict about it is about the entries that a quorum of auditors has
    witnessed, of which there must be one.
    """
    config = load_config(config_file)
    check_new(out)
    if not is_public and config.role not in HOLD_SEALED:
        raise IdentityError(
            "WRONG_ROLE",
            f"bundle: only auditors and the coordinator may have sealed parts, and"
            f" {config.text.party} is a {config.role}; use --public for a bundle without them",
        )
    with checked_log(config) as (log_port, replica):
        pull_witnessed(replica, log_port, wait_s, clock_ms, time.sleep)
        open_bar = partial(progress_bar, "fetching sealed parts")
        files = export_bundle(replica, log_port, is_public, config.file.parent, open_bar)
    write_bundle(out, files)
    size, entries = replica.witnessed.size, replica.tree.size
    data = {
        "bundle": str(out),
        "files": len(files),
        "charter_hash": config.genesis.sha256.hex(),
        "entries": entries,
        "witnessed": size,
    }
    line = f"{out}: {summary_paths(files)}; {size} of {entries} entries are witnessed"
    emit(as_json, data, line)


@click.command()
@click.argument("folder", type=PATH, help="The folder of the bundle.")
@charter_hash_option
@click.option(
    "--at-least", type=click.IntRange(min=0), default=0, metavar="N",
    help="At least N entries must be witnessed.",
)  # fmt: skip
@click.option(
    "--not-before", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"]), metavar="TIME",
    help="An honest auditor must have witnessed them at TIME (UTC) or later.",
)  # fmt: skip
@click.option(
    "--extends", type=PATH, metavar="NOTE",
    help="The witnessed entries must extend this signed head, which you had before.",
)  # fmt: skip
@json_option
@click.pass_context
def verify(
    context: click.Context, folder: Path, charter_hash: str | None, at_least: int,
    not_before: datetime | None, extends: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Verify a bundle offline. The verdict is about the entries that are witnessed.

    Exit code 0: every check passed, and the bundle is as new as asked for. 1: the bundle is
    invalid, or older than asked for. 2: wrong usage, or a FOLDER that cannot be read as a bundle or
    has a newer format. 3: the verifier's own fault.
    """
    pinned = pinned_hash(charter_hash)
    demands = Demands(
        at_least,
        None if not_before is None else int(not_before.replace(tzinfo=UTC).timestamp() * 1000),
        None if extends is None else read_file(extends, NOTE_BYTES_MAX),
    )
    files = read_bundle(folder)
    try:
        verification = verify_bundle(files, pinned, MODULUS_BITS_MIN)
        missed = unmet(files, verification, demands) if verification.is_valid else ()
    except FermataError:
        # The folder changed, or its disk failed, while it was read.
        raise
    except Exception as fault:  # noqa: BLE001 - whatever it is, the bundle is not to blame
        say(f"fermata: the verifier itself failed, {place_of(fault)}; please report it [INTERNAL]")
        context.exit(OWN_FAULT)
    liars = liars_of_ceremonies(verification.state, files) if verification.is_valid else ()
    lines = [
        *(f"evidence: {path}: {party} misbehaved [{reason}]" for path, party, reason in liars),
        *_lines(verification, pinned is not None),
        *(f"NOT AS ASKED: {m}" for m in missed),
    ]
    data = _document(verification) | {"not_as_asked": list(missed)}
    data["ceremonies"] = [
        {"record": path, "culprit": party, "reason": reason} for path, party, reason in liars
    ]
    emit(as_json, data, "\n".join(lines))
    sys.stdout.flush()
    context.exit(0 if verification.is_valid and not missed else 1)


def _document(verification: Verification) -> dict[str, object]:
    return {
        "valid": verification.is_valid,
        "public": verification.is_public,
        "log": _log_document(verification),
        "checks": [
            {"check": f"V{c.number}", **document(c, "title status findings")}
            for c in verification.checks
        ],
        "without_check": [{"check": f"V{n}", "title": what} for n, what in WITHOUT_CHECK.items()],
        "evidence": [
            document(v, "entry statement=kind author reason") for v in verification.rejected
        ],
        "culprits": [
            {"round": r.period, "auditors": sorted(r.culprits)}
            for r in verification.state.rounds
            if r.culprits
        ],
        # An invalid bundle may hold anybody's inventions: programs must not find them here.
        "drills": [drill_document(drill) for drill in drill_records(verification.state)]
        if verification.is_valid
        else None,
        "undrilled": bool(_undrilled(verification)),
        "results": results_document(verification.state) if verification.is_valid else None,
    }  # fmt: skip


def _undrilled(verification: Verification) -> str:
    """What is missing of the drills that a valid bundle's charter asks for; empty if nothing is."""
    state = verification.state
    if not verification.is_valid or state.charter is None or state.key is None:
        return ""
    asked = state.charter.drills is not None
    return undrilled_line(drill_records(state), asked, state.key.entry)


def _log_document(verification: Verification) -> dict[str, object] | None:
    """What of a valid bundle's log is witnessed, by whom and when, and how old that is.

    ``newest`` and ``age_s`` are None before enough auditors have told the log a time.
    """
    charter = verification.state.charter
    if not verification.is_valid or charter is None:
        return None
    has_time = verification.newest_ms != NO_TIME
    seen = verification.witnessed
    return {
        "size": verification.size,
        "beyond": verification.beyond,
        "newest": utc_text(verification.newest_ms) if has_time else None,
        "age_s": verification.age_s(clock_ms()) if has_time else None,
        "witnessed": utc_text(witnessed_ms(seen, charter.threshold)),
        "cosigners": [
            {"auditor": auditor, "size": c.size, "time": utc_text(1000 * c.time_s)}
            for auditor, c in sorted(seen.cosigned.items())
        ],
        "auditors": len(charter.auditors),
    }


def _log_lines(log: dict[str, Any], count: int) -> list[str]:
    newest, age_s = "without a time yet", log["age_s"]
    if age_s is not None:
        age = f"{duration_text(abs(age_s) * 1000)} {'old' if age_s >= 0 else 'in the future'}"
        newest = f"the newest of {log['newest']} ({age} by this machine's clock)"
    lines = [
        f"log: {log['size']} entries, {newest}",
        f"witnessed by {count} of {log['auditors']} auditors, at {log['witnessed']} or later:",
    ]
    lines += [f"  {c['auditor']}: {c['size']} entries, {c['time']}" for c in log["cosigners"]]
    if log["beyond"]:
        lines.append(
            f"{log['beyond']} entries beyond are not witnessed and not part of this verdict"
        )
    return lines


def _lines(verification: Verification, pinned: bool) -> list[str]:
    kind = "public bundle: no ciphertext of a single lab" if verification.is_public else ""
    checks = {c.number: _check_line(c) for c in verification.checks}
    checks |= {number: f"V{number:<2}   --   {what}" for number, what in WITHOUT_CHECK.items()}
    lines = [*([kind] if kind else []), *(checks[number] for number in sorted(checks))]
    for verdict in verification.rejected:
        lines.append(
            f"evidence: entry {verdict.entry}, {verdict.kind} of {verdict.author or 'nobody'}:"
            f" {verdict.reason}"
        )
    for round_ in verification.state.rounds:
        if round_.culprits:
            said = culprits_text(sorted(round_.culprits))
            lines.append(f"evidence: round {round_.period}: {said}")
    if verification.is_valid:
        undrilled = _undrilled(verification)
        lines += [*drill_lines(drill_records(verification.state)), *([undrilled] * bool(undrilled))]
    charter_sha256, charter = verification.state.charter_sha256, verification.state.charter
    if charter is not None and charter.is_test:
        lines.append(TEST_LINE)
    if charter_sha256 is not None and not pinned:
        lines.append(f"charter {charter_sha256.hex()}: compare it, or give it as --charter-hash")
    log_document = _log_document(verification)
    if log_document is not None:
        lines += _log_lines(log_document, verification.cosigners)
    lines.append("VALID" if verification.is_valid else "INVALID")
    return lines


def _check_line(check: Check) -> str:
    mark = {FAILED: "FAILED", NOT_CHECKED: "  --  "}.get(check.status, "  ok  ")
    line = f"V{check.number:<2} {mark} {check.title}"
    return "\n".join([line, *(f"           {finding}" for finding in check.findings)])
