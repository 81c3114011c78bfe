"""``python -m fermata.assessment.attack``: a table, a file, an exit code."""

import json

import pytest

from fermata.assessment.attack.__main__ import main
from fermata.node.storage.bundles import write_bundle
from harness.bundles import files
from harness.chains import MODULUS_BITS_MIN


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("attack") / "bundle"
    write_bundle(found, files())
    return found


def run(*words):
    return main([str(word) for word in words], MODULUS_BITS_MIN)


def test_widths_of_a_run_are_printed_and_written(folder, tmp_path, capsys):
    out = tmp_path / "widths.json"
    assert (
        run(folder, "--assume", "none", "--assume", "monotone", "--limit", "0", "--out", out) == 0
    )
    told = capsys.readouterr()
    assert told.err == ""
    assert "Assuming monotone" in told.out
    assert "hours" in told.out
    none, monotone = json.loads(out.read_text())
    assert (none["assumption"], monotone["assumption"]) == ("none", "monotone")
    assert none["contradicted"] == []
    widths = [w for w in none["widths"] if w["metric"] == "hours"]
    assert {w["lab"] for w in widths} == {f"lab-{i}" for i in range(1, 7)}
    assert {frozenset(w) for w in none["widths"]} == {
        frozenset(("metric", "round", "lab", "cohort", "width"))
    }


def test_a_narrow_width_is_exit_code_1_and_names_metric_and_round(folder, capsys):
    assert run(folder, "--limit", "100") == 1
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("NARROW")]
    assert any("hours in 2025Q3, 6 of 6 labs, assuming none" in line for line in lines)


def test_labs_that_pool_their_files_are_taken_out(folder, tmp_path, capsys):
    file = tmp_path / "metrics.csv"
    figures = {"hours": "1001.001", "share": "-1.5"}
    rows = "".join(f"2025Q3,{name},{value}\n" for name, value in figures.items())
    file.write_text("round,metric,value\n" + rows)
    assert run(folder, "--own", f"lab-1={file}", "--limit", "0", "--out", tmp_path / "out") == 0
    (found,) = json.loads((tmp_path / "out").read_text())
    assert "lab-1" not in {w["lab"] for w in found["widths"]}
    file.write_text("round,metric,value\n2025Q3,hours,1\n")
    assert run(folder, "--own", f"lab-1={file}") == 2
    told = capsys.readouterr().err
    assert told.endswith("has no share for 2025Q3 [OWN]\n")


@pytest.mark.parametrize(
    ("words", "reason", "code"),
    [
        (["--assume", "magic"], "ASSUMPTION", 2),
        (["--own", "lab-9=x"], "OWN", 2),
        (["--own", "lab-1"], "OWN", 2),
        (["--limit", "101"], "LIMIT", 2),
        (["--own", "lab-1=/nowhere/x.csv"], "METRICS_FILE", 2),
    ],
)
def test_a_wrong_word_is_one_line(folder, capsys, words, reason, code):
    assert run(folder, *words) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith(f"[{reason}]\n")
    assert told.err.count("\n") == 1


def test_what_does_not_verify_is_not_attacked(folder, capsys):
    # The key is too short for real use.
    assert main([str(folder)]) == 4
    assert capsys.readouterr().err.endswith("[BUNDLE_INVALID]\n")
    assert main([str(folder / "nothing")]) == 2
    assert capsys.readouterr().err.endswith("[BUNDLE]\n")
