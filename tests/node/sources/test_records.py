"""Records that a lab chooses: lines of JSON, lists in YAML, rows of CSV; never one by a guess."""

import json
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.node.sources.readers.records import Record, Wanted, explain, select
from fermata.node.sources.reading import Literal
from harness.node.source_files import fixture
from harness.node.source_reading import gather, refused

ACCEPTED = {"accept_unnamed": True, "accept_uncounted": True}
METR = {"score": "score_binarized", "where": {"alias": "Model A"}}


@pytest.fixture
def folder(tmp_path):
    for name in ("metr-runs.jsonl", "aider-leaderboard.yml", "wandb-export.csv",
                 "epoch-runs.csv", "epoch-owners.csv", "openai-evals.jsonl"):  # fmt: skip
        (tmp_path / name).write_bytes(fixture(name))
    return tmp_path


# What is chosen


def test_a_record_is_chosen_by_its_fields(folder):
    keys = {"score": "score_cont", "where": {"alias": "Model A", "task_id": "sums/2"}}
    (figure,) = gather(folder, "jsonl", "metr-runs.jsonl", accept_uncounted=True, **keys).figures
    assert (figure.value, figure.field, figure.model) == ("0.25", "line 2: score_cont", "model-a")


def test_a_choice_of_several_records_names_their_lines(folder):
    reason, said = refused(folder, "jsonl", "metr-runs.jsonl", accept_uncounted=True, **METR)
    assert reason == "SOURCE_AMBIGUOUS"
    assert "3 figures: metr-runs.jsonl: line 1: score_binarized, " in said
    assert "line 2: score_binarized" in said
    assert "line 3: score_binarized; say aggregation" in said
    assert "or narrow the path or where" in said


@pytest.mark.parametrize(
    ("kind", "name", "keys", "said"),
    [
        ("jsonl", "metr-runs.jsonl", {"where": {"alias": "Model C"}, "score": "score_cont"},
         "no record has alias = Model C; they have Model A, Model B"),
        ("jsonl", "metr-runs.jsonl", {"where": {"agent": "x"}, "score": "score_cont"},
         "no record has the field agent; they have alias, completed_at, "),
        ("jsonl", "metr-runs.jsonl", {"score": "final_report.accuracy"},
         "no record has the field final_report.accuracy; they have alias"),
        ("yaml", "aider-leaderboard.yml", {"where": {"model": "x"}, "score": "pass_rate_2"},
         "no record has model = x; they have model-a, model-b"),
        ("csv", "wandb-export.csv", {"where": {"Name": "fourth"}, "column": "accuracy"},
         "no record has Name = fourth; they have first, second, third"),
        ("csv", "wandb-export.csv", {"where": {"name": "first"}, "column": "accuracy"},
         "no record has the field name; they have Created, Name, Runtime, State, accuracy, loss"),
    ],
)  # fmt: skip
def test_a_choice_of_nothing_names_what_there_is(folder, kind, name, keys, said):
    reason, text = refused(folder, kind, name, **keys)
    assert reason == "SOURCE_FIELD"
    assert f"x: {name}: {said}" in text


def test_no_number_that_may_be_a_figure_is_named(folder):
    for where in ({"score_cont": "0.26"}, {"score_binarized": "2", "alias": "Model A"}):
        keys = {"score": next(iter(where)), "where": where, **ACCEPTED}
        _, said = refused(folder, "jsonl", "metr-runs.jsonl", **keys)
        assert said.endswith(f"no record has {keys['score']} = {where[keys['score']]}")
    keys = {"score": "score_binarized", "where": {"score_cont": "0.26"}, **ACCEPTED}
    assert refused(folder, "jsonl", "metr-runs.jsonl", **keys)[1].endswith("score_cont = 0.26")


def test_a_row_that_is_not_the_only_one_is_named_with_the_others(folder):
    keys = {"column": "Best score (across scorers)", "where": {"task": "GPQA diamond"}}
    reason, said = refused(folder, "csv", "epoch-runs.csv", accept_uncounted=True, **keys)
    # Two rows of two models: no aggregation joins them.
    assert (reason, "which model? It has claude-opus-4-20250514, gpt-5.1_medium" in said) == (
        "SOURCE_AMBIGUOUS", True,
    )  # fmt: skip
    keys = {"column": "Number of Units", "where": {"Owner": "Microsoft"}, "incomplete": "skip"}
    reason, said = refused(folder, "csv", "epoch-owners.csv", **ACCEPTED, **keys)
    assert reason == "SOURCE_AMBIGUOUS"
    for line in (2, 3, 4):
        assert f"line {line}: Number of Units" in said


