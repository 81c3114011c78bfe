"""Hooks for tests: a program that keeps what it was given, and a web server that answers so."""

import io
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fermata.node.hook.hooks import Hook
from fermata.node.observe.telemetry import Telemetry
from harness.pauses import copy_of

WAIT_S = 30.0


def until(what):
    limit = time.monotonic() + WAIT_S
    while not (found := what()):
        assert time.monotonic() < limit
        time.sleep(0.01)
    return found


#: Keeps its input and environment, then does as ``then`` says; counts its calls in a file.
PROGRAM = """#!{python}
import json, os, sys, time
folder = {folder!r}
count = len(os.listdir(folder))
told = {{"notice": sys.stdin.read(), "environment": dict(os.environ), "pid": os.getpid(),
        "group": os.getpgrp(), "cwd": os.getcwd()}}
with open(folder + "/part", "w") as file:
    json.dump(told, file)
os.rename(folder + "/part", f"{{folder}}/{{count:03}}")
print("a secret that no log may hold", file=sys.stderr)
{then}
"""


class Program:
    """A real program as a hook."""

    def __init__(self, folder, then=""):
        self.folder = folder / "calls"
        self.folder.mkdir()
        self.path = folder / "program"
        text = PROGRAM.format(python=sys.executable, folder=str(self.folder), then=then)
        self.path.write_text(text)
        self.path.chmod(0o700)

    @property
    def calls(self):
        names = sorted(name for name in os.listdir(self.folder) if name != "part")
        return [json.loads((self.folder / name).read_text()) for name in names]


class Site:
    """A web server on loopback; ``answers`` are statuses in order, then 200."""

    def __init__(self, *answers, context=None, act=lambda handler: None):
        self.calls = []
        self.answers = list(answers)
        site = self

        class Page(BaseHTTPRequestHandler):
            timeout = 20

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                site.calls.append((self.path, dict(self.headers), body))
                act(self)
                status = site.answers.pop(0) if site.answers else 200
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", site.url + "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Page)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if context is not None else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Node:
    """A hook over a replica of a run, with the log that its node writes."""

    def __init__(self, run, deliver, store=None, size=None, stopping=None, witnessed=None):
        self.run = run
        self.out = io.StringIO()
        self.telemetry = Telemetry("lab-1", "lab", lambda: 0, stream=self.out)
        self.replica = copy_of(run, store, size, witnessed)
        self.woken = threading.Event()
        self.hook = Hook(
            "lab-1",
            self.replica,
            run.deployment.keys["lab-1"],
            deliver,
            self.telemetry,
            lambda count: bytes(count),
            taken=self.woken.set,
            stopping=stopping or threading.Event(),
        )

    @property
    def events(self):
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def told(self, event):
        return [e for e in self.events if e["event"] == event]

    def counted(self, status):
        name = "fermata_hook_notices_total"
        return self.telemetry.registry.get_sample_value(name, {"status": status}) or 0

    def has_all(self):
        return all(self.hook.has_taken(c.entry) for c in self.replica.state.pause.changes)

    def __enter__(self):
        self.hook.start()
        return self

    def __exit__(self, *_):
        self.hook.stop()
        self.telemetry.close()
