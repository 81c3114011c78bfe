"""What is late, by the charter's times and the reader's clock."""

from dataclasses import replace
from fractions import Fraction

import pytest

from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.charter.periods import DAY_MS
from fermata.protocol.roles.overdue import Overdue, overdue
from fermata.protocol.state.clock import Limit
from fermata.protocol.state.pause import Pause, acknowledge, asking, settle
from fermata.protocol.state.state import State
from fermata.wire.v1 import statement_pb2
from harness.chains import START_MS, WINDOW_S, Chain, chain_at

OPEN_MS, SETTLE_MS, ACKNOWLEDGE_MS, SILENCE_MS = 10_000, 20_000, 40_000, 10**10
TERMS = PauseTerms(
    ("hot",), "cool", 2, ACKNOWLEDGE_MS, Fraction(2, 3), OPEN_MS, SETTLE_MS, SILENCE_MS
)
INTERVAL_S = 3 * WINDOW_S
NUMBERED = {"cadence": "number", "first": "1", "interval_s": INTERVAL_S}


def late_at(chain: Chain, now_ms: int, pause: Pause | None = None) -> list[str]:
    pause = Pause() if pause is None else pause
    found = overdue(chain.state, pause, TERMS, chain.deployment.charter.labs, now_ms)
    assert all(late.since_ms <= now_ms for late in found)
    return [late.what for late in found]


def becomes(chain: Chain, what: str, since_ms: int, pause: Pause | None = None) -> None:
    """It is not late one millisecond before, and late from then on."""
    assert what not in late_at(chain, since_ms - 1, pause)
    assert what in late_at(chain, since_ms, pause)
    assert what in late_at(chain, since_ms + 10**6, pause)


def interval_ms(chain: Chain) -> int:
    return chain.due_ms(Limit(chain.round.entry, INTERVAL_S * 1000))


def settled(chain: Chain, *fired: str) -> Pause:
    """The pause after the newest round has come to its end just now."""
    entry = chain.state.size - 1
    number = chain.round.number
    return settle(Pause(), TERMS, entry, chain.time_ms, number, fired, None, True, True)


def test_nothing_is_late_before_there_is_a_charter() -> None:
    assert overdue(State(), Pause(), TERMS, (), 10**15) == ()


def test_a_log_without_entries_for_too_long_is_silent() -> None:
    chain = chain_at("collecting")
    becomes(chain, "silent", chain.time_ms + SILENCE_MS)


def test_a_silent_log_says_that_labs_hold_if_the_charter_says_so() -> None:
    chain = chain_at("collecting")

    def detail(terms: PauseTerms) -> str:
        things = overdue(chain.state, Pause(), terms, (), chain.time_ms + SILENCE_MS)
        return next(late.detail for late in things if late.what == "silent")

    held = replace(TERMS, holds_in_silence=True)
    assert detail(held) == f"{detail(TERMS)}; labs hold by their own nodes' word"


def test_only_what_the_auditors_say_ends_the_silence() -> None:
    chain = chain_at("collecting")
    since_ms = chain.time_ms + SILENCE_MS
    assert not chain.put(b"not an envelope").accepted
    assert "silent" in late_at(chain, since_ms)
    chain.advance(since_ms)
    assert "silent" not in late_at(chain, since_ms)


def test_the_first_round_is_due_from_the_key_record_on() -> None:
    chain = chain_at("keyed")
    becomes(chain, "unopened", chain.time_ms + OPEN_MS)


def test_no_round_is_due_without_a_key_record() -> None:
    chain = chain_at("empty")
    chain.put_ok(chain.deployment.charter_envelope)
    assert late_at(chain, START_MS + 10**9) == []


def test_no_round_is_due_while_one_collects() -> None:
    chain = chain_at("collecting")
    assert "unopened" not in late_at(chain, chain.deadline_ms + 10**9)


def test_a_round_is_to_be_closed_after_its_deadline() -> None:
    chain = chain_at("reported")
    becomes(chain, "unclosed", chain.deadline_ms + SETTLE_MS)


def test_a_close_that_waits_for_a_plea_is_not_late_until_it_may_be_made() -> None:
    chain = chain_at("collecting")
    plea = statement_pb2.Plea(round=1, lab="lab-1", envelope_sha256=bytes(32))
    assert chain.beat("auditor-1", chain.time_ms + 60_000, pleas=[plea]).accepted
    becomes(chain, "unclosed", chain.due_ms(chain.round.plea_limit) + SETTLE_MS)


