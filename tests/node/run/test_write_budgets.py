"""Every kind of write of every party is bounded, and an honest pace meets no bound."""

import pytest

from fermata.errors import TransportError
from fermata.node.run.write_budgets import BUDGETS, COSIGNATURE, UNREADABLE, WriteBudgets, kind_of
from fermata.protocol.roles.log_writer import read_submission
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


@pytest.mark.parametrize("kind", sorted(BUDGETS))
def test_one_write_in_ten_seconds_never_meets_a_bound(kind):
    now_ms = [0]
    budgets = WriteBudgets(lambda: now_ms[0])
    for _ in range(1000):
        budgets.charge("lab-1", kind)
        now_ms[0] += 10_001
