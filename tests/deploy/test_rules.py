"""Alert rules, routes and dashboard go by what nodes really export, and lead to a runbook."""

import io
import json
import re
import urllib.request
from pathlib import Path

import pytest
import yaml

from fermata.node.hook.hooks import Hook
from fermata.node.hook.silence_watch import SilenceWatch
from fermata.node.observe.alarm import AlarmEvents
from fermata.node.observe.gauges import Gauges
from fermata.node.observe.governance_events import GovernanceEvents
from fermata.node.observe.telemetry import Telemetry
from harness.chains import PAUSE_TABLES, Run, make_deployment

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
ALL_RULES = sorted((DEPLOY / "prometheus").glob("*.rules.yml"))
_NAME = re.compile(r"\bfermata_[a-z0-9_]+\b")


def rules_of(path):
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def names_in(expression):
    """Names of metrics; what stands in braces are labels and their values."""
    return set(_NAME.findall(re.sub(r"\{[^}]*\}", "", expression)))


def expressions():
    found = {rule["alert"]: rule["expr"] for path in ALL_RULES for rule in rules_of(path)}
    panels = json.loads((DEPLOY / "grafana" / "fermata.json").read_text())["panels"]
    found |= {f"panel {p['title']}": t["expr"] for p in panels for t in p["targets"]}
    return found


@pytest.fixture(scope="module")
def scraped(tmp_path_factory):
    """Names of all samples of a node that has worked, as they come over HTTP."""
    run = Run(make_deployment(cohort_min=3, last="2025Q3", extra=PAUSE_TABLES))
    telemetry = Telemetry("oversight", "coordinator", lambda: run.now_ms, stream=io.StringIO())
    run.until_quiet()
    tmp = tmp_path_factory.mktemp("data")
    gauges = Gauges(run.drivers["oversight"], telemetry, lambda: run.now_ms, lambda: 1)
    gauges.stepped()
    gauges.look()
    AlarmEvents(run.ledger.replica, telemetry, lambda: run.now_ms).look()
    replica, key = run.drivers["lab-1"].replica, run.deployment.keys["lab-1"]
    hook = Hook("lab-1", replica, key, None, telemetry, bytes)
    SilenceWatch("lab-1", replica, key, {}, hook, telemetry, lambda: run.now_ms, tmp)
    GovernanceEvents("lab-1", replica, telemetry)
    telemetry.count_governance_notice("taken")
    telemetry.count_call("Append", "lab", "OK", 0.1)
    telemetry.event("stopped", reason="X")
    address = telemetry.serve()
    try:
        with urllib.request.urlopen(f"http://{address}/metrics") as page:
            text = page.read().decode()
    finally:
        telemetry.close()
    return set(re.findall(r"^([a-z_]+)", text, re.MULTILINE))


@pytest.mark.parametrize("where", sorted(expressions()))
def test_every_metric_in_rules_and_dashboard_is_exported(scraped, where):
    names = names_in(expressions()[where])
    assert names or where == "FermataNodeDown"
    assert names <= scraped


@pytest.mark.parametrize("path", ALL_RULES, ids=lambda path: path.name)
def test_every_alert_leads_to_a_section_of_a_runbook(path):
    for rule in rules_of(path):
        document, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        text = (ROOT / document).read_text()
        assert f'<a id="{anchor}"></a>' in text, rule["alert"]
        assert f"`{rule['alert']}`" in text, rule["alert"]


@pytest.mark.parametrize("path", ALL_RULES, ids=lambda path: path.name)
def test_every_alert_has_a_severity_and_says_what_is_wrong(path):
    for rule in rules_of(path):
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"]["summary"]


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not():
    files = (DEPLOY / "prometheus").glob("*.test.yml")
    cases = [case for file in files for case in yaml.safe_load(file.read_text())["tests"]]
    fires, quiet = set(), set()
    for case in cases:
        for test in case["alert_rule_test"]:
            (fires if test["exp_alerts"] else quiet).add(test["alertname"])
    alerts = {rule["alert"] for path in ALL_RULES for rule in rules_of(path)}
    assert fires == alerts
    assert quiet == alerts


def test_routes_name_alerts_that_are_there():
    text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text()
    alerts = {rule["alert"] for path in ALL_RULES for rule in rules_of(path)}
    assert set(re.findall(r"Fermata[A-Za-z]+", text)) <= alerts
