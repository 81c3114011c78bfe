"""An auditor whose store was restored stays by what it has said: SU11 of succession.md."""

import pytest

from fermata.memory_store import MemoryStore
from fermata.protocol.roles.driver import Driver
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.succession.board import open_words
from fermata.protocol.succession.views import Views
from fermata.wire.v1.board_service_pb2 import BoardWords
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, beat_into
from harness.protocol.successions import STEP_MS, SUCCESSION_MS, SuccessionRun

WAIT = SUCCESSION_MS // STEP_MS + 2
ME = "auditor-1"


@pytest.fixture
def run() -> SuccessionRun:
    run = SuccessionRun()
    run.turn(2)
    return run


def restored(run: SuccessionRun, backup: MemoryStore) -> tuple[Driver, BoardWords]:
    """The auditor's node over an older store, and what it had said until then."""
    leaver = run.drivers[ME].leaver
    assert leaver is not None
    said = BoardWords()
    said.CopyFrom(leaver.words())
    run.stores[ME] = backup
    return run.restart(ME), said


def open_size(run: SuccessionRun, said: BoardWords) -> int:
    head = open_words(Views.of(run.charter), said).head
    assert head is not None
    return head.head.size


def hear(driver: Driver, *said: BoardWords) -> None:
    assert driver.leaver is not None
    driver.leaver.hear(said)


def told(run: SuccessionRun, event: str) -> list[str]:
    return [who for who, what, _ in run.told if what == event]


def test_su11_2_a_leave_that_the_store_lost_holds_again(run: SuccessionRun) -> None:
    backup = run.stores[ME].copy()
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    driver, said = restored(run, backup)
    assert driver.leaver is not None
    assert not driver.leaver.holds_back()
    hear(driver, said)
    assert driver.leaver.holds_back()
    assert driver.leaver.words().leaves == said.leaves
    # It is durable: after another start nobody has to say it.
    again = run.restart(ME)
    assert again.leaver is not None
    assert again.leaver.holds_back()
    assert told(run, "recalled") == [ME]


def test_su11_2_no_board_puts_words_into_its_mouth(run: SuccessionRun) -> None:
    backup = run.stores[ME].copy()
    run.down.add(COORDINATOR)
    run.turn(WAIT)
    driver, said = restored(run, backup)
    other = run.drivers["auditor-2"].leaver
    assert other is not None
    forged, damaged = BoardWords(), BoardWords()
    forged.CopyFrom(other.words())
    forged.party = ME
    damaged.CopyFrom(said)
    damaged.leaves[0] += b"\x78\x01"
    before = driver.leaver.words() if driver.leaver is not None else None
    hear(driver, forged, damaged)
    assert driver.leaver is not None
    assert not driver.leaver.holds_back()
    assert driver.leaver.words() == before


def test_su11_2_what_it_knows_changes_nothing(run: SuccessionRun) -> None:
    driver = run.drivers[ME]
    assert driver.leaver is not None
    hear(driver, driver.leaver.words())
    assert told(run, "recalled") == []


def test_su11_1_while_it_asks_it_says_nothing(run: SuccessionRun) -> None:
    driver = run.restart(ME)
    assert driver.leaver is not None
    driver.leaver.is_asking = True
    size, cosigned = run.writers[COORDINATOR].size(), run.stores[ME].newest_cosignatures()
    run.turn(2 * WAIT, names=(ME,))
    writer = run.writers[COORDINATOR]
    assert writer.state.heartbeats[ME].entry < size
    assert driver.leaver.words().leaves == []
    assert run.stores[ME].newest_cosignatures() == cosigned
    driver.leaver.is_asking = False
    run.turn(1, names=(ME,))
    assert writer.state.heartbeats[ME].entry >= size


def test_su11_3_it_cosigns_nothing_that_lacks_what_it_has_vouched_for(run: SuccessionRun) -> None:
    backup = run.stores[ME].copy()
    run.turn(3)
    driver, said = restored(run, backup)
    size = open_size(run, said)
    assert driver.leaver is not None
    assert size > driver.replica.tree.size
    hear(driver, said)
    # A shorter log of this view may be another one.
    assert not driver.leaver.may_cosign(driver.replica.tree.size)
    assert not driver.leaver.may_cosign(size)
    run.turn(1)
    # It has got the entries from the log, and goes on.
    assert driver.leaver.may_cosign(driver.replica.tree.size)
    assert max(size for size, _ in run.stores[ME].newest_cosignatures().values()) >= size


def test_su11_3_entries_that_exclude_what_it_has_vouched_for_are_a_broken_word(
    run: SuccessionRun,
) -> None:
    backup = run.stores[ME].copy()
    fork = run.stores[COORDINATOR].copy()
    run.turn(3)
    driver, said = restored(run, backup)
    hear(driver, said)
    # The coordinator goes on from before, as if it had never shown the rest.
    replica = Replica(run.charter, fork, MODULUS_BITS_MIN)
    writer = LogWriter(replica, run.deployment.keys[COORDINATOR])
    run.writers[COORDINATOR] = writer
    while writer.size() <= open_size(run, said):
        run.now_ms += STEP_MS
        for auditor in ("auditor-3", "auditor-4"):
            beat_into(run.deployment, writer, auditor, run.now_ms)
    run.turn(2, 1000, names=(ME,))
    assert driver.leaver is not None
    (left, _), *_ = open_words(Views.of(run.charter), driver.leaver.words()).leaves
    assert left.view == 1
