"""The charter's tiers and dues: what a lab of a tier must report, and what labs owe.

Dues go by tier, or by the band of a metric that the lab's report proves it to be in, so that
nobody learns more of the figure than its band (docs/spec/dues.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fermata.protocol.charter.metrics import (
    Metric,
    check_id,
    check_text,
    encode_limit,
    read_decimal,
)
from fermata.protocol.charter.toml_source import Strict, TomlSource
from fermata.protocol.reprs import short_repr

BANDS_MAX = 32


class TierText(Strict, frozen=True):
    """One ``[[tier]]``: a lab of it that reports at all must report its ``panels``."""

    id: str
    panels: list[str]
    dues: str = ""


class BandText(Strict, frozen=True):
    amount: str
    at_most: str = ""


class DuesText(Strict, frozen=True):
    unit: str
    metric: str = ""
    band: tuple[BandText, ...] = ()


@short_repr()
@dataclass(frozen=True, slots=True)
class Tier:
    """A tier: the panels that its labs must report, and their dues for a round.

    ``amount`` is in the charter's unit, and None if dues do not go by tier.
    """

    id: str
    panels: tuple[str, ...]
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Band:
    """The encoded values ``low`` to ``high`` of the metric that dues go by, both included.

    A lab whose value is among them owes ``amount``, in the charter's unit, for a round.
    """

    low: int
    high: int
    amount: Decimal


@short_repr()
@dataclass(frozen=True, slots=True)
class Dues:
    """What dues go by; ``metric``, ``panel`` and ``bands`` are empty for dues by tier."""

    unit: str
    metric: str = ""
    panel: str = ""
    bands: tuple[Band, ...] = ()

    def band_of(self, encoded: int) -> int:
        """The band of an encoded value, counted from 1."""
        return 1 + sum(encoded > band.high for band in self.bands)


def read_tiers(
    source: TomlSource, texts: Sequence[TierText], panels: Mapping[str, frozenset[str]]
) -> tuple[Tier, ...]:
    """The charter's tiers; ``panels`` has the labs of each. Raises ConfigError with the line."""
    tiers: list[Tier] = []
    for index, text in enumerate(texts):
        path = f"tier[{index}]"
        # S4.1.
        check_id(source, f"{path}.id", text.id)
        # S4.2.
        if any(t.id == text.id for t in tiers):
            source.fail_repeated(f"{path}.id", text.id)
        # S4.3: a tier that asks for nothing.
        if not text.panels or len(set(text.panels)) != len(text.panels):
            source.fail(f"{path}.panels", "must name at least one panel, each once")
        for panel in text.panels:
            # S4.4.
            if panel not in panels:
                source.fail_unknown(f"{path}.panels", "a panel", panel)
        # S4.5.
        amount = _amount(source, f"{path}.dues", text.dues) if text.dues else None
        tiers.append(Tier(text.id, tuple(text.panels), amount))
    return tuple(tiers)


def check_tier_of(
    source: TomlSource,
    path: str,
    lab: str,
    wanted: str,
    tiers: Sequence[Tier],
    panels: Mapping[str, frozenset[str]],
) -> None:
    """Checks that a lab has a tier if there are any, and may report every panel of the tier.

    ``path`` is where the charter names the tier, ``wanted`` its name, empty for none. Raises
    ConfigError with the line.
    """
    if not tiers and not wanted:
        return
    tier = next((t for t in tiers if t.id == wanted), None)
    # S4.6: no lab owes nothing by mistake.
    if tier is None:
        known = ", ".join(t.id for t in tiers)
        source.fail(path, f"must be one of {known}" if known else "must be left out without tiers")
    for panel in tier.panels:
        # S4.7: else it could not do what its tier asks.
        if lab not in panels[panel]:
            source.fail(
                path, f"tier {tier.id} must report panel {panel}, so {lab} must be among its labs"
            )


def read_dues(
    source: TomlSource, text: DuesText | None, tiers: Sequence[Tier], metrics: Sequence[Metric]
) -> Dues | None:
    """What dues go by; None for a charter without dues. Raises ConfigError with the line."""
    priced = [t for t in tiers if t.amount is not None]
    if text is None:
        # S5.1: amounts without a unit.
        if priced:
            source.fail("tier[0].dues", "has no effect without a [dues] table with a unit; add one")
        return None
    # S5.2.
    check_text(source, "dues.unit", text.unit)
    # S5.3.
    if not text.unit:
        source.fail("dues.unit", "must not be empty")
    if not text.metric:
        # S5.4: bands of nothing.
        if text.band:
            source.fail("dues.metric", "must name the metric that the bands are of")
        # S5.5: else nobody could tell what a lab owes.
        if not tiers or len(priced) != len(tiers):
            source.fail("dues", "must have a metric with bands, or dues in every [[tier]]")
        return Dues(text.unit)
    # S5.6: nobody owes twice.
    if priced:
        source.fail("dues.metric", "dues must go by bands or by tiers, not by both")
    metric = next((m for m in metrics if m.id == text.metric), None)
    # S5.7.
    if metric is None:
        source.fail_unknown("dues.metric", "a metric", text.metric)
    return Dues(text.unit, metric.id, metric.panel, _bands(source, text.band, metric))


def _bands(source: TomlSource, texts: Sequence[BandText], metric: Metric) -> tuple[Band, ...]:
    # S5.8: narrow bands would tell the figure.
    if not 1 < len(texts) <= BANDS_MAX:
        source.fail("dues", f"must have 2 to {BANDS_MAX} [[dues.band]]s, got {len(texts)}")
    bands: list[Band] = []
    low = 0
    for index, text in enumerate(texts):
        path = f"dues.band[{index}]"
        is_last = index == len(texts) - 1
        # S5.9: every value is in a band.
        if bool(text.at_most) == is_last:
            source.fail(f"{path}.at_most", "must be in every band but the last, which has no end")
        high = metric.bound
        if text.at_most:
            high = encode_limit(source, f"{path}.at_most", metric, text.at_most)
        # S5.10: an empty band.
        if high < low:
            source.fail(f"{path}.at_most", "must be above the at_most of the band before")
        amount = _amount(source, f"{path}.amount", text.amount)
        # S5.11: who pays less for more would show no band.
        if bands and amount < bands[-1].amount:
            source.fail(f"{path}.amount", "must not be below the amount of the band before")
        bands.append(Band(low, high, amount))
        low = high + 1
    return tuple(bands)


def _amount(source: TomlSource, path: str, text: str) -> Decimal:
    amount = read_decimal(source, path, text)
    exponent = amount.as_tuple().exponent
    # S5.12: sums must come out.
    if amount < 0 or not isinstance(exponent, int) or exponent < -2:
        source.fail(path, "must be 0 or more, with at most two decimals")
    return amount
