"""A figure counts if its file says that all samples were scored, and of which model: no silence."""

import copy
import json
import re
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.node.sources.kinds import READERS
from fermata.node.sources.paths import SourceFile
from fermata.node.sources.readers.helm import read_helm
from harness.node.source_files import FIXTURES, changed, fixture
from harness.node.source_reading import gather, read, refused

# The inputs that were read wrong; more ways to lose samples are in test_lost_samples.py.


def test_a_score_over_some_of_the_samples_is_refused_and_the_whole_one_is_read(tmp_path):
    name = "inspect-0.3.250-scored-4-of-6.json"
    shutil.copy(FIXTURES / name, tmp_path)
    reason, said = refused(tmp_path, "inspect", name, score="shaky/accuracy")
    assert reason == "SOURCE_INCOMPLETE"
    assert "4 of 6 samples were scored" in said
    (figure,) = gather(tmp_path, "inspect", name, score="fine/accuracy").figures
    assert (figure.value, figure.model, figure.samples) == ("1.0", "offline/m", "6 of 6")


def test_a_limit_above_the_size_leaves_nothing_out(tmp_path):
    name = "inspect-0.3.285-limit-above-size.json"
    shutil.copy(FIXTURES / name, tmp_path)
    (figure,) = gather(tmp_path, "inspect", name, score="accuracy").figures
    assert (figure.value, figure.samples) == ("1.0", "6 of 6")


def test_a_group_is_as_whole_as_its_subtasks(tmp_path):
    name = "lm-eval-0.4.13-group-of-partial-tasks.json"
    shutil.copy(FIXTURES / name, tmp_path)
    for task, counted in (("grp", "5 of 24"), ("grp_a", "3 of 12"), ("grp_b", "2 of 12")):
        reason, said = refused(tmp_path, "lm-eval", name, task=task, score="acc")
        assert reason == "SOURCE_INCOMPLETE"
        assert f"{counted} samples were scored" in said
    document = json.loads((FIXTURES / name).read_bytes())
    for task, counts in document["n-samples"].items():
        counts["effective"] = counts["original"]
        document["results"][task]["sample_len"] = counts["original"]
    document["results"]["grp"] |= {"sample_len": 24, "sample_count": {"acc,none": 24}}
    (tmp_path / name).write_text(json.dumps(document))
    (figure,) = gather(tmp_path, "lm-eval", name, task="grp", score="acc").figures
    assert (figure.value, figure.samples) == ("0.2", "24 of 24")


@pytest.mark.parametrize("aggregation", ["only", "latest", "max", "min", "mean"])
def test_two_models_in_one_run_are_a_question_for_every_aggregation(tmp_path, aggregation):
    (tmp_path / "m.db").write_bytes(fixture("mlflow-two-models.db.gz"))
    keys = {"score": "acc", "aggregation": aggregation, "accept_uncounted": True}
    reason, said = refused(tmp_path, "mlflow", "m.db", **keys)
    assert reason == "SOURCE_AMBIGUOUS"
    assert "which model? It has frontier, small" in said
    for model, value in (("frontier", "0.9"), ("small", "0.3")):
        (figure,) = gather(tmp_path, "mlflow", "m.db", model=model, **keys).figures
        assert (figure.value, figure.model) == (value, model)
    assert refused(tmp_path, "mlflow", "m.db", model="other", **keys)[0] == "SOURCE_MODEL"


# The kind: what a file does not say is asked about.

