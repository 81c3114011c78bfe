"""Who may call what, over real mutual TLS: the full matrix, and every wrong certificate."""

import grpc
import pytest
from grpc_health.v1 import health_pb2

from fermata.errors import IdentityError
from fermata.node.rpc.guard import Guard
from fermata.node.rpc.limits import Limits
from fermata.node.rpc.service import ALLOWED
from fermata.node.rpc.status_codes import error_of_call
from fermata.wire.v1 import log_service_pb2 as wire
from harness.node.node_world import DEPLOYMENT, HOUR, Authority, call, now, pem, world

REQUESTS = {
    "Append": wire.AppendRequest(envelope=b"e"),
    "Read": wire.ReadRequest(count_max=1),
    "Watch": wire.WatchRequest(),
    "GetNews": wire.GetNewsRequest(),
    "ProveInclusion": wire.ProveInclusionRequest(size=1),
    "ProveConsistency": wire.ProveConsistencyRequest(new_size=1),
    "FetchSealed": wire.FetchSealedRequest(sealed_sha256=b"\x07" * 32),
    "AddCosignature": wire.AddCosignatureRequest(checkpoint=b"c"),
    "RenewCertificate": wire.RenewCertificateRequest(csr=b"r"),
}
ROLES = ("lab", "auditor", "member", "coordinator", "operator", "observer")
REFUSED = {
    ("operator", "Append"),
    ("observer", "Append"),
    ("lab", "FetchSealed"),
    ("member", "FetchSealed"),
    ("member", "AddCosignature"),
    ("operator", "FetchSealed"),
    ("observer", "FetchSealed"),
    ("lab", "AddCosignature"),
    ("coordinator", "AddCosignature"),
    ("operator", "AddCosignature"),
    ("observer", "AddCosignature"),
}


@pytest.fixture(scope="module")
def here():
    with world() as made:
        made.ledger.leaves.append(b"leaf")
        yield made


@pytest.fixture(scope="module")
def channels(here):
    opened = {role: here.channel(here.party(role)) for role in ROLES}
    yield {role: channel.__enter__() for role, channel in opened.items()}
    for channel in opened.values():
        channel.__exit__(None, None, None)


def outcome(channel, method, data):
    """(status, reason) of one call."""
    path = f"/fermata.wire.v1.LogService/{method}"
    try:
        if method == "Watch":
            stream = channel.unary_stream(path)(data, timeout=20)
            next(stream)
            stream.cancel()
        else:
            channel.unary_unary(path)(data, timeout=20)
    except grpc.RpcError as failure:
        return failure.code().name, error_of_call(failure, "here").reason
    return "OK", ""


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize("role", ROLES)
def test_role_may_call_what_the_matrix_says_and_nothing_else(channels, role, method):
    wanted = ("PERMISSION_DENIED", "WRONG_ROLE") if (role, method) in REFUSED else ("OK", "")
    assert outcome(channels[role], method, REQUESTS[method].SerializeToString()) == wanted


def test_every_method_of_the_contract_is_in_the_matrix():
    service = wire.DESCRIPTOR.services_by_name["LogService"]
    names = {method.name for method in service.methods}
    assert names == set(ALLOWED) == set(REQUESTS)


def test_caller_of_an_append_is_who_the_certificate_says(here, channels):
    call(channels["auditor"], "Append", wire.AppendRequest(envelope=b"mine").SerializeToString())
    assert here.ledger.appended[-1] == ("auditor", "eve", b"mine", b"")


def test_renewal_is_for_the_callers_own_identity(channels):
    answer = call(
        channels["lab"], "RenewCertificate", REQUESTS["RenewCertificate"].SerializeToString()
    )
    found = wire.RenewCertificateResponse.FromString(answer)
    assert found.certificate_chain == b"fermata://trial/lab/ada r"


def refused(here, tls):
    with here.channel(tls) as channel, pytest.raises(grpc.RpcError) as caught:
        call(channel, "GetNews")
    return caught.value.code().name, error_of_call(caught.value, "here").reason


def test_no_certificate_gets_no_connection(here):
    credentials = grpc.ssl_channel_credentials(pem(here.authority.certificate))
    assert refused(here, credentials) == ("UNAVAILABLE", "UNREACHABLE")


def test_certificate_of_another_root_gets_no_connection(here):
    other = Authority().party("lab", "ada")
    found = other.found
    credentials = grpc.ssl_channel_credentials(
        pem(here.authority.certificate), found.key_pem, found.chain_pem
    )
    assert refused(here, credentials) == ("UNAVAILABLE", "UNREACHABLE")


