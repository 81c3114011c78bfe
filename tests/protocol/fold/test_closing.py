"""From the close of a round to its endorsement: F7 and F8."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from fermata.crypto.integers import int_to_bytes
from fermata.protocol.fold.references import to_wire
from fermata.protocol.fold.round_rules import aggregate_digest
from fermata.protocol.state.state import Verdict
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import Chain, make_deployment
from harness.forged import set_digest

Change = Callable[[statement_pb2.CloseRound], None]


def rejected(
    chain: Chain, statement: statement_pb2.Statement, reason: str, time_ms: int | None = None
) -> Verdict:
    if time_ms is not None:
        chain.advance(time_ms)
    before = chain.state
    verdict = chain.put(chain.seal(statement), time_ms)
    assert (verdict.accepted, verdict.reason) == (False, reason)
    assert verdict.author == statement.author
    assert chain.state == replace(before, position=chain.state.position)
    return verdict


def changed(chain: Chain, change: Change) -> statement_pb2.Statement:
    statement = chain.close_statement()
    change(statement.close_round)
    return statement


# F7: when.


def test_a_round_closes_when_all_labs_have_answered(reported: Chain) -> None:
    reported.close()
    close = reported.round.close
    assert close is not None
    assert close.listed == reported.deployment.charter.labs
    assert close.cohorts == {"alpha": 6, "beta": 5}
    assert reported.round.phase(3) == "closed"


def test_an_abstention_counts_as_an_answer(collecting: Chain) -> None:
    collecting.report_all(collecting.deployment.charter.labs[:5])
    statement = collecting.close_statement()
    rejected(collecting.fork(), statement, "TOO_EARLY")
    collecting.abstain("lab-6")
    collecting.close()
    assert collecting.round.cohort == 4


def test_a_close_that_still_waits_is_too_early_until_the_deadline(collecting: Chain) -> None:
    collecting.report_all(["lab-1", "lab-2", "lab-3", "lab-4"])
    statement = collecting.close_statement()
    deadline_ms = collecting.deadline_ms
    rejected(collecting, statement, "TOO_EARLY", deadline_ms - 1)
    collecting.put_ok(collecting.seal(statement), deadline_ms)


def test_a_round_is_closed_once(closed: Chain) -> None:
    statement = closed.deployment.statement(
        "oversight", close_round=statement_pb2.CloseRound(round=1)
    )
    rejected(closed, statement, "ROUND_CLOSED")


def test_a_round_that_is_not_there_is_not_closed(keyed: Chain) -> None:
    statement = keyed.deployment.statement(
        "oversight", close_round=statement_pb2.CloseRound(round=1)
    )
    rejected(keyed, statement, "NO_ROUND")


# F7: what is listed.


def omit_one(close: statement_pb2.CloseRound) -> None:
    del close.listed[2]


def omit_all(close: statement_pb2.CloseRound) -> None:
    del close.listed[:]


def list_twice(close: statement_pb2.CloseRound) -> None:
    close.listed.insert(2, close.listed[2])


def list_a_stranger(close: statement_pb2.CloseRound) -> None:
    close.listed.append(statement_pb2.ListedReport(lab="lab-9", entry=3))


def reorder(close: statement_pb2.CloseRound) -> None:
    first = statement_pb2.ListedReport()
    first.CopyFrom(close.listed[0])
    del close.listed[0]
    close.listed.append(first)


def another_entry(close: statement_pb2.CloseRound) -> None:
    close.listed[0].entry += 1


def another_lab(close: statement_pb2.CloseRound) -> None:
    close.listed[0].lab = "lab-2"


@pytest.mark.parametrize(
    "change",
    [omit_one, omit_all, list_twice, list_a_stranger, reorder, another_entry, another_lab],
)
def test_a_close_that_does_not_list_what_counts_is_rejected(
    reported: Chain, change: Change
) -> None:
    rejected(reported, changed(reported, change), "CLOSE_LIST")


def test_a_close_that_lists_a_replaced_report_is_rejected(reported: Chain) -> None:
    old = reported.round.reports["lab-2"].entry
    reported.report("lab-2")

    def list_the_old(close: statement_pb2.CloseRound) -> None:
        close.listed[1].entry = old

    rejected(reported, changed(reported, list_the_old), "CLOSE_LIST")


def test_a_close_from_before_the_last_report_is_rejected(reported: Chain) -> None:
    statement = reported.close_statement()
    reported.report("lab-3")
    rejected(reported, statement, "CLOSE_LIST")


def with_excluded(reported: Chain) -> Chain:
    """Two reports that do not count: one replaced, one copied."""
    copied = reported.report_statement("lab-3")
    reported.report("lab-2")
    theirs = reported.round.reports["lab-4"].parts[0].ciphertext_sha256[0]
    set_digest(copied.report.parts[0], 0, theirs)
    assert reported.put(reported.seal(copied)).reason == "CT_DUPLICATE"
    return reported


def test_a_close_names_each_report_that_does_not_count_with_its_reason(reported: Chain) -> None:
    replaced = reported.round.reports["lab-2"].entry
    chain = with_excluded(reported)
    copied = chain.verdicts[-1].entry
    excluded = [(e.entry, e.reason) for e in chain.close_statement().close_round.excluded]
    assert excluded == [(replaced, "SUPERSEDED"), (copied, "CT_DUPLICATE")]
    chain.close()


def exclude_none(close: statement_pb2.CloseRound) -> None:
    del close.excluded[:]


def exclude_one_less(close: statement_pb2.CloseRound) -> None:
    del close.excluded[1]


def exclude_one_more(close: statement_pb2.CloseRound) -> None:
    close.excluded.append(statement_pb2.ExcludedReport(entry=11, reason="LATE"))


def exclude_for_another_reason(close: statement_pb2.CloseRound) -> None:
    close.excluded[0].reason = "LATE"


def exclude_in_another_order(close: statement_pb2.CloseRound) -> None:
    close.excluded.append(statement_pb2.ExcludedReport(entry=4, reason="SUPERSEDED"))
    del close.excluded[0]


@pytest.mark.parametrize(
    "change",
    [
        exclude_none,
        exclude_one_less,
        exclude_one_more,
        exclude_for_another_reason,
        exclude_in_another_order,
    ],
)
def test_a_close_that_excludes_otherwise_is_rejected(reported: Chain, change: Change) -> None:
    chain = with_excluded(reported)
    rejected(chain, changed(chain, change), "CLOSE_EXCLUDED")


def test_a_report_that_counts_is_not_excluded_as_well(reported: Chain) -> None:
    rejected(reported, changed(reported, exclude_one_more), "CLOSE_EXCLUDED")


# F7: the aggregates.


def no_aggregate(close: statement_pb2.CloseRound) -> None:
    del close.aggregates[:]


def one_panel_less(close: statement_pb2.CloseRound) -> None:
    del close.aggregates[1]


def a_panel_twice(close: statement_pb2.CloseRound) -> None:
    close.aggregates.append(close.aggregates[1])


def panels_swapped(close: statement_pb2.CloseRound) -> None:
    close.aggregates[0].panel, close.aggregates[1].panel = "beta", "alpha"


@pytest.mark.parametrize("change", [no_aggregate, one_panel_less, a_panel_twice, panels_swapped])
def test_a_close_with_other_panels_is_rejected(reported: Chain, change: Change) -> None:
    rejected(reported, changed(reported, change), "CLOSE_PANELS")


def one_product_less(close: statement_pb2.CloseRound) -> None:
    del close.aggregates[1].ciphertexts[1]


def one_product_more(close: statement_pb2.CloseRound) -> None:
    close.aggregates[0].ciphertexts.append(close.aggregates[0].ciphertexts[0])


def an_announcement(close: statement_pb2.CloseRound) -> None:
    close.aggregates[0].announcements.append(close.aggregates[0].ciphertexts[0])


def an_empty_announcement(close: statement_pb2.CloseRound) -> None:
    close.aggregates[1].announcements.append(b"")


def a_response(close: statement_pb2.CloseRound) -> None:
    close.aggregates[0].responses.append(b"\x01")


def an_empty_response(close: statement_pb2.CloseRound) -> None:
    close.aggregates[1].responses.append(b"")


@pytest.mark.parametrize(
    "change", [an_announcement, an_empty_announcement, a_response, an_empty_response]
)
def test_a_close_with_fields_of_a_sealed_part_in_an_aggregate_is_rejected(
    reported: Chain, change: Change
) -> None:
    """An endorsement binds the products alone, so other bytes would be in the log unendorsed."""
    rejected(reported, changed(reported, change), "LENGTH")


@pytest.mark.parametrize("change", [one_product_less, one_product_more])
def test_a_close_with_another_number_of_products_is_rejected(
    reported: Chain, change: Change
) -> None:
    rejected(reported, changed(reported, change), "LENGTH")


N = make_deployment().record.n


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "CT_ENCODING"),
        (int_to_bytes(5, 127), "CT_ENCODING"),
        (int_to_bytes(5, 129), "CT_ENCODING"),
        (int_to_bytes(0, 128), "CT_RANGE"),
        (int_to_bytes(N * N, 128), "CT_RANGE"),
        (int_to_bytes(N * N + 5, 128), "CT_RANGE"),
        (int_to_bytes(N, 128), "CT_NOT_UNIT"),
        (int_to_bytes(1, 128), "CT_UNBLINDED"),
        (int_to_bytes(1 + 42 * N, 128), "CT_UNBLINDED"),
        (int_to_bytes(N * N - 1, 128), "CT_UNBLINDED"),
    ],
)
def test_a_product_that_is_no_ciphertext_is_rejected(
    reported: Chain, data: bytes, reason: str
) -> None:
    def put(close: statement_pb2.CloseRound) -> None:
        close.aggregates[1].ciphertexts[1] = data

    rejected(reported, changed(reported, put), reason)


# F7: the cohort.


def below(collecting: Chain, *labs: str) -> Chain:
    """Only these labs report, the others abstain."""
    for lab in collecting.deployment.charter.labs:
        collecting.report(lab) if lab in labs else collecting.abstain(lab)
    return collecting


def test_below_the_cohort_nothing_is_opened_and_the_reason_is_told(collecting: Chain) -> None:
    chain = below(collecting, "lab-1", "lab-2")
    statement = chain.close_statement()
    assert list(statement.close_round.aggregates) == []
    chain.close()
    found = chain.round
    assert found.phase(3) == "refused"
    assert found.refusal == (
        "panel alpha: 2 of at least 3 organisations have a figure;"
        " panel beta: 1 of at least 3 organisations have a figure"
    )
    assert found.cohort == 0
    assert found.close is not None
    assert found.close.members == {}


def test_a_panel_below_the_cohort_does_not_keep_the_others(collecting: Chain) -> None:
    chain = below(collecting, "lab-1", "lab-2", "lab-3")
    chain.close()
    close = chain.round.close
    assert close is not None
    assert (chain.round.refusal, list(close.aggregates)) == ("", ["alpha"])
    assert close.unchanged == {"beta": "2 of at least 3 organisations have a figure"}
    chain.endorse()
    chain.open_part()
    assert chain.round.opening is not None
    assert {r.metric for r in chain.round.opening.results} == {"hours", "share"}


def test_a_round_that_nobody_reports_in_is_refused(collecting: Chain) -> None:
    chain = below(collecting)
    chain.close()
    assert chain.round.phase(3) == "refused"
    assert "panel alpha: 0 of" in chain.round.refusal
    chain.open_round()
    assert chain.round.number == 2


def test_a_close_below_the_cohort_may_not_carry_products(collecting: Chain) -> None:
    chain = below(collecting, "lab-1", "lab-2")
    statement = chain.close_statement()
    statement.close_round.aggregates.append(
        statement_pb2.SealedPanel(panel="alpha", ciphertexts=[int_to_bytes(5, 128)])
    )
    rejected(chain, statement, "CLOSE_PANELS")


def test_nothing_of_a_refused_round_is_endorsed_or_opened(collecting: Chain) -> None:
    chain = below(collecting, "lab-1", "lab-2")
    chain.close()
    close = chain.round.close
    assert close is not None
    body = statement_pb2.Endorsement(
        round=1,
        close=to_wire(close.ref),
        aggregate_sha256=close.aggregate_sha256,
    )
    statement = chain.deployment.statement("auditor-1", endorsement=body)
    rejected(chain, statement, "ROUND_REFUSED")
    part = statement_pb2.PartialOpening(round=1, close=to_wire(close.ref))
    statement = chain.deployment.statement("auditor-1", partial_opening=part)
    rejected(chain, statement, "ROUND_REFUSED")


# F8: endorsements.


def test_a_quorum_of_endorsements_lets_a_round_be_opened(closed: Chain) -> None:
    closed.endorse("auditor-1", "auditor-2")
    assert closed.round.phase(3) == "closed"
    closed.endorse("auditor-3")
    assert closed.round.phase(3) == "endorsed"


def test_a_second_endorsement_is_rejected(closed: Chain) -> None:
    statement = closed.endorsement_statement("auditor-1")
    closed.put_ok(closed.seal(statement))
    # The very same is no misbehaviour: a node that lost its outbox signs it again.
    statement.ClearField("seen")
    rejected(closed, statement, "DUPLICATE")


def another_entry(chain: Chain, wire: statement_pb2.Endorsement) -> None:
    wire.close.CopyFrom(chain.ref(3))


def other_products(chain: Chain, wire: statement_pb2.Endorsement) -> None:
    wire.aggregate_sha256 = b"\x01" * 32


@pytest.mark.parametrize("change", [another_entry, other_products])
def test_an_endorsement_of_another_close_is_evidence_against_its_author(
    closed: Chain, change: Callable[[Chain, statement_pb2.Endorsement], None]
) -> None:
    statement = closed.endorsement_statement("auditor-1")
    change(closed, statement.endorsement)
    rejected(closed, statement, "WRONG_CLOSE")
    closed.endorse("auditor-1")
    statement.endorsement.round = 1
    rejected(closed, statement, "ALREADY_ENDORSED")


def test_a_round_that_is_not_closed_is_not_endorsed(reported: Chain) -> None:
    body = statement_pb2.Endorsement(round=1, close=EntryRef(index=8))
    rejected(reported, reported.deployment.statement("auditor-1", endorsement=body), "NOT_CLOSED")
    body.round = 2
    rejected(reported, reported.deployment.statement("auditor-1", endorsement=body), "NO_ROUND")


def test_the_digest_binds_panels_their_order_and_their_products() -> None:
    one, two = b"\x01" * 128, b"\x02" * 128
    digests = {
        aggregate_digest(a)
        for a in (
            {},
            {"alpha": (one,)},
            {"alpha": (two,)},
            {"alpha": (one, two)},
            {"alpha": (two, one)},
            {"alpha": (one,), "beta": (two,)},
            {"beta": (two,), "alpha": (one,)},
            {"beta": (one, two)},
        )
    }
    assert len(digests) == 8
