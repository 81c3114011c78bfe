"""What an entry costs does not grow with the number of labs on the roster.

Costs are counted, not timed: the bytecodes that the fold runs through, and the keys that it checks.
"""

import sys
from collections.abc import Callable

import pytest

from fermata.crypto import signing
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX
from fermata.protocol.charter.roster import LabText
from fermata.protocol.fold.apply import apply
from fermata.protocol.fold.references import next_leaf
from fermata.protocol.standing.round_standing import lasting_organisations
from fermata.wire.v1 import statement_pb2
from harness.chains import Chain, make_deployment

FEW, MANY = 12, 120


def bytecodes(work: Callable[[], object]) -> int:
    """How many bytecodes a piece of work runs through, in all functions that it calls."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def chain_of(labs: int) -> Chain:
    """A log whose first round is open."""
    # Each letter is an organisation.
    organisations = "".join(chr(0x4E00 + number) for number in range(labs))
    chain = Chain(make_deployment(labs=labs, organisations=organisations))
    chain.start()
    chain.open_round()
    return chain


@pytest.fixture(scope="module")
def chains() -> dict[int, Chain]:
    return {labs: chain_of(labs) for labs in (FEW, MANY)}


def entry_of(chain: Chain, statement: statement_pb2.Statement) -> Callable[[], object]:
    """The fold of an entry that comes next; it changes nothing of the chain."""
    leaf = next_leaf(chain.tree, chain.seal(statement))

    def fold() -> None:
        _, verdict = apply(chain.state, leaf, chain.cache)
        assert verdict.accepted, verdict

    return fold


def costs(chains: dict[int, Chain], put: Callable[[Chain], Callable[[], object]]) -> list[int]:
    return [bytecodes(put(chains[labs])) for labs in (FEW, MANY)]


def test_a_report_costs_the_same_among_few_labs_and_many(chains):
    few, many = costs(chains, lambda chain: entry_of(chain, chain.report_statement("lab-2")))
    assert few > 1000
    assert many < 1.1 * few


def test_a_heartbeat_costs_the_same_among_few_labs_and_many(chains):
    beat = statement_pb2.Heartbeat(version="1", count=1)

    def put(chain: Chain) -> Callable[[], object]:
        return entry_of(chain, chain.deployment.statement("lab-3", heartbeat=beat))

    few, many = costs(chains, put)
    assert few > 500
    assert many < 1.1 * few


def test_organisations_of_many_labs_are_followed_in_one_walk(chains):
    few, many = costs(chains, lambda chain: lambda: lasting_organisations(chain.state, 1))
    assert many < 1.2 * few * MANY / FEW


def test_no_key_is_checked_twice_in_a_log_of_as_many_parties_as_a_charter_can_list():
    """With one key too many, each would be checked again at each entry of whoever has it."""
    shortest = '[[lab]]\nid="a"\norganisation="a"\nsigning_key="' + 44 * "A" + '"\n'
    assert {"id", "organisation", "signing_key"} <= set(LabText.__struct_fields__)
    assert signing._is_of_prime_order.cache_info().maxsize >= CHARTER_BYTES_MAX // len(shortest)
