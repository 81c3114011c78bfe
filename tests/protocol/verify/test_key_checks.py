"""V2.3 to V2.6: the key, and the ceremony in which auditors made it."""

import threading
from dataclasses import replace

import pytest

from fermata.crypto.paillier import PublicKey
from fermata.crypto.threshold.auditor_share import AuditorShare
from fermata.crypto.threshold.key_record import epoch_id
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.protocol.ceremony.basis import Basis
from fermata.protocol.ceremony.key_generation import KINDS, share_to_keep
from fermata.protocol.ceremony.record import check_record
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.state.state import CharterVersion, KeyedState
from fermata.protocol.state.threshold_key import ThresholdKey
from fermata.protocol.verify.bundle import CEREMONY
from fermata.protocol.verify.key_checks import findings_v2
from fermata.protocol.wire.codec import distributed_record_to_wire, leaf_of, sha256
from fermata.protocol.wire.envelope import seal_statement
from fermata.types import EntryIndex, RoundNumber
from fermata.wire.v1 import envelope_pb2, statement_pb2
from harness.ceremony.table import AUDITORS, Table
from harness.deployments import charter_text

BITS = 512


class Made:
    """A key of 512 bits that three auditors have made, and the log's words about it."""

    def __init__(self, folder, is_rehearsal=False):
        table = Table(folder, KINDS, life_ms=600_000)
        table.charter = parse_charter(charter_text(table.keys, BITS).encode(), 256)
        table.reopen_relay()
        ended = {}

        def play(auditor):
            ended[auditor] = table.participant(auditor).run("keygen", is_rehearsal)

        threads = [threading.Thread(target=play, args=(auditor,)) for auditor in AUDITORS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.charter, self.data = table.charter, ended[AUDITORS[0]].record
        self.record = Outcome.from_bytes(table.results[AUDITORS[0]][0][0]).record
        self.keys = table.keys
        self.plan = check_record(self.data, Basis(table.charter), KINDS).plan
        self.results = {auditor: found[0] for auditor, found in table.results.items()}

    def findings(self, record=None, files=None, named=None, later=None):
        """What the verifier finds; ``later``: the record of a later epoch, which is in force."""
        first = self.record if record is None else record
        named = sha256(self.data) if named is None else named
        body = distributed_record_to_wire(first, named, envelope_pb2.EntryRef(leaf_hash=bytes(32)))
        said = statement_pb2.Statement(charter_sha256=self.charter.sha256, key_record=body)
        leaf = leaf_of(bytes(32), seal_statement(said, {a: self.keys[a] for a in AUDITORS}))
        # Of a later epoch whose record names no ceremony.
        said.key_record.ClearField("ceremony_sha256")
        plain = leaf_of(bytes(32), seal_statement(said, {a: self.keys[a] for a in AUDITORS}))
        public = PublicKey(first.n)
        keys = [
            ThresholdKey(record, public, b"", b"", EntryIndex(entry), AUDITORS, b"")
            for entry, record in ((1, first), (2, later))
            if record is not None
        ]
        state = KeyedState(
            charters=(CharterVersion(self.charter, RoundNumber(1), EntryIndex(0)),),
            charter=self.charter,
            key=keys[-1],
            past_keys=tuple(keys[:-1]),
        )
        files = {CEREMONY: self.data} if files is None else files
        return findings_v2(state, [b"", leaf, plain], files)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("made"))


def test_a_key_of_a_ceremony_that_its_record_shows_is_right(made):
    assert made.findings() == []


def test_v2_3_shares_that_do_not_fit_are_found_apart_from_the_fold(made):
    values = made.record.verification
    swapped = replace(made.record, verification=(values[1], values[0], *values[2:]))
    assert any("do not fit n" in finding for finding in made.findings(record=swapped))


def test_v2_4_a_record_that_is_missing_or_is_another_is_found(made):
    assert made.findings(files={}) == [
        f"{CEREMONY}: the file is missing, by the key record of entry 1"
    ]
    other = {CEREMONY: made.data + b"\0"}
    assert made.findings(files=other) == [
        f"{CEREMONY}: is not the one that is named, by the key record of entry 1"
    ]


def test_v2_4_the_ceremony_is_looked_at_in_later_epochs_too(made):
    later = replace(made.record, epoch=2)
    assert made.findings(later=later) == []
    assert made.findings(later=later, files={}) == [
        f"{CEREMONY}: the file is missing, by the key record of entry 1"
    ]


def test_v2_5_a_record_that_does_not_hold_is_found(made):
    cut = made.data[:-1]
    (finding,) = made.findings(files={CEREMONY: cut}, named=sha256(cut))
    assert finding.startswith(f"{CEREMONY}: ")


def test_v2_5_a_key_of_a_rehearsal_is_found(made, tmp_path):
    rehearsal = Made(tmp_path, is_rehearsal=True)
    (finding,) = rehearsal.findings()
    assert finding == f"{CEREMONY}: is not of a key generation that is done, and no rehearsal"


def test_v2_6_a_key_that_was_made_elsewhere_is_found(made, tmp_path):
    other = Made(tmp_path)
    assert made.findings(record=other.record) == [f"{CEREMONY}: made another key than the log's"]


def test_what_a_participant_keeps_of_it_names_the_log_and_the_auditor(made):
    for number, auditor in enumerate(AUDITORS, 1):
        kept = AuditorShare.from_bytes(share_to_keep(made.plan, *made.results[auditor]))
        assert (kept.auditor, kept.epoch, kept.share.index) == (auditor, 1, number)
        kept.check_place(made.charter.sha256, made.charter.auditors, auditor)
        kept.check_epoch(made.record, epoch_id(made.record, made.charter.auditors))


def test_a_dealers_record_names_no_ceremony_and_needs_no_file(made):
    assert made.findings(named=b"", files={}) == []
