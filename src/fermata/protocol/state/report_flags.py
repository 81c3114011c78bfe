"""What a report shows beside the charter's statements: duties, shares, a band of the dues.

A report says which of them it shows; its proof is of the panel's claims with these ranges added.
What the values are is the same with them and without, so all reports still add up.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fermata.crypto.report.statements import Range, StatementSet, linear_form
from fermata.errors import Refusal
from fermata.protocol.charter.panel import Panel
from fermata.protocol.charter.parse import Charter
from fermata.protocol.reprs import short_repr
from fermata.wire.v1 import statement_pb2


@short_repr()
@dataclass(frozen=True, slots=True)
class Asked:
    """What a round asks for. ``duties``: it was opened in a pause. ``share_limits``: the largest
    encoded value of each metric that is within the charter's dominance limit."""

    duties: bool = False
    share_limits: Mapping[str, int] = field(default_factory=dict)


@short_repr()
@dataclass(frozen=True, slots=True)
class Flags:
    """What a report says that it shows. ``dues_band`` counts from 1; 0 for none.

    ``alone`` shows nothing: the lab may join sums as the only one that does (standing.md, ST4).
    """

    complies: bool = False
    within_shares: bool = False
    dues_band: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True)
class ShownRange:
    """``low <= metric <= high``, encoded."""

    metric: str
    low: int
    high: int


NOTHING_ASKED = Asked()
NO_FLAGS = Flags()


def flags_of(wire: statement_pb2.Report) -> Flags:
    """The flags of a report on the wire."""
    return Flags(wire.complies, wire.within_shares, wire.dues_band, wire.alone)


def check_flags(
    charter: Charter, asked: Asked, lab: str, panels: tuple[str, ...], flags: Flags
) -> None:
    """Checks that a report with these panels may show this. Raises Refusal SHOWN."""
    # S2.6: no flag without a proof behind it.
    if flags.complies and not asked.duties:
        raise Refusal("SHOWN", f"report of {lab}: the round asks for no duties")
    # S2.7: a lab must not leave out what it does not keep.
    if flags.complies and set(duty_panels(charter, lab)) - set(panels):
        raise Refusal("SHOWN", f"report of {lab}: lacks a panel with a duty")
    # S3.1: as S2.6.
    if flags.within_shares and not asked.share_limits:
        raise Refusal("SHOWN", f"report of {lab}: the charter has no dominance limit")
    bands = charter.dues.bands if charter.dues else ()
    # S5.13: as S2.6.
    if flags.dues_band > len(bands):
        raise Refusal("SHOWN", f"report of {lab}: the charter has {len(bands)} bands of dues")
    # S5.14: as S2.6.
    if flags.dues_band and charter.dues and charter.dues.panel not in panels:
        raise Refusal("SHOWN", f"report of {lab}: lacks the panel that the dues go by")


def duty_panels(charter: Charter, lab: str) -> tuple[str, ...]:
    """Panels of a lab that have a duty."""
    return tuple(p.id for p in charter.panels if lab in p.labs and any(m.duties for m in p.metrics))


def shown_ranges(
    charter: Charter, asked: Asked, panel: Panel, flags: Flags
) -> tuple[ShownRange, ...]:
    """What a report with these flags shows about the metrics of a panel."""
    ranges = []
    for metric in panel.metrics:
        if flags.complies:
            ranges += [ShownRange(metric.id, 0, limit) for limit in metric.duties]
        limit = asked.share_limits.get(metric.id)
        if flags.within_shares and limit is not None:
            ranges.append(ShownRange(metric.id, 0, limit))
    if flags.dues_band and charter.dues and charter.dues.panel == panel.id:
        band = charter.dues.bands[flags.dues_band - 1]
        ranges.append(ShownRange(charter.dues.metric, band.low, band.high))
    return tuple(ranges)


def flags_for(charter: Charter, asked: Asked, lab: str, encoded: Mapping[str, int]) -> Flags:
    """The most that a lab can show with these values, by metric; it may have left panels out."""
    panels = tuple(p.id for p in charter.panels if any(m.id in encoded for m in p.metrics))
    metrics = [m for p in charter.panels for m in p.metrics if m.id in encoded]
    complete = not set(duty_panels(charter, lab)) - set(panels)
    kept = all(encoded[m.id] <= limit for m in metrics for limit in m.duties)
    within = all(encoded[m.id] <= asked.share_limits.get(m.id, m.bound) for m in metrics)
    flags = Flags(
        complies=asked.duties and bool(duty_panels(charter, lab)) and complete and kept,
        within_shares=bool(asked.share_limits) and within,
    )
    if charter.dues is None or charter.dues.metric not in encoded:
        return flags
    return replace(flags, dues_band=charter.dues.band_of(encoded[charter.dues.metric]))


def statements_of(panel: Panel, shown_ranges: tuple[ShownRange, ...]) -> StatementSet:
    """What the proof of a panel is of. Raises InvalidEncoding STATEMENT_*."""
    return (
        _with_ranges(panel.claims.statements, _ranges(panel, shown_ranges))
        if shown_ranges
        else (panel.claims.statements)
    )


def _ranges(panel: Panel, shown_ranges: tuple[ShownRange, ...]) -> tuple[Range, ...]:
    ranges = []
    for shown_range in shown_ranges:
        form = linear_form({panel.claims.index("value", shown_range.metric): 1}, -shown_range.low)
        ranges.append(Range(form, shown_range.high - shown_range.low))
    return tuple(ranges)


@functools.lru_cache(maxsize=256)
def _with_ranges(statements: StatementSet, ranges: tuple[Range, ...]) -> StatementSet:
    return replace(statements, ranges=statements.ranges + ranges)
