"""An auditor's server: what labs may read there, and whom a lab takes for the auditor."""

import grpc
import pytest

from fermata.errors import TransportError
from fermata.node.pki.identity import auditor_server_name
from fermata.node.rpc.client import GrpcLog
from fermata.node.rpc.service import ALLOWED, COPY_ALLOWED
from fermata.node.rpc.status_codes import error_of_call
from harness.node.node_world import DEPLOYMENT, NAME, Authority, call, world

NAME_OF_EVE = auditor_server_name(DEPLOYMENT, "eve")
ROLES = ("auditor", "member", "coordinator", "operator", "observer")


def auditor_tls(authority, dns=NAME_OF_EVE):
    return authority.leaf(f"fermata://{DEPLOYMENT}/auditor/eve", dns=(dns,))


@pytest.fixture(scope="module")
def here():
    authority = Authority()
    with world(tls=auditor_tls(authority), allowed=COPY_ALLOWED, authority=authority) as made:
        made.ledger.leaves.append(b"leaf")
        yield made


def copy_of(here, tls, auditor="eve"):
    return GrpcLog(here.address, DEPLOYMENT, tls, auditor=auditor, attempts_max=1, call_s=20.0)


def test_a_lab_reads_the_head_the_cosignatures_and_the_leaves(here):
    with copy_of(here, here.party("lab")) as copy:
        assert copy.checkpoint() == b"the note"
        assert [w.auditor for w in copy.witnesses()] == ["eve"]
        assert copy.read(0, 10) == [b"leaf"]


@pytest.mark.parametrize("method", sorted(set(ALLOWED) - set(COPY_ALLOWED)))
def test_no_other_method_is_there(here, method):
    lab = here.party("lab")
    with here.channel(lab, NAME_OF_EVE) as channel, pytest.raises(grpc.RpcError) as caught:
        call(channel, method)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("role", ROLES)
def test_nobody_but_labs_may_read(here, role):
    tls = here.party(role)
    with here.channel(tls, NAME_OF_EVE) as channel, pytest.raises(grpc.RpcError) as caught:
        call(channel, "GetNews")
    assert error_of_call(caught.value, "here").reason == "WRONG_ROLE"


def test_an_auditor_passes_for_no_other_and_not_for_the_coordinator(here):
    with copy_of(here, here.party("lab"), "ada") as copy, pytest.raises(TransportError) as caught:
        copy.checkpoint()
    assert caught.value.reason == "UNREACHABLE"
    with here.channel(here.party("lab"), NAME) as channel, pytest.raises(grpc.RpcError) as failed:
        call(channel, "GetNews")
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


def test_the_coordinator_passes_for_no_auditor():
    with (
        world() as made,
        copy_of(made, made.party("lab")) as copy,
        pytest.raises(TransportError) as caught,
    ):
        copy.checkpoint()
    assert caught.value.reason == "UNREACHABLE"


def test_an_authority_of_the_coordinators_own_speaks_for_no_auditor():
    """A lab's root file may have it; TLS alone would take what it issues for anybody."""
    own, other = Authority(), Authority("oversight-body")
    lab = own.party("lab", "ada")
    lab.trust(other)
    forged = auditor_tls(other)
    forged.trust(own)
    with world(tls=forged, allowed=COPY_ALLOWED, authority=own) as made:
        with copy_of(made, lab) as copy, pytest.raises(TransportError) as caught:
            copy.checkpoint()
        assert caught.value.reason == "UNREACHABLE"
        # With the whole root file, this server passes for the auditor.
        with made.channel(lab, NAME_OF_EVE) as channel:
            assert call(channel, "GetNews")


def test_without_an_authority_for_the_auditor_no_call_is_made():
    """gRPC would take an empty file for the operating system's authorities."""
    own, other = Authority(), Authority("oversight-body")
    lab = own.party("lab", "ada")
    lab.trust(other, alone=True)
    with (
        world(tls=auditor_tls(own), allowed=COPY_ALLOWED, authority=own) as made,
        copy_of(made, lab) as copy,
        pytest.raises(TransportError, match="no pinned") as caught,
    ):
        copy.checkpoint()
    assert caught.value.reason == "UNREACHABLE"
