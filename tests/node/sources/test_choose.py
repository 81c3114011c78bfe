"""Which figure of which file is the metric's: chosen as configured, asked about, never guessed."""

import contextlib
import json
import os
import shutil
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.node.sources.choose import Candidate, choose, plain_value
from fermata.node.sources.dates import bounds_ms, epoch_ms, iso_ms
from fermata.node.sources.gather import Sources
from fermata.node.sources.mapping import SourceText
from fermata.node.sources.measure import Measure
from fermata.node.sources.paths import FILES_MAX, SourceFile, path_fault
from fermata.node.sources.readers.pushed import keep_pushed
from fermata.node.sources.reading import Reading
from fermata.protocol.charter.metrics import Metric
from fermata.protocol.wire.report_secrets import EvidenceFile, evidence_sha256
from harness.chains import make_deployment
from harness.node.source_files import FIXTURES, changed, fixture

Q4 = "2026Q4"
METRIC = Metric("any", "p", "u", Decimal(0), Decimal(10**6), Decimal(1), 10**6)
SECRET = "0.7777777777777778"


#: Kinds whose files name no model, or count no samples.
SILENT = ("json", "toml", "prometheus", "scrape", "mlflow")


def source(**keys):
    text = {"metric": "score", "kind": "json", "unit": "u", **keys}
    answered = {"accept_unnamed": True, "accept_uncounted": True}
    return SourceText(**{**(answered if text["kind"] in SILENT else {}), **text})


def gather(folder, *texts, period=Q4, metrics=None, **options):
    sources = Sources(folder, metrics, texts, folder / "pushed", "quarter", **options)
    unit = {t.metric: "another" if t.scale else t.unit for t in texts}
    return sources.gather(period, {t.metric: replace(METRIC, unit=unit[t.metric]) for t in texts})


def refused(folder, reason, *texts, **options):
    with pytest.raises(ConfigError) as caught:
        gather(folder, *texts, **options).measurement()
    assert caught.value.reason == reason
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def logs(tmp_path):
    """A folder with one log of Inspect."""
    (tmp_path / "logs").mkdir()
    shutil.copy(FIXTURES / "inspect.eval", tmp_path / "logs" / "a.eval")
    return tmp_path


INSPECT = {"kind": "inspect", "path": "logs/*", "task": "sums", "score": "accuracy"}


def log(folder, name, change=lambda document: None, value=None):
    def both(document):
        if value is not None:
            metric = document["results"]["scores"][0]["metrics"]["accuracy"]
            metric["value"] = float(value)
        change(document)

    (folder / "logs" / name).write_bytes(changed("inspect.json", both))


def ended(text):
    return lambda document: document["stats"].update(completed_at=text)


def test_a_figure_is_found_and_its_file_is_the_evidence(logs):
    found = gather(logs, source(**INSPECT))
    (figure,) = found.figures
    assert (figure.metric, figure.file) == ("score", "logs/a.eval")
    assert (figure.field, figure.value) == ("results.scores[0].metrics.accuracy.value", SECRET)
    measured = found.measurement()
    assert measured.values == {"score": SECRET}
    log = EvidenceFile(measured.evidence[0].name, (FIXTURES / "inspect.eval").read_bytes())
    assert measured.evidence_sha256 == evidence_sha256((log,))


def test_a_period_without_a_run_has_no_figure(logs):
    found = gather(logs, source(**INSPECT), period="2026Q3")
    assert (found.figures, found.files) == ((), ())
    assert found.absent == ("score: logs/*: has no figure of 2026Q3",)
    other = gather(logs, source(**{**INSPECT, "task": "others"}))
    assert other.absent == ("score: logs/*: has no figure of others; there are figures of sums",)


def test_the_end_of_a_run_in_utc_is_its_period(logs):
    os.unlink(logs / "logs" / "a.eval")
    log(logs, "b.json", ended("2026-10-01T01:00:00+02:00"))
    assert gather(logs, source(**INSPECT), period="2026Q3").figures
    log(logs, "b.json", ended("2026-09-30T23:00:00-02:00"))
    assert not gather(logs, source(**INSPECT), period="2026Q3").figures
    assert gather(logs, source(**INSPECT)).figures


