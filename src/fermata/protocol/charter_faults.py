"""All that is wrong with a charter file at once, for the people who write it.

``parse_charter`` raises at the first fault, since nobody goes on with such a file. Here the checks
go on: within a list (parties, metrics, aggregates, rules) to the next element, and otherwise to the
next section that does not need the one that failed.

    >>> charter_faults(b"format = ")[0].startswith("charter: must be TOML")
    True
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from fermata.errors import ConfigError
from fermata.protocol.charter.committee import read_committee
from fermata.protocol.charter.disclosure_terms import check_limits, read_terms
from fermata.protocol.charter.metrics import read_metrics
from fermata.protocol.charter.parse import (
    CHARTER_BYTES_MAX,
    MODULUS_BITS_MIN,
    CharterText,
    check_numbers,
    notice_min_s,
    read_panels,
    read_tiers_and_dues,
    succession_min_s,
)
from fermata.protocol.charter.pause_terms import read_pause_terms
from fermata.protocol.charter.roster import read_roster, read_succession
from fermata.protocol.charter.rules.rule_reading import read_rules
from fermata.protocol.charter.toml_source import TomlSource
from fermata.protocol.drills.terms import read_drills

T = TypeVar("T")
#: Lines that are left out to read on after a key that is unknown or out of its range.
_LINES_MAX = 50


def charter_faults(data: bytes, modulus_bits_min: int = MODULUS_BITS_MIN) -> list[str]:
    """What is wrong with a charter file, a sentence for each fault, in the order of the checks.

    Empty exactly if ``parse_charter`` takes the file; otherwise its message is the first.
    """
    faults: list[str] = []
    source = TomlSource(data, "charter", "CHARTER", CHARTER_BYTES_MAX, faults)
    text = _decoded(source)
    if text is not None:
        _check_sections(source, text, modulus_bits_min)
    return faults


def _decoded(source: TomlSource) -> CharterText | None:
    """The file without the lines at fault; None if too little is left to read on."""
    faults = source.faults if source.faults is not None else []
    for count in range(_LINES_MAX):
        try:
            return source.decode(CharterText)
        except ConfigError as fault:
            line = source.fault_line
            # A key that is missing now may be one that was left out here.
            if count == 0 or "missing required field" not in str(fault):
                faults.append(str(fault))
            if line is None or "missing required field" in str(fault):
                return None
            source = source.without_line(line)
    return None


def _check_sections(source: TomlSource, text: CharterText, modulus_bits_min: int) -> None:
    """The order is that of ``parse_charter``."""
    counts_rounds = True
    try:
        _whole(source, lambda: check_numbers(source, text, modulus_bits_min))
    except _Stop:
        counts_rounds = False
    with source.part():
        read_roster(source, text.coordinators, text.auditor, text.lab, text.member)
    with suppress(_Stop), source.part():
        _check_measures(source, text)
    with source.part():
        read_drills(source, text.drills)
    with source.part():
        read_succession(source, text.succession, text.coordinators, succession_min_s(text))
    if counts_rounds:
        with source.part():
            read_committee(
                source, text.committee, text.member, text.rounds.calls_max, notice_min_s(text)
            )


def _check_measures(source: TomlSource, text: CharterText) -> None:
    """Metrics and all that rests on them; it ends after the first section with a fault."""
    metrics = _whole(
        source,
        lambda: read_metrics(source, text.metric, text.aggregate, text.statement, text.duty),
    )
    terms = _whole(
        source, lambda: read_terms(source, text.disclosure, metrics, text.rounds.cadence)
    )
    panels = _whole(source, lambda: read_panels(source, text, metrics, terms))
    with source.part():
        _, dues = read_tiers_and_dues(source, text, panels)
        check_limits(source, metrics, terms, dues)
    drilled = len(text.auditor) if text.drills is not None else 0
    rules = _whole(
        source,
        lambda: read_rules(source, text.rule, panels, terms.dominance_start, drilled),
    )
    read_pause_terms(source, text.pause, rules, bool(text.duty))


class _Stop(Exception):
    """What follows needs a section that has a fault, which is kept already."""


def _whole(source: TomlSource, read: Callable[[], T]) -> T:
    """What ``read`` gives. Raises ConfigError, and _Stop if a fault was kept meanwhile."""
    before = len(source.faults or ())
    value = read()
    if len(source.faults or ()) > before:
        raise _Stop
    return value
