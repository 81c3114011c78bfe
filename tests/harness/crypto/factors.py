"""A prover that sends C and DC times factors of small order, and answers their challenges."""

from collections.abc import Callable, Mapping

from fermata.crypto.paillier import EncryptionTable, PublicKey, ciphertext_to_bytes
from fermata.crypto.report.argument import Witness
from fermata.crypto.report.challenges import Context, ReportTranscript
from fermata.crypto.report.codec import sha256
from fermata.crypto.report.prover import Report, _Prover
from fermata.crypto.report.statements import StatementSet


def times(key: PublicKey, number: bytes, factor: int) -> bytes:
    """``factor * number mod n^2``, in the encoding of ciphertexts."""
    return ciphertext_to_bytes(key, int.from_bytes(number, "big") * factor % key.n_squared)


def root_of_unity(primes: tuple[int, int], order: int) -> int:
    """An n-th residue mod n^2 of a prime order; one of the primes less 1 must be its multiple."""
    p, q = primes
    square = p * p * q * q
    exponent = (p - 1) * (q - 1) * p * q
    for base in range(2, 100):
        found = pow(base, exponent // order ** _multiplicity(exponent, order), square)
        while pow(found, order, square) != 1:
            found = pow(found, order, square)
        if found != 1:
            return found
    raise ValueError(f"no element of order {order}")


def _multiplicity(number: int, factor: int) -> int:
    count = 0
    while number % factor == 0:
        number, count = number // factor, count + 1
    return count


class _FactorTranscript(ReportTranscript):
    """Absorbs the digests of the announcements that will be sent."""

    __slots__ = ("sent",)

    def fork(self) -> "_FactorTranscript":
        twin = object.__new__(_FactorTranscript)
        twin._statements, twin._running = self._statements, self._running.fork()
        twin.sent = self.sent
        return twin

    def announce(self, de: bytes, announcement_digests: tuple[bytes, ...]) -> int:
        return super().announce(de, tuple(map(sha256, self.sent())))


class FactorProver(_Prover):
    """``factors``: of ``ciphertexts`` and ``announcements``, what each of them is multiplied by."""

    def __init__(
        self,
        statements: StatementSet,
        table: EncryptionTable,
        context: Context,
        witness: Witness,
        entropy: Callable[[int], bytes],
        factors: Mapping[str, int],
    ) -> None:
        super().__init__(statements, table, context, witness, entropy)
        self._factors = factors
        if "announcements" in factors:
            transcript = _FactorTranscript(statements, table.public_key, context)
            transcript.sent = self._sent_announcements
            self.transcript = transcript

    def _sent_announcements(self) -> tuple[bytes, ...]:
        key, factor = self.table.public_key, self._factors["announcements"]
        return tuple(times(key, data, factor) for data in self.announcements)

    def report(self) -> Report:
        """The whole report."""
        self.encrypt()
        if "ciphertexts" in self._factors:
            key, factor = self.table.public_key, self._factors["ciphertexts"]
            self.ciphertexts = tuple(times(key, data, factor) for data in self.ciphertexts)
        self.commit()
        self.link()
        if "announcements" in self._factors:
            self.announcements = self._sent_announcements()
        return self.finish()
