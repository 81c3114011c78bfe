"""Scenario texts: reading them, running their steps, telling what came of each (README.md)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from fermata.errors import VerificationError
from fermata.protocol.fold.governance.amendment import due_amendment
from fermata.protocol.fold.reports import encode_report
from fermata.protocol.roles import auditor as auditor_role
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.state.pause import asking
from fermata.protocol.state.pleas import waiting_for
from fermata.protocol.state.report_flags import Asked
from fermata.protocol.state.state import Round, State, ThresholdKey, Verdict
from fermata.protocol.verify.pause_checks import findings_v10, findings_v12
from fermata.protocol.wire.codec import sha256
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import Chain, Deployment, Run, entropy_of, moments_of
from harness.deployments import changing
from harness.made_reports import made_report
from harness.scenarios import telling
from harness.scenarios.telling import Teller
from harness.scenarios.world import COMMITTEE, PLAIN, STRICT, deployment

INDENT = "    "


@dataclass(frozen=True)
class Script:
    """A scenario's text without what came of it. ``head``: title, sentence, blank lines."""

    head: tuple[str, ...]
    charter: str
    steps: tuple[str, ...]


def parse(text: str) -> Script:
    """Reads a text without what is told in it. Raises ValueError for another form."""
    lines = [line for line in text.splitlines() if not line.startswith(INDENT)]
    if len(lines) < 4 or not lines[0] or not lines[1] or lines[2]:
        raise ValueError("a scenario begins with a title, one sentence and an empty line")
    kind = lines[3].removeprefix("charter ")
    if lines[3] == kind or kind not in (PLAIN, COMMITTEE, STRICT):
        raise ValueError("line 4: charter plain, charter committee or charter strict")
    return Script(tuple(lines[:4]), kind, tuple(lines[4:]))


def run(text: str) -> str:
    """The text with what comes of each step told anew."""
    script = parse(text)
    return "\n".join(told(script, Scenario(script.charter))) + "\n"


def told(script: Script, scenario: "Scenario") -> Iterator[str]:
    """The lines of a script's text, while its steps are run."""
    yield from script.head
    for step in script.steps:
        yield step
        if step and not step.startswith("--"):
            yield from (INDENT + line for line in scenario.step(step))


def _report(
    made: Deployment, key: ThresholdKey, lab: str, number: int, hours: str, asked: Asked
) -> tuple[wire.Report, bytes]:
    """A lab's report and its sealed part: the same for the same figures, in any order of events."""
    entropy = entropy_of(made.seed, f"scenario report/{lab}/{number}/{hours}/{asked.duties}")
    encoded = encode_report(made.charter, lab, {"hours": hours})
    statement, sealed = made_report(made, key, encoded, number, entropy, asked)
    return statement.report, sealed


class ToldChain(Chain):
    """A chain that tells every entry."""

    def __init__(self, found: Deployment, teller: Teller) -> None:
        super().__init__(found)
        self.teller = teller

    def put_leaf(self, leaf: bytes) -> Verdict:
        before = self.state
        verdict = super().put_leaf(leaf)
        self.teller.entry(before, self.state, verdict)
        return verdict


