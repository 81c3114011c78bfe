"""Certificates under a charter with successors: whoever leads renews them (succession.md, SU20)."""

import io
import json

import pytest
from cryptography.hazmat.primitives import serialization

from fermata.errors import ConfigError, IdentityError
from fermata.node.config import load_config
from fermata.node.joining.hand_in import seal_hand_in
from fermata.node.joining.join_file import Invitation
from fermata.node.joining.joiner import Joiner
from fermata.node.joining.keyless import read_keyless
from fermata.node.joining.setup_folder import SetupFolder, exchange_of
from fermata.node.observe.telemetry import Telemetry
from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import DAY_MS, make_csr, new_key
from fermata.node.pki.enrolment import renew
from fermata.node.pki.identity import Identity, load_chain
from fermata.node.pki.own_certificate import (
    OwnCertificate,
    alarm_of,
    open_tls,
    pins_of,
    renew_reader,
)
from fermata.node.pki.trust import issuer_of
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage import keystore
from fermata.wire.v1.log_service_pb2 import HandIn
from harness.e2e.deployment import OBSERVER, SUCCEEDED, Deployment, lay_out

DAYS = 21


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Deployment:
    return lay_out(tmp_path_factory.mktemp("succession") / "site", SUCCEEDED)


@pytest.fixture
def made(template, tmp_path) -> Deployment:
    return template.copy_to(tmp_path / "site")


def later(days: int = DAYS):
    return lambda: clock_ms() + days * DAY_MS


def look(made: Deployment, party: str, authority: Authority, days: int = DAYS):
    """Lets a party's node look at its certificate when it is due, and ask this authority; returns
    its TLS files and what it told."""
    config, clock, out = load_config(made.config(party)), later(days), io.StringIO()
    telemetry = Telemetry(party, config.role, clock, stream=out)
    files = open_tls(config, clock, alarm_of(telemetry))
    identity = files.material().identity
    OwnCertificate(
        config,
        files,
        lambda csr, names: authority.issue(identity, csr, names),
        telemetry,
        clock,
        entropy,
    ).look()
    return files, [json.loads(line)["event"] for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("party", ["lab-1", "auditor-1"])
def test_su20_every_coordinator_of_the_charter_renews_a_nodes_certificate(made, party):
    made.write_config(party, made.address("oversight"))
    for turn, coordinator in enumerate((*made.coordinators, made.coordinators[0]), 1):
        days = DAYS * turn
        authority = made.authority(later(days), coordinator)
        files, told = look(made, party, authority, days)
        assert told == ["certificate_renewed"]
        material = files.material()
        assert issuer_of(material.chain, material.anchors).certificate == authority.root
        # A node that is started again takes the same files, and asks for the next renewal.
        again = open_tls(load_config(made.config(party)), later(days)).material()
        assert (again.chain_pem, again.is_foreign) == (material.chain_pem, False)


def test_su20_an_authority_that_the_charter_does_not_name_renews_nobodys(made, tmp_path):
    made.write_config("lab-1", made.address("oversight"))
    unlock = keystore.new_identity(tmp_path / "identity.txt")
    name = made.charter.deployment
    stranger = Authority.create(tmp_path / "authority", name, unlock, later(), entropy)
    before = made.tls("lab-1").material()
    _, told = look(made, "lab-1", stranger)
    assert told == ["certificate_not_renewed"]
    assert made.tls("lab-1").material().chain_pem == before.chain_pem
    config = load_config(made.config("lab-1"))
    with pytest.raises(IdentityError) as error:
        renew(
            made.node("lab-1") / "tls",
            lambda csr: stranger.issue(before.identity, csr),
            later(),
            entropy,
            pins_of(config),
        )
    assert error.value.reason == "CERT_FOREIGN"


def test_su20_a_successor_renews_a_readers_certificate(made):
    observer = made.node(OBSERVER)
    file = made.write_config(OBSERVER, made.address("oversight"))
    file.write_text(f'role = "observer"\n{file.read_text()}')
    (observer / "charter.toml").write_bytes((made.folder / "charter.toml").read_bytes())
    config = load_config(made.config(OBSERVER))
    files = open_tls(config, later())
    authority = made.authority(later(), "successor-1")
    identity = files.material().identity
    assert renew_reader(config, files, lambda csr: authority.issue(identity, csr), later(), entropy)
    material = files.material()
    assert issuer_of(material.chain, material.anchors).certificate == authority.root


def renewed_by(made, party, coordinator):
    made.write_config(party, made.address("oversight"))
    _, told = look(made, party, made.authority(later(), coordinator))
    assert told == ["certificate_renewed"]


def joiner_of(made, party, enrolment_address="127.0.0.1:1"):
    identity = made.tls("oversight").material().identity
    own = Identity(identity.deployment, made.role(party), party)
    keyless = read_keyless((made.folder / "charter.toml").read_bytes()).keyless_sha256
    invitation = Invitation(own, enrolment_address, made.address("oversight"), "", keyless, "")
    return Joiner(made.node(party), invitation, lambda charter: None, later(), entropy)


def test_su20_whoever_joins_once_more_keeps_the_certificate_that_a_successor_renewed(made):
    renewed_by(made, "lab-1", "successor-1")
    before = (made.node("lab-1") / "tls" / "cert.pem").read_bytes()
    joiner_of(made, "lab-1").prepare()
    assert (made.node("lab-1") / "tls" / "cert.pem").read_bytes() == before
    # Without the charter nothing says that the other authority counts.
    (made.node("lab-1") / "charter.toml").unlink()
    with pytest.raises(ConfigError, match="not issued by the root"):
        joiner_of(made, "lab-1").prepare()


@pytest.mark.parametrize("issuer", ["oversight", "successor-1"])
def test_jn2_1_the_enrolment_port_takes_certificates_of_every_coordinator(made, issuer):
    renewed_by(made, "lab-1", issuer)
    made.write_config("oversight", made.address("oversight"))
    folder = SetupFolder.of(load_config(made.config("oversight")))
    answer = exchange_of(made.authority(later()), folder)
    config = load_config(made.config("lab-1"))
    material = open_tls(config, later()).material()
    holder = serialization.load_pem_private_key(material.key_pem, None)
    said = HandIn(
        deployment=made.charter.deployment, signing_key=made.signing_key("lab-1").public_key
    )
    files = answer(seal_hand_in(said, material.certificate, holder))
    assert files.charter == (made.node("oversight") / "charter.toml").read_bytes()


def test_jn2_1_the_enrolment_port_takes_no_other_authoritys(made, tmp_path):
    made.write_config("lab-1", made.address("oversight"))
    made.write_config("oversight", made.address("oversight"))
    folder = SetupFolder.of(load_config(made.config("oversight")))
    answer = exchange_of(made.authority(later()), folder)
    unlock = keystore.new_identity(tmp_path / "identity.txt")
    stranger = Authority.create(
        tmp_path / "authority", made.charter.deployment, unlock, later(), entropy
    )
    identity = made.tls("lab-1").material().identity
    key = new_key(entropy)
    (leaf, *_) = load_chain(stranger.issue(identity, make_csr(key)))
    said = HandIn(deployment=made.charter.deployment)
    with pytest.raises(IdentityError) as error:
        answer(seal_hand_in(said, leaf, key))
    assert error.value.reason == "CERT_FOREIGN"
