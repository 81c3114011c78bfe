"""What an auditor takes, hands in and names: PL5 and PL6, and the door that it uses (L23.3)."""

import base64
import json
from collections.abc import Callable

import pytest

from fermata.errors import ConfigError, FermataError, IdentityError, TransportError
from fermata.memory_store import MemoryPleas, MemoryStore
from fermata.protocol.fold.references import at
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.pleas import check_pleading
from fermata.protocol.roles.replica import Replica
from fermata.protocol.wire.codec import decode, sha256
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.plea_file import PLEA_BYTES_MAX, Pleading, read_pleading, write_pleading
from fermata.protocol.wire.ports import Receipt
from fermata.types import EntryIndex, Role
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import LogEntry
from harness.chains import COORDINATOR, MODULUS_BITS_MIN, Chain, chain_at
from harness.protocol.heartbeats import MINUTE_MS
from harness.rogue import Auditor, RogueLog

LAB = "lab-6"
HASH = bytes(range(32))
BEAT_MS = 15 * MINUTE_MS


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(FermataError) as caught:
        call()
    return caught.value.reason


def pleading_of(chain: Chain, lab: str = LAB) -> Pleading:
    """A report that its lab could not log."""
    statement = chain.report_statement(lab)
    return Pleading(chain.seal(statement), chain.fetch(statement.report.sealed_sha256))


def said(chain: Chain, author: str, **body: object) -> Pleading:
    return Pleading(chain.seal(chain.deployment.statement(author, **body)))


# The file, PL5.1.


def test_pl5_a_file_is_read_as_it_was_written() -> None:
    pleading = Pleading(b"envelope", b"sealed")
    data = write_pleading(HASH, pleading)
    assert read_pleading(HASH, data) == pleading
    assert set(json.loads(data)) == {"format", "charter_sha256", "envelope", "sealed_part"}


@pytest.mark.parametrize(
    "change",
    [
        {"format": "fermata-plea/2"},
        {"charter_sha256": "00" * 32},
        {"envelope": "%"},
        {"envelope": base64.b64encode(bytes(512 * 1024 + 1)).decode()},
        {"sealed_part": base64.b64encode(bytes(1024 * 1024 + 1)).decode()},
        {"sealed_part": 1},
        {"more": ""},
    ],
    ids=str,
)
def test_pl5_another_file_is_refused(change: dict[str, object]) -> None:
    document = json.loads(write_pleading(HASH, Pleading(b"envelope"))) | change
    data = json.dumps(document).encode()
    assert reason_of(lambda: read_pleading(HASH, data)) == "PLEA_FILE"


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b" " * (PLEA_BYTES_MAX + 1)])
def test_pl5_what_is_no_file_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError):
        read_pleading(HASH, data)


# What is taken, PL5.2 to PL5.7.


class World:
    """A log whose coordinator drops what it likes, and an auditor of it."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.log = _Choosy(chain)
        self.now_ms = chain.time_ms
        self.auditor = Auditor("auditor-1", self.log, lambda: self.now_ms)
        self.folder = MemoryPleas()
        self.start()

    def start(self) -> None:
        self.auditor.start()
        driver = self.auditor.driver
        driver.pleas.folder = self.folder
        driver._health = statement_pb2.Heartbeat
        driver.step()

    def take(self, pleading: Pleading) -> None:
        self.folder.files.append(write_pleading(self.chain.deployment.charter.sha256, pleading))
        self.auditor.driver.step()
        self.auditor.driver.step()

    @property
    def replica(self):
        return self.auditor.driver.replica

    def named(self) -> list[bytes]:
        """What the auditor's last heartbeat in the log names."""
        return [p.envelope_sha256 for p in self.replica.state.heartbeats["auditor-1"].pleas]


class _Choosy(RogueLog):
    """A log that answers nothing to whom, or with what, it does not like."""

    def __init__(self, chain: Chain) -> None:
        super().__init__(chain)
        self.drops: Callable[[statement_pb2.Statement], bool] = lambda statement: False
        self.carried: list[bytes] = []

    def append(self, envelope: bytes, sealed_part: bytes = b"") -> Receipt:
        statement = statement_of(unseal(envelope))
        if statement.WhichOneof("body") in ("report", "vote"):
            self.carried.append(envelope)
        if self.drops(statement):
            raise TransportError("UNREACHABLE", "log: does not answer")
        return super().append(envelope, sealed_part)


