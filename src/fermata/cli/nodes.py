"""``fermata coordinator|auditor|lab|enroll``: the verbs of each role."""

import time
from pathlib import Path

import click

from fermata.cli.output import emit, json_option, say, table_text
from fermata.errors import ConfigError, Refusal
from fermata.node.config import NodeConfig, load_config
from fermata.node.coordinator_node import run_coordinator
from fermata.node.nodes import (
    clock_ms,
    connect,
    entropy,
    load_signing_key,
    make_telemetry,
    open_store,
    run_participant,
    tls_files,
)
from fermata.node.pki.enrolment import enroll as enroll_node
from fermata.node.sources import read_measurement
from fermata.protocol.agent import LOGGED, Agent
from fermata.protocol.charter import MODULUS_BITS_MIN
from fermata.protocol.encoding import encode_value, panel_packing
from fermata.protocol.lab import Measurement
from fermata.protocol.replica import Replica
from fermata.protocol.reports import check_metrics_known, panels_with_values

PATH = click.Path(path_type=Path)
CONFIG = click.option("--config", "config_file", type=PATH, required=True, help="Node's TOML file.")


@click.group()
def coordinator() -> None:
    """The oversight body's node: the log."""


@coordinator.command("run")
@CONFIG
def coordinator_run(config_file: Path) -> None:
    """Serve the log, open and close rounds, until stopped."""
    run_coordinator(load_config(config_file, "coordinator"))


@click.group()
def auditor() -> None:
    """An auditor's node: check, endorse, open."""


@auditor.command("run")
@CONFIG
def auditor_run(config_file: Path) -> None:
    """Check rounds, endorse and open them, until stopped."""
    run_participant(load_config(config_file, "auditor"))


@click.group()
def lab() -> None:
    """A lab's node: read, encrypt, report."""


@lab.command("run")
@CONFIG
def lab_run(config_file: Path) -> None:
    """Answer every round with the configured metrics, until stopped."""
    run_participant(load_config(config_file, "lab"))


@lab.command("check")
@CONFIG
@click.option("--period", required=True, help="The period to try, such as 2024Q3.")
@json_option
def lab_check(config_file: Path, period: str, as_json: bool) -> None:
    """A dry run: how each value is read and encoded, and what would leave the building."""
    config = load_config(config_file, "lab")
    measurement = _measurement(config, period)
    emit(as_json, *check_document(config, measurement))


def _measurement(config: NodeConfig, period: str) -> Measurement:
    if config.text.lab is None:
        raise ConfigError("CONFIG", f"{config.file}: a lab needs a [lab] table")
    path = config.path(config.text.lab.metrics)
    found = read_measurement(path, period)
    if found is None:
        raise ConfigError("METRICS_FILE", f"{path}: has no line for {period}")
    return found


def check_document(config: NodeConfig, measurement: Measurement) -> tuple[dict[str, object], str]:
    """What ``lab check`` shows, for programs and for people. Raises ConfigError."""
    charter, me = config.charter, config.text.party
    check_metrics_known(charter, me, measurement.values)
    rows, leaving = [], []
    for panel_id in panels_with_values(charter, me, measurement.values):
        panel = charter.panel(panel_id)
        missing = [m.id for m in panel.metrics if m.id not in measurement.values]
        if missing:
            raise ConfigError(
                "METRIC_MISSING", f"panel {panel_id}: no value for {', '.join(missing)}"
            )
        for metric in panel.metrics:
            read = measurement.values[metric.id]
            encoded = encode_value(metric, read)
            rows.append([panel_id, metric.id, read, metric.unit, str(encoded), str(metric.bound)])
        count = panel_packing(charter, panel).ciphertexts
        leaving.append(
            (f"panel {panel_id}: {count} ciphertexts", count * charter.modulus_bits // 4)
        )
        leaving.append((f"panel {panel_id}: {count} SHA-256 of them, public", 32 * count))
    leaving += [
        ("SHA-256 of the sealed part, public", 32),
        ("SHA-256 of the metrics file, public", 32),
        ("round, key id, charter hash, party, signature, public", 200),
    ]
    columns = ["panel", "metric", "as read", "unit", "encoded", "bound"]
    text = table_text(columns, rows, "Read (stays here)") + "\n\n"
    text += table_text(
        ["field", "bytes (about)"], [[n, str(b)] for n, b in leaving], "Would leave the building"
    )
    data = {
        "values": [dict(zip(columns, r, strict=True)) for r in rows],
        "leaves": [{"field": n, "bytes": b} for n, b in leaving],
    }
    return data, text


@lab.command("report")
@CONFIG
@click.option("--replace", is_flag=True, help="Correct a report of the open round.")
@click.option("--wait-s", default=60, show_default=True, help="How long to wait for a round.")
@json_option
def lab_report(config_file: Path, replace: bool, wait_s: int, as_json: bool) -> None:
    """Report to the round that is open now, once, and wait for the receipt."""
    config = load_config(config_file, "lab")
    telemetry = make_telemetry(config)
    store = open_store(config)
    try:
        with connect(config, tls_files(config)) as log:
            agent = Agent(
                config.text.party,
                Replica(config.charter, store, MODULUS_BITS_MIN),
                log,
                load_signing_key(config),
                clock_ms,
                entropy,
                tell=lambda event, fields: telemetry.event(event, **fields),
            )
            slot = _report_once(config, agent, replace, wait_s)
    finally:
        store.close()
        telemetry.close()
    emit(as_json, {"slot": slot, "outcome": LOGGED}, f"{slot}: logged, receipt kept")


def _report_once(config: NodeConfig, agent: Agent, replace: bool, wait_s: int) -> str:
    limit_ms = clock_ms() + wait_s * 1000
    while True:
        agent.step()
        current = agent.replica.state.current
        if current is not None and current.close is None:
            break
        if clock_ms() > limit_ms:
            raise Refusal("NO_ROUND", "no round is open; try again when the coordinator opens one")
        say("waiting for a round to open")
        time.sleep(1)
    if config.text.party in current.reports and not replace:
        raise Refusal("REPORTED", f"round {current.number} has your report; --replace corrects it")
    slot = agent.correct(current, _measurement(config, current.period))
    agent.step()
    outcome = agent.store.draft_outcome(slot)
    if outcome != LOGGED:
        raise Refusal(outcome or "PENDING", f"{slot}: the log did not take the report")
    return slot


@click.command()
@click.argument("folder", type=PATH)
@click.option("--address", required=True, help="host:port of the enrolment service.")
@click.option("--root-fingerprint", required=True, help="SHA256:... of the deployment's root.")
@click.option("--token-file", type=PATH, required=True, help="File with the one-time token.")
@json_option
def enroll(
    folder: Path, address: str, root_fingerprint: str, token_file: Path, as_json: bool
) -> None:
    """Get a first certificate with a one-time token."""
    try:
        token = token_file.read_text().strip()
    except OSError as error:
        raise ConfigError("TOKEN", f"{token_file}: cannot be read ({error.strerror})") from error
    enroll_node(folder, address, root_fingerprint, token, clock_ms, entropy)
    emit(
        as_json, {"folder": str(folder)}, f"wrote the certificate, its key and the root to {folder}"
    )
