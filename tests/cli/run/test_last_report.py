"""A new figure beside the last report's: a jump is asked about, and no value is in the question."""

import contextlib
import io
import json
import shutil
import sys

import pytest

from fermata.node.config import load_config
from fermata.node.run.parts import open_store
from harness.nodes import METRICS, fermata
from harness.prepared import copied

LAST = {"score": "0.625", "hours": "12.000"}


@pytest.fixture(scope="module")
def reported_template(opened_template, tmp_path_factory):
    """A lab that has reported in the open round."""
    site = copied(opened_template, tmp_path_factory.mktemp("reported") / "site")
    with collecting(site):
        words = ("lab", "report", "--config", site.config("lab-1"), "--wait-s", "10")
        assert fermata(*words).code == 0
    return site


@pytest.fixture
def site(reported_template, tmp_path):
    return copied(reported_template, tmp_path / "site")


@contextlib.contextmanager
def collecting(site):
    with site.coordinator() as address:
        site.write_config("lab-1", address)
        yield


def check(site, *words, score="0.625", hours="12", period="2026Q1"):
    text = METRICS.replace("0.625", score).replace("hours,12", f"hours,{hours}")
    (site.node("lab-1") / "metrics.csv").write_text(text)
    with collecting(site):
        return fermata("lab", "check", "--config", site.config("lab-1"), "--period", period, *words)


def rows(answer):
    return {row["metric"]: row for row in json.loads(answer.out)["last_report"]}


def test_the_last_value_stands_beside_the_new_one(site):
    answer = check(site, "--json", score="0.7")
    assert answer.code == 0
    found = rows(answer)
    assert {metric: row["last"] for metric, row in found.items()} == LAST
    assert (found["score"]["now"], found["score"]["round"], found["score"]["period"]) == (
        "0.7", 1, "2026Q1",
    )  # fmt: skip
    assert not any(row["jump"] for row in found.values())
    assert "Beside your last report (stays here)" in check(site).out


@pytest.mark.parametrize(
    ("change", "jumps"),
    [({"score": "0.875"}, []), ({"score": "0.876"}, ["score"]), ({"score": "0.062"}, ["score"]),
     ({"hours": "119"}, []), ({"hours": "120"}, ["hours"]), ({"hours": "1.2"}, ["hours"])],
)  # fmt: skip
def test_a_jump_needs_a_word_and_shows_no_value(site, change, jumps):
    answer = check(site, "--json", **change)
    assert sorted(m for m, row in rows(answer).items() if row["jump"]) == jumps
    assert answer.code == (2 if jumps else 0)
    if jumps:
        assert answer.error.endswith("[FIGURE_JUMP]")
        assert f"{jumps[0]}: far from your last report" in answer.error
        assert not any(value in answer.err for value in (*change.values(), *LAST.values()))
        assert check(site, "--yes", **change).code == 0


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("answered", "code"), [("y\n", 0), ("n\n", 2), ("\n", 2)])
def test_a_jump_is_asked_about_at_a_terminal(site, monkeypatch, answered, code):
    monkeypatch.setattr(sys, "stdin", Terminal(answered))
    answer = check(site, score="0.1")
    assert answer.code == code
    assert "Is that right?" in answer.err
    assert "0.625" not in answer.err


def test_a_report_whose_secrets_are_away_is_not_compared_and_that_is_said(site):
    shutil.rmtree(load_config(site.config("lab-1")).data / "reports")
    answer = check(site, "--json", score="0.1")
    assert (answer.code, json.loads(answer.out)["last_report"]) == (0, [])
    assert "score: is not compared with round 1: " in answer.err


def test_without_a_report_there_is_nothing_to_compare(opened_site):
    answer = check(opened_site, "--json", score="0.1")
    assert (answer.code, json.loads(answer.out)["last_report"]) == (0, [])


def offline(site, *words):
    """Without a coordinator."""
    (site.node("lab-1") / "metrics.csv").write_text(METRICS.replace("0.625", "0.7"))
    where = ("--config", site.config("lab-1"), "--period", "2026Q1")
    return fermata("lab", "check", *where, "--offline", "--json", *words)


def test_offline_the_nodes_own_copy_of_the_log_says_which_report_was_the_last(site):
    answer = offline(site)
    assert answer.code == 0
    assert {metric: row["last"] for metric, row in rows(answer).items()} == LAST
    assert json.loads(answer.out)["exact"] is False


def test_offline_a_running_nodes_copy_is_not_read_and_that_is_said(site):
    with open_store(load_config(site.config("lab-1"))):
        answer = offline(site)
    assert (answer.code, json.loads(answer.out)["last_report"]) == (0, [])
    assert "nothing is compared with the last report: " in answer.err


def test_offline_without_a_copy_there_is_nothing_to_compare_and_none_is_made(site):
    data = load_config(site.config("lab-1")).data
    (data / "store.db").unlink()
    answer = offline(site)
    assert (answer.code, json.loads(answer.out)["last_report"]) == (0, [])
    assert not (data / "store.db").exists()
