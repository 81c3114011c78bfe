"""The guide of the key ceremony, followed by three auditors to the letter, to a real key.

With that key rounds go on, it is refreshed, and shared again after an auditor has lost its share.
"""

from collections import ChainMap
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from fermata.crypto.threshold.auditor_share import AuditorShare
from fermata.crypto.threshold.key_record import epoch_id
from fermata.node.joining.key_check import check_record
from fermata.node.storage import keystore
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.wire.codec import sha256
from harness.ceremony.processes import AUDITORS, CeremonyPlay, without_key
from harness.e2e.deployment import COORDINATOR, SMALL
from harness.e2e.epochs import begin_next_epoch
from harness.e2e.fleet import Fleet, check_sums, run_cli
from harness.e2e.reader import Nodes, Reader

#: The real key takes a minute of each auditor's processor.
LIMIT_S = 900
#: Whose share is lost after the refresh.
LOSES = "auditor-3"


@pytest.fixture
def play(template, tmp_path):
    with CeremonyPlay(without_key(template(SMALL).copy_to(tmp_path / "deployment"))) as playing:
        yield playing


@pytest.mark.timeout(LIMIT_S)
def test_three_auditors_follow_the_guide_to_a_key_that_no_dealer_made(play):
    made = play.made
    gathering = play.gather("fermata.cli.main")
    with Nodes() as nodes:
        readers = [Reader("key-ceremony", made.node(a), nodes, ChainMap({})) for a in AUDITORS]

        def follow(words: str) -> list[str]:
            with ThreadPoolExecutor(len(readers)) as pool:
                return list(pool.map(lambda reader: reader.until(words), readers))

        rehearsed = follow("--rehearsal")
        assert all("REHEARSAL" in printed and ": done after" in printed for printed in rehearsed)
        assert not any((made.node(a) / "keys" / "share.age").exists() for a in AUDITORS)
        # Of a reader's commands none may take so long; the block is the one that is next. Those
        # after it, of new shares, tests/e2e/test_next_epoch.py follows.
        assert [[b.text for b in reader._left][:1] for reader in readers] == [
            ["fermata keys ceremony --config fermata.toml\n"]
        ] * len(readers)
    words = ("fermata.cli.main", "keys", "ceremony", "--config", "fermata.toml")
    taking = [play.start(auditor, *words) for auditor in AUDITORS]
    printed = [process.communicate(timeout=LIMIT_S)[0] for process in taking]
    assert all(": done after" in text for text in printed)
    assert gathering.wait(60) == 0, play.stderr(COORDINATOR)
    node = made.node(COORDINATOR)
    charter = parse_charter((node / "charter.toml").read_bytes())
    data = (node / "key-record.bin").read_bytes()
    record = check_record(charter, node / "charter.toml", data, node / "key-record.bin")
    assert record.origin == "distributed"
    for auditor in AUDITORS:
        own = made.node(auditor)
        (kept,) = own.glob("ceremony-*.record")
        assert kept.read_bytes() == (node / "ceremony.record").read_bytes()
        assert sha256(kept.read_bytes()).hex() in printed[0]
        identity = keystore.load_identity(own / "keys" / "identity.txt")
        share = keystore.load_sealed(
            own / "keys" / "share.age", keystore.KEY_SHARE, charter.deployment, identity
        )
        placed = AuditorShare.from_bytes(share)
        # With its place: a share that names no charter would open by any log that it is shown.
        assert (placed.charter_sha256, placed.auditor) == (charter.sha256, auditor)
        placed.check_place(charter.sha256, charter.auditors, auditor)
        placed.check_epoch(record, epoch_id(record, charter.auditors))
    with closing(Fleet(made)) as fleet:
        rounds_of_two_more_epochs(fleet)


def next_round(fleet: Fleet) -> None:
    """Labs report in the round that is open, every auditor opens it, and the sums are right."""
    made = fleet.deployment
    number = len(fleet.state().rounds)
    fleet.report(number)
    check_sums(made, fleet.wait_opened(number))
    fleet.wait("all open", lambda s: set(s.round(number).parts) == set(made.auditors))


def rounds_of_two_more_epochs(fleet: Fleet) -> None:
    made = fleet.deployment
    fleet.start(COORDINATOR, *made.auditors)
    fleet.wait("there is a round", lambda s: s.rounds)
    next_round(fleet)
    begin_next_epoch(fleet, "refresh", made.auditors)
    fleet.wait("the log has epoch 2", lambda s: s.key.record.epoch == 2)
    next_round(fleet)
    for auditor in made.auditors:
        fleet.wait_told(auditor, "share_erased", where="epoch 1")
    # The two others give it another one: nobody asks for what it has lost.
    lost = made.node(LOSES) / "keys" / "share-epoch-2.age"
    lost.unlink()
    others = [a for a in made.auditors if a != LOSES]
    dealers = [word for other in others for word in ("--dealer", other)]
    begin_next_epoch(fleet, "reshare", made.auditors, *dealers)
    fleet.wait("the log has epoch 3", lambda s: s.key.record.epoch == 3)
    next_round(fleet)
    key = fleet.state().key
    assert [k.record.origin for k in (*fleet.state().past_keys, key)] == ["distributed"] * 3
    fleet.cosigned_note()
    bundle = made.folder / "bundle"
    done = run_cli("bundle", "--config", made.config("auditor-1"), bundle)
    assert done.returncode == 0, done.stderr
    checked = run_cli("verify", bundle)
    assert checked.returncode == 0, checked.stdout
