"""An auditor in drills (docs/spec/keys.md, K37.3 to K37.5): whole nodes in one process."""

from dataclasses import replace

import pytest

from fermata.protocol.drills.drill import Drill, DrillOutcome, DrillPhase
from fermata.protocol.drills.duties import (
    ANSWER,
    DrillAnswer,
    Drilling,
    answer,
    decode_answer,
    encode_answer,
)
from fermata.protocol.state.state import KeyedState, State
from fermata.protocol.wire.ports import Duty
from harness.chains import COORDINATOR, Run, entropy_of, make_deployment
from harness.drills import ANSWER_S, DRILLS

ONE, TWO, THREE = AUDITORS = ("auditor-1", "auditor-2", "auditor-3")
HOUR_MS = 3_600_000
#: Who has something to say in a drill; labs only read.
THOSE = (COORDINATOR, *AUDITORS)
#: A period that a test can wait for.
SHORT = "\n[drills]\nevery_s = 14400\nanswer_s = 7200\n"


@pytest.fixture
def run() -> Run:
    """The labs have nothing to say: what is logged is about the drill."""
    return Run(make_deployment(extra=DRILLS, heartbeat_s=900), lambda lab, period: None)


def newest(run: Run) -> Drill:
    return run.state.drills[-1]


def settle(run: Run, *names: str) -> None:
    """Lets some minutes pass, a few steps each, so that everything is witnessed and answered."""
    for _ in range(3):
        run.now_ms += 60_000
        for _ in range(6):
            run.step(*(names or THOSE))


def pass_hours(run: Run, hours: int, *names: str) -> None:
    for _ in range(2 * hours):
        run.now_ms += HOUR_MS // 2
        for _ in range(4):
            run.step(*(names or THOSE))


def kinds(run: Run) -> list[str]:
    made = []
    for name in AUDITORS:
        made += [d.slot for d in run.stores[name].drafts() if d.slot.startswith("drill/")]
    return sorted(made)


def without_share(run: Run, name: str) -> None:
    driver = run.drivers[name]
    driver.share = None


def test_honest_auditors_are_done_at_once_and_once() -> None:
    run = Run(make_deployment(extra=SHORT, heartbeat_s=900), lambda lab, period: None)
    settle(run)
    drill = newest(run)
    assert (drill.number, drill.phase, drill.is_enough) == (1, DrillPhase.ENDED, True)
    size = run.ledger.size()
    pass_hours(run, 2)
    assert len(run.state.drills) == 1
    pass_hours(run, 3)
    assert [d.is_enough for d in run.state.drills] == [True, True]
    assert run.ledger.size() > size
    assert run.ledger.replica.rejected == []
    assert run.reasons("statement_refused") == {}


def test_who_has_no_share_is_absent_and_the_others_go_on(run: Run) -> None:
    without_share(run, THREE)
    settle(run)
    assert newest(run).phase == DrillPhase.COMMITTING
    pass_hours(run, ANSWER_S // 3600 + 1)
    drill = newest(run)
    assert drill.phase == DrillPhase.ENDED
    assert [drill.outcome(a) for a in AUDITORS] == [
        DrillOutcome.ABLE,
        DrillOutcome.ABLE,
        DrillOutcome.ABSENT,
    ]
    assert not drill.is_enough


def test_an_answer_is_kept_before_its_commitment_leaves(run: Run) -> None:
    """A node that crashes after it has committed itself shows what it committed itself to."""
    without_share(run, THREE)
    settle(run)
    kept = run.stores[ONE].value(ANSWER)
    assert kept is not None
    assert ONE in newest(run).commitments
    restarted = run.restart(ONE)
    restarted.share = None
    run.drivers[THREE].share = run.deployment.shares[THREE]
    settle(run)
    assert newest(run).is_enough
    assert run.stores[ONE].value(ANSWER) == kept


def test_a_lost_answer_cannot_be_shown_and_another_is_not(run: Run) -> None:
    without_share(run, THREE)
    settle(run)
    record = run.state.keyed().key.record
    other = DrillAnswer(bytes(32), 9)
    run.stores[ONE].put_value(ANSWER, encode_answer(record, newest(run), other))
    run.stores[TWO].put_value(ANSWER, b"damaged")
    run.drivers[THREE].share = run.deployment.shares[THREE]
    settle(run)
    pass_hours(run, ANSWER_S // 3600 + 1)
    drill = newest(run)
    assert [drill.outcome(a) for a in AUDITORS] == [
        DrillOutcome.UNSHOWN,
        DrillOutcome.UNSHOWN,
        DrillOutcome.UNPROVEN,
    ]
    assert run.reasons("statement_refused") == {}


def drilling(run: Run, name: str, asked: list[int]) -> Drilling:
    share = run.deployment.shares[name]

    def opener(state: KeyedState, drill: Drill) -> DrillAnswer:
        asked.append(drill.number)
        return answer(state.key.record, share, drill, entropy_of(1, name))

    return Drilling(name, run.drivers[name].replica, opener)


def owed(run: Run, name: str, asked: list[int]) -> list[Duty]:
    return list(drilling(run, name, asked).duties(lambda slot: False))


def test_nothing_is_said_of_what_is_not_witnessed(run: Run) -> None:
    for name in AUDITORS:
        without_share(run, name)
    settle(run)
    replica, asked = run.drivers[ONE].replica, []
    (duty,) = owed(run, ONE, asked)
    assert (duty.slot, asked) == ("drill/1/commitment", [1])
    # The same log, of which no more than what came before the drill is witnessed.
    start = newest(run).start.index
    replica.witnessed = replace(replica.witnessed, size=start)
    replica._trusted, replica._recent = (
        State(charter_sha256=run.charter.sha256, modulus_bits_min=replica.state.modulus_bits_min),
        type(replica._recent)(),
    )
    assert owed(run, ONE, asked) == []
    assert asked == [1]


def test_the_opener_is_asked_once_and_not_for_parts(run: Run) -> None:
    for name in AUDITORS:
        without_share(run, name)
    settle(run)
    asked: list[int] = []
    assert len(owed(run, ONE, asked)) == len(owed(run, ONE, asked)) == 1
    assert asked == [1]


def test_an_answer_is_of_one_drill(run: Run) -> None:
    without_share(run, THREE)
    settle(run)
    state, drill = run.state.keyed(), newest(run)
    record, given = state.key.record, DrillAnswer(bytes(range(32)), 12345)
    data = encode_answer(record, drill, given)
    assert decode_answer(record, drill, data) == given
    other = replace(drill, start=replace(drill.start, leaf_hash=bytes(32)))
    assert decode_answer(record, other, data) is None


def test_rounds_go_on_beside_a_drill_in_which_somebody_is_away() -> None:
    run = Run(make_deployment(extra=DRILLS, heartbeat_s=900, last="2025Q3"))
    without_share(run, THREE)
    settle(run, *run.drivers)
    settle(run, *run.drivers)
    assert run.state.rounds[0].opening is not None
    assert newest(run).phase == DrillPhase.COMMITTING
