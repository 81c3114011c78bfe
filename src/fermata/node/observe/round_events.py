"""The events of each round in a node's own log: opened, closed, endorsed, and who is missing."""

from collections.abc import Iterator

from fermata.node.observe.telemetry import VALUE_CHARS_MAX, Telemetry, Value
from fermata.protocol.roles.driver import Driver
from fermata.protocol.state.calls import has_impossible_sum
from fermata.protocol.state.state import CLOSED, COLLECTING, ENDORSED, OPENED, REFUSED, Round
from fermata.protocol.wire.ports import ClockMs
from fermata.types import Role, RoundPhase

#: An auditor names the parties that it waits for after this long.
PATIENCE_MS = 10_000
_EVENTS = {
    COLLECTING: "round_opened",
    CLOSED: "round_closed",
    ENDORSED: "round_endorsed",
    OPENED: "results_opened",
    REFUSED: "round_refused",
}
#: The events that a round in a phase has been through.
_PAST = {
    COLLECTING: (COLLECTING,),
    CLOSED: (COLLECTING, CLOSED),
    ENDORSED: (COLLECTING, CLOSED, ENDORSED),
    OPENED: (COLLECTING, CLOSED, ENDORSED, OPENED),
    REFUSED: (COLLECTING, CLOSED, REFUSED),
}


#: Why a report does not count that its own lab has replaced: nobody has anything against it.
_REPLACED = "SUPERSEDED"
#: Round, event, the entry or the party that it is about, and the reason, if it has one.
_Finding = tuple[int, str, int | str, str]


def _findings_of(round_: Round) -> Iterator[_Finding]:
    """Reports that do not count though no later one replaced them, labs that were starved or
    had not consented to the charter, and auditors whose opening part was wrong."""
    for entry, reason in round_.excluded:
        if reason != _REPLACED:
            yield round_.number, "report_not_counted", entry, reason
    for lab in sorted(round_.starved):
        yield round_.number, "lab_starved", lab, ""
    at_close = round_.close.unconsenting if round_.close is not None else {}
    for lab in sorted(round_.unconsenting | at_close.keys()):
        yield round_.number, "lab_not_consented", lab, ""
    for auditor in sorted(round_.culprits):
        yield round_.number, "opening_wrong", auditor, ""


class RoundEvents:
    """Reports the events of a replica's rounds, each once; it never reports a figure."""

    def __init__(self, driver: Driver, telemetry: Telemetry, clock_ms: ClockMs) -> None:
        self._driver = driver
        self._telemetry = telemetry
        self._clock_ms = clock_ms
        self._phases = {r.number: self._phase(r) for r in driver.replica.state.rounds}
        self._findings = {f for r in driver.replica.state.rounds for f in _findings_of(r)}
        self._waiting_since_ms: dict[tuple[int, str], int] = {}
        self._waiting_told: set[tuple[int, str]] = set()

    def look(self) -> None:
        """After each step, failed or not: reports its news."""
        self._tell_rounds()
        self._tell_waiting()

    def _phase(self, round_: Round) -> RoundPhase:
        return round_.phase(self._driver.replica.charter.endorsement_quorum)

    def _tell_rounds(self) -> None:
        for round_ in self._driver.replica.state.rounds:
            before, now = self._phases.get(round_.number), self._phase(round_)
            if before != now:
                self._tell_phases(round_, before, now)
            self._tell_findings(round_)

    def _tell_phases(self, round_: Round, before: RoundPhase | None, now: RoundPhase) -> None:
        past = _PAST[before] if before else ()
        for phase in _PAST[now]:
            if phase not in past and (phase != CLOSED or round_.close is not None):
                self._telemetry.event(_EVENTS[phase], round=round_.number)
        if has_impossible_sum(round_):
            # The one refusal that is not in the rules: a proof was false and held.
            self._telemetry.event("sum_impossible", round=round_.number)
        self._phases[round_.number] = now

    def _tell_findings(self, round_: Round) -> None:
        """What the log has against a party: its report, its opening part, or the log itself."""
        for finding in _findings_of(round_):
            if finding in self._findings:
                continue
            self._findings.add(finding)
            number, event, what, reason = finding
            fields: dict[str, Value] = {"entry" if isinstance(what, int) else "party": what}
            fields |= {"reason": reason} if reason else {}
            self._telemetry.event(event, round=number, **fields)

    def _tell_waiting(self) -> None:
        """Names the parties that a round waits for, once this auditor has done its own part."""
        if self._driver.role != Role.AUDITOR:
            return
        me, now_ms = self._driver.me, self._clock_ms()
        for round_ in self._driver.replica.state.rounds:
            phase = self._phase(round_)
            done = {CLOSED: round_.endorsements, ENDORSED: round_.parts}.get(phase, {})
            key = (round_.number, phase)
            if me not in done or key in self._waiting_told:
                continue
            since_ms = self._waiting_since_ms.setdefault(key, now_ms)
            if now_ms >= since_ms + PATIENCE_MS:
                self._waiting_told.add(key)
                others = ", ".join(
                    a for a in self._driver.replica.charter.auditors if a not in done
                )
                self._telemetry.event(
                    "waiting_for", round=round_.number, status=phase, party=others[:VALUE_CHARS_MAX]
                )
