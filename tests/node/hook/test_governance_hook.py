"""Notices of governance: one for each step of a motion, signed, checkable, and apart from the
pause's."""

import io
import json
import threading
from base64 import b64decode, b64encode

import pytest

from fermata.errors import FermataError, InvalidEncoding, InvalidSignature, TransportError
from fermata.node.hook import delivery
from fermata.node.hook.calls import CommandCall
from fermata.node.hook.governance_hook import GovernanceHook
from fermata.node.hook.governance_notice import (
    GOVERNANCE_TYPE,
    governance_key,
    governance_notice,
    open_governance,
    seal_governance,
)
from fermata.node.hook.hooks import witnessed_now
from fermata.node.hook.notice import NOTICE_TYPE, open_notice, seal_payload
from fermata.node.observe.telemetry import Telemetry
from fermata.protocol.state.state import State
from fermata.summary.records.governance_events import Step, governance_events
from harness.governed import OUT, Growing, governed_chain
from harness.node.hook_world import Program, until

TIMEOUT_S = 20


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch):
    monkeypatch.setattr(delivery, "BACKOFF_S", (0.01,))


class Taker:
    """A hook in this process that fails as often as it is told to."""

    def __init__(self, failures=0):
        self.calls = []
        self.failures = failures

    def __call__(self, notice, key):
        self.calls.append((notice, key))
        if self.failures:
            self.failures -= 1
            raise TransportError("HOOK_EXIT", "hook: exit code must be 0, got 1")


class Node:
    """The governance hook of a lab over the governed chain."""

    def __init__(self, deliver, growing=None, party=OUT, size=None):
        self.chain = governed_chain()
        self.growing = growing or Growing(self.chain, size or len(self.chain.leaves))
        self.out = io.StringIO()
        self.telemetry = Telemetry(party, "lab", lambda: 0, stream=self.out)
        key = self.chain.deployment.keys[party]
        stopping = threading.Event()
        self.hook = GovernanceHook(
            party, self.growing.replica, key, deliver, self.telemetry, bytes, stopping
        )

    def __enter__(self):
        self.hook.start()
        return self

    def __exit__(self, *_):
        self.hook.stop()
        self.telemetry.close()

    def told(self, event):
        lines = map(json.loads, self.out.getvalue().splitlines())
        return [line for line in lines if line["event"] == event]


def every_step():
    return [event.key for event in governance_events(governed_chain().state)]


def opened(data):
    state = governed_chain().state
    return open_governance(data, state.charter, state.charter_sha256)


def steps(calls):
    return [(n.event.step, n.event.motion) for n in (opened(data) for data, _ in calls)]


def test_the_hook_gets_every_step_in_order_signed_and_with_its_key():
    taker = Taker()
    with Node(taker) as node:
        until(lambda: len(node.told("governance_hook_taken")) == len(every_step()))
    assert steps(taker.calls) == every_step()
    pinned = governed_chain().state.charter_sha256
    assert [key for _, key in taker.calls] == [governance_key(pinned, *k) for k in every_step()]
    last = opened(taker.calls[-1][0])
    assert (last.node, last.event.step) == (OUT, Step.IN_FORCE)
    assert last.event.changes[0].text == "cohort_min 3 -> 4: stricter"
    assert last.log.size == governed_chain().state.size


def test_the_excluded_lab_reads_that_a_step_concerns_it():
    taker = Taker()
    with Node(taker):
        until(lambda: len(taker.calls) == len(every_step()))
    concerned = [
        n.event for n in (opened(data) for data, _ in taker.calls) if n.event.concerns_node
    ]
    assert {(e.step, e.kind) for e in concerned} >= {
        (Step.FILED, "dispute"),
        (Step.FILED, "exclusion"),
        (Step.DECIDED, "exclusion"),
        (Step.EXCLUDED, "exclusion"),
    }
    assert all(OUT in (e.lab, *e.asked_labs) for e in concerned)


def test_a_program_gets_each_notice_on_its_standard_input(tmp_path):
    program = Program(tmp_path)
    call = CommandCall([str(program.path)], TIMEOUT_S, threading.Event())
    exclusion = next(
        m for m in governed_chain().state.governance.motions.values() if m.kind == "exclusion"
    )
    with Node(call, size=exclusion.entry + 1):
        until(lambda: len(program.calls) == exclusion_count(exclusion.entry))
    notices = [opened(made["notice"].encode()) for made in program.calls]
    assert notices[-1].event.what == "exclude lab-3 from round 2"


def exclusion_count(entry):
    """How many steps there are up to the filing of a motion."""
    return sum(e.entry <= entry for e in governance_events(governed_chain().state))


def test_a_receiver_that_fails_gets_the_same_bytes_again():
    taker = Taker(failures=2)
    with Node(taker) as node:
        until(lambda: len(node.told("governance_hook_taken")) == len(every_step()))
        counted = node.telemetry.registry.get_sample_value
        name = "fermata_governance_hook_notices_total"
        assert (counted(name, {"status": "failed"}), counted(name, {"status": "taken"})) == (
            2,
            len(every_step()),
        )
        # What pages somebody for a lab's hook of the pause does not count these.
        assert not counted("fermata_hook_notices_total", {"status": "failed"})
    assert taker.calls[0] == taker.calls[1] == taker.calls[2]
    assert [e["reason"] for e in node.told("governance_hook_failed")] == ["HOOK_EXIT"] * 2


