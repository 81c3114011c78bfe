"""The reports of one round at once: one MSM, one multi-exponentiation (docs/spec/proof.md, R7).

Each equation gets a weight of 128 bits, hashed from all that is checked, so that everybody draws
the same: a wrong one passes with probability 2^-128. What holds alone holds in every batch; if a
batch fails, each of its proofs is checked alone, and those that fail alone are named.
"""

import hashlib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from fermata.crypto.paillier import EncryptionTable, PublicKey
from fermata.crypto.report.argument import ec1_equation, ec2_equation
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.codec import SealedProof
from fermata.crypto.report.equations import Equation, holds
from fermata.crypto.report.link import (
    PaillierEquation,
    ec3_equation,
    paillier_equations,
    paillier_holds,
    sealed_units,
)
from fermata.crypto.report.proof_cache import ProofCache, proof_digests
from fermata.crypto.report.statements import StatementSet
from fermata.crypto.report.verifier import ParsedProof, check_open, parse_open
from fermata.crypto.transcript import digest_parts
from fermata.errors import InvalidProof, VerificationError

WEIGHT_BITS = 128
DOMAIN_BATCH = "fermata/v1/report-batch"
DOMAIN_VERDICT = "fermata/v1/report-batch-held"


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
    point_equations: list[Equation] = field(default_factory=list)
    link_equations: list[PaillierEquation] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)


