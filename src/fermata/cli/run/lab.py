"""``fermata lab``: runs a lab's node, tries out what it would send, or reports by hand."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from fermata.assessment.report_cost import sealed_bytes
from fermata.cli.options import CONFIG
from fermata.cli.output import emit, json_option, say, table_text
from fermata.cli.read.log import checked_log
from fermata.cli.run.last_report import (
    ask_about_jumps,
    compare_last,
    comparison,
    kept_state,
)
from fermata.crypto.report.codec import open_bytes
from fermata.crypto.report.prover import prover_table
from fermata.crypto.signing import SIGNATURE_BYTES
from fermata.errors import ConfigError, IdentityError, InvalidProof, Refusal, TransportError
from fermata.log.merkle import HASH_BYTES
from fermata.node.config import NodeConfig, load_config
from fermata.node.run.assembly import make_node, open_base
from fermata.node.run.parts import (
    check_log_charter,
    clock_ms,
    connect,
    entropy,
    lab_sources,
    make_telemetry,
)
from fermata.node.sources.gather import Gathered
from fermata.node.sources.measure import to_measurement
from fermata.node.storage.evidence import WitnessedLog
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import check_period, period_count
from fermata.protocol.fold.governance.amendment import charter_for_next_round, charter_of_answer
from fermata.protocol.fold.reports import EncodedReport
from fermata.protocol.roles.driver import Driver
from fermata.protocol.roles.lab import Measurement, answer
from fermata.protocol.state.calls import round_of_period
from fermata.protocol.state.state import Round, State, ThresholdKey
from fermata.protocol.wire.codec import (
    ENVELOPE_BYTES_MAX,
    SEALED_BYTES_MAX,
    STATEMENT_TYPE,
    decode,
    encode,
)
from fermata.protocol.wire.envelope import assemble
from fermata.protocol.wire.ports import LOGGED
from fermata.types import EntryIndex, Role, RoundNumber, TimeMs
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef

#: What an envelope adds to a statement, for estimates: its type, the party, the framing.
_ENVELOPE_BYTES = 140


@click.command("check")
@CONFIG
@click.option("--period", required=True, help="The period to try, such as 2024Q3.")
@click.option("--offline", is_flag=True, help="Do not read the key from the log; sizes are rough.")
@click.option("--yes", is_flag=True, help="Figures far from the last report's are right.")
@json_option
def lab_check(config_file: Path, period: str, offline: bool, yes: bool, as_json: bool) -> None:
    """Try a report: how each value is read and encoded, and what would leave the building."""
    config = load_config(config_file, Role.LAB)
    state = None if offline else find_state(config)
    number = round_of(charter_for(config, state, 0), period)
    asked = round_of_period(state.rounds, period) if state is not None else None
    charter = charter_for(config, state, asked.number if asked is not None else 0)
    gathered = gather_figures(config, charter, period)
    encoded = gathered.measurement().encode(charter, config.text.party)
    key = state.key if state is not None else None
    if key is None:
        leaving = estimate(charter, encoded)
    else:
        leaving = rehearse(charter, encoded, key, number, period)
    document, text = check_document(charter, gathered, encoded, leaving, exact=key is not None)
    last = kept_state(config) if offline else state
    compared = compare_last(config, last, charter, gathered.figures)
    records, last_table = comparison(compared)
    emit(as_json, document | {"last_report": records}, text + last_table)
    ask_about_jumps(compared, yes)


def charter_for(config: NodeConfig, state: State | None, number: int) -> Charter:
    """The charter under which a round is held, or would be if it were opened now.

    Without the log's state it is the newest charter in the node's folder. ``number`` 0 stands for
    the next round.
    """
    if state is None or state.charter is None:
        return config.roster
    if 0 < number <= len(state.rounds):
        return state.charter_at(number)
    return charter_for_next_round(state)


def round_of(charter: Charter, period: str) -> int:
    """The number of the round that reports on a period. Raises ConfigError PERIOD."""

    def fail(what: str) -> NoReturn:
        raise ConfigError("PERIOD", f"--period {period}: {what}")

    check_period(charter.cadence, period, fail)
    number = period_count(charter.cadence, charter.first_period, period)
    last = charter.last_period or period
    if number < 1 or period_count(charter.cadence, period, last) < 1:
        until = f"to {charter.last_period}" if charter.last_period else "on"
        fail(f"must be from {charter.first_period} {until}")
    return number


def gather_figures(config: NodeConfig, charter: Charter, period: str) -> Gathered:
    """The lab's figures of a period and their places; no figures if the lab is to abstain.

    Raises ConfigError FIGURES_ABSENT naming the missing figures, and whatever the sources raise.
    """
    metrics = charter.metrics_of(config.text.party)
    gathered = lab_sources(config).gather(period, metrics)
    gathered.check(metrics)
    for metric in gathered.unused:
        say(f"{metric}: has a [[lab.source]], but the charter of this round has no such metric")
    abstains = config.text.lab is not None and config.text.lab.absent == "abstain"
    if gathered.absent and not abstains:
        raise ConfigError("FIGURES_ABSENT", "; ".join(gathered.absent))
    return gathered


def read_figures(config: NodeConfig, charter: Charter, period: str) -> Measurement:
    """What the lab would report for a period. Raises whatever ``gather_figures`` raises."""
    measurement = to_measurement(gather_figures(config, charter, period), abstains=True)
    return measurement if measurement is not None else Measurement({})


def find_state(config: NodeConfig) -> State | None:
    """The state that follows from the log now; None, with a remark, if it cannot be read."""
    try:
        with checked_log(config) as (log, replica):
            replica.pull(log)
    except (TransportError, ConfigError, IdentityError, Refusal) as error:
        if error.reason == "CHARTER_HASH":
            raise
        say(f"the log cannot be read, so the charter is the file's and sizes are rough: {error}")
        return None
    if replica.state.key is None:
        say("the log has no key yet, so the sizes are rough")
    return replica.state


@dataclass(frozen=True, slots=True)
class Leaving:
    """One thing that would leave the building: what it is, who sees it, and its size in bytes."""

    field: str
    seen_by: str
    size_bytes: int


def rehearse(
    charter: Charter, encoded: EncodedReport, key: ThresholdKey, number: int, period: str
) -> list[Leaving]:
    """What would leave, measured on a report that the node's own code makes and throws away.

    Raises ConfigError REPORT_SIZE for a report that is larger than the log takes.
    """
    none_ms = TimeMs(0)
    round_ = Round(RoundNumber(number), period, EntryIndex(0), none_ms, none_ms)
    table = prover_table(key.public_key, charter.panels[0].claims.statements)
    statement, sealed = answer(charter, key, table, round_, encoded, entropy)
    statement.seen.CopyFrom(EntryRef(index=number, leaf_hash=bytes(HASH_BYTES)))
    # Only a signature's length matters here, so the signing key stays closed.
    envelope = assemble(STATEMENT_TYPE, encode(statement), {encoded.lab: bytes(SIGNATURE_BYTES)})
    if len(envelope) > ENVELOPE_BYTES_MAX or len(sealed) > SEALED_BYTES_MAX:
        raise ConfigError("REPORT_SIZE", "the report is larger than the log takes; split the panel")
    rows = _open_fields(statement)
    rows += [("signature", SIGNATURE_BYTES)]
    rows += [("names and lengths of these", len(envelope) - sum(size for _, size in rows))]
    leaving = [Leaving(field, "everybody", size) for field, size in rows]
    if sealed:
        panels = decode(statement_pb2.SealedPart, sealed, SEALED_BYTES_MAX).panels
        hidden = [
            row
            for p in panels
            for row in (
                (f"panel {p.panel}: ciphertexts", sum(map(len, p.ciphertexts))),
                (f"panel {p.panel}: announcements", sum(map(len, p.announcements))),
                (f"panel {p.panel}: sealed responses", sum(map(len, p.responses))),
            )
        ]
        hidden += [("names and lengths of these", len(sealed) - sum(size for _, size in hidden))]
        leaving += [Leaving(field, "coordinator, auditors", size) for field, size in hidden]
    return leaving


def _open_fields(statement: statement_pb2.Statement) -> list[tuple[str, int]]:
    """The open part, field by field, with the size of each in bytes."""
    rows = [("charter hash", len(statement.charter_sha256)), ("party", len(statement.author))]
    rows += [("the newest entry that the node has", len(statement.seen.leaf_hash))]
    if statement.HasField("abstention"):
        return [*rows, ("abstention of the round", statement.abstention.ByteSize())]
    report = statement.report
    rows += [("round", statement_pb2.Report(round=report.round).ByteSize() - 1)]
    rows += [("key id", len(report.key_id))]
    for part in report.parts:
        rows.append((f"panel {part.panel}: its name", len(part.panel)))
        digests = sum(map(len, part.ciphertext_sha256))
        rows.append((f"panel {part.panel}: SHA-256 of each ciphertext", digests))
        rows.append((f"panel {part.panel}: zero-knowledge proof", len(part.proof)))
    rows += [("SHA-256 of the sealed part", len(report.sealed_sha256))]
    rows += [("commitment to the evidence files", len(report.evidence_sha256))]
    return rows


def estimate(charter: Charter, encoded: EncodedReport) -> list[Leaving]:
    """About what would leave, computed from the charter alone."""
    leaving = []
    for panel_id in encoded.witnesses:
        statements = charter.panel(panel_id).claims.statements
        name, hashes = f"panel {panel_id}", 32 * statements.packing.ciphertexts
        sealed = f"{name}: ciphertexts, announcements, sealed responses"
        leaving += [
            Leaving(f"{name}: SHA-256 of each ciphertext", "everybody", hashes),
            Leaving(f"{name}: zero-knowledge proof", "everybody", open_bytes(statements)),
            Leaving(sealed, "coordinator, auditors", sealed_bytes(statements)),
        ]
    if leaving:
        digests = "SHA-256 of the sealed part and of the metrics file"
        leaving.append(Leaving(digests, "everybody", 64))
    rest = "charter hash, party, round, key id, signature, names and lengths"
    return [*leaving, Leaving(rest, "everybody", _ENVELOPE_BYTES + 80)]


#: Columns for the place of each figure, and what its file says about it.
_PLACES = ["metric", "file", "field", "model", "samples"]


def check_document(
    charter: Charter,
    gathered: Gathered,
    encoded: EncodedReport,
    leaving: list[Leaving],
    exact: bool,
) -> tuple[dict[str, object], str]:
    """What ``lab check`` shows, as a document and as text. Raises ConfigError."""
    figures = {figure.metric: figure for figure in gathered.figures}
    rows, places = [], []
    for panel_id in encoded.witnesses:
        for metric in charter.panel(panel_id).metrics:
            figure = figures[metric.id]
            value = [figure.read, figure.value, metric.unit, encoded.values[metric.id]]
            rows.append([panel_id, metric.id, *value, metric.bound])
            stated = [figure.model or "not said", figure.samples or "not said"]
            places.append([metric.id, figure.file, figure.field, *stated])
    columns = ["panel", "metric", "as read", "value", "unit", "encoded", "bound"]
    total = sum(field.size_bytes for field in leaving)
    size = "bytes" if exact else "bytes (about)"
    sizes = [[field.field, field.seen_by, str(field.size_bytes)] for field in leaving]
    sizes.append(["in all", "", str(total)])
    head = "Nothing to report: abstains"
    if rows:
        texts = [[str(cell) for cell in row] for row in rows]
        head = table_text(columns, texts, "Read (stays here)")
        head += "\n\n" + table_text(_PLACES, places, "From (stays here)")
    foot = table_text(["field", "seen by", size], sizes, "Would leave the building")
    data = {
        "values": [
            dict(zip(columns, row, strict=True)) | dict(zip(_PLACES[1:], place[1:], strict=True))
            for row, place in zip(rows, places, strict=True)
        ],
        "leaves": [
            {"field": field.field, "seen by": field.seen_by, "bytes": field.size_bytes}
            for field in leaving
        ],
        "bytes": total,
        "exact": exact,
    }
    return data, f"{head}\n\n{foot}"


@click.command("report")
@CONFIG
@click.option("--replace", is_flag=True, help="Correct a report of the open round.")
@click.option(
    "--wait-s", type=click.IntRange(min=0), default=60, show_default=True,
    help="How long to wait for a round.",
)  # fmt: skip
@json_option
def lab_report(config_file: Path, replace: bool, wait_s: int, as_json: bool) -> None:
    """Report to the open round, once, and wait for the receipt."""
    config = load_config(config_file, Role.LAB)
    with ExitStack() as stack:
        telemetry = make_telemetry(config)
        stack.callback(telemetry.close)
        base = open_base(config, telemetry, stack)
        remote = stack.enter_context(connect(config, base.tls))
        log = WitnessedLog(remote, base.store)
        node = make_node(base, log)
        check_log_charter(remote, config)
        try:
            slot, period, kind = _report_once(config, node.driver, replace, wait_s)
        except InvalidProof as error:
            raise log.with_evidence(error, config.data) from None
    round_, correction = answer_place(slot)
    data: dict[str, object] = {"slot": slot, "outcome": LOGGED, "round": round_}
    data |= {"period": period, "answer": kind, "correction": correction}
    what = f"correction {correction} of the report" if correction else f"the {kind}"
    emit(as_json, data, f"round {round_} ({period}): {what} is logged, and its receipt is kept")


def answer_place(slot: str) -> tuple[int, int]:
    """The round of the answer in a slot such as answer/5/1, and which correction it is, or 0."""
    _, number, correction = slot.split("/")
    return int(number), int(correction)


def _report_once(
    config: NodeConfig, driver: Driver, replace: bool, wait_s: int
) -> tuple[str, str, str]:
    """The slot of the answer that the log took, its period, and "report" or "abstention"."""
    current = _open_round(driver, wait_s)
    if config.text.party in current.reports and not replace:
        raise Refusal("REPORTED", f"round {current.number} has your report; --replace corrects it")
    charter = charter_of_answer(driver.replica.state, current.number)
    measurement = read_figures(config, charter, current.period)
    if not measurement.values and current.reports.get(config.text.party):
        raise Refusal("REPORTED", "a report cannot be taken back, only corrected")
    slot = driver.correct(current, measurement)
    try:
        driver.step()
        # The report is settled once this node has read its entry.
        driver.step()
    except TransportError as error:
        raise TransportError(
            error.reason, f"{error}; the report is kept, and sent at the next start"
        ) from None
    outcome = driver.store.draft_outcome(slot)
    if outcome != LOGGED:
        raise Refusal(
            outcome or "PENDING",
            f"round {current.number} ({current.period}): the log did not take the report ({slot})",
        )
    return slot, current.period, "report" if measurement.values else "abstention"


def _open_round(driver: Driver, wait_s: int) -> Round:
    """The round that takes reports now. Raises Refusal NO_ROUND after ``wait_s`` seconds."""
    limit_ms = clock_ms() + wait_s * 1000
    has_said = False
    while True:
        driver.step()
        current = driver.replica.state.current
        if current is not None and current.close is None:
            return current
        if clock_ms() >= limit_ms:
            raise Refusal("NO_ROUND", "no round is open; try again when the coordinator opens one")
        if not has_said:
            say("waiting for a round to open")
            has_said = True
        time.sleep(1)
