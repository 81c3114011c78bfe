"""What a dealer of a refresh or a reshare sends, and how it is checked (docs/spec/keys.md, K23)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from fermata.crypto.integers import (
    gcd,
    int_to_bytes,
    invert,
    multi_powmod,
    powmod,
    powmod_secret,
    random_bits,
)
from fermata.crypto.threshold.key_record import (
    DELTA,
    KeyRecord,
    lagrange,
    share_head,
    verification_base,
)
from fermata.crypto.threshold.reshare.plan import Plan, StepKind, head_exponent, rest_of
from fermata.crypto.transcript import digest_parts

DOMAIN_DRAWS = "fermata/v1/reshare-draws"
HASH_BYTES = 32


class SeedStream:
    """Entropy of one party in one ceremony: the same bytes for the same seed and plan.

    Two deals with the same coefficients and other constants would tell the constants' difference.
    """

    def __init__(self, seed: bytes, plan: Plan) -> None:
        self._secret = digest_parts(DOMAIN_DRAWS, plan.digest, seed)
        self._drawn = 0

    def __call__(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        self._drawn += 1
        return hashlib.shake_256(self._secret + self._drawn.to_bytes(8, "big")).digest(size)


@dataclass(frozen=True, slots=True)
class Deal:
    """A dealer's public message.

    ``commitments``: F_k = v^(Delta*a_k) mod n, k from 0; F_0 is not sent, it follows from the old
    record. ``hashes``: SHA-256 of each private message, by receiver.
    """

    commitments: tuple[int, ...]
    hashes: Mapping[int, bytes]


def polynomial(plan: Plan, index: int, share: int, seed: bytes) -> tuple[int, ...]:
    """The coefficients that old auditor ``index`` deals, constant first. All of it is secret."""
    entropy = SeedStream(seed, plan)
    drawn = [random_bits(entropy, plan.mask_bits) for _ in range(1, plan.threshold)]
    drawn[0] += plan.dealt_offset
    if plan.kind == StepKind.REFRESH:
        return (0, *drawn)
    # The public heads of S interpolate to 0, so that dealing the rests deals the same constant.
    weight = lagrange(index, plan.old_indices)
    return (DELTA * weight * rest_of(plan.record, index, share), *drawn)


def value_at(coefficients: tuple[int, ...], receiver: int) -> int:
    """The polynomial's value for a receiver."""
    return sum(a_k * receiver**k for k, a_k in enumerate(coefficients))


def commit(plan: Plan, index: int, coefficients: tuple[int, ...]) -> tuple[int, ...]:
    """``v^(Delta*a_k) mod n`` for k from 0; the time depends on public lengths alone."""
    bits = plan.mask_bits + DELTA.bit_length() + 1
    drawn = (_fixed_power(plan.record.n, DELTA * a_k, bits) for a_k in coefficients[1:])
    return (constant_commitment(plan, index), *drawn)


def _fixed_power(n: int, exponent: int, bits: int) -> int:
    """``v^exponent mod n`` for a secret exponent from 0 to 2^bits, as one power of that length."""
    power = powmod_secret(verification_base(n), (1 << bits) + exponent, n)
    return power * _inverse_of_lead(n, bits) % n


@lru_cache(maxsize=64)
def _inverse_of_lead(n: int, bits: int) -> int:
    """``v^-(2^bits) mod n``: public, and the same for all powers of one length."""
    return invert(powmod(verification_base(n), 1 << bits, n), n)


def constant_commitment(plan: Plan, index: int) -> int:
    """``v^(Delta*g_i(0)) mod n`` of a dealer with that old index, from the old record alone.

    So nobody deals another number than the one that the old record commits it to.
    """
    if plan.kind == StepKind.REFRESH:
        return 1
    record = plan.record
    n = record.n
    head = head_exponent(index, record.threshold, record.offset_bits)
    rest = record.verification[index - 1] * powmod(verification_base(n), -head, n) % n
    return powmod(rest, DELTA * lagrange(index, plan.old_indices), n)


