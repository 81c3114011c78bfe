"""One round as a page shows it: who reported, who complied, who endorsed, what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from fermata.dashboard.views.overview import RoundView, name_of, round_view
from fermata.dashboard.views.pause import RuleView, rule_views
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.fold.pause import compliance_of
from fermata.protocol.state.state import COLLECTING, OPENED, Round, State, labs_of_round

COUNTED, NOT_COUNTED, REPORTED = "reported", "reported, not counted", "reported so far"
ABSTAINED, SILENT, WAITED_FOR = "has no figures", "silent", "not yet"


@dataclass(frozen=True, slots=True)
class LabRow:
    """What one lab did in a round. ``entry`` is its report's, -1 without one."""

    lab: str
    organisation: str
    answer: str
    entry: int
    panels: tuple[str, ...]
    compliance: str


@dataclass(frozen=True, slots=True)
class AuditorRow:
    """What one auditor did in a round. ``entry`` is its endorsement's, -1 without one."""

    auditor: str
    organisation: str
    entry: int
    opening: str


@dataclass(frozen=True, slots=True)
class ExcludedRow:
    """A report that does not count, and why."""

    entry: int
    reason: str


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One number about some groups of a panel only."""

    metric: str
    group: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class RoundPage:
    """One round. ``is_asked``: it was opened in a pause, so labs prove that they comply."""

    round: RoundView
    cohort_min: int
    quorum: int
    entry: int
    close_entry: int
    deadline: str
    is_asked: bool
    compliant: int
    labs: tuple[LabRow, ...]
    auditors: tuple[AuditorRow, ...]
    excluded: tuple[ExcludedRow, ...]
    groups: tuple[GroupRow, ...]
    rules: tuple[RuleView, ...]
    earlier: int
    later: int


def round_page(state: State, found: Round) -> RoundPage:
    """All that the log tells of a round, by the charter that it was held under."""
    charter = state.charter_at(found.number)
    judgement = state.judgements.get(found.number)
    labs = lab_rows(charter, found, labs_of_round(state, found))
    return RoundPage(
        round=round_view(charter, found),
        cohort_min=charter.cohort_min,
        quorum=charter.endorsement_quorum,
        entry=found.entry,
        close_entry=found.close.entry if found.close else -1,
        deadline=utc_text(found.deadline_ms),
        is_asked=found.asked.duties,
        compliant=sum(row.compliance == "complied" for row in labs),
        labs=labs,
        auditors=tuple(_auditor_row(charter, found, name) for name in charter.auditors),
        excluded=tuple(ExcludedRow(entry, reason) for entry, reason in found.excluded),
        groups=_group_rows(found) if found.phase(charter.endorsement_quorum) == OPENED else (),
        rules=rule_views(charter, judgement) if judgement else (),
        earlier=found.number - 1,
        later=found.number + 1 if found.number < len(state.rounds) else 0,
    )


def _group_rows(found: Round) -> tuple[GroupRow, ...]:
    results = found.opening.results if found.opening else ()
    return tuple(
        GroupRow(r.metric, r.group, name_of(r.statistic), r.text) for r in results if r.group
    )


def lab_rows(charter: Charter, found: Round, labs: Sequence[str]) -> tuple[LabRow, ...]:
    """What each of these labs did, in their order; who reported is public, figures are not."""
    compliance = compliance_of(charter, found, tuple(labs))
    rows = []
    for lab in labs:
        seen = found.reports.get(lab)
        rows.append(
            LabRow(
                lab=lab,
                organisation=charter.parties[lab].organisation,
                answer=_answer(charter, found, lab),
                entry=seen.entry if seen else -1,
                panels=tuple(part.panel for part in seen.parts) if seen else (),
                compliance=compliance.get(lab, ""),
            )
        )
    return tuple(rows)


def _answer(charter: Charter, found: Round, lab: str) -> str:
    collecting = found.phase(charter.endorsement_quorum) == COLLECTING
    if lab in found.reports:
        if found.close is None:
            return REPORTED
        return COUNTED if lab in found.close.listed else NOT_COUNTED
    if lab in found.abstained:
        return ABSTAINED
    return WAITED_FOR if collecting else SILENT


def _auditor_row(charter: Charter, found: Round, name: str) -> AuditorRow:
    opening = "gave its part" if name in found.parts else "not yet"
    if name in found.culprits:
        opening = "gave a wrong part"
    elif name not in found.parts and (found.refusal or found.opening is not None):
        opening = "was not needed"
    organisation = charter.parties[name].organisation
    return AuditorRow(name, organisation, found.endorsements.get(name, -1), opening)
