"""What is witnessed, and that two witnessed prefixes share an honest auditor (L35, L36)."""

import itertools
from types import SimpleNamespace

import pytest

from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.witness import Cosigned, witnessed, witnessed_size
from fermata.protocol.wire.ports import Witness
from harness.chains import COORDINATOR, Chain, Run, chain_at, cosigned, make_deployment


def quorum_of(auditors: int, threshold: int) -> int:
    """The charter's own formula, also for shapes that no charter may have."""
    shape = SimpleNamespace(auditors=range(auditors), threshold=threshold)
    return int(Charter.endorsement_quorum.fget(shape))  # type: ignore[attr-defined]


@pytest.mark.parametrize("auditors", range(1, 8))
def test_two_witnessed_prefixes_share_an_honest_auditor(auditors: int) -> None:
    """Exhaustively: whichever t - 1 lie, and whoever cosigned which of two logs."""
    for threshold in range(1, auditors + 1):
        quorum = quorum_of(auditors, threshold)
        names = range(auditors)
        for liars in itertools.combinations(names, threshold - 1):
            honest = set(names) - set(liars)
            for ours in itertools.combinations(names, min(quorum, auditors)):
                theirs = set(names) - (set(ours) & honest)
                assert len(theirs) < quorum


def test_the_witnessed_size_is_the_quorum_th_largest() -> None:
    assert witnessed_size(2, []) == 0
    assert witnessed_size(2, [9]) == 0
    assert witnessed_size(2, [9, 4]) == 4
    assert witnessed_size(2, [4, 9, 7]) == 7
    assert witnessed_size(3, [4, 9, 7]) == 4


def head_note(chain: Chain, size: int) -> bytes:
    """The coordinator's head of a log when it had so many entries."""
    origin, key = chain.deployment.charter.log_origin, chain.deployment.keys[COORDINATOR]
    head = Checkpoint(origin, size, chain.tree.root(size))
    return sign_checkpoint(head, origin, key.sign, key.public_key)


def witnesses_of(chain: Chain, **sizes: int) -> list[Witness]:
    """What auditors cosigned of a log at sizes that it had."""
    found = []
    for auditor, size in sizes.items():
        name = auditor.replace("_", "-")
        note = cosigned(chain.deployment, head_note(chain, size), name)
        line = note.splitlines(keepends=True)[-1]
        if chain.deployment.charter.witness_name(name).encode() not in line:
            line = note.splitlines(keepends=True)[-2]
        found.append(Witness(name, size, line))
    return found


def test_auditors_at_different_sizes_witness_the_smaller_prefix() -> None:
    chain = chain_at("opened")
    charter, size = chain.deployment.charter, chain.tree.size
    assert charter.endorsement_quorum == 3
    found = witnessed(
        charter,
        chain.tree,
        witnesses_of(chain, auditor_1=size, auditor_2=size - 3, auditor_3=size - 1),
    )
    assert found.size == size - 3
    assert found.waits_for(size, charter.auditors) == ("auditor-2", "auditor-3")
    assert found.waits_for(size - 3, charter.auditors) == ()
    assert {a: c.size for a, c in found.cosigned.items()} == {
        "auditor-1": size,
        "auditor-2": size - 3,
        "auditor-3": size - 1,
    }


def test_cosignatures_of_a_fork_witness_nothing_of_this_log_and_are_named() -> None:
    ours = chain_at("collecting")
    theirs = ours.fork()
    ours.abstain("lab-1")
    theirs.abstain("lab-2")
    size = ours.tree.size
    lines = witnesses_of(theirs, auditor_1=size, auditor_2=size, auditor_3=size)
    found = witnessed(ours.deployment.charter, ours.tree, lines)
    assert (found.size, found.cosigned) == (0, {})
    assert found.false == ("auditor-1", "auditor-2", "auditor-3")
    # Before the fork both are one log.
    lines = witnesses_of(theirs, auditor_1=size - 1, auditor_2=size - 1, auditor_3=size - 1)
    assert witnessed(ours.deployment.charter, ours.tree, lines).size == size - 1


def test_what_the_reader_has_not_read_and_strangers_count_for_nothing() -> None:
    chain = chain_at("opened")
    charter, size = chain.deployment.charter, chain.tree.size
    shorter = chain_at("collecting")
    lines = witnesses_of(chain, auditor_1=size, auditor_2=size, auditor_3=size)
    assert witnessed(charter, shorter.tree, lines).size == 0
    assert witnessed(charter, chain.tree, lines).size == size
    (one,) = witnesses_of(chain, auditor_1=size)
    for name in ("lab-1", COORDINATOR, "nobody"):
        assert witnessed(charter, chain.tree, [Witness(name, size, one.line)]).cosigned == {}
    # A line that a lab has really signed, under the name that it would have as a witness.
    (by_lab,) = witnesses_of(chain, lab_1=size)
    found = witnessed(charter, chain.tree, [by_lab])
    assert (found.cosigned, found.false) == ({}, ())
    # The line of one auditor under the name of another, and no line at all.
    for line in (one.line, b"", b"junk\n"):
        found = witnessed(charter, chain.tree, [Witness("auditor-2", size, line)])
        assert (found.cosigned, found.false) == ({}, ("auditor-2",))
    assert witnessed(charter, chain.tree, [Witness("auditor-1", 0, one.line)]).cosigned == {}


def test_a_log_that_moves_hands_out_what_each_auditor_cosigned_last() -> None:
    run = Run(make_deployment(last="2025Q4"))
    run.step(COORDINATOR, "auditor-1")
    run.step(COORDINATOR, "lab-1")
    run.step(COORDINATOR, "auditor-2")
    run.step(COORDINATOR, "lab-2")
    run.step("auditor-3")
    run.step(COORDINATOR, "lab-3")
    log = run.log_of("lab-1")
    sizes = {w.auditor: w.size for w in log.witnesses()}
    assert len(sizes) == 3
    assert len(set(sizes.values())) > 1
    found = witnessed(run.charter, run.ledger.replica.tree, log.witnesses())
    assert found.size == min(sizes.values())
    assert found.cosigned["auditor-1"] == Cosigned(
        sizes["auditor-1"], found.cosigned["auditor-1"].time_s
    )
