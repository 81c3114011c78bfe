"""The rules of a round while it collects: F4 open, F5 report, F6 abstain."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from fermata.protocol.fold.round_rules import REVISIONS_MAX
from fermata.protocol.state.calls import is_over
from fermata.protocol.state.clock import Limit
from fermata.protocol.state.pleas import waiting_for
from fermata.protocol.state.state import Verdict
from fermata.protocol.wire.envelope import seal_statement
from fermata.wire.v1 import statement_pb2
from harness.chains import COORDINATOR, START_MS, WINDOW_S, Chain, chain_at, figures
from harness.forged import set_digest


def rejected(
    chain: Chain, statement: statement_pb2.Statement, reason: str, time_ms: int | None = None
) -> Verdict:
    """Rejected for this reason; of the state only size, time and the list of the excluded move."""
    if time_ms is not None:
        chain.advance(time_ms)
    before = chain.state
    verdict = chain.put(chain.seal(statement), time_ms)
    assert (verdict.accepted, verdict.reason) == (False, reason)
    assert verdict.author == statement.author
    same = replace(before, position=chain.state.position)
    found = before.round(statement.report.round)
    if found is not None and found.close is None:
        excluded = (*found.excluded, (before.size, reason))
        same = same.with_round(replace(found, excluded=excluded))
    assert chain.state == same
    return verdict


# F4: opening a round.


def test_a_round_without_a_key_is_rejected() -> None:
    chain = chain_at("empty")
    chain.put_ok(chain.deployment.charter_envelope)
    rejected(chain, chain.open_round_statement(), "NO_KEY")


def test_a_round_has_the_charters_period_and_deadline(keyed: Chain) -> None:
    keyed.open_round()
    found = keyed.round
    assert (found.number, found.period) == (1, "2025Q3")
    assert START_MS < found.opened_ms <= keyed.time_ms
    assert found.window_ms == WINDOW_S * 1000
    assert keyed.deadline_ms == keyed.time_ms + WINDOW_S * 1000
    assert found.phase(3) == "collecting"


@pytest.mark.parametrize("number", [0, 2, 2**64 - 1])
def test_only_the_next_round_is_opened(keyed: Chain, number: int) -> None:
    rejected(keyed, keyed.open_round_statement(round=number), "ROUND_NUMBER")


def test_a_round_is_not_opened_twice(collecting: Chain) -> None:
    statement = collecting.open_round_statement(round=1, period="2025Q3")
    rejected(collecting, statement, "ROUND_NUMBER")


def test_a_round_is_not_opened_while_the_last_one_collects(collecting: Chain) -> None:
    rejected(collecting, collecting.open_round_statement(), "ROUND_OPEN")


@pytest.mark.parametrize("period", ["", "2025Q4", "2025q3"])
def test_nobody_chooses_the_period(keyed: Chain, period: str) -> None:
    rejected(keyed, keyed.open_round_statement(period=period), "PERIOD")


def test_a_round_for_another_key_is_rejected(keyed: Chain) -> None:
    rejected(keyed, keyed.open_round_statement(key_id=b"\x01" * 32), "KEY_ID")
    rejected(keyed, keyed.open_round_statement(key_id=b""), "KEY_ID")


def test_two_openings_are_an_interval_apart_to_the_millisecond() -> None:
    chain = chain_at("closed", cadence="number", first="1", interval_s=7200)
    due_ms = chain.state.clock.due_ms(Limit(chain.round.entry, 7200 * 1000))
    assert due_ms is not None
    rejected(chain, chain.open_round_statement(), "TOO_EARLY", due_ms - 1)
    chain.open_round(due_ms)
    assert chain.round.period == "2"


def test_after_the_last_period_no_round_is_opened() -> None:
    chain = chain_at("closed", last="2025Q3")
    assert is_over(chain.deployment.charter, chain.state.rounds, chain.state.clock, chain.time_ms)
    rejected(chain, chain.open_round_statement(), "NO_MORE_ROUNDS")


def test_without_a_last_period_there_is_no_end() -> None:
    chain = chain_at("closed")
    assert not is_over(
        chain.deployment.charter, chain.state.rounds, chain.state.clock, chain.time_ms
    )


# F5: reports.


def test_a_report_counts(collecting: Chain) -> None:
    verdict = collecting.report("lab-1")
    assert collecting.round.reports["lab-1"].entry == verdict.entry
    assert collecting.round.excluded == ()
    assert "lab-1" not in waiting_for(collecting.deployment.charter, collecting.round)


def test_a_report_before_any_round_is_rejected(keyed: Chain) -> None:
    statement = keyed.report_statement("lab-1", number=1)
    rejected(keyed, statement, "NO_ROUND")


@pytest.mark.parametrize("number", [0, 2, 2**64 - 1])
def test_a_report_for_a_round_that_is_not_there_is_rejected(collecting: Chain, number: int) -> None:
    statement = collecting.report_statement("lab-1")
    statement.report.round = number
    rejected(collecting, statement, "NO_ROUND")


def test_a_report_after_the_close_is_rejected(closed: Chain) -> None:
    verdict = rejected(closed, closed.report_statement("lab-1"), "ROUND_CLOSED")
    assert verdict.author == "lab-1"


def test_a_report_for_a_closed_round_is_rejected_while_the_next_collects(closed: Chain) -> None:
    closed.open_round()
    rejected(closed, closed.report_statement("lab-1", number=1), "ROUND_CLOSED")


@pytest.mark.parametrize(("offset_ms", "in_time"), [(-1, True), (0, False), (1, False)])
def test_the_deadline_itself_is_late(collecting: Chain, offset_ms: int, in_time: bool) -> None:
    statement = collecting.report_statement("lab-1")
    time_ms = collecting.deadline_ms + offset_ms
    if in_time:
        collecting.put_ok(collecting.seal(statement), time_ms)
    else:
        rejected(collecting, statement, "LATE", time_ms)
        assert collecting.round.reports == {}


def test_a_report_for_another_key_is_rejected(collecting: Chain) -> None:
    statement = collecting.report_statement("lab-1")
    statement.report.key_id = b"\x00" * 32
    rejected(collecting, statement, "KEY_ID")


def no_panel(report: statement_pb2.Report) -> None:
    del report.parts[:]


def unknown_panel(report: statement_pb2.Report) -> None:
    report.parts[0].panel = "gamma"


def panel_twice(report: statement_pb2.Report) -> None:
    report.parts.append(report.parts[0])


def panels_out_of_order(report: statement_pb2.Report) -> None:
    first = statement_pb2.ReportPart()
    first.CopyFrom(report.parts[0])
    del report.parts[0]
    report.parts.append(first)


@pytest.mark.parametrize("change", [no_panel, unknown_panel, panel_twice, panels_out_of_order])
def test_a_report_with_other_panels_than_the_charters_is_rejected(
    collecting: Chain, change: Callable[[statement_pb2.Report], None]
) -> None:
    statement = collecting.report_statement("lab-2")
    change(statement.report)
    rejected(collecting, statement, "PANELS")


def test_a_panel_that_the_charter_gives_to_others_is_rejected(collecting: Chain) -> None:
    statement = collecting.report_statement("lab-2")
    statement.author = "lab-1"
    rejected(collecting, statement, "PANELS")


def test_a_report_may_leave_a_panel_out(collecting: Chain) -> None:
    values = figures(collecting.deployment, "lab-2")
    collecting.report("lab-2", {m: values[m] for m in ("hours", "share")})
    assert [p.panel for p in collecting.round.reports["lab-2"].parts] == ["alpha"]


def too_few(report: statement_pb2.Report) -> None:
    del report.parts[1].ciphertext_sha256[1]


def too_many(report: statement_pb2.Report) -> None:
    report.parts[1].ciphertext_sha256.append(b"\x05" * 32)


def none_at_all(report: statement_pb2.Report) -> None:
    del report.parts[0].ciphertext_sha256[:]


def short_digest(report: statement_pb2.Report) -> None:
    report.parts[1].ciphertext_sha256[1] = b"\x05" * 31


def short_sealed(report: statement_pb2.Report) -> None:
    report.sealed_sha256 = b"\x05" * 31


def no_sealed(report: statement_pb2.Report) -> None:
    report.sealed_sha256 = b""


def odd_evidence(report: statement_pb2.Report) -> None:
    report.evidence_sha256 = b"\x05"


@pytest.mark.parametrize(
    "change",
    [too_few, too_many, none_at_all, short_digest, short_sealed, no_sealed, odd_evidence],
)
def test_a_report_of_another_length_is_rejected(
    collecting: Chain, change: Callable[[statement_pb2.Report], None]
) -> None:
    statement = collecting.report_statement("lab-2")
    change(statement.report)
    rejected(collecting, statement, "LENGTH")


def test_evidence_may_be_given_as_one_digest(collecting: Chain) -> None:
    statement = collecting.report_statement("lab-2")
    statement.report.evidence_sha256 = b"\x05" * 32
    collecting.put_ok(collecting.seal(statement))
    assert collecting.round.reports["lab-2"].evidence_sha256 == b"\x05" * 32


def test_a_copied_report_is_rejected(collecting: Chain) -> None:
    statement = collecting.report_statement("lab-2")
    collecting.put_ok(collecting.seal(statement))
    statement.author = "lab-3"
    rejected(collecting, statement, "CT_DUPLICATE")


def copy_one(source: statement_pb2.Statement, target: statement_pb2.Statement) -> None:
    """One ciphertext of one report into another, in another place than it had."""
    digests = source.report.parts[1].ciphertext_sha256
    set_digest(target.report.parts[1], 0, digests[1])


def test_one_copied_ciphertext_is_enough(collecting: Chain) -> None:
    theirs, mine = (collecting.report_statement(lab) for lab in ("lab-2", "lab-3"))
    collecting.put_ok(collecting.seal(theirs))
    copy_one(theirs, mine)
    rejected(collecting, mine, "CT_DUPLICATE")


def test_a_ciphertext_of_a_replaced_report_is_not_there_for_others(collecting: Chain) -> None:
    theirs, mine = (collecting.report_statement(lab) for lab in ("lab-2", "lab-3"))
    collecting.put_ok(collecting.seal(theirs))
    collecting.report("lab-2")
    copy_one(theirs, mine)
    rejected(collecting, mine, "CT_DUPLICATE")


def test_a_ciphertext_of_an_earlier_round_is_not_there_for_others(collecting: Chain) -> None:
    theirs = collecting.report_statement("lab-2")
    collecting.put_ok(collecting.seal(theirs))
    for lab in ("lab-1", "lab-3", "lab-4", "lab-5", "lab-6"):
        collecting.report(lab)
    collecting.close()
    collecting.open_round()
    mine = collecting.report_statement("lab-3")
    copy_one(theirs, mine)
    rejected(collecting, mine, "CT_DUPLICATE")


def test_one_ciphertext_twice_in_a_report_is_rejected(collecting: Chain) -> None:
    statement = collecting.report_statement("lab-2")
    copy_one(statement, statement)
    rejected(collecting, statement, "CT_REUSED")


def test_a_lab_may_send_its_own_ciphertexts_again_to_correct_its_evidence(
    collecting: Chain,
) -> None:
    statement = collecting.report_statement("lab-2")
    first = collecting.put_ok(collecting.seal(statement))
    statement.report.evidence_sha256 = b"\x05" * 32
    second = collecting.put_ok(collecting.seal(statement))
    assert collecting.round.reports["lab-2"].entry == second.entry
    assert collecting.round.excluded == ((first.entry, "SUPERSEDED"),)


def test_a_lab_may_not_use_a_ciphertext_of_its_own_in_another_round(collecting: Chain) -> None:
    old = collecting.report_statement("lab-2")
    collecting.put_ok(collecting.seal(old))
    for lab in ("lab-1", "lab-3", "lab-4", "lab-5", "lab-6"):
        collecting.report(lab)
    collecting.close()
    collecting.open_round()
    new = collecting.report_statement("lab-2")
    copy_one(old, new)
    rejected(collecting, new, "CT_REUSED")


def test_a_ciphertext_that_is_anothers_and_ones_own_is_anothers(collecting: Chain) -> None:
    theirs, mine = (collecting.report_statement(lab) for lab in ("lab-2", "lab-3"))
    collecting.put_ok(collecting.seal(theirs))
    copy_one(mine, mine)
    copy_one(theirs, mine)
    set_digest(mine.report.parts[1], 1, theirs.report.parts[1].ciphertext_sha256[1])
    rejected(collecting, mine, "CT_DUPLICATE")


def test_a_corrected_report_replaces_the_last_and_counts_once(collecting: Chain) -> None:
    first = collecting.report("lab-2")
    second = collecting.report("lab-2", {"hours": "1", "share": "2"})
    assert collecting.round.reports["lab-2"].entry == second.entry
    assert collecting.round.excluded == ((first.entry, "SUPERSEDED"),)
    assert len(collecting.round.reports) == 1


def test_a_replayed_report_that_was_replaced_is_rejected(collecting: Chain) -> None:
    old = collecting.report_statement("lab-2")
    collecting.put_ok(collecting.seal(old))
    new = collecting.report("lab-2")
    rejected(collecting, old, "DUPLICATE")
    assert collecting.round.reports["lab-2"].entry == new.entry


def test_the_report_that_counts_is_not_counted_again(collecting: Chain) -> None:
    statement = collecting.report_statement("lab-2")
    entry = collecting.put_ok(collecting.seal(statement)).entry
    rejected(collecting, statement, "DUPLICATE")
    assert collecting.round.reports["lab-2"].entry == entry


def test_there_is_an_end_to_corrections(collecting: Chain) -> None:
    for _ in range(REVISIONS_MAX):
        collecting.report("lab-1")
    rejected(collecting, collecting.report_statement("lab-1"), "REVISIONS")
    assert len(collecting.round.excluded) == REVISIONS_MAX


def test_a_report_signed_by_another_lab_is_not_held_against_its_author(collecting: Chain) -> None:
    statement = collecting.report_statement("lab-2")
    key = collecting.deployment.keys["lab-3"]
    verdict = collecting.put(seal_statement(statement, {"lab-2": key}))
    assert (verdict.reason, verdict.author) == ("SIGNATURE", "")
    assert collecting.round.excluded == ()


# F6: abstentions.


def test_an_abstention_is_an_answer(collecting: Chain) -> None:
    assert collecting.abstain("lab-2").accepted
    assert "lab-2" not in waiting_for(collecting.deployment.charter, collecting.round)


def test_the_round_waits_for_labs_in_the_rosters_order(collecting: Chain) -> None:
    collecting.abstain("lab-4")
    collecting.report("lab-2")
    waiting = waiting_for(collecting.deployment.charter, collecting.round)
    assert waiting == ("lab-1", "lab-3", "lab-5", "lab-6")


def abstention(chain: Chain, lab: str, number: int = 1) -> statement_pb2.Statement:
    body = statement_pb2.Abstention(round=number)
    return chain.deployment.statement(lab, abstention=body)


def test_a_lab_that_abstained_may_still_report_but_not_the_other_way(collecting: Chain) -> None:
    collecting.abstain("lab-2")
    collecting.report("lab-2")
    assert collecting.round.abstained == frozenset()
    rejected(collecting, abstention(collecting, "lab-2"), "REPORTED")


def test_a_second_abstention_is_rejected(collecting: Chain) -> None:
    collecting.abstain("lab-2")
    rejected(collecting, abstention(collecting, "lab-2"), "DUPLICATE")


def test_an_abstention_at_the_deadline_is_late(collecting: Chain) -> None:
    deadline_ms = collecting.deadline_ms
    statement = abstention(collecting, "lab-2")
    collecting.fork().put_ok(collecting.seal(statement), deadline_ms - 1)
    rejected(collecting, statement, "LATE", deadline_ms)


def test_an_abstention_needs_an_open_round(keyed: Chain, closed: Chain) -> None:
    rejected(keyed, abstention(keyed, "lab-2"), "NO_ROUND")
    rejected(closed, abstention(closed, "lab-2"), "ROUND_CLOSED")


def test_the_coordinator_neither_reports_nor_abstains(collecting: Chain) -> None:
    statement = abstention(collecting, COORDINATOR)
    assert collecting.put(collecting.seal(statement)).reason == "WRONG_ROLE"
