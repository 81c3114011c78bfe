"""What a node has checked already and found to hold: proofs and whole rounds, by digest."""

from collections.abc import Sequence

from fermata.crypto.paillier import PublicKey
from fermata.crypto.report.challenges import Context
from fermata.crypto.report.codec import SealedProof
from fermata.crypto.report.statements import StatementSet
from fermata.crypto.transcript import digest_parts

DOMAIN_PROVEN = "fermata/v1/report-proven"
#: Digests kept; about 100 bytes each in memory.
PROOF_CACHE_MAX = 1 << 14


class ProofCache:
    """Digests of what its owner has checked itself and found to hold.

    Proofs that hold alone, and the verdict about a whole round under the leaf hash of its close.
    What failed is not remembered. When there are too many, all are forgotten and checked again.
    """

    __slots__ = ("_digests",)

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._digests

    def add(self, digests: Sequence[bytes]) -> None:
        """Remembers what was just found to hold."""
        if len(self._digests) + len(digests) > PROOF_CACHE_MAX:
            self._digests.clear()
        self._digests.update(digests)

    def forget(self) -> None:
        """Forgets everything, so that all of it is checked again."""
        self._digests.clear()


def proof_digests(
    statements: StatementSet,
    public_key: PublicKey,
    context: Context,
    open_part: bytes,
    sealed: SealedProof | None,
) -> tuple[bytes, ...]:
    """SHA-256 of every input of a check: of the open part's, then of the whole if it is there.

    The sealed fields go in one by one, with their lengths: as one string they could be
    split in another way.
    """
    parts = [
        public_key.n.to_bytes(public_key.modulus_width, "big"),
        statements.statement_hash,
        *context.parts,
        open_part,
    ]
    digests = [digest_parts(DOMAIN_PROVEN, *parts)]
    if sealed is not None:
        for fields in (sealed.ciphertexts, sealed.announcements, sealed.exponents):
            parts += [len(fields).to_bytes(8, "big"), *fields]
        digests.append(digest_parts(DOMAIN_PROVEN, *parts))
    return tuple(digests)
