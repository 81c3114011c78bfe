"""Rounds and their results as records."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.pause import COMPLIED, compliance_of
from fermata.protocol.reprs import short_repr
from fermata.protocol.state.calls import has_impossible_sum
from fermata.protocol.state.consents import away
from fermata.protocol.state.pleas import starving, waiting_for
from fermata.protocol.state.state import (
    CLOSED,
    COLLECTING,
    ENDORSED,
    OPENED,
    Round,
    State,
    labs_of_round,
)
from fermata.summary.records.standing import StandingRecord, standing_records
from fermata.types import RoundPhase


@short_repr("round period metric statistic group text unit cohort exact")
@dataclass(frozen=True, slots=True)
class ResultRecord:
    """One number that came out of an opened round.

    ``exact`` follows from the opened sums; for ``stddev`` and ``geometric-mean`` it is rounded as
    docs/spec/charter.md (C9) says, and for the bin of a quartile it is the bin's lowest value.
    ``text`` is its decimal form as published; for a bin it is ``lowest..highest``. ``unit`` is the
    metric's. ``group`` is empty for a whole panel. ``cohort`` counts the organisations whose values
    are in it.
    """

    round: int
    period: str
    metric: str
    unit: str
    statistic: str
    group: str
    exact: Fraction
    text: str
    cohort: int

    @property
    def value(self) -> float:
        """The nearest double; infinite if the number is beyond all doubles."""
        try:
            return float(self.exact)
        except OverflowError:
            return math.inf if self.exact > 0 else -math.inf


@short_repr(
    "number period state refusal cohorts labs reported abstained endorsed opened_by waits_for"
)
@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One round. Times are milliseconds since 1970, UTC, by the log.

    ``state`` is collecting, closed, endorsed, opened or refused; ``refusal`` says why nothing came
    out, otherwise it is empty. ``panels`` says which figures are in each panel's sums. ``cohorts``
    counts organisations by opened cell and is empty before the close; each needs ``cohort_min``.
    ``entry`` opened the round for reports. ``close_entry`` closed it at ``closed_ms``; both are
    None before the close.

    ``labs`` are all that were asked. ``received``: those whose report is in the log; ``reported``:
    those whose report counts (so far). ``excluded``: (entry, reason) of reports that do not count.
    ``is_asked``: the round was opened in a pause, so labs prove that they comply; ``compliance``
    then says what each lab showed of its duties, otherwise it is empty.

    ``endorsed`` and ``opened_by`` are auditors; ``endorsements_needed`` and ``openings_needed`` say
    how many are needed. ``culprits`` gave a wrong part. ``waits_for``: the parties without which
    the round does not go on. ``pleaded``: labs whose answer the close waits for, with the auditors
    that have it, until ``pleaded_until_ms``; ``starved``: the same of labs for which it waited in
    vain. ``unconsenting``: labs that had not consented to the charter, at the close or so far.
    """

    number: int
    period: str
    state: RoundPhase
    entry: int
    opened_ms: int
    deadline_ms: int | None
    close_entry: int | None
    closed_ms: int | None
    panels: tuple[StandingRecord, ...]
    cohorts: Mapping[str, int]
    cohort_min: int
    refusal: str
    labs: tuple[str, ...]
    received: tuple[str, ...]
    reported: tuple[str, ...]
    abstained: tuple[str, ...]
    excluded: tuple[tuple[int, str], ...]
    is_asked: bool
    compliance: Mapping[str, str]
    endorsed: tuple[str, ...]
    endorsements_needed: int
    opened_by: tuple[str, ...]
    openings_needed: int
    culprits: tuple[str, ...]
    waits_for: tuple[str, ...]
    pleaded: Mapping[str, tuple[str, ...]]
    pleaded_until_ms: int | None
    starved: Mapping[str, tuple[str, ...]]
    unconsenting: tuple[str, ...]

    @property
    def cohort(self) -> int:
        """The number of organisations in the smallest cell; 0 before the close."""
        return min(self.cohorts.values(), default=0)

    @property
    def compliant(self) -> int:
        """How many labs showed that they keep all their duties."""
        return list(self.compliance.values()).count(COMPLIED)


def _refusal(round_: Round) -> str:
    """Why nothing came out of a round; empty if something may. A fault says where to look it up."""
    if not has_impossible_sum(round_):
        return round_.refusal
    return f"{round_.refusal}; trace it: docs/runbooks/incidents.md, Impossible sum"


def round_record(state: State, round_: Round) -> RoundRecord:
    """A round as a record, by the charter of that round."""
    charter, close = state.charter_at(round_.number), round_.close
    labs = labs_of_round(state, round_)
    return RoundRecord(
        number=round_.number,
        period=round_.period,
        state=round_.phase(charter.endorsement_quorum),
        entry=round_.entry,
        opened_ms=round_.opened_ms,
        deadline_ms=state.clock.due_ms(round_.deadline),
        close_entry=close.entry if close else None,
        closed_ms=close.time_ms if close else None,
        panels=standing_records(state, round_),
        cohorts=dict(close.cohorts) if close else {},
        cohort_min=charter.cohort_min,
        refusal=_refusal(round_),
        labs=labs,
        received=tuple(sorted(round_.reports)),
        reported=close.listed if close else tuple(sorted(round_.reports)),
        abstained=tuple(sorted(round_.abstained)),
        excluded=round_.excluded,
        is_asked=round_.asked.duties,
        compliance=dict(compliance_of(charter, round_, labs)),
        endorsed=tuple(sorted(round_.endorsements)),
        endorsements_needed=charter.endorsement_quorum,
        opened_by=tuple(sorted(round_.parts)),
        openings_needed=charter.threshold,
        culprits=tuple(sorted(round_.culprits)),
        waits_for=_waits_for(charter, round_),
        pleaded=starving(state, round_),
        pleaded_until_ms=state.clock.due_ms(round_.plea_limit),
        starved=round_.starved,
        unconsenting=tuple(sorted(away(round_) if close is None else close.unconsenting)),
    )


def round_records(state: State) -> tuple[RoundRecord, ...]:
    """All rounds, oldest first."""
    return tuple(round_record(state, round_) for round_ in state.rounds)


def _waits_for(charter: Charter, round_: Round) -> tuple[str, ...]:
    phase = round_.phase(charter.endorsement_quorum)
    if phase == COLLECTING:
        return waiting_for(charter, round_)
    done = {CLOSED: round_.endorsements, ENDORSED: round_.parts}.get(phase)
    return () if done is None else tuple(a for a in charter.auditors if a not in done)


def result_records(state: State, round_: Round) -> Iterator[ResultRecord]:
    """The results of a round, in the charter's order; empty unless it was opened."""
    charter, close, opening = state.charter_at(round_.number), round_.close, round_.opening
    if close is None or opening is None or round_.phase(charter.endorsement_quorum) != OPENED:
        return
    metrics = {m.id: m for p in charter.panels for m in p.metrics}
    for result in opening.results:
        metric = metrics[result.metric]
        yield ResultRecord(
            round=round_.number,
            period=round_.period,
            metric=metric.id,
            unit=metric.unit,
            statistic=result.statistic,
            group=result.group,
            exact=result.value,
            text=result.text,
            cohort=close.panel_cohort(metric.panel, result.group),
        )
