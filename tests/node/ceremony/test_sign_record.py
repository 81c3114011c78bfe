"""CE10: from the ceremony of a next epoch to its record in the log, and what is refused."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fermata.crypto.threshold.auditor_share import auditor_share
from fermata.crypto.threshold.opening import KeyShare
from fermata.errors import ConfigError, InvalidSignature, Refusal, TransportError
from fermata.node.ceremony.epochs import giving_up, sign_record
from fermata.node.ceremony.epochs.epoch_relay import EpochRelay, ceremony_file
from fermata.node.ceremony.epochs.giving_up import GivingUp, ask_node
from fermata.node.ceremony.items import RETIRE, SIGNATURE, Name
from fermata.node.storage import keystore
from fermata.protocol.ceremony.basis import REFRESH
from fermata.protocol.ceremony.next_epoch import outcome_of
from fermata.protocol.roles.lab import Measurement
from fermata.protocol.wire.codec import STATEMENT_TYPE, decode, encode
from fermata.protocol.wire.envelope import seal
from fermata.wire.v1.statement_pb2 import Statement
from harness.ceremony.epochs import BEFORE, EpochTable
from harness.ceremony.table import LocalRelay
from harness.chains import Run, make_deployment

FIRST = BEFORE[0]


class Handing:
    """Three auditors whose refresh is done, each with a node and a folder."""

    def __init__(self, root, monkeypatch):
        # No lab has figures: what is told here is of auditors alone.
        self.run = Run(make_deployment(labs=4, first="2035Q4"), lambda lab, p: Measurement({}))
        self.run.until_quiet()
        (root / "table").mkdir()
        self.root, self.table = root, EpochTable(root / "table", REFRESH, self.run)
        self.finished = self.table.play()[FIRST]
        self.plan = self.finished.plan
        self.checked = self.table.check(self.finished)
        self.record = outcome_of(self.plan, self.checked.public_result).record
        # Nobody asks a node that does not run for longer than this.
        monkeypatch.setattr(giving_up, "WAIT_S", 10.0)
        monkeypatch.setattr(sign_record, "passphrase_or_identity", lambda config: self.table.lock)
        monkeypatch.setattr(
            sign_record, "load_signing_key", lambda config: self.table.keys[config.text.party]
        )
        for auditor in BEFORE:
            self.keep_share(auditor)

    def keep_share(self, auditor, of=None):
        share = KeyShare.from_bytes(self.table.results[of or auditor][0][1])
        placed = auditor_share(share, self.record, self.table.charter.sha256, BEFORE)
        folder = self.root / auditor
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "share-epoch-2.age"
        path.unlink(missing_ok=True)
        keystore.save_sealed(
            path,
            placed.to_bytes(),
            keystore.KEY_SHARE,
            self.table.charter.deployment,
            self.table.lock,
        )

    def steps(self, auditor, relay=None):
        folder = self.root / auditor
        config = SimpleNamespace(
            text=SimpleNamespace(party=auditor, keys=SimpleNamespace(share="share.age")),
            file=folder / "fermata.toml",
            data=folder,
            genesis=self.table.charter,
            path=lambda name: folder / name,
        )
        of = sign_record.RecordSigning(config, lambda: None, lambda line: None, 5.0)
        replica = self.run.drivers[auditor].replica
        relay = relay or LocalRelay(self.table.folder, auditor)
        return sign_record._Steps(of, relay, self.plan, replica)

    def node(self, auditor):
        driver = self.run.drivers[auditor]
        return GivingUp(self.root / auditor, driver.retired, self.run.deployment.keys[auditor])

    def take(self, *auditors):
        """These auditors run the command while their nodes run; what each did, or raised."""
        out, stop = {}, threading.Event()

        def serve():
            while not stop.wait(0.02):
                for auditor in auditors:
                    self.node(auditor).look()

        def take(auditor):
            try:
                out[auditor] = self.steps(auditor).take()
            except BaseException as error:  # noqa: BLE001
                out[auditor] = error

        nodes = threading.Thread(target=serve)
        threads = [threading.Thread(target=take, args=(auditor,)) for auditor in auditors]
        for thread in (nodes, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        nodes.join()
        return out

    def relay(self):
        """The coordinator's side, with the run's log."""
        relay = EpochRelay.__new__(EpochRelay)
        relay._config = SimpleNamespace(file=self.root / "fermata.toml")
        relay._writer = self.run.ledger
        return relay

    def envelopes(self):
        _, _, envelopes = self.table.folder.finished(self.table.held.epoch_id)
        return envelopes


@pytest.fixture
def handing(tmp_path, monkeypatch):
    return Handing(tmp_path, monkeypatch)


def test_all_give_up_and_sign_and_the_log_has_the_next_epoch(handing):
    out = handing.take(*BEFORE)
    assert all(done.gave_up and done.signed and done.epoch == 2 for done in out.values()), out
    data, _, envelopes = handing.table.folder.finished(handing.table.held.epoch_id)
    handing.relay()._log(2, data, envelopes)
    key = handing.run.state.keyed().key
    assert key.record == handing.record
    assert ceremony_file(handing.root, 2).read_bytes() == handing.finished.record
    # Again, as after a crash: the same words, and the same record.
    assert handing.envelopes() == envelopes


def test_ce10_1_a_record_that_the_log_would_refuse(handing):
    steps = handing.steps(FIRST)
    state = steps._state
    steps._state = replace(state, key=replace(state.key, auditors=BEFORE[::-1]))
    with pytest.raises(Refusal) as caught:
        steps.take()
    assert caught.value.reason == "KEY_SHAPE"
    assert not (handing.root / FIRST / giving_up.FOLDER).exists()


def test_ce10_2_a_relay_with_another_record_than_was_taken_home(handing):
    own = handing.root / FIRST / f"ceremony-{handing.plan.id.hex()[:16]}.record"
    own.write_bytes(handing.finished.record + b"\0")
    with pytest.raises(ConfigError, match="is not the record that the relay has"):
        handing.steps(FIRST).take()


def test_ce10_3_without_its_own_share_an_auditor_signs_nothing(handing):
    handing.keep_share(FIRST, of=BEFORE[1])
    with pytest.raises(ConfigError) as caught:
        handing.steps(FIRST).take()
    assert caught.value.reason == "KEY_SHARE"
    assert not (handing.root / FIRST / giving_up.FOLDER).exists()


def signed_first(handing, change):
    """The first auditor signs a record that is changed; what the second says to it."""
    handing.take(*BEFORE)
    whole = Statement()
    whole.ParseFromString((handing.root / FIRST / "key-record-epoch-2.bin").read_bytes())
    change(whole.key_record)
    key = handing.table.keys[FIRST]
    data = seal(STATEMENT_TYPE, encode(whole), {FIRST: key})
    name = Name(SIGNATURE, 1)

    class Relay(LocalRelay):
        def fetch(self, ceremony, asked):
            return data if asked == name else super().fetch(ceremony, asked)

    (handing.root / BEFORE[1] / "key-record-epoch-2.bin").unlink()
    steps = handing.steps(BEFORE[1], Relay(handing.table.folder, BEFORE[1]))
    ceremony, checked = steps._ceremony()
    with pytest.raises((ConfigError, Refusal, InvalidSignature)) as caught:
        steps._sign(steps._statement(ceremony, checked), handing.record)
    return caught.value.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: setattr(record, "threshold", 3), "KEY_RECORD"),
        (lambda record: record.retires.pop(), "RETIRES"),
        (lambda record: setattr(record.retires[0], "signature", bytes(64)), "SIGNATURE"),
    ],
    ids=("another record", "too few words", "words that do not hold"),
)
def test_ce10_4_what_the_first_auditor_signed(handing, change, reason):
    assert signed_first(handing, change) == reason


def test_ce10_5_bad_words_of_one_do_not_stop_a_quorum(handing):
    steps = handing.steps(FIRST)
    ceremony, checked = steps._ceremony()
    statement = steps._statement(ceremony, checked)
    for number, auditor in enumerate(BEFORE, 1):
        said = handing.run.drivers[auditor].retired.give_up(
            statement, handing.run.deployment.keys[auditor]
        )
        if auditor == BEFORE[2]:
            said.signature = bytes(64)
        relay = LocalRelay(handing.table.folder, auditor)
        relay.post(handing.plan.id, Name(RETIRE, number), encode(said))
    quorum = handing.table.charter.endorsement_quorum
    chosen = steps._chosen(statement)
    if quorum == len(BEFORE):
        assert chosen == b""
    else:
        kept = decode(Statement, chosen).key_record.retires
        assert [said.auditor for said in kept] == list(BEFORE[:quorum])


def test_ce10_6_auditors_who_signed_different_records(handing):
    handing.take(*BEFORE)
    envelopes = dict(handing.envelopes())
    whole = Statement()
    whole.ParseFromString((handing.root / FIRST / "key-record-epoch-2.bin").read_bytes())
    whole.key_record.retires.pop()
    key = handing.table.keys[FIRST]
    envelopes[FIRST] = seal(STATEMENT_TYPE, encode(whole), {FIRST: key})
    size = handing.run.state.size
    with pytest.raises(InvalidSignature) as caught:
        handing.relay()._log(2, handing.finished.record, envelopes)
    assert caught.value.reason == "SIGNATURES"
    assert handing.run.state.size == size


def test_a_ceremony_that_is_not_done_makes_no_record(handing):
    class Relay(LocalRelay):
        def standing(self, ceremony):
            standing = super().standing(ceremony)
            standing.participants[2].has_ended = False
            return standing

    with pytest.raises(Refusal, match="auditor-3"):
        handing.steps(FIRST, Relay(handing.table.folder, FIRST)).take()


def test_a_node_says_why_it_does_not_give_up(handing):
    steps = handing.steps(FIRST)
    ceremony, checked = steps._ceremony()
    statement = steps._statement(ceremony, checked)
    statement.key_record.epoch = 3
    node = handing.node(FIRST)
    with pytest.raises(Refusal) as caught:
        ask_node(handing.root / FIRST, encode(statement), lambda s: node.look())
    assert caught.value.reason == "KEY_NEXT"


def test_a_node_that_does_not_run_gives_nothing_up(handing, monkeypatch):
    with pytest.raises(TransportError, match="must run"):
        ask_node(handing.root / FIRST, b"", lambda s: None)
    assert not (handing.root / FIRST / giving_up.FOLDER / giving_up.RECORD).exists()
