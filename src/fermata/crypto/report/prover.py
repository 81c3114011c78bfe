"""The prover of a report proof (docs/spec/proof.md, R3 to R6), step by step.

Nothing here is constant time: a lab proves on its own machine.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from fermata.crypto.group import Point, Q, generators, msm, point_to_bytes
from fermata.crypto.integers import Entropy
from fermata.crypto.paillier import (
    EncryptionTable,
    PublicKey,
    ciphertext_to_bytes,
    encrypt,
    random_exponent,
)
from fermata.crypto.report.argument import (
    Vectors,
    Weights,
    Witness,
    commit_slots,
    commit_values,
    make_vectors,
    make_witness,
    random_scalar,
    random_scalars,
    second_right,
    weigh,
)
from fermata.crypto.report.challenges import Context, ReportTranscript
from fermata.crypto.report.codec import (
    OpenProof,
    SealedProof,
    exponent_response_bits,
    exponent_to_bytes,
    open_to_bytes,
    sha256,
)
from fermata.crypto.report.inner_product import prove_inner_product
from fermata.crypto.report.link import Responses, announce, draw_masks, respond
from fermata.crypto.report.statements import StatementSet
from fermata.crypto.scalars import inner, powers

DOMAIN_NONCES = "fermata/v1/report-nonces"
HEDGE_BYTES = 64
#: An honest prover draws again with a probability of at most 1025 in 2^16.
ATTEMPTS_MAX = 64


@dataclass(frozen=True, slots=True)
class Report:
    """What ``prove`` returns: the open part's bytes, and the sealed part.

    ``gamma``, the blinding of W, is the prover's secret and not part of the report: with it and
    the values, one value can be opened later (value_opening.py).
    """

    open_part: bytes
    sealed: SealedProof
    gamma: int = field(repr=False)


class HedgedEntropy:
    """Draws from SHAKE256 over the source's bytes, the secrets and the transcript so far.

    If the source repeats itself, draws still differ whenever anything about the proof does: a
    mask used with two challenges would give its value away.
    """

    __slots__ = ("_count", "_seed")

    def __init__(self, entropy: Entropy, *parts: bytes) -> None:
        drawn = entropy(HEDGE_BYTES)
        if len(drawn) != HEDGE_BYTES:
            raise ValueError("the entropy source must give as many bytes as asked for")
        self._seed, self._count = b"", 0
        for part in (DOMAIN_NONCES.encode(), drawn, *parts):
            self.mix(part)

    def mix(self, data: bytes) -> None:
        """Makes all later draws depend on ``data`` too."""
        self._seed = hashlib.sha512(self._seed + len(data).to_bytes(8, "big") + data).digest()

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(8, "big")).digest(size)


def prover_table(public_key: PublicKey, statements: StatementSet) -> EncryptionTable:
    """A table long enough for a prover's masks, and for a verifier's single checks."""
    return EncryptionTable(public_key, exponent_response_bits(statements))


def prove(
    statements: StatementSet,
    table: EncryptionTable,
    context: Context,
    values: Sequence[int],
    entropy: Entropy,
) -> Report:
    """Encrypts the values and proves every statement about them.

    ``table``: see ``prover_table``. Raises ValueError if the values do not satisfy the statements,
    or for a key or table of another size.
    """
    witness = make_witness(statements, values)
    return prove_witness(statements, table, context, witness, entropy)


def prove_witness(
    statements: StatementSet,
    table: EncryptionTable,
    context: Context,
    witness: Witness,
    entropy: Entropy,
) -> Report:
    """Like ``prove``, but does not check the witness, so the result may not verify."""
    if table.public_key.bits != statements.modulus_bits:
        raise ValueError(f"the key must have {statements.modulus_bits} bits, as the statements say")
    prover = _Prover(statements, table, context, witness, entropy)
    prover.encrypt()
    prover.commit()
    prover.link()
    return prover.finish()


@dataclass(eq=False)
class _Prover:
    """The state of one proof; the methods are called once each, in this order."""

    statements: StatementSet
    table: EncryptionTable
    context: Context
    witness: Witness
    entropy: Entropy

    def __post_init__(self) -> None:
        key, witness = self.table.public_key, self.witness
        self.transcript = ReportTranscript(self.statements, key, self.context)
        vectors = (witness.values, witness.plaintexts, witness.left, witness.factors, witness.cross)
        self.nonces = HedgedEntropy(
            self.entropy,
            self.statements.statement_hash,
            key.n.to_bytes(key.modulus_width, "big"),
            *self.context.parts,
            *(b",".join(b"%x" % value for value in vector) for vector in vectors),
        )

    def encrypt(self) -> None:
        """The ciphertexts and W."""
        key = self.table.public_key
        self.exponents = [random_exponent(self.nonces, key) for _ in self.witness.plaintexts]
        self.ciphertexts = tuple(
            ciphertext_to_bytes(key, encrypt(self.table, message, exponent))
            for message, exponent in zip(self.witness.plaintexts, self.exponents, strict=True)
        )
        self.gamma = random_scalar(self.nonces)
        self.w = commit_values(self.gamma, self.witness.values)

    def commit(self) -> None:
        """A1, A2, S and the T_k; x and rho."""
        layout, nonces, witness = self.statements.layout, self.nonces, self.witness
        blindings = random_scalar(nonces), random_scalar(nonces), random_scalar(nonces)
        self.a1 = commit_slots(blindings[0], witness.left, witness.counts)
        digests = tuple(map(sha256, self.ciphertexts))
        beta = self.transcript.first(digests, point_to_bytes(self.w), point_to_bytes(self.a1))
        second = second_right(self.statements, witness, beta)
        # An honest left vector of A2 is zero and is not paid for.
        cross = witness.cross if any(witness.cross) else ()
        masks = random_scalars(nonces, layout.size), random_scalars(nonces, layout.size)
        self.a2 = commit_slots(blindings[1], cross, second)
        self.s = commit_slots(blindings[2], *masks)
        y, z = self.transcript.second(point_to_bytes(self.a2), point_to_bytes(self.s))
        self.weights: Weights = weigh(self.statements, beta, y, z)
        self.vectors: Vectors = make_vectors(witness, second, masks, blindings, self.weights)
        coefficients = self.vectors.coefficients()
        self.taus = random_scalars(nonces, len(coefficients))
        g_and_h = generators("base")[:2]
        self.t = tuple(msm(g_and_h, pair) for pair in zip(coefficients, self.taus, strict=True))
        self.x, self.rho = self.transcript.third(tuple(map(point_to_bytes, self.t)))

    def link(self) -> None:
        """DE and the DC_k, drawn until the responses may be published."""
        self.nonces.mix(self.x.to_bytes(32, "little") + self.rho.to_bytes(32, "little"))
        blinding = (self.gamma + self.rho * self.taus[1]) % Q
        for _ in range(ATTEMPTS_MAX):
            masks = draw_masks(self.statements, self.nonces)
            self.de, self.announcements = announce(
                self.statements, self.table, self.weights, self.rho, masks
            )
            attempt = self.transcript.fork()
            digests = tuple(map(sha256, self.announcements))
            e = attempt.announce(point_to_bytes(self.de), digests)
            responses = respond(
                self.statements, masks, e, self.witness.values, self.exponents, blinding
            )
            if responses is not None:
                self.transcript, self.responses = attempt, responses
                return
        raise ValueError("no responses may be published: a value is far out of its range")

    def finish(self) -> Report:
        """The evaluations, the inner product argument, and the bytes."""
        responses: Responses = self.responses
        exponents = tuple(exponent_to_bytes(self.statements, za) for za in responses.za)
        exponent_digests = tuple(map(sha256, exponents))
        self.transcript.respond(responses.z, exponent_digests, responses.th)
        left, right = self.vectors.at(self.x)
        t_hat, tau_x = inner(left, right), inner(self.taus, powers(self.x, len(self.taus)))
        mu = inner(self.vectors.blindings, powers(self.x, 3))
        omega = self.transcript.evaluate(t_hat, tau_x, mu)
        folds, last_left, last_right = prove_inner_product(
            left, right, self.weights.y_inverses, omega, self._fold
        )
        proof = OpenProof(
            ciphertext_digests=tuple(map(sha256, self.ciphertexts)),
            w=self.w,
            a1=self.a1,
            a2=self.a2,
            s=self.s,
            t=self.t,
            de=self.de,
            announcement_digests=tuple(map(sha256, self.announcements)),
            z=responses.z,
            exponent_digests=exponent_digests,
            th=responses.th,
            t_hat=t_hat,
            tau_x=tau_x,
            mu=mu,
            folds=folds,
            left=tuple(last_left),
            right=tuple(last_right),
        )
        sealed = SealedProof(self.ciphertexts, self.announcements, exponents)
        return Report(open_to_bytes(self.statements, proof), sealed, self.gamma)

    def _fold(self, left: Point, right: Point) -> int:
        return self.transcript.fold(point_to_bytes(left), point_to_bytes(right))
