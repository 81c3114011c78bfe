"""Limits of readers, each passed by one; and that the documents have every kind."""

import re
from pathlib import Path

import pytest

from fermata.errors import ConfigError
from fermata.node.sources.formats import csv_text, documents, yaml_text
from fermata.node.sources.kinds import KINDS
from fermata.node.sources.readers import mlflow_folder, openmetrics, prometheus
from fermata.node.sources.readers.every_eval import VERSIONS
from harness.node.every_reader import RUN, TEXTS
from harness.node.source_files import fixture
from harness.node.source_reading import gather, refused

ROOT = Path(__file__).parents[3]
ACCEPTED = {"accept_unnamed": True, "accept_uncounted": True}


def whole(kind, name):
    return next(text for text in TEXTS if text.kind == kind and text.name.endswith(name))


@pytest.mark.parametrize(
    ("module", "limit", "kind", "name", "said"),
    [
        (documents, "JSON_BYTES_MAX", "json", "a.json", "is longer than {} bytes of JSON"),
        (documents, "JSONL_BYTES_MAX", "jsonl", "runs.jsonl", "is longer than {} bytes of JSON"),
        (documents, "TOML_BYTES_MAX", "toml", "a.toml", "is longer than {} bytes of TOML"),
        (yaml_text, "YAML_BYTES_MAX", "yaml", "board.yml", "is longer than {} bytes of YAML"),
        (csv_text, "CSV_BYTES_MAX", "csv", "export.csv", "is longer than {} bytes of CSV"),
        (prometheus, "BYTES_MAX", "prometheus", "m.prom", "is longer than {} bytes"),
        (openmetrics, "BYTES_MAX", "openmetrics", "m.om", "is longer than {} bytes"),
        (mlflow_folder, "METRIC_BYTES_MAX", "mlflow", "accuracy", "is longer than {} bytes"),
    ],
)
def test_a_file_has_at_most_so_many_bytes(tmp_path, monkeypatch, module, limit, kind, name, said):
    text = whole(kind, name)
    text.write(tmp_path)
    monkeypatch.setattr(module, limit, len(text.data))
    assert gather(tmp_path, kind, text.name, **text.keys).figures
    monkeypatch.setattr(module, limit, len(text.data) - 1)
    reason, answer = refused(tmp_path, kind, text.name, **text.keys)
    assert (reason, said.format(len(text.data) - 1) in answer) == ("SOURCE_FORMAT", True)


def test_front_matter_is_bounded_and_the_rest_of_a_card_is_not(tmp_path, monkeypatch):
    card = fixture("model-card.md")
    matter = card.split(b"---\n")[1]
    keys = {"score": "accuracy", **ACCEPTED}
    (tmp_path / "a.md").write_bytes(card + b"words\n" * 1000)
    monkeypatch.setattr(yaml_text, "YAML_BYTES_MAX", len(matter))
    assert gather(tmp_path, "model-card", "a.md", **keys).figures
    monkeypatch.setattr(yaml_text, "YAML_BYTES_MAX", len(matter) - 1)
    said = refused(tmp_path, "model-card", "a.md", **keys)[1]
    assert f"has more than {len(matter) - 1} bytes of front matter" in said


def test_lines_of_json_are_bounded_in_number(tmp_path, monkeypatch):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n' * 4)
    monkeypatch.setattr(documents, "RECORDS_MAX", 3)
    reason, said = refused(tmp_path, "jsonl", "a.jsonl", score="a")
    assert (reason, "has more than 3 records" in said) == ("SOURCE_FORMAT", True)


def test_logged_models_beside_a_metric_are_bounded(tmp_path, monkeypatch):
    text = whole("mlflow", "accuracy")
    text.write(tmp_path)
    monkeypatch.setattr(mlflow_folder, "MODELS_MAX", 1)
    reason, said = refused(tmp_path, "mlflow", f"{RUN}/metrics/accuracy", **ACCEPTED)
    assert (reason, "has more than 1 logged models" in said) == ("SOURCE_PATH", True)


def test_a_sample_that_the_two_readers_of_openmetrics_see_differently_is_refused(monkeypatch):
    data = b"# TYPE a gauge\na 0.5\n# EOF\n"
    for other in ([("a", 0.25, "")], [("b", 0.5, "")], [], [("a", 0.5, ""), ("a", 0.5, "")]):
        monkeypatch.setattr(openmetrics, "_judge", lambda file, lines, other=other: other)
        with pytest.raises(ConfigError) as caught:
            openmetrics.read_openmetrics("file", data)
        assert caught.value.reason == "SOURCE_FORMAT"


def test_the_documents_have_every_kind_and_every_version_that_was_tried():
    page = (ROOT / "docs" / "sources.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    kinds = {kind for row in rows for kind in re.findall(r"`([a-z-]+)`", row[0])}
    assert kinds - {"kind", "column"} == set(KINDS)
    table = {kind: row for row in rows for kind in re.findall(r"`([a-z-]+)`", row[0])}
    assert all(f"{version}x" in table["every-eval-ever"][1] for version in VERSIONS)
    # Every tool whose files are fixtures, with its version.
    fixtures = (ROOT / "tests" / "node" / "fixtures" / "README.md").read_text()
    tools = re.findall(r"^\| `[^|]*\| ([a-z-]+) ([0-9][0-9.]*[0-9])", fixtures, re.MULTILINE)
    assert len(tools) > 10
    for tool, version in tools:
        assert re.search(rf"{tool} [^|]*{re.escape(version)}", page), (tool, version)
