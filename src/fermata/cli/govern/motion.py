"""``fermata motion``: files, shows and lists motions, and votes (docs/spec/governance.md)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fermata.cli.govern.charter_changes import charter_changes, charter_text
from fermata.cli.options import CONFIG, PATH
from fermata.cli.output import emit, json_option, plain_lines, say, table_text
from fermata.cli.read.log import replicate
from fermata.cli.read.view import trusted_view, witnessed_line
from fermata.errors import ConfigError, Refusal, TransportError
from fermata.node.config import NodeConfig, load_config, read_charter_file
from fermata.node.files import read_file, write_atomic
from fermata.node.run.parts import clock_ms, connect, load_signing_key, tls_files
from fermata.node.storage.bundles import check_new
from fermata.node.storage.signatures import read_signatures
from fermata.protocol.fold.apply import judge
from fermata.protocol.fold.governance.kept import new_parties
from fermata.protocol.fold.governance.tally import committee_of
from fermata.protocol.fold.references import about, bind, next_leaf
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX
from fermata.protocol.wire.envelope import seal_statement
from fermata.summary.governance_documents import (
    motion_document,
    motion_row,
    motions_document,
)
from fermata.summary.governance_words import motion_status, motion_until
from fermata.summary.motion_words import motion_lines, pending_text
from fermata.summary.records.governance import (
    GovernanceRecord,
    MotionRecord,
    governance_record,
    motion_record,
)
from fermata.summary.words import overdue_line
from fermata.wire.v1 import envelope_pb2, statement_pb2

CHOICES = {
    "for": statement_pb2.CHOICE_FOR,
    "against": statement_pb2.CHOICE_AGAINST,
    "recused": statement_pb2.CHOICE_RECUSED,
}
ABOUT = click.option("--about", type=click.IntRange(min=0), required=True, help="The entry.")
LAB = click.option("--lab", required=True, help="The lab's id.")
FROM_ROUND = click.option(
    "--from-round", type=click.IntRange(min=1), required=True, help="First round it applies to."
)


def _signing(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of every command that signs."""
    out = click.option("--out", type=PATH, help="Write the signed envelope here; do not send it.")
    return CONFIG(out(json_option(command)))


def _entry(index: int) -> envelope_pb2.EntryRef:
    """An entry by index; ``bind`` adds what the log has there."""
    return envelope_pb2.EntryRef(index=index)


def _filing(command: Callable[..., None]) -> Callable[..., None]:
    reason = click.option("--reason", default="", help="For people; at most 500 characters.")
    return reason(_signing(command))


@click.group()
def motion() -> None:
    """File motions, show and list them, vote on them."""


@motion.group("file")
def file_motion() -> None:
    """File a motion; the chair tables all kinds but disputes, appeals and withdrawals."""


@file_motion.command("dispute")
@ABOUT
@click.option("--lab", default="", help="The lab that it concerns, if any.")
@_filing
def dispute(about: int, lab: str, **options: Any) -> None:
    """Dispute an entry of the log."""
    _file(kind=statement_pb2.MOTION_KIND_DISPUTE, about=_entry(about), lab=lab, **options)


@file_motion.command("ruling")
@ABOUT
@click.option("--upheld/--dismissed", required=True, default=None, help="The proposed ruling.")
@_filing
def ruling(about: int, upheld: bool, **options: Any) -> None:
    """Propose a ruling on a dispute; --about is the entry of the dispute."""
    _file(kind=statement_pb2.MOTION_KIND_RULING, about=_entry(about), is_upheld=upheld, **options)


@file_motion.command("appeal")
@ABOUT
@_filing
def appeal(about: int, **options: Any) -> None:
    """Appeal against the ruling on a dispute; --about is the entry of the dispute."""
    _file(kind=statement_pb2.MOTION_KIND_APPEAL, about=_entry(about), **options)


@file_motion.command("lift")
@_filing
def lift(**options: Any) -> None:
    """Propose to lift the pause."""
    _file(kind=statement_pb2.MOTION_KIND_LIFT, **options)


