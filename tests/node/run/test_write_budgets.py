"""Every kind of write of every party is bounded, and an honest pace meets no bound."""

from contextlib import suppress

import pytest

from fermata.errors import TransportError
from fermata.node.run.write_budgets import BUDGETS, COSIGNATURE, UNREADABLE, WriteBudgets, kind_of
from fermata.protocol.roles.driver import LOST_WAIT_MS
from fermata.protocol.wire.submission import read_submission
from fermata.types import Role
from fermata.wire.v1 import statement_pb2


def test_the_table_has_every_kind_of_statement_that_there_is():
    bodies = statement_pb2.Statement.DESCRIPTOR.oneofs_by_name["body"].fields
    assert set(BUDGETS) == {field.name for field in bodies} | {COSIGNATURE, UNREADABLE}
    assert kind_of(read_submission(Role.LAB, "lab-1", b"garbage").statement) == UNREADABLE


@pytest.mark.parametrize("kind", sorted(BUDGETS))
def test_each_kind_is_bounded_for_one_party_and_free_for_another(kind):
    now_ms = [0]
    budgets = WriteBudgets(lambda: now_ms[0])
    burst, per_s = BUDGETS[kind]
    for _ in range(burst):
        budgets.charge("lab-1", kind)
    with pytest.raises(TransportError) as caught:
        budgets.charge("lab-1", kind)
    assert caught.value.reason == "RATE"
    budgets.charge("lab-2", kind)
    for other in set(BUDGETS) - {kind}:
        budgets.charge("lab-1", other)
    now_ms[0] += int(1000 / per_s) + 1
    budgets.charge("lab-1", kind)


def test_a_node_whose_heartbeats_are_all_lost_never_meets_the_bound_after_three_rounds_at_once():
    now_ms = [0]
    budgets = WriteBudgets(lambda: now_ms[0])
    for _ in range(29):
        budgets.charge("auditor-1", "heartbeat")
    for _ in range(10_000):
        budgets.charge("auditor-1", "heartbeat")
        now_ms[0] += LOST_WAIT_MS


def test_a_lying_auditor_adds_no_more_heartbeats_in_an_hour_than_a_node_that_loses_all():
    now_ms, taken = [0], 0
    budgets = WriteBudgets(lambda: now_ms[0])
    for now_ms[0] in range(0, 3_600_000, 100):
        with suppress(TransportError):
            budgets.charge("auditor-1", "heartbeat")
            taken += 1
    assert taken <= 30 + 3_600_000 // LOST_WAIT_MS


@pytest.mark.parametrize("kind", sorted(BUDGETS))
def test_one_write_in_ten_seconds_never_meets_a_bound(kind):
    now_ms = [0]
    budgets = WriteBudgets(lambda: now_ms[0])
    for _ in range(1000):
        budgets.charge("lab-1", kind)
        now_ms[0] += 10_001
