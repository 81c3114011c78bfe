"""The server's life: port, streams, limits, health, reflection, a graceful end."""

import socket
import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from fermata.errors import ConfigError, Refusal
from fermata.node.rpc import service
from fermata.node.rpc.limits import Limits
from fermata.node.rpc.status_codes import error_of_call
from fermata.wire.v1 import log_service_pb2 as wire
from harness.node.node_world import call, world

HEALTH = "grpc.health.v1.Health"
WATCH = "/fermata.wire.v1.LogService/Watch"
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def here():
    with world() as made:
        yield made


def watch(channel):
    request = wire.WatchRequest().SerializeToString()
    for data in channel.unary_stream(WATCH)(request, timeout=20):
        found = wire.WatchResponse.FromString(data)
        yield found.size, found.witnessed


def reason_of(caught):
    return error_of_call(caught.value, "here").reason


def append(channel, envelope):
    call(channel, "Append", wire.AppendRequest(envelope=envelope).SerializeToString())


def unstarted(here):
    return service.LogServer(
        here.ledger,
        tls=here.tls,
        authorise=lambda identity: None,
        limits=Limits(),
        clock_ms=here.clock,
        telemetry=here.telemetry,
    )


def test_second_server_on_one_port_is_refused(here):
    with pytest.raises(ConfigError) as caught:
        unstarted(here).start(here.address)
    assert caught.value.reason == "PORT_IN_USE"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("address", ["", "7440", "host", "host:", "host:99999", "::1:80", "a b:1"])
def test_address_that_is_none_is_refused(here, address):
    with pytest.raises(ConfigError) as caught:
        unstarted(here).start(address)
    assert caught.value.reason == "ADDRESS"


def test_server_is_started_once(here):
    with pytest.raises(ValueError, match="started once only"):
        here.server.start("127.0.0.1:0")


def test_half_open_connection_is_closed():
    with world(limits=Limits(handshake_ms=200)) as here:
        host, _, port = here.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=20) as idle:
            assert idle.recv(1) == b""


def test_watcher_gets_what_is_there_and_what_comes(here, monkeypatch):
    # Without word of new entries the stream would now wait longer than the test.
    monkeypatch.setattr(service, "WATCH_CHECK_S", 3600)
    with here.channel(here.party("lab")) as channel:
        append(channel, b"0")
        append(channel, b"1")
        stream = watch(channel)
        assert next(stream) == (2, 0)
        append(channel, b"2")
        assert next(stream) == (3, 0)
        append(channel, b"3")
        assert next(stream) == (4, 0)


def test_watcher_of_an_empty_log_hears_at_once_that_it_is_there(here):
    with here.channel(here.party("lab")) as channel:
        stream = watch(channel)
        assert next(stream) == (0, 0)
        append(channel, b"0")
        assert next(stream) == (1, 0)


def test_watcher_whose_certificate_is_taken_back_is_cut_off(here, monkeypatch):
    monkeypatch.setattr(service, "WATCH_CHECK_S", 0.05)
    tls = here.party("lab")
    with here.channel(tls) as channel:
        append(channel, b"0")
        stream = watch(channel)
        next(stream)
        here.denied.add(tls.found.certificate.serial_number)
        with pytest.raises(grpc.RpcError) as caught:
            next(stream)
    assert reason_of(caught) == "CERT_DENIED"


def test_one_caller_has_only_so_many_watchers():
    limits = Limits(streams_of_one=2, streams_max=3)
    with world(limits=limits) as here, here.channel(here.party("lab")) as channel:
        append(channel, b"0")
        streams = [watch(channel), watch(channel)]
        for stream in streams:
            next(stream)
        with pytest.raises(grpc.RpcError) as caught:
            next(watch(channel))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(caught) == "BUSY"
        with here.channel(here.party("auditor")) as other:
            next(watch(other))


def test_watcher_that_leaves_makes_room_for_the_next(monkeypatch):
    monkeypatch.setattr(service, "WATCH_CHECK_S", 3600)
    limits = Limits(streams_of_one=1, streams_max=1)
    with world(limits=limits) as here:
        for _ in range(3):
            with here.channel(here.party("lab")) as channel:
                if not here.ledger.leaves:
                    append(channel, b"0")
                stream = channel.unary_stream(WATCH)(b"", timeout=20)
                next(stream)
                stream.cancel()
                until_admitted(here)


def until_admitted(here):
    """Waits until the one stream of the server is free again."""
    with here.channel(here.party("auditor")) as channel:
        while True:
            try:
                next(watch(channel))
            except grpc.RpcError as failure:
                assert error_of_call(failure, "here").reason == "BUSY"  # noqa: PT017 - may pass
                continue
            return


