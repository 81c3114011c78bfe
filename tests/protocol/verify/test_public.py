"""Public bundles: without any ciphertext of a single lab, and what can be verified of them."""

import functools
import random

import pytest

from fermata.protocol.roles.coordinator import close_statement
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.verify.bundle import FULL, MARKER, PUBLIC, sealed_path
from fermata.protocol.verify.check_texts import NOT_CHECKED, OPEN_ONLY, PASSED, TITLES
from fermata.wire.v1 import statement_pb2
from harness.bundles import (
    Files,
    bundle_of,
    bundle_of_run,
    failed,
    files,
    finished_run,
    invalid,
    verify,
)
from harness.chains import Chain, chain_at
from harness.forged import endorse_unseen, false_values, forged, other_plaintexts


@functools.cache
def true_public_files() -> tuple[tuple[str, bytes], ...]:
    return tuple(bundle_of_run(finished_run(), None).items())


def public_files() -> Files:
    return dict(true_public_files())


def public_of(chain: Chain) -> Files:
    """The public bundle of a chain that was written by hand."""
    bundle = {p: d for p, d in bundle_of(chain).items() if not p.startswith("sealed/")}
    return {**bundle, MARKER: PUBLIC}


def test_a_public_bundle_is_the_full_one_without_the_sealed_parts() -> None:
    full, public = files(), public_files()
    assert set(full) - set(public) == {p for p in full if p.startswith("sealed/")}
    assert {p: d for p, d in full.items() if p in public and p != MARKER} == {
        p: d for p, d in public.items() if p != MARKER
    }
    assert (full[MARKER], public[MARKER]) == (FULL, PUBLIC)


def test_a_public_bundle_has_no_ciphertext_of_a_single_lab() -> None:
    run, everything = finished_run(), b"".join(public_files().values())
    for found in run.state.rounds:
        for seen in found.reports.values():
            data = run.ledger.fetch_sealed(seen.sealed_sha256)
            for panel in statement_pb2.SealedPart.FromString(data).panels:
                for field in (*panel.ciphertexts, *panel.announcements, *panel.responses):
                    assert field not in everything


def test_a_public_bundle_verifies_and_says_what_it_cannot_show() -> None:
    found = verify(public_files())
    assert found.is_valid
    assert found.is_public
    assert {c.number: c.status for c in found.checks} == {
        n: NOT_CHECKED if n == 7 else PASSED for n in TITLES
    }
    said = {c.number: c.findings for c in found.checks if c.findings}
    assert said.keys() == {5, 7}
    assert said[5] == (OPEN_ONLY,)
    assert "needs the sealed parts" in said[7][0]
    assert found.state == verify(files()).state


def test_a_full_bundle_is_not_public() -> None:
    assert not verify(files()).is_public


@pytest.mark.parametrize(
    "stage", ["keyed", "collecting", "reported", "closed", "endorsed", "opened"]
)
def test_a_public_log_verifies_wherever_it_has_come_to(stage: str) -> None:
    assert verify(public_of(chain_at(stage))).is_valid


def test_any_file_that_is_missing_from_a_public_bundle_is_found() -> None:
    for path in sorted(public_files()):
        bundle = public_files()
        del bundle[path]
        found = verify(bundle)
        assert not found.is_valid, path
        findings = [finding for each in failed(found).values() for finding in each]
        assert any(path in finding for finding in findings), path


def test_a_sealed_part_in_a_public_bundle_is_a_file_too_many() -> None:
    for path, data in files().items():
        if path.startswith("sealed/"):
            invalid({**public_files(), path: data}, 3, f"{path}: a file that does not belong")


def test_a_full_bundle_that_says_it_is_public_is_refused() -> None:
    found = verify({**files(), MARKER: PUBLIC})
    assert not found.is_valid
    sealed = {p for p in files() if p.startswith("sealed/")}
    assert {f.partition(":")[0] for f in failed(found)[3]} == sealed


def test_a_public_bundle_that_says_it_is_full_is_refused() -> None:
    found = verify({**public_files(), MARKER: FULL})
    assert set(failed(found)) == {6, 7}
    counted = len(finished_run().state.rounds[0].reports) + len(
        finished_run().state.rounds[1].reports
    )
    assert len(failed(found)[6]) == counted


def test_a_marker_with_anything_else_is_refused() -> None:
    for marker in (b"", PUBLIC[:-1], PUBLIC + b"\n", PUBLIC.replace(b"false", b"False")):
        invalid({**public_files(), MARKER: marker}, 3, MARKER)


def test_a_flipped_bit_anywhere_in_a_public_bundle_is_found() -> None:
    for path, data in sorted(public_files().items()):
        chance = random.Random(path)
        for _ in range(6):
            at = chance.randrange(len(data))
            changed = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
            assert not verify({**public_files(), path: changed}).is_valid, (path, at)


def test_the_public_sees_an_open_proof_that_fails(
    collecting: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = forged(collecting, "lab-1", witness=false_values("alpha", 1, 401))
    entry = collecting.put_ok(collecting.seal(statement)).entry
    collecting.report_all(["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"])
    close = close_statement(collecting.state.keyed(), collecting.round, collecting.sealed)
    monkeypatch.setattr(
        "fermata.protocol.fold.round_rules.proven_round", lambda charter, key, found, cache: found
    )
    collecting.put_ok(collecting.seal(close))
    endorse_unseen(collecting)
    collecting.open_part("auditor-1", "auditor-2")
    found = failed(verify(public_of(collecting)))
    assert [f.rsplit(":", 1)[0] for f in found[5]] == [f"entry {entry} (lab-1)"]


def test_the_public_leans_on_the_quorum_for_what_the_sealed_parts_hold(collecting: Chain) -> None:
    statement = forged(collecting, "lab-1", witness=other_plaintexts({"alpha": (12345,)}))
    collecting.put_ok(collecting.seal(statement))
    collecting.report_all(["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"])
    collecting.close()
    endorse_unseen(collecting)
    collecting.open_part("auditor-1", "auditor-2")
    assert verify(public_of(collecting)).is_valid
    assert set(failed(verify(bundle_of(collecting)))) == {5}


def test_sealed_parts_have_their_hashes_as_names() -> None:
    ledger: LogWriter = finished_run().ledger
    for path, data in files().items():
        if path.startswith("sealed/"):
            digest = bytes.fromhex(path[7:-4])
            assert sealed_path(digest) == path
            assert ledger.fetch_sealed(digest) == data
