"""``fermata charter in-force``: which charter is in force, since when, and its file."""

from pathlib import Path

import click

from fermata.cli.govern.charter_changes import charter_text, shown_line
from fermata.cli.options import CONFIG, PATH
from fermata.cli.output import emit, json_option, plain_lines
from fermata.cli.read.view import trusted_view
from fermata.node.config import load_config
from fermata.node.files import write_atomic
from fermata.node.storage.bundles import check_new
from fermata.summary.governance_documents import charter_document
from fermata.summary.governance_words import motion_matter
from fermata.summary.motion_words import charter_line
from fermata.summary.records.governance import CharterRecord, charter_record


@click.command("in-force")
@CONFIG
@click.option("--text", "with_text", is_flag=True, help="Print the charter's file as well.")
@click.option("--out", type=PATH, help="Write the charter's file, byte for byte, here.")
@json_option
def charter_in_force(config_file: Path, with_text: bool, out: Path | None, as_json: bool) -> None:
    """Print which charter is in force, since when, and by which entry of the log."""
    if out is not None:
        check_new(out)
    replica = trusted_view(load_config(config_file))
    record = charter_record(replica.trusted())
    text = charter_text(replica, record.charter.sha256)
    data = charter_document(record) | ({"text": text} if with_text else {})
    if out is not None:
        write_atomic(out, text.encode())
        data["file"] = str(out)
    lines = plain_lines(in_force_lines(record))
    lines += [f"wrote {out}"] if out is not None else []
    lines += ["", *map(shown_line, text.splitlines())] if with_text else []
    emit(as_json, data, "\n".join(lines))


def in_force_lines(record: CharterRecord) -> list[str]:
    """The charter in force in words, with the amendment that brought it, and one that waits."""
    lines = [charter_line(record), f"title: {record.charter.heading}"]
    if record.motion is not None:
        lines.append(f"by the amendment of entry {record.motion}; see: fermata motion show")
        lines.append(f"it changed: {record.charter.previous}")
    if record.pending is not None:
        what = motion_matter(record.pending)
        lines.append(f"the amendment of entry {record.pending.entry} has carried: {what}")
    return lines
