"""A verdict is about what a quorum of auditors has witnessed, and a bundle shows that."""

import pytest

from fermata.crypto.signing import SigningKey
from fermata.log.checkpoint import Checkpoint, add_signatures, cosign, sign_checkpoint
from fermata.protocol.verify.bundle import CHECKPOINT, WITNESSES
from fermata.protocol.wire.ports import Witness
from fermata.protocol.wire.witnesses import encode_witnesses
from harness.bundles import Files, bundle_of, failed, head_note, invalid, verify, witness_of
from harness.chains import COORDINATOR, Chain, chain_at


def with_lines(chain: Chain, *lines: Witness) -> Files:
    """The bundle of a chain with these cosignatures, whether they hold or not."""
    return {**bundle_of(chain), WITNESSES: encode_witnesses(lines)}


def lines_of(chain: Chain, **sizes: int) -> list[Witness]:
    """Cosignatures of heads of these sizes, by the number of the auditor."""
    named = {name.replace("_", "-"): size for name, size in sizes.items()}
    return [witness_of(chain.deployment, chain.tree, name, size) for name, size in named.items()]


def test_the_witnessed_size_is_what_a_quorum_vouches_for(opened: Chain) -> None:
    size = opened.state.size
    found = verify(bundle_of(opened, sizes={"auditor-1": size, "auditor-2": 5, "auditor-3": 7}))
    assert found.is_valid
    assert (found.size, found.state.size, found.beyond) == (5, 5, size - 5)
    assert {a: c.size for a, c in found.witnessed.cosigned.items()} == {
        "auditor-1": size, "auditor-2": 5, "auditor-3": 7,
    }  # fmt: skip
    assert found.cosigners == 3


def test_a_result_that_is_not_witnessed_is_no_part_of_the_verdict(opened: Chain) -> None:
    """The last entry opens the round; with one cosignature less it has not been opened yet."""
    size = opened.state.size
    assert verify(bundle_of(opened)).state.rounds[0].opening is not None
    found = verify(bundle_of(opened, sizes={f"auditor-{k}": size - k for k in (1, 2, 3)}))
    assert found.is_valid
    assert found.state.rounds[0].opening is None
    assert found.beyond == 3


def test_an_entry_that_is_rejected_after_the_witnessed_ones_is_no_evidence(opened: Chain) -> None:
    size = opened.state.size
    statement = opened.endorsement_statement("auditor-1")
    statement.endorsement.aggregate_sha256 = b"\x01" * 32
    assert not opened.put(opened.seal(statement)).accepted
    assert len(verify(bundle_of(opened)).rejected) == 1
    found = verify(bundle_of(opened, sizes={f"auditor-{k}": size for k in (1, 2, 3)}))
    assert (found.is_valid, found.rejected, found.beyond) == (True, (), 1)


def test_an_entry_that_is_not_witnessed_must_be_a_leaf(opened: Chain) -> None:
    size = opened.state.size
    opened.put_leaf(b"garbage")
    sizes = {f"auditor-{k}": size for k in (1, 2, 3)}
    found = verify(bundle_of(opened, sizes=sizes))
    assert list(failed(found)) == [4]
    assert failed(found)[4][0].startswith(f"entry {size}: ENCODING")


def test_sealed_parts_are_those_that_count_in_the_witnessed_rounds() -> None:
    """Before its close is witnessed, a round's sealed parts do not belong to the bundle."""
    chain = chain_at("opened")
    close = chain.state.rounds[0].close
    assert close is not None
    whole = bundle_of(chain)
    cut = bundle_of(chain, sizes={f"auditor-{k}": close.entry for k in (1, 2, 3)})
    assert verify(cut).is_valid
    assert not any(path.startswith("sealed/") for path in cut)
    sealed = {p: d for p, d in whole.items() if p.startswith("sealed/")}
    invalid({**cut, **sealed}, 3, "a file that does not belong")


def test_a_bundle_says_who_witnessed_its_log(opened: Chain) -> None:
    bundle = bundle_of(opened)
    del bundle[WITNESSES]
    invalid(bundle, 3, "witnesses: the file is missing")


