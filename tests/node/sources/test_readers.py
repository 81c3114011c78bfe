"""Readers of tools' files: figures as they stand, a clear refusal for all else, never a guess."""

import contextlib
import io
import json
import sqlite3
import struct
import warnings
import zipfile
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.node.sources import kinds
from fermata.node.sources.formats.csv_text import read_rows
from fermata.node.sources.formats.documents import path_steps, read_json, read_jsonl, read_toml
from fermata.node.sources.formats.yaml_text import read_yaml
from fermata.node.sources.readers.inspect_log import HEADER_BYTES_MAX
from fermata.node.sources.readers.prometheus import is_selected
from fermata.node.sources.readers.pushed import read_pushed
from fermata.node.sources.readers.table import read_table
from harness.node.source_files import archive, changed, fixture

READERS = kinds.READERS
NOVEMBER = (1_793_491_200_000, 1_796_083_200_000)


def read(kind, data, name="run/file"):
    return READERS[kind](name, data)


def refused(kind, data, reason="SOURCE_FORMAT"):
    with pytest.raises(ConfigError) as caught:
        read(kind, data)
    assert caught.value.reason == reason
    assert str(caught.value).startswith("run/file: ")
    return str(caught.value)


def by_score(readings):
    return {reading.scores[0]: reading for reading in readings}


# Inspect


@pytest.mark.parametrize("name", ["inspect.eval", "inspect.json"])
def test_a_log_of_inspect_is_read_in_both_forms(name):
    found = by_score(read("inspect", fixture(name)))
    assert set(found) == {"match/accuracy", "match/stderr"}
    figure = found["match/accuracy"]
    assert (figure.task, figure.text, figure.fault) == ("sums", "0.7777777777777778", "")
    assert figure.field == "results.scores[0].metrics.accuracy.value"
    assert NOVEMBER[0] < figure.completed_ms < NOVEMBER[1]
    assert figure.is_score("accuracy")
    assert not figure.is_score("stderr")


@pytest.mark.parametrize("method", [0, 8, 93])
def test_members_of_every_method_of_a_log_are_unpacked(method):
    data = archive([("header.json", fixture("inspect.json"))], method)
    assert read("inspect", data) == read("inspect", fixture("inspect.json"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(status="cancelled"), "status is cancelled, not success"),
        (lambda d: d.update(status="error"), "status is error, not success"),
        (lambda d: d.update(status="started"), "status is started, not success"),
        (lambda d: d.update(invalidated=True), "invalidated is true"),
        (lambda d: d["results"].update(completed_samples=8), "is not results.total_samples"),
        (
            lambda d: d["results"]["scores"][0].update(unscored_samples=1),
            "8 of 9 samples were scored",
        ),
        (lambda d: d.pop("results"), "it has no scores"),
    ],
)
def test_a_run_that_is_not_whole_says_why(change, said):
    for reading in read("inspect", changed("inspect.json", change)):
        assert said in reading.unfinished


def test_a_limited_run_says_so():
    for reading in read("inspect", fixture("inspect-limited.json")):
        said = "only some samples were run: results.total_samples is 3 of 9"
        assert reading.fault == said


def test_a_run_that_goes_on_has_no_header_and_says_so():
    start = json.dumps({"version": 2, "eval": {"task": "sums"}}).encode()
    (reading,) = read("inspect", archive([("_journal/start.json", start)]))
    assert (reading.task, "the run goes on" in reading.fault) == ("sums", True)


def test_scores_of_one_name_are_told_apart_by_their_reducers():
    def twice(document):
        scores = document["results"]["scores"]
        scores.append({**scores[0], "reducer": "at_least_2"})
        scores[0]["reducer"] = "mean"

    found = by_score(read("inspect", changed("inspect.json", twice)))
    assert {"match:mean/accuracy", "match:at_least_2/accuracy"} < set(found)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not JSON"),
        (b"PK\x03\x04" + bytes(50), "is not a whole ZIP"),
        (archive([("a.json", b"{}")]), "has no header.json"),
        (archive([("header.json", b"{}"), ("header.json", b"{}")]), "has header.json twice"),
        (archive([("header.json", b"{}")])[:-30], "is not a whole ZIP"),
        (archive([("header.json", b'{"version": 2')]), "is not JSON"),
    ],
)
def test_what_is_no_log_of_inspect_is_refused(data, said):
    assert said in refused("inspect", data)


@pytest.mark.parametrize("version", [1, 3, "2", None])
def test_a_log_of_another_version_is_refused(version):
    data = json.dumps({"version": version}).encode()
    assert "version is" in refused("inspect", data, "SOURCE_VERSION")


@pytest.mark.parametrize("method", [0, 8, 93])
def test_a_bomb_is_not_unpacked(method):
    bomb = archive([("header.json", bytes(HEADER_BYTES_MAX + 1))], method)
    assert "is longer than" in refused("inspect", bomb)
    # A member that unpacks to more than it says, and one with a wrong checksum.
    data = archive([("header.json", bytes(5000))], method)
    short = data.replace(struct.pack("<I", 5000), struct.pack("<I", 4999))
    wrong = data.replace(struct.pack("<I", zlib.crc32(bytes(5000))), bytes(4))
    for broken in (short, wrong):
        if broken != data:
            assert refused("inspect", broken)


