"""Notices of the pause: their one form, their signature, and that nothing can be changed."""

import base64
import functools
import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.signing import pae
from fermata.errors import InvalidEncoding, InvalidProof, InvalidSignature, VerificationError
from fermata.node.hook.notice import (
    INT_MAX,
    NOTICE_BYTES_MAX,
    NOTICE_TYPE,
    canonical_json,
    idempotency_key,
    notice_of,
    open_notice,
    seal_notice,
)
from fermata.protocol.state.state import State
from fermata.protocol.verify.witnessed_head import witnessed_head
from harness.bundles import witness_of
from harness.chains import make_deployment
from harness.pauses import copy_of, head_of, pause_run

NODE = "lab-1"


class Told:
    """A notice of a run's first change of the pause, and what it is checked with."""

    def __init__(self):
        self.run = pause_run()
        self.state, self.charter = self.run.state, self.run.charter
        self.key = self.run.deployment.keys[NODE]
        self.tree, size = self.run.ledger.replica.tree, self.run.ledger.replica.tree.size
        note = head_of(self.run, size)
        lines = self.run.ledger.witnesses()
        self.head = witnessed_head(self.charter, self.tree, size, note, lines)
        self.notice = notice_of(self.state, 0, self.head, NODE)
        self.sealed = seal_notice(self.notice, self.key)


@functools.cache
def told():
    return Told()


def resealed(change, signer=NODE, key_id=None):
    """The envelope of a notice that was changed, rightly signed all the same."""
    document = json.loads(msgspec.json.encode(told().notice))
    change(document)
    payload = canonical_json(document)
    return envelope(payload, told().run.deployment.keys[signer], key_id or signer)


def envelope(payload, key, key_id, payload_type=NOTICE_TYPE):
    signature = base64.b64encode(key.sign(pae(payload_type, payload))).decode()
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": key_id, "sig": signature}],
        }
    )


def refused(data, kind, reason, charter=None):
    with pytest.raises(kind) as caught:
        open_notice(data, charter or told().charter)
    assert caught.value.reason == reason


def test_a_notice_says_what_changed_why_and_until_when() -> None:
    change, pause = told().notice.change, told().notice.pause
    (rule,) = (r for r in change.rules if r.rule == "hot")
    first = told().state.pause.changes[0]
    assert (change.before, change.after, change.why) == ("running", "triggered", "rule")
    assert (change.entry, change.time_ms, change.index) == (first.entry, first.time_ms, 0)
    assert (change.round, change.period, change.fired) == (1, "2025Q3", ("hot",))
    assert change.acknowledge_by_ms == told().state.clock.due_ms(first.deadline)
    assert (rule.holds, rule.value, rule.limit) == (True, "120", "100")
    assert (pause.phase, pause.is_holding) == (told().state.pause.phase, True)
    assert (pause.calm_rounds, pause.lift_rounds) == (0, 2)
    assert told().notice.log.size == told().state.size


def test_a_change_that_asks_for_nothing_has_no_time_to_acknowledge() -> None:
    assert told().state.pause.changes[1].why == "acknowledged"
    notice = notice_of(told().state, 1, told().head, NODE)
    assert notice.change.acknowledge_by_ms is None


def test_a_notice_opens_as_what_was_sealed() -> None:
    assert open_notice(told().sealed, told().charter) == told().notice


def test_a_notice_is_json_that_any_reader_can_read() -> None:
    document = json.loads(told().sealed)
    assert document["payloadType"] == NOTICE_TYPE
    assert [s["keyid"] for s in document["signatures"]] == [NODE]
    payload = json.loads(base64.b64decode(document["payload"]))
    assert payload["pause"]["is_holding"] is True


@pytest.mark.parametrize("index", [-1, 2, 99])
def test_a_change_that_is_not_there_has_no_notice(index) -> None:
    with pytest.raises(ValueError, match="must be that of a change"):
        notice_of(told().state, index, told().head, NODE)


def test_a_charter_without_a_pause_has_no_notice() -> None:
    with pytest.raises(ValueError, match="must be that of a change"):
        notice_of(State(), 0, told().head, NODE)