def test_a_row_of_a_real_table_is_read(folder):
    keys = {"column": "Best score (across scorers)", "model": "gpt-5.1_medium"}
    where = {"task": "GPQA diamond", "task version": "1.0.1"}
    found = gather(folder, "csv", "epoch-runs.csv", where=where, accept_uncounted=True, **keys)
    (figure,) = found.figures
    assert (figure.read, figure.model) == ("0.850", "gpt-5.1_medium")
    assert figure.field == "line 2: Best score (across scorers)"


# What is not whole


def test_a_row_that_says_that_it_is_incomplete_is_refused(folder):
    keys = {"column": "Number of Units", "where": {"End date": "3/31/2026"}, **ACCEPTED}
    reason, said = refused(folder, "csv", "epoch-owners.csv", **keys)
    assert (reason, "line 5: Incomplete is checked" in said) == ("SOURCE_INCOMPLETE", True)


@pytest.mark.parametrize(
    ("state", "where", "is_read"),
    [
        ("finished", False, True), ("Success", False, True), ("crashed", False, False),
        ("running", True, False), ("", False, False), ("weird", False, False),
        ("weird", True, True),
    ],
)  # fmt: skip
def test_a_run_that_is_not_over_is_refused(tmp_path, state, where, is_read):
    chosen = {"name": "a", **({"state": state} if where else {})}
    record = {"name": "a", "state": state, "score": 0.5}
    (tmp_path / "f.jsonl").write_text(json.dumps(record) + "\n")
    (tmp_path / "f.yml").write_text(f"- name: a\n  state: '{state}'\n  score: 0.5\n")
    (tmp_path / "f.csv").write_text(f"name,state,score\na,{state},0.5\n")
    for kind, name in (("jsonl", "f.jsonl"), ("yaml", "f.yml"), ("csv", "f.csv")):
        score = "column" if kind == "csv" else "score"
        keys = {score: "score", "where": chosen, **ACCEPTED}
        if is_read:
            assert gather(tmp_path, kind, name, **keys).figures[0].value == "0.5"
        else:
            reason, said = refused(tmp_path, kind, name, **keys)
            assert (reason, "not finished" in said) == ("SOURCE_INCOMPLETE", True)


def test_counts_of_a_record_are_compared(folder):
    keys = {"score": "pass_rate_2", "unit": "percent", "scale": "0.01"}
    (figure,) = gather(folder, "yaml", "aider-leaderboard.yml", where={"model": "model-a"},
                       **keys).figures  # fmt: skip
    assert (figure.value, figure.samples) == ("0.356", "225 of 225")
    reason, said = refused(folder, "yaml", "aider-leaderboard.yml", where={"model": "model-b"},
                           **keys)  # fmt: skip
    assert reason == "SOURCE_INCOMPLETE"
    assert "224 of 225 samples were scored" in said


def test_the_configuration_names_fields_that_are_not_usual(tmp_path):
    (tmp_path / "a.csv").write_text(
        "run,agent,ended,n,of,score\na,model-a,1795552447,9,9,0.5\nb,model-b,1795552447986,8,9,1\n"
    )
    keys = {"column": "score", "model_at": "agent", "time_at": "ended", "scored_at": "n",
            "samples_at": "of", "period": "run-date"}  # fmt: skip
    (figure,) = gather(tmp_path, "csv", "a.csv", where={"run": "a"}, **keys).figures
    assert (figure.value, figure.model, figure.samples) == ("0.5", "model-a", "9 of 9")
    reason, said = refused(tmp_path, "csv", "a.csv", where={"run": "b"}, **keys)
    assert (reason, "8 of 9 samples were scored" in said) == ("SOURCE_INCOMPLETE", True)


def test_a_time_that_leaves_a_choice_decides_no_period(folder):
    keys = {"column": "Best score (across scorers)", "where": {"id": "run0001"},
            "time_at": "started_at", "period": "run-date", "accept_uncounted": True}  # fmt: skip
    reason, said = refused(folder, "csv", "epoch-runs.csv", **keys)
    assert reason == "SOURCE_DATE"
    assert "ISO 8601 with an offset" in said


