"""JSON, JSON lines and TOML read strictly: numbers stay text, and no key stands twice.

Of JSON (RFC 8259, section 4) the readers take less than it allows: names within an object must
be unique. NaN and infinities, which some tools write, are kept as words and refused by name.
"""

import re
import tomllib
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

from fermata.node.sources.formats.text import check_ended, decode_text
from fermata.node.sources.reading import Literal, refuse_format, shown
from fermata.protocol.charter.toml_source import LINE_DOTS_MAX
from fermata.protocol.wire.strict_json import DEPTH_MAX, DuplicateKey, NotJson, parse_json

JSON_BYTES_MAX = 16 * 1024 * 1024
JSONL_BYTES_MAX = 32 * 1024 * 1024
TOML_BYTES_MAX = 256 * 1024
RECORDS_MAX = 200_000
#: A first line of YAML: the mark of a document, a list's item or a key.
_YAML_LINE = re.compile(r"---\s*\Z|- [^{\[]|[A-Za-z_][\w .-]*:(\s|\Z)")


def read_json(file: str, data: bytes) -> Any:
    """A JSON document: dict, list, str, bool, None, and Literal for every number.

    Raises ConfigError SOURCE_FORMAT.
    """
    if len(data) > JSON_BYTES_MAX:
        refuse_format(file, f"is longer than {JSON_BYTES_MAX} bytes of JSON")
    text = decode_text(data, partial(refuse_format, file))
    try:
        return parse_json(data, JSON_BYTES_MAX, Literal)
    except DuplicateKey as error:
        refuse_format(file, f"has the key {shown(error.key)} twice in one object")
    except NotJson:
        refuse_format(file, _not_json(text))


def _not_json(text: str) -> str:
    """Why a text is not JSON, with the kind that reads it if that can be seen."""
    first, _, rest = text.strip().partition("\n")
    if first.startswith("{") and rest and _is_json(first.strip()):
        return "is not JSON, but lines of JSON each; kind jsonl reads them"
    if _YAML_LINE.match(first):
        return "is not JSON, and looks like YAML; kind yaml reads that, model-card a model card"
    return "is not JSON; is it still being written?"


def _is_json(line: str) -> bool:
    try:
        parse_json(line.encode(), JSON_BYTES_MAX, Literal)
    except NotJson:
        return False
    return True


def read_jsonl(file: str, data: bytes) -> list[tuple[int, dict[str, Any]]]:
    """The objects of a file of JSON lines, each with the number of its line; values as in JSON.

    A line that is cut off is never a whole object, so the last one needs no line end. Raises
    ConfigError SOURCE_FORMAT.
    """

    def refuse(what: str) -> Any:
        refuse_format(file, what)

    if len(data) > JSONL_BYTES_MAX:
        refuse(f"is longer than {JSONL_BYTES_MAX} bytes of JSON lines")
    records = []
    for number, line in enumerate(decode_text(data, refuse).split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = parse_json(line.encode(), JSON_BYTES_MAX, Literal)
        except DuplicateKey as error:
            refuse(f"line {number}: has the key {shown(error.key)} twice in one object")
        except NotJson:
            whole = "" if number > 1 else "; if the file is one document, kind json reads it"
            refuse(f"line {number}: is not JSON; is the file still being written?{whole}")
        if not isinstance(record, dict):
            refuse(f"line {number}: must be an object in braces")
        records.append((number, record))
        if len(records) > RECORDS_MAX:
            refuse(f"has more than {RECORDS_MAX} records; export those that are needed")
    if not records:
        refuse("has no records; is it still being written?")
    return records


def read_toml(file: str, data: bytes) -> Any:
    """A TOML document, numbers as in ``read_json`` (integers as Python reads them).

    Raises ConfigError SOURCE_FORMAT.
    """
    if len(data) > TOML_BYTES_MAX:
        refuse_format(file, f"is longer than {TOML_BYTES_MAX} bytes of TOML")
    text = decode_text(data, partial(refuse_format, file))
    check_ended(data, partial(refuse_format, file))
    if any(line.count(".") > LINE_DOTS_MAX for line in text.split("\n")):
        refuse_format(file, "has a line with too many dots")
    try:
        return tomllib.loads(text, parse_float=Literal)
    except (ValueError, RecursionError):
        refuse_format(file, "is not TOML; is it still being written?")


_STEP = r"[^.\[\]\"]+|\"[^\"]+\""
_PATH = re.compile(rf"(?:{_STEP})(?:\.(?:{_STEP}))*")


@lru_cache(maxsize=256)
def path_steps(path: str) -> tuple[str, ...] | None:
    """The keys of a path such as ``results.gpqa."acc,none"``; None if it is not a path."""
    if not _PATH.fullmatch(path):
        return None
    steps = tuple(step.strip('"') for step in re.findall(_STEP, path))
    return steps if len(steps) <= DEPTH_MAX else None


def path_text(steps: Sequence[str]) -> str:
    """The path of keys, as ``path_steps`` takes it apart again; empty for a key with a quote."""
    if any('"' in step or not step for step in steps):
        return ""
    return ".".join(f'"{s}"' if re.search(r"[.\[\]]", s) else s for s in steps)


class _Nothing:
    """What stands where a document has nothing; None is a value of documents."""


NOTHING = _Nothing()


def value_at(document: Any, steps: Sequence[str]) -> Any:
    """What a document has at the end of a path, NOTHING if it ends before."""
    for step in steps:
        below = list_of(document)
        if step in table_of(document):
            document = table_of(document)[step]
        elif re.fullmatch("0|[1-9][0-9]{0,8}", step) and int(step) < len(below):
            document = below[int(step)]
        else:
            return NOTHING
    return document


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