def test_a_head_of_other_entries_than_the_states_is_not_taken() -> None:
    lesser = replace(told().head, size=told().head.size - 1)
    with pytest.raises(ValueError, match="must be of the state's"):
        notice_of(told().state, 0, lesser, NODE)


def paths(document, before=()):
    """The way to every value that is not a table."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in items:
        if isinstance(value, dict | list) and value:
            yield from paths(value, (*before, name))
        else:
            yield (*before, name)


def other(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return ["x"] if isinstance(value, list) else 1


def test_no_field_can_be_changed() -> None:
    changed = list(paths(json.loads(msgspec.json.encode(told().notice))))
    assert len(changed) > 30
    for path in changed:
        document = json.loads(msgspec.json.encode(told().notice))
        place = document
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = other(place[path[-1]])
        data = json.loads(told().sealed)
        data["payload"] = base64.b64encode(canonical_json(document)).decode()
        refused(canonical_json(data), InvalidSignature, "SIGNATURE")


def test_a_signature_of_another_party_does_not_pass_as_this_ones() -> None:
    refused(resealed(lambda d: None, "lab-2", NODE), InvalidSignature, "SIGNATURE")
    refused(resealed(lambda d: None, "lab-2"), InvalidSignature, "SIGNATURE")


def test_a_signer_who_is_not_on_the_roster_is_refused() -> None:
    refused(resealed(lambda d: None, NODE, "nobody"), InvalidSignature, "NOT_ON_ROSTER")


def test_a_notice_of_another_charter_is_refused() -> None:
    def rebind(document):
        document["charter_sha256"] = "ab" * 32

    refused(resealed(rebind), InvalidSignature, "CHARTER_HASH")
    foreign = make_deployment(labs=4, auditors=2).charter
    refused(told().sealed, InvalidSignature, "CHARTER_HASH", foreign)


def test_an_amendment_of_the_charter_changes_neither_key_nor_log() -> None:
    before = told().charter
    amended = replace(before, sha256=b"\x07" * 32, pause=None)
    state = replace(told().state, charter=amended)
    notice = notice_of(state, 0, told().head, NODE)
    assert notice.idempotency_key == told().notice.idempotency_key
    assert notice.charter_sha256 == before.sha256.hex()
    assert notice.change == told().notice.change
    assert notice.pause.lift_rounds == 0
    sealed = seal_notice(notice, told().key)
    assert open_notice(sealed, amended, before.sha256) == notice
    refused(sealed, InvalidSignature, "CHARTER_HASH", amended)


def test_a_wrong_idempotency_key_is_refused() -> None:
    refused(resealed(lambda d: d.update(idempotency_key="00" * 32)), InvalidEncoding, "NOTICE")


def test_a_notice_of_earlier_entries_opens_with_later_heads_of_the_log() -> None:
    """The change is as old as it is; coordinator and auditors have signed since."""
    run, charter = told().run, told().charter
    entry = told().state.pause.changes[0].entry
    state = copy_of(run, size=entry + 1).state
    sizes = {"auditor-1": entry + 3, "auditor-2": entry + 2}
    lines = [witness_of(run.deployment, told().tree, name, size) for name, size in sizes.items()]
    note = head_of(run, entry + 4)
    head = witnessed_head(charter, told().tree, entry + 1, note, lines)
    sealed = seal_notice(notice_of(state, 0, head, NODE), told().key)
    notice = open_notice(sealed, charter)
    assert (notice.log.size, notice.log.time_ms) == (entry + 1, state.time_ms)
    assert notice.log.root == told().tree.root(entry + 1).hex()
    assert [(w.auditor, w.size) for w in notice.log.witnesses] == list(sizes.items())
    assert all(w.proof for w in notice.log.witnesses)
    assert len(sealed) < 16 * 1024


def test_entries_that_are_not_the_coordinators_are_refused() -> None:
    refused(resealed(lambda d: d["log"].update(size=1)), InvalidProof, "CONSISTENCY")


def test_a_notice_that_only_its_node_and_the_coordinator_vouch_for_is_refused() -> None:
    refused(resealed(lambda d: d["log"].update(witnesses=[])), InvalidSignature, "WITNESSES_FEW")
    refused(resealed(lambda d: d["log"]["witnesses"].pop()), InvalidSignature, "WITNESSES_FEW")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["log"].update(root=d["log"]["root"].upper()),
        lambda d: d["log"].update(root=d["log"]["root"][2:]),
        lambda d: d["log"].update(root=""),
        lambda d: d["log"].update(proof=["00" * 31]),
        lambda d: d["log"].update(size=0),
        lambda d: d["log"]["witnesses"][0].update(size=-1),
        lambda d: d["log"]["witnesses"][0].update(root="x" * 64),
        lambda d: d["log"]["witnesses"][0].update(proof=[" " + "00" * 32]),
        lambda d: d["log"]["witnesses"].reverse(),
    ],
)
def test_a_head_in_another_form_is_refused(change) -> None:
    refused(resealed(change), InvalidEncoding, "NOTICE")


def test_a_checkpoint_that_the_coordinator_did_not_sign_is_refused() -> None:
    def forge(document):
        document["log"]["checkpoint"] = document["log"]["checkpoint"].replace("tests", "other")

    refused(resealed(forge), InvalidSignature, "UNSIGNED")


def both(one, other):
    def change(document):
        one(document)
        other(document)

    return change


def other_charter(document):
    document["charter_sha256"] = "00" * 32


def spoken_for(document):
    document["node"] = "lab-2"


def other_key(document):
    document["idempotency_key"] = "00" * 32


def other_head(document):
    document["log"]["checkpoint"] = "no head"


def other_size(document):
    document["log"]["size"] += 1


def other_form(document):
    document["log"]["root"] += "00"


def twice(document):
    document["log"]["witnesses"] *= 2


def stranger(document):
    document["log"]["witnesses"][0]["auditor"] = "auditor-0"


def other_line(document):
    witnesses = document["log"]["witnesses"]
    witnesses[0]["line"] = witnesses[1]["line"]


def other_proof(document):
    document["log"]["witnesses"][0]["proof"] = ["00" * 32]


def one_less(document):
    document["log"]["witnesses"].pop()


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        (lambda: b"x" * (NOTICE_BYTES_MAX + 1), InvalidEncoding, "SIZE"),
        (lambda: b" " + resealed(other_charter, key_id="nobody"), InvalidEncoding, "NOTICE"),
        (lambda: resealed(other_charter, "lab-2", "nobody"), InvalidSignature, "NOT_ON_ROSTER"),
        (lambda: resealed(other_charter, "lab-2", NODE), InvalidSignature, "SIGNATURE"),
        (lambda: resealed(both(other_charter, spoken_for)), InvalidSignature, "CHARTER_HASH"),
        (lambda: resealed(both(spoken_for, other_key)), InvalidSignature, "SIGNATURE"),
        (lambda: resealed(both(other_key, other_size)), InvalidEncoding, "NOTICE"),
        (lambda: resealed(both(other_head, other_form)), InvalidEncoding, "NOTICE"),
        (lambda: resealed(both(other_head, other_size)), InvalidEncoding, "NOTE"),
        (lambda: resealed(both(other_size, twice)), InvalidProof, "CONSISTENCY"),
        (lambda: resealed(both(stranger, twice)), InvalidEncoding, "NOTICE"),
        (lambda: resealed(both(stranger, other_line)), InvalidSignature, "NOT_ON_ROSTER"),
        (lambda: resealed(both(other_line, other_proof)), InvalidSignature, "UNSIGNED"),
        (lambda: resealed(both(other_proof, one_less)), InvalidProof, "CONSISTENCY"),
        (lambda: resealed(one_less), InvalidSignature, "WITNESSES_FEW"),
    ],
    ids=[
        "N4.1 N4.2", "N4.3 N4.4", "N4.4 N4.5", "N4.5 N4.8", "N4.8 N4.9", "N4.9 N4.10",
        "N4.10 N4.13", "N4.11 N4.12", "N4.12 N4.13", "N4.13 N4.14", "N4.14 N4.15", "N4.15 N4.16",
        "N4.16 N4.17", "N4.17 N4.18", "N4.18",
    ],
)  # fmt: skip
def test_of_two_faults_of_a_notice_the_first_in_order_is_told(data, kind, reason) -> None:
    refused(data(), kind, reason)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format=2),
        lambda d: d.update(extra=1),
        lambda d: d.pop("log"),
        lambda d: d["change"].update(entry="1"),
        lambda d: d["change"].update(index=-1),
        lambda d: d["change"].update(after="asleep"),
        lambda d: d["change"]["rules"][0].pop("why"),
        lambda d: d["pause"].update(extra=1),
    ],
)
def test_a_payload_of_another_shape_is_refused(change) -> None:
    refused(resealed(change), InvalidEncoding, "NOTICE")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda payload: payload + b" ",
        lambda payload: payload.replace(b'"format":1', b'"format":1,"format":1'),
        lambda payload: payload.replace(b'"format":1', b'"format":1.0'),
        lambda payload: payload.replace(b"lab-1", b"l\\u0061b-1"),
        lambda payload: b"",
        lambda payload: b"\xff",
        lambda payload: b"[" * 100_000,
    ],
)
def test_a_payload_that_is_not_in_its_one_form_is_refused(spoil) -> None:
    payload = spoil(canonical_json(json.loads(msgspec.json.encode(told().notice))))
    refused(envelope(payload, told().key, NODE), InvalidEncoding, "NOTICE")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sealed: b"",
        lambda sealed: b"{}",
        lambda sealed: b"[]",
        lambda sealed: sealed + b"\n",
        lambda sealed: sealed.replace(b'"keyid"', b'"keyId"'),
        lambda sealed: sealed.replace(NOTICE_TYPE.encode(), b"text/plain"),
        lambda sealed: sealed.replace(b'[{"keyid"', b'[{"keyid":"lab-2","sig":""},{"keyid"'),
    ],
)
def test_what_is_no_envelope_is_refused(spoil) -> None:
    refused(spoil(told().sealed), InvalidEncoding, "NOTICE")


def test_a_notice_that_is_too_large_is_not_read() -> None:
    refused(b" " * (NOTICE_BYTES_MAX + 1), InvalidEncoding, "SIZE")


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_junk_is_refused_and_nothing_else(data) -> None:
    with pytest.raises(VerificationError):
        open_notice(data, told().charter)


def test_the_idempotency_key_depends_on_the_change_and_the_charter_alone() -> None:
    first = idempotency_key(told().charter.sha256, 0)
    assert told().notice.idempotency_key == first
    assert (
        len({first, idempotency_key(told().charter.sha256, 1), idempotency_key(bytes(32), 0)}) == 3
    )


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-INT_MAX, INT_MAX) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('AZaz09_-. \\"\n'), inner),
    max_leaves=10,
)


@given(_JSON)
@settings(max_examples=50, deadline=None)
def test_canonical_json_reads_back_and_sorts_its_keys(document) -> None:
    data = canonical_json(document)
    pairs = []
    assert json.loads(data) == document
    json.loads(data, object_pairs_hook=lambda found: pairs.append([k for k, _ in found]))
    assert all(keys == sorted(keys) for keys in pairs)


def test_canonical_json_is_that_of_rfc_8785() -> None:
    assert canonical_json({"b": '\u20ac$\u000f\nA\'B"\\"/', "a": [None, True, -1]}) == (
        '{"a":[null,true,-1],"b":"\u20ac$\\u000f\\nA\'B\\"\\\\\\"/"}'.encode()
    )


@pytest.mark.parametrize("document", [1.5, 2**53, -(2**53), {"é": 1}, {1: 1}, b"x", {1}, "\ud800"])
def test_what_has_no_canonical_form_is_a_fault_of_the_caller(document) -> None:
    with pytest.raises(ValueError):
        canonical_json(document)
