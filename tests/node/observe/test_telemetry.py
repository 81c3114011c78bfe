"""The node's log, metrics and health page."""

import ast
import http.client
import io
import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fermata
from fermata.errors import ConfigError
from fermata.node.observe.telemetry import FIELDS, LABELS, Telemetry, join_address, split_address


class Log(io.StringIO):
    @property
    def lines(self):
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def node(log):
    made = Telemetry("ada", "lab", lambda: 1_700_000_000_123, stream=log)
    yield made
    made.close()


def sample(told, name, **labels):
    return told.registry.get_sample_value(name, labels)


def test_event_is_one_line_of_json(node, log):
    node.event("statement_refused", slot="report/3", reason="LATE", failures=2)
    assert log.getvalue().count("\n") == 1
    assert log.lines == [
        {
            "time_ms": 1_700_000_000_123,
            "node": "ada",
            "event": "statement_refused",
            "slot": "report/3",
            "reason": "LATE",
            "failures": 2,
        }
    ]


#: What passes an event on to the telemetry: with keywords, or with a map as its second argument.
TELLS = {"event", "tell", "_tell", "on_event", "_on_event", "_event_once"}


def fields_of(call: ast.Call) -> Iterator[str]:
    """The names of the fields in a call that tells an event whose name stands there."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    first = call.args[0] if call.args else None
    if name not in TELLS or not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return
    yield from (keyword.arg for keyword in call.keywords if keyword.arg is not None)
    for argument in call.args[1:]:
        if isinstance(argument, ast.Dict):
            yield from (key.value for key in argument.keys if isinstance(key, ast.Constant))


def test_every_event_of_the_source_has_fields_that_are_on_the_list():
    root = Path(fermata.__file__).parent
    told = {
        (str(file.relative_to(root)), call.lineno, field)
        for file in root.rglob("*.py")
        # The simulator tells its own trace.
        if file.relative_to(root).parts[0] != "sim"
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        for field in fields_of(call)
    }
    assert len(told) > 80
    assert {place for place in told if place[2] not in FIELDS} == set()


@pytest.mark.parametrize("name", ["value", "metric", "message", "error", "Reason", "node", "event"])
def test_field_that_is_not_on_the_list_is_an_error_of_the_caller(node, log, name):
    with pytest.raises(ValueError, match="list of fields"):
        node.event("started", **{name: 1})
    assert log.lines == []


@pytest.mark.parametrize(
    "event", ["", "Started", "round 3 closed", "x" * 49, "a\n", "round-closed"]
)
def test_event_that_is_not_a_static_word_is_an_error_of_the_caller(node, event):
    with pytest.raises(ValueError, match="static word"):
        node.event(event)


@pytest.mark.parametrize(
    "value",
    [None, b"bytes", ["list"], {"a": 1}, ValueError("text"), float("nan"), float("inf"), 2**63],
)
def test_value_that_is_neither_word_nor_number_is_an_error_of_the_caller(node, value):
    with pytest.raises(ValueError, match="must be a word or a finite number"):
        node.event("started", size=value)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300))
def test_no_text_breaks_a_line_or_reaches_a_terminal(text):
    log = Log()
    Telemetry("ada", "lab", lambda: 0, stream=log).event("started", where=text)
    assert log.getvalue().removesuffix("\n").isprintable()
    (line,) = log.lines
    assert line["where"].isprintable()
    assert len(line["where"]) <= 256


def test_log_file_is_for_its_owner_only_and_appended_to(tmp_path):
    path = tmp_path / "node.log"
    for count in range(2):
        made = Telemetry("ada", "lab", lambda: 0, path)
        made.event("started", entries=count)
        made.close()
        made.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [json.loads(line)["entries"] for line in path.read_text().splitlines()] == [0, 1]


def test_log_file_that_cannot_be_made_is_told(tmp_path):
    with pytest.raises(ConfigError) as caught:
        Telemetry("ada", "lab", lambda: 0, tmp_path / "missing" / "node.log")
    assert caught.value.reason == "LOG_FILE"


def test_line_that_cannot_be_written_is_counted_and_the_node_goes_on():
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    node = Telemetry("ada", "lab", lambda: 0, stream=Full())
    node.event("started")
    assert sample(node, "fermata_log_lines_lost_total") == 1


def test_lines_of_several_threads_stay_whole(node, log):
    def tell():
        for number in range(50):
            node.event("statement_logged", entry=number)

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(log.lines) == 200


def test_reasons_are_counted_up_to_a_number_of_them(node):
    for number in range(150):
        node.event("call_refused", reason=f"MADE_UP_{number}")
    node.event("call_refused", reason="MADE_UP_3")
    assert sample(node, "fermata_troubles_total", reason="MADE_UP_3") == 2
    assert sample(node, "fermata_troubles_total", reason="OTHER") == 50


def test_progress_readiness_and_expiry_are_gauges(node):
    assert sample(node, "fermata_ready") == 0
    node.set_ready(True)
    node.set_progress(entries=12, rounds=2, backlog=1)
    node.set_certificate_expiry(1_800_000_000_000)
    assert sample(node, "fermata_ready") == 1
    assert sample(node, "fermata_log_entries") == 12
    assert sample(node, "fermata_rounds") == 2
    assert sample(node, "fermata_backlog") == 1
    assert sample(node, "fermata_certificate_expiry_timestamp_seconds") == 1_800_000_000
    assert sample(node, "fermata_node", node="ada", role="lab") == 1


def test_time_of_growth_moves_only_when_the_log_grows():
    time_ms = [1_000]
    node = Telemetry("ada", "lab", lambda: time_ms[0], stream=io.StringIO())
    node.set_progress(entries=1, rounds=0, backlog=0)
    time_ms[0] = 5_000
    node.set_progress(entries=1, rounds=0, backlog=0)
    assert sample(node, "fermata_log_grown_timestamp_seconds") == 1
    node.set_progress(entries=2, rounds=0, backlog=0)
    assert sample(node, "fermata_log_grown_timestamp_seconds") == 5


def test_every_metric_has_the_name_and_labels_that_are_allowed(node):
    node.event("call_refused", reason="LATE")
    node.count_call("Append", "lab", "OK", 0.1)
    for family in node.registry.collect():
        assert family.name.startswith("fermata_")
        for each in family.samples:
            assert set(each.labels) <= LABELS | {"le"}


def test_label_that_is_not_on_the_list_is_an_error_of_the_caller(node):
    with pytest.raises(ValueError, match="list of labels"):
        node.gauge("fermata_x", "x", "value")


def get(address, path, method="GET"):
    host, port = split_address(address)
    connection = http.client.HTTPConnection(host, port, timeout=20)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def test_page_is_on_this_machine_only_unless_told_otherwise(node):
    assert node.serve().startswith("127.0.0.1:")


def test_page_shows_metrics_health_and_readiness(node):
    address = node.serve("127.0.0.1:0")
    assert get(address, "/-/healthy")[:2] == (200, "healthy\n")
    assert get(address, "/-/ready")[:2] == (503, "not ready\n")
    node.set_ready(True)
    assert get(address, "/-/ready")[:2] == (200, "ready\n")
    node.count_call("Append", "lab", "OK", 0.1)
    status, text, headers = get(address, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'fermata_calls_total{method="Append",role="lab",status="OK"} 1.0' in text
    assert "python" not in headers["Server"].lower()


def test_page_knows_nothing_else(node):
    address = node.serve()
    assert get(address, "/")[0] == 404
    assert get(address, "/metrics/../etc/passwd")[0] == 404
    assert get(address, "/metrics", "POST")[0] == 501
    assert get(address, "/metrics", "HEAD")[:2] == (200, "")


def test_requests_to_the_page_are_not_logged(node, log, capsys):
    get(node.serve(), "/canary-4711")
    assert log.lines == []
    assert capsys.readouterr() == ("", "")


def test_second_page_on_one_port_is_refused(node):
    address = node.serve()
    other = Telemetry("bel", "lab", lambda: 0, stream=io.StringIO())
    with pytest.raises(ConfigError) as caught:
        other.serve(address)
    assert caught.value.reason == "PORT_IN_USE"


def test_page_is_gone_after_the_close(node):
    address = node.serve()
    node.close()
    with pytest.raises(ConnectionError):
        get(address, "/-/healthy")


@pytest.mark.parametrize("address", ["127.0.0.1:0", "hub.example:65535", "[::1]:7440"])
def test_address_comes_back_as_it_was(address):
    assert join_address(*split_address(address)) == address


@pytest.mark.parametrize(
    "address", ["", ":80", "host", "host:", "host:65536", "host:-1", "host:٣", "::1:80", "a/b:1"]
)
def test_address_of_another_form_is_refused(address):
    with pytest.raises(ConfigError) as caught:
        split_address(address)
    assert caught.value.reason == "ADDRESS"
