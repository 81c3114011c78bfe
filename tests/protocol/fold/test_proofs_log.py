"""Bad proofs that got into the log: excluded from closes, never opened, found by whoever looks."""

import functools
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.report.batch import BatchItem, verify_batch
from fermata.errors import InvalidProof, Refusal
from fermata.protocol.fold import round_rules
from fermata.protocol.fold.proofs import (
    PROOF,
    context_of,
    failures_of,
    proven_round,
    report_check,
    verify_report,
)
from fermata.protocol.fold.reports import check_sealed
from fermata.protocol.roles.auditor import check_close
from fermata.protocol.roles.coordinator import close_statement
from fermata.protocol.state.state import ReportSeen
from fermata.wire.v1 import statement_pb2
from harness.bundles import bundle_of, failed, verify
from harness.chains import Chain, chain_at, make_deployment
from harness.forged import (
    endorse_unseen,
    false_values,
    forged,
    other_plaintexts,
    sealed_of,
    with_sealed,
)
from harness.rogue import RogueLog, all_auditors, let_work

Statement = statement_pb2.Statement


# Forced into the log.


def forced(chain: Chain, statement: Statement) -> int:
    """What a coordinator logs in spite of its duties; the fold alone does not look at proofs."""
    return chain.put_ok(chain.seal(statement)).entry


def out_of_range(chain: Chain, lab: str) -> Statement:
    return forged(chain, lab, witness=false_values("alpha", 1, 401))


def test_a_close_excludes_a_report_whose_open_proof_fails(collecting: Chain) -> None:
    entry = forced(collecting, out_of_range(collecting, "lab-1"))
    collecting.report_all(["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"])
    close = collecting.close_statement().close_round
    assert [r.lab for r in close.listed] == ["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"]
    assert [(e.entry, e.reason) for e in close.excluded] == [(entry, PROOF)]
    collecting.close()
    collecting.endorse()
    collecting.open_part("auditor-1", "auditor-2")
    found = collecting.round
    assert found.opening is not None
    assert found.close is not None
    assert found.close.members["alpha"] == ("lab-2", "lab-3", "lab-4", "lab-5", "lab-6")
    assert verify(bundle_of(collecting)).is_valid


def test_a_corrected_report_whose_proof_fails_does_not_bring_the_first_back(
    collecting: Chain,
) -> None:
    collecting.report_all()
    first = collecting.round.reports["lab-1"].entry
    entry = forced(collecting, out_of_range(collecting, "lab-1"))
    excluded = collecting.close_statement().close_round.excluded
    assert [(e.entry, e.reason) for e in excluded] == [(first, "SUPERSEDED"), (entry, PROOF)]
    collecting.close()
    assert "lab-1" not in collecting.round.reports


def close_that_lists_all(chain: Chain) -> Statement:
    """The close of a coordinator that looks at no proof."""
    return close_statement(chain.state.keyed(), chain.round, chain.sealed)


def test_everyone_rejects_a_close_that_lists_a_report_whose_proof_fails(collecting: Chain) -> None:
    forced(collecting, out_of_range(collecting, "lab-1"))
    collecting.report_all(["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"])
    statement = close_that_lists_all(collecting)
    verdict = collecting.put(collecting.seal(statement))
    assert (verdict.accepted, verdict.reason) == (False, "CLOSE_LIST")
    assert collecting.round.close is None


@pytest.mark.parametrize("reason", ["LATE", "PROOF"])
def test_a_report_whose_proof_holds_cannot_be_excluded(reported: Chain, reason: str) -> None:
    statement = reported.close_statement()
    entry = reported.round.reports["lab-1"].entry
    del statement.close_round.listed[0]
    statement.close_round.excluded.append(statement_pb2.ExcludedReport(entry=entry, reason=reason))
    verdict = reported.put(reported.seal(statement))
    assert (verdict.accepted, verdict.reason) == (False, "CLOSE_LIST")


def test_a_report_whose_proof_fails_is_excluded_for_no_other_reason(collecting: Chain) -> None:
    forced(collecting, out_of_range(collecting, "lab-1"))
    collecting.report_all(["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"])
    statement = collecting.close_statement()
    statement.close_round.excluded[0].reason = "LATE"
    verdict = collecting.put(collecting.seal(statement))
    assert (verdict.accepted, verdict.reason) == (False, "CLOSE_EXCLUDED")


