"""What a refresh or a reshare leaves in public: what its auditors sign (docs/spec/keys.md, K25)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from fermata.crypto.threshold.key_record import AUDITORS_MAX, KeyRecord, key_id
from fermata.crypto.threshold.reshare.next_record import check_next
from fermata.crypto.threshold.reshare.plan import Plan, StepKind
from fermata.crypto.transcript import digest_parts
from fermata.errors import InvalidEncoding, InvalidProof

DOMAIN_DEALT = "fermata/v1/reshare-dealt"
OUTCOME_BYTES_MAX = 32768
_NUMBER = rb"[1-9a-f][0-9a-f]*"
_HASH = rb"[0-9a-f]{64}"
_OUTCOME = re.compile(
    rb"fermata/v1/next-epoch\nceremony: (%b)\nkind: (refresh|reshare)\nbefore: (%b)\nkey: (%b)\n"
    rb"origin: ([a-z]{1,20})\ndealers: ([1-7](?: [1-7]){0,6})\nepoch: ([1-9][0-9]{0,3})\n"
    rb"threshold: ([1-7])\nkappa: (%b)\ntheta: (%b)\ndealt: (%b)\n((?:verification: %b\n){1,7})"
    rb"((?:dispute: [1-7] [1-7] %b\n){0,49})"
    % (_HASH, _HASH, _HASH, _NUMBER, _NUMBER, _HASH, _NUMBER, _HASH)
)


@dataclass(frozen=True, slots=True)
class Dispute:
    """A complaint that its dealer answered with a sub-share that fits.

    ``dealer``: index in the old record; ``receiver``: in the new one. One of the two said what is
    not so: the dealer, if it signed ``received_sha256`` as the hash of its private message to that
    receiver, and otherwise the receiver.
    """

    dealer: int
    receiver: int
    received_sha256: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The public result: the record of the epoch that begins, and how it came to be.

    ``ceremony`` and ``before`` (the epoch id of the record before) have 32 bytes; ``dealers`` are
    the indices in the old record; ``dealt_sha256`` is of all dealers' public messages.
    """

    ceremony: bytes
    kind: StepKind
    before: bytes
    dealers: tuple[int, ...]
    record: KeyRecord
    dealt_sha256: bytes
    disputes: tuple[Dispute, ...]

    def to_bytes(self) -> bytes:
        """Lines of text; the one encoding that ``from_bytes`` takes."""
        record = self.record
        lines = [
            "fermata/v1/next-epoch",
            f"ceremony: {self.ceremony.hex()}",
            f"kind: {self.kind}",
            f"before: {self.before.hex()}",
            f"key: {key_id(record).hex()}",
            f"origin: {record.origin}",
            f"dealers: {' '.join(map(str, self.dealers))}",
            f"epoch: {record.epoch}",
            f"threshold: {record.threshold}",
            f"kappa: {record.kappa:x}",
            f"theta: {record.theta:x}",
            f"dealt: {self.dealt_sha256.hex()}",
            *(f"verification: {v_i:x}" for v_i in record.verification),
            *(f"dispute: {d.dealer} {d.receiver} {d.received_sha256.hex()}" for d in self.disputes),
        ]
        return "".join(f"{line}\n" for line in lines).encode()

    @classmethod
    def from_bytes(cls, data: bytes, n: int) -> "Outcome":
        """Parses a result of the key with that modulus. Raises InvalidEncoding NEXT_EPOCH."""
        match = _OUTCOME.fullmatch(data) if len(data) <= OUTCOME_BYTES_MAX else None
        # K25.1: what auditors sign has one form.
        if match is None:
            raise InvalidEncoding("NEXT_EPOCH", "next epoch: is not the result of a ceremony")
        words = [word.decode() for word in match.groups()]
        record = KeyRecord(
            n=n,
            threshold=int(words[7]),
            epoch=int(words[6]),
            kappa=int(words[8], 16),
            theta=int(words[9], 16),
            verification=tuple(int(line.split()[1], 16) for line in words[11].splitlines()),
            origin=words[4],
        )
        disputes = tuple(
            Dispute(int(dealer), int(receiver), bytes.fromhex(digest))
            for _, dealer, receiver, digest in map(str.split, words[12].splitlines())
        )
        outcome = cls(
            ceremony=bytes.fromhex(words[0]),
            kind=StepKind(words[1]),
            before=bytes.fromhex(words[2]),
            dealers=tuple(map(int, words[5].split())),
            record=record,
            dealt_sha256=bytes.fromhex(words[10]),
            disputes=disputes,
        )
        # K25.1: the key that is named is the key of n.
        if words[3] != key_id(record).hex():
            raise InvalidEncoding("NEXT_EPOCH", "next epoch: is of another key")
        return outcome


def dealt_sha256(plan: Plan, messages: Mapping[int, bytes]) -> bytes:
    """SHA-256 of the dealers' public messages, by party, of one ceremony."""
    return digest_parts(DOMAIN_DEALT, plan.ceremony, *(messages[p] for p, _ in plan.dealers))


def check_outcome(old: KeyRecord, before: bytes, outcome: Outcome) -> None:
    """Checks a result against the record before and its epoch id.

    Raises what ``check_next`` raises, and InvalidProof KEY_NEXT.
    """
    # K25.2: a result that follows from another roster or record is not of this log.
    if outcome.before != before:
        raise InvalidProof("KEY_NEXT", "next epoch: must follow the epoch that is in force")
    # K25.3: kappa decides what the step was.
    if check_next(old, outcome.record) != outcome.kind:
        raise InvalidProof("KEY_NEXT", "next epoch: kappa must be that of its kind")
    # K25.4: fewer dealers than the threshold have nothing to hand on.
    wanted = old.auditors if outcome.kind == StepKind.REFRESH else old.threshold
    dealers = outcome.dealers
    ascending = all(a < b for a, b in pairwise(dealers))
    if len(dealers) != wanted or not ascending or not dealers[-1] <= old.auditors <= AUDITORS_MAX:
        raise InvalidProof(
            "KEY_NEXT", f"next epoch: must have {wanted} auditors of the epoch before as dealers"
        )
