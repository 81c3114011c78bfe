"""A lab with tools and pipelines: what the dry run shows, and figures that are pushed."""

import contextlib
import io
import json
import shutil
import threading
from pathlib import Path

import grpc
import pytest

from fermata.errors import TransportError
from fermata.node.config import load_config
from fermata.node.rpc import local_service
from fermata.node.run.participant import run_participant
from fermata.node.run.parts import open_store
from fermata.wire.v1 import local_service_pb2
from harness.nodes import fermata

FIXTURES = Path(__file__).parents[2] / "node" / "fixtures"
SECRET = "0.7777777777777778"
INSPECT = """
[[lab.source]]
metric = "score"
kind = "inspect"
path = "logs/*.eval"
task = "sums"
score = "accuracy"
unit = "u"
"""
PUSH = """
[[lab.source]]
metric = "{}"
kind = "push"
unit = "u"
"""


@pytest.fixture
def site(site):
    logs = site.node("lab-1") / "logs"
    logs.mkdir()
    shutil.copy(FIXTURES / "inspect.eval", logs)
    return site


def configure(site, *tables, address="127.0.0.1:1", metrics=False):
    path = site.write_config("lab-1", address, "".join(tables))
    if not metrics:
        path.write_text(path.read_text().replace('metrics = "metrics.csv"\n', ""))
    return path


def check(site, *words, period="2026Q4"):
    config = site.config("lab-1")
    return fermata("lab", "check", "--config", config, "--period", period, "--offline", *words)


def push(site, *words):
    return fermata("lab", "push", "--config", site.config("lab-1"), *words)


def test_the_dry_run_shows_the_file_and_the_field_of_each_figure(site):
    configure(site, INSPECT)
    answer = check(site, "--json")
    assert answer.code == 0
    (value,) = json.loads(answer.out)["values"]
    assert value == {
        "panel": "scores", "metric": "score", "as read": SECRET, "value": SECRET, "unit": "u",
        "encoded": 778, "bound": 1000, "file": "logs/inspect.eval",
        "field": "results.scores[0].metrics.accuracy.value",
        "model": "offline/example/model-a", "samples": "9 of 9",
    }  # fmt: skip
    text = check(site).out
    for shown in ("From (stays here)", "logs/inspect.eval", "results.scores[0]", SECRET, "778"):
        assert shown in text


def test_the_dry_run_says_which_line_of_the_table_a_figure_is_from(site):
    configure(site, metrics=True)
    (value, _) = json.loads(check(site, "--json", period="2026Q1").out)["values"]
    assert (value["file"].endswith("metrics.csv"), value["field"]) == (True, "line 2")


def test_the_dry_run_shows_the_records_that_a_figure_is_made_of(site):
    shutil.copy(FIXTURES / "metr-runs.jsonl", site.node("lab-1"))
    records = INSPECT.replace("inspect", "jsonl").replace("logs/*.eval", "metr-runs.jsonl")
    records = records.replace('task = "sums"\n', "").replace("accuracy", "score_binarized")
    mean = 'where = { alias = "Model A" }\naggregation = "mean"\nsamples = 3\n'
    configure(site, records + mean)
    (value,) = json.loads(check(site, "--json").out)["values"]
    assert (value["file"], value["model"], value["samples"]) == ("3 records", "model-a", "3 of 3")
    assert value["value"].startswith("0.66666666")
    configure(site, records + mean.replace("Model A", "Model C"))
    answer = check(site)
    assert (answer.code, answer.error.endswith("[SOURCE_FIELD]")) == (2, True)
    assert "no record has alias = Model C; they have Model A, Model B" in answer.error


def test_the_dry_run_says_what_is_not_there(site):
    configure(site, INSPECT, PUSH.format("hours"))
    answer = check(site)
    assert (answer.code, answer.error.endswith("[FIGURES_ABSENT]")) == (2, True)
    assert "hours: pushed: has no figure" in answer.error
    assert SECRET not in answer.err


def test_the_dry_run_asks_where_it_would_have_to_guess(site):
    configure(site, INSPECT)
    shutil.copy(FIXTURES / "inspect.eval", site.node("lab-1") / "logs" / "b.eval")
    answer = check(site)
    assert (answer.code, answer.error.endswith("[SOURCE_AMBIGUOUS]")) == (2, True)
    assert "logs/b.eval" in answer.error
    assert SECRET not in answer.err


