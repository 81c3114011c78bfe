"""``fermata lab sources``: what can be read in a file, before a lab writes a ``[[lab.source]]``."""

import datetime
from pathlib import Path

import click

from fermata.cli.options import PATH
from fermata.cli.output import emit, json_option, table_text
from fermata.node.sources.listing import Listed, kinds, list_file

_COLUMNS = ["kind", "task", "score", "model", "unit", "samples", "measured", "records", "note"]
MODELS_SHOWN = 4


@click.command("sources")
@click.argument("file", type=PATH, help="A file that a tool wrote, or a table.")
@click.option("--kind", type=click.Choice(kinds()), help="Read it as this; default: what it is.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="A table for people, or JSON as with --json.",
)  # fmt: skip
@json_option
def lab_sources_command(file: Path, kind: str | None, form: str, as_json: bool) -> None:
    """List the tasks, scores, models, units, counts and times in FILE, a tool's; no figures."""
    listed = list_file(file.absolute(), Path.cwd(), kind or "")
    document = {"file": str(file), "figures": [_record(row) for row in listed]}
    table = table_text(_COLUMNS, [_cells(row) for row in listed])
    emit(as_json or form == "json", document, f"{_shown(str(file))}\n{table}")


def _record(row: Listed) -> dict[str, object]:
    return {
        "kind": row.kind,
        "task": row.task,
        "scores": list(row.names),
        "models": list(row.models),
        "unit": row.unit,
        "scored": row.scored,
        "samples": row.samples,
        "measured": _time(row.completed_ms) or None,
        "period": row.period,
        "records": row.records,
        "place": row.place,
        "note": row.note,
    }


def _cells(row: Listed) -> list[str]:
    more = f" and {len(row.models) - MODELS_SHOWN} more" if len(row.models) > MODELS_SHOWN else ""
    counted = row.scored is not None and row.samples is not None
    score = row.names[0] if row.names else ""
    return [
        row.kind,
        _shown(row.task),
        _shown(score),
        ", ".join(map(_shown, row.models[:MODELS_SHOWN])) + more,
        _shown(row.unit),
        f"{row.scored} of {row.samples}" if counted else "",
        row.period or _time(row.completed_ms),
        str(row.records or ""),
        _shown(row.note),
    ]


def _time(time_ms: int | None) -> str:
    """A time in UTC to the second, empty if there is none."""
    if time_ms is None:
        return ""
    moment = datetime.datetime.fromtimestamp(time_ms / 1000, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown(text: str) -> str:
    """A name of the file in one line, with nothing that moves a cursor."""
    return "".join(c if c.isprintable() else "?" for c in text)
