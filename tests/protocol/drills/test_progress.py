"""Drills in the fold: rule F14 of docs/spec/fold.md, and K36 to K38 of docs/spec/keys.md."""

import itertools
from dataclasses import replace

import pytest

from fermata.crypto.integers import int_to_bytes
from fermata.crypto.threshold.drill import drill_root
from fermata.errors import InvalidProof
from fermata.protocol.drills import progress
from fermata.protocol.drills.drill import Drill, DrillOutcome, DrillPhase
from fermata.protocol.drills.progress import next_drill
from fermata.protocol.state.state import Verdict
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.chains import COORDINATOR, Chain, chain_at
from harness.drills import (
    ANSWER_S,
    DRILLS,
    EVERY_S,
    commit,
    commitment_statement,
    drill_of,
    drilling_chain,
    part_of,
    part_statement,
    show,
    wait,
)
from harness.epochs import next_epoch

ONE, TWO, THREE = AUDITORS = ("auditor-1", "auditor-2", "auditor-3")
FIVE = tuple(f"auditor-{i}" for i in range(1, 6))
SOON_S = 60


def outcomes(chain: Chain) -> list[DrillOutcome]:
    drill = drill_of(chain)
    return [drill.outcome(auditor) for auditor in drill.auditors]


# When a drill begins.


def test_the_first_begins_once_the_auditors_have_seen_the_key() -> None:
    chain = drilling_chain()
    key, drill = chain.state.keyed().key, drill_of(chain)
    assert (drill.number, drill.phase) == (1, DrillPhase.COMMITTING)
    assert (drill.auditors, drill.epoch_id, drill.needed) == (AUDITORS, key.epoch_id, 3)
    # The entry with which it begins is a heartbeat that nobody could write before the record.
    assert drill.start.index > key.entry
    assert drill.start.leaf_hash == chain.tree.leaf(drill.start.index)
    expected = drill_root(key.record.n, key.epoch_id, 1, drill.start.leaf_hash)
    assert drill.root == expected
    before = Chain(chain.deployment)
    for leaf in chain.leaves[: drill.start.index]:
        before.put_leaf(leaf)
        assert before.state.drills == ()


def test_there_are_none_without_the_table() -> None:
    chain = chain_at("keyed").fork()
    wait(chain, 2 * EVERY_S)
    assert chain.state.drills == ()
    assert next_drill(chain.state.keyed()) is None


def test_the_next_begins_a_period_after_the_last_began() -> None:
    chain = drilling_chain()
    commit(chain, *AUDITORS)
    show(chain, *AUDITORS)
    chain.advance(chain.time_ms + SOON_S * 1000)
    due = next_drill(chain.state.keyed())
    assert due is not None
    assert (due.entry, due.length_ms) == (drill_of(chain).start.index, EVERY_S * 1000)
    due_ms = chain.due_ms(due)
    chain.advance(due_ms - 1)
    assert len(chain.state.drills) == 1
    # A heartbeat for this alone would be one too many: the next regular one is enough.
    chain.advance(due_ms + SOON_S * 1000)
    assert [drill.number for drill in chain.state.drills] == [1, 2]
    assert drill_of(chain).root != chain.state.drills[0].root


def test_none_begins_while_one_runs() -> None:
    chain = drilling_chain(extra="\n[drills]\nevery_s = 7200\nanswer_s = 3600\n")
    commit(chain, *AUDITORS)
    assert next_drill(chain.state.keyed()) is None
    chain.advance(chain.time_ms + 30 * 86_400_000)
    # The log was away: whoever had not shown its part gets the gap to do so (T3).
    assert len(chain.state.drills) == 1
    assert drill_of(chain).phase == DrillPhase.SHOWING


def test_a_charter_that_drops_drills_begins_none() -> None:
    state = drilling_chain().state.keyed()
    ended = replace(state.drills[-1], end=state.drills[-1].start.index)
    state = replace(state, drills=(ended,), charter=replace(state.charter, drills=None))
    assert next_drill(state) is None


