"""A Handover that holds, and what is wrong with it in one place each; the vectors have the same."""

from collections.abc import Callable

from fermata.wire.v1.succession_pb2 import Handover, Leave
from harness.succession import make_succession, tree_of

WORLD = make_succession()
#: Two heads of one log, and a log that differs after the first of them.
SHORT, LONG = tree_of("a", "b", "c"), tree_of("a", "b", "c", "d", "e")
OTHER = tree_of("a", "b", "c", "x")


def leaves(view: int = 1) -> list[Leave]:
    return [
        WORLD.leave("auditor-1", LONG, SHORT, view),
        WORLD.leave("auditor-2", SHORT, SHORT, view),
        WORLD.leave("auditor-4", None, None, view),
    ]


def drop(handover: Handover, count: int) -> None:
    del handover.leaves[-count:]
    del handover.heads[-count:]


DEFECTS: dict[str, tuple[Callable[[Handover], object], str]] = {
    "SU6.1: too few Leaves": (lambda h: drop(h, 1), "LEAVES"),
    "SU6.1: more Leaves than auditors": (lambda h: h.leaves.extend(h.leaves[:2]), "LEAVES"),
    "SU6.2: a Leave that does not hold": (
        lambda h: h.leaves.__setitem__(0, h.leaves[0] + b"\x78\x01"),
        "ENCODING",
    ),
    "SU6.3: one auditor twice": (
        lambda h: h.leaves.__setitem__(1, h.leaves[0]),
        "LEAVES",
    ),
    "SU6.3: out of order": (lambda h: h.leaves.reverse(), "LEAVES"),
    "SU6.4: a Leave for a later view": (
        lambda h: h.leaves.__setitem__(2, WORLD.seal(leaves(2)[2])[0]),
        "VIEW",
    ),
    "SU6.4: the Handover is of a later view": (lambda h: setattr(h, "view", 4), "VIEW"),
    "SU8.1: a proof that is not of the certificate": (
        lambda h: h.certificate_proof.append(bytes(32)),
        "CONSISTENCY",
    ),
    "SU8.1: no proof of the certificate": (
        lambda h: h.ClearField("certificate_proof"),
        "CONSISTENCY",
    ),
    "SU8.3: a head of which nothing is said": (lambda h: h.heads.pop(), "HEAD_PROOFS"),
    "SU8.3: more than there are Leaves": (lambda h: h.heads.add(), "HEAD_PROOFS"),
    "SU8.4: a head that is not there has a proof": (
        lambda h: h.heads[2].proof.append(bytes(32)),
        "HEAD_PROOFS",
    ),
    "SU8.4: a head that is not there is left out": (
        lambda h: setattr(h.heads[2], "is_left_out", True),
        "HEAD_PROOFS",
    ),
    "SU8.4: a head that is left out has a proof": (
        lambda h: setattr(h.heads[1], "is_left_out", True),
        "HEAD_PROOFS",
    ),
    "SU8.5: a head without its proof": (lambda h: h.heads[1].ClearField("proof"), "CONSISTENCY"),
}