@pytest.fixture
def world() -> World:
    chain = chain_at("collecting", heartbeat_s=BEAT_MS // 1000)
    chain.report_all([lab for lab in chain.deployment.charter.labs if lab != LAB])
    return World(chain)


def check(world: World, pleading: Pleading, reason: str, now_ms: int | None = None) -> None:
    now_ms = world.now_ms if now_ms is None else now_ms
    assert reason_of(lambda: check_pleading(world.replica, pleading, now_ms)) == reason


def test_pl5_a_report_that_the_log_lacks_is_taken_until_the_deadline(world: World) -> None:
    pleading = pleading_of(world.chain)
    deadline_ms = world.chain.deadline_ms
    check_pleading(world.replica, pleading, deadline_ms - 1)
    check(world, pleading, "LATE", deadline_ms)


def test_pl5_a_motion_and_a_heartbeat_are_not_taken(world: World) -> None:
    motion = statement_pb2.Motion(kind=statement_pb2.MOTION_KIND_LIFT)
    check(world, said(world.chain, LAB, motion=motion), "PLEA_KIND")
    beat = statement_pb2.Heartbeat(count=1, time_ms=world.now_ms)
    check(world, said(world.chain, LAB, heartbeat=beat), "PLEA_KIND")


def test_pl5_what_the_own_fold_refuses_is_not_taken(world: World) -> None:
    chain = world.chain
    forged = Pleading(chain.seal(chain.report_statement(LAB), "lab-1"))
    check(world, forged, "SIGNERS")
    check(world, said(chain, LAB, abstention=statement_pb2.Abstention(round=9)), "NO_ROUND")


def test_pl5_a_lab_that_has_answered_is_not_pleaded_for(world: World) -> None:
    check(world, pleading_of(world.chain, "lab-1"), "REPORTED")


def test_pl5_the_sealed_part_is_the_reports_and_of_nothing_else(world: World) -> None:
    pleading = pleading_of(world.chain)
    check(world, Pleading(pleading.envelope, pleading.sealed_part[:-1]), "SEALED_DIGEST")
    abstention = said(world.chain, LAB, abstention=statement_pb2.Abstention(round=1))
    check_pleading(world.replica, abstention, world.now_ms)
    check(world, Pleading(abstention.envelope, b"x"), "SEALED")


def test_pl5_a_report_whose_proof_does_not_hold_is_not_taken(world: World) -> None:
    chain = world.chain
    statement = chain.report_statement(LAB)
    part = statement.report.parts[0]
    part.proof = part.proof[:-1] + bytes([part.proof[-1] ^ 1])
    pleading = Pleading(chain.seal(statement), chain.fetch(statement.report.sealed_sha256))
    with pytest.raises(FermataError):
        check_pleading(world.replica, pleading, world.now_ms)


# What it does then, PL6.


def test_pl6_an_auditor_hands_in_what_it_took_and_lets_it_go_when_it_is_logged(
    world: World,
) -> None:
    pleading = pleading_of(world.chain)
    world.take(pleading)
    assert LAB in world.replica.state.current.reports
    world.auditor.driver.step()
    assert world.folder.kept() == []
    assert [told.split()[0] for told in world.auditor.told if "plea" in told] == [
        "plea_taken",
        "plea_settled",
    ]


def test_pl6_a_file_that_it_does_not_take_is_refused_with_the_reason(world: World) -> None:
    world.take(pleading_of(world.chain, "lab-1"))
    assert world.folder.refused == ["REPORTED"]
    assert world.folder.kept() == []
    assert world.log.carried == []


def test_pl6_it_names_what_is_not_logged_in_every_heartbeat_until_it_is(world: World) -> None:
    pleading = pleading_of(world.chain)
    digest = sha256(pleading.envelope)
    world.log.drops = lambda statement: statement.HasField("report")
    world.now_ms += MINUTE_MS
    world.take(pleading)
    assert world.named() == [digest]
    count = world.replica.state.heartbeats["auditor-1"].count
    # It says so once; then its heartbeats are as regular as before, and say it again.
    world.now_ms += 2 * MINUTE_MS
    world.auditor.driver.step()
    assert world.replica.state.heartbeats["auditor-1"].count == count
    world.now_ms += BEAT_MS
    for _ in range(2):
        world.auditor.driver.step()
    assert world.replica.state.heartbeats["auditor-1"].count == count + 1
    assert world.named() == [digest]
    # A crash loses nothing of it.
    world.start()
    world.log.drops = lambda statement: False
    world.now_ms += BEAT_MS
    for _ in range(3):
        world.auditor.driver.step()
    assert LAB in world.replica.state.current.reports
    assert world.folder.kept() == []
    world.now_ms += BEAT_MS
    for _ in range(2):
        world.auditor.driver.step()
    assert world.named() == []


def test_pl6_it_does_not_hand_the_same_statement_in_at_every_step(world: World) -> None:
    world.log.drops = lambda statement: True
    world.take(pleading_of(world.chain))
    for _ in range(5):
        world.auditor.driver.step()
    assert len(world.log.carried) == 1
    world.now_ms += 10_000
    world.auditor.driver.step()
    assert len(world.log.carried) == 2


def test_pl6_of_two_answers_of_a_lab_the_one_taken_last_is_named(world: World) -> None:
    world.log.drops = lambda statement: statement.HasField("report")
    first, second = pleading_of(world.chain), pleading_of(world.chain)
    world.now_ms += MINUTE_MS
    world.take(first)
    world.now_ms += MINUTE_MS
    world.take(second)
    assert world.named() == [sha256(second.envelope)]


# The door, L23.3.


@pytest.fixture
def door() -> tuple[Chain, LogWriter]:
    chain = chain_at("collecting")
    replica = Replica(chain.deployment.charter, MemoryStore(), MODULUS_BITS_MIN)
    ledger = LogWriter(replica, chain.deployment.keys[COORDINATOR])
    for leaf in chain.leaves:
        ledger.append(decode(LogEntry, leaf).envelope)
    return chain, ledger


def test_an_auditor_hands_in_the_report_of_a_lab_that_has_not_answered(
    door: tuple[Chain, LogWriter],
) -> None:
    chain, ledger = door
    pleading = pleading_of(chain)
    assert (
        reason_of(
            lambda: ledger.append_as(Role.LAB, "lab-1", pleading.envelope, pleading.sealed_part)
        )
        == "NOT_AUTHOR"
    )
    ledger.append_as(Role.AUDITOR, "auditor-1", pleading.envelope, pleading.sealed_part)
    assert LAB in ledger.state.current.reports
    # An older report of the same lab would undo this one.
    older = pleading_of(chain)
    with pytest.raises(IdentityError):
        ledger.append_as(Role.AUDITOR, "auditor-1", older.envelope, older.sealed_part)
    ledger.append_as(Role.LAB, LAB, older.envelope, older.sealed_part)


def test_an_auditor_hands_in_votes_and_acknowledgements_and_no_motion_or_heartbeat(
    door: tuple[Chain, LogWriter],
) -> None:
    chain, ledger = door
    motion = at(chain.tree, EntryIndex(0))
    bodies = {
        "vote": statement_pb2.Vote(motion=motion, choice=statement_pb2.CHOICE_FOR),
        "acknowledgement": statement_pb2.Acknowledgement(change=motion),
        "motion": statement_pb2.Motion(kind=statement_pb2.MOTION_KIND_LIFT),
        "heartbeat": statement_pb2.Heartbeat(count=1, time_ms=chain.time_ms),
    }
    reasons = {}
    for body, wire in bodies.items():
        envelope = said(chain, LAB, **{body: wire}).envelope
        reasons[body] = reason_of(
            lambda envelope=envelope: ledger.append_as(Role.AUDITOR, "auditor-1", envelope)
        )
    assert reasons == {
        "vote": "NO_COMMITTEE",
        "acknowledgement": "NO_PAUSE",
        "motion": "NOT_AUTHOR",
        "heartbeat": "NOT_AUTHOR",
    }