def test_an_auditor_looks_at_open_proofs_itself(
    collecting: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced(collecting, out_of_range(collecting, "lab-1"))
    collecting.report_all(["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"])
    statement = close_that_lists_all(collecting)
    monkeypatch.setattr(round_rules, "proven_round", lambda charter, key, found, cache: found)
    collecting.put_ok(collecting.seal(statement))
    with pytest.raises(Refusal) as caught:
        check_close(collecting.state, collecting.round, collecting.fetch)
    assert caught.value.reason == "P2_PROOF"
    assert "lab-1" in str(caught.value)
    found = failed(verify(bundle_of(collecting)))
    entry = collecting.round.reports["lab-1"].entry
    assert [f.rsplit(":", 1)[0] for f in found[5]] == [f"entry {entry} (lab-1)"]


def other_numbers(chain: Chain) -> Statement:
    return forged(chain, "lab-1", witness=other_plaintexts({"alpha": (12345,)}))


def short_response(chain: Chain) -> Statement:
    statement = chain.report_statement("lab-1")
    sealed = sealed_of(chain, statement)
    sealed.panels[0].responses[0] = sealed.panels[0].responses[0][:-1]
    return with_sealed(chain, statement, sealed)


def swapped_announcement(chain: Chain) -> Statement:
    statement = chain.report_statement("lab-1")
    sealed = sealed_of(chain, statement)
    sealed.panels[0].announcements[0] = sealed.panels[0].ciphertexts[0]
    return with_sealed(chain, statement, sealed)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (other_numbers, "PA"),
        (swapped_announcement, "SEALED_DIGEST"),
        (short_response, "SEALED_DIGEST"),
    ],
)
def test_a_sealed_part_that_does_not_fit_its_proof_is_never_opened(
    collecting: Chain, make: Callable[[Chain], Statement], reason: str
) -> None:
    """The open part is sound, so the close must list it: auditors are who stops it."""
    entry = forced(collecting, make(collecting))
    collecting.report_all(["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"])
    collecting.close()
    assert "lab-1" in collecting.round.reports
    log = RogueLog(collecting)
    auditors = all_auditors(log)
    let_work(*auditors)
    assert log.said("endorsement") == []
    assert log.said("partial_opening") == []
    assert all("close_not_endorsed 1 P2_PROOF" in auditor.told for auditor in auditors)
    # A quorum that vouches unseen gets its result, and whoever verifies sees whose report it is.
    endorse_unseen(collecting)
    collecting.open_part("auditor-1", "auditor-2")
    found = verify(bundle_of(collecting))
    assert failed(found) == {5: (f"entry {entry} (lab-1): {reason}",)}


def test_a_replayed_report_is_not_counted_again(collecting: Chain) -> None:
    statement = collecting.report_statement("lab-1")
    forced(collecting, statement)
    assert collecting.put(collecting.seal(statement)).reason == "DUPLICATE"
    collecting.report_all(["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"])
    collecting.close()
    collecting.open_round()
    assert collecting.put(collecting.seal(statement)).reason == "ROUND_CLOSED"
    statement.report.round = 2
    assert collecting.put(collecting.seal(statement)).reason == "SEEN_BEFORE"
    statement.ClearField("seen")
    assert collecting.put(collecting.seal(statement)).reason == "CT_REUSED"


# Many at once.


@functools.cache
def many() -> tuple[Chain, dict[str, ReportSeen], dict[str, ReportSeen]]:
    """A chain, good reports of all labs, and bad ones: half by the open part, half by the link."""
    good = chain_at("reported")
    bad = chain_at("collecting")
    for i, lab in enumerate(bad.deployment.charter.labs):
        witness = other_plaintexts({"alpha": (i,)}) if i % 2 else false_values("alpha", 0, -1 - i)
        forced(bad, forged(bad, lab, witness=witness))
    good.sealed_parts.update(bad.sealed_parts)
    return good, dict(good.round.reports), dict(bad.round.reports)


@settings(max_examples=12, deadline=None)
@given(st.sets(st.integers(0, 5)))
def test_a_batch_names_whom_single_checks_refuse(wrong: set[int]) -> None:
    chain, good, bad = many()
    charter, key = chain.deployment.charter, chain.state.key
    assert key is not None
    labs = charter.labs
    reports = {lab: (bad if i in wrong else good)[lab] for i, lab in enumerate(labs)}
    sealed = {}
    singly = {}
    for lab, seen in reports.items():
        data = chain.fetch(seen.sealed_sha256)
        found = check_sealed(key, seen.parts, seen.sealed_sha256, data)
        sealed[lab] = {panel: s.proof for panel, s in found.items()}
        try:
            table = chain.deployment.table
            verify_report(report_check(charter, key, 1, lab, seen.parts, sealed[lab], table))
        except InvalidProof as error:
            singly[lab] = error.reason
    for leaf_hash in (bytes(32), b"\1" * 32):
        assert failures_of(charter, key, 1, reports, sealed, leaf_hash) == singly
    assert set(singly) == {labs[i] for i in wrong}


def test_without_sealed_parts_the_open_ones_are_checked() -> None:
    chain, good, bad = many()
    charter, key = chain.deployment.charter, chain.state.key
    assert key is not None
    assert failures_of(charter, key, 1, good, {}) == {}
    assert set(failures_of(charter, key, 1, bad, {})) == {"lab-1", "lab-3", "lab-5"}
    assert set(failures_of(charter, key, 2, good, {})) == set(good)
    assert failures_of(charter, key, 1, {}, {}) == {}


def test_proving_a_round_changes_nothing_when_all_proofs_hold() -> None:
    chain, _, bad = many()
    charter, key = chain.deployment.charter, chain.state.key
    assert key is not None
    assert proven_round(charter, key, chain.round) is chain.round
    mixed = replace(chain.round, reports={**chain.round.reports, "lab-3": bad["lab-3"]})
    proven = proven_round(charter, key, mixed)
    assert "lab-3" not in proven.reports
    assert proven.excluded == (*mixed.excluded, (bad["lab-3"].entry, PROOF))
    assert proven_round(charter, key, proven) is proven


def test_contexts_of_rounds_panels_and_labs_all_differ() -> None:
    charter = make_deployment().charter
    contexts = {
        context_of(charter, number, panel, lab)
        for number in (1, 2, 256)
        for panel in ("alpha", "beta")
        for lab in charter.labs
    }
    assert len(contexts) == 3 * 2 * len(charter.labs)


def test_an_empty_batch_holds() -> None:
    items: list[BatchItem] = []
    verify_batch(make_deployment().table.public_key, items, bytes(32))
