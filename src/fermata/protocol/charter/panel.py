"""A panel of metrics and the labs that may report it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fermata.protocol.charter.claims import Claims
from fermata.protocol.charter.disclosure_terms import DisclosureTerms, Group
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.toml_source import TomlSource
from fermata.protocol.reprs import short_repr


@short_repr()
@dataclass(frozen=True, slots=True)
class Panel:
    """Metrics that are reported, proven and opened together, and the labs that may report.

    ``groups`` are a partition of the labs; a panel without groups is opened whole.
    """

    id: str
    labs: frozenset[str]
    metrics: tuple[Metric, ...]
    claims: Claims
    groups: tuple[Group, ...] = ()


def has_share(panel: Panel, terms: DisclosureTerms) -> bool:
    """Whether reports of a panel must show that they are within a share of the sum before."""
    limited = any(metric.id in terms.dominance_start for metric in panel.metrics)
    return limited and terms.dominance is not None


def organisations_in_common(
    panel: Panel, of: Mapping[str, str], other: Panel, of_other: Mapping[str, str]
) -> frozenset[str]:
    """The organisations with labs in both panels; ``of``, ``of_other``: the organisation of each
    lab of the two charters, which may be one."""
    return frozenset(of[lab] for lab in panel.labs) & frozenset(of_other[lab] for lab in other.labs)


def check_quantities(
    source: TomlSource,
    metrics: Sequence[Metric],
    panels: Sequence[Panel],
    organisations: Mapping[str, str],
) -> None:
    """Checks that what two panels measure of one organisation is not the same.

    The sums of one panel never tell of a few organisations; those of two panels together might.
    Raises ConfigError with the line.
    """
    by_id = {panel.id: panel for panel in panels}
    for index, metric in enumerate(metrics):
        for earlier in metrics[:index]:
            are_named = metric.quantity and earlier.quantity
            is_unclear = metric.unit == earlier.unit and not are_named
            is_same = are_named and metric.quantity == earlier.quantity
            here, there = by_id[metric.panel], by_id[earlier.panel]
            # Compared last: a charter may have thousands of pairs of metrics.
            if here is there or not (is_unclear or is_same):
                continue
            if not organisations_in_common(here, organisations, there, organisations):
                continue
            # C5.10: nobody can say whether the two are the same, except who writes the charter.
            if is_unclear:
                source.fail(
                    f"metric[{index}].quantity" if earlier.quantity else f"metric[{index}]",
                    f"must have a quantity, and {earlier.id} too: both are in"
                    f" {metric.unit or 'no unit'}, of panels with an organisation in common",
                )
            # C5.11: two sums of the same figures over other sets of labs.
            source.fail(
                f"metric[{index}].quantity",
                "must be in one panel, or in panels without a common organisation:"
                f" {earlier.id} of panel {earlier.panel} is of the same quantity",
            )


def check_members(source: TomlSource, path: str, members: list[str], labs: Iterable[str]) -> None:
    """Checks that a panel's labs are labs of the charter, each named once.

    Raises ConfigError with the line.
    """
    for lab in members:
        if lab not in labs:  # C5.5.
            source.fail_unknown(path, "a lab", lab)
    if len(set(members)) != len(members):  # C5.6: a lab must not count twice.
        source.fail(path, "must name each lab once")
