"""A lab as its page shows it: its node, what waits for it, its figures and its rounds."""

from dataclasses import dataclass
from decimal import Decimal

from fermata.dashboard.source import Snapshot
from fermata.protocol.fold.heartbeats import stale_ms
from fermata.protocol.state.state import State
from fermata.summary.lab_words import lab_waits
from fermata.summary.node_words import backlog_text, node_troubles
from fermata.summary.records.clocks import log_time, silence_ms
from fermata.summary.records.dues import account_records
from fermata.summary.records.nodes import NodeRecord, node_records
from fermata.summary.records.pause import pause_record
from fermata.summary.records.rounds import RoundRecord, round_records
from fermata.summary.words import lab_answer

#: Rounds on a lab's page, newest first; the pages of rounds have all.
ROUNDS_MAX = 60


@dataclass(frozen=True, slots=True)
class LabRound:
    """A round in which the lab was asked. ``entry``: that of its report, or None; ``panels`` and
    ``compliance`` are texts, empty if there is nothing to say."""

    round: RoundRecord
    answer: str
    panels: str
    compliance: str
    entry: int | None


@dataclass(frozen=True, slots=True)
class LabFigure:
    """A figure of the lab after the newest close: in the sums of its panel, or waiting for them.

    ``age`` counts the periods since the one that the figure is of.
    """

    panel: str
    figure_of: str
    age: int
    is_in_sums: bool


@dataclass(frozen=True, slots=True)
class LabPage:
    """One lab. ``node`` is None if the charter in force does not have it.

    ``waits``: what waits for it, a sentence each. ``rounds``: newest first, at most ``ROUNDS_MAX``;
    ``figures_of``: the period of the newest close. ``owed`` has an amount and a unit for each
    unit in which dues were ever owed.
    """

    lab: str
    organisation: str
    node: NodeRecord | None
    troubles: tuple[str, ...]
    waits: tuple[str, ...]
    figures: tuple[LabFigure, ...]
    figures_of: str
    rounds: tuple[LabRound, ...]
    owed: tuple[tuple[Decimal, str], ...]


def troubled_nodes(now: Snapshot) -> list[tuple[NodeRecord, list[str]]]:
    """Every node of the charter in force, and what of it needs attention."""
    stale = stale_ms(now.charter)
    by_ms = silence_ms(log_time(now.state, now.now_ms, stale), now.now_ms)
    return [
        (node, [*node_troubles(node, now.now_ms, by_ms, stale), *backlog_text(node)])
        for node in node_records(now.state)
    ]


def lab_ids(state: State) -> list[str]:
    """Every lab of every charter that was in force, in the order in which they came."""
    labs = (lab for version in state.charters for lab in version.charter.labs)
    return list(dict.fromkeys(labs))


def lab_page(now: Snapshot, lab: str) -> LabPage | None:
    """The page of a lab; None if no charter of the log has it."""
    state = now.state
    if lab not in lab_ids(state):
        return None
    records = round_records(state)
    pause = pause_record(state, not now.is_live) if now.charter.pause else None
    nodes = {node.party: (node, troubles) for node, troubles in troubled_nodes(now)}
    node, troubles = nodes.get(lab, (None, []))
    charters = [v.charter for v in state.charters if lab in v.charter.parties]
    closed = next((r for r in reversed(records) if r.panels), None)
    return LabPage(
        lab=lab,
        organisation=charters[-1].parties[lab].organisation,
        node=node,
        troubles=tuple(troubles),
        waits=tuple(lab_waits(lab, records[-1] if records else None, pause)),
        figures=_figures(closed, lab) if closed is not None else (),
        figures_of=closed.period if closed is not None else "",
        rounds=_rounds(state, records, lab),
        owed=tuple((a.by_lab.get(lab, Decimal(0)), a.unit) for a in account_records(state)),
    )


def _figures(closed: RoundRecord, lab: str) -> tuple[LabFigure, ...]:
    return tuple(
        LabFigure(panel.panel, figure.figure_of, figure.age, is_in_sums)
        for panel in closed.panels
        for figures, is_in_sums in ((panel.members, True), (panel.waiting, False))
        for figure in figures
        if figure.lab == lab
    )


def _rounds(state: State, records: tuple[RoundRecord, ...], lab: str) -> tuple[LabRound, ...]:
    asked = [record for record in reversed(records) if lab in record.labs]
    rounds = []
    for record in asked[:ROUNDS_MAX]:
        logged = state.round(record.number)
        report = logged.reports.get(lab) if logged is not None else None
        panels = ", ".join(part.panel for part in report.parts) if report is not None else ""
        compliance = record.compliance.get(lab, "") if record.is_asked else ""
        entry = report.entry if report is not None else None
        rounds.append(LabRound(record, lab_answer(record, lab), panels, compliance, entry))
    return tuple(rounds)