#: Kind, file, what picks one figure of it, and which of the two statements its file makes.
STATED = [
    ("inspect", "inspect.json", {"score": "accuracy"}, "both"),
    ("inspect", "inspect.eval", {"score": "accuracy"}, "both"),
    ("lm-eval", "lm-eval.json", {"score": "acc"}, "both"),
    ("every-eval-ever", "every-eval-ever.json", {"score": "accuracy"}, "both"),
    ("mlflow", "mlflow.db.gz", {"score": "accuracy", "aggregation": "max", "incomplete": "skip"},
     "neither"),
    ("helm", "helm-stats.json", {"score": "num_references/test"}, "neither"),
    ("prometheus", "metrics.prom", {"score": 'eval_score{task="sums"}'}, "model"),
    ("openmetrics", "metrics.om", {"score": 'eval_score_ratio{task="sums"}'}, "model"),
    ("openai-evals", "openai-evals.jsonl", {"score": "accuracy"}, "both"),
    ("openai-evals", "openai-evals-limited.jsonl", {"score": "accuracy"}, "model"),
    ("model-card", "model-card.md", {"score": "accuracy"}, "model"),
    ("jsonl", "metr-runs.jsonl", {"score": "score_binarized", "where": {"run_id": "3"}}, "model"),
    ("yaml", "aider-leaderboard.yml", {"score": "pass_rate_2", "where": {"model": "model-a"},
                                       "unit": "percent", "scale": "0.01"}, "both"),
    ("csv", "wandb-export.csv", {"column": "accuracy", "where": {"Name": "first"}}, "neither"),
    ("json", "inspect.json", {"score": "results.total_samples"}, "neither"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "keys", "said"), STATED)
def test_every_kind_says_or_is_asked_which_model_and_how_many_samples(
    tmp_path, kind, name, keys, said
):
    (tmp_path / "file").write_bytes(fixture(name))
    if said == "neither":
        assert refused(tmp_path, kind, "file", **keys)[0] == "SOURCE_MODEL"
        assert "accept_unnamed = true" in refused(tmp_path, kind, "file", **keys)[1]
        keys = {**keys, "accept_unnamed": True}
    if said != "both":
        reason, text = refused(tmp_path, kind, "file", **keys)
        assert reason == "SOURCE_UNCOUNTED"
        assert "accept_uncounted = true" in text
        keys = {**keys, "accept_uncounted": True}
    (figure,) = gather(tmp_path, kind, "file", **keys).figures
    assert bool(figure.model) == (said != "neither")
    assert bool(figure.samples) == (said == "both")


def test_every_kind_of_reader_is_in_the_walk():
    assert {kind for kind, *_ in STATED} >= set(READERS)


def test_two_files_of_two_models_are_a_question(tmp_path):
    for name, model in (("a.json", "small"), ("b.json", "large")):
        data = changed("inspect.json", lambda d, model=model: d["eval"].update(model=model))
        (tmp_path / name).write_bytes(data)
    keys = {"score": "accuracy", "aggregation": "max"}
    assert refused(tmp_path, "inspect", "*.json", **keys)[0] == "SOURCE_AMBIGUOUS"
    (figure,) = gather(tmp_path, "inspect", "*.json", model="large", **keys).figures
    assert (figure.file, figure.model) == ("b.json", "large")


def test_a_value_that_no_model_is_named_for_stands_beside_those_of_models(tmp_path):
    data = fixture("mlflow-two-models.db.gz")
    assert {r.model for r in READERS["mlflow"]("m.db", data)} == {"small", "frontier"}


# Samples that are taken away in each way that the tools' own options know.

LM_EVAL = json.loads(fixture("lm-eval.json"))


@st.composite
def tree(draw, depth=3, name="t"):
    """Groups of lm-eval within groups: ({group: subtasks}, {task: (effective, original)}, root)."""
    if depth == 0 or draw(st.booleans()):
        original = draw(st.integers(1, 20))
        return {}, {name: (draw(st.integers(0, original)), original)}, name
    groups, tasks, below = {}, {}, []
    for number in range(draw(st.integers(1, 3))):
        inner, counted, child = draw(tree(depth - 1, f"{name}.{number}"))
        groups |= inner
        tasks |= counted
        below.append(child)
    return {**groups, f"g{name}": below}, tasks, f"g{name}"


