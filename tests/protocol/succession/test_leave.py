"""A Leave and its certificate: every defect is refused for its own reason."""

from collections.abc import Callable

import pytest

from fermata.errors import VerificationError
from fermata.log.checkpoint import add_signatures
from fermata.protocol.succession.certificate import check_certificate, make_certificate
from fermata.protocol.succession.leave import LEAVE_TYPE, open_leave, seal_leave
from fermata.protocol.wire.codec import STATEMENT_TYPE, encode
from fermata.protocol.wire.envelope import seal
from fermata.wire.v1.succession_pb2 import Certificate, Leave
from harness.chains import COORDINATOR
from harness.succession import AUDITORS, make_succession, tree_of

WORLD = make_succession()
SHORT, LONG = tree_of("a", "b", "c"), tree_of("a", "b", "c", "d", "e")
FORK = tree_of("a", "b", "x", "y")


def refused(envelope: bytes) -> str:
    with pytest.raises(VerificationError) as caught:
        open_leave(WORLD.views, envelope)
    return caught.value.reason


def leave() -> Leave:
    return WORLD.leave("auditor-1", LONG, SHORT)


def test_a_leave_says_who_left_for_which_view_and_what_it_shows() -> None:
    (envelope,) = WORLD.seal(leave())
    left = open_leave(WORLD.views, envelope)
    assert (left.auditor, left.view, left.head_view) == ("auditor-1", 1, 0)
    assert left.certificate is not None
    assert left.head is not None
    assert (left.certificate.size, left.head.size) == (3, 5)
    assert left.head.root == LONG.root()


def test_a_leave_may_show_nothing_while_nothing_is_cosigned() -> None:
    (envelope,) = WORLD.seal(WORLD.leave("auditor-1", None))
    left = open_leave(WORLD.views, envelope)
    assert (left.certificate, left.head) == (None, None)


def test_a_head_of_a_later_view_is_signed_by_its_coordinator_under_its_origin() -> None:
    said = WORLD.leave("auditor-1", LONG, SHORT, view=3, head_view=2)
    left = open_leave(WORLD.views, WORLD.seal(said)[0])
    assert left.head is not None
    assert left.head.origin == WORLD.deployment.charter.log_origin + "/2"
    assert WORLD.views.coordinator(2).id == "successor-2"
    assert WORLD.views.coordinator(3).id == COORDINATOR


def changed(change: Callable[[Leave], None]) -> bytes:
    said = leave()
    change(said)
    return WORLD.seal(said)[0]


def with_head(note: bytes) -> bytes:
    return changed(lambda said: setattr(said.head, "note", note))


def test_su5_2_another_word_is_not_a_leave() -> None:
    envelope = seal(STATEMENT_TYPE, encode(leave()), {"auditor-1": WORLD.keys["auditor-1"]})
    assert refused(envelope) == "LEAVE"


def test_su5_1_and_3_a_leave_has_one_form() -> None:
    (envelope,) = WORLD.seal(leave())
    assert refused(envelope + b"\x78\x01") == "ENCODING"
    payload = encode(leave()) + b"\x78\x01"
    assert refused(seal(LEAVE_TYPE, payload, {"auditor-1": WORLD.keys["auditor-1"]})) == "ENCODING"


@pytest.mark.parametrize("party", [COORDINATOR, "lab-1", "successor-1"])
def test_su5_4_only_an_auditor_leaves(party: str) -> None:
    said = leave()
    said.auditor = party
    assert refused(seal_leave(said, WORLD.keys[party])) == "NOT_ON_ROSTER"


def test_su5_5_nobody_is_made_to_leave() -> None:
    payload, key = encode(leave()), WORLD.keys["auditor-2"]
    assert refused(seal(LEAVE_TYPE, payload, {"auditor-1": key})) == "SIGNATURE"
    assert refused(seal(LEAVE_TYPE, payload, {"auditor-2": key})) == "SIGNERS"


def test_su5_6_a_leave_is_of_one_charter() -> None:
    assert refused(changed(lambda said: setattr(said, "charter_sha256", bytes(32)))) == (
        "CHARTER_HASH"
    )