def test_an_entry_that_gives_no_root_begins_none(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []

    def unlucky(n: int, epoch: bytes, number: int, leaf_hash: bytes) -> int:
        made.append(leaf_hash)
        if len(made) == 1:
            raise InvalidProof("DRILL_ROOT", "a factor of n")
        return drill_root(n, epoch, number, leaf_hash)

    monkeypatch.setattr(progress, "drill_root", unlucky)
    chain = Chain(drilling_chain().deployment)
    chain.start()
    wait(chain, 2 * SOON_S)
    assert all(verdict.accepted for verdict in chain.verdicts)
    assert len(made) == 2
    assert drill_of(chain).start.leaf_hash == made[1] != made[0]


# What auditors say in it.


def test_with_all_of_them_it_takes_no_time() -> None:
    chain = drilling_chain()
    for auditor in AUDITORS:
        assert drill_of(chain).phase == DrillPhase.COMMITTING
        assert commit(chain, auditor).accepted
    for auditor in AUDITORS:
        assert drill_of(chain).phase == DrillPhase.SHOWING
        assert show(chain, auditor).accepted
    drill = drill_of(chain)
    assert (drill.phase, drill.agreeing, drill.wrong) == (DrillPhase.ENDED, 3, frozenset())
    assert drill.is_enough
    assert drill.end == chain.verdicts[-1].entry
    assert set(outcomes(chain)) == {DrillOutcome.ABLE}


def test_it_moves_nothing_else() -> None:
    """A round is opened, closed and opened up as if there were no drill."""
    plain, drilled = chain_at("opened").state, chain_at("opened", extra=DRILLS).state
    assert drill_of(chain_at("opened", extra=DRILLS)).phase != DrillPhase.ENDED
    kinds = [v.kind for v in chain_at("opened").verdicts]
    assert [v.kind for v in chain_at("opened", extra=DRILLS).verdicts] == kinds
    assert drilled.rounds[0].phase(2) == plain.rounds[0].phase(2) == "opened"


def test_parts_are_shown_once_the_time_for_commitments_is_over() -> None:
    chain = drilling_chain()
    commit(chain, ONE, TWO)
    wait(chain, ANSWER_S - SOON_S)
    assert drill_of(chain).phase == DrillPhase.COMMITTING
    wait(chain, 10 * SOON_S)
    assert drill_of(chain).phase == DrillPhase.SHOWING
    assert commit(chain, THREE).reason == "LATE"
    show(chain, ONE, TWO)
    assert outcomes(chain) == [DrillOutcome.ABLE, DrillOutcome.ABLE, DrillOutcome.ABSENT]
    # t of them can open, and one more is away: it needs to be fixed before another is.
    assert not drill_of(chain).is_enough


def test_who_shows_nothing_is_waited_for_as_long_again() -> None:
    chain = drilling_chain()
    commit(chain, *AUDITORS)
    show(chain, ONE, TWO)
    wait(chain, ANSWER_S - SOON_S)
    assert drill_of(chain).phase == DrillPhase.SHOWING
    wait(chain, 10 * SOON_S)
    assert outcomes(chain) == [DrillOutcome.ABLE, DrillOutcome.ABLE, DrillOutcome.UNSHOWN]
    assert show(chain, THREE).reason == "LATE"


def test_the_time_to_show_a_part_begins_when_all_have_committed_themselves() -> None:
    chain = drilling_chain()
    commit(chain, ONE, TWO)
    wait(chain, ANSWER_S - 600)
    commit(chain, THREE)
    wait(chain, ANSWER_S - 600)
    assert drill_of(chain).phase == DrillPhase.SHOWING
    assert show(chain, *AUDITORS).accepted
    assert drill_of(chain).is_enough


def test_an_outage_of_the_log_takes_nobodys_time_to_answer() -> None:
    """T3: whoever had no log to write to gets the gap to write, once."""
    chain = drilling_chain(heartbeat_s=900)
    chain.advance(chain.time_ms + SOON_S * 1000)
    chain.advance(chain.time_ms + 10 * 3_600_000)
    assert drill_of(chain).phase == DrillPhase.COMMITTING
    assert commit(chain, ONE, TWO).accepted
    chain.advance(chain.time_ms + chain.state.clock.gap_ms)
    assert drill_of(chain).phase == DrillPhase.SHOWING


def test_of_nobody_it_ends_by_itself() -> None:
    chain = drilling_chain()
    wait(chain, ANSWER_S + 10 * SOON_S)
    drill = drill_of(chain)
    assert (drill.phase, drill.shown_from, drill.agreeing) == (DrillPhase.ENDED, drill.end, 0)
    assert outcomes(chain) == [DrillOutcome.ABSENT] * 3


def test_where_all_auditors_are_needed_all_of_them_are_enough() -> None:
    chain = drilling_chain(threshold=3)
    assert drill_of(chain).needed == 3
    commit(chain, *AUDITORS)
    show(chain, *AUDITORS)
    assert drill_of(chain).is_enough


def test_a_new_epoch_cuts_a_drill_and_begins_another() -> None:
    chain = drilling_chain()
    commit(chain, *AUDITORS)
    show(chain, ONE)
    assert next_epoch(chain).accepted
    first = chain.state.drills[0]
    assert (first.is_cut, first.phase, first.is_enough) == (True, DrillPhase.ENDED, False)
    wait(chain, 2 * SOON_S)
    second = drill_of(chain)
    assert (second.number, second.epoch_id) == (2, chain.state.keyed().key.epoch_id)
    assert second.epoch_id != first.epoch_id
    commit(chain, *AUDITORS)
    show(chain, *AUDITORS)
    assert drill_of(chain).is_enough


# Each check of F14.


def said(chain: Chain, statement: statement_pb2.Statement) -> Verdict:
    return chain.put(chain.seal(statement))


def test_a_commitment_names_the_newest_drill() -> None:
    chain = drilling_chain()
    other = EntryRef(index=drill_of(chain).start.index - 1)
    assert said(chain, commitment_statement(chain, ONE, start=other)).reason == "NO_DRILL"
    assert said(chain, part_statement(chain, ONE, start=other)).reason == "NO_DRILL"
    plain = chain_at("keyed").fork()
    body = statement_pb2.DrillCommitment(start=plain.ref(1), commitment=bytes(32))
    assert plain.say(ONE, drill_commitment=body).reason == "NO_DRILL"


def test_a_commitment_of_an_older_drill_is_refused() -> None:
    chain = drilling_chain()
    older = commitment_statement(chain, ONE)
    wait(chain, EVERY_S + 10 * SOON_S)
    assert drill_of(chain).number == 2
    assert said(chain, older).reason == "NO_DRILL"


def test_a_second_commitment_is_refused() -> None:
    chain = drilling_chain()
    assert commit(chain, ONE).accepted
    assert commit(chain, ONE).reason == "DUPLICATE"
    assert commit(chain, ONE, part=4).reason == "DUPLICATE"


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_commitment_has_32_bytes(length: int) -> None:
    chain = drilling_chain()
    statement = commitment_statement(chain, ONE, commitment=bytes(length))
    assert said(chain, statement).reason == "LENGTH"
    assert drill_of(chain).commitments == {}


def test_a_part_waits_until_all_have_committed_themselves() -> None:
    chain = drilling_chain()
    commit(chain, ONE, TWO)
    assert show(chain, ONE).reason == "TOO_EARLY"
    commit(chain, THREE)
    assert show(chain, ONE).accepted


def test_a_part_without_a_commitment_is_refused() -> None:
    chain = drilling_chain()
    commit(chain, ONE, TWO)
    wait(chain, ANSWER_S + 10 * SOON_S)
    assert show(chain, THREE).reason == "NOT_COMMITTED"


def test_a_second_part_is_refused() -> None:
    chain = drilling_chain()
    commit(chain, *AUDITORS)
    assert show(chain, ONE).accepted
    assert show(chain, ONE).reason == "DUPLICATE"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"part": b""}, "WIDTH"),
        ({"part": bytes(63)}, "WIDTH"),
        ({"part": bytes(65)}, "WIDTH"),
        ({"part": bytes(64)}, "PART_RANGE"),
        ({"part": bytes(63) + b"\x01"}, "PART_RANGE"),
        ({"part": b"\xff" * 64}, "PART_RANGE"),
        ({"part": bytes(63) + b"\x05"}, "DRILL_COMMITMENT"),
        ({"nonce": b""}, "LENGTH"),
        ({"nonce": bytes(31)}, "LENGTH"),
        ({"nonce": bytes(32)}, "DRILL_COMMITMENT"),
    ],
)
def test_a_part_is_the_one_that_was_committed_to(changes: dict[str, bytes], reason: str) -> None:
    chain = drilling_chain()
    commit(chain, *AUDITORS)
    statement = part_statement(chain, ONE)
    for name, value in changes.items():
        setattr(statement.drill_part, name, value)
    assert said(chain, statement).reason == reason
    assert drill_of(chain).parts == {}
    # It may still show the right one.
    assert show(chain, ONE).accepted


