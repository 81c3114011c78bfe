"""The charter's ``[pause]`` table: the rules that begin and lift a pause, and its times.

Normative text: docs/spec/pause.md, PA1.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Literal

from msgspec import Meta

from fermata.protocol.charter.rules.trigger_rules import (
    ABLE,
    CHANGE,
    DOUBLING,
    FITS,
    GROWTH,
    LEVEL,
    NO_RESULT,
    ROUNDS_MAX,
    UNKNOWN,
    Rule,
)
from fermata.protocol.charter.toml_source import Seconds, Strict, TomlSource
from fermata.protocol.reprs import short_repr

LIFT_ROUNDS_MAX = 1000
#: For how many rounds a true part of a trigger stays true while its panel is unchanged.
HOLD_ROUNDS = 1
#: What ``fail_safe`` says where a log of which nothing comes out begins no pause.
NO_FAIL_SAFE = "none"
_FRACTION = re.compile(r"[1-9][0-9]{0,8}/[1-9][0-9]{0,8}\Z")
_DECIMAL = re.compile(r"(0|1)(\.[0-9]{1,9})?\Z")


class PauseText(Strict, frozen=True):
    """The table as the file writes it; shares are fractions or decimals.

    Without ``pause_share`` it is ``acknowledge_share``.
    """

    triggers: list[str]
    lift: str
    lift_rounds: Annotated[int, Meta(ge=1, le=LIFT_ROUNDS_MAX, description="rounds")]
    acknowledge_s: Seconds
    acknowledge_share: str
    open_within_s: Seconds
    settle_within_s: Seconds
    silence_s: Seconds
    silence: Literal["tell", "hold"] = "tell"
    pause_share: str = ""
    fail_safe: str | None = None
    fits_only: bool = False
    hold_rounds: Annotated[int, Meta(ge=0, le=ROUNDS_MAX, description="rounds")] = HOLD_ROUNDS


@short_repr()
@dataclass(frozen=True, slots=True)
class PauseTerms:
    """The checked table. ``triggers`` and ``lift`` are rule ids; shares are in (0, 1].

    ``lift_rounds`` is K of docs/spec/pause.md. ``pause_share`` of the labs' organisations must
    agree to a change of these terms. ``holds_in_silence``: whether labs hold while the log is
    silent (docs/spec/silence.md). ``is_fail_safe``: whether rounds of which nothing comes out begin
    a pause; ``fits_only``: whether none of the triggers sees a leap by itself.
    ``hold_rounds``: for how many rounds what joined triggers read stays true (RU4).
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
    pause_share: Fraction = Fraction(1)
    is_fail_safe: bool = True
    fits_only: bool = False
    hold_rounds: int = HOLD_ROUNDS


def read_pause_terms(
    source: TomlSource, text: PauseText | None, rules: Sequence[Rule], has_duties: bool
) -> PauseTerms | None:
    """The table, and its lift, checked against the rules; None if the charter has no pause.

    Raises ConfigError with the line.
    """
    if text is None:
        if has_duties:  # S2.5.
            source.fail("duty[0]", "has no effect without a [pause] table; add one")
        return None
    terms = read_pause(source, text, rules)
    check_lift(source, rules, terms.lift)
    check_opposed(source, "pause.lift", rules, terms.triggers, terms.lift)
    check_no_drill(source, rules, (*terms.triggers, terms.lift))
    return terms


def read_pause(source: TomlSource, text: PauseText, rules: Sequence[Rule]) -> PauseTerms:
    """The table, checked against the charter's rules.

    Raises ConfigError with the line.
    """
    rule_ids = [rule.id for rule in rules]
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
    fault = _share_fault(text.acknowledge_share)  # PA1.6, PA1.7.
    if fault:
        source.fail("pause.acknowledge_share", fault)
    pause_share = text.pause_share or text.acknowledge_share
    fault = _share_fault(pause_share)  # PA1.8.
    if fault:
        source.fail("pause.pause_share", fault)
    _check_fail_safe(source, text, rules)
    _check_fits_only(source, text, rules)
    return PauseTerms(
        triggers=tuple(text.triggers),
        lift=text.lift,
        lift_rounds=text.lift_rounds,
        acknowledge_ms=text.acknowledge_s * 1000,
        acknowledge_share=Fraction(text.acknowledge_share),
        open_within_ms=text.open_within_s * 1000,
        settle_within_ms=text.settle_within_s * 1000,
        silence_ms=text.silence_s * 1000,
        holds_in_silence=text.silence == "hold",
        pause_share=Fraction(pause_share),
        is_fail_safe=text.fail_safe is None,
        fits_only=text.fits_only,
        hold_rounds=text.hold_rounds,
    )