@settings(max_examples=200, deadline=None)
@given(tree())
def test_a_group_of_lm_eval_is_whole_exactly_if_all_its_tasks_are(found):
    groups, tasks, root = found
    results = copy.deepcopy(LM_EVAL)
    lens = {task: {"sample_len": ran} for task, (ran, _) in tasks.items()}
    results["results"] = {t: {"acc,none": 0.5, **lens.get(t, {})} for t in (*groups, *tasks)}
    results["group_subtasks"] = groups
    results["n-samples"] = {t: {"effective": n, "original": m} for t, (n, m) in tasks.items()}

    def reading():
        return next(r for r in read("lm-eval", results) if r.task == root)

    is_whole = all(n == m for n, m in tasks.values())
    assert (reading().unfinished == "") == is_whole
    # --samples, in versions that write the whole size as effective: sample_len says what ran.
    for counts in results["n-samples"].values():
        counts["effective"] = counts["original"]
    assert (reading().unfinished == "") == is_whole
    one = next(iter(tasks))
    kept = results["results"][one].pop("sample_len")
    assert not reading().is_counted
    results["results"][one]["sample_len"] = kept
    if groups.get(root):
        results["results"][one].pop("acc,none")
        assert "samples were scored" in reading().unfinished
        results["n-samples"].pop(one)
        assert not reading().is_counted


def test_groups_that_stand_in_each_other_end():
    results = copy.deepcopy(LM_EVAL)
    results["results"] = {"a": {"acc,none": 0.5}}
    results["group_subtasks"] = {"a": ["b"], "b": ["a"]}
    (reading,) = read("lm-eval", results)
    assert not reading.is_counted


@settings(max_examples=100, deadline=None)
@given(ran=st.integers(1, 30), most=st.one_of(st.none(), st.integers(0, 30)))
def test_a_run_of_helm_is_whole_only_below_its_largest_number_of_instances(ran, most):
    stats = [
        {"name": {"name": "num_instances", "split": "test"}, "count": 3, "mean": float(ran)},
        {"name": {"name": "exact_match", "split": "test"}, "count": 3, "mean": 0.5},
    ]
    spec = {"adapter_spec": {"model": "simple/model1", "max_eval_instances": most}}
    beside = SourceFile("run/run_spec.json", json.dumps(spec).encode())
    readings = read_helm("run/f", json.dumps(stats).encode(), [beside])
    for reading in readings:
        assert reading.model == "simple/model1"
        is_whole = most is None or ran < most
        assert (reading.is_counted and not reading.unfinished) == is_whole
    for reading in read_helm("run/f", json.dumps(stats).encode()):
        assert not reading.is_counted


def test_the_specification_of_a_run_of_helm_is_read_and_kept_as_evidence(tmp_path):
    stats = json.loads(fixture("helm-stats.json"))
    spec = {"adapter_spec": {"model": "simple/model1", "max_eval_instances": None}}
    (tmp_path / "stats.json").write_text(json.dumps(stats))
    (tmp_path / "run_spec.json").write_text(json.dumps(spec))
    found = gather(tmp_path, "helm", "stats.json", score="num_references/test")
    assert re.fullmatch(r"(\d+) of \1", found.figures[0].samples)
    assert [file.name for file in found.files] == ["stats.json", "run_spec.json"]


@pytest.mark.parametrize("lacking", ["samples_number", "num_samples"])
def test_a_record_of_every_eval_ever_that_does_not_count_is_asked_about(tmp_path, lacking):
    def change(document):
        for result in document["evaluation_results"]:
            result["source_data"].pop(lacking, None)
            result["score_details"]["uncertainty"].pop(lacking, None)

    (tmp_path / "e.json").write_bytes(changed("every-eval-ever.json", change))
    reason, _ = refused(tmp_path, "every-eval-ever", "e.json", score="accuracy")
    assert reason == "SOURCE_UNCOUNTED"


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 8))
def test_a_record_of_every_eval_ever_over_fewer_samples_is_unfinished(scored):
    def change(document):
        for result in document["evaluation_results"]:
            result["score_details"]["uncertainty"]["num_samples"] = scored

    readings = READERS["every-eval-ever"]("f", changed("every-eval-ever.json", change))
    assert all(f"{scored} of 9 samples" in reading.unfinished for reading in readings)
