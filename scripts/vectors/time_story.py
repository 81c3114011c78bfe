"""A log that is about the time alone: who tells it, who cannot move it, and what came too late."""

from typing import Any

from fermata.protocol.fold.references import next_leaf
from fermata.protocol.state.state import Verdict
from fermata.wire.v1 import envelope_pb2
from fermata.wire.v1 import statement_pb2 as wire
from harness.chains import Chain, Deployment

#: 2025-10-01T00:00:00Z: the first period of the charter is over.
START_MS = 1_759_276_800_000
HOUR_S, YEAR_S = 3600, 31_536_000
FIGURES = {"hours": "10"}


class Teller:
    """Logs statements as they are: no heartbeat is logged that is not asked for."""

    def __init__(self, deployment: Deployment) -> None:
        self.chain = Chain(deployment)

    def log(self, envelope: bytes, reason: str = "") -> Verdict:
        """Logs an envelope, which must be accepted, or rejected for the reason."""
        verdict = self.chain.put_leaf(next_leaf(self.chain.tree, envelope))
        if verdict.reason != reason:
            raise SystemExit(f"{verdict}: {reason or 'acceptance'} was due")
        return verdict

    def say(self, statement: wire.Statement, reason: str = "") -> Verdict:
        return self.log(self.chain.seal(statement), reason)

    def beat(self, party: str, after_s: int, reason: str = "", **more: Any) -> None:
        """A heartbeat with a clock so long after the start; ``more``: other fields of it."""
        statement = self.chain.beat_statement(party, START_MS + 1000 * after_s)
        statement.heartbeat.MergeFrom(wire.Heartbeat(**({"version": "1"} | more)))
        self.say(statement, reason)

    def must_be(self, after_s: int) -> None:
        """The log's time must be so long after the start."""
        if self.chain.state.time_ms != START_MS + 1000 * after_s:
            raise SystemExit(f"the log's time is {self.chain.state.time_ms}")

    def deadline_must_be(self, after_s: int) -> None:
        if self.chain.deadline_ms != START_MS + 1000 * after_s:
            raise SystemExit(f"the deadline is {self.chain.deadline_ms}")


def time_chain(deployment: Deployment) -> Chain:
    """Heartbeats that tell the time, lie, go back, come too often; an outage; who was late."""
    told = Teller(deployment)
    chain = told.chain
    told.log(deployment.charter_envelope)
    told.beat("auditor-3", -30)
    told.log(deployment.key_envelope)
    told.say(chain.open_round_statement(), "NO_TIME")
    told.beat("auditor-1", -1)
    told.must_be(-30)
    told.beat("auditor-2", -1)
    told.must_be(-1)
    # That there is a key is old by now.
    told.beat("auditor-3", -2, "TOO_OFTEN")
    told.say(chain.open_round_statement(), "TOO_FRESH")
    # No minute has passed, but the period is over now (T4).
    told.beat("auditor-1", 0)
    told.beat("auditor-2", 0)
    told.must_be(0)
    told.say(chain.open_round_statement())
    _begin(told)
    _refuse(told)
    _lie(told)
    for lab in ("lab-1", "lab-2", "lab-3"):
        told.say(chain.report_statement(lab, FIGURES))
    # The log was away for three hours, and the deadline with it (T3).
    told.beat("auditor-1", 10_800)
    told.must_be(60)
    told.beat("auditor-2", 10_800)
    told.must_be(10_800)
    told.deadline_must_be(12_600)
    told.say(chain.report_statement("lab-4", FIGURES))
    told.beat("auditor-2", 12_599)
    told.beat("auditor-3", 12_600)
    told.beat("auditor-1", 12_599)
    told.must_be(12_599)
    told.say(deployment.statement("lab-6", abstention=wire.Abstention(round=1)))
    # No minute has passed, but the deadline has, by this clock; a second later that is old.
    told.beat("auditor-1", 12_600)
    told.must_be(12_600)
    told.beat("auditor-1", 12_601, "TOO_OFTEN")
    # It may be closed from now on, and is given up a window later.
    told.say(chain.open_round_statement(), "ROUND_OPEN")
    told.say(chain.report_statement("lab-5", FIGURES), "LATE")
    told.say(deployment.statement("lab-5", abstention=wire.Abstention(round=1)), "LATE")
    told.say(chain.close_statement())
    for auditor in deployment.charter.auditors:
        told.say(chain.endorsement_statement(auditor))
    for auditor in deployment.charter.auditors:
        told.say(chain.opening_statement(auditor))
    return chain


def _begin(told: Teller) -> None:
    """The window begins at the second time at which an auditor had seen the round open."""
    told.beat("auditor-3", 40)
    told.beat("auditor-1", 20)
    told.deadline_must_be(3640)
    told.beat("auditor-2", 30)
    told.deadline_must_be(3630)
    told.must_be(30)


def _refuse(told: Teller) -> None:
    """Each check of F10."""
    chain = told.chain
    first = next(i for i, v in enumerate(chain.verdicts) if v.author == "auditor-1")
    told.log(envelope_pb2.LogEntry.FromString(chain.leaves[first]).envelope, "STALE")
    told.beat("auditor-1", 200, "STALE", count=9)
    before = chain.beat_statement("auditor-1", START_MS + 200_000)
    before.seen.CopyFrom(chain.ref(0))
    told.say(before, "SEEN_BACK")
    told.beat("auditor-1", 79, "TOO_OFTEN")
    told.beat("auditor-1", 300_000 * YEAR_S, "TIME")
    told.beat("auditor-1", 200, "TIME", certificate_expires_ms=10**15)
    told.beat("auditor-1", 200, "VERSION", version="\t")
    charter = chain.deployment.charter.sha256
    told.beat("auditor-1", 200, "CONSENT_AUTHOR", accepted_charter_sha256=charter)
    told.beat("lab-1", 30, "LENGTH", accepted_charter_sha256=charter[1:])
    told.beat("lab-1", 30, "CONSENT_CHARTER", accepted_charter_sha256=bytes(32))
    told.beat("lab-1", 30, accepted_charter_sha256=charter)
    told.beat("lab-1", 300, "TOO_OFTEN")


def _lie(told: Teller) -> None:
    """One auditor of three moves the time neither forward nor back, and comes back itself."""
    told.beat("auditor-3", YEAR_S)
    told.must_be(30)
    told.beat("auditor-1", -HOUR_S)
    told.must_be(30)
    told.beat("auditor-3", 60)
    told.must_be(30)
    told.beat("auditor-1", 120)
    told.must_be(60)
