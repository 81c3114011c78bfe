"""The Python API: ``import fermata``, and the examples of docs/examples."""

import runpy
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import fermata
from fermata import api
from fermata.node.storage.bundles import write_bundle
from fermata.protocol.roles.lab import Measurement
from harness.bundles import bundle_of_run, files, finished_run
from harness.chains import (
    COORDINATOR,
    MODULUS_BITS_MIN,
    PAUSE_TABLES,
    Run,
    figures,
    make_deployment,
)
from harness.dues import BANDS

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.fixture(autouse=True)
def toy_keys(monkeypatch):
    """The bundles here have keys that are too short for real use."""
    monkeypatch.setattr(api, "MODULUS_BITS_MIN", MODULUS_BITS_MIN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One opened round and one refused."""
    out = tmp_path_factory.mktemp("api") / "bundle"
    write_bundle(out, files())
    return out


@pytest.fixture(scope="module")
def pausing(tmp_path_factory):
    """A round that triggers, and one of a pause in which lab-4 shows nothing; with dues."""
    tables = PAUSE_TABLES + BANDS
    deployment = make_deployment(labs=4, auditors=1, threshold=1, last="2025Q4", extra=tables)

    def measure(lab, period):
        values = figures(deployment, lab)
        values["hours"] = "30" if period == "2025Q3" or lab == "lab-4" else "5"
        return Measurement(values)

    run = Run(deployment, measure)
    while not run.state.pause.changes:
        for name in run.drivers:
            if not run.state.pause.changes:
                run.step(name)
    # All labs acknowledge before the next round opens, which is then one of the pause.
    run.until_quiet(*deployment.charter.labs, *deployment.charter.auditors)
    run.until_quiet()
    out = tmp_path_factory.mktemp("api") / "pausing"
    write_bundle(out, bundle_of_run(run, run.stores[COORDINATOR]))
    return out


def charter_hash():
    return finished_run().charter.sha256.hex()


def test_a_bundle_that_is_valid_verifies(folder):
    found = fermata.verify(str(folder), charter_hash())
    assert isinstance(found, fermata.Verification)
    assert found.is_valid
    assert {c.status for c in found.checks} == {"passed"}


def without_a_sealed_part(tmp_path):
    """A bundle whose every result can be derived, and which is invalid all the same."""
    bundle = files()
    del bundle[next(p for p in bundle if p.startswith("sealed/"))]
    write_bundle(tmp_path / "spoiled", bundle)
    return tmp_path / "spoiled"


def test_an_invalid_bundle_gives_no_results(tmp_path):
    found = fermata.verify(without_a_sealed_part(tmp_path))
    assert not found.is_valid
    assert [c.number for c in found.checks if c.status == "failed"] == [6, 7]
    assert (found.state.rounds, found.state.charter, found.size, found.cosigners) == (
        (),
        None,
        0,
        0,
    )
    with pytest.raises(fermata.FermataError) as caught:
        fermata.open_bundle(tmp_path / "spoiled")
    assert caught.value.reason == "BUNDLE_INVALID"


def test_a_valid_bundle_says_how_old_it_is_and_who_cosigned_it(folder, monkeypatch):
    state = finished_run().state
    monkeypatch.setattr(api.time, "time_ns", lambda: (state.time_ms + 90_500) * 1_000_000)
    found, bundle = fermata.verify(folder), fermata.open_bundle(folder)
    for told in (found, bundle):
        assert (told.size, told.newest_ms, told.cosigners) == (state.size, state.time_ms, 3)
    assert (bundle.age_s, found.age_s(state.time_ms - 5000)) == (90, -5)


def test_a_bundle_says_whether_it_is_public_and_what_was_not_checked(folder, tmp_path):
    full = fermata.open_bundle(folder)
    assert (full.is_public, full.not_checked) == (False, ())
    run = finished_run()
    write_bundle(tmp_path / "public", bundle_of_run(run, None))
    public, found = fermata.open_bundle(tmp_path / "public"), fermata.verify(tmp_path / "public")
    assert public.is_public
    assert public.results == full.results
    assert found.not_checked == public.not_checked
    assert [said.split(" ", 1)[0] for said in public.not_checked] == ["V5", "V7"]
    assert all("sealed parts" in said for said in public.not_checked)


@pytest.mark.parametrize("form", ["SHA256:{}", "sha256:{}", "Sha256:{}", " {}\n", "{}"])
@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_a_hash_is_taken_as_people_paste_it(folder, form, case):
    assert fermata.verify(folder, form.format(case(charter_hash()))).is_valid


def test_an_invalid_bundle_is_an_answer_of_verify_and_an_error_of_open_bundle(tmp_path):
    bundle = files()
    bundle["charter.toml"] += b"# more\n"
    write_bundle(tmp_path / "bundle", bundle)
    assert not fermata.verify(tmp_path / "bundle").is_valid
    with pytest.raises(fermata.FermataError, match=r"does not verify \(V1\)") as found:
        fermata.open_bundle(tmp_path / "bundle")
    assert found.value.reason == "BUNDLE_INVALID"


def test_a_bundle_of_another_charter_is_refused(folder):
    assert not fermata.verify(folder, "00" * 32).is_valid
    with pytest.raises(fermata.FermataError, match="does not verify"):
        fermata.open_bundle(folder, "00" * 32)


@pytest.mark.parametrize("ask", [fermata.verify, fermata.open_bundle])
@pytest.mark.parametrize("text", ["", "12", "zz" * 32, "00" * 33])
def test_a_hash_that_is_none_is_refused(folder, ask, text):
    with pytest.raises(fermata.FermataError, match="64 hex digits") as found:
        ask(folder, text)
    assert found.value.reason == "CHARTER_HASH"


@pytest.mark.parametrize("ask", [fermata.verify, fermata.open_bundle])
def test_a_folder_that_is_no_bundle_is_refused(tmp_path, ask):
    with pytest.raises(fermata.FermataError, match="not a bundle's folder") as found:
        ask(tmp_path)
    assert found.value.reason == "BUNDLE"


def test_results_are_those_of_the_log(folder):
    bundle, (truth, refused) = fermata.open_bundle(folder), finished_run().state.rounds
    assert bundle.charter_hash == charter_hash()
    assert truth.opening is not None
    assert [(r.metric, r.statistic, r.exact, r.text) for r in bundle.results] == [
        (r.metric, r.statistic, r.value, r.text) for r in truth.opening.results
    ]
    assert {(r.round, r.period, r.group) for r in bundle.results} == {(1, "2025Q3", "")}
    assert {r.metric: (r.unit, r.cohort) for r in bundle.results} == {
        "hours": ("h", 6),
        "share": ("%", 6),
        "wide-1": ("FLOP", 5),
    }
    opened, closed = bundle.rounds
    assert (opened.state, opened.refusal, opened.cohorts) == ("opened", "", {"alpha": 6, "beta": 5})
    assert (closed.state, closed.refusal) == ("refused", refused.refusal)
    assert closed.reported == ("lab-5", "lab-6")
    assert closed.abstained == ("lab-1", "lab-2", "lab-3", "lab-4")


def test_results_are_an_array_of_doubles_with_their_exact_text(folder):
    results = fermata.open_bundle(folder).results
    rows = results.to_numpy()
    assert rows.shape == (len(results),)
    assert (rows["value"].dtype, rows["round"].dtype) == (np.float64, np.int64)
    for row, record in zip(rows, results, strict=True):
        names = ("round", "period", "metric", "unit", "statistic", "group", "text", "cohort")
        assert [row[n].item() for n in names] == [getattr(record, n) for n in names]
        assert row["value"] == float(record.exact)


def test_no_results_are_an_empty_array():
    rows = api.Results().to_numpy()
    assert rows.shape == (0,)
    assert rows[rows["metric"] == "hours"]["value"].sum() == 0


@pytest.mark.parametrize(("exact", "value"), [(10**400, np.inf), (-(10**400), -np.inf)])
def test_a_value_beyond_doubles_is_infinite(exact, value):
    record = api.ResultRecord(1, "1", "m", "", "geometric-mean", "", Fraction(exact), "", 3)
    assert record.value == value


def test_rules_pause_compliance_and_dues_are_told(pausing):
    bundle = fermata.open_bundle(pausing)
    assert [(r.period, r.rule, r.holds, r.value) for r in bundle.rules] == [
        ("2025Q3", "hot", True, "120"),
        ("2025Q3", "calm", False, "120"),
        ("2025Q4", "hot", False, "45"),
        ("2025Q4", "calm", True, "45"),
    ]
    assert (bundle.pause.phase, bundle.pause.is_holding) == ("lifting", True)
    assert [c.why for c in bundle.pause.changes] == ["rule", "acknowledged", "calm"]
    assert [c.fired for c in bundle.pause.changes] == [("hot",), ("hot",), ("calm",)]
    assert bundle.pause.missing == ()
    first, second = bundle.rounds
    assert first.compliance == {}
    assert {lab for lab, said in second.compliance.items() if said != "complied"} == {"lab-4"}
    assert [(a.unit, str(a.total)) for a in bundle.accounts] == [("EUR", "362.00")]


def test_a_charter_without_dues_has_no_account(folder):
    assert fermata.open_bundle(folder).accounts == ()


def test_every_name_of_the_package_is_there_and_no_other():
    assert all(getattr(fermata, name) is not None for name in fermata.__all__)
    assert dir(fermata) == sorted(fermata.__all__)
    with pytest.raises(AttributeError, match="no attribute 'verifier'"):
        _ = fermata.verifier


def test_verifying_loads_neither_arrays_nor_a_network(folder):
    program = (
        "import sys, fermata\n"
        f"found = fermata.verify({str(folder)!r})\n"
        "print(sorted({'numpy', 'grpc', 'sqlite3', 'asyncio'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def run_example(monkeypatch, capsys, name, *arguments):
    """The exit code of an example, and what it printed."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    code = 0
    try:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out


def test_the_growth_example_runs(folder, monkeypatch, capsys):
    code, out = run_example(monkeypatch, capsys, "growth.py", folder, "hours", charter_hash())
    assert code == 0
    assert out.startswith("2025Q3  6021.021 h, 6 organisations")
    assert "2025Q4  nothing came out: panel alpha: 2 of at least 3" in out
    code, _ = run_example(monkeypatch, capsys, "growth.py", folder, "hours", "12")
    assert code == "charter hash: must be 64 hex digits, SHA256: before or not [CHARTER_HASH]"


def test_the_pause_example_runs(pausing, monkeypatch, capsys):
    code, out = run_example(monkeypatch, capsys, "pause.py", pausing)
    assert code == 0
    assert "2025Q3  hot: 120 against 100  holds" in out
    assert "running -> triggered  rule" in out
    assert "2025Q4  lab-4: not shown" in out


def test_the_pipeline_example_runs(folder, monkeypatch, capsys):
    code, out = run_example(monkeypatch, capsys, "pipeline.py", folder, charter_hash())
    assert (code, "V9 passed: openings" in out) == (0, True)
    assert run_example(monkeypatch, capsys, "pipeline.py", folder, "00" * 32)[0] == 1


def test_every_example_is_run_here():
    assert {p.name for p in EXAMPLES.glob("*.py")} == {"growth.py", "pause.py", "pipeline.py"}
