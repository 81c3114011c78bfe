"""JSON and TOML read strictly: numbers stay the text that they are, no key stands twice.

Of JSON (RFC 8259, section 4) the readers take less than it allows: names within an object must
be unique. NaN and infinities, which some tools write, are kept as words and refused by name.
"""

import re
import tomllib
from typing import Any

from fermata.node.sources.reading import Literal, refuse_format, shown
from fermata.protocol.charter.toml_source import LINE_DOTS_MAX
from fermata.protocol.wire.strict_json import DEPTH_MAX, DuplicateKey, NotJson, parse_json

JSON_BYTES_MAX = 16 * 1024 * 1024
TOML_BYTES_MAX = 256 * 1024


def read_json(file: str, data: bytes) -> Any:
    """A JSON document: dict, list, str, bool, None, and Literal for every number.

    Raises ConfigError SOURCE_FORMAT.
    """
    if len(data) > JSON_BYTES_MAX:
        refuse_format(file, f"is longer than {JSON_BYTES_MAX} bytes of JSON")
    try:
        return parse_json(data, JSON_BYTES_MAX, Literal)
    except DuplicateKey as error:
        refuse_format(file, f"has the key {shown(error.key)} twice in one object")
    except NotJson:
        refuse_format(file, "is not JSON; is it still being written?")


def read_toml(file: str, data: bytes) -> Any:
    """A TOML document, numbers as in ``read_json`` (integers as Python reads them).

    Raises ConfigError SOURCE_FORMAT.
    """
    if len(data) > TOML_BYTES_MAX:
        refuse_format(file, f"is longer than {TOML_BYTES_MAX} bytes of TOML")
    try:
        text = data.decode("utf-8")
        if any(line.count(".") > LINE_DOTS_MAX for line in text.split("\n")):
            refuse_format(file, "has a line with too many dots")
        return tomllib.loads(text, parse_float=Literal)
    except (ValueError, RecursionError):
        refuse_format(file, "is not TOML; is it still being written?")


_STEP = r"[^.\[\]\"]+|\"[^\"]+\""
_PATH = re.compile(rf"(?:{_STEP})(?:\.(?:{_STEP}))*")


def path_steps(path: str) -> list[str] | None:
    """The keys of a path such as ``results.gpqa."acc,none"``; None if it is not a path."""
    if not _PATH.fullmatch(path):
        return None
    steps = [step.strip('"') for step in re.findall(_STEP, path)]
    return steps if len(steps) <= DEPTH_MAX else None


def number_of(value: Any) -> str:
    """A number of a document as text; empty for what is none, also for true and false."""
    if isinstance(value, Literal):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 1000:
        return str(value)
    return ""


def count_of(value: Any) -> int | None:
    """A number of a document as a count, such as of samples; None for what is none."""
    text = number_of(value)
    return int(text) if re.fullmatch("[0-9]{1,12}", text) else None


def text_of(value: Any) -> str:
    """A string of a document; empty for everything else."""
    return value if isinstance(value, str) and not isinstance(value, Literal) else ""


def table_of(value: Any) -> dict[str, Any]:
    """An object of a document; empty for everything else."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """An array of a document; empty for everything else."""
    return value if isinstance(value, list) else []
