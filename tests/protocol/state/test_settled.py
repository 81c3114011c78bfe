"""The settled size: SU2 of docs/spec/succession.md."""

from fermata.protocol.fold.references import next_leaf
from fermata.protocol.roles.witness import Witnessed
from fermata.protocol.state.heartbeats import HeartbeatSeen, is_settled, settled_size
from fermata.protocol.verify.log_checks import settled_part
from fermata.types import EntryIndex, TimeMs
from harness.chains import Chain
from harness.deployments import make_deployment


def begun(successors: int = 1) -> Chain:
    chain = Chain(make_deployment(auditors=4, successors=successors))
    chain.start()
    return chain


def settled(chain: Chain) -> int:
    return settled_size(chain.state.chartered().charter, chain.state.heartbeats)


def test_it_is_what_a_quorum_of_auditors_has_said() -> None:
    charter = begun().deployment.charter
    sizes = {"auditor-1": 5, "auditor-2": 7, "auditor-3": 6, "auditor-4": 5, "lab-1": 90}
    said = {party: _beat(size) for party, size in sizes.items()}
    # Three of four are a quorum, and the third largest of their sizes is 5.
    assert settled_size(charter, said) == 5
    assert settled_size(charter, said | {"auditor-1": _beat(8)}) == 6
    assert [is_settled(charter, said, entry) for entry in (4, 5)] == [True, False]
    assert is_settled(begun(0).deployment.charter, {}, 90)


def _beat(size: int) -> HeartbeatSeen:
    seen, time = EntryIndex(size - 1), TimeMs(0)
    return HeartbeatSeen(EntryIndex(99), 1, seen, time, time, "", 0, 0)


def test_fewer_than_a_quorum_settle_nothing() -> None:
    chain = Chain(make_deployment(auditors=4, successors=1))
    chain.put_leaf(next_leaf(chain.tree, chain.deployment.charter_envelope))
    for auditor in ("auditor-1", "auditor-2"):
        chain.beat(auditor)
    chain.beat("lab-1")
    assert settled(chain) == 0
    chain.beat("auditor-3")
    assert settled(chain) > 0


def test_su2_2_a_verdict_is_about_settled_entries_where_there_are_successors() -> None:
    plain, chain = begun(0), begun(1)
    everything = Witnessed(chain.tree.size, 3, {})
    assert settled_part(plain.state, everything) == everything
    assert 0 < settled(chain) < chain.tree.size
    assert settled_part(chain.state, everything).size == settled(chain)
    assert settled_part(chain.state, Witnessed(1, 3, {})).size == 1
