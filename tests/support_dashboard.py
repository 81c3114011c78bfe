"""A deployment in the middle of a pause, with dues and heartbeats, and its bundle."""

import functools

from fermata.dashboard.checks import Checks, checks_view
from fermata.dashboard.source import BundleSource
from fermata.protocol.bundle import build_bundle
from fermata.protocol.lab import Measurement
from fermata.wire.v1 import statement_pb2
from support import COORDINATOR, MODULUS_BITS_MIN, PAUSE_TABLES, START_MS, Run, make_deployment

DUES_TABLES = """
[[tier]]
id = "large"
panels = ["alpha"]
dues = "1200.50"

[[tier]]
id = "small"
panels = ["alpha"]
dues = "300"

[dues]
unit = "EUR"
"""
#: Hours of each lab, by period: growth, a trigger, and a calm round in which not all comply.
HOURS = {"2025Q3": "9", "2025Q4": "12", "2026Q1": "14.5", "2026Q2": "20", "2026Q3": "8"}
DAY_MS = 24 * 60 * 60 * 1000


def measure(lab: str, period: str) -> Measurement | None:
    if period == "2026Q3" and lab == "lab-6":
        return None
    hours = "10.5" if (lab, period) == ("lab-4", "2026Q3") else HOURS[period]
    values = {"hours": hours, "share": str(int(lab[-1]) - 3)}
    wide = {f"wide-{k}": "120000000000000000000" for k in range(1, 6)}
    return Measurement(values | (wide if lab != "lab-1" else {}))


@functools.cache
def paused_run() -> Run:
    """Lifting: four rounds, of which the last triggered, and one calm round in the pause."""
    tiers = ("large",) * 2 + ("small",) * 4
    run = Run(make_deployment(extra=PAUSE_TABLES + DUES_TABLES, last="2026Q3", tiers=tiers), measure)
    run.until_quiet()
    run.now_ms += 2 * 60 * 60 * 1000
    run.until_quiet()
    for name in run.charter.parties:
        _beat(run, name)
    # So that the auditors cosign the last head.
    for _ in range(3):
        run.step()
    return run


def _beat(run: Run, name: str) -> None:
    if name == "lab-5":
        return
    run.now_ms += 1000
    beat = statement_pb2.Heartbeat(
        version="0.1.0",
        time_ms=run.now_ms + (45_000 if name == "lab-2" else 120),
        certificate_expires_ms=run.now_ms + (DAY_MS if name == "lab-3" else 30 * DAY_MS),
        backlog=2 if name == "auditor-3" else 0,
    )
    envelope = run.deployment.seal(run.deployment.statement(name, heartbeat=beat))
    run.ledger.append(run.charter.parties[name].role, name, envelope)


@functools.cache
def paused_files() -> dict[str, bytes]:
    run = paused_run()
    note = run.ledger.checkpoint()
    return build_bundle(run.state, run.leaves(), note, run.stores[COORDINATOR])


@functools.cache
def paused_source() -> BundleSource:
    return BundleSource(paused_files(), None, None, MODULUS_BITS_MIN)


def paused_checks() -> Checks:
    source = paused_source()
    return Checks(source, lambda: START_MS, checks_view(source.verification, START_MS))
