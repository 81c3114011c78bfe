"""An amendment that changes auditors comes into force inside a round, which keeps its own charter.

Whoever does something about the open round's answers goes by the charter of the round (G15).
"""

import re

import pytest

from fermata.memory_store import MemoryStore
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.roles import coordinator
from fermata.protocol.roles.lab import charter_of_period
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import decode
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.summary.records.rounds import round_record
from fermata.wire.v1 import envelope_pb2, statement_pb2
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, Chain, Deployment, chain_at
from harness.deployments import party_keys
from harness.epochs import next_epoch
from harness.protocol.amendments import NEW_KEY, amended, another_auditor, carried, key_text, signed

MEMBERS = "axyz"
JOINER = party_keys(11, 1, 4)["auditor-4"]


def a_lab_joins(chain: Chain) -> tuple[tuple[str, str], ...]:
    key = key_text(NEW_KEY)
    table = f'[[lab]]\nid = "lab-7"\norganisation = "Organisation g"\nsigning_key = "{key}"\n\n'
    return (("[committee]", table + "[committee]"),)


def a_lab_leaves(chain: Chain) -> tuple[tuple[str, str], ...]:
    text = chain.deployment.charter_data.decode()
    table = re.search(r'\[\[lab\]\]\nid = "lab-6".*?\n\n', text, re.DOTALL)
    assert table is not None
    return (table[0], ""), (', "lab-6"', "")


@pytest.fixture(params=[a_lab_joins, a_lab_leaves], ids=lambda f: f.__name__)
def amended_inside(request) -> tuple[Chain, Deployment, statement_pb2.Statement]:
    """Round 1 collects, four labs have reported, and another charter is in force; the deployment
    before, and a report of lab-5 that is not sent yet."""
    chain = chain_at("collecting", members=MEMBERS, window_s=30 * 86_400)
    before = chain.deployment
    for lab in ("lab-1", "lab-2", "lab-3", "lab-4"):
        chain.report(lab)
    # For a lab that answers after the amendment has come into force.
    drafted = chain.report_statement("lab-5")
    data = amended(chain, *another_auditor(chain, JOINER), *request.param(chain))
    keys = {"auditor_4": JOINER}
    if request.param is a_lab_joins:
        keys["lab_7"] = NEW_KEY
    chain.advance(carried(chain, data, signatures=signed(data, **keys)))
    assert next_epoch(chain, data, **keys).accepted
    assert chain.state.chartered().charter == parse_charter(data, MODULUS_BITS_MIN)
    return chain, before, drafted


def closes(chain: Chain) -> list[str]:
    fetch = chain.fetch
    found = coordinator.duties(chain.state, lambda slot: False, fetch, chain.cache)
    return [duty.slot for duty in found if duty.slot.startswith("close/")]


def test_the_coordinator_closes_when_all_have_answered_whom_the_round_asked(amended_inside) -> None:
    """By the charter in force it waits for a lab that the round does not ask, until the deadline,
    or closes too early, is refused, and has used up the one close that it makes."""
    chain, before, _ = amended_inside
    for lab in ("lab-5", "lab-6"):
        assert closes(chain) == [], lab
        abstained = before.statement(lab, abstention=statement_pb2.Abstention(round=1))
        verdict = chain.put(chain.seal(abstained))
        assert verdict.accepted or verdict.reason == "NOT_ON_ROSTER", verdict
    if chain.state.current.abstained == {"lab-5"}:
        # The one that has left can answer no more: the round waits for its deadline.
        assert closes(chain) == []
        chain.advance(chain.due_ms(chain.state.current.deadline))
    assert len(closes(chain)) == 1


class OfLab:
    """A replica's state and charter, of which more is not asked."""

    def __init__(self, chain: Chain) -> None:
        self.state, self.charter = chain.state, chain.state.chartered().charter


def test_a_lab_answers_a_period_by_the_charter_of_its_round(amended_inside) -> None:
    """By the one in force it would lack a figure that the round asks, or have one too many."""
    chain, before, _ = amended_inside
    lab = OfLab(chain)
    assert charter_of_period(lab, "2025Q3") == before.charter
    assert charter_of_period(lab, "2025Q4") == lab.charter != before.charter


def test_who_is_waited_for_is_told_by_the_charter_of_the_round(amended_inside) -> None:
    chain, _, _ = amended_inside
    assert round_record(chain.state, chain.state.current).waits_for == ("lab-5", "lab-6")


def test_the_log_takes_a_report_that_was_made_by_the_charter_of_the_round(amended_inside) -> None:
    """Its proof is bound to that charter, so by the one in force it does not hold (EC1)."""
    chain, before, drafted = amended_inside
    replica = Replica(before.charter, MemoryStore(), MODULUS_BITS_MIN)
    ledger = LogWriter(replica, before.keys[COORDINATOR])
    for leaf in chain.leaves:
        envelope = decode(envelope_pb2.LogEntry, leaf).envelope
        said = statement_of(unseal(envelope)) if ledger.size() else statement_pb2.Statement()
        sealed = chain.fetch(said.report.sealed_sha256) if said.HasField("report") else b""
        ledger.append(envelope, sealed)
    envelope = chain.seal(drafted)
    receipt = ledger.append(envelope, chain.fetch(drafted.report.sealed_sha256))
    assert receipt.entry == len(chain.leaves)
    assert ledger.state.rounds[0].reports.keys() >= {"lab-5"}