def test_a_part_is_a_unit() -> None:
    chain = drilling_chain()
    commit(chain, *AUDITORS)
    n = chain.state.keyed().key.record.n
    for part in (n - 1, n, n + 1):
        statement = part_statement(chain, ONE)
        statement.drill_part.part = int_to_bytes(part, 64)
        assert said(chain, statement).reason == "PART_RANGE"


def test_only_auditors_speak_of_drills() -> None:
    chain = drilling_chain()
    for party in ("lab-1", COORDINATOR):
        for statement in (commitment_statement(chain, ONE), part_statement(chain, ONE)):
            statement.author = party
            assert said(chain, statement).reason == "WRONG_ROLE"


# Who gains nothing by a lie.


def test_a_copier_cannot_show_the_part_that_it_made_of_others() -> None:
    """Without its share it has nothing to commit to, and later it may not exchange it."""
    chain = drilling_chain()
    commit(chain, ONE, TWO)
    commit(chain, THREE, part=7)
    show(chain, ONE, TWO)
    # As good as made of the parts of the others, with the root that everybody knows.
    made = part_of(chain, THREE)
    assert show(chain, THREE, part=made).reason == "DRILL_COMMITMENT"
    assert show(chain, THREE, part=7).accepted
    assert outcomes(chain) == [DrillOutcome.ABLE, DrillOutcome.ABLE, DrillOutcome.WRONG]


