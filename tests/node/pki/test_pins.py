"""Authorities that an amendment brings or takes away, while a node runs (succession.md, SU25)."""

import contextlib
from dataclasses import replace
from types import SimpleNamespace

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fermata.errors import ConfigError
from fermata.node.pki.own_certificate import pins_of
from fermata.node.pki.tls import TlsFiles
from fermata.node.pki.trust import Pins, for_everybody
from fermata.protocol.charter.roster import CoordinatorNode
from harness.deployments import make_deployment
from harness.node.node_world import Authority, call, pem, world

FIRST, SECOND, THIRD = Authority(), Authority(), Authority()


class Node:
    """A coordinator's TLS files, its certificate of the first authority, as its root file is."""

    def __init__(self, folder, issuer=FIRST):
        self.folder, self.told = folder, []
        folder.mkdir()
        self.write(issuer)
        self.files = self.open()

    def write(self, issuer):
        made = issuer.party("coordinator", "hub").found
        for name, data in (
            ("key", made.key_pem),
            ("cert", made.chain_pem),
            ("root", pem(FIRST.certificate)),
        ):
            path = self.folder / f"{name}.pem"
            path.write_bytes(data)
            path.chmod(0o600)

    def open(self, pins=None):
        paths = (self.folder / f"{name}.pem" for name in ("key", "cert", "root"))
        return TlsFiles(*paths, self.told.append, pins or Pins())

    @property
    def issuers(self):
        return [anchor.certificate for anchor in self.files.material().anchors]


def pins(*named, refused=()):
    return Pins(
        for_everybody([each.certificate for each in named]),
        refused=frozenset(each.certificate for each in refused),
    )


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path / "tls")


def answer(channel):
    try:
        call(channel, "GetNews")
    except grpc.RpcError as failure:
        return failure.code().name
    return "OK"


def test_su25_2_a_server_follows_what_counts_on_open_connections_and_on_new_ones(node):
    with world(tls=node.files) as serving, contextlib.ExitStack() as stack:
        serving.authority = FIRST
        mine, other = (a.party("lab", "ada") for a in (FIRST, SECOND))
        other.trust(FIRST)

        def channel(tls):
            return stack.enter_context(serving.channel(tls))

        assert answer(channel(mine)) == "OK"
        assert answer(channel(other)) == "UNAVAILABLE"
        node.files.pin(pins(SECOND))
        open_channel = channel(other)
        assert [answer(open_channel), answer(channel(mine))] == ["OK", "OK"]
        node.files.pin(pins(THIRD, refused=[SECOND]))
        # The connection is open, and what comes over it is refused all the same.
        assert answer(open_channel) == "UNAUTHENTICATED"
        assert answer(channel(other)) == "UNAVAILABLE"
        assert answer(channel(mine)) == "OK"


def test_su25_2_an_authority_of_the_root_file_is_taken_away_as_well(node):
    node.files.pin(pins(SECOND, refused=[FIRST]))
    assert node.issuers == [SECOND.certificate]
    (problem,) = node.told
    assert problem.reason == "TLS_FILES"
    # It goes on with what it has, which others refuse, until it has another certificate.
    assert node.files.material().chain == (node.files.material().certificate,)
    node.write(SECOND)
    assert node.files.material().identity.id == "hub"
    assert not node.files.material().is_foreign


def test_a_certificate_of_an_authority_that_is_to_come_is_taken_once_it_has_come(node):
    before = node.files.material().chain_pem
    node.write(SECOND)
    assert node.files.material().chain_pem == before
    assert [problem.reason for problem in node.told] == ["TLS_FILES"]
    generation, _ = node.files.current()
    node.files.pin(pins(SECOND))
    later, material = node.files.current()
    assert material.chain_pem != before
    assert later > generation
    assert node.issuers == [FIRST.certificate, SECOND.certificate]


def test_the_same_once_more_changes_nothing(node):
    node.files.pin(pins(SECOND))
    generation, _ = node.files.current()
    node.files.pin(pins(SECOND))
    assert node.files.current()[0] == generation


def charter_with(*authorities, number=0):
    """A charter whose coordinators have these authorities; without any it has no successors."""
    charter = make_deployment(successors=1, auditors=4, threshold=2).charter
    terms = replace(
        charter.succession,
        nodes=tuple(
            CoordinatorNode(name, ("127.0.0.1:1",), der)
            for name, der in zip(charter.coordinators, authorities, strict=False)
        ),
    )
    return replace(charter, succession=terms if authorities else None, sha256=bytes([number]) * 32)


def der(authority):
    return authority.certificate.public_bytes(Encoding.DER)


def named(found):
    return {anchor.certificate for anchor in found.others}


CERTIFICATES = {
    name: each.certificate for name, each in (("1", FIRST), ("2", SECOND), ("3", THIRD))
}
A, B, C = CERTIFICATES.values()
PLAIN = charter_with(number=1)
OLD = charter_with(der(FIRST), der(SECOND), number=2)
NEW = charter_with(der(FIRST), der(THIRD), number=3)
BACK = charter_with(der(FIRST), der(SECOND), number=4)
ODD = charter_with(der(FIRST), b"0" * 200, number=5)


@pytest.mark.parametrize(
    ("configured", "had", "counts", "refused"),
    [
        (OLD, [], {A, B}, set()),
        (OLD, [OLD], {A, B}, set()),
        (OLD, [OLD, NEW], {A, C}, {B}),
        (OLD, [OLD, NEW, BACK], {A, B}, {C}),
        # An amended charter that is to come counts beside the one in force, and alone no more.
        (NEW, [OLD], {A, B, C}, set()),
        (NEW, [OLD, NEW, BACK], {A, B}, {C}),
        (OLD, [PLAIN], {A, B}, set()),
        (PLAIN, [PLAIN], set(), set()),
        (PLAIN, [PLAIN, OLD], {A, B}, set()),
        (OLD, [OLD, ODD], {A}, {B}),
    ],
)
def test_su25_2_the_charter_in_force_says_who_counts(configured, had, counts, refused):
    text = SimpleNamespace(tls=SimpleNamespace(issuer=""), listen=None, party="lab-1")
    config = SimpleNamespace(roster=configured, role="lab", text=text, charter_file="charter.toml")
    found = pins_of(config, had)
    assert (named(found), found.refused) == (counts, refused)
    again = pins_of(config, had, found.configured)
    assert again == found


def test_a_configured_authority_that_cannot_be_read_is_an_error():
    text = SimpleNamespace(tls=SimpleNamespace(issuer=""), listen=None, party="lab-1")
    config = SimpleNamespace(roster=ODD, role="lab", text=text, charter_file="charter.toml")
    with pytest.raises(ConfigError) as caught:
        pins_of(config, [OLD])
    assert caught.value.reason == "CHARTER"


def test_a_node_that_is_started_again_takes_no_certificate_of_an_authority_that_is_gone(node):
    with pytest.raises(ConfigError) as caught:
        node.open(pins(SECOND, refused=[FIRST]))
    assert caught.value.reason == "TLS_FILES"
