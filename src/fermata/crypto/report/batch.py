"""Many report proofs at once: one MSM, one multi-exponentiation (docs/spec/proof.md, R7).

Each equation gets a random weight of 128 bits, drawn after all proofs are fixed; a wrong one
passes with probability 2^-128. If a batch fails, halves are tried until the bad ones are named.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fermata.crypto.integers import Entropy, random_bits
from fermata.crypto.paillier import PublicKey
from fermata.crypto.report.argument import ec1_equation, ec2_equation
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.codec import SealedProof
from fermata.crypto.report.equations import Equation, holds
from fermata.crypto.report.link import (
    PaillierEquation,
    ec3_equation,
    paillier_equations,
    paillier_holds,
)
from fermata.crypto.report.proof_cache import ProofCache, proof_digests
from fermata.crypto.report.statements import StatementSet
from fermata.crypto.report.verifier import ParsedProof, check_open, parse_open
from fermata.errors import InvalidProof, VerificationError

WEIGHT_BITS = 128
DOMAIN_BATCH = "fermata/v1/report-batch"


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One proof to check; without a sealed part, only what needs none is checked."""

    statements: StatementSet
    context: Context
    open_part: bytes
    sealed: SealedProof | None = None

    def digests(self, public_key: PublicKey) -> tuple[bytes, ...]:
        """See ``proof_digests``."""
        return proof_digests(self.statements, public_key, self.context, self.open_part, self.sealed)


class InvalidBatch(InvalidProof):
    """Some proofs of a batch do not hold: ``failures`` has the error of each by its position."""

    def __init__(self, failures: dict[int, VerificationError]) -> None:
        places = ", ".join(f"{index} ({failures[index].reason})" for index in sorted(failures))
        super().__init__("BATCH", f"batch of proofs: these do not hold: {places}")
        self.failures = failures


@dataclass(slots=True)
class _Candidate:
    """A proof that parsed, with its weighted equations; ``is_proven``: its open part holds."""

    parsed: ParsedProof
    is_proven: bool
    terms: list[Equation] = field(default_factory=list)
    equations: list[PaillierEquation] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)


def hashed_entropy(public_key: PublicKey, items: Sequence[BatchItem]) -> Entropy:
    """Weights for a check that everyone repeats: SHAKE256 over all that is checked.

    Whoever made the items could search for weights that suit them, at 2^128 hashes for one hit;
    a verifier that has entropy of its own should use that.
    """
    seed = hashlib.sha512(DOMAIN_BATCH.encode())
    for item in items:
        sealed = b"" if item.sealed is None else item.sealed.to_bytes()
        for part in (
            item.statements.statement_hash,
            item.context.charter_hash,
            item.context.round_id,
            item.context.lab_id,
            item.open_part,
            sealed,
        ):
            seed.update(len(part).to_bytes(8, "big") + part)
    seed.update(public_key.n.to_bytes(public_key.modulus_width, "big"))
    key, count = seed.digest(), 0

    def draw(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(key + count.to_bytes(8, "big")).digest(size)

    return draw


def verify_batch(
    public_key: PublicKey,
    items: Sequence[BatchItem],
    entropy: Entropy,
    cache: ProofCache | None = None,
) -> None:
    """Checks all items; those with a sealed part wholly, others as ``verify_open`` does.

    ``entropy``: the verifier's own, or ``hashed_entropy``. ``cache``: proofs that need not be
    checked again; those that hold are added. An empty batch holds. Raises InvalidBatch, whose
    ``failures`` say what ``verify`` or ``verify_open`` would.
    """
    known = ProofCache() if cache is None else cache
    digests = [item.digests(public_key) for item in items]
    failures: dict[int, VerificationError] = {}
    candidates: dict[int, _Candidate] = {}
    for index, item in enumerate(items):
        if digests[index][-1] in known:
            continue
        try:
            candidates[index] = _prepare(public_key, item, digests[index][0] in known)
        except VerificationError as problem:
            failures[index] = problem
    for index, item in enumerate(items):
        if index not in failures:
            # Drawn for known proofs too, so that what is drawn does not depend on memory.
            _weigh(item, candidates.get(index), entropy)

    def open_holds(indices: list[int]) -> bool:
        return holds(part for i in indices for part in candidates[i].terms)

    def sealed_holds(indices: list[int]) -> bool:
        chosen = [candidates[i] for i in indices]
        equations = [equation for candidate in chosen for equation in candidate.equations]
        weights = [weight for candidate in chosen for weight in candidate.weights]
        return paillier_holds(public_key, equations, weights)

    for index in _bad([i for i in candidates if not candidates[i].is_proven], open_holds):
        failures[index] = _reason(candidates.pop(index))
    for index in _bad([i for i in candidates if candidates[i].equations], sealed_holds):
        failures[index] = InvalidProof("PA", "proof: a ciphertext does not hold the proven values")
    for index in candidates.keys() - failures.keys():
        known.add(digests[index])
    # R9.27: the reason of each proof is its own, whatever stood beside it (R7.3).
    if failures:
        raise InvalidBatch(failures)


def _prepare(public_key: PublicKey, item: BatchItem, is_proven: bool) -> _Candidate:
    parsed = parse_open(item.statements, public_key, item.context, item.open_part)
    candidate = _Candidate(parsed, is_proven)
    if item.sealed is not None:
        candidate.equations = paillier_equations(
            item.statements, public_key, parsed.proof, item.sealed, parsed.challenges.e
        )
    return candidate


def _weigh(item: BatchItem, candidate: _Candidate | None, entropy: Entropy) -> None:
    """Draws an item's weights; only after every item of the batch is fixed."""
    one, two, three = (random_bits(entropy, WEIGHT_BITS) for _ in range(3))
    count = 0 if item.sealed is None else len(item.sealed.ciphertexts)
    sealed_weights = [random_bits(entropy, WEIGHT_BITS) for _ in range(count)]
    if candidate is None:
        return
    candidate.weights = sealed_weights
    if candidate.is_proven:
        return
    parsed = candidate.parsed
    proof, challenges, weights = parsed.proof, parsed.challenges, parsed.weights
    candidate.terms = [
        ec1_equation(proof, challenges, one),
        ec2_equation(proof, challenges, weights, two),
        ec3_equation(proof, challenges, weights, three),
    ]


def _bad(indices: list[int], are_good: Callable[[list[int]], bool]) -> list[int]:
    """The indices whose equations do not hold, by halving what fails."""
    if not indices or are_good(indices):
        return []
    if len(indices) == 1:
        return indices
    half = len(indices) // 2
    return _bad(indices[:half], are_good) + _bad(indices[half:], are_good)


def _reason(candidate: _Candidate) -> VerificationError:
    """Which equation it is that fails."""
    try:
        check_open(candidate.parsed)
    except VerificationError as problem:
        return problem
    raise RuntimeError("a weighted sum fails although each of its equations holds")