def test_a_line_that_is_not_the_coordinators_is_foreign_to_the_checkpoint(opened: Chain) -> None:
    bundle = bundle_of(opened)
    (line, *_) = lines_of(opened, auditor_1=opened.state.size)
    bundle[CHECKPOINT] = add_signatures(bundle[CHECKPOINT], [line.line])
    invalid(bundle, 3, "checkpoint: FOREIGN_LINE")


def test_the_coordinators_head_is_of_the_entries_that_the_auditors_have_seen(opened: Chain) -> None:
    """Everyone has signed, but the coordinator another root than that of these entries."""
    bundle, charter = bundle_of(opened), opened.deployment.charter
    key = opened.deployment.keys[COORDINATOR]
    head = Checkpoint(charter.log_origin, opened.tree.size, bytes(32))
    note = sign_checkpoint(head, charter.log_origin, key.sign, key.public_key)
    invalid({**bundle, CHECKPOINT: note}, 3, "checkpoint: its hash is not in the checkpoint's root")


def test_a_line_of_a_stranger_makes_a_bundle_invalid(opened: Chain) -> None:
    size, charter = opened.state.size, opened.deployment.charter
    good = lines_of(opened, auditor_1=size, auditor_2=size, auditor_3=size)
    key = SigningKey.from_seed(bytes(32))
    note = head_note(opened.deployment, opened.tree)
    for name in ("mallory", "lab-1"):
        line = cosign(note, charter.witness_name(name), key.sign, key.public_key, 1)
        stranger = Witness(name, size, line)
        invalid(with_lines(opened, *good, stranger), 3, "witnesses: FOREIGN_LINE")


def test_a_forged_line_makes_a_bundle_invalid_though_a_quorum_is_left() -> None:
    chain = chain_at("opened", auditors=4, threshold=2)
    size = chain.state.size
    good = lines_of(chain, auditor_1=size, auditor_2=size, auditor_3=size)
    (of_less,) = lines_of(chain, auditor_4=size - 1)
    bundle = with_lines(chain, *good, Witness("auditor-4", size, of_less.line))
    invalid(bundle, 3, "witnesses: SIGNATURE")


def test_a_line_of_another_log_makes_a_bundle_invalid(opened: Chain, closed: Chain) -> None:
    closed.put_leaf(b"garbage")
    assert closed.tree.size <= opened.tree.size
    good = lines_of(opened, auditor_1=5, auditor_2=5)
    fork = witness_of(closed.deployment, closed.tree, "auditor-3", closed.tree.size)
    invalid(with_lines(opened, *good, fork), 3, "witnesses: SIGNATURE")


def test_an_auditor_has_one_line(opened: Chain) -> None:
    size = opened.state.size
    good = encode_witnesses(lines_of(opened, auditor_1=size, auditor_2=size, auditor_3=size))
    (older,) = lines_of(opened, auditor_1=size - 1)
    bundle = {**bundle_of(opened), WITNESSES: encode_witnesses([older]) + good}
    invalid(bundle, 3, "witnesses: WITNESSES")


def test_a_cosignature_of_entries_that_the_bundle_does_not_have_is_refused(opened: Chain) -> None:
    size = opened.state.size
    longer = opened.fork()
    longer.put_leaf(b"garbage")
    good = lines_of(opened, auditor_1=size, auditor_2=size)
    beyond = witness_of(longer.deployment, longer.tree, "auditor-3", size + 1)
    invalid(with_lines(opened, *good, beyond), 3, "witnesses: SIZE")


@pytest.mark.parametrize("names", [(), ("auditor_1",), ("auditor_1", "auditor_3")])
def test_a_bundle_without_a_witnessed_entry_says_nothing_more(
    opened: Chain, names: tuple[str, ...]
) -> None:
    sizes = dict.fromkeys(names, opened.state.size)
    found = verify(with_lines(opened, *lines_of(opened, **sizes)))
    assert f"cosigned by {len(names)} of 3" in failed(found)[3][0]
    assert [c.number for c in found.checks if c.status == "not checked"] == [2, *range(4, 11), 12]
    assert found.state.rounds == ()
