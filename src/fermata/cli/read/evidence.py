"""``fermata log evidence|judge``: what a node was shown, and what two files prove together."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click

from fermata.cli.options import CONFIG, PATH
from fermata.cli.output import emit, json_option
from fermata.errors import ConfigError, Refusal
from fermata.node.config import load_config, read_charter_file
from fermata.node.files import read_file, write_atomic
from fermata.node.run.parts import open_store
from fermata.node.storage.bundles import check_new
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.fold.references import references
from fermata.protocol.roles.outbox import kept_refusals
from fermata.protocol.roles.replica import Replica
from fermata.protocol.verify.evidence import (
    EVIDENCE_BYTES_MAX,
    FORMAT,
    Evidence,
    convictions,
    kept_refusal,
    parse_evidence,
    view_of,
)
from fermata.protocol.wire.codec import decode_entry
from fermata.protocol.wire.envelope import statement_of, unseal


@click.command("evidence")
@click.argument("file", type=PATH, help="A new file for the evidence.")
@CONFIG
@click.option(
    "--entry", "entries", type=click.IntRange(min=0), multiple=True,
    help="An entry to prove as this node was shown it; may be repeated.",
)  # fmt: skip
@json_option
def evidence(file: Path, config_file: Path, entries: tuple[int, ...], as_json: bool) -> None:
    """Write to FILE what this node was shown, for others to compare; the node must be stopped.

    Without --entry: every entry that a statement of another view names, and the newest one.
    """
    config = load_config(config_file)
    check_new(file)
    with ExitStack() as stack:
        store = open_store(config)
        stack.callback(store.close)
        replica = Replica(config.genesis, store, MODULUS_BITS_MIN)
        note = store.checkpoint()
        if note is None:
            raise Refusal("EMPTY_LOG", "store: has no entry yet, so there is nothing to show")
        size = replica.tree.size
        wanted = set(entries) or {size - 1, *_named_elsewhere(replica)}
        beyond = [index for index in sorted(wanted) if index >= size]
        if beyond:
            raise ConfigError(
                "EVIDENCE", f"this node has {size} entries, and not entry {beyond[0]}"
            )
        made = Evidence(
            FORMAT,
            config.genesis.sha256.hex(),
            tuple(view_of(replica.tree, note, index) for index in sorted(wanted)),
            tuple(kept_refusal(*kept) for kept in kept_refusals(store)),
        )
    write_atomic(file, made.to_bytes())
    data = {"file": str(file), "entries": sorted(wanted), "refusals": len(made.refusals)}
    numbers = ", ".join(map(str, sorted(wanted)))
    emit(
        as_json,
        data,
        f"wrote {file}: entries {numbers} and {len(made.refusals)} signed refusals; compare it with"
        f" another party's: fermata log judge {file} OTHER --charter CHARTER",
    )


def _named_elsewhere(replica: Replica) -> Iterator[int]:
    """Entries that statements of another view name, and that this log has otherwise."""
    for verdict in replica.rejected:
        if verdict.reason == "SPLIT_VIEW":
            (leaf,) = replica.leaves(verdict.entry, verdict.entry + 1)
            entry = decode_entry(leaf)
            for reference in references(statement_of(unseal(entry.envelope))):
                if reference.index < replica.tree.size:
                    yield reference.index


@click.command("judge")
@click.argument(
    "files", type=PATH, nargs=-1, required=True, help="Files that fermata log evidence wrote."
)
@click.option("--charter", "charter_file", type=PATH, required=True, help="The charter of entry 0.")
@json_option
def judge(files: tuple[Path, ...], charter_file: Path, as_json: bool) -> None:
    """Say whether files of evidence convict the coordinator of having shown two logs.

    Ends with 0 if they do. Otherwise with 4: what each file says may be of one log.
    """
    _, charter = read_charter_file(charter_file)
    read = {str(f): parse_evidence(read_file(f, EVIDENCE_BYTES_MAX), str(f)) for f in files}
    convicted = convictions(charter, read)
    if not convicted:
        raise Refusal(
            "NOT_CONVICTED",
            "the files do not name one entry with two leaf hashes; ask each party for evidence of"
            " the same entry: fermata log evidence FILE --entry N",
        )
    lines = [
        f"{c.coordinator} signed two logs: entry {c.index} is one in {c.files[0]} and another"
        f" in {c.files[1]}"
        for c in convicted
    ]
    data = [{"entry": c.index, "files": list(c.files)} for c in convicted]
    emit(as_json, {"convicts": convicted[0].coordinator, "by": data}, "\n".join(lines))
