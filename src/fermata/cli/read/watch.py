"""``fermata watch``: the pause now, and every change as it comes, until stopped."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from fermata.cli.govern.pauses import (
    change_document,
    change_text,
    overdue_document,
    overdue_text,
    pause_document,
    pause_lines,
)
from fermata.cli.output import say
from fermata.cli.read.log import replicate
from fermata.cli.run.nodes import CONFIG
from fermata.errors import ConfigError, TransportError
from fermata.node.config import load_config
from fermata.node.observe.alarm import Alarm
from fermata.node.run.loop import IDLE_S, Wake, follow, stop_on_signal
from fermata.node.run.participant import clock_ms, connect, tls_files
from fermata.protocol.roles.overdue import Overdue
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.ports import Log


@click.command()
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print each line as JSON.")
def watch(config_file: Path, as_json: bool) -> None:
    """The pause and what is overdue, now and at every change, until stopped by a signal.

    Reads the log alone, so it runs beside a node of the same configuration.
    """
    config = load_config(config_file)
    wake = Wake()
    with stop_on_signal(wake):
        replica, _ = replicate(config)
        if replica.charter.pause is None:
            raise ConfigError("NO_PAUSE", "watch: the charter in force has no [pause]")
        with connect(config, tls_files(config)) as remote:
            wake.hurry = remote.close
            watcher = Watcher(replica, remote, as_json)
            watcher.tell_state()

            def listen() -> None:
                for _ in remote.watch(replica.state.size):
                    wake.now()

            follow(listen, wake)
            while not wake.stopping.is_set():
                watcher.look(wake)
                wake.wait(IDLE_S)


class Watcher:
    """Prints what is new in a replica of the log, line by line."""

    def __init__(self, replica: Replica, log: Log, as_json: bool) -> None:
        self._replica = replica
        self._log = log
        self._as_json = as_json
        self._told = len(replica.state.pause.changes)
        self._is_away = False
        self._alarm = Alarm(replica, clock_ms, self._tell_late, self._tell_over)

    def tell_state(self) -> None:
        """The pause as it is now."""
        document = pause_document(self._replica.state, ())
        if document is not None:
            del document["overdue"]
            self._print("state", document, "\n".join(pause_lines(document)))

    def look(self, wake: Wake) -> None:
        """Reads on, and prints the news. Raises InvalidProof if the log breaks its promises."""
        try:
            self._replica.pull(self._log)
        except TransportError as error:
            if not self._is_away and not wake.stopping.is_set():
                say(f"the log cannot be reached, trying on: {error}")
            self._is_away = True
        else:
            self._is_away = False
        state = self._replica.state
        for index in range(self._told, len(state.pause.changes)):
            self._print("change", change_document(state, index), change_text(state, index))
        self._told = len(state.pause.changes)
        self._alarm.look()

    def _tell_late(self, late: Overdue) -> None:
        self._print("overdue", overdue_document(late), f"! overdue: {overdue_text(late)}")

    def _tell_over(self, late: Overdue) -> None:
        self._print("overdue_over", overdue_document(late), f"no longer overdue: {late.what}")

    def _print(self, event: str, document: dict[str, Any], text: str) -> None:
        line = json.dumps({"event": event, **document}) if self._as_json else text
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
