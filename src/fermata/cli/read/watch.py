"""``fermata watch``: shows the pause and the committee's work, and every change as it comes."""

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from fermata.cli.options import CONFIG
from fermata.cli.output import plain_lines, say
from fermata.cli.read.log import keep_certificate, replicate
from fermata.errors import ConfigError, TransportError
from fermata.node.config import load_config
from fermata.node.observe.alarm import Alarm
from fermata.node.pki.own_certificate import LOOK_MS
from fermata.node.run.loop import IDLE_S, Wake, follow, stop_on_signal
from fermata.node.run.parts import clock_ms, tls_files
from fermata.node.run.succession.reading import open_reading
from fermata.protocol.roles.overdue import Overdue
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import State
from fermata.protocol.wire.ports import Log
from fermata.summary.documents import change_document, overdue_document, pause_document
from fermata.summary.governance_documents import committee_document, event_document
from fermata.summary.motion_words import committee_lines, event_lines
from fermata.summary.records.governance import governance_record
from fermata.summary.records.governance_events import governance_events
from fermata.summary.records.pause import change_record, newest_judged, pause_record, rule_records
from fermata.summary.words import NOT_SETTLED, change_line, overdue_line, pause_lines
from fermata.types import PausePhase


@click.command()
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print each line as JSON.")
def watch(config_file: Path, as_json: bool) -> None:
    """Show the pause, motions and what is overdue, now and at every change, until stopped.

    It only reads the log, so it may run beside a node of the same configuration.
    """
    config = load_config(config_file)
    wake = Wake()
    with stop_on_signal(wake):
        replica, _ = replicate(config)
        if replica.charter.pause is None and replica.charter.committee is None:
            raise ConfigError(
                "NO_PAUSE", "watch: the charter in force must have a [pause] or a [committee]"
            )
        files = tls_files(config)
        way = open_reading(config, files, replica, clock_ms)
        with closing(way):
            wake.hurry = way.close
            watcher = Watcher(replica, way.log, as_json)
            watcher.tell_state()
            follow(lambda: way.watch(wake), wake)
            next_ms = clock_ms() + LOOK_MS
            while not wake.stopping.is_set():
                way.look(watcher.is_away)
                watcher.look(wake)
                if clock_ms() >= next_ms:
                    keep_certificate(config, files, way)
                    next_ms = clock_ms() + LOOK_MS
                wake.wait(IDLE_S)


class Watcher:
    """Prints what is new in a replica of the log, line by line. ``is_away``: whether the log did
    not answer when it was read last."""

    def __init__(self, replica: Replica, log: Log, as_json: bool) -> None:
        self._replica = replica
        self._log = log
        self._as_json = as_json
        self._printed = len(replica.trusted().pause.changes)
        self._waits = not pause_record(replica.trusted()).is_settled
        self._known = {event.key for event in governance_events(replica.trusted())}
        self.is_away = False
        self._alarm = Alarm(replica, clock_ms, self._tell_late, self._tell_over)

    def tell_state(self) -> None:
        """Prints the pause as it is now, and what is before the committee."""
        state, charter = self._replica.trusted(), self._replica.charter
        data: dict[str, Any] = {}
        lines: list[str] = []
        if charter.pause is not None:
            pause, rules = pause_record(state), rule_records(state, newest_judged(state))
            data, lines = pause_document(pause, rules), pause_lines(pause, rules)
        # Before anything is witnessed there is no charter, and no committee, to tell of.
        if state.charter is not None and state.charter.committee is not None:
            record = governance_record(state, clock_ms())
            data |= {"governance": committee_document(record)}
            lines += committee_lines(record)
        self._print("state", data, "\n".join(lines))

    def look(self, wake: Wake) -> None:
        """Reads on and prints what is new. Raises InvalidProof if the log breaks its promises."""
        try:
            self._replica.pull(self._log)
        except TransportError as error:
            if not self.is_away and not wake.stopping.is_set():
                say(f"the log cannot be reached, trying again: {error}")
            self.is_away = True
        else:
            self.is_away = False
        state = self._replica.trusted()
        for index in range(self._printed, len(state.pause.changes)):
            change = change_record(state, index)
            self._print("change", change_document(change), change_line(change))
        self._printed = len(state.pause.changes)
        self._tell_settled(state)
        for event in governance_events(state, self._known):
            self._known.add(event.key)
            self._print(
                event.step, event_document(event), "\n".join(plain_lines(event_lines(event)))
            )
        self._alarm.look()

    def _tell_settled(self, state: State) -> None:
        """Says once of a pause that has ended that no Handover takes it back any more (SU2.1)."""
        waited, self._waits = self._waits, not pause_record(state).is_settled
        changes = state.pause.changes
        if waited and not self._waits and changes[-1].after == PausePhase.RUNNING:
            entry = changes[-1].entry
            text = f"the end of the pause in entry {entry} is settled: labs may go on"
            self._print("settled", {"entry": entry}, text)
        elif self._waits and not waited:
            text = f"the end of the pause in entry {changes[-1].entry} is {NOT_SETTLED}: labs hold"
            self._print("not_settled", {"entry": changes[-1].entry}, text)

    def _tell_late(self, late: Overdue) -> None:
        self._print("overdue", overdue_document(late), f"! overdue: {overdue_line(late)}")

    def _tell_over(self, late: Overdue) -> None:
        self._print("overdue_over", overdue_document(late), f"no longer overdue: {late.what}")

    def _print(self, event: str, document: dict[str, Any], text: str) -> None:
        line = json.dumps({"event": event} | document) if self._as_json else text
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