@file_motion.command("exclusion")
@LAB
@FROM_ROUND
@ABOUT
@_filing
def exclusion(lab: str, from_round: int, about: int, **options: Any) -> None:
    """Propose to exclude a lab; --about is a dispute about it that was upheld and is final."""
    kind = statement_pb2.MOTION_KIND_EXCLUSION
    _file(kind=kind, lab=lab, from_round=from_round, about=_entry(about), **options)


@file_motion.command("amendment")
@click.option("--charter", "charter_file", type=PATH, required=True, help="The new charter.")
@FROM_ROUND
@click.option(
    "--about",
    type=click.IntRange(min=0),
    help="The entry of an upheld dispute that found the key lost of a lab that it takes off.",
)
@_filing
def amendment(charter_file: Path, from_round: int, about: int | None, **options: Any) -> None:
    """Propose a new charter, which parties that join must have signed (FILE.sig/<party>)."""
    data, new = read_charter_file(charter_file)

    def complete(body: statement_pb2.Motion, replica: Replica) -> None:
        signatures = read_signatures(charter_file, new, new_parties(replica.charter, new))
        body.signatures.extend(
            envelope_pb2.Signature(party=party, signature=signatures[party])
            for party in sorted(signatures)
        )

    kind = statement_pb2.MOTION_KIND_AMENDMENT
    if about is not None:
        options["about"] = _entry(about)
    _file(kind=kind, from_round=from_round, charter=data, complete=complete, **options)


@file_motion.command("withdrawal")
@ABOUT
@_filing
def withdrawal(about: int, **options: Any) -> None:
    """Take back a motion of yours that is being voted on; --about is its entry."""
    _file(kind=statement_pb2.MOTION_KIND_WITHDRAWAL, about=_entry(about), **options)


@motion.command("vote")
@click.argument("entry", type=click.IntRange(min=0), help="The motion's entry in the log.")
@click.argument(
    "choice", type=click.Choice(sorted(CHOICES)),
    help="Your vote; recused takes you out of the count.",
)  # fmt: skip
@_signing
def vote(entry: int, choice: str, config_file: Path, out: Path | None, as_json: bool) -> None:
    """Vote on the motion in entry ENTRY of the log; a lab, on an amendment that asks it."""
    config = load_config(config_file)
    replica = trusted_view(config)
    # Nobody votes unread: what is signed is said first, also to a program that votes.
    say(motion_to_read(replica, motion_of(replica, entry), config.text.party))
    body = statement_pb2.Vote(motion=_entry(entry), choice=CHOICES[choice])
    _say(config, replica, out, as_json, vote=body)


@motion.command("show")
@click.argument("entry", type=click.IntRange(min=0), help="The motion's entry in the log.")
@CONFIG
@json_option
def show(entry: int, config_file: Path, as_json: bool) -> None:
    """Show the motion in entry ENTRY in words: what it asks, the votes, what it changes."""
    config = load_config(config_file)
    replica = trusted_view(config)
    record = motion_of(replica, entry)
    emit(as_json, motion_document(record), motion_to_read(replica, record, config.text.party))


def motion_of(replica: Replica, entry: int) -> MotionRecord:
    """The motion in a witnessed entry.

    Raises Refusal NO_COMMITTEE or NO_MOTION, TransportError NOT_COSIGNED.
    """
    state = replica.trusted()
    committee_of(state)
    if entry < replica.tree.size:
        _check_witnessed(replica, entry)
    if entry not in state.governance.motions:
        raise Refusal("NO_MOTION", f"entry {entry}: must be a motion; see: fermata motion list")
    return motion_record(state, entry)


def motion_to_read(replica: Replica, record: MotionRecord, party: str) -> str:
    """A motion in words, for the party that is about to vote: of an amendment, all that changes."""
    lines = plain_lines(motion_lines(record, party))
    new = record.motion.charter
    if new is not None and record.base is not None:
        old_text = charter_text(replica, record.base.sha256)
        lines += ["its lines that differ:"]
        lines += charter_changes(old_text, charter_text(replica, new.sha256))
    return "\n".join(lines)