def test_several_runs_are_asked_about(logs):
    log(logs, "b.json")
    said = refused(logs, "SOURCE_AMBIGUOUS", source(**INSPECT))
    assert "logs/a.eval" in said
    assert "logs/b.json" in said
    assert "say aggregation = latest, max, min or mean" in said


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [("latest", "0.25"), ("max", SECRET), ("min", "0.25"),
     ("mean", "0.5138888888888889")],
)  # fmt: skip
def test_an_aggregation_chooses_among_runs(logs, aggregation, value):
    log(logs, "b.json", ended("2026-12-01T00:00:00+00:00"), value=0.25)
    found = gather(logs, source(**INSPECT, aggregation=aggregation))
    assert found.figures[0].value.rstrip("0") == value
    assert len(found.files) == 2
    assert len(found.measurement().evidence_sha256) == 32


def test_runs_that_ended_together_have_no_latest(logs):
    shutil.copy(logs / "logs" / "a.eval", logs / "logs" / "b.eval")
    said = refused(logs, "SOURCE_AMBIGUOUS", source(**INSPECT, aggregation="latest"))
    assert "none of these is the latest" in said


def test_several_tasks_or_scores_are_asked_about(logs):
    said = refused(logs, "SOURCE_AMBIGUOUS", source(**{**INSPECT, "score": ""}))
    assert "which score? It has match/accuracy, match/stderr" in said
    log(logs, "b.json", lambda document: document["eval"].update(task="more"))
    said = refused(logs, "SOURCE_AMBIGUOUS", source(**{**INSPECT, "task": ""}))
    assert "which task? It has more, sums" in said


def test_a_score_that_is_not_there_is_named_with_those_that_are(logs):
    said = refused(logs, "SOURCE_FIELD", source(**{**INSPECT, "score": "f1"}))
    assert "logs/a.eval: has no such score; it has match/accuracy, match/stderr" in said


def test_a_run_that_is_not_whole_is_refused_or_skipped(logs):
    log(logs, "b.json", lambda document: document.update(status="cancelled"))
    said = refused(logs, "SOURCE_INCOMPLETE", source(**INSPECT))
    assert "logs/b.json: status is cancelled, not success" in said
    found = gather(logs, source(**INSPECT, incomplete="skip"))
    assert found.figures[0].file == "logs/a.eval"
    # It had a part in the choice, so it is part of the evidence.
    assert {file.name for file in found.files} == {"logs/a.eval", "logs/b.json"}
    os.unlink(logs / "logs" / "a.eval")
    found = gather(logs, source(**INSPECT, incomplete="skip"))
    assert found.absent == ("score: logs/*: has no finished run of 2026Q4",)


@pytest.mark.parametrize(
    "number",
    ["NaN", "Infinity", "-Infinity", "1e400", "1e-400", "-0.0", "true", '"0.5"', "null",
     "1" * 50, "0." + "1" * 50],
)  # fmt: skip
def test_what_is_no_number_that_can_be_reported_is_refused(tmp_path, number):
    (tmp_path / "2026Q4.json").write_text(f'{{"a": {number}}}')
    said = refused(tmp_path, "SOURCE_VALUE", source(path="{period}.json", score="a"))
    assert "score: 2026Q4.json: a" in said
    assert number not in said


@pytest.mark.parametrize(
    ("number", "scale", "value"),
    [("77.7", "0.01", "0.777"), ("0.1", "", "0.1"), ("1e-05", "", "0.00001"), ("5", "0.2", "1.0"),
     ("1.5E+2", "", "150"), ("0.30000000000000004", "100", "30.00000000000000400")],
)  # fmt: skip
def test_a_number_is_scaled_exactly(tmp_path, number, scale, value):
    (tmp_path / "2026Q4.json").write_text(f'{{"a": [{{"b.c": {number}}}]}}')
    text = source(path="{period}.json", score='a.0."b.c"', scale=scale)
    figure = gather(tmp_path, text).figures[0]
    assert (figure.read, figure.value) == (number, value)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.decimals("0", "1", places=18), min_size=1, max_size=9))
def test_a_mean_rounds_as_the_exact_mean_does(values):
    found = [
        Candidate(SourceFile(f"{i}", b""), Reading("f", "", ("s",), format(value, "f"), period=Q4))
        for i, value in enumerate(values)
    ]
    text = source(kind="csv", path="x", aggregation="mean")
    figure = choose(text, found, Q4, None).figure
    exact = sum(map(Fraction, values)) / len(values)
    for step in (Fraction(1, 1000), Fraction(1, 10**18), Fraction(1, 3 * 10**6)):
        assert round(Fraction(figure.value) / step) == round(exact / step)


