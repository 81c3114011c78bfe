"""Which heartbeats that the log refused are lost, and which had become needless on their way."""

from fermata.errors import Refusal
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import LogWrapper, Receipt
from harness.chains import COORDINATOR, Run, deadline_of, make_deployment

#: Of three auditors with threshold 2 the clocks of two let a limit pass.
LAST = "auditor-3"


class Late(LogWrapper):
    """The way of an auditor whose heartbeat the others' overtake."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.log_of(LAST))
        self.run = run

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        if statement_of(unseal(envelope)).HasField("heartbeat"):
            for auditor in ("auditor-1", "auditor-2"):
                self.run.drivers[auditor].step()
        return super().append(envelope, sealed_part)


class Refusing(LogWrapper):
    """A coordinator that refuses an auditor's heartbeats for no good reason."""

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        raise Refusal("TOO_OFTEN", "heartbeat: auditor-3 has sent one a moment ago")


def before_deadline() -> Run:
    """All auditors have sent a heartbeat less than a minute before the round's deadline."""
    run = Run(make_deployment(last="2025Q3", heartbeat_s=3000))
    auditors = run.charter.auditors
    run.until_quiet(COORDINATOR, *auditors)
    run.now_ms = deadline_of(run, 1) - 30_000
    run.step(*auditors)
    run.step(*auditors)
    run.now_ms = deadline_of(run, 1)
    return run


def lost(run: Run) -> list[str]:
    return [reason for _, event, reason in run.told if event == "heartbeat_lost"]


def test_a_heartbeat_that_the_others_have_made_needless_is_not_lost() -> None:
    run = before_deadline()
    driver = run.make_driver(LAST, Late(run))
    counts = {a: beat.count for a, beat in run.state.heartbeats.items()}
    driver.step()
    now = {a: beat.count for a, beat in run.state.heartbeats.items()}
    assert now == {
        **counts,
        "auditor-1": counts["auditor-1"] + 1,
        "auditor-2": counts["auditor-2"] + 1,
    }
    assert run.state.heartbeats[LAST].count == counts[LAST]
    assert lost(run) == []


def test_a_heartbeat_that_is_due_and_was_refused_is_lost() -> None:
    run = before_deadline()
    driver = run.make_driver(LAST, Refusing(run.log_of(LAST)))
    driver.step()
    assert lost(run) == ["TOO_OFTEN"]