def test_a_directory_with_too_many_members_is_not_read():
    data = archive([("header.json", b"{}")])
    assert "members" in refused("inspect", data + b"PK\x01\x02" * 100_001)


def test_an_encrypted_or_unknown_member_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as file:
            file.writestr("header.json", fixture("inspect.json"))
    assert "cannot be unpacked" in refused("inspect", out.getvalue())
    data = bytearray(archive([("header.json", b"{}")]))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    assert "is encrypted" in refused("inspect", bytes(data))


# lm-eval, HELM, Every Eval Ever


def test_results_of_lm_eval_are_read():
    found = by_score(read("lm-eval", fixture("lm-eval.json")))
    assert set(found) == {"acc,none", "acc_stderr,none", "acc_norm,none", "acc_norm_stderr,none"}
    figure = found["acc,none"]
    assert (figure.task, figure.fault, figure.is_score("acc")) == ("sums", "", True)
    assert float(figure.text) == json.loads(fixture("lm-eval.json"))["results"]["sums"]["acc,none"]
    assert NOVEMBER[0] < figure.completed_ms < NOVEMBER[1]


def test_limited_results_of_lm_eval_say_so():
    for reading in read("lm-eval", fixture("lm-eval-limited.json")):
        assert reading.unfinished.endswith(": 2 of 11 samples were scored")


def test_results_of_another_lm_eval_are_refused():
    for version in ("0.5.0", "1.0", None):
        data = changed("lm-eval.json", lambda d, v=version: d.update(lm_eval_version=v))
        assert "lm_eval_version is" in refused("lm-eval", data, "SOURCE_VERSION")
    assert "has no results" in refused("lm-eval", b"{}")


def test_statistics_of_helm_are_read():
    name = "runs/v1/simple1:model=simple_model1/stats.json"
    found = by_score(read("helm", fixture("helm-stats.json"), name))
    figure = found["num_prompt_tokens/test"]
    assert figure.text == "216.9666666666667"
    assert figure.task == "simple1:model=simple_model1"
    assert (figure.completed_ms, figure.is_score("num_prompt_tokens")) == (None, True)


def test_perturbed_statistics_of_helm_have_names_of_their_own():
    name = {"name": "exact_match", "split": "test"}
    perturbed = {**name, "perturbation": {"name": "typos", "computed_on": "worst"}}
    document = [{"name": name, "count": 0, "mean": 0.0}, {"name": perturbed, "count": 1, "mean": 1}]
    plain, worst = read("helm", json.dumps(document).encode())
    assert (plain.scores, plain.text) == (("exact_match/test", "exact_match"), "")
    assert worst.scores == ("exact_match/test/typos/worst",)


@pytest.mark.parametrize("data", [b"{}", b"[1]", b'[{"count": 1}]', b'[{"name": {}}]'])
def test_what_helm_does_not_write_is_refused(data):
    refused("helm", data)


def test_a_record_of_every_eval_ever_is_read():
    found = read("every-eval-ever", fixture("every-eval-ever.json"))
    (figure,) = [r for r in found if r.text == "0.7777777777777778"]
    assert figure.task
    assert figure.scores
    assert NOVEMBER[0] < figure.completed_ms < NOVEMBER[1]


def test_a_record_of_another_schema_is_refused():
    for version in ("0.1.0", "0.4.0", "0.20.0", None):
        data = changed("every-eval-ever.json", lambda d, v=version: d.update(schema_version=v))
        assert "schema_version is" in refused("every-eval-ever", data, "SOURCE_VERSION")
    assert "evaluation_results" in refused("every-eval-ever", b'{"schema_version": "0.3.0"}')


def test_the_time_of_retrieval_is_not_taken_for_that_of_the_evaluation():
    def undated(document):
        document.pop("evaluation_timestamp", None)
        for result in document["evaluation_results"]:
            result.pop("evaluation_timestamp", None)

    found = read("every-eval-ever", changed("every-eval-ever.json", undated))
    assert {reading.completed_ms for reading in found} == {None}


# MLflow


def test_runs_of_mlflow_are_read():
    found = read("mlflow", fixture("mlflow.db.gz"))
    accuracy = [r for r in found if r.is_score("accuracy")]
    assert {r.task for r in accuracy} == {"capability"}
    assert {(r.text, r.fault) for r in accuracy} == {
        ("0.61", ""),
        ("0.7777777777777778", ""),
        ("0.9", "status is RUNNING, not FINISHED"),
    }
    assert {r.text for r in found if r.is_score("loss")} == {"NaN"}
    assert all(NOVEMBER[0] < r.completed_ms < NOVEMBER[1] for r in accuracy if not r.fault)


def test_a_database_in_wal_mode_is_read():
    data = fixture("mlflow.db.gz")
    assert read("mlflow", data[:18] + b"\x02\x02" + data[20:]) == read("mlflow", data)


