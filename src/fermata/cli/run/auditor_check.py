"""``fermata auditor check``: tries everything that an auditor's node needs, and sends nothing."""

from collections.abc import Callable
from pathlib import Path

import click

from fermata.cli.options import CONFIG
from fermata.cli.output import emit, json_option
from fermata.errors import ConfigError, FermataError
from fermata.memory_store import MemoryStore
from fermata.node.config import OFFLINE, NodeConfig, load_config
from fermata.node.pki.identity import not_after_ms
from fermata.node.run.key_shares import has_share
from fermata.node.run.own_clock import compare_clock
from fermata.node.run.parts import (
    check_log_charter,
    clock_ms,
    connect,
    load_signing_key,
    start_opener,
    tls_files,
)
from fermata.protocol.charter.parse import MODULUS_BITS_MIN
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.clock import NO_TIME
from fermata.protocol.state.state import State
from fermata.summary.records.clocks import OFFSET_S_MAX
from fermata.types import Role


@click.command("check")
@CONFIG
@json_option
def auditor_check(config_file: Path, as_json: bool) -> None:
    """Try keys, certificate, log, charter, key share and clock; sends and writes nothing."""
    config = load_config(config_file, Role.AUDITOR)
    replica = Replica(config.genesis, MemoryStore(), MODULUS_BITS_MIN)
    checks: dict[str, Callable[[], str]] = {
        "signing key": lambda: _signing_key(config),
        "certificate": lambda: _certificate(config),
        "log and charter": lambda: _log(config, replica),
        "key share": lambda: _share(config, replica),
        "clock": lambda: _clock(config, replica),
    }
    rows, errors = [], []
    for name, check in checks.items():
        try:
            row = {"check": name, "result": "ok", "detail": check()}
        except FermataError as error:
            row = {"check": name, "result": "failed", "detail": str(error), "reason": error.reason}
            errors.append(error)
        rows.append(row)
    lines = [f"{row['result']:6}  {row['check']}: {row['detail']}" for row in rows]
    emit(as_json, {"ok": not errors, "checks": rows}, "\n".join(lines))
    if errors:
        raise errors[0]


def _signing_key(config: NodeConfig) -> str:
    load_signing_key(config)
    return "is the one in the charter"


def _certificate(config: NodeConfig) -> str:
    material = tls_files(config).material()
    issuer = "another authority" if material.is_foreign else "the deployment's authority"
    until = utc_text(not_after_ms(material.certificate))
    return f"{material.identity.uri}, of {issuer}, until {until}"


def _log(config: NodeConfig, replica: Replica) -> str:
    with connect(config, tls_files(config)) as log:
        check_log_charter(log, config)
        replica.pull(log)
    return f"{replica.state.size} entries, begins with this charter"


def _share(config: NodeConfig, replica: Replica) -> str:
    if config.text.keys.share == OFFLINE:
        return "is on another machine, which opens what fermata auditor export-task writes"
    if has_share(config, replica):
        opener = start_opener(config, replica, lambda event, why: None)
        try:
            opener.check()
        finally:
            opener.close()
    if replica.state.key is None:
        raise ConfigError("NO_KEY", "the log has no key record, or it could not be read")
    return "is the one that the key record commits to"


def _clock(config: NodeConfig, replica: Replica) -> str:
    now_ms = clock_ms()
    cosigned = replica.witnessed.cosigned
    ahead_s = compare_clock(replica.charter, cosigned, config.text.party, now_ms)
    text = clock_text(replica.state, now_ms)
    if ahead_s:
        text += f"; it may be {ahead_s} s ahead of the other auditors, unless all were away"
    return text


def clock_text(state: State, now_ms: int) -> str:
    """Compares this clock (ms since 1970, UTC) with the log's time, in words.

    The auditors tell the time every ``rounds.heartbeat_s``, so a log's time that is much older by
    this clock says that this clock is ahead. Raises ConfigError CLOCK.
    """
    if state.time_ms == NO_TIME or state.charter is None:
        return "not compared: too few auditors have told the time, or the log could not be read"
    age_s = (now_ms - state.time_ms) / 1000
    if -age_s > OFFSET_S_MAX:
        raise ConfigError("CLOCK", f"this clock is at least {-age_s:.0f} s behind; set it")
    heartbeat_s = state.charter.heartbeat_s
    if age_s > 2 * heartbeat_s:
        raise ConfigError(
            "CLOCK",
            f"this clock may be {age_s:.0f} s ahead: by it the log's time is that old, and auditors"
            f" tell it every {heartbeat_s} s; set it, unless the log stands still",
        )
    return (
        f"the log's time is {max(0.0, age_s):.0f} s old by this clock, which is at most so much"
        f" ahead of the auditors' (they tell the time every {heartbeat_s} s)"
    )
