"""Fixtures for all tests: small deployments, and chains that have come to a given stage."""

from collections.abc import Iterator, Sequence

import pytest

from fermata.crypto.paillier import PublicKey
from fermata.crypto.proof_batch import BatchItem, InvalidBatch, hashed_entropy, verify_batch
from fermata.protocol import proofs
from fermata.protocol.ports import Entropy
from support import Chain, Deployment, chain_at, make_deployment


@pytest.fixture
def deployment() -> Deployment:
    return make_deployment()


@pytest.fixture
def keyed() -> Chain:
    """Charter and key are in the log."""
    return chain_at("keyed")


@pytest.fixture
def collecting() -> Chain:
    """Round 1 is open."""
    return chain_at("collecting")


@pytest.fixture
def reported() -> Chain:
    """All labs have reported in round 1."""
    return chain_at("reported")


@pytest.fixture
def closed() -> Chain:
    """Round 1 is closed."""
    return chain_at("closed")


@pytest.fixture
def endorsed() -> Chain:
    """All auditors have endorsed the close of round 1."""
    return chain_at("endorsed")


@pytest.fixture
def opened() -> Chain:
    """All auditors have given their parts of round 1."""
    return chain_at("opened")


@pytest.fixture(autouse=True, scope="session")
def _proofs_are_checked_once() -> Iterator[None]:
    """All nodes of a test are one process, and would check the same batch again and again.

    Whether a batch holds does not depend on who asks; its weights are drawn all the same.
    """
    known: dict[bytes, tuple[list[int], InvalidBatch | None]] = {}

    def remembered(public_key: PublicKey, items: Sequence[BatchItem], entropy: Entropy) -> None:
        name = hashed_entropy(public_key, items)(32)
        if name in known:
            sizes, failure = known[name]
            for size in sizes:
                entropy(size)
        else:
            sizes, failure = [], None

            def drawn(size: int) -> bytes:
                sizes.append(size)
                return entropy(size)

            try:
                verify_batch(public_key, items, drawn)
            except InvalidBatch as error:
                failure = error
            known[name] = sizes, failure
        if failure is not None:
            raise InvalidBatch(failure.failures)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proofs, "verify_batch", remembered)
        yield