# Means and counts


def test_a_mean_of_records_is_exact_and_of_all_samples(folder):
    keys = {**METR, "aggregation": "mean", "period": "run-date"}
    (figure,) = gather(folder, "jsonl", "metr-runs.jsonl", samples=3, **keys).figures
    assert round(Fraction(figure.value), 30) == round(Fraction(2, 3), 30)
    assert (figure.file, figure.model, figure.samples) == ("3 records", "model-a", "3 of 3")
    for samples in (2, 4):
        reason, said = refused(folder, "jsonl", "metr-runs.jsonl", samples=samples, **keys)
        assert reason == "SOURCE_INCOMPLETE"
        assert f"3 of {samples} samples have a record" in said
    assert refused(folder, "jsonl", "metr-runs.jsonl", **keys)[0] == "SOURCE_UNCOUNTED"


def test_a_mean_needs_a_number_in_every_record(folder):
    lines = fixture("metr-runs.jsonl").decode().splitlines(keepends=True)
    record = json.loads(lines[1])
    for score in (None, True, "1", [1]):
        record["score_binarized"] = score
        changed = [lines[0], json.dumps(record) + "\n", *lines[2:]]
        (folder / "r.jsonl").write_text("".join(changed))
        keys = {**METR, "aggregation": "mean", "samples": 3}
        reason, said = refused(folder, "jsonl", "r.jsonl", **keys)
        assert (reason, "line 2: score_binarized" in said) == ("SOURCE_VALUE", True)
    record.pop("score_binarized")
    (folder / "r.jsonl").write_text("".join([lines[0], json.dumps(record) + "\n", *lines[2:]]))
    assert refused(folder, "jsonl", "r.jsonl", **keys)[0] == "SOURCE_VALUE"


def test_no_aggregation_joins_two_models(folder):
    for aggregation in ("mean", "max", "min", "latest", "count"):
        score = {} if aggregation == "count" else {"score": "score_binarized"}
        keys = {"where": {"task_family": "sums"}, "aggregation": aggregation, **score, **ACCEPTED}
        reason, said = refused(folder, "jsonl", "metr-runs.jsonl", **keys)
        assert reason == "SOURCE_AMBIGUOUS"
        assert "which model? It has model-a, model-b" in said


def test_records_are_counted_and_none_is_not_a_count(folder):
    keys = {"aggregation": "count", "accept_uncounted": True, "unit": "runs", "scale": "0.1"}
    where = {"alias": "Model A", "score_binarized": "1"}
    (figure,) = gather(folder, "jsonl", "metr-runs.jsonl", where=where, **keys).figures
    assert (figure.read, figure.value, figure.field) == ("2", "0.2", "count")
    where = {"alias": "Model A", "score_binarized": "1.0"}
    reason, said = refused(folder, "jsonl", "metr-runs.jsonl", where=where, **keys)
    assert reason == "SOURCE_FIELD"
    assert "no record has score_binarized = 1.0; they have 0, 1" in said


def test_events_of_a_log_are_counted_by_a_field_within_them(folder):
    keys = {"aggregation": "count", "where": {"type": "match", "data.correct": "true"},
            "unit": "runs", "scale": "0.1", **ACCEPTED}  # fmt: skip
    (figure,) = gather(folder, "jsonl", "openai-evals.jsonl", **keys).figures
    assert figure.value == "0.7"


def test_the_one_final_record_is_found_by_the_way_to_its_number(folder):
    keys = {"score": "final_report.accuracy", **ACCEPTED}
    (figure,) = gather(folder, "jsonl", "openai-evals.jsonl", **keys).figures
    assert figure.field == "line 2: final_report.accuracy"
    log = fixture("openai-evals.jsonl")
    (folder / "killed.jsonl").write_bytes(b"\n".join(log.split(b"\n")[:1]) + b"\n")
    assert refused(folder, "jsonl", "killed.jsonl", **keys)[0] == "SOURCE_FIELD"
    (folder / "twice.jsonl").write_bytes(log + log)
    assert refused(folder, "jsonl", "twice.jsonl", **keys)[0] == "SOURCE_AMBIGUOUS"


