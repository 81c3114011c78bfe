"""Key generations among crashes, spoilt messages and lies, and what the simulation notices."""

import itertools
import random

import pytest

import fermata.sim.keygen.__main__ as simulation
from fermata.crypto.threshold.ceremony.lockstep import Messages, Misbehaviour, Progress, Turn
from fermata.sim.keygen.faults import CrashingParty, SpoilingNetwork
from fermata.sim.keygen.play import Played

BITS = 256
WORDS = (b"words %d" % number for number in itertools.count())


class Forgetful:
    """A party that says in each process something else."""

    index, parties = 1, (1, 2)

    def __init__(self) -> None:
        self.words = next(WORDS)

    def begin(self, seed):
        return Turn(0, b"", Messages(self.words), Progress("test"))

    def step(self, kept, received):
        return Turn(1, b"", Messages(self.words), Progress("test"))


def test_keys_come_out_right_and_liars_are_named_among_crashes_and_spoilt_bodies():
    runs = [simulation.generate(seed, BITS) for seed in range(6)]
    assert [run.wrong for run in runs] == [""] * len(runs)
    assert 0 < sum(bool(run.lie) for run in runs) < len(runs)
    assert min(sum(run.crashes for run in runs), sum(run.spoilt for run in runs)) > 0


def test_a_seed_replays_its_ceremony():
    assert simulation.generate(3, BITS) == simulation.generate(3, BITS)


def test_a_party_that_says_something_else_after_a_crash_is_noticed():
    party = CrashingParty(Forgetful, random.Random(1))
    for _ in range(100):
        party.step(b"", {})
    assert party.crashes > 0
    assert not party.is_repeated_alike
    assert "said something else after a crash" in simulation._wrong(
        Played({}, {}, "", 1, 0), None, None, {1: party}
    )


def test_a_network_spoils_some_bodies_and_leaves_what_is_said_to_all():
    network = SpoilingNetwork(random.Random(2))
    sent = Messages(b"to all", {2: b"for two", 3: b"for three"})
    arrived = [network(0, 1, sent) for _ in range(500)]
    assert {words.public for words in arrived} == {b"to all"}
    altered = [w.private[j] for w in arrived for j in (2, 3) if w.private[j] != sent.private[j]]
    assert len(altered) == network.spoilt > 0
    assert b"" in altered


def test_a_ceremony_that_names_another_than_the_liar_is_wrong(monkeypatch):
    def naming_nobody_that_there_is(parties, seeds, network):
        fault = Misbehaviour("KEYGEN_AUDIT", "made up", len(parties) + 1, 1)
        return Played({}, dict.fromkeys(parties, fault), "", 1, 0)

    monkeypatch.setattr(simulation, "play", naming_nobody_that_there_is)
    assert all(simulation.generate(seed, BITS).wrong for seed in range(4))


def test_the_command_says_what_it_played_and_ends_with_zero(capsys):
    assert simulation.main(["--seeds", "2", "--bits", str(BITS)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ceremonies   2 of 256 bits, ")
    assert "wrong        0" in out


def test_a_length_that_no_key_has_is_refused_in_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        simulation.main(["--bits", "100"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "argument --bits: the modulus must have 256 to 4096 bits" in said
    assert "Traceback" not in said
