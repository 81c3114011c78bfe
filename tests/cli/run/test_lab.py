"""``fermata lab``: the dry run says what would leave, and a report by hand does what it says."""

import contextlib
import json

import pytest

from fermata.node.config import load_config
from fermata.node.run.participant import run_participant
from fermata.node.run.parts import open_store
from harness.nodes import METRICS, fermata


@contextlib.contextmanager
def collecting(site):
    """The coordinator's node; the site is one whose log has an open round."""
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        yield


def check(site, *words, period="2026Q1"):
    return fermata("lab", "check", "--config", site.config("lab-1"), "--period", period, *words)


def report(site, *words):
    return fermata("lab", "report", "--config", site.config("lab-1"), "--wait-s", "10", *words)


def figures(site, text):
    (site.node("lab-1") / "metrics.csv").write_text(text)


def test_the_dry_run_shows_each_value_as_read_and_encoded(site):
    told = json.loads(check(site, "--offline", "--json").out)
    assert [(v["metric"], v["as read"], v["encoded"], v["bound"]) for v in told["values"]] == [
        ("score", "0.625", 625, 1000),
        ("hours", "12", 12000, 1000000),
    ]
    assert told["exact"] is False
    text = check(site, "--offline").out
    assert "Read (stays here)" in text
    assert "bytes (about)" in text


def test_the_dry_run_measures_what_the_report_then_has(opened_site):
    with collecting(opened_site):
        told = json.loads(check(opened_site, "--json").out)
        assert told["exact"] is True
        rough = json.loads(check(opened_site, "--offline", "--json").out)
        assert report(opened_site).code == 0
        with open_store(load_config(opened_site.config("lab-1"))) as store:
            draft = store.draft("answer/1/0")
    sizes = {"everybody": 0, "coordinator, auditors": 0}
    for row in told["leaves"]:
        sizes[row["seen by"]] += row["bytes"]
    assert sizes == {
        "everybody": len(draft.envelope),
        "coordinator, auditors": len(draft.sealed_part),
    }
    assert told["bytes"] == len(draft.envelope) + len(draft.sealed_part)
    assert abs(rough["bytes"] - told["bytes"]) < 100
    # No figure is among what leaves, in any of the forms that were shown.
    for row in told["values"]:
        assert (
            row["as read"].encode() not in draft.envelope + draft.sealed_part
            or row["as read"] == "12"
        )


def test_the_dry_run_says_when_it_cannot_measure(site):
    site.write_config("lab-1", "127.0.0.1:1")
    answer = check(site)
    assert answer.code == 0
    assert "the log cannot be read, so the charter is the file's and sizes are rough" in answer.err
    assert "bytes (about)" in answer.out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (METRICS.replace("0.625", "1.5"), "METRIC_RANGE"),
        (METRICS.replace("0.625", "NaN"), "METRIC_VALUE"),
        (METRICS.replace("0.625", "-0.0"), "METRIC_VALUE"),
        (METRICS.replace("0.625", "1e400"), "METRIC_VALUE"),
        (METRICS.replace("0.625", ""), "METRIC_VALUE"),
        (METRICS.replace("score", "scores"), "METRIC_UNKNOWN"),
        (METRICS.replace("value", "x"), "METRICS_FILE"),
        (METRICS.replace("2026Q1", "2026Q2"), "METRICS_FILE"),
        ("", "METRICS_FILE"),
    ],
)
def test_figures_that_cannot_be_reported_are_refused_in_one_line(site, text, reason):
    figures(site, text)
    answer = check(site, "--offline")
    assert (answer.code, answer.error.endswith(f"[{reason}]")) == (2, True)
    assert answer.out == ""
    for value in ("1.5", "NaN", "0.625", "1e400"):
        assert value not in answer.err


@pytest.mark.parametrize("period", ["2026Q5", "2026-01", "x", "2025Q4", "2030Q1"])
def test_a_period_that_the_charter_does_not_have_is_refused(site, period):
    answer = check(site, "--offline", period=period)
    assert (answer.code, answer.error.endswith("[PERIOD]")) == (2, True)


def test_a_lab_that_abstains_sees_that_it_would(opened_site):
    figures(opened_site, "round,metric,value\n")
    assert "has no line for 2026Q1" in check(opened_site, "--offline").error
    path = opened_site.config("lab-1")
    path.write_text(path.read_text() + 'absent = "abstain"\n')
    answer = check(opened_site, "--offline")
    assert answer.code == 0
    assert "Nothing to report: abstains" in answer.out
    with collecting(opened_site):
        path.write_text(path.read_text() + 'absent = "abstain"\n')
        told = json.loads(check(opened_site, "--json").out)
    assert told["values"] == []
    assert told["exact"] is True
    assert {row["seen by"] for row in told["leaves"]} == {"everybody"}


def test_a_report_is_made_once_and_replaced_when_that_is_said(opened_site):
    with collecting(opened_site):
        told = json.loads(report(opened_site, "--json").out)
        assert told == {
            "slot": "answer/1/0", "outcome": "logged", "round": 1, "period": "2026Q1",
            "answer": "report", "correction": 0,
        }  # fmt: skip
        again = report(opened_site)
        assert (again.code, again.error.endswith("[REPORTED]")) == (4, True)
        figures(opened_site, METRICS.replace("0.625", "0.7"))
        said = "round 1 (2026Q1): correction 1 of the report is logged, and its receipt is kept\n"
        assert report(opened_site, "--replace").out == said
        # The node goes on from there and has nothing more to say.
        config = load_config(opened_site.config("lab-1"))
        driver = run_participant(config, lambda driver: bool(excluded(driver)))
    ((entry, reason),) = excluded(driver)
    assert reason == "SUPERSEDED"
    assert driver.replica.state.rounds[0].reports["lab-1"].entry > entry


def excluded(driver):
    return [each for found in driver.replica.state.rounds for each in found.excluded]


def test_a_report_that_cannot_be_made_leaves_the_round_as_it_was(opened_site):
    with collecting(opened_site):
        figures(opened_site, METRICS.replace("0.625", "1.5"))
        answer = report(opened_site)
        assert (answer.code, answer.error.endswith("[METRIC_RANGE]")) == (2, True)
        with open_store(load_config(opened_site.config("lab-1"))) as store:
            assert store.draft("answer/1/0") is None
            answer = report(opened_site)
            assert (answer.code, answer.error.endswith("[STORE_IN_USE]")) == (1, True)
        figures(opened_site, METRICS)
        assert report(opened_site, "--replace").code == 0


def test_a_report_without_a_round_is_refused(site):
    site.record.unlink()
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        answer = fermata("lab", "report", "--config", site.config("lab-1"), "--wait-s", "0")
    assert (answer.code, answer.error.endswith("[NO_ROUND]")) == (4, True)
    gone = report(site)
    assert (gone.code, gone.error.endswith("[UNREACHABLE]")) == (6, True)
    assert fermata("lab", "report", "--config", site.config("lab-1"), "--wait-s", "-1").code == 2


@pytest.mark.parametrize("command", ["run", "check", "report"])
def test_a_configuration_of_another_role_is_refused(site, command):
    words = ("--period", "2026Q1") if command == "check" else ()
    answer = fermata("lab", command, "--config", site.config("auditor-1"), *words)
    assert (answer.code, answer.error.endswith("[CONFIG]")) == (2, True)
    assert "line 2" in answer.error
