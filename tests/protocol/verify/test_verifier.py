"""The offline verifier: a true bundle passes, and one with any defect fails by its number."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.integers import int_to_bytes
from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.log.merkle import Tree, leaf_hash
from fermata.log.tiles import export_tiles
from fermata.protocol.verify.bundle import FULL, MARKER, sealed_path
from fermata.protocol.verify.check_texts import PASSED, TITLES
from fermata.protocol.verify.verifier import verify_bundle
from harness.bundles import Files, bundle_of, failed, files, finished_run, invalid, verify
from harness.chains import COORDINATOR, Chain, chain_at

# What is true passes.


def test_a_full_run_verifies() -> None:
    found = verify(files())
    assert [c.number for c in found.checks] == [*range(1, 11), 12]
    assert [(c.status, c.findings) for c in found.checks] == [(PASSED, ())] * len(TITLES)
    assert found.is_valid
    assert found.rejected == ()
    assert found.state.rounds[0].opening is not None
    assert found.state.rounds[1].phase(3) == "refused"
    assert all(c.title for c in found.checks)


def test_the_run_itself_saw_what_the_verifier_sees() -> None:
    assert verify(files()).state == finished_run().state


def test_a_full_run_verifies_against_the_hash_that_the_user_trusts() -> None:
    assert verify(files(), finished_run().charter.sha256).is_valid
    invalid(files(), 1, "entry 0", "CHARTER_HASH", pin=b"\x01" * 32)


def test_a_test_key_does_not_verify_where_no_test_is_run() -> None:
    found = verify_bundle(files())
    assert not found.is_valid
    assert "modulus_bits" in failed(found)[1][0]


@pytest.mark.parametrize(
    "stage", ["keyed", "collecting", "reported", "closed", "endorsed", "opened"]
)
def test_a_log_verifies_wherever_it_has_come_to(stage: str) -> None:
    assert verify(bundle_of(chain_at(stage))).is_valid


def test_a_log_without_a_key_is_not_valid() -> None:
    chain = chain_at("empty")
    chain.put_ok(chain.deployment.charter_envelope)
    invalid(bundle_of(chain), 2, "no valid key record")


def test_a_wrong_part_of_an_auditor_does_not_make_a_run_invalid(endorsed: Chain) -> None:
    statement = endorsed.opening_statement("auditor-1")
    statement.partial_opening.panels[0].parts[0] = int_to_bytes(2, 64)
    endorsed.put_ok(endorsed.seal(statement))
    endorsed.open_part("auditor-2", "auditor-3")
    found = verify(bundle_of(endorsed))
    assert found.is_valid
    assert found.state.rounds[0].culprits == {"auditor-1"}


def test_evidence_is_shown_and_does_not_make_a_run_invalid(closed: Chain) -> None:
    statement = closed.endorsement_statement("auditor-1")
    statement.endorsement.aggregate_sha256 = b"\x01" * 32
    assert closed.put(closed.seal(statement)).reason == "WRONG_CLOSE"
    found = verify(bundle_of(closed))
    assert found.is_valid
    assert [(v.author, v.reason) for v in found.rejected] == [("auditor-1", "WRONG_CLOSE")]


# Files.


def test_an_empty_bundle_is_not_valid() -> None:
    invalid({}, 3, "checkpoint: the file is missing")


@pytest.mark.parametrize("path", sorted(files()))
def test_a_missing_file_is_named(path: str) -> None:
    bundle = files()
    del bundle[path]
    found = verify(bundle)
    assert not found.is_valid
    assert any(path in finding for findings in failed(found).values() for finding in findings)


@pytest.mark.parametrize("path", sorted(files()))
def test_a_renamed_file_is_missed_under_its_name(path: str) -> None:
    bundle = files()
    bundle[path + "x"] = bundle.pop(path)
    found = verify(bundle)
    assert not found.is_valid
    assert any(path in finding for findings in failed(found).values() for finding in findings)


@pytest.mark.parametrize("path", sorted(files()))
def test_an_emptied_file_is_found(path: str) -> None:
    found = verify({**files(), path: b""})
    assert not found.is_valid
    assert failed(found)


@pytest.mark.parametrize(
    "path",
    [
        "README",
        "tile/0/001",
        "tile/entries/000",
        "sealed/" + "00" * 32 + ".bin",
        "../x",
        "checkpoint.old",
        "x\x1b[2J",
    ],
)
def test_a_file_too_many_is_named(path: str) -> None:
    shown = "".join(c if c.isprintable() else "?" for c in path)
    invalid({**files(), path: b"x"}, 3, shown)


def test_sealed_parts_that_are_swapped_are_found() -> None:
    bundle = files()
    first, second = [p for p in sorted(bundle) if p.startswith("sealed/")][:2]
    bundle[first], bundle[second] = bundle[second], bundle[first]
    invalid(bundle, 6, "entry ", "must be the one that the report names")


def test_another_format_is_refused() -> None:
    invalid({**files(), MARKER: FULL.replace(b"1", b"2")}, 3, MARKER)
    invalid({**files(), MARKER: FULL.replace(b"true", b"null")}, 3, MARKER)


def test_the_charter_for_people_is_the_charter_of_the_log() -> None:
    changed = files()["charter.toml"].replace(b"cohort_min = 3", b"cohort_min = 4")
    invalid({**files(), "charter.toml": changed}, 1, "charter.toml")


def positions(path: str, data: bytes) -> list[int]:
    """Every position of a small file; of others the ends, and a sample in between."""
    if len(data) <= 200:
        return list(range(len(data)))
    chosen = random.Random(path).sample(range(len(data)), 24)
    return sorted({0, 1, len(data) - 2, len(data) - 1, *chosen})


def flipped(path: str, position: int) -> Files:
    bundle = files()
    data = bytearray(bundle[path])
    data[position] ^= 1 << position % 8
    bundle[path] = bytes(data)
    return bundle


@pytest.mark.parametrize("path", sorted(files()))
def test_a_flipped_bit_anywhere_is_found_and_placed(path: str) -> None:
    for position in positions(path, files()[path]):
        found = verify(flipped(path, position))
        assert not found.is_valid, position
        findings = [f for each in failed(found).values() for f in each]
        assert findings
        # A head of another size names tiles that the bundle does not have.
        placed = ("tile/", *files())
        assert all("entry " in f or any(p in f for p in placed) for f in findings), findings


def test_the_flips_are_many_enough() -> None:
    assert sum(len(positions(p, d)) for p, d in files().items()) >= 200


@pytest.mark.parametrize("file", ["checkpoint", "witnesses"])
def test_every_byte_of_a_checkpoint_and_of_its_witnesses_counts(keyed: Chain, file: str) -> None:
    bundle = bundle_of(keyed)
    assert verify(bundle).is_valid
    data = bundle[file]
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        assert not verify({**bundle, file: bytes(changed)}).is_valid, position


# The log.


def test_truncated_tiles_are_found() -> None:
    bundle = files()
    path = next(p for p in bundle if p.startswith("tile/entries/"))
    for cut in (1, 4, 100, len(bundle[path]) // 2):
        invalid({**bundle, path: bundle[path][:-cut]}, 3, path)
    invalid({**bundle, path: bundle[path] + b"\x00\x00\x00\x00"}, 3, path)
    path = next(p for p in bundle if p.startswith("tile/0/"))
    invalid({**bundle, path: bundle[path][:-32]}, 3, path)


def test_a_log_cut_short_does_not_fit_its_checkpoint() -> None:
    leaves = finished_run().leaves()[:-1]
    kept = {p: d for p, d in files().items() if not p.startswith("tile/")}
    invalid({**kept, **export_tiles(leaves)}, 3, "tile/")


def test_a_shorter_log_that_the_coordinator_signs_alone_is_not_enough(opened: Chain) -> None:
    shorter = chain_at("endorsed")
    assert opened.leaves[: len(shorter.leaves)] == shorter.leaves
    invalid(bundle_of(shorter, ()), 3, "no entry is witnessed", "cosigned by 0 of 3")


def test_a_checkpoint_of_a_size_beyond_all_files_is_refused_at_once() -> None:
    run = finished_run()
    key = run.deployment.keys[COORDINATOR]
    for size in (10**12, 2**63 - 1):
        head = Checkpoint(run.charter.log_origin, size, b"\x01" * 32)
        note = sign_checkpoint(head, run.charter.log_origin, key.sign, key.public_key)
        invalid({**files(), "checkpoint": note}, 3, f"covers {size} entries")


def test_an_empty_log_is_not_valid() -> None:
    run = finished_run()
    key = run.deployment.keys[COORDINATOR]
    head = Checkpoint(run.charter.log_origin, 0, Tree().root())
    note = sign_checkpoint(head, run.charter.log_origin, key.sign, key.public_key)
    invalid({MARKER: FULL, "checkpoint": note}, 3, "covers 0 entries")


@pytest.mark.parametrize("cosigners", [("auditor-1",), ("auditor-1", "auditor-3")])
def test_fewer_cosignatures_than_the_quorum_are_not_enough(
    opened: Chain, cosigners: tuple[str, ...]
) -> None:
    invalid(bundle_of(opened, cosigners), 3, f"cosigned by {len(cosigners)} of 3")


def test_more_cosignatures_than_the_quorum_do_not_excuse_a_false_one() -> None:
    chain = chain_at("opened", auditors=4, threshold=2)
    bundle = bundle_of(chain)
    assert chain.deployment.charter.endorsement_quorum == 3
    assert verify(bundle).is_valid
    assert verify(bundle_of(chain, ("auditor-1", "auditor-2", "auditor-4"))).is_valid
    data = bundle["witnesses"]
    for position in range(data.rindex(b"\n", 0, -1) + 1, len(data)):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        invalid({**bundle, "witnesses": changed}, 3, "witnesses")


def test_a_head_signed_by_another_key_is_refused(opened: Chain) -> None:
    bundle = bundle_of(opened)
    tree = Tree()
    for leaf in opened.leaves:
        tree.append(leaf_hash(leaf))
    key = opened.deployment.keys["lab-1"]
    origin = opened.deployment.charter.log_origin
    note = sign_checkpoint(
        Checkpoint(origin, tree.size, tree.root()), origin, key.sign, key.public_key
    )
    invalid({**bundle, "checkpoint": note}, 3, "checkpoint", "UNSIGNED")


# Nothing in a bundle may stop the verifier.


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_bundle_never_stops_the_verifier(data: st.DataObject) -> None:
    bundle = files()
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(sorted(bundle)))
        content = bytearray(bundle[path])
        action = data.draw(st.sampled_from(["flip", "cut", "insert", "replace", "delete", "move"]))
        position = data.draw(st.integers(0, max(0, len(content) - 1)))
        if action == "flip" and content:
            content[position] ^= data.draw(st.integers(1, 255))
        elif action == "cut":
            del content[position:]
        elif action == "insert":
            content[position:position] = data.draw(st.binary(min_size=1, max_size=50))
        elif action == "replace":
            content = bytearray(data.draw(st.binary(max_size=100)))
        elif action == "move":
            bundle[data.draw(st.text(max_size=20))] = bytes(content)
        if action == "delete":
            del bundle[path]
        else:
            bundle[path] = bytes(content)
    found = verify(bundle)
    assert found.is_valid == (bundle == files())


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["checkpoint", MARKER, "charter.toml", "tile/entries/000.p/1", "x"]),
        st.binary(max_size=200),
    )
)
def test_random_files_are_never_valid(bundle: Files) -> None:
    assert not verify(bundle).is_valid


def test_a_path_of_a_sealed_part_is_its_digest() -> None:
    assert sealed_path(b"\xab" * 32) == f"sealed/{'ab' * 32}.bin"


def test_a_head_of_another_log_under_the_coordinators_name_and_key_is_found(opened: Chain) -> None:
    """One key may sign heads of several logs: only the origin says which one it is of."""
    charter, keys = opened.deployment.charter, opened.deployment.keys
    tree = Tree()
    for leaf in opened.leaves:
        tree.append(leaf_hash(leaf))
    head = Checkpoint("another.example/log", tree.size, tree.root())
    key = keys[COORDINATOR]
    note = sign_checkpoint(head, charter.log_origin, key.sign, key.public_key)
    bundle = bundle_of(opened)
    bundle["checkpoint"] = note
    invalid(bundle, 3, "must be of the log")
