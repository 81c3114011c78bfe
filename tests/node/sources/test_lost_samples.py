"""Samples and models that a file's plain counts do not show: none of them is read in silence."""

import contextlib
import copy
import json
import shutil
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.node.sources.gather import Sources
from fermata.node.sources.kinds import READERS
from fermata.node.sources.mapping import SourceText
from fermata.node.sources.reading import Reading
from harness.node.source_files import FIXTURES, changed, fixture
from harness.node.source_reading import METRIC, gather, read, refused

INSPECT = json.loads(fixture("inspect.json"))
SIZE = INSPECT["eval"]["dataset"]["samples"]


# Inspect


@st.composite
def inspect_log(draw, is_partial):
    """A log of Inspect as the tool writes it, for which epochs of which samples were scored.

    Samples lack by limit, ids, errors, a scorer that returns nothing, or one that returns NaN.
    """
    log = copy.deepcopy(INSPECT)
    config, results, score = log["eval"]["config"], log["results"], log["results"]["scores"][0]
    epochs = draw(st.integers(1, 4))
    reducer = draw(st.sampled_from([None, ["mean"], []]))
    config |= {"epochs": epochs} | ({} if reducer is None else {"epochs_reducer": reducer})
    score |= {"reducer": "mean"} if reducer else {}
    ran = set(range(1, SIZE + 1))
    how = draw(st.sampled_from(["limit", "sample_id", "failed", "scorer", "NaN"]))
    if is_partial and how in ("limit", "sample_id"):
        ran = draw(st.sets(st.integers(1, SIZE), min_size=1, max_size=SIZE - 1))
        ran = set(range(1, len(ran) + 1)) if how == "limit" else ran
        config[how] = len(ran) if how == "limit" else sorted(ran)
    elif not is_partial:
        config["limit"] = draw(st.sampled_from([None, SIZE, 10 * SIZE]))
    log["eval"]["dataset"]["sample_ids"] = sorted(ran)
    every = [(sample, epoch) for sample in sorted(ran) for epoch in range(epochs)]
    results["total_samples"] = results["completed_samples"] = len(every)
    lost = set()
    if is_partial and how in ("failed", "scorer", "NaN"):
        lost = draw(st.sets(st.sampled_from(every), min_size=1))
    if how == "failed":
        results["completed_samples"] -= len(lost)
    scored = [each for each in every if each not in lost]
    count = len(scored if reducer == [] else {sample for sample, _ in scored})
    of = len(every if reducer == [] else ran)
    score |= {"scored_samples": count, "unscored_samples": of - count if how == "NaN" else 0}
    return log, epochs > 1 and reducer != []


@settings(max_examples=300, deadline=None)
@given(inspect_log(is_partial=True))
def test_no_log_of_inspect_with_a_sample_less_passes_for_whole(found):
    log, _ = found
    assert all(r.unfinished or not r.is_counted for r in read("inspect", log))


@settings(max_examples=100, deadline=None)
@given(inspect_log(is_partial=False))
def test_every_whole_log_of_inspect_is_read_or_does_not_count_its_epochs(found):
    log, is_silent = found
    for reading in read("inspect", log):
        assert not reading.unfinished
        assert reading.is_counted != is_silent
        assert is_silent or reading.scored == reading.samples


@pytest.mark.parametrize("name", ["inspect-epochs.json", "inspect-epochs-reducers.json"])
def test_a_score_that_joins_epochs_does_not_say_that_each_was_scored(tmp_path, name):
    """Of ``shaky`` the tool scored 11 of 12, and counts 6 of 6 as for ``fine``, which has all."""
    shutil.copy(FIXTURES / name, tmp_path)
    label = ":mean" if "reducers" in name else ""
    for score in (f"fine{label}/accuracy", f"shaky{label}/accuracy"):
        assert refused(tmp_path, "inspect", name, score=score)[0] == "SOURCE_UNCOUNTED"
        accepted = gather(tmp_path, "inspect", name, score=score, accept_uncounted=True)
        assert (accepted.figures[0].value, accepted.figures[0].samples) == ("1.0", "")


def test_a_score_that_joins_no_epochs_counts_each(tmp_path):
    name = "inspect-epochs-unreduced.json"
    shutil.copy(FIXTURES / name, tmp_path)
    (figure,) = gather(tmp_path, "inspect", name, score="fine/accuracy").figures
    assert figure.samples == "12 of 12"
    reason, said = refused(tmp_path, "inspect", name, score="shaky/accuracy")
    assert (reason, "11 of 12 samples were scored" in said) == ("SOURCE_INCOMPLETE", True)


def test_a_score_is_refused_for_its_own_samples_and_not_for_those_of_another(tmp_path):
    def change(document):
        (score,) = document["results"]["scores"]
        partial = {"name": "other", "scored_samples": 8, "unscored_samples": 1}
        document["results"]["scores"].append({**score, **partial})

    (tmp_path / "a.json").write_bytes(changed("inspect.json", change))
    assert gather(tmp_path, "inspect", "a.json", score="match/accuracy").figures
    reason, said = refused(tmp_path, "inspect", "a.json", score="other/accuracy")
    assert (reason, "8 of 9 samples" in said) == ("SOURCE_INCOMPLETE", True)


