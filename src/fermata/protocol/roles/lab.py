"""A lab's duties: report, or say that there is nothing to report."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from fermata.crypto.paillier import EncryptionTable
from fermata.crypto.report.prover import prover_table
from fermata.errors import ConfigError
from fermata.protocol.charter.parse import Charter
from fermata.protocol.fold.governance.amendment import charter_of_answer
from fermata.protocol.fold.pause import acknowledgements_due
from fermata.protocol.fold.reports import EncodedReport, encode_report, make_report
from fermata.protocol.roles.consents import is_agreed
from fermata.protocol.roles.replica import Replica
from fermata.protocol.state.state import CharteredState, Round, State, ThresholdKey
from fermata.protocol.wire.ports import Duty, Entropy, EventOnce, IsDrafted
from fermata.protocol.wire.report_secrets import EvidenceFile, ReportSecrets
from fermata.wire.v1 import envelope_pb2, statement_pb2


@dataclass(frozen=True, slots=True)
class Measurement:
    """A lab's figures for one period. ``values`` maps metric ids to decimals as text.

    ``evidence_sha256`` is what the report commits to, ``evidence`` are the files of that digest.
    """

    values: Mapping[str, str] = field(repr=False)
    evidence_sha256: bytes = b""
    evidence: tuple[EvidenceFile, ...] = ()

    def encode(self, charter: Charter, lab: str) -> EncodedReport:
        """See ``encode_report``."""
        return encode_report(charter, lab, self.values, self.evidence_sha256, self.evidence)


#: Gives the figures of a period: None while they are not there yet; no values to abstain.
Measure = Callable[[str], Measurement | None]


#: A statement and its sealed part; no bytes where it has none.
Made = tuple[statement_pb2.Statement, bytes]


def in_force(state: State) -> bytes:
    """The hash of the charter in force; empty before there is one."""
    return state.charter.sha256 if state.charter is not None else b""


@dataclass(frozen=True, slots=True)
class LabTools:
    """What a lab's driver works with, beside what every driver has.

    ``keep`` makes durable what it takes to open a value of a report later; it is called before the
    report is drafted, so that it is there for every report that was sent. ``has_taken`` says of
    the entry that changed the pause whether the lab's own hook has taken the change. ``alone``: it
    would join sums as the only one that does (docs/spec/standing.md, ST4). ``newest_agreed``
    gives the hash of the newest charter of the log that the lab's owner has agreed to.
    """

    measure: Measure = lambda period: None
    keep: Callable[[ReportSecrets], None] = lambda kept: None
    has_taken: Callable[[int], bool] = lambda change_entry: True
    alone: bool = False
    newest_agreed: Callable[[State], bytes] = in_force

    def has_agreed(self, state: State) -> bool:
        """Whether that is the charter in force."""
        return is_agreed(state, (self.newest_agreed(state),))


def duties(
    state: State,
    me: str,
    is_drafted: IsDrafted,
    witnessed: int,
    answer_to: Callable[[Round], Made | None],
    has_taken: Callable[[int], bool],
) -> Iterator[Duty]:
    """What this lab owes the log now: an answer to the open round, and acknowledgements.

    Both are about entries among the first ``witnessed``: of others nobody else may know (L36).
    ``answer_to`` gives None while the figures are not there. A lab acknowledges a change of the
    pause once its own hook has taken it.
    """
    if not isinstance(state, CharteredState):
        return
    for round_ in rounds_to_answer(state, me):
        # L36.3: a round that was opened for this lab alone would take its figures.
        if round_.entry >= witnessed:
            continue
        slot = f"answer/{round_.number}/0"
        if not is_drafted(slot) and (made := answer_to(round_)) is not None:
            yield Duty(slot, *made)
    for entry in acknowledgements_due(state, me):
        # L36.4: a change that follows from a log which nobody else was shown.
        if entry >= witnessed:
            continue
        slot = f"acknowledgement/{entry}"
        version = state.charters[-1]
        if version.entry > entry:
            # One that was planned under the charter before may be refused; say it anew.
            slot = f"{slot}/{version.entry}"
        if not is_drafted(slot) and has_taken(entry):
            statement = statement_pb2.Statement(
                charter_sha256=state.charter.sha256,
                author=me,
                acknowledgement=statement_pb2.Acknowledgement(
                    change=envelope_pb2.EntryRef(index=entry)
                ),
            )
            yield Duty(slot, statement)


def charter_of_period(replica: Replica, period: str) -> Charter:
    """The charter by which a lab answers for a period: of a round that collects its own (G15)."""
    current = replica.state.current
    if current is None or current.period != period:
        return replica.charter
    return charter_of_answer(replica.state, current.number)


class Answers:
    """Makes this lab's answers to rounds."""

    def __init__(
        self, me: str, replica: Replica, tools: LabTools, entropy: Entropy, event_once: EventOnce
    ) -> None:
        self._me = me
        self._replica = replica
        self._tools = tools
        self._entropy = entropy
        self._event_once = event_once
        self._table: tuple[bytes, EncryptionTable] | None = None

    def to(self, round_: Round) -> Made | None:
        """The first answer; None if its figures are not there or not fit, which is told once."""
        try:
            measurement = self._tools.measure(round_.period)
            return None if measurement is None else self.make(round_, measurement)
        except ConfigError as error:
            self._event_once("metrics_refused", round_.number, error.reason)
            return None

    def make(self, round_: Round, measurement: Measurement) -> Made:
        """A report with these figures, or an abstention. Raises ConfigError, Refusal NO_KEY."""
        state = self._replica.state.keyed()
        charter, key = charter_of_answer(state, round_.number), state.key
        if self._table is None or self._table[0] != charter.sha256:
            table = prover_table(key.public_key, charter.panels[0].claims.statements)
            self._table = (charter.sha256, table)
        return answer(
            charter,
            key,
            self._table[1],
            round_,
            measurement.encode(charter, self._me),
            self._entropy,
            self._tools.keep,
            self._tools.alone,
        )


def rounds_to_answer(state: CharteredState, me: str) -> list[Round]:
    """The open round if this lab may report in it and has not answered."""
    current = state.current
    if current is None or current.close is not None:
        return []
    if me in current.barred:
        return []
    # Its own terms say what it asks; whoever has left the roster since says nothing more.
    panels = state.charter_at(current.number).panels
    able = me in state.charter.labs and any(me in p.labs for p in panels)
    answered = me in current.reports or me in current.abstained
    return [current] if able and not answered else []


def answer(
    charter: Charter,
    key: ThresholdKey,
    table: EncryptionTable,
    round_: Round,
    encoded: EncodedReport,
    entropy: Entropy,
    keep: Callable[[ReportSecrets], None] = lambda secrets: None,
    alone: bool = False,
) -> Made:
    """A report and its sealed part, or an abstention and no bytes; see ``make_report``."""
    if not encoded.witnesses:
        statement = statement_pb2.Statement(
            charter_sha256=charter.sha256,
            author=encoded.lab,
            abstention=statement_pb2.Abstention(round=round_.number),
        )
        return statement, b""
    return make_report(
        charter, key, table, encoded, round_.number, entropy, round_.asked, keep, alone
    )