# The forms


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}\n{"a": 1, "a": 2}\n', "line 2: has the key a twice in one object"),
        ('{"a": 1}\n{"a": \n', "line 2: is not JSON; is the file still being written?"),
        ('{"a":\n 1}\n', "line 1: is not JSON; is the file still being written?; if the file is"),
        ('{"a": 1}\n[1]\n', "line 2: must be an object in braces"),
        ('{"a": 1}\n0.5\n', "line 2: must be an object in braces"),
        ("[" * 100_000, "line 1: is not JSON"),
    ],
)
def test_lines_that_are_not_objects_are_refused(tmp_path, text, said):
    (tmp_path / "a.jsonl").write_text(text)
    reason, answer = refused(tmp_path, "jsonl", "a.jsonl", score="a")
    assert (reason, said in answer) == ("SOURCE_FORMAT", True)


def test_a_last_line_without_its_end_is_whole_if_its_braces_are(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 0.25}')
    assert gather(tmp_path, "jsonl", "a.jsonl", score="a", **ACCEPTED).figures[0].value == "0.25"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,a\n1,2\n", "line 1: has the column a twice"),
        ("a,,\n1,2,3\n", "line 1: has the column without a name twice"),
        ("a,b\n1\n", "line 2: has 1 fields, and the first line 2"),
        ("a,b\n1,2,3\n", "line 2: has 3 fields, and the first line 2"),
        ('a,b\n"1\n2",0.5\n3\n', "line 4: has 1 fields"),
        ('a,b\n"1,2\n', "is not CSV"),
        ("a,b\n1,2", "line 2: has no line end"),
        ("," * 100_000 + "\n", "line 1: has the column without a name twice"),
    ],
)
def test_rows_that_are_not_in_order_are_refused(tmp_path, text, said):
    (tmp_path / "a.csv").write_text(text)
    reason, answer = refused(tmp_path, "csv", "a.csv", column="b", where={"a": "1"})
    assert (reason, said in answer) == ("SOURCE_FORMAT", True)


@pytest.mark.parametrize("last", ["note", "accuracy", "Name", "model", "State", "Incomplete"])
def test_a_last_row_without_its_end_is_taken_if_its_last_cell_decides_nothing(tmp_path, last):
    columns = [name for name in ("Name", "accuracy") if name != last]
    cells = {"Name": "first", "accuracy": "0.5", "note": "x", "model": "m", "State": "finished",
             "Incomplete": ""}  # fmt: skip
    rows = [[*columns, last], [cells[name] for name in (*columns, last)]]
    (tmp_path / "a.csv").write_text("\n".join(",".join(row) for row in rows))
    keys = {"column": "accuracy", "where": {"Name": "first"}, **ACCEPTED}
    if last == "note":
        assert gather(tmp_path, "csv", "a.csv", **keys).figures[0].value == "0.5"
    else:
        assert "line 2: has no line end" in refused(tmp_path, "csv", "a.csv", **keys)[1]


def test_a_list_is_chosen_from_by_where_and_a_table_by_a_path(tmp_path):
    (tmp_path / "a.yml").write_text("a:\n  b: 0.5\n")
    assert gather(tmp_path, "yaml", "a.yml", score="a.b", **ACCEPTED).figures[0].value == "0.5"
    reason, said = refused(tmp_path, "yaml", "a.yml", score="a.b", where={"a": "1"}, **ACCEPTED)
    assert (reason, "must be a list of tables for where" in said) == ("SOURCE_FORMAT", True)


_numbers = st.integers(0, 3).map(lambda number: Literal(number))
_scalars = st.none() | st.booleans() | _numbers | st.sampled_from(["a", "b", "1", "true"])


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from("abc"), _scalars, max_size=3), max_size=8),
    where=st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["a", "1", "true", "null"]),
                          max_size=2),
)  # fmt: skip
def test_exactly_the_records_with_these_fields_are_chosen_or_it_is_said_why_none(rows, where):
    records = [Record(f"line {i}", row) for i, row in enumerate(rows)]
    wanted = Wanted(where, "b")

    def text(value):
        return str(value).lower() if isinstance(value, bool) else "null" if value is None else value

    expected = [
        f"line {i}: b"
        for i, row in enumerate(rows)
        if all(k in row and text(row[k]) == v for k, v in where.items()) and (where or "b" in row)
    ]
    assert [reading.field for reading in select(records, wanted)] == expected
    if not expected:
        assert explain(records, wanted).startswith("no record has ")
