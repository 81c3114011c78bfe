"""The webhook: verified TLS, no redirect, no proxy, and every trouble tried again."""

import datetime
import ipaddress
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fermata.errors import ConfigError, TransportError
from fermata.node.hook import delivery
from fermata.node.hook.calls import WebCall
from fermata.node.hook.notice import idempotency_key, open_notice
from harness.node.hook_world import Node, Site, until
from harness.pauses import pause_run

TIMEOUT_S = 20


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch):
    monkeypatch.setattr(delivery, "BACKOFF_S", (0.01,))


@pytest.fixture
def serving():
    opened = []

    def start(*answers, **options):
        opened.append(Site(*answers, **options))
        return opened[-1]

    yield start
    for site in opened:
        site.close()


def certificate(folder, name, address="127.0.0.1"):
    """A certificate for an address that is its own root, with its key: (root file, context)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(names, False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    root, secret = folder / f"{name}.pem", folder / f"{name}.key"
    root.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(root, secret)
    return root, context


def refused(call, reason):
    with pytest.raises(TransportError) as caught:
        call(b"{}", "key")
    assert caught.value.reason == reason


def test_a_site_gets_every_change_in_order_with_its_key(serving):
    run = pause_run()
    site = serving(503, 500, 204)
    with Node(run, WebCall(site.url + "/pause?cluster=1", None, TIMEOUT_S)) as node:
        until(node.has_all)
    keys = [idempotency_key(run.charter.sha256, index) for index in (0, 0, 0, 1)]
    assert [headers["Idempotency-Key"] for _, headers, _ in site.calls] == keys
    assert {headers["Content-Type"] for _, headers, _ in site.calls} == {"application/json"}
    assert {path for path, _, _ in site.calls} == {"/pause?cluster=1"}
    told = [open_notice(body, run.charter).change.after for _, _, body in site.calls]
    assert told == ["triggered", "triggered", "triggered", "paused"]
    assert [e["reason"] for e in node.told("hook_failed")] == ["HOOK_STATUS", "HOOK_STATUS"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_taken(serving, status):
    WebCall(serving(status).url, None, TIMEOUT_S)(b"{}", "key")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 500])
def test_anything_else_is_not_and_no_redirect_is_followed(serving, status):
    site = serving(status)
    refused(WebCall(site.url, None, TIMEOUT_S), "HOOK_STATUS")
    assert len(site.calls) == 1


def test_a_proxy_in_the_environment_is_not_used(serving, monkeypatch):
    site, proxy = serving(), serving()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    WebCall(site.url, None, TIMEOUT_S)(b"{}", "key")
    assert (len(site.calls), proxy.calls) == (1, [])


def test_a_site_with_a_certificate_of_the_given_root_is_served(serving, tmp_path):
    root, context = certificate(tmp_path, "site")
    site = serving(context=context)
    WebCall(site.url, root, TIMEOUT_S)(b"{}", "key")
    assert [body for _, _, body in site.calls] == [b"{}"]


def test_a_site_whose_certificate_does_not_fit_gets_nothing(serving, tmp_path):
    _, context = certificate(tmp_path, "site")
    other, _ = certificate(tmp_path, "other")
    site = serving(context=context)
    refused(WebCall(site.url, other, TIMEOUT_S), "HOOK_UNREACHABLE")
    refused(WebCall(site.url, None, TIMEOUT_S), "HOOK_UNREACHABLE")
    wrong_root, wrong_context = certificate(tmp_path, "elsewhere", "127.0.0.2")
    wrong = serving(context=wrong_context)
    refused(WebCall(wrong.url, wrong_root, TIMEOUT_S), "HOOK_UNREACHABLE")
    assert site.calls == wrong.calls == []


def test_a_site_that_does_not_speak_tls_gets_nothing(serving, tmp_path):
    root, _ = certificate(tmp_path, "site")
    site = serving()
    refused(WebCall(site.url.replace("http:", "https:"), root, TIMEOUT_S), "HOOK_UNREACHABLE")
    assert site.calls == []


def test_a_root_file_without_certificates_is_refused(tmp_path):
    (tmp_path / "junk.pem").write_text("junk")
    for name in ("junk.pem", "none.pem"):
        with pytest.raises(ConfigError) as caught:
            WebCall("https://site.example/", tmp_path / name, TIMEOUT_S)
        assert caught.value.reason == "CA_FILE"
        assert name in str(caught.value)


def test_a_site_that_is_away_is_told(serving):
    site = serving()
    site.close()
    refused(WebCall(site.url, None, TIMEOUT_S), "HOOK_UNREACHABLE")


@pytest.mark.parametrize("secure", [False, True])
def test_a_site_that_drips_its_answer_is_cut_off(serving, tmp_path, secure):
    ended = threading.Event()

    def drip(handler):
        while not ended.is_set():
            handler.wfile.write(b"H")
            time.sleep(0.05)

    root, context = certificate(tmp_path, "site") if secure else (None, None)
    site = serving(act=drip, context=context)
    try:
        refused(WebCall(site.url, root, 0.5), "HOOK_TIMEOUT")
    finally:
        ended.set()


def test_a_site_that_says_nothing_is_cut_off(serving):
    ended = threading.Event()
    site = serving(act=lambda handler: ended.wait())
    try:
        refused(WebCall(site.url, None, 0.3), "HOOK_TIMEOUT")
    finally:
        ended.set()
