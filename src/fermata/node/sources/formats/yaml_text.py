"""YAML read strictly: of what YAML 1.1 allows, what everybody reads in the same way.

PyYAML's parser tells the events of the text, and no constructor is run. A number is a number only
in plain decimal notation: to one reader ``010`` is eight and ``1:30`` ninety, to another they are
text, and here they are text. Text is never a number. Aliases, tags, merge keys and a key that
stands twice are refused.

The parser is PyYAML's own. libyaml's, which it can call, is some 25 times as fast and takes what
this one refuses: byte order marks within a text, keys with a tab, a tab after a colon. It also
refuses some that this one reads, so the two do not read alike.
"""

import re
from functools import partial
from typing import Any, NoReturn

import yaml

from fermata.node.sources.formats.text import check_ended, decode_text
from fermata.node.sources.reading import Literal, refuse_format, shown
from fermata.protocol.wire.strict_json import DEPTH_MAX

#: PyYAML takes one second for a leaderboard of this length, and five for the slowest text.
YAML_BYTES_MAX = 256 * 1024
FRONT_MATTER = "---"
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
#: Words that stand for no number; kept as the words that they are, as in JSON.
_NOT_FINITE = re.compile(r"[+-]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_NULL = ("", "~", "null", "Null", "NULL")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")


def read_yaml(file: str, data: bytes) -> Any:
    """A YAML document: dict, list, str, bool, None, and Literal for every number.

    Raises ConfigError SOURCE_FORMAT naming the line.
    """
    refuse = partial(refuse_format, file)
    if len(data) > YAML_BYTES_MAX:
        refuse(f"is longer than {YAML_BYTES_MAX} bytes of YAML")
    text = decode_text(data, refuse)
    check_ended(data, refuse)
    return _Builder(file, 0).document(text)


def read_front_matter(file: str, data: bytes) -> Any:
    """The YAML between the first two lines of dashes of a Markdown file, as ``read_yaml`` has it.

    Raises ConfigError SOURCE_FORMAT naming the line.
    """
    refuse = partial(refuse_format, file)
    lines = decode_text(data, refuse).replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != FRONT_MATTER:
        refuse("line 1: must be ---, where the front matter of a model card begins")
    end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() == FRONT_MATTER), 0)
    if not end:
        refuse("has no second line ---, where its front matter ends; is it still being written?")
    text = "\n".join(lines[1:end]) + "\n"
    if len(text.encode()) > YAML_BYTES_MAX:
        refuse(f"has more than {YAML_BYTES_MAX} bytes of front matter")
    return _Builder(file, 1).document(text)


class _Builder:
    """Makes a document of events, one collection on the stack for each that is open."""

    def __init__(self, file: str, lines_before: int) -> None:
        self._file = file
        self._before = lines_before
        #: Open collections, each with the key that waits for its value.
        self._open: list[tuple[dict[str, Any] | list[Any], list[str]]] = []
        self._documents: list[Any] = []
        self._line = 0

    def document(self, text: str) -> Any:
        """The one document of a text."""
        try:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                self._line = event.start_mark.line + 1 + self._before
                self._take(event)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            if mark is not None:
                self._line = mark.line + 1 + self._before
            self._refuse("is not YAML; is the file still being written?")
        if not self._documents:
            refuse_format(self._file, "is empty; is it still being written?")
        return self._documents[0]

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse("has an alias (*name), which is not followed; write the value there")
        if isinstance(event, yaml.DocumentStartEvent) and self._documents:
            self._refuse("begins a second document; put each into a file of its own")
        if getattr(event, "tag", None) is not None and not isinstance(event, yaml.ScalarEvent):
            self._refuse("has a tag (!name), which is not read")
        if isinstance(event, yaml.ScalarEvent):
            self._put_scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self._open) >= DEPTH_MAX:
                self._refuse(f"must be nested at most {DEPTH_MAX} deep")
            if self._waits_for_key():
                self._refuse("has a key that is a list or a table; keys must be text")
            self._open.append(({} if isinstance(event, yaml.MappingStartEvent) else [], []))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._put(self._open.pop()[0])

    def _waits_for_key(self) -> bool:
        if not self._open:
            return False
        collection, keys = self._open[-1]
        return isinstance(collection, dict) and not keys

    def _put_scalar(self, event: Any) -> None:
        if event.tag is not None:
            self._refuse("has a tag (!name), which is not read")
        if not self._waits_for_key():
            self._put(_plain(event.value) if event.implicit[0] else event.value)
            return
        collection, keys = self._open[-1]
        if event.value == "<<" and event.implicit[0]:
            self._refuse("has a merge key (<<), which is not followed; write its keys there")
        if event.value in collection:
            self._refuse(f"has the key {shown(event.value)} twice in one table")
        keys.append(event.value)

    def _put(self, value: Any) -> None:
        if not self._open:
            self._documents.append(value)
            return
        collection, keys = self._open[-1]
        if isinstance(collection, dict):
            collection[keys.pop()] = value
        else:
            collection.append(value)

    def _refuse(self, what: str) -> NoReturn:
        refuse_format(self._file, f"line {self._line}: {what}")


def _plain(text: str) -> Any:
    """What a scalar without quotes stands for."""
    if _NUMBER.match(text) or _NOT_FINITE.match(text):
        return Literal(text)
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    return text