@pytest.mark.parametrize("stage", ["closed", "endorsed"])
def test_a_closed_round_is_to_settle(stage: str) -> None:
    chain = chain_at(stage)
    assert chain.round.close is not None
    close = chain.round.close.entry
    becomes(chain, "unsettled", chain.due_ms(Limit(close, SETTLE_MS)))
    # The next round waits for it only as long as a window.
    becomes(chain, "unopened", chain.due_ms(Limit(close, WINDOW_S * 1000 + OPEN_MS)))
    assert late_at(chain, chain.time_ms + 10**9) == ["unopened", "unsettled"]


def test_without_an_interval_the_next_round_is_due_from_the_end_of_the_last() -> None:
    chain = chain_at("opened")
    becomes(chain, "unopened", chain.time_ms + OPEN_MS, settled(chain))
    assert late_at(chain, chain.time_ms + 10**9, settled(chain)) == ["unopened"]


def test_with_an_interval_the_next_round_is_due_when_it_has_passed() -> None:
    chain = chain_at("closed", **NUMBERED)
    becomes(chain, "unopened", interval_ms(chain) + OPEN_MS)


def test_a_close_after_the_interval_makes_the_next_round_due() -> None:
    chain = chain_at("reported", **NUMBERED)
    close_ms = interval_ms(chain) + 5
    chain.close(close_ms)
    becomes(chain, "unopened", close_ms + WINDOW_S * 1000 + OPEN_MS)


def test_no_round_is_due_after_the_charters_last() -> None:
    chain = chain_at("opened", last="2025Q3")
    assert late_at(chain, chain.time_ms + 10**9, settled(chain)) == []


def test_a_refused_round_is_settled() -> None:
    chain = chain_at("collecting", last="2025Q3")
    chain.close(chain.deadline_ms)
    assert chain.round.refusal
    assert late_at(chain, chain.time_ms + 10**9) == []


def test_an_older_round_that_never_settled_is_named() -> None:
    chain = chain_at("closed", **NUMBERED)
    chain.open_round(interval_ms(chain))
    found = overdue(chain.state, Pause(), TERMS, (), chain.deadline_ms)
    assert [(late.what, late.detail) for late in found] == [
        ("unsettled", "round 1 is closed and has no result")
    ]


def test_labs_that_have_not_acknowledged_are_named_from_the_deadline_on() -> None:
    chain = chain_at("opened")
    pause = settled(chain, "hot")
    triggered = chain.state.size - 1
    chain.advance(chain.time_ms + 60_000)
    labs = chain.deployment.charter.labs
    for lab in labs[2:]:
        entry, at = chain.state.size, chain.time_ms + 1
        pause = acknowledge(pause, TERMS, entry, at, triggered, lab, labs, False)
    due_ms = chain.due_ms(asking(pause)[-1].deadline)
    becomes(chain, "unacknowledged", due_ms, pause)
    found = overdue(chain.state, pause, TERMS, labs, due_ms)
    assert found[-1] == Overdue("unacknowledged", due_ms, "not acknowledged by lab-1, lab-2")


def test_nothing_is_to_be_acknowledged_without_a_pause() -> None:
    chain = chain_at("opened")
    assert "unacknowledged" not in late_at(chain, chain.time_ms + 10**9, settled(chain))


def test_all_that_is_late_is_told_at_once() -> None:
    chain = chain_at("closed", **NUMBERED)
    terms = replace(TERMS, silence_ms=1)
    found = overdue(chain.state, Pause(), terms, (), chain.time_ms + 10**9)
    assert [late.what for late in found] == ["silent", "unopened", "unsettled"]


def test_no_round_is_due_before_its_figures_are_old_enough() -> None:
    """The coordinator that waits for them, as the charter has it, is not late."""
    chain = chain_at("keyed", first="2035Q3", disclosure="age_days = 93\n")
    becomes(chain, "unopened", START_MS + DAY_MS + OPEN_MS)


def test_a_worn_key_is_named_as_the_reason_why_no_round_is_opened() -> None:
    chain = chain_at("opened", disclosure="openings_per_key_max = 1")
    found = overdue(chain.state, settled(chain), TERMS, (), chain.time_ms + OPEN_MS)
    assert [late.what for late in found] == ["unopened"]
    assert "the key" in found[0].detail
