"""A factor of small order in a report: door, fold, auditors and verifiers have one verdict (R7)."""

import functools

import pytest

from fermata.crypto.integers import Entropy
from fermata.crypto.paillier import EncryptionTable
from fermata.crypto.report.argument import Witness
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.report.prover import Report
from fermata.crypto.report.statements import StatementSet
from fermata.protocol.fold.proofs import proven_round
from fermata.protocol.roles.auditor import check_close
from fermata.types import Role
from harness.bundles import bundle_of, verify
from harness.chains import Chain, chain_at
from harness.crypto.factors import FactorProver
from harness.forged import door_of, forged

LAB = "lab-1"


def negating(
    statements: StatementSet,
    table: EncryptionTable,
    context: Context,
    witness: Witness,
    entropy: Entropy,
) -> Report:
    """DC := n^2 - DC before the challenge is drawn."""
    factors = {"announcements": -1}
    return FactorProver(statements, table, context, witness, entropy, factors).report()


@functools.cache
def with_negated_announcement() -> Chain:
    """All labs have reported; the first sends the negative of its announcement."""
    chain = chain_at("collecting")
    statement = forged(chain, LAB, prove=negating)
    chain.put_ok(chain.seal(statement))
    chain.report_all(["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"])
    return chain


def closed(k: int) -> Chain:
    """Its round, closed after another heartbeat for every k: so with another leaf hash."""
    chain = with_negated_announcement().fork()
    chain.cache = ProofCache()
    chain.beat("auditor-1", chain.time_ms + 60_000 + k)
    chain.close()
    return chain


def test_the_door_takes_a_report_whose_announcement_is_negated() -> None:
    chain = chain_at("collecting")
    statement = forged(chain, LAB, prove=negating)
    door = door_of(chain)
    envelope, sealed = chain.seal(statement), chain.fetch(statement.report.sealed_sha256)
    receipt = door.append_as(Role.LAB, LAB, envelope, sealed)
    assert receipt.entry == len(chain.leaves)


def test_the_fold_lists_a_report_whose_announcement_is_negated() -> None:
    chain = with_negated_announcement()
    charter, key = chain.deployment.charter, chain.state.key
    assert key is not None
    assert proven_round(charter, key, chain.round) is chain.round


def test_forty_closes_of_a_negated_announcement_are_endorsed_by_every_auditor() -> None:
    """With weights that may be odd or even, an exact relation held in about half of them."""
    seen = set()
    for k in range(40):
        chain = closed(k)
        close = chain.round.close
        assert close is not None
        seen.add(close.leaf_hash)
        assert LAB in close.listed
        assert check_close(chain.state, chain.round, chain.fetch, ProofCache()) == close
        assert check_close(chain.state, chain.round, chain.fetch, chain.cache) == close
        assert check_close(chain.state, chain.round, chain.fetch, chain.cache) == close
    assert len(seen) == 40


@pytest.mark.parametrize("k", range(4))
def test_a_bundle_with_a_negated_announcement_is_valid_for_everybody(k: int) -> None:
    chain = closed(k)
    chain.endorse()
    chain.open_part("auditor-1", "auditor-2")
    files = bundle_of(chain)
    assert [verify(files).is_valid for _ in range(3)] == [True] * 3