def test_what_is_no_database_of_mlflow_is_refused():
    data = fixture("mlflow.db.gz")
    assert "or a database" in refused("mlflow", b"")
    assert "cannot be read" in refused("mlflow", data[:5000])
    with contextlib.closing(sqlite3.connect(":memory:")) as other:
        other.execute("CREATE TABLE experiments (experiment_id, name)")
        image = other.serialize()
    assert "lifecycle_stage" in refused("mlflow", image, "SOURCE_VERSION")


# Prometheus


def test_samples_of_prometheus_are_read():
    found = by_score(read("prometheus", fixture("metrics.prom")))
    series = 'eval_score{model="model-a",task="sums"}'
    assert found[series].text == "0.7777777777777778"
    assert is_selected(series, 'eval_score{task="sums"}')
    assert not is_selected(series, 'eval_score{task="other"}')
    assert found["eval_runs_total"].text == "1.2345678e+07"
    other = next(name for name in found if "quoted" in name)
    assert is_selected(other, r'eval_score{model="a \"quoted\" \\ name\nin two lines"}')


def test_a_sample_may_have_a_time():
    (reading,) = read("prometheus", b"a 1 1795552447986\n")
    assert reading.completed_ms == 1795552447986


@pytest.mark.parametrize(
    "text",
    ["a 1", "a\n", "1a 2\n", "a{b} 1\n", 'a{b="c"\n', 'a{b="c" d="e"} 1\n', "a 1\na 2\n", "a 1 x\n",
     "a: words\n", "a 0x1p3\n", "a 1_0\n", "a true\n", "a .\n",
     'a{b="c",b="d"} 1\n', "a 1\n# EOF\n", "\xff 1\n", 'a{b="c"} 1 2 3\n'],
)  # fmt: skip
def test_lines_that_prometheus_does_not_write_are_refused(text):
    refused("prometheus", text.encode("latin-1"))


# All


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 1}', '{"b": {"a": 1, "a": 2}}', "{", "[" * 100_000, '"\\ud8"', "\xff"]
)
def test_json_that_could_be_read_in_two_ways_is_refused(text):
    with pytest.raises(ConfigError) as caught:
        read_json("file", text.encode("latin-1"))
    assert caught.value.reason == "SOURCE_FORMAT"


def test_numbers_stay_what_the_file_says():
    assert read_json("file", b"[1e400, 0.10, NaN, -0.0, 12]") == [
        "1e400", "0.10", "NaN", "-0.0", "12",
    ]  # fmt: skip
    assert read_toml("file", b"a = 0.10\n")["a"] == "0.10"


def test_a_path_into_a_document_has_keys_and_quoted_keys():
    assert path_steps('results.gpqa."acc,none".0') == ("results", "gpqa", "acc,none", "0")
    for bad in ("", ".", "a.", "a..b", 'a."b', "a[0]", ".".join("a" * 200)):
        assert path_steps(bad) is None


def _starts():
    """Beginnings from which garbage gets further into a reader."""
    return [fixture("inspect.eval"), fixture("inspect.json"), fixture("lm-eval.json"),
            fixture("helm-stats.json"), fixture("every-eval-ever.json"),
            fixture("mlflow.db.gz"), fixture("metrics.prom"), fixture("metrics.om"),
            fixture("openai-evals.jsonl"), fixture("model-card.md")]  # fmt: skip


def _reads(data):
    reasons = set()

    def rows(file, data):
        return read_rows(file, data, lambda column: False)

    parsers = (read_pushed, read_json, read_jsonl, read_toml, read_yaml, rows)
    for reader in (*READERS.values(), *parsers):
        try:
            reader("file", data)
        except ConfigError as error:
            reasons.add(error.reason)
    try:
        read_table("file", data, "quarter")
    except ConfigError as error:
        reasons.add(error.reason)
    assert reasons <= {"SOURCE_FORMAT", "SOURCE_VERSION", "METRICS_FILE"}


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=400))
@example(b"[]")
@example(b"{}")
@example(b"null")
def test_garbage_is_refused_and_never_crashes(data):
    _reads(data)


@settings(max_examples=50, deadline=None)
@given(which=st.integers(0, 9), at=st.floats(0, 1), patch=st.binary(min_size=1, max_size=8))
def test_a_file_with_a_wrong_place_is_read_or_refused_and_never_crashes(which, at, patch):
    data = _starts()[which]
    start = int(at * len(data))
    _reads(data[:start] + patch + data[start + len(patch) :])
    _reads(data[:start])


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_shape_in_a_known_place_is_read_or_refused(data):
    name = data.draw(st.sampled_from(
        ["inspect.json", "lm-eval.json", "every-eval-ever.json", "helm-stats.json"]
    ))  # fmt: skip
    document = json.loads(fixture(name))
    place, key = document, None
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        above, key = place, data.draw(st.sampled_from(keys))
        place = place[key]
        if data.draw(st.booleans()):
            break
    above[key] = data.draw(_values)
    _reads(json.dumps(document).encode())
