"""Records of a later epoch with one defect each, for tests and for vectors."""

from collections.abc import Callable
from typing import Any

from fermata.crypto.integers import int_to_bytes, minimal_to_bytes
from fermata.crypto.threshold.key_record import DELTA
from fermata.wire.v1 import statement_pb2

Change = Callable[[statement_pb2.KeyRecord], object]


def _set(**fields: Any) -> Change:
    def change(wire: statement_pb2.KeyRecord) -> None:
        for name, value in fields.items():
            setattr(wire, name, value)

    return change


def _values(change: Callable[[list[bytes]], list[bytes]]) -> Change:
    def apply(wire: statement_pb2.KeyRecord) -> None:
        values = change(list(wire.verification))
        del wire.verification[:]
        wire.verification.extend(values)

    return apply


#: One defect each, with what is said of it; the rest of the record is as it must be.
DEFECTS: dict[str, tuple[str, Change]] = {
    "another origin (F3.14)": ("KEY_ORIGIN", _set(origin=0)),
    "a proof of the modulus (F3.14)": ("KEY_PROOF", lambda w: w.modulus_proof.SetInParent()),
    "a factor proof (F3.14)": ("KEY_PROOF", lambda w: w.factor_proof.SetInParent()),
    "half a ceremony (F3.14)": ("KEY_CEREMONY", _set(ceremony_sha256=bytes(31))),
    "a modulus that is too wide (F3.15)": ("WIDTH", lambda w: _set(modulus=b"\0" + w.modulus)(w)),
    "a long kappa (F3.15)": ("MINIMAL", lambda w: _set(kappa=b"\0" + w.kappa)(w)),
    "an epoch that is left out (K21.2)": ("KEY_NEXT", _set(epoch=3)),
    "another modulus (K21.1)": ("KEY_NEXT", _set(modulus=int_to_bytes(2**511 + 111, 64))),
    "another theta (K21.1)": ("KEY_NEXT", _set(theta=b"\x02")),
    "kappa of no step (K3.3)": ("KEY_RANGE", _set(kappa=minimal_to_bytes(DELTA**2))),
    "kappa that falls (K3.3)": ("KEY_RANGE", _set(kappa=b"\x01")),
    "another threshold (K3.5)": ("KEY_SHARES", _set(threshold=1)),
    "shares that do not fit (K3.5)": ("KEY_SHARES", _values(lambda v: [v[1], v[0], v[2]])),
    "a share of nothing (K3.3)": ("KEY_RANGE", _values(lambda v: [b"\0" * 63 + b"\1", *v[1:]])),
    "a share too few (F3.19)": ("KEY_SHAPE", _values(lambda v: v[:-1])),
}