@pytest.mark.parametrize(("view", "head_view"), [(0, 0), (1, 1), (2, 3)])
def test_su5_7_who_has_cosigned_in_a_view_has_not_left_it(view: int, head_view: int) -> None:
    said = WORLD.leave("auditor-1", LONG, view=view, head_view=head_view)
    assert refused(WORLD.seal(said)[0]) == "VIEW"
    said = WORLD.leave("auditor-1", None, LONG, view=view, certificate_view=head_view)
    assert refused(WORLD.seal(said)[0]) == "VIEW"


def test_su5_8_a_head_is_that_of_its_views_coordinator_alone() -> None:
    assert refused(with_head(WORLD.note(1, LONG))) == "UNSIGNED"
    assert refused(changed(lambda said: setattr(said.head, "view", 0) or said.head.ClearField(
        "note"))) == "NOTE"  # fmt: skip
    line = WORLD.witness(0, LONG, "auditor-1").line
    assert refused(with_head(add_signatures(WORLD.note(0, LONG), [line]))) == "FOREIGN_LINE"
    assert refused(with_head(WORLD.note(0, tree_of()))) == "CHECKPOINT"
    note = WORLD.note(0, LONG)
    assert refused(with_head(note[:-6] + b"AAA=\n")) in {"SIGNATURE", "NOTE"}


def test_su5_9_a_certificate_in_it_is_checked() -> None:
    assert refused(changed(lambda said: said.certificate.witnesses.pop())) == "WITNESSES_FEW"


def certificate_refused(change: Callable[[Certificate], object]) -> str:
    certificate = WORLD.certificate(SHORT)
    change(certificate)
    with pytest.raises(VerificationError) as caught:
        check_certificate(WORLD.views, certificate)
    return caught.value.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: setattr(c, "size", 0), "CERTIFICATE"),
        (lambda c: setattr(c, "size", 2**63), "CERTIFICATE"),
        (lambda c: setattr(c, "root", bytes(31)), "CERTIFICATE"),
        (lambda c: setattr(c.witnesses[0], "size", 0), "CERTIFICATE"),
        (lambda c: setattr(c.witnesses[2], "root", b""), "CERTIFICATE"),
        (lambda c: c.witnesses[1].CopyFrom(c.witnesses[0]), "CERTIFICATE"),
        (lambda c: c.witnesses.reverse(), "CERTIFICATE"),
        (lambda c: setattr(c.witnesses[2], "auditor", "lab-1"), "NOT_ON_ROSTER"),
        (lambda c: setattr(c.witnesses[0], "line", c.witnesses[1].line), "UNSIGNED"),
        (lambda c: setattr(c, "view", 1), "SIGNATURE"),
        (lambda c: setattr(c.witnesses[0], "root", LONG.root()), "SIGNATURE"),
        (lambda c: setattr(c, "size", 2), "CONSISTENCY"),
        (lambda c: setattr(c, "root", LONG.root()), "CONSISTENCY"),
        (lambda c: c.witnesses.pop(), "WITNESSES_FEW"),
        (lambda c: c.ClearField("witnesses"), "WITNESSES_FEW"),
    ],
)
def test_su7_every_defect_of_a_certificate_is_refused(
    change: Callable[[Certificate], object], reason: str
) -> None:
    assert certificate_refused(change) == reason


def test_a_certificate_counts_later_cosignatures_of_the_same_log() -> None:
    lines = [
        WORLD.witness(0, LONG, "auditor-1", 5),
        WORLD.witness(0, LONG, "auditor-2", 3),
        WORLD.witness(0, LONG, "auditor-3", 4),
        WORLD.witness(0, LONG, "auditor-4", 2),
        WORLD.witness(0, FORK, "auditor-4", 4),
        WORLD.witness(1, LONG, "auditor-4", 5),
    ]
    made = make_certificate(WORLD.views, 0, LONG, lines)
    assert made is not None
    assert (made.size, [w.auditor for w in made.witnesses]) == (3, list(AUDITORS[:3]))
    check_certificate(WORLD.views, made)
    assert make_certificate(WORLD.views, 0, LONG, lines[:2]) is None
    assert make_certificate(WORLD.views, 0, FORK, lines) is None