@settings(max_examples=100, deadline=None)
@given(written=st.text(max_size=12) | st.floats().map(repr))
def test_a_number_as_text_is_exact_or_refused(written):
    found = None
    with contextlib.suppress(ConfigError):
        found = plain_value(source(), written, "here")
    assert found is None or Decimal(found) == Decimal(written)


def test_a_document_without_the_field_is_refused(tmp_path):
    (tmp_path / "2026Q4.toml").write_text("[a]\nb = 0.5\nc = 7\n")
    text = source(kind="toml", path="{period}.toml", score="a.b")
    assert gather(tmp_path, text).figures[0].value == "0.5"
    assert gather(tmp_path, source(kind="toml", path="{period}.toml", score="a.c")).figures
    missing = source(kind="toml", path="{period}.toml", score="a.d")
    assert "has nothing at a.d" in refused(tmp_path, "SOURCE_FIELD", missing)


def test_a_file_that_does_not_say_its_time_is_asked_about(tmp_path):
    (tmp_path / "a.prom").write_text("x 1\n")
    said = refused(tmp_path, "SOURCE_DATE", source(kind="prometheus", path="a.prom", score="x"))
    assert 'period = "current"' in said
    text = source(kind="prometheus", path="a.prom", score="x", period="current")
    assert gather(tmp_path, text).figures[0].value == "1"


def test_a_file_that_names_another_unit_is_refused(tmp_path):
    def in_percent(document):
        for result in document["evaluation_results"]:
            result["metric_config"]["metric_unit"] = "percent"

    (tmp_path / "e.json").write_bytes(changed("every-eval-ever.json", in_percent))
    task = json.loads(fixture("every-eval-ever.json"))["evaluation_results"][0]["evaluation_name"]
    text = source(kind="every-eval-ever", path="e.json", task=task, aggregation="max")
    text = SourceText(
        **{k: getattr(text, k) for k in text.__struct_fields__} | {"unit": "fraction"}
    )
    assert "is in percent" in refused(tmp_path, "SOURCE_UNIT", text)


