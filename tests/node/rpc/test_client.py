"""The way to the log: what comes back, what is sent again, and whom it trusts."""

import socket
import threading

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fermata.crypto.signing import SigningKey
from fermata.errors import IdentityError, InvalidEncoding, Refusal, TransportError
from fermata.node.pki.tls import TlsFiles, write_tls
from fermata.node.rpc import client
from fermata.node.rpc.client import GrpcLog
from fermata.protocol.wire.envelope import seal
from fermata.protocol.wire.ports import Receipt, Witness
from fermata.wire.v1 import log_service_pb2 as wire
from harness.node.node_script import scripting
from harness.node.node_world import DEPLOYMENT, NAME, Authority, world

Code = grpc.StatusCode


@pytest.fixture
def here():
    with world() as made:
        yield made


@pytest.fixture
def scripted():
    with scripting() as start:
        yield start


def test_every_method_brings_back_what_the_log_gave(here):
    with here.client(here.party("auditor")) as log:
        receipt = log.append(b"e", b"sealed part")
        assert receipt == Receipt(0, b"leaf of e", b"note", (b"\x01" * 32,))
        assert log.append(b"f").entry == 1
        assert log.checkpoint() == b"the note"
        assert log.read(0, 10) == [b"leaf of e", b"leaf of f"]
        assert log.read(2, 10) == []
        assert log.witnesses() == [Witness("eve", 3, b"a line")]
        assert log.prove_inclusion(3, 4) == [(3).to_bytes(32, "big"), (4).to_bytes(32, "big")]
        assert log.prove_consistency(1, 2) == [(1).to_bytes(32, "big"), (2).to_bytes(32, "big")]
        assert log.fetch_sealed(b"\x07" * 32) == b"sealed"
        assert log.add_cosignature(b"signed note") is None
        assert log.renew(b"request") == b"fermata://trial/auditor/eve request"
        assert log.health() is True
    assert here.ledger.appended[0] == ("auditor", "eve", b"e", b"sealed part")
    assert here.ledger.cosigned == [("eve", b"signed note")]


def test_refusal_of_the_log_is_raised_here(here):
    here.ledger.trouble = Refusal("ROUND_CLOSED", "round 3: is closed")
    with here.client(here.party("lab")) as log, pytest.raises(Refusal) as caught:
        log.append(b"e")
    assert caught.value.reason == "ROUND_CLOSED"
    assert str(caught.value) == "round 3: is closed"


def test_a_refusal_comes_with_what_the_coordinator_signed(here):
    key = SigningKey.from_seed(bytes(32))
    signed = seal("application/vnd.fermata.refusal.v1+protobuf", b"words", {"oversight": key})
    here.ledger.trouble = Refusal("LATE", "report: the deadline has passed", signed)
    with here.client(here.party("lab")) as log, pytest.raises(Refusal) as caught:
        log.append(b"e")
    assert (caught.value.reason, caught.value.signed) == ("LATE", signed)
    # An error that nobody signed has nothing of the kind.
    here.ledger.trouble = IdentityError("NOT_AUTHOR", "append: not yours")
    with here.client(here.party("lab")) as log, pytest.raises(IdentityError) as caught:
        log.append(b"e")
    assert not hasattr(caught.value, "signed")


def test_party_off_the_roster_is_told_so(here):
    tls = here.authority.party("lab", "zoe")
    with here.client(tls) as log, pytest.raises(IdentityError) as caught:
        log.checkpoint()
    assert caught.value.reason == "NOT_ON_ROSTER"


def test_envelope_over_the_limit_is_not_sent(here):
    with here.client(here.party("lab")) as log, pytest.raises(InvalidEncoding) as caught:
        log.append(b"e" * (2 << 20))
    assert caught.value.reason == "SIZE"


DONE = wire.AppendResponse(entry=5, leaf=b"l").SerializeToString()


@pytest.mark.parametrize(
    "trouble",
    [
        Code.UNAVAILABLE,
        Code.ABORTED,
        Code.DEADLINE_EXCEEDED,
        Code.RESOURCE_EXHAUSTED,
        TransportError("RATE", "wait"),
        TransportError("BUSY", "wait"),
    ],
)
def test_passing_trouble_sends_the_same_bytes_again(scripted, trouble):
    script, log, waits = scripted(trouble, trouble, DONE)
    assert log.append(b"envelope", b"sealed").entry == 5
    assert (
        script.seen
        == [wire.AppendRequest(envelope=b"envelope", sealed_part=b"sealed").SerializeToString()] * 3
    )
    assert waits == [pytest.approx(0.2), pytest.approx(0.4)]


@pytest.mark.parametrize(
    "trouble",
    [
        Code.INTERNAL,
        Code.UNKNOWN,
        Code.DATA_LOSS,
        Code.INVALID_ARGUMENT,
        Code.FAILED_PRECONDITION,
        Refusal("TOO_OFTEN", "once a minute"),
        Refusal("LATE", "the round is over"),
    ],
)
def test_lasting_trouble_is_not_asked_again(scripted, trouble):
    script, log, waits = scripted(trouble, DONE)
    kind = type(trouble) if isinstance(trouble, Exception) else TransportError
    with pytest.raises(kind) as caught:
        log.append(b"e")
    assert type(caught.value) is kind
    assert len(script.seen) == 1
    assert waits == []


def test_call_is_given_up_after_four_attempts(scripted):
    script, log, waits = scripted(*[Code.UNAVAILABLE] * 9)
    with pytest.raises(TransportError) as caught:
        log.append(b"e")
    assert caught.value.reason == "UNREACHABLE"
    assert len(script.seen) == 4
    assert len(waits) == 3


