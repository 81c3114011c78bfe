"""Honest auditors under a coordinator that misbehaves: nothing of it is opened."""

from collections.abc import Callable

import pytest

from fermata.protocol.fold.references import to_wire
from fermata.protocol.roles.auditor import duties, own_opener
from fermata.protocol.state.state import CharteredState
from fermata.protocol.wire.ports import Duty
from fermata.wire.v1 import statement_pb2
from harness.chains import Chain, chain_at
from harness.rogue import (
    Auditor,
    RogueLog,
    all_auditors,
    ciphertexts_of,
    close_with,
    encryption_of,
    let_work,
)

Product = Callable[[Chain, str, int, int], int]


def nothing_opened(log: RogueLog, *auditors: Auditor, reason: str = "") -> None:
    assert log.said("endorsement") == []
    assert log.said("partial_opening") == []
    for auditor in auditors:
        assert auditor.driver.replica.state.rounds[0].parts == {}
        if reason:
            assert f"close_not_endorsed 1 {reason}" in auditor.told
        assert not any(d.slot.startswith("opening") for d in auditor.store.drafts_pending())
        assert auditor.store.draft("opening/1") is None


def test_an_honest_close_is_endorsed_opened_and_cosigned(reported: Chain) -> None:
    log = RogueLog(reported)
    log.log_statement(reported.close_statement())
    auditors = all_auditors(log)
    let_work(*auditors)
    assert sorted(log.said("endorsement")) == ["auditor-1", "auditor-2", "auditor-3"]
    assert len(log.said("partial_opening")) >= 2
    state = auditors[0].driver.replica.state
    assert state.rounds[0].phase(3) == "opened"
    assert log.cosigned


# Other products than that of the reports that count.


def one_lab(chain: Chain, panel: str, position: int, product: int) -> int:
    return ciphertexts_of(chain, "lab-2")[panel][position]


def one_lab_blinded_again(chain: Chain, panel: str, position: int, product: int) -> int:
    return ciphertexts_of(chain, "lab-2")[panel][position] * encryption_of(chain, 0)


def one_lab_scaled(chain: Chain, panel: str, position: int, product: int) -> int:
    return pow(ciphertexts_of(chain, "lab-2")[panel][position], 3, chain.deployment.record.n**2)


def one_lab_again(chain: Chain, panel: str, position: int, product: int) -> int:
    return product * ciphertexts_of(chain, "lab-2")[panel][position]


def one_lab_again_blinded(chain: Chain, panel: str, position: int, product: int) -> int:
    return product * ciphertexts_of(chain, "lab-2")[panel][position] * encryption_of(chain, 0)


def without_one_lab(chain: Chain, panel: str, position: int, product: int) -> int:
    n_squared = chain.deployment.record.n**2
    return product * pow(ciphertexts_of(chain, "lab-2")[panel][position], -1, n_squared)


def something_added(chain: Chain, panel: str, position: int, product: int) -> int:
    return product * encryption_of(chain, 42)


def blinded_again(chain: Chain, panel: str, position: int, product: int) -> int:
    return product * encryption_of(chain, 0)


def squared(chain: Chain, panel: str, position: int, product: int) -> int:
    return product**2


def inverted(chain: Chain, panel: str, position: int, product: int) -> int:
    return pow(product, -1, chain.deployment.record.n**2)


def negated(chain: Chain, panel: str, position: int, product: int) -> int:
    return -product


def last_position_only(chain: Chain, panel: str, position: int, product: int) -> int:
    is_last = (panel, position) == ("beta", 1)
    return one_lab(chain, panel, position, product) if is_last else product


@pytest.mark.parametrize(
    "product",
    [
        one_lab,
        one_lab_blinded_again,
        one_lab_scaled,
        one_lab_again,
        one_lab_again_blinded,
        without_one_lab,
        something_added,
        blinded_again,
        squared,
        inverted,
        negated,
        last_position_only,
    ],
)
def test_another_product_is_neither_endorsed_nor_opened(reported: Chain, product: Product) -> None:
    def change(panel: str, position: int, value: int) -> int:
        return product(reported, panel, position, value)

    log = RogueLog(reported)
    log.log_statement(close_with(reported, change))
    auditors = all_auditors(log)
    let_work(*auditors)
    nothing_opened(log, *auditors, reason="P2_PRODUCT")