def test_after_a_restart_only_what_was_not_taken_is_sent():
    growing, first = Growing(governed_chain(), len(governed_chain().leaves)), Taker()

    def two_then_fail(notice, key):
        if len(first.calls) == 2:
            raise TransportError("HOOK_EXIT", "hook: exit code must be 0, got 1")
        first(notice, key)

    with Node(two_then_fail, growing) as node:
        until(lambda: node.told("governance_hook_failed"))
    later = Taker()
    with Node(later, growing) as node:
        until(lambda: len(later.calls) == len(every_step()) - 2)
    assert steps(first.calls + later.calls) == every_step()


def test_a_step_has_the_same_bytes_after_a_restart_with_a_longer_log():
    end = len(governed_chain().leaves)
    first_entry = governance_events(governed_chain().state)[0].entry
    growing, failing, later = Growing(governed_chain(), first_entry + 1), Taker(10**6), Taker()
    with Node(failing, growing):
        until(lambda: failing.calls)
    growing.grow(end)
    with Node(later, growing):
        until(lambda: len(later.calls) > 1)
    assert later.calls[0] == failing.calls[0]
    assert opened(later.calls[1][0]).log.size == end


def test_what_only_the_coordinator_has_signed_is_not_sent():
    growing, taker = Growing(governed_chain(), 3), Taker()
    size = next(e.entry for e in governance_events(governed_chain().state)) + 1
    with Node(taker, growing) as node:
        growing.grow(size, size - 1)
        node.hook.look()
        assert node.hook.next_due() is None
        growing.grow(size)
        # The same head, with cosignatures of more.
        growing.grow(size + 1)
        node.hook.look()
        until(lambda: taker.calls)
    assert steps(taker.calls) == every_step()[:1]


def test_without_a_receiver_nothing_is_kept():
    growing = Growing(governed_chain(), len(governed_chain().leaves))
    with Node(None, growing) as node:
        node.hook.look()
    assert growing.replica.store.value("governance-hook/taken") is None
    assert node.out.getvalue() == ""


def sealed(**changes):
    """The last step's notice with other fields, sealed by the lab."""
    replica = Growing(governed_chain(), len(governed_chain().leaves)).replica
    state, head = witnessed_now(replica)
    event = governance_events(state)[-1]
    notice = governance_notice(state, event, head, OUT)
    document = json.loads(json.dumps(payload(seal_governance(notice, key_of(OUT)))))
    for path, value in changes.items():
        place = document
        *outer, last = path.split("__")
        for name in outer:
            place = place[name]
        place[last] = value
    return document


def key_of(party):
    return governed_chain().deployment.keys[party]


def payload(data):
    return json.loads(b64decode(json.loads(data)["payload"]))


@pytest.mark.parametrize(
    ("changes", "signer", "reason"),
    [
        ({"deployment": "another"}, OUT, "CHARTER_HASH"),
        ({"charter_sha256": "00" * 32}, OUT, "CHARTER_HASH"),
        ({"node": "lab-1"}, OUT, "SIGNATURE"),
        ({"event__motion": 1}, OUT, "NOTICE"),
        ({"event__motion": -1}, OUT, "NOTICE"),
        ({"event__step": "motion_filed"}, OUT, "NOTICE"),
        ({"event__step": "motion_dropped"}, OUT, "NOTICE"),
        ({"event__kind": "proposal"}, OUT, "NOTICE"),
        ({"event__more": 1}, OUT, "NOTICE"),
        ({"format": 2}, OUT, "NOTICE"),
        ({"log__root": "00" * 31}, OUT, "NOTICE"),
        ({"log__root": "00" * 32}, OUT, "CONSISTENCY"),
        ({"log__witnesses": []}, OUT, "WITNESSES_FEW"),
    ],
)
def test_a_notice_that_says_something_else_is_refused(changes, signer, reason):
    data = seal_payload(GOVERNANCE_TYPE, sealed(**changes), signer, key_of(signer))
    with pytest.raises(FermataError) as caught:
        opened(data)
    assert caught.value.reason == reason


def test_a_notice_as_it_was_made_is_accepted_and_one_of_another_kind_is_not():
    document = sealed()
    assert opened(seal_payload(GOVERNANCE_TYPE, document, OUT, key_of(OUT))).event.motion > 0
    state = governed_chain().state
    with pytest.raises(InvalidEncoding):
        opened(seal_payload(NOTICE_TYPE, document, OUT, key_of(OUT)))
    with pytest.raises(InvalidEncoding):
        open_notice(
            seal_payload(GOVERNANCE_TYPE, document, OUT, key_of(OUT)),
            state.charter,
            state.charter_sha256,
        )


def test_a_stranger_and_a_forger_are_refused():
    data = json.loads(seal_payload(GOVERNANCE_TYPE, sealed(), OUT, key_of(OUT)))
    data["signatures"][0]["sig"] = b64encode(bytes(64)).decode()
    forged = json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(InvalidSignature) as caught:
        opened(forged)
    assert caught.value.reason == "SIGNATURE"


def test_a_notice_of_a_head_of_another_size_is_not_made():
    replica = Growing(governed_chain(), len(governed_chain().leaves)).replica
    state, head = witnessed_now(replica)
    event = governance_events(state)[0]
    with pytest.raises(ValueError, match="head must be of the state's"):
        governance_notice(State(), event, head, OUT)
    assert witnessed_now(Growing(governed_chain(), 0).replica) is None
