"""The charter's ``[pause]`` table: the rules that begin and lift a pause, and its times.

Normative text: docs/spec/pause.md, PA1.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

from msgspec import Meta

from fermata.protocol.charter.toml_source import Seconds, Strict, TomlSource

LIFT_ROUNDS_MAX = 1000
_FRACTION = re.compile(r"[1-9][0-9]{0,8}/[1-9][0-9]{0,8}\Z")
_DECIMAL = re.compile(r"(0|1)(\.[0-9]{1,9})?\Z")


class PauseText(Strict, frozen=True):
    """The table as the file writes it; ``acknowledge_share`` is a fraction or a decimal."""

    triggers: list[str]
    lift: str
    lift_rounds: Annotated[int, Meta(ge=1, le=LIFT_ROUNDS_MAX, description="rounds")]
    acknowledge_s: Seconds
    acknowledge_share: str
    open_within_s: Seconds
    settle_within_s: Seconds
    silence_s: Seconds
    silence: Literal["tell", "hold"] = "tell"


@dataclass(frozen=True, slots=True)
class PauseTerms:
    """The checked table. ``triggers`` and ``lift`` are rule ids, ``acknowledge_share`` in (0, 1].

    ``lift_rounds`` is K of docs/spec/pause.md. ``holds_in_silence``: whether labs hold while the
    log is silent (docs/spec/silence.md).
    """

    triggers: tuple[str, ...]
    lift: str
    lift_rounds: int
    acknowledge_ms: int
    acknowledge_share: Fraction
    open_within_ms: int
    settle_within_ms: int
    silence_ms: int
    holds_in_silence: bool = False


def read_pause(source: TomlSource, text: PauseText, rule_ids: Sequence[str]) -> PauseTerms:
    """The table, checked against the ids of the charter's rules.

    Raises ConfigError with the line.
    """
    # PA1.1: a pause that nothing pulls.
    if not text.triggers:
        source.fail("pause.triggers", "must name at least one rule")
    for rule in text.triggers:
        # PA1.2.
        if rule not in rule_ids:
            source.fail_unknown("pause.triggers", "a rule", rule)
    # PA1.3.
    if len(set(text.triggers)) != len(text.triggers):
        source.fail("pause.triggers", "must name each rule once")
    # PA1.4: a pause that nothing lifts.
    if text.lift not in rule_ids:
        source.fail_unknown("pause.lift", "a rule", text.lift)
    # PA1.5.
    if text.lift in text.triggers:
        source.fail("pause.lift", f"must not be a trigger, and {text.lift} is one")
    return PauseTerms(
        triggers=tuple(text.triggers),
        lift=text.lift,
        lift_rounds=text.lift_rounds,
        acknowledge_ms=text.acknowledge_s * 1000,
        acknowledge_share=_share(source, text.acknowledge_share),
        open_within_ms=text.open_within_s * 1000,
        settle_within_ms=text.settle_within_s * 1000,
        silence_ms=text.silence_s * 1000,
        holds_in_silence=text.silence == "hold",
    )


def _share(source: TomlSource, text: str) -> Fraction:
    # PA1.6.
    if not (_FRACTION.match(text) or _DECIMAL.match(text)):
        source.fail("pause.acknowledge_share", 'must be a fraction such as "2/3", or "0.75"')
    share = Fraction(text)
    # PA1.7: a share that nobody, or no number of labs, can meet.
    if not 0 < share <= 1:
        source.fail("pause.acknowledge_share", "must be above 0 and at most 1")
    return share
