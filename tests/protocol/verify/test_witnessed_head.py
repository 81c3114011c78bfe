"""A head of an early size with later cosignatures of it: made, and every defect refused."""

from dataclasses import replace

import pytest

from fermata.errors import InvalidEncoding, InvalidProof, InvalidSignature, VerificationError
from fermata.log.checkpoint import Checkpoint, add_signatures, sign_checkpoint
from fermata.protocol.verify.witnessed_head import (
    HeadWitness,
    WitnessedHead,
    check_witnessed_head,
    witnessed_head,
)
from fermata.protocol.wire.ports import Witness
from harness.bundles import head_note, witness_of
from harness.chains import COORDINATOR, Chain, chain_at

SIZES = {"auditor-1": 9, "auditor-2": 7, "auditor-3": 12, "auditor-4": 3}


@pytest.fixture(scope="module")
def chain() -> Chain:
    """Of four auditors three make a quorum; the log is longer than what they have cosigned."""
    made = chain_at("opened", auditors=4, threshold=2)
    assert made.tree.size > 12
    return made


def lines(chain: Chain, **sizes: int) -> list[Witness]:
    named = {name.replace("_", "-"): size for name, size in sizes.items()} or SIZES
    return [witness_of(chain.deployment, chain.tree, name, size) for name, size in named.items()]


def made(chain: Chain, size: int = 7, coordinator: int | None = None) -> WitnessedHead:
    note = head_note(chain.deployment, chain.tree, coordinator)
    return witnessed_head(chain.deployment.charter, chain.tree, size, note, lines(chain))


def check(chain: Chain, head: WitnessedHead) -> None:
    check_witnessed_head(chain.deployment.charter, head)


def refused(chain: Chain, head: WitnessedHead, kind: type[VerificationError], reason: str) -> None:
    with pytest.raises(kind) as caught:
        check(chain, head)
    assert caught.value.reason == reason


def with_witness(head: WitnessedHead, place: int, **changes: object) -> WitnessedHead:
    witnesses = list(head.witnesses)
    witnesses[place] = replace(witnesses[place], **changes)  # type: ignore[arg-type]
    return replace(head, witnesses=tuple(witnesses))


@pytest.mark.parametrize("size", range(1, 8))
@pytest.mark.parametrize("coordinator", [7, 8, 12, None])
def test_the_first_entries_are_shown_to_be_witnessed_without_the_log(
    chain: Chain, size: int, coordinator: int | None
) -> None:
    head = made(chain, size, coordinator)
    check(chain, head)
    assert (head.size, head.root) == (size, chain.tree.root(size))
    expected = [a for a in sorted(SIZES) if SIZES[a] >= size]
    assert [w.auditor for w in head.witnesses] == expected


def test_nothing_is_proven_of_heads_of_the_same_size(chain: Chain) -> None:
    note = head_note(chain.deployment, chain.tree, 7)
    seen = lines(chain, auditor_1=7, auditor_2=7, auditor_3=7)
    head = witnessed_head(chain.deployment.charter, chain.tree, 7, note, seen)
    check(chain, head)
    assert head.proof == ()
    assert [w.proof for w in head.witnesses] == [(), (), ()]


@pytest.mark.parametrize("size", [0, -1, 8, 13, 10_000])
def test_what_is_not_witnessed_has_no_such_head(chain: Chain, size: int) -> None:
    with pytest.raises(ValueError, match="must be witnessed"):
        made(chain, size)


def test_cosignatures_that_do_not_hold_are_left_out(chain: Chain) -> None:
    deployment, tree = chain.deployment, chain.tree
    good = lines(chain)
    forged = Witness("auditor-4", 12, good[0].line)
    stranger = Witness("lab-1", 9, good[0].line)
    older = witness_of(deployment, tree, "auditor-1", 8)
    note = head_note(deployment, tree)
    head = witnessed_head(
        deployment.charter, tree, 7, note, [forged, good[0], older, *good[1:3], stranger]
    )
    assert head == made(chain)
    check(chain, head)
    with pytest.raises(ValueError, match="got 2 witnesses"):
        witnessed_head(deployment.charter, tree, 7, note, [forged, *good[:2], stranger])


def test_only_the_coordinators_line_of_its_note_is_kept(chain: Chain) -> None:
    deployment, tree = chain.deployment, chain.tree
    note = add_signatures(
        head_note(deployment, tree), [witness_of(deployment, tree, "auditor-1", tree.size).line]
    )
    head = witnessed_head(deployment.charter, tree, 7, note, lines(chain))
    assert head == made(chain)
    refused(chain, replace(head, checkpoint=note), InvalidSignature, "FOREIGN_LINE")


# N4.12.


