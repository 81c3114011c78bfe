"""A standby keeps the log with its sealed parts, and serves what can be read (SU11, SU20)."""

import pytest

from fermata.errors import FermataError, Refusal, TransportError
from fermata.memory_store import MemoryStore
from fermata.node.run.succession.coordinators import Place
from fermata.node.run.succession.mirror import MirrorLog
from fermata.node.run.succession.standby import asking_for_parts
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.mirroring import Mirror
from fermata.protocol.roles.succession.sealed_parts import SEALED_FROM, SealedParts
from fermata.protocol.wire.ports import LogWrapper
from fermata.types import Role
from harness.chains import MODULUS_BITS_MIN, Run, make_deployment

DEPLOYMENT = make_deployment(successors=2)
STANDBY = "successor-1"


class Off(LogWrapper):
    """A coordinator that does not answer."""

    def news(self, start, count_max):
        raise TransportError("UNREACHABLE", "off")

    def fetch_sealed(self, sealed_sha256):
        raise TransportError("UNREACHABLE", "off")


class Withholds(LogWrapper):
    """A coordinator that hands out no sealed part, or another one."""

    def news(self, start, count_max):
        return self._log.news(start, count_max)

    def fetch_sealed(self, sealed_sha256):
        return b"another"


@pytest.fixture(scope="module")
def run():
    made = Run(DEPLOYMENT)
    for _ in range(100):
        made.step()
        if len(sealed_of(made)) == len(DEPLOYMENT.charter.labs):
            break
    return made


def mirror_of(store):
    told = []
    replica = Replica(DEPLOYMENT.charter, store, MODULUS_BITS_MIN)
    return Mirror(replica, told.append, SealedParts(replica)), told


def keeps_all(run, store):
    return [store.sealed(digest) is not None for digest in sealed_of(run)]


def sealed_of(run):
    """The digests of all sealed parts that the log's writer has."""
    return sorted(run.stores["oversight"]._sealed)


def test_su20_a_standby_has_the_log_and_every_sealed_part(run):
    store = MemoryStore()
    mirror, told = mirror_of(store)
    while mirror.step(run.log_of(STANDBY), []):
        pass
    assert mirror.replica.tree.root() == run.ledger.replica.tree.root()
    assert mirror.replica.witnessed.size == run.ledger.replica.witnessed.size > 0
    assert len(sealed_of(run)) >= 3
    assert all(keeps_all(run, store))
    assert told == []


def test_su20_sealed_parts_are_asked_for_until_they_come(run):
    store = MemoryStore()
    mirror, _ = mirror_of(store)
    mirror.step(Withholds(run.log_of(STANDBY)), [])
    assert not any(keeps_all(run, store))
    kept = (store.value(SEALED_FROM) or b"")[:8]
    assert int.from_bytes(kept, "big") < mirror.replica.tree.size
    # Also after a restart, and from whoever has them.
    again, _ = mirror_of(store)
    again.step(Withholds(run.log_of(STANDBY)), [Off(None), run.log_of(STANDBY)])
    assert all(keeps_all(run, store))
    looked = SealedParts(again.replica)
    looked.look()
    assert looked.fetch([Off(None)]) == 0
    assert looked._looked == again.replica.tree.size


class Lacks(LogWrapper):
    """A coordinator that has all sealed parts but one."""

    def __init__(self, log, digest):
        super().__init__(log)
        self.digest = digest

    def fetch_sealed(self, sealed_sha256):
        if sealed_sha256 == self.digest:
            raise Refusal("NO_SEALED", "gone")
        return self._log.fetch_sealed(sealed_sha256)


def test_su11_a_part_that_is_gone_for_good_does_not_keep_the_others_from_coming(run, monkeypatch):
    monkeypatch.setattr("fermata.protocol.roles.succession.sealed_parts.FETCH_MAX", 1)
    for gone in sealed_of(run):
        mirror, _ = mirror_of(MemoryStore())
        while mirror.step(Lacks(run.log_of(STANDBY), gone), []):
            pass
        parts, source = mirror.sealed, Lacks(run.log_of(STANDBY), gone)
        for _ in sealed_of(run):
            parts.fetch([source])
        have = {d for d in sealed_of(run) if mirror.replica.store.sealed(d) is not None}
        assert have == set(sealed_of(run)) - {gone}
        # It is asked for still.
        assert parts.fetch([run.log_of(STANDBY)]) == 1


def test_su11_whoever_leads_asks_the_others_for_what_it_lacks(run):
    mirror, _ = mirror_of(MemoryStore())
    while mirror.step(Withholds(run.log_of(STANDBY)), []):
        pass
    store = mirror.replica.store
    assert not any(keeps_all(run, store))
    ask = asking_for_parts(mirror.sealed)
    for log in (Off(None), Withholds(run.log_of(STANDBY)), run.log_of(STANDBY)):
        ask(Place("oversight", [log], [log]))
    assert all(keeps_all(run, store))


def test_su20_a_standby_learns_from_others_while_the_leader_is_silent(run):
    first, told = mirror_of(MemoryStore())
    source, _ = mirror_of(MemoryStore())
    while source.step(run.log_of(STANDBY), []):
        pass
    other = MirrorLog(source.replica, Role.COORDINATOR, "oversight")
    for _ in range(2):
        first.step(Off(None), [Off(None), other])
    assert first.replica.tree.root() == run.ledger.replica.tree.root()
    assert told == ["UNREACHABLE"]
    assert all(keeps_all(run, first.replica.store))


def test_su20_a_leader_that_forks_stops_no_standby(run):
    mirror, told = mirror_of(MemoryStore())
    mirror.step(run.log_of(STANDBY), [])
    kept = mirror.replica.tree.root()
    fork = Replica(DEPLOYMENT.charter, MemoryStore(), MODULUS_BITS_MIN)
    LogWriter(fork, DEPLOYMENT.keys["oversight"]).append(DEPLOYMENT.charter_envelope)
    writer = LogWriter(fork, DEPLOYMENT.keys["oversight"])
    for _ in range(2):
        mirror.step(writer.as_caller(Role.COORDINATOR, STANDBY), [])
    assert told == ["ROLLBACK"]
    assert mirror.replica.tree.root() == kept


def test_su20_a_mirror_is_read_and_not_written(run):
    mirror, _ = mirror_of(MemoryStore())
    while mirror.step(run.log_of(STANDBY), []):
        pass
    served = MirrorLog(mirror.replica, Role.AUDITOR, "oversight")
    size = mirror.replica.tree.size
    log = run.log_of("auditor-1")
    assert served.checkpoint() is not None
    assert served.read(0, 5) == log.read(0, 5)
    assert served.prove_inclusion(1, size) == log.prove_inclusion(1, size)
    assert served.prove_consistency(1, size) == log.prove_consistency(1, size)
    digest = sealed_of(run)[0]
    assert served.fetch_sealed(digest) == log.fetch_sealed(digest)
    for reason, call in (
        ("NOT_LEADER", lambda: served.append(b"x")),
        ("NOT_LEADER", lambda: served.add_cosignature(b"x")),
        ("NO_SEALED", lambda: served.fetch_sealed(bytes(32))),
        ("RANGE", lambda: served.prove_inclusion(size, size)),
        ("RANGE", lambda: served.prove_consistency(1, size + 1)),
        (
            "WRONG_ROLE",
            lambda: MirrorLog(mirror.replica, Role.LAB, "oversight").fetch_sealed(digest),
        ),
    ):
        with pytest.raises(FermataError) as caught:
            call()
        assert caught.value.reason == reason
    with pytest.raises(TransportError):
        served.append(b"x")
