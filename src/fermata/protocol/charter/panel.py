"""A panel of metrics and the labs that may report it."""

from collections.abc import Iterable
from dataclasses import dataclass

from fermata.protocol.charter.claims import Claims
from fermata.protocol.charter.disclosure_terms import DisclosureTerms, Group
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.toml_source import TomlSource


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


def check_members(source: TomlSource, path: str, members: list[str], labs: Iterable[str]) -> None:
    """Checks that a panel's labs are labs of the charter, each named once.

    Raises ConfigError with the line.
    """
    for lab in members:
        if lab not in labs:  # C5.5.
            source.fail_unknown(path, "a lab", lab)
    if len(set(members)) != len(members):  # C5.6: a lab must not count twice.
        source.fail(path, "must name each lab once")
