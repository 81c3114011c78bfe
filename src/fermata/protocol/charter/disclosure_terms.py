"""What the charter says on disclosure: ``[disclosure]`` and ``[[group]]``.

Normative text: docs/spec/disclosure.md, D1 to D9. Only the text is read and checked here; the
rules that act on a round are in ``fold.disclosure``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

import msgspec
from msgspec import Meta

from fermata.protocol.charter.dues import Dues
from fermata.protocol.charter.metrics import Metric, check_id, read_decimal
from fermata.protocol.charter.toml_source import (
    Rounds,
    RoundsOrNone,
    Strict,
    TomlSource,
)
from fermata.protocol.reprs import short_repr

#: Below this many organisations a sum tells single values.
COHORT_MIN_MIN = 3
#: Below these, newer figures or changed sets tell of few organisations.
FRESH_MIN_MIN = 3
CHANGE_MIN_MIN = 3
#: The set test takes the rows of a window to the power of this less one.
CHANGE_MIN_MAX = 5
#: Without these keys in the charter; all count periods.
WINDOW_ROUNDS = 8
SET_ROUNDS = 4
GHOST_ROUNDS = 4
#: Beyond this, a number of organisations in the charter is a mistake.
ORGANISATIONS_LIMIT = 10_000
#: Without ``thresholds_max`` and ``openings_per_key_max`` in the charter.
THRESHOLDS_MAX = 64
OPENINGS_PER_KEY_MAX = 10_000
#: Most edges, limits, bands and shares that ``thresholds_max`` may allow a metric.
THRESHOLDS_LIMIT = 4096
AGE_DAYS_LIMIT = 3660
#: The one profile: the former safety zone of the US antitrust agencies for data exchanges.
SAFETY_ZONE = "antitrust-safety-zone"
SAFETY_ZONE_COHORT = 5
SAFETY_ZONE_SHARE = Fraction(1, 4)
SAFETY_ZONE_AGE_DAYS = 90


class DisclosureText(Strict, frozen=True):
    """The table ``[disclosure]``; shares and start values are decimals in quotes."""

    cohort_min: Annotated[
        int, Meta(ge=COHORT_MIN_MIN, le=ORGANISATIONS_LIMIT, description="organisations")
    ]
    fresh_min: (
        Annotated[int, Meta(ge=FRESH_MIN_MIN, le=ORGANISATIONS_LIMIT, description="organisations")]
        | None
    ) = None
    change_min: Annotated[
        int, Meta(ge=CHANGE_MIN_MIN, le=CHANGE_MIN_MAX, description="organisations")
    ] = CHANGE_MIN_MIN
    window_rounds: RoundsOrNone = WINDOW_ROUNDS
    set_rounds: Rounds = SET_ROUNDS
    ghost_rounds: Rounds = GHOST_ROUNDS
    thresholds_max: Annotated[
        int,
        Meta(
            ge=0, le=THRESHOLDS_LIMIT, description="edges, limits, bands and shares of one metric"
        ),
    ] = THRESHOLDS_MAX
    openings_per_key_max: Rounds = OPENINGS_PER_KEY_MAX
    age_days: Annotated[int, Meta(ge=0, le=AGE_DAYS_LIMIT, description="days")] = 0
    profile: str = ""
    dominance: str = ""
    dominance_start: dict[str, str] = msgspec.field(default_factory=dict)


class GroupText(Strict, frozen=True):
    """One group of labs of a panel."""

    panel: str
    id: str
    labs: list[str]


@short_repr()
@dataclass(frozen=True, slots=True)
class Group:
    """Labs of a panel whose sum is opened by itself where enough of them report."""

    id: str
    labs: frozenset[str]


@short_repr()
@dataclass(frozen=True, slots=True)
class DisclosureTerms:
    """The checked terms.

    ``fresh_min`` None: half of a panel's organisations (``standing.terms``). Zero turns
    ``age_days`` off; ``window_rounds`` 0 looks back at every earlier round. ``dominance`` is a
    lab's largest share of the sum before, None if off.
    """

    change_min: int = CHANGE_MIN_MIN
    fresh_min: int | None = None
    window_rounds: int = WINDOW_ROUNDS
    set_rounds: int = SET_ROUNDS
    ghost_rounds: int = GHOST_ROUNDS
    thresholds_max: int = THRESHOLDS_MAX
    openings_per_key_max: int = OPENINGS_PER_KEY_MAX
    age_days: int = 0
    profile: str = ""
    dominance: Fraction | None = None
    dominance_start: Mapping[str, Decimal] = field(default_factory=dict)


def fresh_min_of(terms: DisclosureTerms, cohort_min: int, organisations: int) -> int:
    """How many organisations need newer figures in a sum of a panel that has so many of them."""
    if terms.fresh_min is not None:
        return terms.fresh_min
    return max(FRESH_MIN_MIN, min(cohort_min, -(-organisations // 2)))


@short_repr()
@dataclass(frozen=True, slots=True)
class PanelLabs:
    """A panel's labs, and every lab's organisation: what its groups are checked against."""

    id: str
    labs: Sequence[str]
    organisations: Mapping[str, str]


#: An encoded limit of a metric, or a share of the sum before.
MetricLimit = int | tuple[str, Fraction]


def told_limits(
    metric: Metric, terms: DisclosureTerms, dues: Dues | None
) -> frozenset[MetricLimit]:
    """The limits on whose sides each report tells a metric's figure to be (governance.md, G12.15).

    These are those of duties, the ends of the bands of the dues, and the share of the sum before.
    Statements are not among them: they say that all figures are on one side.
    """
    limits: set[MetricLimit] = {*metric.duties}
    if dues is not None and dues.metric == metric.id:
        limits |= {band.high for band in dues.bands[:-1]}
    if terms.dominance is not None and metric.id in terms.dominance_start:
        limits.add(("share", terms.dominance))
    return frozenset(limits)


def limits_of(metric: Metric, terms: DisclosureTerms, dues: Dues | None) -> frozenset[MetricLimit]:
    """Every limit at which something opened or proven says on which side a figure is (D6).

    These are the metric's edges of bins, limits of counts and of statements, and ``told_limits``.
    """
    own = frozenset({*metric.thresholds, *metric.edges, *metric.limits})
    return own | told_limits(metric, terms, dues)


def check_limits(
    source: TomlSource, metrics: Sequence[Metric], terms: DisclosureTerms, dues: Dues | None
) -> None:
    """Checks how many limits each metric has. Raises ConfigError with the line."""
    for index, metric in enumerate(metrics):
        count = len(limits_of(metric, terms, dues))
        # D6.1: enough limits are a search for a value.
        if count > terms.thresholds_max:
            source.fail(
                f"metric[{index}]",
                f"{metric.id} must have at most {terms.thresholds_max} edges, limits, bands and"
                f" shares (disclosure.thresholds_max), got {count}; leave some out",
            )


def read_terms(
    source: TomlSource, text: DisclosureText, metrics: Sequence[Metric], cadence: str
) -> DisclosureTerms:
    """The checked terms of ``[disclosure]``; ``metrics`` are the charter's, in the file's order.

    Raises ConfigError with the line for terms that protect nothing or contradict each other.
    """
    _check_numbers(source, text, cadence)
    share = _share(source, text)
    start = _start_values(source, text, metrics, share)
    _check_profile(source, text, share)
    return DisclosureTerms(
        change_min=text.change_min,
        fresh_min=text.fresh_min,
        window_rounds=text.window_rounds,
        set_rounds=text.set_rounds,
        ghost_rounds=text.ghost_rounds,
        thresholds_max=text.thresholds_max,
        openings_per_key_max=text.openings_per_key_max,
        age_days=text.age_days,
        profile=text.profile,
        dominance=share,
        dominance_start=start,
    )


def _check_numbers(source: TomlSource, text: DisclosureText, cadence: str) -> None:
    # D4.1: a set that could never change, a cell that could never be opened.
    at_most = f"must be at most cohort_min, {text.cohort_min}, got"
    if text.change_min > text.cohort_min:
        source.fail("disclosure.change_min", f"{at_most} {text.change_min}")
    if text.fresh_min is not None and text.fresh_min > text.cohort_min:
        source.fail("disclosure.fresh_min", f"{at_most} {text.fresh_min}")
    # D7.1: a number has no end to count from.
    if text.age_days and cadence == "number":
        source.fail(
            "disclosure.age_days",
            "must be 0 when rounds are numbered, since a number has no end; leave it out, or set"
            " the cadence to quarter or month",
        )


def _share(source: TomlSource, text: DisclosureText) -> Fraction | None:
    if not text.dominance:
        # D8.1: terms without effect.
        if text.dominance_start:
            source.fail(
                "disclosure.dominance_start",
                "has no effect without disclosure.dominance; set that too",
            )
        return None
    # D8.2: a share that some lab can have, and not every lab has.
    share = Fraction(read_decimal(source, "disclosure.dominance", text.dominance))
    if not 0 < share <= 1:
        source.fail("disclosure.dominance", 'must be a share above 0 and at most 1, as "0.25"')
    return share


def _start_values(
    source: TomlSource, text: DisclosureText, metrics: Sequence[Metric], share: Fraction | None
) -> dict[str, Decimal]:
    """The sums to which shares refer until a sum has been opened, by metric."""
    by_id = {m.id: m for m in metrics}
    values: dict[str, Decimal] = {}
    for name, value in text.dominance_start.items():
        path = f"disclosure.dominance_start.{name}"
        metric = by_id.get(name)
        # D8.3.
        if metric is None:
            source.fail_unknown(path, "a metric", name)
        # D8.4: a sum that is shifted has no shares.
        if metric.minimum != 0:
            source.fail(path, f"{name} must have min 0, or shares of its sum mean nothing")
        # D8.5: a limit that only 0 keeps.
        start = read_decimal(source, path, value)
        if share is None or share * Fraction(start) < Fraction(metric.resolution):
            source.fail(path, "must be larger: every lab would have to report 0")
        values[name] = start
    if share is not None:
        missing = [m.id for m in metrics if m.minimum == 0 and m.id not in values]
        # D8.6: it would be thought to be limited.
        if missing:
            source.fail(
                "disclosure.dominance",
                f"must have a value in [disclosure.dominance_start] for {', '.join(missing)}",
            )
    return values


def _check_profile(source: TomlSource, text: DisclosureText, share: Fraction | None) -> None:
    """Checks that what the profile promises follows from the other terms (D9)."""
    if not text.profile:
        return
    # D9.1: a promise that nobody checks.
    if text.profile != SAFETY_ZONE:
        source.fail("disclosure.profile", f'must be "{SAFETY_ZONE}" or left out')
    # D9.2: no less than the name promises; so for the next.
    if text.cohort_min < SAFETY_ZONE_COHORT:
        source.fail(
            "disclosure.cohort_min",
            f"must be at least {SAFETY_ZONE_COHORT} for the profile {SAFETY_ZONE}; raise it, or"
            " leave out the profile",
        )
    # D9.3.
    if share is None or share > SAFETY_ZONE_SHARE:
        source.fail(
            "disclosure.dominance" if text.dominance else "disclosure.profile",
            f'{SAFETY_ZONE} needs dominance = "0.25" or less; set it, or leave out the profile',
        )
    # D9.4.
    if text.age_days < SAFETY_ZONE_AGE_DAYS:
        source.fail(
            "disclosure.age_days" if text.age_days else "disclosure.profile",
            f"{SAFETY_ZONE} needs age_days = {SAFETY_ZONE_AGE_DAYS} or more; raise it, or leave"
            " out the profile",
        )


def read_groups(
    source: TomlSource, groups: Sequence[GroupText], panels: Sequence[PanelLabs], cohort_min: int
) -> dict[str, tuple[Group, ...]]:
    """The groups by panel id, in the file's order; an empty tuple for a panel without groups.

    Raises ConfigError with the line unless a panel's groups are a partition of its labs that
    cuts no organisation in two, each with at least ``cohort_min`` organisations.
    """
    by_id = {p.id: p for p in panels}
    by_panel: dict[str, tuple[Group, ...]] = {p.id: () for p in panels}
    for index, text in enumerate(groups):
        path = f"group[{index}]"
        panel = by_id.get(text.panel)
        # D3.1.
        if panel is None:
            source.fail_unknown(f"{path}.panel", "a panel", text.panel)
        _check_group(source, path, text, panel, by_panel[panel.id])
        # D3.8: a cell that never comes out.
        if len({panel.organisations[lab] for lab in text.labs}) < cohort_min:
            source.fail(
                f"{path}.labs",
                f"must be of at least {cohort_min} organisations (disclosure.cohort_min)",
            )
        by_panel[panel.id] += (Group(text.id, frozenset(text.labs)),)
    for index, panel in enumerate(panels):
        of_panel = by_panel[panel.id]
        missing = sorted(set(panel.labs).difference(*(g.labs for g in of_panel)))
        # D3.9: whoever is in the total and in no cell is their difference.
        if of_panel and missing:
            source.fail(f"panel[{index}]", f"must have {', '.join(missing)} in a group too")
        # D3.10.
        if len(of_panel) == 1:
            source.fail(f"panel[{index}]", "must have two or more groups, or none")
    return by_panel


def _check_group(
    source: TomlSource, path: str, text: GroupText, panel: PanelLabs, before: Sequence[Group]
) -> None:
    # D3.2.
    check_id(source, f"{path}.id", text.id)
    # D3.3.
    if any(g.id == text.id for g in before):
        source.fail_repeated(f"{path}.id", text.id)
    # D3.4: a lab must not count twice.
    if len(set(text.labs)) != len(text.labs):
        source.fail(f"{path}.labs", "must name each lab once")
    for lab in text.labs:
        # D3.5.
        if lab not in panel.labs:
            source.fail(f"{path}.labs", f"panel {panel.id} has no lab called {lab}")
        for group in before:
            # D3.6: a report in two sums.
            if lab in group.labs:
                source.fail(f"{path}.labs", f"{lab} must be in one group, is in {group.id} too")
            # D3.7: an organisation counts in one cell.
            if panel.organisations[lab] in {panel.organisations[other] for other in group.labs}:
                source.fail(
                    f"{path}.labs",
                    f"{lab} must be in the group {group.id}, where its organisation's other labs"
                    " are",
                )


def check_dominance(
    source: TomlSource,
    terms: DisclosureTerms,
    panels: Sequence[PanelLabs],
    groups: Mapping[str, Sequence[Group]],
) -> None:
    """Checks that the dominance limit lets labs reach the sum before, and the profile (D8, D9).

    The limit is on one lab's share of the total, so the profile allows neither groups nor two
    labs of one organisation. Raises ConfigError with the line.
    """
    for panel in panels:
        # D8.7: else no round could reach the sum before.
        if terms.dominance is not None and terms.dominance * len(panel.labs) < 1:
            source.fail(
                "disclosure.dominance",
                f"must be at least 1/{len(panel.labs)}, or the {len(panel.labs)} labs of panel"
                f" {panel.id} cannot reach the sum before; raise it",
            )
    if terms.profile != SAFETY_ZONE:
        return
    for index, panel in enumerate(panels):
        # D9.5: a lab may be more than a quarter of its group.
        if groups[panel.id]:
            source.fail(
                f"panel[{index}]",
                f"{SAFETY_ZONE} limits shares of totals, not of groups; leave out its groups",
            )
        organisations = [panel.organisations[lab] for lab in panel.labs]
        # D9.6: two labs may be more than a quarter together.
        if len(set(organisations)) != len(organisations):
            source.fail(
                f"panel[{index}]",
                f"{SAFETY_ZONE} limits a lab's share, and an organisation has two labs here;"
                " leave one out",
            )