def with_hold(rules: Sequence[Rule], terms: PauseTerms | None) -> tuple[Rule, ...]:
    """The rules, of which those that join others for a trigger have the pause's ``hold_rounds``.

    Panels open by themselves, in different rounds; nothing of the lift is held.
    """
    serving = {rule.id for _, rule in with_parts(rules, terms.triggers)} if terms else set()
    held = terms.hold_rounds if terms else 0
    return tuple(
        replace(rule, hold_rounds=held) if rule.parts and rule.id in serving else rule
        for rule in rules
    )


def _share_fault(text: str) -> str:
    """What is wrong with a share; empty for a good one."""
    # A form that every reader takes for the same number.
    if not (_FRACTION.match(text) or _DECIMAL.match(text)):
        return 'must be a fraction such as "2/3", or "0.75"'
    # A share that nobody, or no number of labs, can meet.
    return "" if 0 < Fraction(text) <= 1 else "must be above 0 and at most 1"


def _check_fail_safe(source: TomlSource, text: PauseText, rules: Sequence[Rule]) -> None:
    # PA1.9.
    if text.fail_safe not in (None, NO_FAIL_SAFE):
        source.fail("pause.fail_safe", f'must be "{NO_FAIL_SAFE}" or left out')
    by_id = {rule.id: rule for rule in rules}
    safe = [trigger for trigger in text.triggers if rests_on_no_result(by_id, trigger)]
    # PA1.10: whoever makes rounds come to nothing keeps every trigger from holding.
    if text.fail_safe is None and not safe:
        source.fail(
            "pause.triggers",
            f"must have one that is a rule of kind {NO_RESULT}, or any_of such a rule, so that"
            f' rounds without a result begin a pause; or set fail_safe = "{NO_FAIL_SAFE}"',
        )
    # PA1.11: a charter that says less than it does.
    if text.fail_safe is not None and safe:
        source.fail(
            "pause.fail_safe", f"must be left out: the trigger {safe[0]} rests on {NO_RESULT}"
        )


def _check_fits_only(source: TomlSource, text: PauseText, rules: Sequence[Rule]) -> None:
    by_id = {rule.id: rule for rule in rules}
    kinds = {rule.kind for _, rule in with_parts(rules, text.triggers)}
    is_blind = bool(kinds.intersection(FITS)) and not any(
        _sees_leaps(by_id, trigger) for trigger in text.triggers
    )
    # PA1.12: a leap makes the error of a slope large, and one lab can keep it so.
    if is_blind and not text.fits_only:
        source.fail(
            "pause.triggers",
            f"must have one that holds by a {LEVEL} or a {CHANGE} alone, since a fit sees a"
            " leap late; or set fits_only = true",
        )
    # PA1.13: a charter that says less than it does.
    if text.fits_only and not is_blind:
        source.fail("pause.fits_only", "must be left out: a trigger holds without a fit")


def rests_on_no_result(by_id: Mapping[str, Rule], rule_id: str, panel: str = "") -> bool:
    """Whether a rule holds as soon as a rule of kind no-result does, of this panel if one is named:
    it, or any_of it."""
    return rests_on(
        by_id, rule_id, lambda rule: rule.kind == NO_RESULT and panel in ("", rule.panel)
    )


def rests_on(by_id: Mapping[str, Rule], rule_id: str, is_wanted: Callable[[Rule], bool]) -> bool:
    """Whether a rule holds as soon as a wanted one does: it is one, or joins any_of such rules."""
    rule = by_id[rule_id]
    if rule.kind == "any_of":
        return any(rests_on(by_id, part, is_wanted) for part in rule.parts)
    return is_wanted(rule)


