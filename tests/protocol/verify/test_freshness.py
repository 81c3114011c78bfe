"""A valid bundle that is older than its reader knows is told apart (verifier.md, How old)."""

import pytest

from fermata.log.checkpoint import Checkpoint, add_signatures, cosign, sign_checkpoint
from fermata.protocol.verify.bundle import CHECKPOINT
from fermata.protocol.verify.freshness import Demands, unmet, witnessed_ms
from harness.bundles import bundle_of
from harness.chains import COORDINATOR, START_MS, Chain, chain_at


@pytest.fixture(scope="module")
def chain() -> Chain:
    return chain_at("opened")


def head_of(chain: Chain, size: int, signer: str = COORDINATOR) -> bytes:
    origin, key = chain.deployment.charter.log_origin, chain.deployment.keys[signer]
    head = Checkpoint(origin, size, chain.tree.root(size))
    return sign_checkpoint(head, origin, key.sign, key.public_key)


def faults(chain: Chain, demands: Demands) -> tuple[str, ...]:
    return unmet(bundle_of(chain), chain.state, demands)


def test_a_bundle_of_which_nothing_is_asked_is_new_enough(chain: Chain) -> None:
    assert faults(chain, Demands()) == ()


def test_a_bundle_with_fewer_entries_than_asked_is_stale(chain: Chain) -> None:
    size = chain.state.size
    assert faults(chain, Demands(at_least=size)) == ()
    (fault,) = faults(chain, Demands(at_least=size + 1))
    assert fault == f"the log must have at least {size + 1} entries, got {size}"


def test_a_head_that_no_honest_auditor_cosigned_since_is_stale(chain: Chain) -> None:
    """One of three may lie: with threshold 2 the second newest time counts."""
    charter, files = chain.deployment.charter, dict(bundle_of(chain))
    note = head_of(chain, chain.state.size)
    times_s = {"auditor-1": 10**6, "auditor-2": 500, "auditor-3": 400}
    lines = [
        cosign(
            note,
            charter.witness_name(name),
            chain.deployment.keys[name].sign,
            chain.deployment.keys[name].public_key,
            START_MS // 1000 + later_s,
        )
        for name, later_s in times_s.items()
    ]
    files[CHECKPOINT] = add_signatures(note, lines)
    due_ms = START_MS // 1000 * 1000 + 500_000
    assert witnessed_ms(files, charter) == due_ms
    assert unmet(files, chain.state, Demands(not_before_ms=due_ms)) == ()
    (fault,) = unmet(files, chain.state, Demands(not_before_ms=due_ms + 1000))
    assert "must have been cosigned at" in fault


def test_a_log_that_does_not_extend_a_known_head_is_told(chain: Chain) -> None:
    for size in (1, 3, chain.state.size):
        assert faults(chain, Demands(extends=head_of(chain, size))) == ()
    longer = chain.fork()
    longer.open_round(longer.time_ms + 10**9)
    (fault,) = faults(chain, Demands(extends=head_of(longer, longer.state.size)))
    assert f"at least the {longer.state.size} entries" in fault
    other = chain_at("keyed")
    other.open_round(other.time_ms + 5000)
    (fault,) = faults(chain, Demands(extends=head_of(other, other.state.size)))
    assert "are not those of the head" in fault


@pytest.mark.parametrize("note", [b"", b"junk", b"\xff\n\n"])
def test_a_file_that_is_no_head_of_the_log_is_told(chain: Chain, note: bytes) -> None:
    (fault,) = faults(chain, Demands(extends=note))
    assert "not one of this log" in fault


def test_a_head_that_another_party_signed_is_none_of_the_log(chain: Chain) -> None:
    (fault,) = faults(chain, Demands(extends=head_of(chain, 3, "lab-1")))
    assert "not one of this log" in fault
