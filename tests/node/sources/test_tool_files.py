"""OpenAI's evals, model cards, Every Eval Ever 0.2 and MLflow's folders: read whole or refused."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.node.sources.kinds import READERS
from harness.node.source_files import FIXTURES, changed, fixture
from harness.node.source_reading import gather, refused

ACCEPTED = {"accept_unnamed": True, "accept_uncounted": True}

# OpenAI's evals


def lines():
    return [json.loads(line) for line in fixture("openai-evals.jsonl").splitlines()]


def written(records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def evals(folder, data, **keys):
    (folder / "log.jsonl").write_bytes(data)
    return gather(folder, "openai-evals", "log.jsonl", score="accuracy", **keys)


def evals_refused(folder, data, **keys):
    (folder / "log.jsonl").write_bytes(data)
    return refused(folder, "openai-evals", "log.jsonl", score="accuracy", **keys)


def test_the_final_report_of_a_run_is_read(tmp_path):
    data = fixture("openai-evals.jsonl")
    (figure,) = evals(tmp_path, data, task="sums.test.v0", period="run-date").figures
    assert (figure.value, figure.model, figure.samples) == (
        "0.7777777777777778", "model-a", "9 of 9",
    )  # fmt: skip
    assert figure.field == "line 2: final_report.accuracy"


def test_a_run_without_a_report_goes_on_or_was_killed(tmp_path):
    spec, _, *events = lines()
    for records in ([spec], [spec, *events]):
        reason, said = evals_refused(tmp_path, written(records))
        assert (reason, "has no final_report" in said) == ("SOURCE_INCOMPLETE", True)


@pytest.mark.parametrize("at", [2, 6, 9])
def test_an_event_that_is_missing_makes_a_log_unfinished(tmp_path, at):
    records = lines()
    number = records.pop(at)["event_id"]
    reason, said = evals_refused(tmp_path, written(records))
    assert (reason, f"event {number} is not in the log" in said) == ("SOURCE_INCOMPLETE", True)


def test_samples_that_failed_were_not_scored(tmp_path):
    records = lines()
    records[4]["type"] = "error"
    reason, said = evals_refused(tmp_path, written(records))
    assert (reason, "8 of 9 samples were scored" in said) == ("SOURCE_INCOMPLETE", True)


def test_a_run_that_reached_its_limit_is_asked_about(tmp_path):
    data = fixture("openai-evals-limited.jsonl")
    assert evals_refused(tmp_path, data)[0] == "SOURCE_UNCOUNTED"
    assert evals(tmp_path, data, accept_uncounted=True).figures
    # The lab knows the size of its data set.
    assert evals(tmp_path, data, samples=3).figures[0].samples == "3 of 3"
    reason, said = evals_refused(tmp_path, data, samples=9)
    assert (reason, "3 samples, not 9" in said) == ("SOURCE_INCOMPLETE", True)
    records = [json.loads(line) for line in data.splitlines()]
    records[0]["spec"]["run_config"]["max_samples"] = 4
    assert evals(tmp_path, written(records)).figures[0].samples == "3 of 3"


def test_two_runs_in_one_log_are_refused(tmp_path):
    spec, report, *events = lines()
    data = written([spec, report, *events])
    assert "line 12: is of another run" in evals_refused(tmp_path, data + data)[1]
    assert "line 3: has a second final_report" in evals_refused(
        tmp_path, written([spec, report, report, *events])
    )[1]  # fmt: skip
    events[3]["run_id"] = "another"
    assert "line 6: is of another run" in evals_refused(
        tmp_path, written([spec, report, *events])
    )[1]  # fmt: skip
    assert "line 1: must have the spec of a run" in evals_refused(tmp_path, written(events))[1]


def test_numbers_within_tables_of_a_report_go_by_their_path():
    spec, report, *events = lines()
    report["final_report"] = {"by": {"easy.1": 0.5, "n": None}, "accuracy": 1, "ok": True}
    found = READERS["openai-evals"]("f", written([spec, report, *events]))
    assert {r.scores[0]: r.text for r in found} == {'by."easy.1"': "0.5", "accuracy": "1"}


# Model cards


def card(metrics, dataset="{type: d, config: c, split: s}", name="model-a"):
    return (
        f"---\nmodel-index:\n- name: {name}\n  results:\n  - task: {{type: t}}\n"
        f"    dataset: {dataset}\n    metrics: {metrics}\n---\n"
    ).encode()


def test_a_metric_of_a_card_goes_by_type_and_name_and_its_data_set(tmp_path):
    data = card("[{type: acc, config: x, name: Accuracy, value: 0.5}]")
    (tmp_path / "a.md").write_bytes(data)
    for score in ("acc/x", "Accuracy"):
        keys = {"task": "d/c/s", "score": score, "accept_uncounted": True}
        (figure,) = gather(tmp_path, "model-card", "a.md", **keys).figures
        assert (figure.value, figure.model) == ("0.5", "model-a")
    reason, said = refused(tmp_path, "model-card", "a.md", score="acc", accept_uncounted=True)
    assert (reason, "it has acc/x" in said) == ("SOURCE_FIELD", True)


@pytest.mark.parametrize("value", ["81.2%", "'0.5'", "0.81 ± 0.02", "[0.5]", "true", ".nan", ""])
def test_a_value_of_a_card_that_is_not_a_number_is_refused(tmp_path, value):
    (tmp_path / "a.md").write_bytes(card(f"[{{type: acc, value: {value}}}]"))
    keys = {"score": "acc", "accept_uncounted": True}
    assert refused(tmp_path, "model-card", "a.md", **keys)[0] == "SOURCE_VALUE"


def test_two_figures_of_one_name_in_a_card_are_a_question(tmp_path):
    (tmp_path / "a.md").write_bytes(card("[{type: acc, value: 0.5}, {type: acc, value: 0.6}]"))
    keys = {"score": "acc", "accept_uncounted": True}
    assert refused(tmp_path, "model-card", "a.md", **keys)[0] == "SOURCE_AMBIGUOUS"
    two = card("[{type: acc, value: 0.5}]") + b"x"
    both = two.replace(
        b"---\nx", b"- name: b\n  results:\n  - metrics: [{type: acc, value: 1}]\n---\n"
    )
    (tmp_path / "a.md").write_bytes(both)
    reason, said = refused(tmp_path, "model-card", "a.md", **keys)
    assert (reason, "which model? It has b, model-a" in said) == ("SOURCE_AMBIGUOUS", True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\na: 1\n---\n", "has no list model-index"),
        ("---\nmodel-index: []\n---\n", "model-index has no metric"),
        ("---\nmodel-index: [1, {results: 2}, {results: [3]}]\n---\n", "has no metric"),
    ],
)
def test_a_card_without_figures_is_refused(tmp_path, text, said):
    (tmp_path / "a.md").write_text(text)
    assert said in refused(tmp_path, "model-card", "a.md", **ACCEPTED)[1]


# Every Eval Ever


def record(version, metric=None, score=None):
    def change(document):
        document["schema_version"] = version
        del document["evaluation_results"][1:]
        (result,) = document["evaluation_results"]
        result.pop("evaluation_result_id")
        result["metric_config"] = metric or {"evaluation_description": "of sums"}
        if score is not None:
            result["score_details"]["score"] = score

    return changed("every-eval-ever.json", change)


@pytest.mark.parametrize("version", ["0.2.0", "0.2.1", "0.2.3", "0.3.0"])
def test_a_metric_without_a_name_is_not_whatever_is_asked_for(tmp_path, version):
    (tmp_path / "e.json").write_bytes(record(version))
    (figure,) = gather(tmp_path, "every-eval-ever", "e.json", score="of sums").figures
    assert figure.value == "0.7777777777777778"
    reason, said = refused(tmp_path, "every-eval-ever", "e.json", score="accuracy")
    assert (reason, "it has of sums" in said) == ("SOURCE_FIELD", True)
    (tmp_path / "e.json").write_bytes(record(version, {"lower_is_better": False}))
    assert "it has evaluation_results[0]" in refused(
        tmp_path, "every-eval-ever", "e.json", score="accuracy"
    )[1]  # fmt: skip


@pytest.mark.parametrize("version", ["0.2.2", "0.3.0"])
def test_a_score_that_stands_for_nothing_is_refused(tmp_path, version):
    levels = {"score_type": "levels", "level_names": ["a"], "has_unknown_level": True}
    (tmp_path / "e.json").write_bytes(record(version, levels, -1))
    reason, said = refused(tmp_path, "every-eval-ever", "e.json")
    assert (reason, "evaluation_results[0]: the score stands for an unknown level" in said) == (
        "SOURCE_INCOMPLETE",
        True,
    )


@settings(max_examples=100, deadline=None)
@given(score=st.integers(-3, 3), lowest=st.integers(-2, 2), highest=st.integers(-2, 2))
def test_a_score_outside_the_range_of_its_metric_is_unfinished(score, lowest, highest):
    metric = {"metric_id": "m", "min_score": lowest, "max_score": highest}
    (reading,) = READERS["every-eval-ever"]("f", record("0.3.0", metric, score))
    assert bool(reading.fault) == (not lowest <= score <= highest)
    unbounded = {**metric, "min_score": "-Infinity", "max_score": None}
    (reading,) = READERS["every-eval-ever"]("f", record("0.2.3", unbounded, score))
    assert not reading.fault


# MLflow's folders

EXPERIMENT = "mlruns/767562275013315088"


@pytest.fixture
def mlruns(tmp_path):
    shutil.copytree(FIXTURES / "mlruns", tmp_path / "mlruns")
    return tmp_path


def run_named(folder, name):
    for meta in sorted((folder / EXPERIMENT).glob("*/meta.yaml")):
        if f"run_name: {name}\n" in meta.read_text():
            return meta.parent
    raise AssertionError(name)


def test_runs_in_folders_are_read_as_those_of_the_database_are(mlruns):
    keys = {"task": "capability", "aggregation": "latest", "incomplete": "skip", **ACCEPTED}
    found = gather(mlruns, "mlflow", "mlruns/*/*/metrics/accuracy", period="run-date",
                   score="accuracy", **keys)  # fmt: skip
    assert found.figures[0].value == "0.7777777777777778"
    (tmp := mlruns / "m.db").write_bytes(fixture("mlflow.db.gz"))
    assert tmp.exists()
    database = gather(mlruns, "mlflow", "m.db", period="run-date", score="accuracy", **keys)
    assert database.figures[0].value == found.figures[0].value
    names = {file.name for file in found.files}
    # What says which experiment, run and status it is, is evidence too.
    assert f"{EXPERIMENT}/meta.yaml" in names
    assert sum(name.endswith("/meta.yaml") for name in names) == 4


def test_a_run_in_a_folder_that_goes_on_is_refused_and_a_deleted_one_is_none(mlruns):
    path = run_named(mlruns, "open").relative_to(mlruns)
    reason, said = refused(mlruns, "mlflow", f"{path}/metrics/accuracy", **ACCEPTED)
    assert (reason, "status is RUNNING, not FINISHED" in said) == ("SOURCE_INCOMPLETE", True)
    path = run_named(mlruns, "gone").relative_to(mlruns)
    assert not gather(mlruns, "mlflow", f"{path}/metrics/accuracy", **ACCEPTED).figures


def test_a_metric_with_a_slash_is_a_folder_deeper(mlruns):
    path = run_named(mlruns, "first").relative_to(mlruns)
    keys = {"score": "eval/loss", **ACCEPTED}
    assert refused(mlruns, "mlflow", f"{path}/metrics/eval/loss", **keys)[0] == "SOURCE_VALUE"


@pytest.mark.parametrize("aggregation", ["only", "latest", "max", "min", "mean"])
def test_two_models_in_one_run_of_a_folder_are_a_question(mlruns, aggregation):
    keys = {"score": "acc", "aggregation": aggregation, "accept_uncounted": True}
    reason, said = refused(mlruns, "mlflow", "mlruns/*/*/metrics/acc", **keys)
    assert (reason, "which model? It has frontier, small" in said) == ("SOURCE_AMBIGUOUS", True)
    for model, value in (("frontier", "0.9"), ("small", "0.3")):
        (figure,) = gather(mlruns, "mlflow", "mlruns/*/*/metrics/acc", model=model, **keys).figures
        assert (figure.value, figure.model) == (value, model)


def test_models_of_one_name_are_told_apart_and_other_values_have_no_model(mlruns):
    metas = sorted((mlruns / EXPERIMENT / "models").glob("*/meta.yaml"))
    for meta in metas:
        meta.write_text(meta.read_text().replace("name: small", "name: frontier"))
    keys = {"score": "acc", "accept_uncounted": True}
    said = refused(mlruns, "mlflow", "mlruns/*/*/metrics/acc", **keys)[1]
    assert all(f"frontier/{meta.parent.name}" in said for meta in metas)
    metric = run_named(mlruns, "two-models") / "metrics" / "acc"
    metric.write_text(metric.read_text() + "1795946736999 0.5 2\n")
    assert refused(mlruns, "mlflow", "mlruns/*/*/metrics/acc", **keys)[0] == "SOURCE_MODEL"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1795946736598 0.5 0\n1795946736599 0.61", "line 2: has no line end"),
        ("1795946736598 0.5 0\n1795946736599 0.61 1 x\n", "line 2: must have time, value and step"),
        ("1795946736598 0.5 1.5\n", "line 1: must have time, value and step"),
        ("12 0.5 0\n", "line 1: must have time, value and step"),
        ("1795946736598  0.5 0\n", "line 1: must have time, value and step"),
        ("\n", "line 1: must have time"),
        ("1795946736598 0.5 3\n1795946736598 0.6 3\n", "lines 1 and 2: have one step and time"),
        ("1795946736598 0.5 3 d 1\n1795946736599 0.6 3 e 2\n", "has values of several data sets"),
        ("", "is empty"),
    ],
)
def test_lines_of_a_metric_that_mlflow_does_not_write_are_refused(mlruns, text, said):
    metric = run_named(mlruns, "first") / "metrics" / "accuracy"
    metric.write_text(text)
    reason, answer = refused(mlruns, "mlflow", str(metric.relative_to(mlruns)), **ACCEPTED)
    assert (reason, said in answer) == ("SOURCE_FORMAT", True)


@settings(max_examples=100, deadline=None)
@given(
    points=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=6
    )
)
def test_the_newest_value_has_the_highest_step_and_then_the_latest_time(points, tmp_path_factory):
    folder = tmp_path_factory.mktemp("points")
    shutil.copytree(FIXTURES / "mlruns", folder / "mlruns")
    metric = run_named(folder, "first") / "metrics" / "accuracy"
    text = "".join(f"{1795946736000 + time} 0.{value} {step}\n" for time, step, value in points)
    metric.write_text(text)
    name, order = str(metric.relative_to(folder)), max((step, time) for time, step, _ in points)
    newest = {value for time, step, value in points if (step, time) == order}
    if len(newest) > 1:
        assert refused(folder, "mlflow", name, **ACCEPTED)[0] == "SOURCE_FORMAT"
    else:
        (figure,) = gather(folder, "mlflow", name, **ACCEPTED).figures
        assert figure.read == f"0.{newest.pop()}"


@pytest.mark.parametrize(
    "line", ["1795946736624 0.9\n", "1795946736624 0.9 0\n", "1795946736624 0.9 0 run x\n", "\n"]
)
def test_lines_of_a_logged_model_must_name_their_run(mlruns, line):
    (metric, _) = sorted((mlruns / EXPERIMENT / "models").glob("*/metrics/acc"))
    metric.write_text(line)
    reason, said = refused(mlruns, "mlflow", "mlruns/*/*/metrics/acc", **ACCEPTED)
    assert (reason, "line 1: must have time, value" in said) == ("SOURCE_FORMAT", True)


@settings(max_examples=150, deadline=None)
@given(which=st.integers(0, 6), at=st.floats(0, 1), patch=st.binary(max_size=8))
def test_a_folder_with_a_wrong_place_is_read_or_refused_and_never_crashes(
    which, at, patch, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("patched")
    shutil.copytree(FIXTURES / EXPERIMENT, folder / EXPERIMENT)
    run = run_named(folder, "two-models")
    models = sorted((folder / EXPERIMENT / "models").glob("*/*"))
    files = [run / "meta.yaml", run.parent / "meta.yaml", run / "metrics" / "acc",
             *(file / "acc" if file.is_dir() else file for file in models)]  # fmt: skip
    path = files[which]
    data = path.read_bytes()
    start = int(at * len(data))
    path.write_bytes(data[:start] + patch + data[start + len(patch) :])
    reasons = set()
    try:
        gather(folder, "mlflow", str((run / "metrics" / "acc").relative_to(folder)), **ACCEPTED)
    except ConfigError as error:
        reasons.add(error.reason)
    assert reasons <= {"SOURCE_FORMAT", "SOURCE_AMBIGUOUS", "SOURCE_INCOMPLETE", "SOURCE_VALUE"}


def test_a_metric_without_what_says_whose_it_is_is_refused(mlruns):
    run = run_named(mlruns, "first")
    (run / "meta.yaml").unlink()
    name = str((run / "metrics" / "accuracy").relative_to(mlruns))
    reason, said = refused(mlruns, "mlflow", name, **ACCEPTED)
    assert (reason, f"has no meta.yaml in {run.name}" in said) == ("SOURCE_FORMAT", True)
    (mlruns / "alone").write_text("1795946736598 0.5 0\n")
    said = refused(mlruns, "mlflow", "alone", **ACCEPTED)[1]
    assert "must be mlruns/<experiment>/<run>/metrics/<name>, or a database" in said


@pytest.mark.parametrize(("kind", "beside"), [("mlflow", "meta.yaml"), ("helm", "run_spec.json")])
def test_a_file_beside_a_source_is_not_followed_out_of_its_folder(
    mlruns, tmp_path_factory, kind, beside
):
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text('{"a": "of another program"}\n')
    run = run_named(mlruns, "first")
    name, keys = "metrics/accuracy", ACCEPTED
    if kind == "helm":
        (run / "stats.json").write_bytes(fixture("helm-stats.json"))
        name, keys = "stats.json", {"score": "num_references/test", **ACCEPTED}
    (run / beside).unlink(missing_ok=True)
    (run / beside).symlink_to(outside)
    reason, said = refused(mlruns, kind, str((run / name).relative_to(mlruns)), **keys)
    assert (reason, "is a link to outside" in said) == ("SOURCE_PATH", True)