def test_runs_of_a_tracking_database_are_candidates(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(fixture("mlflow.db.gz"))
    keys = {"kind": "mlflow", "path": "mlflow.db", "task": "capability", "score": "accuracy"}
    found = gather(tmp_path, source(**keys, aggregation="latest", incomplete="skip"))
    assert found.figures[0].value == SECRET
    assert "status is RUNNING" in refused(tmp_path, "SOURCE_INCOMPLETE", source(**keys))
    lossy = source(**{**keys, "score": "loss"}, aggregation="max")
    assert "no finite number" in refused(tmp_path, "SOURCE_VALUE", lossy)


def test_a_database_that_is_being_written_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(fixture("mlflow.db.gz"))
    (tmp_path / "mlflow.db-wal").write_bytes(b"")
    text = source(kind="mlflow", path="mlflow.db", task="capability", score="accuracy",
                  aggregation="latest", incomplete="skip")  # fmt: skip
    assert gather(tmp_path, text).figures
    for suffix in ("-wal", "-journal"):
        (tmp_path / f"mlflow.db{suffix}").write_bytes(b"x")
        assert "is being written" in refused(tmp_path, "SOURCE_CHANGING", text)
        os.unlink(tmp_path / f"mlflow.db{suffix}")


def test_a_link_to_outside_is_not_followed(logs, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "x.eval"
    shutil.copy(FIXTURES / "inspect.eval", outside)
    (logs / "logs" / "b.eval").symlink_to(outside)
    assert "is a link to outside" in refused(logs, "SOURCE_PATH", source(**INSPECT))
    os.unlink(logs / "logs" / "b.eval")
    os.rename(logs / "logs" / "a.eval", logs / "logs" / "c.log")
    (logs / "logs" / "b.eval").symlink_to("c.log")
    assert gather(logs, source(**{**INSPECT, "path": "logs/*.eval"})).figures


def test_files_are_bounded_in_number_and_size(tmp_path):
    for index in range(FILES_MAX + 1):
        (tmp_path / f"{index}.json").touch()
    said = refused(tmp_path, "SOURCE_PATH", source(path="*.json", period="current", score="a"))
    assert f"more than {FILES_MAX} files" in said
    with open(tmp_path / "large.toml", "wb") as file:
        file.truncate(40 * 1024 * 1024)
    assert refused(tmp_path, "FILE_SIZE", source(path="large.toml", period="current", score="a"))
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path, "FILE_KIND", source(path="pipe", period="current", score="a"))


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')

    def read_and_write(path, size_max):
        path.write_text('{"a": 1} ')
        return b'{"a": 1}'

    monkeypatch.setattr("fermata.node.sources.paths.read_file", read_and_write)
    text = source(path="a.json", period="current", score="a")
    assert "was written while it was read" in refused(tmp_path, "SOURCE_CHANGING", text)


def test_files_of_one_name_have_names_of_their_own_as_evidence(tmp_path):
    for run, value in (("one", 1), ("two", 2)):
        (tmp_path / run).mkdir()
        (tmp_path / run / "stats.json").write_text(f'{{"a": {value}}}')
    text = source(path="*/stats.json", period="current", score="a", aggregation="max")
    measured = gather(tmp_path, text).measurement()
    assert [e.name for e in measured.evidence] == ["one-stats.json", "two-stats.json"]


def test_a_table_and_a_source_of_one_metric_are_refused(logs):
    metrics = logs / "metrics.csv"
    metrics.write_text("round,metric,value\n2026Q4,score,0.5\n2026Q4,hours,7\n")
    assert refused(logs, "METRICS_TWICE", source(**INSPECT), metrics=metrics)
    text = source(kind="csv", metric="score", path="metrics.csv", score="hours", scale="0.1")
    found = gather(logs, text)
    assert (found.figures[0].value, found.figures[0].field) == ("0.7", "line 3")


def test_pushed_figures_are_read(tmp_path):
    text = source(kind="push", scale="0.01", unit="v")
    assert gather(tmp_path, text).absent == ("score: pushed: has no figure",)
    keep_pushed(tmp_path / "pushed", Q4, {"score": "77", "other": "1"})
    assert (tmp_path / "pushed" / "2026Q4.json").stat().st_mode & 0o777 == 0o600
    found = gather(tmp_path, text)
    assert (found.figures[0].value, found.figures[0].file) == ("0.77", "pushed/2026Q4.json")


def test_a_node_waits_for_all_sources_or_abstains_from_what_is_not_there(logs):
    world = make_deployment()
    charter = world.charter
    first = charter.panels[0].metrics[0].id
    second = charter.panels[0].metrics[1].id
    unit = {m.id: m.unit for m in charter.panels[0].metrics}
    texts = [source(**{**INSPECT, "metric": first, "unit": unit[first]})]
    texts.append(source(metric=second, unit=unit[second], path="{period}.json", score="a"))
    lab = sorted(charter.panels[0].labs)[0]
    sources = Sources(logs, None, texts, logs / "pushed", "quarter")
    waits = Measure(sources, lambda period: charter, lab, False, lambda: 0)
    assert waits(Q4) is None
    abstains = Measure(sources, lambda period: charter, lab, True, lambda: 0)
    assert abstains("2026Q3").values == {}


def test_a_refusal_is_kept_until_a_file_changes(logs):
    charter = make_deployment().charter
    reads = []

    def fetch(url):
        reads.append(url)
        return b"x 1\n"

    metric = charter.panels[0].metrics[0]
    keys = {"metric": metric.id, "unit": metric.unit, "period": "current", "score": "y"}
    text = source(kind="scrape", url="http://127.0.0.1/", **keys)
    now = [0]
    sources = Sources(logs, None, [text], logs, "quarter", fetch=fetch)
    measure = Measure(sources, lambda period: charter, "lab-1", False, lambda: now[0])
    for _ in range(3):
        with pytest.raises(ConfigError):
            measure(Q4)
    assert len(reads) == 1
    now[0] = 60_000
    with pytest.raises(ConfigError):
        measure(Q4)
    assert len(reads) == 2


def test_a_period_has_its_first_and_last_millisecond_in_utc():
    assert bounds_ms("quarter", "2026Q4") == (iso_ms("2026-10-01T00:00:00Z"),
                                              iso_ms("2027-01-01T00:00:00+00:00"))  # fmt: skip
    assert bounds_ms("month", "2024-02") == (iso_ms("2024-02-01T00:00:00Z"),
                                             iso_ms("2024-03-01T00:00:00Z"))  # fmt: skip
    assert bounds_ms("number", "7") is None
    assert iso_ms("2026-11-24T20:36:10") is None
    assert iso_ms("yesterday") is None
    assert (epoch_ms("1795552807.1925082"), epoch_ms("12")) == (1795552807192, None)


@pytest.mark.parametrize("path", ["", ".", "/", "a/**/b", "{period}/{period}", "{x}", "a\n", "{"])
def test_paths_that_are_none_have_a_fault(path):
    assert path_fault(path)
