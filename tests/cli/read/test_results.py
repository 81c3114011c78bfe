"""``fermata results|report`` and ``fermata lab place``: what comes back, and what never leaves."""

import csv
import io
import json
import shutil
from types import SimpleNamespace

import pytest

from fermata.cli.read import results as commands
from fermata.node.storage.bundles import write_bundle
from harness.bundles import files
from harness.chains import MODULUS_BITS_MIN
from harness.nodes import fermata, lay_out
from harness.rounds import free_state_of, state_of


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle with one opened round and one refused; its key is too short for real use."""
    folder = tmp_path_factory.mktemp("results") / "bundle"
    write_bundle(folder, files())
    return folder


@pytest.fixture
def toy_keys(monkeypatch):
    monkeypatch.setattr(commands, "MODULUS_BITS_MIN", MODULUS_BITS_MIN)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("place") / "site")


def place(site, *words, period="2026Q1"):
    return fermata("lab", "place", "--config", site.config("lab-1"), "--period", period, *words)


@pytest.fixture
def log(site, monkeypatch):
    """The log shows a round of all three labs, and one that was refused."""
    reports = {
        "lab-1": {"score": "0.625", "hours": "12"},
        "lab-2": {"score": "0.5", "hours": "20"},
        "lab-3": {"score": "0.75", "hours": "40"},
    }
    state = state_of(site.charter, [reports, reports], refused=[2])
    monkeypatch.setattr(
        commands, "trusted_view", lambda config: SimpleNamespace(trusted=lambda: state)
    )
    site.write_config("lab-1")


@pytest.mark.usefixtures("toy_keys")
@pytest.mark.parametrize("command", ["results", "results csv", "report", "lab place"])
def test_no_command_gives_results_of_an_invalid_bundle(bundle, site, tmp_path, command):
    copy, out = tmp_path / "copy", tmp_path / "out"
    shutil.copytree(bundle, copy)
    (copy / next(p for p in files() if p.startswith("sealed/"))).unlink()
    site.write_config("lab-1")
    answer = {
        "results": lambda: fermata("results", copy, "--out", out),
        "results csv": lambda: fermata("results", copy, "--format", "csv"),
        "report": lambda: fermata("report", copy, "--out", out),
        "lab place": lambda: place(site, "--bundle", copy),
    }[command]()
    assert answer.error.endswith("(V6, V7); see: fermata verify [BUNDLE_INVALID]")
    assert (answer.code, answer.out, out.exists()) == (4, "", False)


@pytest.mark.usefixtures("toy_keys")
def test_results_are_rows_in_json_and_csv_alike(bundle, tmp_path):
    answer = fermata("results", bundle)
    assert answer.code == 0, answer.err
    rows = json.loads(answer.out)
    assert [r["period"] for r in rows if r["refusal"]] == ["2025Q4"]
    assert {r["statistic"] for r in rows if r["metric"] == "hours"} == {"sum", "mean", "count"}
    out = tmp_path / "results.csv"
    assert fermata("results", bundle, "--format", "csv", "--out", out).code == 0
    read = list(csv.DictReader(io.StringIO(out.read_bytes().decode(), newline="")))
    assert read == [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
    assert list(read[0]) == list(rows[0])


@pytest.mark.usefixtures("toy_keys")
def test_a_report_is_a_new_folder_of_pages(bundle, tmp_path):
    out = tmp_path / "pages"
    answer = fermata("report", bundle, "--out", out, "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert told["rounds"] == 2
    assert {"index.html", "index.md", "round-1.html", "round-2.md"} <= {
        p.name for p in out.iterdir()
    }
    assert told["files"] == len(list(out.iterdir()))
    again = fermata("report", bundle, "--out", out)
    assert (again.code, again.error.endswith("[FILE_EXISTS]")) == (2, True)


@pytest.mark.parametrize("words", [["results"], ["report", "--out", "pages"]])
def test_nothing_comes_from_a_bundle_that_does_not_verify(bundle, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    answer = fermata(words[0], bundle, *words[1:])
    assert (answer.code, answer.error.endswith("[BUNDLE_INVALID]")) == (4, True)
    assert answer.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("toy_keys")
def test_results_of_another_charter_are_refused(bundle):
    answer = fermata("results", bundle, "--charter-hash", "ab" * 32)
    assert answer.error.endswith("[BUNDLE_INVALID]")
    assert fermata("results", bundle, "--charter-hash", "xy").error.endswith("[CHARTER_HASH]")


@pytest.mark.usefixtures("log")
def test_results_come_from_the_log_too(site, bundle):
    rows = json.loads(fermata("results", "--config", site.config("lab-1")).out)
    assert {r["round"] for r in rows} == {1, 2}
    for words in ([], [bundle, "--config", site.config("lab-1")]):
        answer = fermata("results", *words)
        assert (answer.code, answer.error.endswith("[USAGE]")) == (2, True)


@pytest.mark.usefixtures("log")
def test_a_labs_place_is_told_and_nothing_is_written(site):
    before = {p: p.stat().st_mtime_ns for p in site.folder.rglob("*")}
    answer = place(site)
    assert answer.code == 0, answer.err
    assert "score  0.625" in answer.out
    assert answer.err == ""
    told = json.loads(place(site, "--json").out)
    assert [p["metric"] for p in told] == ["score", "hours"]
    assert told[0]["place"] == ["33.3 % of the sum, 1.875 u"]
    assert {p: p.stat().st_mtime_ns for p in site.folder.rglob("*")} == before


@pytest.mark.usefixtures("log")
def test_a_round_without_results_has_no_places(site):
    refused = place(site, period="2026Q2")
    assert (refused.code, refused.out) == (4, "")
    assert refused.error.endswith("has no results (too few) [NO_RESULTS]")
    assert place(site, period="2026Q3").error.endswith("[FIGURES_ABSENT]")
    assert place(site, period="2019Q1").error.endswith("[PERIOD]")


@pytest.mark.usefixtures("log", "toy_keys")
def test_a_bundle_of_another_charter_is_no_place(site, bundle):
    answer = place(site, "--bundle", bundle)
    assert (answer.code, answer.error.endswith("[CHARTER_HASH]")) == (2, True)


def test_a_lab_that_did_not_report_has_no_place(site, monkeypatch):
    reports = {f"lab-{i}": {"score": "0.5", "hours": "1"} for i in (2, 3)}
    state = free_state_of(site.charter, [reports])
    monkeypatch.setattr(
        commands, "trusted_view", lambda config: SimpleNamespace(trusted=lambda: state)
    )
    site.write_config("lab-1")
    answer = place(site)
    assert (answer.code, answer.error.endswith("[NOT_COUNTED]")) == (4, True)