@pytest.mark.parametrize("keys", [["samples"], ["scored_samples"],
                                  ["total_samples", "completed_samples"]])  # fmt: skip
def test_a_log_of_inspect_without_a_count_is_asked_about(tmp_path, keys):
    def change(document):
        results = document["results"]
        for place in (document["eval"]["dataset"], results, results["scores"][0]):
            for key in keys:
                place.pop(key, None)

    (tmp_path / "a.json").write_bytes(changed("inspect.json", change))
    assert refused(tmp_path, "inspect", "a.json", score="accuracy")[0] == "SOURCE_UNCOUNTED"


# lm-eval, Every Eval Ever


def test_an_aggregate_that_leaves_samples_out_is_not_of_the_whole_group(tmp_path):
    """``sample_count`` is what the group's figure was made of, when all its tasks are whole."""
    document = json.loads(fixture("lm-eval-0.4.13-group-of-partial-tasks.json"))
    for task, counts in document["n-samples"].items():
        counts["effective"] = document["results"][task]["sample_len"] = counts["original"]
    document["results"]["grp"] |= {"sample_len": 24, "sample_count": {"acc,none": 12}}
    (tmp_path / "a.json").write_text(json.dumps(document))
    reason, said = refused(tmp_path, "lm-eval", "a.json", task="grp", score="acc")
    assert (reason, "12 of 24 samples" in said) == ("SOURCE_INCOMPLETE", True)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 8), st.sampled_from(["sample_ids", "total_rows"]))
def test_a_record_of_every_eval_ever_is_of_the_least_that_it_says(ran, where):
    def change(document):
        document["detailed_evaluation_results"]["total_rows"] = ran if where == "total_rows" else 9
        for result in document["evaluation_results"]:
            result["source_data"]["sample_ids"] = ["x"] * (ran if where == "sample_ids" else 9)

    readings = READERS["every-eval-ever"]("f", changed("every-eval-ever.json", change))
    assert all(f"{ran} of 9 samples" in reading.unfinished for reading in readings)


def test_a_figure_of_no_samples_counts_nothing():
    assert not Reading("f", "t", ("s",), "1", scored=0, samples=0).is_counted


# MLflow


def two_models(change):
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(fixture("mlflow-two-models.db.gz"))
        database.execute(change)
        database.commit()
        return READERS["mlflow"]("m.db", database.serialize())


def test_two_models_of_one_name_are_two_models():
    found = two_models("UPDATE logged_models SET name = 'small'")
    assert {r.model.partition("/")[0] for r in found} == {"small"}
    assert len({r.model for r in found}) == len(found) == 2
    assert {r.text for r in found} == {"0.9", "0.3"}


def test_the_newest_value_of_a_model_is_the_one_of_its_last_step():
    """As MLflow orders them: by step, and by time among values of one step."""
    found = two_models(
        "INSERT INTO logged_model_metrics SELECT model_id, metric_name, metric_timestamp_ms + 9,"
        " metric_step - 1, 0.1, experiment_id, run_id, dataset_uuid, dataset_name, dataset_digest"
        " FROM logged_model_metrics WHERE metric_value = 0.3"
    )
    assert {r.model: r.text for r in found} == {"frontier": "0.9", "small": "0.3"}


# HELM


def helm_folder(folder, most):
    (folder / "stats.json").write_bytes(fixture("helm-stats.json"))
    spec = {"adapter_spec": {"model": "simple/model1", "max_eval_instances": most}}
    (folder / "run_spec.json").write_text(json.dumps(spec))


def test_a_run_of_helm_that_may_have_left_instances_out_can_be_accepted(tmp_path):
    helm_folder(tmp_path, 10)
    keys = {"score": "num_references/test"}
    assert refused(tmp_path, "helm", "stats.json", **keys)[0] == "SOURCE_UNCOUNTED"
    assert gather(tmp_path, "helm", "stats.json", accept_uncounted=True, **keys).figures


def test_a_change_of_the_specification_of_a_run_is_noticed(tmp_path):
    helm_folder(tmp_path, 10)
    text = SourceText(metric="x", kind="helm", path="stats.json", unit="u", period="current")
    sources = Sources(tmp_path, None, (text,), tmp_path, "quarter")
    before = sources.stamp("2026Q4", lambda: 0)
    assert sources.stamp("2026Q4", lambda: 0) == before
    (tmp_path / "run_spec.json").unlink()
    assert sources.stamp("2026Q4", lambda: 0) != before


def test_what_another_source_read_of_a_run_does_not_hide_its_specification(tmp_path):
    helm_folder(tmp_path, None)
    keys = {"path": "stats.json", "unit": "fraction", "period": "current"}
    accepted = {"accept_unnamed": True, "accept_uncounted": True}
    texts = (
        SourceText(metric="x", kind="json", score="0.mean", **accepted, **keys),
        SourceText(metric="y", kind="helm", score="num_references/test", **keys),
    )
    sources = Sources(tmp_path, None, texts, tmp_path, "quarter")
    found = sources.gather("2026Q4", {"x": METRIC, "y": METRIC})
    assert [figure.model for figure in found.figures] == ["", "simple/model1"]
    assert [file.name for file in found.files] == ["stats.json", "run_spec.json"]
