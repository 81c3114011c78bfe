"""What can be read in a file: every task, score, model, unit, count and time, and never a value."""

import shutil

import pytest

from fermata.errors import ConfigError
from fermata.node.sources.listing import kinds, list_file
from fermata.node.sources.readers.pushed import keep_pushed
from harness.node.every_reader import TEXTS
from harness.node.source_files import FIXTURES, changed, fixture
from harness.node.source_reading import gather

EACH = pytest.mark.parametrize("whole", TEXTS, ids=lambda whole: f"{whole.kind}-{whole.name[-12:]}")


def test_every_kind_that_reads_files_can_be_listed(tmp_path):
    keep_pushed(tmp_path / "pushed", "2026Q4", {"score": "77"})
    (row,) = list_file(tmp_path / "pushed" / "2026Q4.json", tmp_path)
    assert (row.kind, row.names, row.period) == ("push", ("score",), "2026Q4")
    assert set(kinds()) == {whole.kind for whole in TEXTS} | {"push"}


@EACH
def test_the_kind_of_a_file_is_seen_and_its_figure_can_be_asked_for_as_listed(tmp_path, whole):
    path = whole.write(tmp_path)
    listed = list_file(path, tmp_path)
    assert {row.kind for row in listed} == {whole.kind}
    assert listed == list_file(path, tmp_path, whole.kind)
    assert whole.number not in repr(listed)
    (figure,) = gather(tmp_path, whole.kind, whole.name, **whole.keys).figures
    key = "column" if "column" in whole.keys else "score"
    wanted = whole.keys.get(key, "x" if whole.name == "own.csv" else "accuracy")
    rows = [
        row for row in listed if wanted in row.names or wanted.partition("{")[0] in row.names[0]
    ]
    row = rows[0]
    assert not figure.model or figure.model in row.models
    if not row.records and figure.samples:
        assert figure.samples == f"{row.scored} of {row.samples}"
    # Its full name asks for the same figure.
    again = {**whole.keys, **({key: row.names[0]} if key in whole.keys else {})}
    if row.task:
        again["task"] = row.task
    assert gather(tmp_path, whole.kind, whole.name, **again).figures[0].value == figure.value


def test_a_database_and_an_archive_are_listed(tmp_path):
    (tmp_path / "m.db").write_bytes(fixture("mlflow-two-models.db.gz"))
    rows = list_file(tmp_path / "m.db", tmp_path)
    assert {row.models for row in rows} == {("small",), ("frontier",)}
    shutil.copy(FIXTURES / "inspect.eval", tmp_path)
    (first, _) = list_file(tmp_path / "inspect.eval", tmp_path)
    assert (first.task, first.names[0], first.scored) == ("sums", "match/accuracy", 9)


def test_what_would_be_refused_is_listed_with_why(tmp_path):
    name = "inspect-0.3.250-scored-4-of-6.json"
    shutil.copy(FIXTURES / name, tmp_path)
    notes = {row.names[0]: row.note for row in list_file(tmp_path / name, tmp_path)}
    assert notes["fine/accuracy"] == ""
    assert "4 of 6 samples were scored" in notes["shaky/accuracy"]
    (tmp_path / "m.prom").write_bytes(fixture("metrics.prom"))
    rows = list_file(tmp_path / "m.prom", tmp_path)
    assert [row.note for row in rows if "quoted" in row.names[0]] == ["is not a finite number"]


def test_fields_of_records_are_listed_over_all_records(tmp_path):
    for name, last in (("metr-runs.jsonl", 1795552450986), ("aider-leaderboard.yml", None),
                       ("epoch-runs.csv", None)):  # fmt: skip
        shutil.copy(FIXTURES / name, tmp_path)
        rows = list_file(tmp_path / name, tmp_path)
        assert {row.completed_ms for row in rows} == {last}
        assert all(row.records > 1 and len(row.models) > 1 for row in rows)
    owners = tmp_path / "epoch-owners.csv"
    shutil.copy(FIXTURES / "epoch-owners.csv", owners)
    assert all(row.note == "line 5: Incomplete is checked" for row in list_file(owners, tmp_path))


@pytest.mark.parametrize(
    ("name", "data", "reason", "said"),
    [
        ("a.json", b'{"a": ', "SOURCE_FORMAT", "is not JSON; is it still being written?"),
        ("a.json", b'{"a": 1}\n{"a": 2', "SOURCE_FORMAT", "kind jsonl reads them"),
        ("a.json", b"a: 1\nb: {", "SOURCE_FORMAT", "looks like YAML; kind yaml reads that"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "SOURCE_FORMAT", "is UTF-16"),
        ("a.yaml", b"a: words\n", "SOURCE_FORMAT", "has no number that could be a figure"),
        ("a.csv", b"a,b\nx,y\n", "SOURCE_FORMAT", "has no number that could be a figure"),
        ("a.txt", b"words\n", "SOURCE_FORMAT", "no reader takes it; give --kind"),
        ("a.txt", b"", "SOURCE_FORMAT", "no reader takes it; give --kind"),
        ("e.json", changed("every-eval-ever.json", lambda d: d.update(schema_version="0.9.0")),
         "SOURCE_VERSION", "schema_version is 0.9.0"),
        ("l.json", changed("lm-eval.json", lambda d: d.update(lm_eval_version="0.5.1")),
         "SOURCE_VERSION", "lm_eval_version is 0.5.1"),
    ],
)  # fmt: skip
def test_a_file_that_no_reader_takes_says_what_its_own_reader_says(
    tmp_path, name, data, reason, said
):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        list_file(tmp_path / name, tmp_path)
    assert caught.value.reason == reason
    assert said in str(caught.value)
    assert name in str(caught.value)


def test_a_file_with_very_many_figures_is_not_listed(tmp_path):
    (tmp_path / "a.json").write_text("{" + ",".join(f'"{i}": 1' for i in range(3000)) + "}")
    with pytest.raises(ConfigError, match="more than 2000 to list"):
        list_file(tmp_path / "a.json", tmp_path)
    with pytest.raises(ConfigError) as caught:
        list_file(tmp_path / "none", tmp_path)
    assert caught.value.reason == "FILE_MISSING"
