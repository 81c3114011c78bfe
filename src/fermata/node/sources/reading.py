"""What every reader gives: a figure as it stands in a file, with all that says which one it is."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from fermata.errors import ConfigError

#: What is quoted from a file or a page in a message.
SHOWN_CHARACTERS_MAX = 60
CHOICES_MAX = 8


class Literal(str):
    """A number as its file writes it: no float on the way may change it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure of a source.

    ``field`` is its place in the file for people. ``task`` is what was measured; ``scores`` are
    the names by which the figure can be asked for, the full one first. ``text`` is the number as
    written, or empty if there is none. ``completed_ms`` is when it was measured, milliseconds
    since the epoch, None if the file does not say; ``period`` is there where the file names one.
    ``unit`` is the file's own word for it. ``model`` names what was evaluated, empty if the file
    does not. The figure is of ``scored`` samples, of ``samples`` that the data set has, each None
    if the file does not count them. ``fault`` says why it is not a finished measurement.
    """

    field: str
    task: str
    scores: tuple[str, ...]
    text: str = dataclasses.field(repr=False)
    completed_ms: int | None = None
    period: str = ""
    unit: str = ""
    model: str = ""
    scored: int | None = None
    samples: int | None = None
    fault: str = ""

    @property
    def is_counted(self) -> bool:
        """Whether the file itself says of how many samples of how many the figure is."""
        # "0 of 0" counts nothing: no figure is of no samples.
        return self.scored is not None and self.samples is not None and self.samples > 0

    @property
    def unfinished(self) -> str:
        """Why the figure is not of the whole data set; empty if nothing in the file says so."""
        if self.fault or not self.is_counted or self.scored == self.samples:
            return self.fault
        return f"{shown(self.field)}: {self.scored} of {self.samples} samples were scored"

    def is_score(self, wanted: str) -> bool:
        """Whether this figure goes by that name; every figure does by none."""
        return not wanted or wanted in self.scores


def refuse_format(file: str, what: str) -> NoReturn:
    """Raises ConfigError SOURCE_FORMAT: the file is not of the kind that it should be."""
    raise ConfigError("SOURCE_FORMAT", _printable(f"{file}: {what}"))


def refuse_version(file: str, field: str, version: str, known: str) -> NoReturn:
    """Raises ConfigError SOURCE_VERSION: nobody has tried this version."""
    raise ConfigError(
        "SOURCE_VERSION",
        _printable(f"{file}: {field} is {shown(version) or 'missing'}, this reads {known}"),
    )


def shown(text: object) -> str:
    """A name from a file, short and printable."""
    line = _printable(str(text))
    return line if len(line) <= SHOWN_CHARACTERS_MAX else f"{line[:SHOWN_CHARACTERS_MAX]}..."


def choices(names: Iterable[str]) -> str:
    """Names to choose from, each once, in order, not too many."""
    sorted_names = sorted({shown(name) for name in names if name})
    more = f" and {len(sorted_names) - CHOICES_MAX} more" if len(sorted_names) > CHOICES_MAX else ""
    return ", ".join(sorted_names[:CHOICES_MAX]) + more


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