def test_calls_above_the_rate_are_refused_until_time_has_passed():
    limits = Limits(calls_per_s_of_one=0.001, calls_burst_of_one=3)
    with world(limits=limits) as here, here.channel(here.party("lab")) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            for _ in range(100):
                call(channel, "GetNews")
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(caught) == "RATE"
        with here.channel(here.party("auditor")) as other:
            call(other, "GetNews")
        here.clock.ahead_ms += 1_100_000
        call(channel, "GetNews")


def test_calls_under_way_above_the_limit_are_refused():
    with (
        world(limits=Limits(calls_at_once_of_one=1)) as here,
        here.channel(here.party("lab")) as channel,
    ):
        here.ledger.gate = threading.Event()
        data = wire.AppendRequest(envelope=b"e").SerializeToString()
        slow = channel.unary_unary("/fermata.wire.v1.LogService/Append").future(data, timeout=20)
        assert here.ledger.entered.acquire(timeout=20)
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, "GetNews")
        assert reason_of(caught) == "BUSY"
        here.ledger.gate.set()
        slow.result()
        call(channel, "GetNews")


def test_call_under_way_is_finished_before_the_stop(here):
    here.ledger.gate = threading.Event()
    data = wire.AppendRequest(envelope=b"e").SerializeToString()
    with here.channel(here.party("lab")) as channel:
        slow = channel.unary_unary("/fermata.wire.v1.LogService/Append").future(data, timeout=20)
        assert here.ledger.entered.acquire(timeout=20)
        stopping = threading.Thread(target=here.server.stop, args=(20,))
        stopping.start()
        here.ledger.gate.set()
        assert wire.AppendResponse.FromString(slow.result()).leaf == b"leaf of e"
        stopping.join(20)
        assert not stopping.is_alive()


def test_stop_ends_watchers_in_good_order(here):
    with here.channel(here.party("lab")) as channel:
        append(channel, b"0")
        stream = watch(channel)
        next(stream)
        here.server.stop(20)
        assert list(stream) == []


def health(channel, name):
    data = health_pb2.HealthCheckRequest(service=name).SerializeToString()
    answer = call(channel, "Check", data, service=HEALTH)
    return health_pb2.HealthCheckResponse.FromString(answer).status


@pytest.mark.parametrize("name", ["", "fermata.wire.v1.LogService", HEALTH])
def test_health_of_each_service_is_serving(here, name):
    with here.channel(here.party("observer")) as channel:
        assert health(channel, name) == SERVING


def test_health_of_an_unknown_service_is_not_found(here):
    with here.channel(here.party("observer")) as channel, pytest.raises(grpc.RpcError) as caught:
        health(channel, "fermata.wire.v1.Decryption")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_health_watcher_sees_the_stop_before_it_happens(here):
    with here.channel(here.party("observer")) as channel:
        stream = channel.unary_stream(f"/{HEALTH}/Watch")(b"", timeout=20)
        parse = health_pb2.HealthCheckResponse.FromString
        assert parse(next(stream)).status == SERVING
        here.server.stop(20)
        assert [parse(each).status for each in stream] == [
            health_pb2.HealthCheckResponse.NOT_SERVING
        ]


def test_reflection_when_asked_for_lists_the_services():
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with world(reflection=True) as here, here.channel(here.party("operator")) as channel:
        stream = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        )(iter([request.SerializeToString()]), timeout=20)
        answers = [reflection_pb2.ServerReflectionResponse.FromString(each) for each in stream]
    names = [each.name for each in answers[0].list_services_response.service]
    assert "fermata.wire.v1.LogService" in names
    assert len(names) == 3


def test_reflection_is_behind_the_same_door():
    with (
        world(reflection=True) as here,
        here.channel(here.authority.party("lab", "zoe")) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        next(
            channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(
                iter([b""]), timeout=20
            )
        )
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_server_without_an_authority_renews_nothing():
    with (
        world(renew=None) as here,
        here.client(here.party("lab")) as log,
        pytest.raises(Refusal) as caught,
    ):
        log.renew(b"request")
    assert caught.value.reason == "NO_AUTHORITY"


def test_calls_are_counted_by_method_role_and_status(here):
    with here.channel(here.party("lab")) as channel:
        call(channel, "GetNews")
        with pytest.raises(grpc.RpcError):
            call(channel, "FetchSealed", b"")
    value = here.telemetry.registry.get_sample_value
    labels = {"method": "GetNews", "role": "lab", "status": "OK"}
    assert value("fermata_calls_total", labels) == 1
    labels = {"method": "FetchSealed", "role": "lab", "status": "PERMISSION_DENIED"}
    assert value("fermata_calls_total", labels) == 1
