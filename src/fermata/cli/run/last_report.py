"""The figures of a lab's last report beside new ones, and the question that a jump asks."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

import click

from fermata.cli.output import say, table_text
from fermata.errors import ConfigError, StorageError
from fermata.node.config import NodeConfig
from fermata.node.run.parts import open_store, report_secrets_folder
from fermata.node.sources.choose import Figure
from fermata.node.sources.jumps import RANGE_PART, TIMES, is_jump
from fermata.node.storage.database.choose import STORE
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.charter.parse import MODULUS_BITS_MIN, Charter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.standing.retention import audit_rounds, terms_of
from fermata.protocol.state.state import State
from fermata.protocol.verify.value_audit import find_metric
from fermata.protocol.wire.report_secrets import ReportSecrets

_COLUMNS = ["metric", "last report", "round", "period", "now", "unit", "jump"]


@dataclass(frozen=True, slots=True)
class Compared:
    """A new figure beside the one of the last report that had it; values are decimals as text."""

    metric: str
    last: str = field(repr=False)
    round: int
    period: str
    new: str = field(repr=False)
    unit: str
    is_jump: bool


def kept_state(config: NodeConfig) -> State | None:
    """The state that follows from the node's own copy of the log; None, with a remark, without one.

    Nothing is asked of the log, so a report that came later by another copy is not known.
    """
    if not config.text.store.url and not (config.data / STORE).exists():
        return None
    try:
        with open_store(config) as store:
            return Replica(config.genesis, store, MODULUS_BITS_MIN).state
    except (ConfigError, StorageError) as error:
        say(f"nothing is compared with the last report: {error}")
        return None


def compare_last(
    config: NodeConfig, state: State | None, charter: Charter, figures: Iterable[Figure]
) -> list[Compared]:
    """The figures that the lab has reported before, each with its last value; none without a state.

    ``charter`` is the one that the new figures are checked against. A report whose secrets cannot
    be read compares nothing, which is said: they may be on another machine, or in a backup.
    """
    if state is None:
        return []
    party, compared = config.text.party, []
    kept: dict[int, ReportSecrets] = {}
    for figure in figures:
        number = next((n for n in _rounds(state) if _metric(state, n, party, figure.metric)), None)
        if number is None:
            continue
        try:
            if number not in kept:
                seen = state.rounds[number - 1].reports[party]
                folder = report_secrets_folder(config)
                is_let_go = number in terms_of(state, state.size, audit_rounds).gone
                kept[number] = folder.find(number, seen.sealed_sha256, is_let_go)
            metric = find_metric(charter, party, figure.metric)
            if metric is not None:
                compared += _compare(state, party, metric[1], figure, number, kept[number])
        except ConfigError as error:
            say(f"{figure.metric}: is not compared with round {number}: {error}")
    return compared


def _rounds(state: State) -> list[int]:
    """The numbers of all rounds, the newest first."""
    return [round_.number for round_ in reversed(state.rounds)]


def _metric(state: State, number: int, party: str, metric_id: str) -> Metric | None:
    """The metric as it was reported in a round, None if the lab's report does not have it."""
    seen = state.rounds[number - 1].reports.get(party)
    place = find_metric(state.charter_at(number), party, metric_id) if seen is not None else None
    if seen is None or place is None or place[0].id not in {part.panel for part in seen.parts}:
        return None
    return place[1]


def _compare(
    state: State, party: str, metric: Metric, figure: Figure, number: int, kept: ReportSecrets
) -> list[Compared]:
    """The figure beside its last value; none if the charter had it in another unit then."""
    place = find_metric(state.charter_at(number), party, metric.id)
    secrets = kept.panel(place[0].id) if place is not None else None
    try:
        if place is None or secrets is None:
            raise ValueError
        encoded = secrets.values[place[0].claims.index("value", metric.id)]
    except (ValueError, IndexError):
        raise ConfigError(
            "KEPT_REPORT", "what was kept of it does not have the metric; restore a backup"
        ) from None
    if place[1].unit != metric.unit:
        say(f"{metric.id}: was in {place[1].unit} in round {number}, so it is not compared")
        return []
    last, period = place[1].decode(encoded), state.rounds[number - 1].period
    jumps = is_jump(metric, last, Decimal(figure.value))
    text = format(last, "f")
    return [Compared(metric.id, text, number, period, figure.value, metric.unit, jumps)]


def comparison(rows: list[Compared]) -> tuple[list[dict[str, object]], str]:
    """What ``lab check`` shows of the last report, as records and as text."""
    records: list[dict[str, object]] = [
        {
            "metric": row.metric, "last": row.last, "round": row.round, "period": row.period,
            "now": row.new, "unit": row.unit, "jump": row.is_jump,
        }
        for row in rows
    ]  # fmt: skip
    if not rows:
        return records, ""
    cells = [
        [row.metric, row.last, str(row.round), row.period, row.new, row.unit,
         "JUMP" if row.is_jump else ""]
        for row in rows
    ]  # fmt: skip
    return records, "\n\n" + table_text(_COLUMNS, cells, "Beside your last report (stays here)")


def ask_about_jumps(rows: list[Compared], is_confirmed: bool) -> None:
    """Asks whether figures that jump are right, or wants ``--yes`` where nobody can be asked.

    No value stands in the question. Raises ConfigError FIGURE_JUMP.
    """
    jumps = [row.metric for row in rows if row.is_jump]
    if not jumps or is_confirmed:
        return
    what = (
        f"{', '.join(jumps)}: far from your last report, by more than 1/{RANGE_PART} of the range"
        f" or {TIMES} times"
    )
    if sys.stdin.isatty() and click.confirm(f"{what}. Is that right?", err=True):
        return
    raise ConfigError(
        "FIGURE_JUMP",
        f"{what}; compare the file, its unit and its run, and say --yes if the figure is right",
    )
