"""Notices of silence: their one form, their order among those of the pause, their delivery."""

import json
from base64 import b64decode

import pytest

from fermata.errors import InvalidEncoding, InvalidSignature, TransportError
from fermata.memory_store import MemoryStore
from fermata.node.hook import delivery, hooks
from fermata.node.hook.notice import NOTICE_TYPE, idempotency_key, open_notice, seal_payload
from fermata.node.hook.silence_notice import SILENCE_TYPE, open_silence, silence_key
from fermata.protocol.roles.silence import Silence
from harness.node.hook_world import Node, until
from harness.node.silence_world import SILENCE_MS, SilenceWorld, deployment_of
from harness.pauses import pause_run


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch):
    monkeypatch.setattr(delivery, "BACKOFF_S", (0.01,))


@pytest.fixture
def world():
    made = SilenceWorld()
    made.live()
    return made


class Taker:
    """A hook in this process that fails while it is told to."""

    def __init__(self):
        self.calls = []
        self.is_failing = False

    def __call__(self, notice, key):
        if self.is_failing:
            raise TransportError("HOOK_EXIT", "hook: exit code must be 0, got 1")
        self.calls.append((notice, key))


def held(world, path, store=None, taker=None):
    """A lab whose log has been silent for long enough, its hook running."""
    lab = world.lab(path, store, taker or Taker())
    lab.step()
    lab.hook.start()
    world.pass_time(SILENCE_MS)
    lab.look()
    return lab


def taken(world, path):
    """The bytes of the notice of a hold."""
    lab = held(world, path, taker=(taker := Taker()))
    until(lambda: taker.calls)
    lab.hook.stop()
    ((data, _),) = taker.calls
    return data


def test_the_hook_gets_the_hold_and_its_end_each_with_its_key(world, tmp_path):
    taker = Taker()
    lab = held(world, tmp_path, taker=taker)
    until(lambda: len(taker.calls) == 1)
    world.live()
    lab.step()
    until(lambda: len(taker.calls) == 2)
    lab.hook.stop()
    notices = [open_silence(data, world.charter) for data, _ in taker.calls]
    assert [(n.silence.why, n.silence.is_holding) for n in notices] == [
        ("silence", True),
        ("over", False),
    ]
    keys = [silence_key(world.charter.sha256, "lab-1", index) for index in range(2)]
    assert [key for _, key in taker.calls] == keys
    assert {a.answer for a in notices[0].silence.answers} == {"none"}
    assert notices[0].log.size < notices[1].log.size
    assert not notices[0].pause.is_holding
    told = [(e["status"], e["entry"]) for e in lab.events("hook_taken")]
    assert told == [(n.silence.why, n.log.size) for n in notices]


def test_a_restart_sends_what_was_not_taken_with_the_same_bytes_and_no_more(world, tmp_path):
    store, taker = MemoryStore(), Taker()
    taker.is_failing = True
    lab = held(world, tmp_path, store, taker)
    until(lambda: lab.events("hook_failed"))
    lab.hook.stop()
    again = Taker()
    lab = world.lab(tmp_path, store, again)
    lab.hook.start()
    until(lambda: store.value(hooks.SILENCES_TAKEN) == b"1")
    lab.hook.stop()
    change = lab.hook.silences.change(0)
    assert again.calls == [(change.notice, change.key)]
    third = Taker()
    lab = world.lab(tmp_path, store, third)
    lab.hook.start()
    world.live()
    lab.step()
    until(lambda: third.calls)
    lab.hook.stop()
    assert [open_silence(data, world.charter).silence.why for data, _ in third.calls] == ["over"]


def test_what_was_known_at_a_hold_goes_out_before_it_and_the_rest_once_it_is_over():
    run, taker = pause_run(), Taker()
    first, second = run.state.pause.changes
    node = Node(run, taker)
    book = node.hook.silences
    book.keep(Silence(size=first.entry + 1, seen_ms=1))
    book.decide("silence", "key", b"hold")
    with node:
        until(lambda: len(taker.calls) == 2)
        assert not node.hook.has_taken(second.entry)
    # Also after a restart: the log may hand out a change that says to go on, and be silent still.
    later = Node(run, taker, node.replica.store)
    later.hook.look()
    assert later.hook.next_due() is None
    with later:
        book = later.hook.silences
        book.keep(Silence(second.entry + 1, 2, book.known.last, book.known.last_size, 1))
        book.decide("over", "end", b"over")
        later.hook.look()
        until(lambda: len(taker.calls) == 4)
    assert [key for _, key in taker.calls] == [
        idempotency_key(run.charter.sha256, 0),
        "key",
        idempotency_key(run.charter.sha256, 1),
        "end",
    ]
    assert later.has_all()


def test_neither_kind_of_notice_is_taken_for_the_other(world, tmp_path):
    data = taken(world, tmp_path)
    with pytest.raises(InvalidEncoding) as caught:
        open_notice(data, world.charter)
    assert caught.value.reason == "NOTICE"
    with pytest.raises(InvalidEncoding):
        open_silence(data.replace(b"silence.v1", b"pause.v1"), world.charter)


def changed(world, data, change, signer="lab-1", kind=SILENCE_TYPE):
    """The notice with a change of its payload, signed again by somebody."""
    document = json.loads(b64decode(json.loads(data)["payload"]))
    change(document)
    return seal_payload(kind, document, signer, world.deployment.keys[signer])


CHANGES = {
    "SI5.1 charter": (lambda d: d.update(charter_sha256="00" * 32), "CHARTER_HASH"),
    "SI5.1 deployment": (lambda d: d.update(deployment="other"), "CHARTER_HASH"),
    "SI5.2": (lambda d: d.update(node="lab-2"), "SIGNATURE"),
    "SI5.3": (lambda d: d["silence"].update(index=1), "NOTICE"),
    "SI5.3 below 0": (lambda d: d["silence"].update(index=-1), "NOTICE"),
    "SI5.4 why": (lambda d: d["silence"].update(why="calm"), "NOTICE"),
    "SI5.4 is_holding": (lambda d: d["silence"].update(is_holding=False), "NOTICE"),
    "SI5.4 answer": (lambda d: d["silence"]["answers"][0].update(answer="yes"), "NOTICE"),
    "another field": (lambda d: d.update(more=1), "NOTICE"),
    "a field less": (lambda d: d.pop("pause"), "NOTICE"),
    "another format": (lambda d: d.update(format=2), "NOTICE"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_notice_is_refused_though_its_node_signed_it(world, tmp_path, name):
    change, reason = CHANGES[name]
    with pytest.raises((InvalidEncoding, InvalidSignature)) as caught:
        open_silence(changed(world, taken(world, tmp_path), change), world.charter)
    assert caught.value.reason == reason


def test_a_notice_of_a_pause_does_not_pass_as_one_of_silence(world, tmp_path):
    data = changed(world, taken(world, tmp_path), lambda document: None, kind=NOTICE_TYPE)
    with pytest.raises(InvalidEncoding):
        open_silence(data, world.charter)


def test_without_a_hook_the_lab_still_knows_that_it_holds(tmp_path):
    world = SilenceWorld(deployment_of())
    world.live()
    lab = world.lab(tmp_path)
    lab.step()
    world.pass_time(SILENCE_MS)
    lab.look()
    assert lab.is_holding
    assert lab.replica.store.value(hooks.SILENCES_TAKEN) is None
