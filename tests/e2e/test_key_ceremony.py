"""The guide of the key ceremony, followed by three auditors to the letter, to a real key."""

from collections import ChainMap
from concurrent.futures import ThreadPoolExecutor

import pytest

from fermata.crypto.threshold.auditor_share import AuditorShare
from fermata.crypto.threshold.key_record import epoch_id
from fermata.node.joining.key_check import check_record
from fermata.node.storage import keystore
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.wire.codec import sha256
from harness.ceremony.processes import AUDITORS, CeremonyPlay, without_key
from harness.e2e.deployment import COORDINATOR, SMALL
from harness.e2e.reader import Nodes, Reader

#: The real key takes a minute of each auditor's processor.
LIMIT_S = 900


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