def test_budget_of_retries_runs_out_for_all_calls_together(scripted):
    script, log, waits = scripted(*[Code.UNAVAILABLE] * 99)
    for _ in range(9):
        with pytest.raises(TransportError):
            log.append(b"e")
    assert len(waits) == 10
    assert len(script.seen) == 19


def test_successes_pay_the_budget_back(scripted):
    _, log, waits = scripted(*[Code.UNAVAILABLE] * 16, *[DONE] * 30, Code.UNAVAILABLE, DONE)
    for _ in range(6):
        with pytest.raises(TransportError):
            log.append(b"e")
    assert len(waits) == 10
    for _ in range(30):
        log.append(b"e")
    assert log.append(b"e").entry == 5
    assert len(waits) == 11


def test_pause_between_attempts_is_at_least_half_of_the_longest(scripted):
    _, log, waits = scripted(Code.UNAVAILABLE, DONE)
    log.entropy = lambda count: b"\x00" * count
    log.append(b"e")
    assert waits == [0.1]


def test_answer_that_cannot_be_read_is_trouble_on_the_way(scripted):
    _, log, _ = scripted(b"\xff\xff\xff")
    with pytest.raises(TransportError) as caught:
        log.append(b"e")
    assert caught.value.reason == "SERVER_FAULT"


def test_log_that_is_not_there_is_told_with_a_hint(here):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        with (
            GrpcLog(address, DEPLOYMENT, here.party("lab"), sleep=lambda seconds: None) as log,
            pytest.raises(TransportError) as caught,
        ):
            log.checkpoint()
    assert caught.value.reason == "UNREACHABLE"
    assert address in str(caught.value)
    assert "nothing listens there; check the address" in str(caught.value)


# Without a host name among the alternative names gRPC falls back to the common name; what keeps a
# client's certificate from serving under it is that its key may not be used to serve.
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda a: a.party("lab", "bel"), id="another party's certificate"),
        pytest.param(lambda a: a.leaf(common=NAME), id="the name as common name only"),
        pytest.param(
            lambda a: a.leaf(f"fermata://{DEPLOYMENT}/lab/bel", common=NAME), id="lab with the name"
        ),
        pytest.param(lambda a: a.leaf(dns=("other.fermata",)), id="another deployment's name"),
        pytest.param(lambda a: a.leaf(dns=("127.0.0.1", "localhost")), id="the address's name"),
        pytest.param(lambda a: Authority().party("coordinator", "hub"), id="another root"),
    ],
)
def test_impostor_of_the_coordinator_gets_no_call(scripted, make):
    script, log, _ = scripted(DONE, server_tls=make(scripted.authority))
    with pytest.raises(TransportError) as caught:
        log.append(b"e")
    assert caught.value.reason == "UNREACHABLE"
    assert script.seen == []


def test_proxies_of_the_environment_are_ignored(here, monkeypatch):
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with here.client(here.party("lab")) as log:
        assert log.checkpoint() == b"the note"


def test_new_certificate_is_used_from_the_next_call_on(here):
    tls = here.party("lab", "ada")
    with here.client(tls) as log:
        log.append(b"1")
        tls.turn_into(here.party("lab", "bel"))
        log.append(b"2")
        tls.turn_into(here.party("auditor", "eve"))
        log.append(b"3")
    assert [caller for _, caller, _, _ in here.ledger.appended] == ["ada", "bel", "eve"]


def test_watch_goes_on_over_a_change_of_certificates(here):
    tls = here.party("lab", "ada")
    with here.client(tls) as log:
        log.append(b"0")
        sizes = log.watch()
        assert next(sizes) == (1, 0)
        tls.turn_into(here.party("lab", "bel"))
        log.append(b"1")
        assert next(sizes) == (2, 0)


def test_both_sides_follow_their_files_without_a_restart(here, tmp_path):
    def put(folder, tls):
        found = tls.found
        key = load_pem_private_key(found.key_pem, None)
        write_tls(tmp_path / folder, key, found.chain_pem, found.root_pem)

    def files(folder):
        return TlsFiles(*(tmp_path / folder / f"{name}.pem" for name in ("key", "cert", "root")))

    put("hub", here.tls)
    put("lab", here.party("lab"))
    with (
        world(tls=files("hub")) as other,
        GrpcLog(other.address, DEPLOYMENT, files("lab"), sleep=lambda seconds: None) as log,
    ):
        assert log.checkpoint() == b"the note"
        old = log._current_channel()
        put("hub", here.authority.party("coordinator", "hub"))
        put("lab", here.party("lab"))
        assert log.checkpoint() == b"the note"
        assert log._current_channel() is not old


def test_call_after_the_close_is_refused(here):
    log = GrpcLog(here.address, DEPLOYMENT, here.party("lab"))
    log.close()
    with pytest.raises(TransportError) as caught:
        log.checkpoint()
    assert caught.value.reason == "CLOSED"


def test_every_call_has_a_deadline(scripted, monkeypatch):
    monkeypatch.setattr(client, "ATTEMPTS_MAX", 1)
    release = threading.Event()
    script, log, _ = scripted()
    script._answer = lambda data, context: release.wait(20) and b""
    with pytest.raises(TransportError) as caught:
        log._call("GetNews", wire.GetNewsRequest(), wire.GetNewsResponse, 0.2)
    release.set()
    assert caught.value.reason == "DEADLINE"


def test_news_are_the_head_its_witnesses_and_as_many_leaves_as_were_asked_for(here):
    with here.client(here.party("lab")) as log:
        for number in range(3):
            log.append(b"%d" % number)
        witnesses = [Witness("eve", 3, b"a line")]
        assert log.news(1, 1) == (b"the note", witnesses, [b"leaf of 1"])
        assert log.news(0, 9).leaves == [b"leaf of 0", b"leaf of 1", b"leaf of 2"]
        assert log.news(0, 0).leaves == []
