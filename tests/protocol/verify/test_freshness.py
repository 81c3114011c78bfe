"""A valid bundle that is older than its reader knows is told apart (verifier.md, How old)."""

from collections.abc import Mapping

import pytest

from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.protocol.verify.bundle import WITNESSES
from fermata.protocol.verify.freshness import Demands, unmet, witnessed_ms
from fermata.protocol.wire.witnesses import encode_witnesses
from harness.bundles import bundle_of, verify, witness_of
from harness.chains import COORDINATOR, START_MS, Chain, chain_at


@pytest.fixture(scope="module")
def chain() -> Chain:
    return chain_at("opened")


def head_of(chain: Chain, size: int, signer: str = COORDINATOR) -> bytes:
    origin, key = chain.deployment.charter.log_origin, chain.deployment.keys[signer]
    head = Checkpoint(origin, size, chain.tree.root(size))
    return sign_checkpoint(head, origin, key.sign, key.public_key)


def faults(
    chain: Chain, demands: Demands, sizes: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    files = bundle_of(chain, sizes=sizes)
    found = verify(files)
    assert found.is_valid
    return unmet(files, found, demands)


def test_a_bundle_of_which_nothing_is_asked_is_new_enough(chain: Chain) -> None:
    assert faults(chain, Demands()) == ()


def test_a_bundle_with_fewer_entries_than_asked_is_stale(chain: Chain) -> None:
    size = chain.state.size
    assert faults(chain, Demands(at_least=size)) == ()
    (fault,) = faults(chain, Demands(at_least=size + 1))
    assert fault == f"at least {size + 1} entries must be witnessed, got {size}"


def test_what_is_asked_of_a_bundle_is_asked_of_its_witnessed_entries(chain: Chain) -> None:
    size = chain.state.size
    sizes = {"auditor-1": size - 2, "auditor-2": size, "auditor-3": size - 1}
    assert faults(chain, Demands(at_least=size - 2), sizes) == ()
    (fault,) = faults(chain, Demands(at_least=size - 1), sizes)
    assert fault == f"at least {size - 1} entries must be witnessed, got {size - 2}"
    assert faults(chain, Demands(extends=head_of(chain, size - 2)), sizes) == ()
    (fault,) = faults(chain, Demands(extends=head_of(chain, size - 1)), sizes)
    assert fault == f"at least the {size - 1} entries of the head must be witnessed, got {size - 2}"


def test_entries_that_no_honest_auditor_witnessed_since_are_stale(chain: Chain) -> None:
    """One of three may lie: with threshold 2 the second newest time counts."""
    size = chain.state.size
    times_s = {"auditor-1": 10**6, "auditor-2": 500, "auditor-3": 400}
    lines = [
        witness_of(chain.deployment, chain.tree, name, size, START_MS // 1000 + later_s)
        for name, later_s in times_s.items()
    ]
    files = {**bundle_of(chain), WITNESSES: encode_witnesses(lines)}
    found = verify(files)
    due_ms = START_MS // 1000 * 1000 + 500_000
    assert witnessed_ms(found.witnessed, 2) == due_ms
    assert unmet(files, found, Demands(not_before_ms=due_ms)) == ()
    (fault,) = unmet(files, found, Demands(not_before_ms=due_ms + 1000))
    assert "must have been witnessed at" in fault


def test_a_cosignature_of_fewer_entries_does_not_say_when_the_others_were_witnessed() -> None:
    """With four auditors of threshold 2, three make entries witnessed; the fourth lags behind."""
    chain = chain_at("opened", auditors=4, threshold=2)
    size = chain.state.size
    seen = {"auditor-1": (size - 1, 900), "auditor-2": (size, 50), "auditor-3": (size, 40)}
    lines = [
        witness_of(chain.deployment, chain.tree, name, *place)
        for name, place in {**seen, "auditor-4": (size, 30)}.items()
    ]
    found = verify({**bundle_of(chain), WITNESSES: encode_witnesses(lines)})
    assert (found.is_valid, found.size, found.cosigners) == (True, size, 3)
    assert witnessed_ms(found.witnessed, 2) == 40_000


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