def test_expired_certificate_gets_no_connection(here):
    tls = here.authority.party("lab", "ada", start=now() - 3 * HOUR, end=now() - HOUR / 60)
    assert refused(here, tls) == ("UNAVAILABLE", "UNREACHABLE")


def test_certificate_that_begins_later_gets_no_connection(here):
    tls = here.authority.party("lab", "ada", start=now() + HOUR / 2, end=now() + HOUR)
    assert refused(here, tls) == ("UNAVAILABLE", "UNREACHABLE")


def test_plain_text_gets_no_connection(here):
    with grpc.insecure_channel(here.address) as channel, pytest.raises(grpc.RpcError) as caught:
        call(channel, "GetNews")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


URI = f"fermata://{DEPLOYMENT}/lab/ada"


@pytest.mark.parametrize(
    "uris",
    [
        pytest.param((), id="common name only"),
        pytest.param((URI, f"fermata://{DEPLOYMENT}/lab/bel"), id="two parties"),
        pytest.param((URI, URI), id="the same party twice"),
        pytest.param((f"fermata://{DEPLOYMENT}/lab/*",), id="wildcard"),
        pytest.param((URI + "/",), id="trailing slash"),
        pytest.param((f"fermata://{DEPLOYMENT}/root/ada",), id="unknown role"),
        pytest.param((f"fermata://{DEPLOYMENT}/LAB/ada",), id="upper case"),
    ],
)
def test_certificate_without_exactly_one_good_uri_is_unauthenticated(here, uris):
    tls = here.authority.leaf(*uris, common=URI)
    assert refused(here, tls) == ("UNAUTHENTICATED", "IDENTITY_FORM")


def test_party_that_is_not_on_the_roster_is_unauthenticated(here):
    tls = here.authority.party("lab", "zoe")
    assert refused(here, tls) == ("UNAUTHENTICATED", "NOT_ON_ROSTER")


def test_party_in_another_role_than_the_rosters_is_unauthenticated(here):
    tls = here.authority.party("auditor", "ada")
    assert refused(here, tls) == ("UNAUTHENTICATED", "NOT_ON_ROSTER")


def test_certificate_for_another_deployment_is_unauthenticated(here):
    tls = here.authority.leaf("fermata://other/lab/ada")
    assert refused(here, tls) == ("UNAUTHENTICATED", "CERT_FOREIGN")


def test_certificate_that_expires_on_an_open_connection_is_refused_at_the_next_call(here):
    with here.channel(here.party("lab")) as channel:
        call(channel, "GetNews")
        here.clock.ahead_ms = 2 * 3_600_000
        try:
            with pytest.raises(grpc.RpcError) as caught:
                call(channel, "GetNews")
        finally:
            here.clock.ahead_ms = 0
        assert error_of_call(caught.value, "here").reason == "CERT_EXPIRED"
        call(channel, "GetNews")


def test_certificate_that_is_denied_on_an_open_connection_is_refused_at_the_next_call(here):
    tls = here.party("lab")
    with here.channel(tls) as channel:
        call(channel, "GetNews")
        here.denied.add(tls.found.certificate.serial_number)
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, "GetNews")
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert error_of_call(caught.value, "here").reason == "CERT_DENIED"


def test_health_is_behind_the_same_door(here):
    data = health_pb2.HealthCheckRequest().SerializeToString()
    with (
        here.channel(here.authority.party("lab", "zoe")) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        call(channel, "Check", data, service="grpc.health.v1.Health")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


class Context:
    def __init__(self, **facts):
        self.facts = facts

    def auth_context(self):
        return self.facts


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ssl_tls_version": [b"TLSv1.2"]}, "TLS_VERSION"),
        ({"ssl_tls_version": []}, "TLS_VERSION"),
        ({"x509_pem_cert": []}, "NO_CERT"),
        ({"x509_pem_cert": [b"not PEM"]}, "NO_CERT"),
    ],
)
def test_connection_that_is_less_than_mutual_tls_13_is_refused(here, change, reason):
    tls = here.party("lab")
    facts = {"ssl_tls_version": [b"TLSv1.3"], "x509_pem_cert": [tls.found.chain_pem]}
    door = Guard(
        here.tls, lambda identity: None, None, Limits(), here.clock, here.telemetry, lambda n: b""
    )
    assert door.identify(Context(**facts)).id == "ada"
    with pytest.raises(IdentityError) as caught:
        door.identify(Context(**(facts | change)))
    assert caught.value.reason == reason
