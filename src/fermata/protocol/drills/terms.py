"""The charter's ``[drills]``: how often auditors show that they could open (keys.md, K36)."""

from dataclasses import dataclass

from fermata.protocol.charter.toml_source import Seconds, Strict, TomlSource
from fermata.protocol.reprs import short_repr


class DrillsText(Strict, frozen=True):
    """The table as the file writes it. Numbers are in seconds."""

    every_s: Seconds
    answer_s: Seconds


@short_repr()
@dataclass(frozen=True, slots=True)
class DrillTerms:
    """How often drills are, in milliseconds.

    ``every_ms``: from the beginning of one to that of the next. ``answer_ms``: how long auditors
    have to commit themselves, and as long again to show their parts.
    """

    every_ms: int
    answer_ms: int


def read_drills(source: TomlSource, text: DrillsText | None) -> DrillTerms | None:
    """The terms of drills; None for a charter without them. Raises ConfigError with the line."""
    if text is None:
        return None
    # K36.1: the next drill would be due before the one before it is over.
    if 2 * text.answer_s > text.every_s:
        source.fail(
            "drills.answer_s",
            f"must be at most half of every_s, {text.every_s}, got {text.answer_s}",
        )
    return DrillTerms(text.every_s * 1000, text.answer_s * 1000)
