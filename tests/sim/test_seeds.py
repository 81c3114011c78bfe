"""Seeds hold all invariants, are deterministic, and meet every kind of fault."""

import functools
import itertools

import pytest

from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.sim import __main__ as command
from fermata.sim.__main__ import main
from fermata.sim.faults import KINDS, Tally
from fermata.sim.reference.watch import Violation, Watch
from fermata.sim.setup.deployment import SHAPES, Shape
from fermata.sim.simulation import Outcome, run
from fermata.sim.world import World

SEEDS = range(20)
#: A seed in which an amendment changes the gap, as few do.
GAP_SEED = 24
#: A seed in which a pause is lifted by calm rounds, which takes newer figures of everybody.
LIFTED_SEED = 57


@functools.cache
def outcome_of(seed: int) -> Outcome:
    return run(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_seed_holds_every_invariant_and_ends(seed: int) -> None:
    outcome = outcome_of(seed)
    told = "\n".join(outcome.lines[-40:])
    replay = f"replay: python -m fermata.sim --seed {seed}"
    assert not outcome.violations, f"{outcome.violations}\n{told}\n{replay}"
    assert set(outcome.phases) <= {"opened", "refused"}


def test_a_part_that_is_signed_again_after_a_crash_is_the_same_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An auditor crashes between its signature and its store, and has then seen more."""
    signed: set[bytes] = set()
    saw = Watch._saw_statement

    def noting(self: Watch, node: str, envelope: bytes) -> None:
        if node == "auditor-1" and statement_of(unseal(envelope)).HasField("partial_opening"):
            signed.add(envelope)
        saw(self, node, envelope)

    monkeypatch.setattr(Watch, "_saw_statement", noting)
    world = World(1, Shape(auditors=3, threshold=2, organisations="abcd", rounds=1), is_calm=True)
    turns = itertools.cycle(world.nodes)
    while world.phases() != ["endorsed"]:
        world.step(next(turns))
    calls = 0
    while not signed:
        calls += 1
        world.nodes["auditor-1"].fuse.light(calls, after=False)
        world.step("auditor-1")
    assert world.nodes["auditor-1"].disk.draft("opening/1") is None
    world.step("auditor-2")
    assert world.settle()
    assert len(signed) == 2
    assert world.watch.violations == []


def test_same_seed_tells_the_same_run() -> None:
    assert run(3).text == outcome_of(3).text


def test_other_seed_tells_another_run() -> None:
    assert outcome_of(4).text != outcome_of(3).text


def test_every_kind_of_fault_is_injected() -> None:
    faults: Tally = Tally()
    for seed in SEEDS:
        faults.update(outcome_of(seed).faults)
    assert [kind for kind in KINDS if not faults[kind]] == []
    assert set(faults) <= set(KINDS)


def test_seeds_meet_every_shape_and_both_endings() -> None:
    told = {outcome_of(seed).lines[0].split(": ", 1)[1] for seed in SEEDS}
    assert len(told) >= len(SHAPES) // 2
    assert {phase for seed in SEEDS for phase in outcome_of(seed).phases} == {"opened", "refused"}


def test_seeds_meet_what_a_pause_can_come_to() -> None:
    seen = frozenset[str]().union(*(outcome_of(seed).seen for seed in (*SEEDS, LIFTED_SEED)))
    assert seen >= {
        "running to triggered",
        "triggered to paused",
        "paused to lifting",
        "lifting to running",
        "relapse",
        "withheld",
        "beyond together",
        "complied",
        "not shown",
        "silent",
        "amendment in force",
        "ruling carried",
    }


def test_seeds_meet_drills_and_a_rule_that_reads_them() -> None:
    seen = frozenset[str]().union(*(outcome_of(seed).seen for seed in SEEDS))
    assert seen >= {"drill of all", "drill of fewer", "unable is True", "unable is False"}


def test_seeds_meet_what_panels_and_their_labs_can_come_to() -> None:
    counts: Tally = Tally()
    for seed in SEEDS:
        counts.update(outcome_of(seed).standing)
    assert {what for what, count in counts.items() if count} >= {
        "sum opened",
        "panel unchanged",
        "figure stood",
        "set changed",
        "joiner joined",
        "joiner joined alone",
        "joiner waited",
        "leaver stood",
        "ghost left",
    }


def test_seeds_lose_heartbeats_change_the_gap_and_let_rights_pass_later() -> None:
    outcomes = [outcome_of(seed) for seed in (*SEEDS, GAP_SEED)]
    lost = [any("heartbeat_lost" in line for line in outcome.lines) for outcome in outcomes]
    assert sum(lost) > len(outcomes) // 2
    seen = frozenset[str]().union(*(outcome.seen for outcome in outcomes))
    assert seen >= {"another gap", "jump", "right that passes later"}


def test_command_summarises_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "2", "--start", "7"]) == 0
    shown = capsys.readouterr()
    assert "seeds       2\n" in shown.out
    assert "violations  0\n" in shown.out
    assert "2 of 2 seeds, 0 with violations" in shown.err


def test_command_fails_and_says_how_to_replay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Outcome(9, (), (Violation("I1", "the receipt is not kept"),), Tally(), ("closed",), 5)
    monkeypatch.setattr(command, "run", lambda seed: bad)
    assert main(["--seeds", "1", "--start", "9"]) == 1
    shown = capsys.readouterr().out
    assert "seed 9: I1: the receipt is not kept\n" in shown
    assert "replay: python -m fermata.sim --seed 9\n" in shown


def test_command_tells_one_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3"]) == 0
    assert capsys.readouterr().out.startswith(outcome_of(3).text)