def test_the_coordinator_must_have_signed_a_head(chain: Chain) -> None:
    head, key = made(chain), chain.deployment.keys["lab-1"]
    origin = chain.deployment.charter.log_origin
    newest = Checkpoint(origin, chain.tree.size, chain.tree.root())
    of_another = sign_checkpoint(newest, origin, key.sign, key.public_key)
    refused(chain, replace(head, checkpoint=of_another), InvalidSignature, "UNSIGNED")
    true_key = chain.deployment.keys[COORDINATOR]
    elsewhere = sign_checkpoint(
        replace(newest, origin="other.fermata/log"), origin, true_key.sign, true_key.public_key
    )
    refused(chain, replace(head, checkpoint=elsewhere), InvalidSignature, "ORIGIN")
    refused(chain, replace(head, checkpoint=b"no head"), InvalidEncoding, "NOTE")


# N4.13.


def test_the_coordinators_head_must_extend_the_entries(chain: Chain) -> None:
    head = made(chain)
    shorter = head_note(chain.deployment, chain.tree, 6)
    for wrong in (
        replace(head, proof=head.proof[:-1]),
        replace(head, proof=(*head.proof, bytes(32))),
        replace(head, proof=(bytes(31), *head.proof[1:])),
        replace(head, root=chain.tree.root(6)),
        replace(head, size=8),
        replace(head, checkpoint=shorter, proof=()),
    ):
        refused(chain, wrong, InvalidProof, "CONSISTENCY")


def fork_of(chain: Chain) -> Chain:
    """Another log of the coordinator's, from its fifth entry on."""
    fork = Chain(chain.deployment)
    for leaf in chain.leaves[:5]:
        fork.put_leaf(leaf)
    while fork.tree.size < chain.tree.size:
        fork.put_leaf(b"another entry")
    return fork


def test_a_log_that_only_the_coordinator_has_signed_is_not_witnessed(chain: Chain) -> None:
    """The node and the coordinator agree on a fork, and have true cosignatures of the log."""
    fork, head = fork_of(chain), made(chain)
    note = head_note(chain.deployment, fork.tree)
    proof = tuple(fork.tree.consistency_proof(7, fork.tree.size))
    forged = replace(head, root=fork.tree.root(7), checkpoint=note, proof=proof)
    refused(chain, forged, InvalidProof, "CONSISTENCY")
    # Roots and proofs of the fork do not help: the auditors have signed others.
    of_fork = [
        HeadWitness(
            w.auditor,
            w.size,
            fork.tree.root(w.size),
            w.line,
            tuple(fork.tree.consistency_proof(7, w.size)),
        )
        for w in head.witnesses
    ]
    refused(chain, replace(forged, witnesses=tuple(of_fork)), InvalidSignature, "SIGNATURE")


# N4.14.


def test_each_witness_is_another_auditor(chain: Chain) -> None:
    head = made(chain)
    one, two, three = head.witnesses
    for witnesses in ((one, one, two), (two, one, three), (one, one, two, three)):
        refused(chain, replace(head, witnesses=witnesses), InvalidEncoding, "NOTICE")


# N4.15.


@pytest.mark.parametrize("name", ["lab-1", COORDINATOR, "zoe"])
def test_only_auditors_are_witnesses(chain: Chain, name: str) -> None:
    head = made(chain)
    stranger = replace(head.witnesses[0], auditor=name)
    witnesses = tuple(sorted((*head.witnesses, stranger), key=lambda w: w.auditor))
    refused(chain, replace(head, witnesses=witnesses), InvalidSignature, "NOT_ON_ROSTER")


# N4.16.


def test_a_cosignature_must_be_of_the_head_that_it_comes_with(chain: Chain) -> None:
    head = made(chain)
    one, two, _ = head.witnesses
    forged = one.line[:-6] + (b"AA" if one.line[-6:-4] != b"AA" else b"BB") + one.line[-4:]
    for place, changes, reason in (
        (0, {"line": two.line}, "UNSIGNED"),
        (0, {"line": forged}, "SIGNATURE"),
        (0, {"size": one.size + 1}, "SIGNATURE"),
        (0, {"root": chain.tree.root(8)}, "SIGNATURE"),
    ):
        refused(chain, with_witness(head, place, **changes), InvalidSignature, reason)
    refused(chain, with_witness(head, 0, line=b"junk"), InvalidEncoding, "NOTE")


# N4.17.


def test_a_cosigned_head_must_extend_the_entries(chain: Chain) -> None:
    head = made(chain)
    one = head.witnesses[0]
    for proof in ((), one.proof[:-1], (*one.proof, bytes(32)), (bytes(32), *one.proof[1:])):
        refused(chain, with_witness(head, 0, proof=proof), InvalidProof, "CONSISTENCY")
    (less,) = lines(chain, auditor_1=6)
    fewer = {"size": 6, "root": chain.tree.root(6), "line": less.line, "proof": ()}
    refused(chain, with_witness(head, 0, **fewer), InvalidProof, "CONSISTENCY")


# N4.18.


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_witnesses_than_the_quorum_are_not_enough(chain: Chain, count: int) -> None:
    head = made(chain)
    assert chain.deployment.charter.endorsement_quorum == 3
    fewer = replace(head, witnesses=head.witnesses[:count])
    refused(chain, fewer, InvalidSignature, "WITNESSES_FEW")