def test_another_auditors_commitment_fits_no_part_of_its_own() -> None:
    chain = drilling_chain()
    commit(chain, ONE, TWO)
    theirs = drill_of(chain).commitments[TWO]
    assert said(chain, commitment_statement(chain, THREE, commitment=theirs)).accepted
    show(chain, ONE, TWO)
    shown = part_statement(chain, TWO).drill_part
    copied = part_statement(chain, THREE, part_of(chain, TWO), nonce=shown.nonce)
    assert said(chain, copied).reason == "DRILL_COMMITMENT"


DEEDS = ("able", "wrong", "unshown", "absent")


@pytest.mark.parametrize("deeds", list(itertools.product(DEEDS, repeat=3)), ids="-".join)
def test_what_each_does_is_what_is_found(deeds: tuple[str, ...]) -> None:
    chain = drilling_chain()
    does = dict(zip(AUDITORS, deeds, strict=True))
    lie = {a: 9 + i for i, a in enumerate(AUDITORS) if does[a] == "wrong"}
    for auditor, deed in does.items():
        if deed != "absent":
            commit(chain, auditor, part=lie.get(auditor))
    if "absent" in deeds:
        wait(chain, ANSWER_S + 10 * SOON_S)
    for auditor, deed in does.items():
        if deed in ("able", "wrong"):
            assert show(chain, auditor, part=lie.get(auditor)).accepted
    wait(chain, ANSWER_S + 10 * SOON_S)
    drill = drill_of(chain)
    assert (drill.number, drill.phase) == (1, DrillPhase.ENDED)
    able = deeds.count("able")
    for auditor, deed in does.items():
        expected = deed
        # With one right part or none, nobody can tell a right part from a wrong one.
        if deed in ("able", "wrong") and able < 2:
            expected = "unproven"
        assert drill.outcome(auditor) == expected
    assert drill.is_enough == (able == 3)


def test_of_five_two_liars_are_named_and_three_are_able() -> None:
    chain = drilling_chain(auditors=5, threshold=3)
    assert drill_of(chain).needed == 4
    for index, auditor in enumerate(FIVE):
        commit(chain, auditor, part=7 + index if index < 2 else None)
    for index, auditor in enumerate(FIVE):
        show(chain, auditor, part=7 + index if index < 2 else None)
    drill = drill_of(chain)
    assert (drill.agreeing, drill.wrong) == (3, {"auditor-1", "auditor-2"})
    assert not drill.is_enough


def test_two_camps_leave_it_unproven() -> None:
    start = drill_of(drilling_chain()).start
    drill = Drill(1, start, b"", FIVE[:4], 3, 1, 1, dict.fromkeys(FIVE[:4], b""))
    drill = replace(drill, parts=dict.fromkeys(FIVE[:4], 3), agreeing=2)
    assert {drill.outcome(a) for a in FIVE[:4]} == {DrillOutcome.UNPROVEN}
