"""A drill: auditors show that their key shares are at hand and open (docs/spec/keys.md, K26).

They open a test ciphertext that everybody makes from public numbers, so that nothing comes out of
it. Everybody knows its root, so whoever sees t - 1 parts can make all others without a key share;
an auditor therefore commits itself to its part before anybody shows one.

    >>> from secrets import token_bytes
    >>> from fermata.crypto.threshold.dealer import deal
    >>> key = deal(256, 2, 3, token_bytes, b"the charter's hash")
    >>> root = drill_root(key.record.n, bytes(32), 1, bytes(32))
    >>> parts = {s.index: drill_part(key.record, s, root, token_bytes) for s in key.shares[:2]}
    >>> judge_drill(key.record, root, parts)
    DrillFindings(agreeing=2, wrong=())
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fermata.crypto.integers import Entropy, gcd, hash_to_zn, int_to_bytes, powmod
from fermata.crypto.threshold.key_record import KeyRecord
from fermata.crypto.threshold.opening import (
    KeyShare,
    agreeing,
    check_part,
    check_share,
    culprits_of,
    partial_opening,
)
from fermata.crypto.transcript import digest_parts
from fermata.errors import InvalidEncoding, InvalidProof

DOMAIN_ROOT = "fermata/v1/drill"
DOMAIN_COMMITMENT = "fermata/v1/drill-commitment"
NONCE_BYTES = 32


@dataclass(frozen=True, slots=True)
class DrillFindings:
    """``agreeing``: how many parts the largest set has of which any t open the test ciphertext.

    ``wrong``: indices of the auditors whose part is wrong. Fewer than t parts say nothing.
    """

    agreeing: int
    wrong: tuple[int, ...]

    def is_enough(self, record: KeyRecord) -> bool:
        """Whether one auditor more than needed could open, or all of them if there is none more."""
        return self.agreeing >= min(record.threshold + 1, record.auditors)


def drill_root(n: int, epoch: bytes, number: int, leaf_hash: bytes) -> int:
    """The root r of a drill's test ciphertext ``r^n mod n``.

    ``epoch``: the epoch's id; ``leaf_hash``: of an entry that nobody could foresee, both 32 bytes.
    """
    seed = digest_parts(DOMAIN_ROOT, epoch, number.to_bytes(8, "big"), leaf_hash)
    root = hash_to_zn(DOMAIN_ROOT, seed, n)
    # K26.1: nobody can open what has no inverse; whoever finds such a hash has factored n.
    if gcd(root, n) != 1:
        raise InvalidProof("DRILL_ROOT", "drill: the test ciphertext has a factor in common with n")
    return root


def drill_part(record: KeyRecord, share: KeyShare, root: int, entropy: Entropy) -> int:
    """This auditor's part of a drill, with a root that it made by ``drill_root`` itself.

    Raises what ``check_share`` raises.
    """
    # K26.2: a part by another share would look like a lost one to everybody else.
    check_share(record, share)
    return partial_opening(record, share, powmod(root, record.n, record.n), entropy)


def drill_commitment(
    record: KeyRecord, epoch: bytes, number: int, index: int, nonce: bytes, part: int
) -> bytes:
    """What auditor ``index`` publishes before anybody shows a part, 32 bytes.

    ``nonce``: 32 random bytes. Raises InvalidEncoding LENGTH for another length.
    """
    # K26.3: without it, who knows t - 1 parts could tell the part that is committed to.
    if len(nonce) != NONCE_BYTES:
        raise InvalidEncoding("LENGTH", f"drill: a nonce must have {NONCE_BYTES} bytes")
    width = (record.n.bit_length() + 7) // 8
    return digest_parts(
        DOMAIN_COMMITMENT,
        epoch,
        number.to_bytes(8, "big"),
        index.to_bytes(4, "big"),
        nonce,
        int_to_bytes(part, width),
    )


def check_drill_part(
    record: KeyRecord,
    epoch: bytes,
    number: int,
    index: int,
    nonce: bytes,
    part: int,
    commitment: bytes,
) -> None:
    """Checks that a part is a unit, and the one that its auditor committed itself to.

    Raises InvalidEncoding PART_RANGE, PART_NOT_UNIT, LENGTH; InvalidProof DRILL_COMMITMENT.
    """
    check_part(record.n, part)
    # K26.4: a part that was made of those that others have shown.
    if drill_commitment(record, epoch, number, index, nonce, part) != commitment:
        raise InvalidProof(
            "DRILL_COMMITMENT",
            f"drill {number}: the part of auditor {index} is not the one that it committed to",
        )


def judge_drill(record: KeyRecord, root: int, parts: Mapping[int, int]) -> DrillFindings:
    """Who could open, from the parts by index, each of which ``check_drill_part`` has passed."""
    # K26.5: fewer than t parts show nobody to be wrong, and nobody to be right.
    if len(parts) < record.threshold:
        return DrillFindings(0, ())
    return DrillFindings(agreeing(record, root, parts), culprits_of(record, root, parts))