def committed_value(plan: Plan, commitments: tuple[int, ...], receiver: int) -> int:
    """``v^(Delta*g_i(j)) mod n`` of what a dealer with these commitments deals to a receiver."""
    powers = [receiver**k for k in range(plan.threshold)]
    return multi_powmod(commitments, powers, plan.record.n)


def is_dealt(plan: Plan, commitments: tuple[int, ...], receiver: int, message: bytes) -> bool:
    """Whether a private message is a sub-share in range that fits its dealer's commitments."""
    value = int.from_bytes(message, "big")
    # K23.4: one form; the range bounds how long the new share is, and keeps it positive.
    if len(message) != plan.sub_share_bytes or value >= plan.sub_share_bound(receiver):
        return False
    # K23.5: a sub-share beside the polynomial would leave its receiver a share of nothing.
    bits = plan.sub_share_bound(receiver).bit_length() + DELTA.bit_length()
    power = _fixed_power(plan.record.n, DELTA * value, bits)
    return power == committed_value(plan, commitments, receiver)


def deal_to_bytes(plan: Plan, deal: Deal) -> bytes:
    """The commitments, each as long as n, then the hashes in the receivers' order."""
    width = _width(plan)
    numbers = b"".join(int_to_bytes(F_k, width) for F_k in deal.commitments[1:])
    return numbers + b"".join(deal.hashes[j] for j in sorted(deal.hashes))


def deal_from_bytes(plan: Plan, party: int, index: int, data: bytes) -> Deal | None:
    """The inverse of ``deal_to_bytes``, or None if the dealer's message is malformed.

    ``party`` and ``index`` are the dealer's, in the ceremony and in the old record.
    """
    width, degree = _width(plan), plan.threshold - 1
    receivers = [j for j in plan.receivers if j != party]
    # K23.1: one form.
    if len(data) != degree * width + len(receivers) * HASH_BYTES:
        return None
    starts = range(0, degree * width, width)
    sent = [int.from_bytes(data[i : i + width], "big") for i in starts]
    n = plan.record.n
    # K23.2: a commitment that is no unit would make a new record that no one can use.
    if not all(1 < F_k < n - 1 and gcd(F_k, n) == 1 for F_k in sent):
        return None
    hashes = data[degree * width :]
    by_receiver = {
        j: hashes[i * HASH_BYTES : (i + 1) * HASH_BYTES] for i, j in enumerate(receivers)
    }
    return Deal((constant_commitment(plan, index), *sent), by_receiver)


def _width(plan: Plan) -> int:
    return (plan.record.n.bit_length() + 7) // 8


def new_share(plan: Plan, receiver: int, sub_shares: Mapping[int, int], old_share: int) -> int:
    """s'_j of a receiver, from what each dealer (by party) dealt to it.

    ``old_share`` is the receiver's share in the old record; only a refresh goes on from it.
    """
    head = share_head(receiver, plan.threshold) << plan.offset_bits
    rest = 0
    if plan.kind == StepKind.REFRESH:
        rest = rest_of(plan.record, receiver, old_share)
    return head + rest + sum(sub_shares.values())


def next_record(plan: Plan, commitments: Mapping[int, tuple[int, ...]]) -> KeyRecord:
    """The record of the epoch that begins, from all dealers' commitments, by party."""
    record = plan.record
    n, base = record.n, verification_base(record.n)
    verification = []
    for j in plan.receivers:
        power = powmod(base, head_exponent(j, plan.threshold, plan.offset_bits), n)
        if plan.kind == StepKind.REFRESH:
            old_head = head_exponent(j, record.threshold, record.offset_bits)
            power = power * record.verification[j - 1] * powmod(base, -old_head, n) % n
        for party, _ in plan.dealers:
            power = power * committed_value(plan, commitments[party], j) % n
        verification.append(power)
    return KeyRecord(
        n=n,
        threshold=plan.threshold,
        epoch=record.epoch + 1,
        kappa=plan.kappa,
        theta=record.theta,
        verification=tuple(verification),
        origin=record.origin,
    )
