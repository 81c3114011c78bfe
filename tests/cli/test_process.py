"""What a real process of the command line is like from outside: its memory, and its log."""

import json
import os
import re
import resource
import socket
import subprocess
import sys
from contextlib import suppress

import pytest

from harness.nodes import COORDINATOR, lay_out, until

#: Every command that opens a key file, a share, a figure or a passphrase, and some that do not.
COMMANDS = [
    ["coordinator", "run"], ["auditor", "run"], ["lab", "run"], ["lab", "open-value"],
    ["lab", "report"], ["keys"], ["pki"], ["enroll"], ["node", "backup"], ["node", "restore"],
    ["motion"], ["demo"], ["audit"], ["verify"],
]  # fmt: skip

#: Runs the program's entry, then says what the process is like at its end.
SHOWN = """
import atexit, ctypes, resource, sys
def show():
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
    print("is", *resource.getrlimit(resource.RLIMIT_CORE), dumpable, file=sys.stderr)
atexit.register(show)
from fermata.cli.main import main
main()
"""


def allow_core_files():
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_refuses_core_files_and_debuggers(command):
    allowed = (1 << 20) if resource.getrlimit(resource.RLIMIT_CORE)[1] else 0
    ended = subprocess.run(
        [sys.executable, "-c", SHOWN, *command, "--help"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=allow_core_files if allowed else None,
    )
    assert ended.stderr.splitlines()[-1] == "is 0 0 0"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("process") / "site")


def test_the_log_of_a_node_is_json_lines_whatever_grpc_is_set_to_print(site):
    config = site.write_config(COORDINATOR)
    # Standard error is the log, as under systemd and in a container.
    config.write_text(re.sub(r"(?m)^log_file = .*$", "", config.read_text()))
    environment = os.environ | {"GRPC_TRACE": "all", "GRPC_VERBOSITY": "DEBUG"}
    log = site.node(COORDINATOR) / "stderr"
    data = site.node(COORDINATOR) / "data"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "-m", "fermata.cli.main", "coordinator", "run", "--config", config],
            stderr=out,
            env=environment,
        ) as node,
    ):
        try:
            until(lambda: b'"started"' in log.read_bytes() or node.poll() is not None)
            assert node.poll() is None, log.read_text()
            with open(f"/proc/{node.pid}/limits") as limits:
                (core,) = [line for line in limits if line.startswith("Max core file size")]
            assert core.split()[4:6] == ["0", "0"]
            # A peer that speaks no TLS: the C core prints an error for each.
            host, port = (data / "log.address").read_text().strip().rsplit(":", 1)
            for _ in range(3):
                with socket.create_connection((host, int(port)), timeout=10) as peer:
                    peer.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20)
                    peer.settimeout(2)
                    with suppress(OSError):
                        peer.recv(100)
        finally:
            node.terminate()
            assert node.wait(60) == 0, log.read_text()[-2000:]
    lines = log.read_bytes().splitlines()
    assert len(lines) > 1
    for line in lines:
        assert json.loads(line)["node"] == COORDINATOR, line