@motion.command("send")
@click.argument("file", type=PATH, help="The signed envelope that --out wrote.")
@CONFIG
@json_option
def send(file: Path, config_file: Path, as_json: bool) -> None:
    """Send an envelope that --out wrote."""
    config = load_config(config_file)
    replica, _ = replicate(config)
    envelope = read_file(file, ENVELOPE_BYTES_MAX)
    _send(config, replica, envelope, as_json)


def _file(
    config_file: Path,
    out: Path | None,
    as_json: bool,
    complete: Callable[[statement_pb2.Motion, Replica], None] = lambda body, replica: None,
    **fields: Any,
) -> None:
    """Files a motion with these fields; ``complete`` adds those that need the log's state."""
    body = statement_pb2.Motion(**fields)
    config = load_config(config_file)
    replica = trusted_view(config)
    complete(body, replica)
    _say(config, replica, out, as_json, motion=body)


def _say(
    config: NodeConfig, replica: Replica, out: Path | None, as_json: bool, **body: Any
) -> None:
    """Signs a statement under the charter in force; sends it, or writes it to a file.

    It is about witnessed entries alone. Raises TransportError NOT_COSIGNED for another, and the
    refusal that the log would give, before anything is sent or written.
    """
    size = replica.witnessed.size
    if out is not None:
        check_new(out)
    statement = statement_pb2.Statement(
        charter_sha256=replica.charter.sha256, author=config.text.party, **body
    )
    bind(replica.tree, statement, size)
    for named in about(statement):
        _check_witnessed(replica, named.index)
    envelope = seal_statement(statement, {config.text.party: load_signing_key(config)})
    leaf = next_leaf(replica.tree, envelope)
    _, _, error = judge(replica.state, leaf)
    if error is not None:
        raise error
    if out is None:
        _send(config, replica, envelope, as_json)
        return
    write_atomic(out, envelope)
    text = f"wrote {out}; send it with: fermata motion send {out} --config {config.file}"
    emit(as_json, {"file": str(out)}, text)


def _check_witnessed(replica: Replica, entry: int) -> None:
    # L36.2: what nobody else was shown is not voted on.
    if entry >= replica.witnessed.size:
        raise TransportError(
            "NOT_COSIGNED",
            f"entry {entry}: {witnessed_line(replica)}; try again when it is witnessed",
        )


def _send(config: NodeConfig, replica: Replica, envelope: bytes, as_json: bool) -> None:
    with connect(config, tls_files(config)) as log:
        receipt = log.append(envelope)
    replica.check_receipt(envelope, receipt)
    emit(as_json, {"entry": receipt.entry}, f"logged as entry {receipt.entry}")


@motion.command("list")
@CONFIG
@json_option
def list_motions(config_file: Path, as_json: bool) -> None:
    """List every motion and its status, the chair, and what is overdue."""
    config = load_config(config_file)
    state = trusted_view(config).trusted()
    if state.chartered().charter.committee is None:
        raise ConfigError("NO_COMMITTEE", f"{config.charter_file}: must have a [committee]")
    record = governance_record(state, clock_ms())
    emit(as_json, motions_document(record), motions_text(record))


def motions_text(record: GovernanceRecord) -> str:
    """The motions, the chair and what is overdue, for people."""
    columns = ["entry", "kind", "author", "subject", "status", "for", "against", "needed", "labs"]
    rows = []
    for motion in record.motions:
        row = motion_row(record, motion) | {"status": motion_status(motion, record.disputes)}
        texts = ["" if row[column] is None else str(row[column]) for column in columns]
        rows.append([*texts, motion_until(motion, record.clock)])
    lines = [f"round {record.round}, in the chair: {record.chair or 'nobody'}"]
    lines += [table_text([*columns, "until"], rows) if rows else "no motions"]
    lines += [pending_text(motion, record) for motion in record.pending]
    lines += [f"{lab}: excluded from round {r} on" for lab, r in record.exclusions.items()]
    lines += [f"overdue: {overdue_line(late)}" for late in record.overdue]
    return "\n".join(lines)