class Scenario:
    """One run; ``step`` does what a line says and returns what came of it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.teller = Teller()
        self.chain = ToldChain(deployment(kind), self.teller)
        self._silent: set[str] = set()
        #: The entries of the last motion and of the last dispute.
        self._motion = self._dispute = 0

    @property
    def state(self) -> State:
        return self.chain.state

    def step(self, line: str) -> list[str]:
        for pattern, action in STEPS:
            match = re.fullmatch(pattern, line)
            if match:
                action(self, *match.groups())
                return self.teller.told()
        raise ValueError(f"no step is called {line!r}; tests/scenarios/README.md has all")

    def say(self, author: str, **body: Any) -> Verdict:
        return self.chain.say(author, **body)

    def _round(self, number: str | None) -> Round:
        found = self.state.round(int(number)) if number else self.state.current
        if found is None:
            raise ValueError("there is no such round")
        return found

    def _labs(self, text: str) -> list[str]:
        labs = self.chain.deployment.charter.labs
        if text == "all":
            return list(labs)
        if text == "others":
            waiting = waiting_for(self.chain.deployment.charter, self._round(None))
            return [lab for lab in waiting if lab not in self._silent]
        return text.split()

    def start(self) -> None:
        self.chain.put(self.chain.deployment.charter_envelope)
        self.chain.put(self.chain.deployment.key_envelope)

    def open_round(self, number: str, period: str) -> None:
        self._silent = set()
        self.chain.tell()
        due = due_amendment(self.state)
        if due is not None and due.charter is not None:
            # From here on everybody speaks under the amended charter.
            self.chain.deployment = replace(self.chain.deployment, charter=due.charter)
        statement = self.chain.open_round_statement(round=int(number), period=period)
        self.chain.put(self.chain.seal(statement))

    def report(self, labs: str, hours: str) -> None:
        found, made = self._round(None), self.chain.deployment
        if self.state.key is None:
            raise ValueError("there is no key, so nobody can report")
        for lab in self._labs(labs):
            report, sealed = _report(made, self.state.key, lab, found.number, hours, found.asked)
            self.chain.sealed_parts[sha256(sealed)] = sealed
            self.say(lab, report=report)

    def abstain(self, labs: str) -> None:
        for lab in self._labs(labs):
            self.say(lab, abstention=wire.Abstention(round=self._round(None).number))

    def silence(self, lab: str) -> None:
        self._silent.add(lab)
        self.teller.say([telling.owed_by(self.state, lab)])

    def close(self) -> None:
        found, charter = self._round(None), self.chain.deployment.charter
        if waiting_for(charter, found):
            self.chain.time_ms = max(self.chain.time_ms, self.chain.deadline_ms - 1000)
        self.chain.put(self.chain.seal(self.chain.close_statement()))

    def endorse(self, number: str | None) -> None:
        for auditor in self.chain.deployment.charter.auditors:
            found = self._round(number)
            try:
                close = auditor_role.check_close(
                    self.state, found, self.chain.fetch, self.chain.cache
                )
            except VerificationError as error:
                self.teller.say([f"no auditor endorses: {error}"])
                return
            said = auditor_role.endorse(self.state, found, close, auditor)
            self.chain.put(self.chain.seal(said))

    def open_results(self, number: str | None) -> None:
        made = self.chain.deployment
        for auditor in made.charter.auditors[: made.charter.threshold]:
            found = self._round(number)
            if found.close is None:
                raise ValueError(f"round {found.number} is not closed")
            share, entropy = made.shares[auditor], self.chain.entropy
            try:
                said = auditor_role.open_part(
                    self.state, found, found.close, auditor, share, entropy
                )
            except VerificationError as error:
                self.teller.say([f"no auditor opens: {error}"])
                return
            self.chain.put(self.chain.seal(said))

    def result(self, number: str | None) -> None:
        self.endorse(number)
        if not self._round(number).refusal:
            self.open_results(number)

    def acknowledge(self, labs: str) -> None:
        asked = asking(self.state.pause)
        if not asked:
            raise ValueError("there is nothing to acknowledge")
        said = wire.Acknowledgement(change=EntryRef(index=asked[-1].entry))
        for lab in self._labs(labs):
            self.say(lab, acknowledgement=said)

    def wait(self, seconds: str) -> None:
        self.chain.time_ms += int(seconds) * 1000
        self.teller.say(telling.overdue_at(self.state, self.chain.time_ms))

    def heartbeat(self, party: str) -> None:
        """The auditors say what time it is, and then the party that it is there."""
        self.chain.tell(is_asked=True)
        if party not in self.chain.deployment.charter.auditors:
            self.chain.beat(party)

    def now(self) -> None:
        self.teller.say([*telling.standing(self.state), *telling.committee(self.state)])

    def move(self, author: str, **body: Any) -> None:
        verdict = self.say(author, motion=wire.Motion(**body))
        if verdict.accepted and body["kind"] != wire.MOTION_KIND_DISPUTE:
            self._motion = verdict.entry
        elif verdict.accepted:
            self._dispute = verdict.entry

    def dispute(self, lab: str, author: str) -> None:
        """About the lab's report in the newest round."""
        about = self._round(None).reports[lab].entry
        self.move(author, kind=wire.MOTION_KIND_DISPUTE, lab=lab, about=EntryRef(index=about))

    def rule(self, finding: str, author: str) -> None:
        upheld, about = finding == "upheld", self._dispute
        self.move(
            author, kind=wire.MOTION_KIND_RULING, about=EntryRef(index=about), is_upheld=upheld
        )

    def appeal(self, author: str) -> None:
        self.move(author, kind=wire.MOTION_KIND_APPEAL, about=EntryRef(index=self._dispute))

    def move_lift(self, author: str) -> None:
        self.move(author, kind=wire.MOTION_KIND_LIFT)

    def move_exclusion(self, lab: str, number: str, author: str) -> None:
        """Resting on the newest dispute."""
        about = EntryRef(index=self._dispute)
        kind = wire.MOTION_KIND_EXCLUSION
        self.move(author, kind=kind, lab=lab, from_round=int(number), about=about)

    def move_amendment(self, limit: str, number: str, author: str) -> None:
        """Another limit of the rule hot."""
        text = self.chain.deployment.charter_data.decode().replace(
            'at_least = "100"', f'at_least = "{limit}"'
        )
        data = changing(text, self.state.chartered().charter).encode()
        kind = wire.MOTION_KIND_AMENDMENT
        self.move(author, kind=kind, from_round=int(number), charter=data)

    def vote(self, choice: str, members: str) -> None:
        for member in members.split():
            said = wire.Vote(motion=EntryRef(index=self._motion), choice=CHOICES[choice])
            self.say(member, vote=said)

    def run_nodes(self, hours: str) -> None:
        """Every node does its duties by itself; the chain then hears their log."""
        by_period = {
            self.chain.deployment.charter.period(number): figure
            for number, figure in enumerate(hours.split(), 1)
        }

        def measure(lab: str, period: str) -> Measurement | None:
            return Measurement({"hours": by_period[period]}) if period in by_period else None

        nodes = Run(self.chain.deployment, measure)
        while len(nodes.state.judgements) < len(by_period):
            nodes.step()
        for leaf in nodes.leaves():
            self.chain.put_leaf(leaf)
        nodes.step(*self.chain.deployment.charter.parties)
        same = [n for n, a in nodes.drivers.items() if a.replica.state.pause == self.state.pause]
        self.teller.say([f"the same pause at {telling.names(same)}"])


