"""V2.7 to V2.10: the ceremonies of later epochs in a bundle."""

from dataclasses import replace

import pytest

from fermata.crypto.paillier import PublicKey
from fermata.crypto.threshold.key_record import epoch_id, key_id
from fermata.protocol.ceremony.basis import REFRESH, RESHARE
from fermata.protocol.ceremony.kinds import ALL_KINDS
from fermata.protocol.ceremony.next_epoch import outcome_of
from fermata.protocol.ceremony.plan import read_plan
from fermata.protocol.ceremony.record import check_record
from fermata.protocol.state.state import CharterVersion, KeyedState
from fermata.protocol.state.threshold_key import ThresholdKey
from fermata.protocol.verify.bundle import ceremony_path
from fermata.protocol.verify.key_checks import findings_v2, liars_of_ceremonies
from fermata.protocol.wire.codec import decode, encode, later_record_to_wire, leaf_of, sha256
from fermata.protocol.wire.envelope import seal_statement
from fermata.types import EntryIndex, RoundNumber
from fermata.wire.v1 import ceremony_service_pb2 as wire
from fermata.wire.v1 import envelope_pb2, statement_pb2
from harness.ceremony.epochs import EpochTable

PATH = ceremony_path(2)


class Made:
    """A done ceremony, and the two entries of a log with its key records."""

    def __init__(self, folder, kind, prepare=lambda table: None):
        self.table = EpochTable(folder, kind)
        prepare(self.table)
        out = self.table.play()
        self.data = out["auditor-1"].record
        basis = self.table.basis
        checked = check_record(self.data, basis, ALL_KINDS)
        self.record = outcome_of(checked.plan, checked.public_result).record
        self.new = basis.charter

    def findings(self, *args, **kwargs):
        return findings_v2(*self.bundle(*args, **kwargs))

    def liars(self):
        state, _, files = self.bundle()
        return liars_of_ceremonies(state, files)

    def bundle(self, data=None, files=None, record=None, before=None, auditors=None):
        data = self.data if data is None else data
        record = self.record if record is None else record
        held = self.table.held if before is None else before
        auditors = self.new.auditors if auditors is None else auditors
        after = envelope_pb2.EntryRef(leaf_hash=bytes(32))
        leaves = [b""]
        for each, named in ((held.record, b""), (record, sha256(data))):
            body = later_record_to_wire(each, after, named)
            said = statement_pb2.Statement(charter_sha256=self.new.sha256, key_record=body)
            keys = {"auditor-1": self.table.keys["auditor-1"]}
            leaves.append(leaf_of(bytes(32), seal_statement(said, keys)))
        public = PublicKey(record.n)
        of_epoch = epoch_id(record, auditors)
        key = ThresholdKey(
            record, public, key_id(record), of_epoch, EntryIndex(2), auditors, bytes(32)
        )
        charters = [CharterVersion(self.table.charter, RoundNumber(1), EntryIndex(0))]
        if self.new != self.table.charter:
            charters.append(CharterVersion(self.new, RoundNumber(1), EntryIndex(2)))
        state = KeyedState(charter=self.new, charters=tuple(charters), key=key, past_keys=(held,))
        return state, leaves, {PATH: data} if files is None else files


@pytest.fixture(scope="module", params=[REFRESH, RESHARE])
def made(request, tmp_path_factory):
    return Made(tmp_path_factory.mktemp(request.param), request.param)


def test_the_ceremony_of_a_later_epoch_is_right(made):
    assert made.findings() == []


def test_v2_7_a_record_that_is_missing_or_is_another(made):
    (missing,) = made.findings(files={})
    assert missing.startswith(f"{PATH}: the file is missing")
    (other,) = made.findings(files={PATH: made.data + b"\0"})
    assert other.startswith(f"{PATH}: is not the one that is named")


def test_v2_8_a_ceremony_that_is_not_done(made):
    record = decode(wire.CeremonyRecord, made.data, len(made.data))
    del record.ends[-1]
    (finding,) = made.findings(data=encode(record))
    assert "is not of a done ceremony" in finding


def test_v2_8_a_record_that_does_not_hold(made):
    record = decode(wire.CeremonyRecord, made.data, len(made.data))
    record.turns[0], record.turns[1] = record.turns[1], record.turns[0]
    (finding,) = made.findings(data=encode(record))
    assert "in order" in finding


def test_v2_9_auditors_who_did_not_get_it(made):
    (finding,) = made.findings(auditors=("auditor-2", "auditor-1", "auditor-5"))
    assert "to other auditors" in finding


def test_v2_9_a_ceremony_of_an_epoch_that_the_log_does_not_have(made):
    (finding,) = made.findings(before=replace(made.table.held, epoch_id=bytes(32)))
    assert "must go on from an epoch of this log" in finding


def test_v2_10_shares_that_were_made_elsewhere(made, tmp_path):
    other = Made(tmp_path, made.table.kind)
    (finding,) = made.findings(record=other.record)
    assert finding == f"{PATH}: made other shares than the log's"


def test_v2_8_a_plan_is_read_by_what_the_log_says_of_its_epoch(made):
    plan = decode(wire.CeremonyRecord, made.data, len(made.data)).plan
    assert read_plan(plan, made.table.basis).basis.epoch_id == made.table.held.epoch_id


def test_v2_11_who_lied_in_a_done_ceremony_is_shown_and_the_bundle_is_valid(made, tmp_path):
    assert made.liars() == ()
    lied = Made(tmp_path, made.table.kind, lambda table: table.makes_a_message_up("auditor-2"))
    assert lied.findings() == []
    assert lied.liars() == ((PATH, "auditor-2", "RESHARE_COMPLAINT"),)
