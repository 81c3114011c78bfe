"""The class of panels, apart so that claims and groups can be part of it."""

from dataclasses import dataclass

from fermata.protocol.charter.claims import Claims
from fermata.protocol.charter.disclosure_terms import Group
from fermata.protocol.charter.metrics import Metric


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