@contextlib.contextmanager
def running(site, *tables):
    """The coordinator with an open round, and the lab's node in a thread."""
    with site.coordinator() as address:
        configure(site, *tables, address=address)
        site.open_round(address)
        site.witness()
        config = load_config(site.config("lab-1"), "lab")
        ending, drivers = threading.Event(), []

        def done(driver):
            drivers.append(driver)
            current = driver.replica.state.current
            if current is not None:
                has_round.set()
            return ending.is_set()

        has_round = threading.Event()
        node = threading.Thread(target=run_participant, args=(config, done))
        node.start()
        try:
            assert has_round.wait(60)
            yield lambda: drivers[-1]
        finally:
            ending.set()
            node.join()


def wait_for(site, event, count=1):
    pause = threading.Event()
    for _ in range(3000):
        if len(site.events("lab-1", event)) >= count:
            return
        pause.wait(0.02)
    raise AssertionError(site.events("lab-1"))


def test_pushed_figures_wait_for_the_report_and_correct_it_when_that_is_said(site):
    with running(site, PUSH.format("score"), PUSH.format("hours")):
        told = json.loads(push(site, "score=0.5", "--json").out)
        assert told == {"period": "2026Q1", "replaced": [], "slot": ""}
        # The report waits for both; the figure that is there is durable.
        kept = site.node("lab-1") / "data" / "pushed" / "2026Q1.json"
        assert json.loads(kept.read_text())["values"] == {"score": "0.5"}
        assert not site.events("lab-1", "statement_logged")
        again = json.loads(push(site, "score=0.6", "hours=12", "--json").out)
        assert again["replaced"] == ["score"]
        wait_for(site, "statement_logged")
        late = push(site, "score=0.7")
        assert (late.code, late.error.endswith("[REPORTED]")) == (4, True)
        wrong = push(site, "score=1.7", "--correct")
        assert (wrong.code, wrong.error.endswith("[METRIC_RANGE]")) == (4, True)
        assert json.loads(kept.read_text())["values"]["score"] == "0.6"
        right = json.loads(push(site, "score=0.7", "--correct", "--json").out)
        assert (right["slot"], right["round"], right["correction"]) == ("answer/1/1", 1, 1)
        wait_for(site, "statement_logged", 2)
        assert json.loads(kept.read_text())["values"] == {"score": "0.7", "hours": "12"}
        socket = site.node("lab-1") / "data" / "local" / "node.sock"
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        # Bytes that are no request are refused, and the node goes on.
        with grpc.insecure_channel(f"unix:{socket}") as channel:
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary("/fermata.wire.v1.LocalService/Push")(b"\xff")
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        for words, reason in (
            (["other=1"], "METRIC_UNKNOWN"),
            (["score=x", "--period", "2026Q2"], "SOURCE_VALUE"),
            (["score=1", "score=0", "--period", "2026Q2"], "METRIC_TWICE"),
            (["score=1", "--period", "2026-01"], "PERIOD"),
            (["score=1", "--period", "2025Q4"], "PERIOD"),
        ):
            answer = push(site, *words)
            assert (answer.code, answer.error.endswith(f"[{reason}]")) == (4, True)
        early = json.loads(push(site, "score=0.1", "--period", "2026Q2", "--json").out)
        assert early["period"] == "2026Q2"
    with open_store(load_config(site.config("lab-1"))) as store:
        assert store.draft_outcome("answer/1/1") == "logged"


def test_a_push_without_a_node_says_so(site):
    configure(site, PUSH.format("score"))
    answer = push(site, "score=1")
    assert (answer.code, answer.error.endswith("[NODE_AWAY]")) == (6, True)
    for word in ("score", "=1", "score="):
        wrong = push(site, word)
        assert (wrong.code, wrong.error.endswith("[PUSH_WORD]")) == (2, True)
    assert push(site).code == 2


def test_figures_to_push_can_come_by_standard_input(site, monkeypatch):
    configure(site, PUSH.format("score"))
    asked = []

    def answered(path, request):
        asked.append(request)
        return local_service_pb2.PushResponse(period="2026Q1")

    monkeypatch.setattr("fermata.cli.run.push.push", answered)
    monkeypatch.setattr("sys.stdin", io.StringIO("score=0.5\n\nhours=3\n"))
    assert push(site, "--stdin").code == 0
    assert [(v.metric, v.value) for v in asked[0].values] == [("score", "0.5"), ("hours", "3")]


def test_a_socket_path_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(local_service.ConfigError) as caught:
        local_service.socket_path(tmp_path / ("x" * 100))
    assert caught.value.reason == "SOCKET_PATH"


def test_a_push_that_the_loop_does_not_take_is_not_done_later(monkeypatch):
    monkeypatch.setattr(local_service, "ANSWER_S", 0.01)
    desk = local_service.PushDesk(None, (), None, Path("x"), lambda: None)
    with pytest.raises(TransportError) as caught:
        desk.ask(local_service_pb2.PushRequest())
    assert caught.value.reason == "DEADLINE"
    assert desk.serve() == 0