def _sees_leaps(by_id: Mapping[str, Rule], rule_id: str) -> bool:
    """Whether a rule can hold by levels and changes, while no fit holds."""
    rule = by_id[rule_id]
    if rule.parts:
        join = all if rule.kind == "all_of" else any
        return join(_sees_leaps(by_id, part) for part in rule.parts)
    return rule.kind in (LEVEL, CHANGE)


def with_parts(rules: Sequence[Rule], ids: Sequence[str]) -> Iterator[tuple[int, Rule]]:
    """The rules with these ids and all that they join, each with its place in the charter."""
    wanted = set(ids)
    # Parts stand before the rules that join them.
    for index in range(len(rules) - 1, -1, -1):
        rule = rules[index]
        if rule.id in wanted:
            wanted.update(rule.parts)
            yield index, rule


def check_lift(
    source: TomlSource, rules: Sequence[Rule], lift_id: str, path: str = "pause.lift"
) -> None:
    """Checks the lift and all that it joins: RU9.1 and RU9.2.

    An unknown value resets their runs, and none counts rounds without a result: a pause is never
    lifted by what nobody knows. ``path`` is where the charter names the
    lift. Raises ConfigError with the line.
    """
    if all(rule.id != lift_id for rule in rules):
        source.fail_unknown(path, "a rule", lift_id)
    for index, rule in with_parts(rules, [lift_id]):
        if rule.unknown != UNKNOWN[0]:  # RU9.1: what nobody knows does not lift.
            source.fail(
                f"rule[{index}].unknown", f'must be "resets", since {rule.id} serves the lift'
            )
        if rule.kind == NO_RESULT:  # RU9.2: a round of which nothing comes out does not lift.
            source.fail(f"rule[{index}].kind", f"must not be {NO_RESULT} in a rule of the lift")


def check_no_drill(source: TomlSource, rules: Sequence[Rule], ids: Sequence[str]) -> None:
    """Checks that no rule of the pause, ``ids`` and all that these join, reads a drill.

    Raises ConfigError with the line.
    """
    for index, rule in with_parts(rules, ids):
        # RU12.3: auditors that keep silent in a drill would pull the pause, or keep it.
        if rule.kind == ABLE:
            source.fail(f"rule[{index}].kind", f"must not be {ABLE} in a rule of the pause")


def check_opposed(
    source: TomlSource,
    path: str,
    rules: Sequence[Rule],
    trigger_ids: Sequence[str],
    lift_id: str,
) -> None:
    """Checks that no leaf of the lift holds at a value at which a leaf of a trigger holds (RU9.3).

    It compares leaves on the same quantity: the same statistic of the same metric by the same
    kind, where a growth rate and a doubling time count as one. ``path`` is the key that names the
    lift. Raises ConfigError with its line.
    """
    lifts = [rule for _, rule in with_parts(rules, [lift_id]) if not rule.parts]
    for _, trigger in with_parts(rules, trigger_ids):
        for lift in lifts:
            if can_both_hold(trigger, lift):  # RU9.3: no value pulls and lifts.
                what = f"{lift.id} must not hold where the trigger {trigger.id} holds"
                source.fail(path, f"{what}; move their limits apart")


def _quantity(rule: Rule) -> tuple[str, str, str]:
    kind = GROWTH if rule.kind == DOUBLING else rule.kind
    return rule.metric or rule.panel, rule.statistic, kind


def can_both_hold(a: Rule, b: Rule) -> bool:
    """Whether one value of one quantity passes both limits."""
    if a.parts or b.parts or _quantity(a) != _quantity(b):
        return False
    # With the same direction, one always does.
    if a.is_rising == b.is_rising:
        return True
    more, less = (a, b) if a.is_rising else (b, a)
    slopes = a.kind in (GROWTH, DOUBLING)
    low, high = (r.slope_limit if slopes else r.limit for r in (more, less))
    return low < high or (low == high and not (more.is_strict or less.is_strict))
