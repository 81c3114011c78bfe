"""A node's own certificate: checked at start, watched, renewed without a restart."""

import io
import json
import shutil
from types import SimpleNamespace

import pytest

from fermata.errors import ConfigError, IdentityError, TransportError
from fermata.node.config import load_config
from fermata.node.observe.telemetry import Telemetry
from fermata.node.pki import certificates
from fermata.node.pki.certificates import DAY_MS
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.pki.identity import not_after_ms
from fermata.node.pki.own_certificate import (
    LOOK_MS,
    OwnCertificate,
    alarm_of,
    host_names_in,
    open_tls,
)
from fermata.node.pki.tls import TlsMaterial
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.run.served_copy import serve_copy
from harness.nodes import COORDINATOR, NAME, Site, lay_out


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("certificates") / "site")


@pytest.fixture
def site(template, tmp_path):
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site")


class Keeper:
    """The part that watches a party's certificate, with a clock to set."""

    def __init__(self, site, party, send="authority"):
        self.site = site
        self.config = load_config(site.config(party))
        self.ahead_ms = 0
        self.requests = 0
        self.out = io.StringIO()
        self.telemetry = Telemetry(party, self.config.role, self.clock, stream=self.out)
        self.files = open_tls(self.config, self.clock, alarm_of(self.telemetry))
        self.keeper = OwnCertificate(
            self.config,
            self.files,
            self.send if send == "authority" else send,
            self.telemetry,
            self.clock,
            entropy,
        )

    def clock(self):
        return clock_ms() + self.ahead_ms

    def send(self, csr, host_names):
        self.requests += 1
        authority = self.site.authority(days_ago=-self.ahead_ms / DAY_MS)
        return authority.issue(self.files.material().identity, csr, host_names)

    @property
    def told(self):
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    @property
    def expiry_s(self):
        return self.telemetry.registry.get_sample_value(
            "fermata_certificate_expiry_timestamp_seconds"
        )


def refused(site, party="lab-1", ahead_days=0.0):
    with pytest.raises((ConfigError, IdentityError)) as caught:
        open_tls(load_config(site.config(party)), lambda: clock_ms() + int(ahead_days * DAY_MS))
    return caught.value


def test_a_clock_that_is_wrong_is_named_as_a_cause(site):
    for days, reason in ((31, "CERT_EXPIRED"), (-3, "CERT_NOT_YET_VALID")):
        error = refused(site, ahead_days=days)
        assert error.reason == reason
        assert error.exit_code == 5
        assert "clock" in str(error)
        assert str(site.node("lab-1") / "tls" / "cert.pem") in str(error)


@pytest.mark.parametrize("party", ["lab-2", "auditor-1", COORDINATOR])
def test_a_certificate_of_another_party_is_refused(site, party):
    site.enroll(party, into="lab-1")
    error = refused(site)
    assert (error.reason, error.exit_code) == ("WRONG_CERTIFICATE", 5)
    assert f"/{party}" in str(error)
    assert f"fermata://{NAME}/lab/lab-1" in str(error)


def test_a_node_that_has_not_enrolled_is_told_to(site):
    (site.node("lab-1") / "tls").unlink()
    error = refused(site)
    assert error.reason == "FILE_MISSING"
    assert "fermata enroll" in str(error)


def test_files_that_do_not_fit_are_refused(site):
    other = site.node("lab-2") / "tls" / "key.pem"
    shutil.copy(other, site.node("lab-1") / "tls" / "key.pem")
    assert (refused(site).reason, refused(site).exit_code) == ("TLS_FILES", 2)


def test_a_certificate_is_left_alone_for_two_thirds_of_its_life(site):
    kept = Keeper(site, "lab-1")
    kept.keeper.look()
    kept.ahead_ms = 19 * DAY_MS
    kept.keeper.look()
    assert kept.requests == 0
    assert kept.told == []
    assert kept.expiry_s == not_after_ms(kept.files.material().certificate) / 1000


def test_a_certificate_is_renewed_in_time_under_a_new_key(site):
    kept = Keeper(site, "lab-1")
    before = kept.files.material()
    kept.ahead_ms = 21 * DAY_MS
    kept.keeper.look()
    after = kept.files.material()
    assert after.identity == before.identity
    assert after.key_pem != before.key_pem
    assert kept.expiry_s == not_after_ms(after.certificate) / 1000 > before_end(before)
    assert [(e["event"], e["expires_ms"]) for e in kept.told] == [
        ("certificate_renewed", not_after_ms(after.certificate))
    ]


def before_end(material):
    return not_after_ms(material.certificate) / 1000


def test_a_renewal_that_fails_is_told_and_tried_again_after_an_hour(site):
    def send(csr, host_names):
        kept.requests += 1
        raise TransportError("UNREACHABLE", "log: no answer")

    kept = Keeper(site, "lab-1", send)
    kept.ahead_ms = 21 * DAY_MS
    for _ in range(3):
        kept.keeper.look()
    assert kept.requests == 1
    assert [(e["event"], e["reason"]) for e in kept.told] == [
        ("certificate_not_renewed", "UNREACHABLE")
    ]
    kept.ahead_ms += LOOK_MS + 1000
    kept.keeper.look()
    assert kept.requests == 2


