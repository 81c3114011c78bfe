"""A participant that is killed at any step goes on where it was, and nobody is named for it."""

import collections
import itertools
import threading

import pytest

from fermata.errors import TransportError
from harness.ceremony.killed import Killed, KilledState
from harness.ceremony.table import AUDITORS, LocalRelay, Table

KILLED = "auditor-2"
#: Steps of one participant in the coin: saves of its state and items that it hands in.
SAVES, POSTS = 5, 10


class KilledRelay(LocalRelay):
    """Dies at one item, before or after it was handed in."""

    at, after = 0, False
    count = 0

    def post(self, ceremony, name, data):
        self.count += 1
        dies = self.count == self.at
        if dies and not self.after:
            raise Killed
        super().post(ceremony, name, data)
        if dies:
            raise Killed


def play(table, first):
    """One participant dies once and is started again."""

    def twice():
        with pytest.raises(Killed):
            first()
        table.relays.pop(KILLED, None)
        return table.participant(KILLED).run("coin", False)

    return table.run(wrap={KILLED: twice})


def is_done(table, out):
    for finished in out.values():
        checked = table.check(finished)
        assert checked.outcome == "done"
        assert not checked.culprits
        assert not checked.named
        assert not checked.absent
    assert len({f.record for f in out.values()}) == 1
    assert {p for results in table.results.values() for p, _ in results} == {checked.public_result}
    # What was kept twice is the same.
    assert len(set(table.results[KILLED])) == 1


@pytest.mark.parametrize(("at", "after"), [*itertools.product(range(1, SAVES + 1), (False, True))])
def test_it_goes_on_after_a_kill_at_each_save(tmp_path, at, after):
    table = Table(tmp_path)
    state = KilledState(tmp_path / KILLED, table.charter.deployment, table.lock)
    state.at, state.after = at, after
    is_done(table, play(table, lambda: table.participant(KILLED, state).run("coin", False)))


@pytest.mark.parametrize(("at", "after"), [*itertools.product(range(1, POSTS + 1), (False, True))])
def test_it_goes_on_after_a_kill_at_each_item(tmp_path, at, after):
    table = Table(tmp_path)
    relay = KilledRelay(table.folder, KILLED)
    relay.at, relay.after = at, after
    table.relays[KILLED] = relay
    is_done(table, play(table, lambda: table.participant(KILLED).run("coin", False)))


def test_the_numbers_of_steps_are_those_of_the_coin(tmp_path):
    table = Table(tmp_path)
    state = KilledState(tmp_path / KILLED, table.charter.deployment, table.lock)
    relay = table.relays[KILLED] = KilledRelay(table.folder, KILLED)
    table.run(wrap={KILLED: lambda: table.participant(KILLED, state).run("coin", False)})
    assert (state.count, relay.count) == (SAVES, POSTS)


@pytest.mark.parametrize("call", ["post", "standing", "fetch"])
def test_it_goes_on_after_the_relay_was_started_again(tmp_path, call):
    table = Table(tmp_path)

    # One process has the folder at a time.
    one_at_a_time = threading.RLock()
    begun, counts = set(), collections.Counter()

    class Restarted(LocalRelay):
        """A relay that is started again at every fourth of one kind of calls."""

        def now(self, name):
            """The relay for a call; it is not there, once, where its time has come."""
            # What begins a ceremony is asked by a person, who asks again.
            began = threading.current_thread() in begun
            counts[name] += began
            if name == call and began and counts[name] % 4 == 0:
                table.reopen_relay()
                raise TransportError("UNREACHABLE", "relay: gone")
            return LocalRelay(table.folder, self.caller)

        def post(self, ceremony, name, data):
            with one_at_a_time:
                begun.add(threading.current_thread())
                self.now("post").post(ceremony, name, data)

        def standing(self, ceremony):
            with one_at_a_time:
                return self.now("standing").standing(ceremony)

        def fetch(self, ceremony, name):
            with one_at_a_time:
                return self.now("fetch").fetch(ceremony, name)

    for auditor in AUDITORS:
        table.relays[auditor] = Restarted(table.folder, auditor)
    is_done_without_kills(table, table.run())
    assert counts[call] >= 4


def is_done_without_kills(table, out):
    for finished in out.values():
        assert table.check(finished).outcome == "done"
    assert len({f.record for f in out.values()}) == 1