def batch_weights(
    public_key: PublicKey, items: Sequence[BatchItem], leaf_hash: bytes
) -> Iterator[int]:
    """Weights of 128 bits without end: SHAKE256 over key, leaf hash and all that is checked.

    ``leaf_hash``: of the close that lists the reports, 32 bytes; empty while there is none. Whoever
    made the items could search for weights that suit them, at 2^128 hashes for one hit. Sealed
    parts are bound by the digests in the open parts, so that the weights are the same where some
    are missing.
    """
    seed = hashlib.sha512(DOMAIN_BATCH.encode())
    parts = [public_key.n.to_bytes(public_key.modulus_width, "big"), leaf_hash]
    for item in items:
        parts += [item.statements.statement_hash, *item.context.parts, item.open_part]
    for part in parts:
        seed.update(len(part).to_bytes(8, "big") + part)
    key, count = seed.digest(), 0
    while True:
        count += 1
        drawn = hashlib.shake_256(key + count.to_bytes(8, "big")).digest(WEIGHT_BITS // 8)
        yield int.from_bytes(drawn, "big")


def verify_batch(
    public_key: PublicKey,
    items: Sequence[BatchItem],
    leaf_hash: bytes = b"",
    cache: ProofCache | None = None,
) -> None:
    """Checks all items; those with a sealed part wholly, others as ``verify_open`` does.

    ``items``: the reports that a close lists, in the order of R7.3, and ``leaf_hash`` that close's
    (32 bytes), or empty where there is none and no item has a sealed part. ``cache``: what need not
    be checked again; what holds is added. Neither changes the verdict. An empty batch holds. Raises
    InvalidBatch, whose ``failures`` say what ``verify`` or ``verify_open`` would.
    """
    known = ProofCache() if cache is None else cache
    digests = [item.digests(public_key) for item in items]
    verdict = digest_parts(DOMAIN_VERDICT, leaf_hash, *(of_item[-1] for of_item in digests))
    if verdict in known:
        return
    failures: dict[int, VerificationError] = {}
    candidates: dict[int, _Candidate] = {}
    weights = batch_weights(public_key, items, leaf_hash)
    asked = (item for item, of_item in zip(items, digests, strict=True) if of_item[-1] not in known)
    units = sealed_units(public_key, (item.sealed for item in asked if item.sealed is not None))
    for index, item in enumerate(items):
        # Drawn for every item, so that no weight depends on what is known or fails to parse.
        drawn = _draw(item, weights)
        if digests[index][-1] in known:
            continue
        try:
            is_proven = digests[index][0] in known
            candidates[index] = _prepare(public_key, item, is_proven, drawn, units)
        except VerificationError as problem:
            failures[index] = problem
    failures |= _open_failures(candidates)
    for index in candidates.keys() - failures.keys():
        known.add(digests[index][:1])
    failures |= _sealed_failures(
        public_key, {i: c for i, c in candidates.items() if i not in failures}
    )
    # R9.27: the reason of each proof is its own, whatever stood beside it (R7.3).
    if failures:
        raise InvalidBatch(failures)
    # A sealed part that passed among others is not known to pass alone (R7.4): the round is.
    known.add([verdict])


def verify_apart(
    public_key: PublicKey,
    items: Sequence[BatchItem],
    table: EncryptionTable | None = None,
    cache: ProofCache | None = None,
) -> dict[int, VerificationError]:
    """Checks reports of no common round verdict: EC1 to EC3 of all as one, each PA_k alone (R7.3).

    ``items``: whole reports, in any order. ``table`` of ``prover_table`` saves a long power for
    each; ``cache`` has what need not be checked again, and gets what holds. Returns what ``verify``
    would raise of each that does not hold, by position. Raises ValueError for an item without a
    sealed part.
    """
    if any(item.sealed is None for item in items):
        raise ValueError("a report that is checked apart must have its sealed part")
    known = ProofCache() if cache is None else cache
    digests = [item.digests(public_key) for item in items]
    weights = batch_weights(public_key, items, b"")
    asked = [index for index, of_item in enumerate(digests) if of_item[-1] not in known]
    sealed = [part for index in asked if (part := items[index].sealed) is not None]
    units = sealed_units(public_key, sealed)
    failures: dict[int, VerificationError] = {}
    candidates: dict[int, _Candidate] = {}
    drawn = [_draw(item, weights) for item in items]
    for index in asked:
        try:
            is_proven = digests[index][0] in known
            candidates[index] = _prepare(public_key, items[index], is_proven, drawn[index], units)
        except VerificationError as problem:
            failures[index] = problem
    failures |= _open_failures(candidates)
    for index in candidates.keys() - failures.keys():
        equations = candidates[index].link_equations
        # R7.4: an n-th residue of small order could pass among others, and then fail at the close.
        if all(paillier_holds(public_key, [equation], [1], table) for equation in equations):
            known.add(digests[index])
        else:
            failures[index] = _wrong_link()
    return failures


def _draw(item: BatchItem, weights: Iterator[int]) -> list[int]:
    """Of EC1, EC2 and EC3, then of each ciphertext, whether its sealed part is there or not."""
    return [next(weights) for _ in range(3 + item.statements.packing.ciphertexts)]


def _prepare(
    public_key: PublicKey,
    item: BatchItem,
    is_proven: bool,
    drawn: list[int],
    units: Container[int],
) -> _Candidate:
    parsed = parse_open(item.statements, public_key, item.context, item.open_part)
    candidate = _Candidate(parsed, is_proven)
    proof, challenges, weights = parsed.proof, parsed.challenges, parsed.weights
    if item.sealed is not None:
        candidate.link_equations = paillier_equations(
            item.statements, public_key, proof, item.sealed, challenges.e, units
        )
        candidate.weights = drawn[3:]
    if not is_proven:
        one, two, three = drawn[:3]
        candidate.point_equations = [
            ec1_equation(proof, challenges, one),
            ec2_equation(proof, challenges, weights, two),
            ec3_equation(proof, challenges, weights, three),
        ]
    return candidate


def _open_failures(candidates: dict[int, _Candidate]) -> dict[int, VerificationError]:
    """What ``check_open`` says of each, asked only if the sum of all fails."""
    asked = {i: c for i, c in candidates.items() if not c.is_proven}
    equations = chain.from_iterable(c.point_equations for c in asked.values())
    if not asked or holds(equations):
        return {}
    failures: dict[int, VerificationError] = {}
    for index, candidate in asked.items():
        try:
            check_open(candidate.parsed)
        except VerificationError as problem:
            failures[index] = problem
    return _some(failures)


def _sealed_failures(
    public_key: PublicKey, candidates: dict[int, _Candidate]
) -> dict[int, VerificationError]:
    """The proofs one of whose ciphertexts fails alone, asked only if the product of all fails."""
    asked = {i: c for i, c in candidates.items() if c.link_equations}
    equations = list(chain.from_iterable(c.link_equations for c in asked.values()))
    weights = list(chain.from_iterable(c.weights for c in asked.values()))
    if not asked or paillier_holds(public_key, equations, weights):
        return {}
    return _some(
        {
            index: _wrong_link()
            for index, candidate in asked.items()
            if any(not paillier_holds(public_key, [one], [1]) for one in candidate.link_equations)
        }
    )


def _wrong_link() -> InvalidProof:
    return InvalidProof("PA", "proof: a ciphertext does not hold the proven values")


def _some(failures: dict[int, VerificationError]) -> dict[int, VerificationError]:
    if not failures:
        raise RuntimeError("a weighted sum fails though each of its equations holds")
    return failures