def test_endorsements_of_others_do_not_make_an_auditor_open_another_product(
    reported: Chain,
) -> None:
    def change(panel: str, position: int, value: int) -> int:
        return one_lab(reported, panel, position, value)

    log = RogueLog(reported)
    log.log_statement(close_with(reported, change))
    honest = Auditor("auditor-1", log)
    let_work(honest)
    close = honest.driver.replica.state.rounds[0].close
    assert close is not None
    for name in ("auditor-2", "auditor-3"):
        body = statement_pb2.Endorsement(
            round=1,
            close=to_wire(close.ref),
            aggregate_sha256=close.aggregate_sha256,
        )
        log.log_statement(log.deployment.statement(name, endorsement=body))
    let_work(honest)
    assert len(honest.driver.replica.state.rounds[0].endorsements) == 2
    nothing_opened(log, honest, reason="P2_PRODUCT")


def test_a_round_below_the_cohort_with_products_is_no_close(collecting: Chain) -> None:
    whole = chain_at("reported")
    for lab in ("lab-1", "lab-2", "lab-3"):
        collecting.report(lab)
    for lab in ("lab-4", "lab-5", "lab-6"):
        collecting.abstain(lab)
    statement = collecting.close_statement()
    statement.close_round.aggregates.extend(whole.close_statement().close_round.aggregates)
    log = RogueLog(collecting)
    log.log_statement(statement)
    auditors = all_auditors(log)
    let_work(*auditors)
    assert auditors[0].driver.replica.state.rounds[0].close is None
    assert auditors[0].driver.replica.rejected[-1].reason == "CLOSE_PANELS"
    nothing_opened(log, *auditors)


def test_a_close_that_leaves_a_report_out_is_no_close(reported: Chain) -> None:
    statement = close_with(reported, lambda p, i, c: without_one_lab(reported, p, i, c))
    del statement.close_round.listed[1]
    log = RogueLog(reported)
    log.log_statement(statement)
    auditors = all_auditors(log)
    let_work(*auditors)
    assert auditors[0].driver.replica.rejected[-1].reason == "CLOSE_LIST"
    nothing_opened(log, *auditors)


def test_a_second_close_with_one_lab_less_is_no_close(closed: Chain) -> None:
    log = RogueLog(closed)
    auditors = all_auditors(log)
    let_work(*auditors)
    drafts = [a.store.draft("opening/1") for a in auditors]
    statement = chain_at("reported").close_statement()
    del statement.close_round.listed[1]
    log.log_statement(statement)
    log.log_statement(chain_at("reported").close_statement())
    let_work(*auditors)
    state = auditors[0].driver.replica.state
    assert [v.reason for v in auditors[0].driver.replica.rejected] == ["ROUND_CLOSED"] * 2
    assert len(state.rounds[0].endorsements) == 3
    assert [a.store.draft("opening/1") for a in auditors] == drafts
    assert len(log.said("partial_opening")) == len(set(log.said("partial_opening")))


# Sealed parts.


def test_a_sealed_part_that_is_withheld_stops_the_endorsement(reported: Chain) -> None:
    log = RogueLog(reported)
    log.log_statement(reported.close_statement())
    del log.sealed_parts[reported.round.reports["lab-4"].sealed_sha256]
    auditors = all_auditors(log)
    let_work(*auditors)
    nothing_opened(log, *auditors, reason="NO_SEALED")


def test_a_sealed_part_of_another_lab_stops_the_endorsement(reported: Chain) -> None:
    log = RogueLog(reported)
    log.log_statement(reported.close_statement())
    reports = reported.round.reports
    log.sealed_parts[reports["lab-4"].sealed_sha256] = reported.fetch(
        reports["lab-5"].sealed_sha256
    )
    auditors = all_auditors(log)
    let_work(*auditors)
    nothing_opened(log, *auditors, reason="SEALED_DIGEST")


def test_when_the_sealed_part_is_there_after_all_the_round_is_opened(reported: Chain) -> None:
    log = RogueLog(reported)
    log.log_statement(reported.close_statement())
    digest = reported.round.reports["lab-4"].sealed_sha256
    data = log.sealed_parts.pop(digest)
    auditors = all_auditors(log)
    let_work(*auditors)
    log.sealed_parts[digest] = data
    let_work(*auditors)
    assert auditors[0].driver.replica.state.rounds[0].phase(3) == "opened"


def test_before_a_charter_and_a_key_there_is_nothing_to_do() -> None:
    chain = chain_at("empty")

    def due() -> list[Duty]:
        share = chain.deployment.shares["auditor-1"]
        me, size = "auditor-1", chain.state.size
        opener = own_opener(me, share, chain.entropy)
        return list(duties(chain.state, me, bool, size, lambda r: r.close, opener))

    assert due() == []
    chain.put_ok(chain.deployment.charter_envelope)
    assert isinstance(chain.state, CharteredState)
    assert due() == []
