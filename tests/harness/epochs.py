"""Later epochs of a deployment's key, made in the open from all of its shares.

No ceremony does so: here one place holds every share. The fold sees public records alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fermata.crypto.integers import powmod, random_bits
from fermata.crypto.threshold.key_record import (
    DELTA,
    RESHARES_MAX,
    KeyRecord,
    kappa_after,
    lagrange,
    mask_bits,
    verification_base,
)
from fermata.crypto.threshold.opening import KeyShare
from fermata.protocol.charter.parse import Charter, parse_charter
from fermata.protocol.fold.governance.retire import record_digest, retirement, sign
from fermata.protocol.state.state import Verdict
from fermata.protocol.wire.codec import later_record_to_wire
from fermata.protocol.wire.ports import Entropy
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import MODULUS_BITS_MIN, Chain

Shares = Mapping[str, KeyShare]
KAPPA_MAX = kappa_after(RESHARES_MAX)


def offset_of(record: KeyRecord) -> int:
    """The record's L, also of one that has had a reshare too many."""
    return replace(record, kappa=min(record.kappa, KAPPA_MAX)).offset_bits


def reshared(
    old: KeyRecord,
    shares: Sequence[KeyShare],
    threshold: int,
    auditors: int,
    entropy: Entropy,
    factor: int = DELTA**2,
) -> tuple[KeyRecord, tuple[KeyShare, ...]]:
    """The next epoch of a key, with kappa times ``factor``: 1 is a refresh."""
    some = sorted(shares, key=lambda share: share.index)[: old.threshold]
    indices = [share.index for share in some]
    zero, rest = divmod(sum(lagrange(s.index, indices) * s.value for s in some), DELTA)
    assert rest == 0
    new = replace(old, threshold=threshold, epoch=old.epoch + 1, kappa=old.kappa * factor)
    bits, offset = mask_bits(old.n, old.origin, min(new.kappa, KAPPA_MAX)), 1 << offset_of(new)
    line = [factor * zero, *(offset + random_bits(entropy, bits) for _ in range(1, threshold))]
    values = [sum(a * i**k for k, a in enumerate(line)) for i in range(1, auditors + 1)]
    base = verification_base(old.n)
    record = replace(
        new, verification=tuple(powmod(base, DELTA * value, old.n) for value in values)
    )
    key = some[0].key_id
    return record, tuple(KeyShare(i, v, key) for i, v in enumerate(values, start=1))


def next_statement(
    chain: Chain,
    charter: Charter | None = None,
    after: int | None = None,
    factor: int = DELTA**2,
) -> tuple[statement_pb2.Statement, Shares]:
    """The record of the chain's next epoch, without retires, and its shares by auditor.

    ``charter``: of the amendment that it is for, whose motion it comes after unless ``after`` names
    another entry; None for a record that changes no charter.
    """
    state = chain.state.keyed()
    new, old = charter or state.charter, chain.deployment.shares
    known = [old[auditor] for auditor in state.key.auditors]
    record, made = reshared(
        state.key.record, known, new.threshold, len(new.auditors), chain.entropy, factor
    )
    pending = state.governance.amendment
    come = pending if charter is not None and pending is not None else state.key.entry
    wire = later_record_to_wire(record, chain.ref(come if after is None else after))
    statement = statement_pb2.Statement(charter_sha256=new.sha256, key_record=wire)
    return statement, dict(zip(new.auditors, made, strict=True))


def retired(
    chain: Chain,
    statement: statement_pb2.Statement,
    auditors: Sequence[str] = (),
    seen: EntryRef | None = None,
) -> statement_pb2.Statement:
    """The same record with the retires of these auditors, by default of all in force."""
    state = chain.state.keyed()
    whole = statement_pb2.Statement()
    whole.CopyFrom(statement)
    seen = chain.ref(chain.tree.size - 1) if seen is None else seen
    for auditor in sorted(auditors or state.charter.auditors):
        said = retirement(state.charter, state.key, auditor, record_digest(statement), seen)
        whole.key_record.retires.append(sign(said, chain.deployment.keys[auditor]))
    return whole


def sealed_record(
    chain: Chain, statement: statement_pb2.Statement, charter: Charter | None = None, **keys: Any
) -> bytes:
    """The envelope of a record, signed by the auditors of the charter that it brings."""
    new = charter or chain.state.chartered().charter
    named = {party.replace("_", "-"): key for party, key in keys.items()}
    deployment = replace(chain.deployment, keys={**chain.deployment.keys, **named})
    return deployment.seal(statement, *new.auditors)


def next_epoch(
    chain: Chain,
    data: bytes = b"",
    retiring: Sequence[str] = (),
    factor: int = DELTA**2,
    **keys: Any,
) -> Verdict:
    """Logs the record of the next epoch; its parties then speak by it.

    ``data``: the charter of the amendment that it is for, and ``keys`` those of parties that it
    brings; none for a record that changes no charter.
    """
    charter = parse_charter(data, MODULUS_BITS_MIN) if data else None
    statement, shares = next_statement(chain, charter, factor=factor)
    whole = retired(chain, statement, retiring)
    envelope = sealed_record(chain, whole, charter, **keys)
    deployment = chain.deployment
    named = {party.replace("_", "-"): key for party, key in keys.items()}
    became = replace(
        deployment,
        shares=shares,
        keys={**deployment.keys, **named},
        charter_data=data or deployment.charter_data,
        charter=charter or deployment.charter,
    )
    # The heartbeats that follow the record are signed by whoever is an auditor then.
    chain.time_ms += 1000
    chain.tell()
    chain.deployment = became
    return chain.put(envelope)
