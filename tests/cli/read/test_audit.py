"""An audit on site by the command line: a lab opens one figure, an auditor checks it."""

import json
import shutil
import stat
import threading
import time

import pytest

from fermata.node.config import load_config
from fermata.node.run.participant import run_participant
from harness.nodes import AUDITORS, LABS, METRICS, WAIT_S, fermata
from harness.prepared import copied


@pytest.fixture(scope="module")
def run(template, tmp_path_factory):
    """A run whose first round was opened, while its nodes run, and its public bundle."""
    folder = tmp_path_factory.mktemp("audit")
    site, ending, threads = copied(template, folder / "site"), threading.Event(), []
    with site.coordinator() as address:
        for party in (*AUDITORS, *LABS):
            config = load_config(site.write_config(party, address))
            done = lambda driver: ending.is_set()  # noqa: E731
            threads.append(threading.Thread(target=run_participant, args=(config, done)))
            threads[-1].start()
        try:
            limit = time.monotonic() + WAIT_S
            while not site.events("auditor-1", "results_opened") and time.monotonic() < limit:
                time.sleep(0.05)
            out = folder / "bundle"
            answer = fermata("bundle", "--config", site.config("lab-1"), out, "--public")
            assert answer.code == 0, answer.err
            # The file goes on: what was reported must be found all the same.
            (site.node("lab-1") / "metrics.csv").write_text(METRICS + "2026Q3,score,0.1\n")
            yield site, out
        finally:
            ending.set()
            for thread in threads:
                thread.join()


def open_value(site, out, *words, metric="score", auditor="auditor-1", number=1):
    options = ("--round", number, "--metric", metric, "--auditor", auditor, "--out", out)
    return fermata("lab", "open-value", "--config", site.config("lab-1"), *options, *words)


@pytest.fixture(scope="module")
def handed_over(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("handed") / "value"
    answer = open_value(run[0], out)
    assert answer.code == 0, answer.err
    assert "every figure in them" in answer.err
    return out


@pytest.fixture
def folder(handed_over, tmp_path):
    """The auditor's own copy."""
    shutil.copytree(handed_over, tmp_path / "value")
    return tmp_path / "value"


def check(folder, bundle, *words):
    return fermata("audit", "check-value", folder, "--bundle", bundle, *words)


def failed(answer):
    assert answer.out == ""
    return answer.code, answer.error.rpartition("[")[2].rstrip("]")


def test_an_auditor_checks_the_figure_against_a_public_bundle(run, folder):
    site, bundle = run
    charter_hash = site.charter.sha256.hex()
    answer = check(folder, bundle, "--charter-hash", charter_hash)
    assert (answer.code, answer.err) == (0, "")
    assert "lab-1, round 1 (2026Q1): score = 0.625 u" in answer.out
    assert "opened to auditor-1" in answer.out
    assert "the evidence is what the report committed to" in answer.out
    assert answer.out.endswith("VALID\n")
    assert "compare it" not in answer.out
    assert f"charter {charter_hash}: compare it" in check(folder, bundle).out
    told = json.loads(check(folder, bundle, "--json").out)
    assert (told["value"], told["evidence"]) == ("0.625", ["metrics.csv"])


def test_an_auditor_checks_the_figure_against_the_log(run, folder):
    config = run[0].config("auditor-1")
    answer = fermata("audit", "check-value", folder, "--config", config)
    assert (answer.code, answer.out.endswith("VALID\n")) == (0, True), answer.err


def test_what_is_handed_over_is_the_owners_alone_and_has_no_other_figure(run, handed_over):
    assert stat.S_IMODE(handed_over.stat().st_mode) == 0o700
    for path in handed_over.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (handed_over / "evidence-metrics.csv").read_text() == METRICS
    assert "12000" not in json.dumps(
        {k: v for k, v in json.loads((handed_over / "value.json").read_text()).items()
         if k not in ("proof", "charter_sha256", "report")}
    )  # fmt: skip


def test_the_evidence_may_be_left_out(run, tmp_path):
    site, bundle = run
    out = tmp_path / "value"
    told = json.loads(open_value(site, out, "--no-evidence", "--json").out)
    assert told["files"] == ["value.json"]
    answer = check(out, bundle)
    assert (answer.code, "no evidence here; the report committed to" in answer.out) == (0, True)


def test_changed_evidence_is_refused(run, folder):
    (folder / "evidence-metrics.csv").write_text(METRICS.replace("0.625", "0.626"))
    assert failed(check(folder, run[1])) == (3, "EVIDENCE_DIGEST")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"value": "0.626"}, "OPENED_DECIMAL"),
        ({"value": "0.626", "encoded": "626"}, "VALUE_OPENING"),
        ({"auditor": "auditor-2"}, "VALUE_OPENING"),
        ({"auditor": "auditor-9"}, "OPENED_NAMES"),
        ({"lab": "lab-2"}, "NOT_COUNTED"),
        ({"round": 9}, "NOT_COUNTED"),
        ({"charter_sha256": "0" * 64}, "OPENED_CHARTER"),
        ({"format": "x"}, "OPENED_VALUE"),
    ],
)
def test_a_changed_value_is_refused(run, folder, changes, reason):
    file = folder / "value.json"
    document = json.loads(file.read_text()) | changes
    file.write_text(json.dumps(document, indent=2) + "\n")
    assert failed(check(folder, run[1])) == (3, reason)


def test_a_bundle_that_is_not_valid_shows_nothing(run, folder, tmp_path):
    shutil.copytree(run[1], tmp_path / "bundle")
    (tmp_path / "bundle" / "more").write_text("x")
    assert failed(check(folder, tmp_path / "bundle")) == (3, "BUNDLE_INVALID")
    wrong = check(folder, run[1], "--charter-hash", "00" * 32)
    assert failed(wrong) == (3, "BUNDLE_INVALID")


def test_wrong_words_and_folders_are_usage_errors(run, folder, tmp_path):
    site, bundle = run
    config = site.config("auditor-1")
    both = fermata("audit", "check-value", folder, "--bundle", bundle, "--config", config)
    assert failed(both) == (2, "USAGE")
    assert failed(fermata("audit", "check-value", folder)) == (2, "USAGE")
    assert failed(check(tmp_path, bundle)) == (2, "OPENED_FOLDER")
    assert failed(check(folder, tmp_path)) == (2, "BUNDLE")
    (folder / "more").write_text("x")
    assert failed(check(folder, bundle)) == (2, "OPENED_FOLDER")


def test_a_lab_is_told_what_it_cannot_open(run, tmp_path, handed_over):
    site, out = run[0], tmp_path / "value"
    assert failed(open_value(site, out, metric="spare")) == (2, "METRIC_UNKNOWN")
    assert failed(open_value(site, out, auditor="lab-2")) == (2, "PARTY")
    assert failed(open_value(site, out, number=9)) == (4, "NO_ROUND")
    assert failed(open_value(site, handed_over)) == (2, "FILE_EXISTS")
    assert failed(
        fermata("lab", "open-value", "--config", site.config("auditor-1"), "--round", 1,
                "--metric", "score", "--auditor", "auditor-1", "--out", out)
    ) == (2, "CONFIG")  # fmt: skip
    kept = site.node("lab-1") / "data" / "reports"
    shutil.move(kept, tmp_path / "away")
    try:
        assert failed(open_value(site, out)) == (2, "KEPT_REPORT")
    finally:
        shutil.move(tmp_path / "away", kept)
    assert not out.exists()
