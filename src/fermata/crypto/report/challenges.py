"""The transcript of a report proof: what is absorbed, in which order (docs/spec/proof.md, R4)."""

from dataclasses import dataclass

from fermata.crypto.group import Q, point_to_bytes, scalar_to_bytes
from fermata.crypto.integers import int_to_bytes
from fermata.crypto.paillier import PublicKey
from fermata.crypto.report.codec import OpenProof, responses_to_bytes
from fermata.crypto.report.statements import StatementSet
from fermata.crypto.transcript import Transcript
from fermata.errors import InvalidProof

DOMAIN_PROOF = "fermata/v1/report-proof"


@dataclass(frozen=True, slots=True)
class Context:
    """What a proof is bound to besides the statements and the key; the caller chooses all of it.

    Two proofs that must not stand for each other differ here: if a round has several proofs of a
    lab, ``round_id`` names which one this is.
    """

    charter_hash: bytes
    round_id: bytes
    lab_id: bytes

    @property
    def parts(self) -> tuple[bytes, bytes, bytes]:
        """All of it, in the order in which digests take it in."""
        return self.charter_hash, self.round_id, self.lab_id


@dataclass(frozen=True, slots=True)
class Challenges:
    """All challenges of one proof; ``e`` has 128 bits, the others are scalars other than 0."""

    beta: int
    y: int
    z: int
    x: int
    rho: int
    e: int
    omega: int
    u: tuple[int, ...]


class ReportTranscript:
    """The running transcript; each step absorbs the prover's messages, then draws.

    Steps raise InvalidProof CHALLENGE for a challenge that would divide by zero (probability
    2^-247).
    """

    __slots__ = ("_running", "_statements")

    def __init__(self, statements: StatementSet, public_key: PublicKey, context: Context) -> None:
        self._statements = statements
        self._running = Transcript(DOMAIN_PROOF)
        modulus = int_to_bytes(public_key.n, public_key.modulus_width)
        self._running.absorb("charter", context.charter_hash)
        self._running.absorb("statements", statements.statement_hash)
        self._running.absorb("round", context.round_id)
        self._running.absorb("lab", context.lab_id)
        self._running.absorb("key", modulus + statements.exponent_bits.to_bytes(4, "big"))

    def fork(self) -> "ReportTranscript":
        """An independent copy, for drawing masks again."""
        twin = object.__new__(ReportTranscript)
        twin._statements, twin._running = self._statements, self._running.fork()
        return twin

    def first(self, ciphertext_digests: tuple[bytes, ...], w: bytes, a1: bytes) -> int:
        """The challenge beta: a scalar from 1 to q - 1 that no digit negates (R9.17).

        ``w``, ``a1``: encoded points.
        """
        for digest in ciphertext_digests:
            self._running.absorb("C", digest)
        self._running.absorb("W", w)
        self._running.absorb("U", b"")
        self._running.absorb("A1", a1)
        beta = self._running.challenge_scalar("beta", Q)
        # R9.17: a digit of -beta has no inverse.
        if beta + self._statements.layout.table_size > Q:
            raise InvalidProof("CHALLENGE", "transcript: beta meets the table; prove again")
        return beta

    def second(self, a2: bytes, s: bytes) -> tuple[int, int]:
        """The challenges y and z, scalars from 1 to q - 1. ``a2``, ``s``: encoded points."""
        self._running.absorb("A2", a2)
        self._running.absorb("S", s)
        y = self._running.challenge_scalar("y", Q)
        return y, self._running.challenge_scalar("z", Q)

    def third(self, t: tuple[bytes, ...]) -> tuple[int, int]:
        """The challenges x and rho, scalars from 1 to q - 1. ``t``: encoded points T_0 to T_4."""
        for index, point in enumerate(t):
            self._running.absorb(f"T{index}", point)
        x = self._running.challenge_scalar("x", Q)
        return x, self._running.challenge_scalar("rho", Q)

    def announce(self, de: bytes, announcement_digests: tuple[bytes, ...]) -> int:
        """The link's challenge e in [0, 2^128). ``de``: an encoded point; digests: 32 bytes."""
        self._running.absorb("DE", de)
        self._running.absorb("DU", b"")
        for digest in announcement_digests:
            self._running.absorb("DC", digest)
        return self._running.challenge_short("e")

    def respond(self, z: tuple[int, ...], exponent_digests: tuple[bytes, ...], th: int) -> None:
        """Absorbs the link's responses, those of the sealed part by digest."""
        responses = responses_to_bytes(self._statements, z)
        self._running.absorb("resp", b"".join((responses, *exponent_digests, scalar_to_bytes(th))))

    def evaluate(self, t_hat: int, tau_x: int, mu: int) -> int:
        """The challenge omega, a scalar from 1 to q - 1, after three scalars."""
        self._running.absorb("eval", b"".join(map(scalar_to_bytes, (t_hat, tau_x, mu))))
        return self._running.challenge_scalar("omega", Q)

    def fold(self, left: bytes, right: bytes) -> int:
        """The challenge u of one halving, a scalar from 1 to q - 1. Both points are encoded."""
        self._running.absorb("L", left)
        self._running.absorb("R", right)
        return self._running.challenge_scalar("u", Q)


def replay(
    statements: StatementSet, public_key: PublicKey, context: Context, proof: OpenProof
) -> Challenges:
    """The challenges that belong to a proof. Raises InvalidProof CHALLENGE."""
    transcript = ReportTranscript(statements, public_key, context)
    to_bytes = point_to_bytes
    beta = transcript.first(proof.ciphertext_digests, to_bytes(proof.w), to_bytes(proof.a1))
    y, z = transcript.second(to_bytes(proof.a2), to_bytes(proof.s))
    x, rho = transcript.third(tuple(map(to_bytes, proof.t)))
    e = transcript.announce(to_bytes(proof.de), proof.announcement_digests)
    transcript.respond(proof.z, proof.exponent_digests, proof.th)
    omega = transcript.evaluate(proof.t_hat, proof.tau_x, proof.mu)
    u = tuple(transcript.fold(to_bytes(left), to_bytes(right)) for left, right in proof.folds)
    return Challenges(beta, y, z, x, rho, e, omega, u)