CHOICES = {
    "for": wire.CHOICE_FOR,
    "against": wire.CHOICE_AGAINST,
    "recused": wire.CHOICE_RECUSED,
}


def pause_findings(scenario: Scenario) -> list[str]:
    """What the verifier finds about the pause, which it derives in another way than the fold."""
    moments = moments_of(deployment(scenario.kind), scenario.chain.leaves)
    return [*findings_v10(scenario.state, moments), *findings_v12(scenario.state)]


PARTY = r"[a-z]+-\d"
LABS_OF_STEP = rf"(all|others|{PARTY}(?: {PARTY})*)"
#: What a line may say; docs in README.md.
STEPS: tuple[tuple[str, Callable[..., None]], ...] = (
    (r"start", Scenario.start),
    (r"# round (\d+) \((\S+)\)", Scenario.open_round),
    (rf"report {LABS_OF_STEP} hours=(\d+)", Scenario.report),
    (rf"abstain {LABS_OF_STEP}", Scenario.abstain),
    (r"(lab-\d) silent", Scenario.silence),
    (r"close", Scenario.close),
    (r"endorse(?: (\d+))?", Scenario.endorse),
    (r"open(?: (\d+))?", Scenario.open_results),
    (r"result(?: (\d+))?", Scenario.result),
    (rf"acknowledge {LABS_OF_STEP}", Scenario.acknowledge),
    (r"wait (\d+) s", Scenario.wait),
    (rf"heartbeat ({PARTY})", Scenario.heartbeat),
    (r"now", Scenario.now),
    (rf"dispute (lab-\d) by ({PARTY})", Scenario.dispute),
    (rf"motion ruling (upheld|dismissed) by ({PARTY})", Scenario.rule),
    (rf"appeal by ({PARTY})", Scenario.appeal),
    (rf"motion lift by ({PARTY})", Scenario.move_lift),
    (rf"motion exclusion (lab-\d) from round (\d+) by ({PARTY})", Scenario.move_exclusion),
    (rf"motion amendment hot (\d+) from round (\d+) by ({PARTY})", Scenario.move_amendment),
    (rf"vote (for|against|recused) ({PARTY}(?: {PARTY})*)", Scenario.vote),
    (r"nodes run hours((?: \d+)+)", Scenario.run_nodes),
)
