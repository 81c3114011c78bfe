"""Figures that a pipeline pushed to its lab's node, kept durably until the round's report."""

import json
from collections.abc import Mapping
from pathlib import Path

from fermata.node.files import SECRET_MODE, ensure_directory, read_file, write_atomic
from fermata.node.sources.formats.documents import read_json, table_of, text_of
from fermata.node.sources.reading import Reading, refuse_format, refuse_version

FORMAT = "fermata-pushed/1"
PUSHED_BYTES_MAX = 1024 * 1024
#: Where they are, in the node's own folder.
FOLDER = "pushed"


def pushed_path(folder: Path, period: str) -> Path:
    """The file of a period, which must be one of the charter's cadence."""
    return folder / f"{period}.json"


def read_pushed(file: str, data: bytes) -> list[Reading]:
    """The figures pushed for a period, one reading per metric. Raises ConfigError SOURCE_FORMAT."""
    document = table_of(read_json(file, data))
    if document.get("format") != FORMAT:
        refuse_version(file, "format", text_of(document.get("format")), FORMAT)
    period, values = text_of(document.get("period")), table_of(document.get("values"))
    if not period or not all(text_of(value) for value in values.values()):
        refuse_format(file, "is not what this node keeps of pushed figures")
    return [
        Reading(f"values.{metric}", "", (metric,), text_of(value), period=period)
        for metric, value in values.items()
    ]


def load_pushed(folder: Path, period: str) -> dict[str, str]:
    """Pushed figures by metric, as they were pushed, or none. Raises ConfigError."""
    path = pushed_path(folder, period)
    if not path.exists():
        return {}
    readings = read_pushed(str(path), read_file(path, PUSHED_BYTES_MAX))
    return {reading.scores[0]: reading.text for reading in readings}


def keep_pushed(folder: Path, period: str, values: Mapping[str, str]) -> None:
    """Makes the figures of a period durable (mode 0600), all or none. Raises ConfigError."""
    ensure_directory(folder)
    document = {"format": FORMAT, "period": period, "values": dict(sorted(values.items()))}
    data = json.dumps(document, indent=1).encode() + b"\n"
    write_atomic(pushed_path(folder, period), data, SECRET_MODE)
