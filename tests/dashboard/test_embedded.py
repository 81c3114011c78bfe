"""The dashboard beside a running coordinator, and over a ledger in memory."""

import functools
import ssl
import urllib.request

import pytest

from fermata.dashboard.checks import ChecksView
from fermata.dashboard.embedded import dashboard_of
from fermata.dashboard.pages import render
from fermata.dashboard.source import LogWriterSource
from fermata.errors import ConfigError
from fermata.node.config import load_config
from fermata.node.run.shared_log_writer import SharedLogWriter
from harness.bundles import finished_run
from harness.chains import MODULUS_BITS_MIN
from harness.nodes import COORDINATOR, lay_out


@functools.cache
def ledger():
    run = finished_run()
    key = run.deployment.keys[run.charter.coordinator]
    return SharedLogWriter(run.ledger.replica, key, lambda: 0)


def source():
    run = finished_run()
    return LogWriterSource(ledger(), lambda: run.now_ms, MODULUS_BITS_MIN)


def test_a_snapshot_is_the_coordinators_own_state_and_never_changes():
    now = source().snapshot()
    assert now.state is finished_run().ledger.state
    assert now.is_live
    assert list(now.leaves(0, now.state.size)) == finished_run().leaves()


def test_pages_of_a_log_show_it_and_have_the_verifiers_button():
    now = source().snapshot()
    page = render(now, ChecksView(), "verify.html")
    assert page is not None
    assert b'<form method="post" action="verify.html"><button' in page.body
    entry = render(now, ChecksView(), "entry-3.html")
    assert entry is not None
    assert b"The steps below lead" in entry.body


def test_the_whole_log_verifies_with_its_sealed_parts():
    found = source().verify()
    assert found.is_valid
    assert not found.is_public


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("dashboard") / "site")


def fetched(site, scheme):
    address = (site.node(COORDINATOR) / "data" / "dashboard.address").read_text().strip()
    context = None
    if scheme == "https":
        root = site.node(COORDINATOR) / "tls" / "root.pem"
        context = ssl.create_default_context(cafile=str(root))
        context.check_hostname = False
    url = f"{scheme}://{address}/log.html"
    with urllib.request.urlopen(url, timeout=30, context=context) as answer:
        return answer.read().decode()


@pytest.mark.parametrize(("scheme", "tls"), [("http", "false"), ("https", "true")])
def test_a_coordinator_serves_its_dashboard_if_it_is_told_to(site, scheme, tls):
    extra = f'\n[dashboard]\naddress = "127.0.0.1:0"\ntls = {tls}\n'
    with site.coordinator(extra=extra):
        assert "Charter" in fetched(site, scheme)


def test_without_the_table_there_is_no_dashboard(site):
    with site.coordinator():
        assert not (site.node(COORDINATOR) / "data" / "dashboard.address").exists()


def test_what_others_can_reach_needs_tls(site):
    extra = '\n[dashboard]\naddress = "0.0.0.0:0"\n'
    config = load_config(site.write_config(COORDINATOR, extra=extra))
    with pytest.raises(ConfigError, match="tls = true") as refused:
        dashboard_of(config)
    assert refused.value.reason == "CONFIG"


@pytest.mark.parametrize(
    ("party", "extra", "said"),
    [
        ("lab-1", '\n[dashboard]\naddress = "127.0.0.1:0"\n', "is for the coordinator only"),
        (COORDINATOR, '\n[dashboard]\naddress = "here"\n', "dashboard.address: must be host:port"),
    ],
)
def test_a_dashboard_that_cannot_be_is_refused_with_its_place(site, party, extra, said):
    with pytest.raises(ConfigError, match=said):
        load_config(site.write_config(party, extra=extra))
