"""``fermata lab sources``: a table for people and JSON for programs, without a single figure."""

import json

import pytest

from harness.node.every_reader import TEXTS
from harness.nodes import fermata


@pytest.mark.parametrize("whole", TEXTS, ids=lambda whole: f"{whole.kind}-{whole.name[-12:]}")
def test_every_file_is_listed_in_both_forms(tmp_path, whole):
    path = whole.write(tmp_path)
    answer = fermata("lab", "sources", path, "--format", "json")
    document = json.loads(answer.out)
    assert fermata("lab", "sources", path, "--json").out == answer.out
    assert document["file"] == str(path)
    row = document["figures"][0]
    assert row["kind"] == whole.kind
    assert set(row) == {"kind", "task", "scores", "models", "unit", "scored", "samples", "measured",
                        "period", "records", "place", "note"}  # fmt: skip
    assert isinstance(row["records"], int)
    text = fermata("lab", "sources", path)
    assert text.out.splitlines()[1].split()[:3] == ["kind", "task", "score"]
    for said in (answer, text):
        assert (said.code, whole.number in said.out + said.err) == (0, False)


def test_a_file_that_is_not_read_is_one_line(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2")
    answer = fermata("lab", "sources", tmp_path / "a.csv", "--kind", "jsonl")
    assert (answer.code, answer.error.endswith("[SOURCE_FORMAT]")) == (2, True)
    assert "line 1: is not JSON" in answer.error
    answer = fermata("lab", "sources", tmp_path / "none")
    assert (answer.code, answer.error.endswith("[FILE_MISSING]")) == (2, True)
    assert fermata("lab", "sources", tmp_path / "a.csv", "--kind", "scrape").code == 2