def test_a_clock_that_was_ahead_for_a_while_does_not_put_renewals_off(site):
    """For as long as it was ahead, the node would have let its certificate end."""

    def send(csr, host_names):
        kept.requests += 1
        raise TransportError("UNREACHABLE", "log: no answer")

    kept = Keeper(site, "lab-1", send)
    kept.ahead_ms = 50 * DAY_MS
    kept.keeper.look()
    assert kept.requests == 1
    kept.ahead_ms = 21 * DAY_MS
    kept.keeper.look()
    assert kept.requests == 2


def test_another_authority_is_not_asked_to_renew(site, monkeypatch):
    kept = Keeper(site, "lab-1")
    monkeypatch.setattr(TlsMaterial, "is_foreign", True)
    kept.ahead_ms = 21 * DAY_MS
    kept.keeper.look()
    assert kept.requests == 0
    assert [e["reason"] for e in kept.told] == ["FOREIGN_AUTHORITY"]


def test_nobody_to_renew_it_is_told(site):
    kept = Keeper(site, COORDINATOR, None)
    kept.ahead_ms = 21 * DAY_MS
    kept.keeper.look()
    assert [e["reason"] for e in kept.told] == ["NO_AUTHORITY"]


def test_files_that_enrolling_did_not_make_are_their_owners_to_renew(site):
    tls = site.node("lab-1") / "tls"
    target = tls.resolve()
    tls.unlink()
    target.rename(tls)
    kept = Keeper(site, "lab-1")
    kept.ahead_ms = 21 * DAY_MS
    kept.keeper.look()
    assert kept.requests == 0
    assert [e["reason"] for e in kept.told] == ["DIRECTORY_IN_USE"]
    (tls / "cert.pem").rename(tls / "other.pem")
    path = site.config("lab-1")
    path.write_text(path.read_text() + '\n[tls]\ncertificate = "tls/other.pem"\n')
    kept = Keeper(site, "lab-1")
    kept.ahead_ms = 21 * DAY_MS
    kept.keeper.look()
    assert [e["reason"] for e in kept.told] == ["TLS_FOLDER"]


def test_a_coordinator_keeps_its_host_names(site):
    tls = site.node(COORDINATOR) / "tls"
    shutil.rmtree(tls.resolve())
    tls.unlink()
    names = ["log.example.org", "192.0.2.7", "2001:db8::1"]
    enroll_locally(site.authority(), "coordinator", COORDINATOR, tls, names)
    kept = Keeper(site, COORDINATOR)
    kept.ahead_ms = 21 * DAY_MS
    kept.keeper.look()
    assert kept.requests == 1
    assert host_names_in(kept.files.material().certificate, kept.files.material().identity) == names


def listening(site, party):
    """The party's node with a server of its own."""
    path = site.config(party)
    path.write_text(f'{path.read_text()}\n[listen]\naddress = "127.0.0.1:0"\n')


def test_an_auditor_that_listens_needs_the_name_of_its_server(site, monkeypatch):
    # As an authority of before would have issued it.
    monkeypatch.setattr(certificates, "server_names", lambda identity: ())
    site.enroll("auditor-1")
    monkeypatch.undo()
    open_tls(load_config(site.config("auditor-1")), clock_ms)
    listening(site, "auditor-1")
    error = refused(site, "auditor-1")
    assert error.reason == "WRONG_CERTIFICATE"
    assert f"auditor-1.auditor.{NAME}.fermata" in str(error)
    site.enroll("auditor-1")
    open_tls(load_config(site.config("auditor-1")), clock_ms)


def test_an_auditor_with_a_certificate_of_another_authority_serves_no_copy(site):
    listening(site, "auditor-1")
    config = load_config(site.config("auditor-1"))
    foreign = SimpleNamespace(material=lambda: SimpleNamespace(is_foreign=True))
    base = SimpleNamespace(config=config, tls=foreign, telemetry=None)
    with pytest.raises(ConfigError) as caught:
        serve_copy(base, config.text.listen)
    assert caught.value.reason == "AUTHORITY_FOREIGN"


def test_a_certificate_that_its_owner_replaced_is_published(site):
    kept = Keeper(site, "lab-1")
    kept.keeper.look()
    before = kept.expiry_s
    site.enroll("lab-1", days_ago=1)
    kept.keeper.look()
    assert abs(before - kept.expiry_s - 86400) < 3600


def test_files_that_break_while_in_use_raise_an_alarm_and_the_old_ones_stay(site):
    kept = Keeper(site, "lab-1")
    before = kept.files.material()
    (site.node("lab-1") / "tls" / "cert.pem").write_text("broken")
    assert kept.files.material() == before
    kept.keeper.look()
    assert [(e["event"], e["reason"]) for e in kept.told] == [("alarm", "TLS_FILES")]
    assert "cert.pem" in kept.told[0]["where"]
