"""A node's log holds only JSON lines, whatever the libraries in its process would print."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys, threading, warnings
from fermata.node.observe.stray_lines import only_events
from fermata.node.observe.telemetry import Telemetry

def end():
    raise ValueError("secret 4711")

def thread():
    found = threading.Thread(target=end)
    found.start()
    found.join()

def logged():
    try:
        end()
    except ValueError:
        logging.getLogger("grpc._server").exception("calling: %s", "secret 4711")

with only_events(Telemetry("lab-1", "lab", lambda: 1)):
    {call}
"""


@pytest.mark.parametrize(
    ("call", "event", "where"),
    [
        ("thread()", "thread_failed", "ValueError at <string>:"),
        ("logged()", "library_record", "grpc._server:"),
        ("logging.getLogger().error('secret 4711')", "library_record", "root:"),
        ("warnings.warn('secret 4711')", "library_record", "UserWarning at <string>:"),
    ],
)
def test_what_python_would_print_is_an_event_without_its_text(call, event, where):
    program = PROGRAM.replace("{call}", call)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    (line,) = ended.stderr.splitlines()
    found = json.loads(line)
    assert found["event"] == event
    assert found["where"].startswith(where)
    assert "4711" not in ended.stderr + ended.stdout
