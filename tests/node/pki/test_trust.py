"""Authorities that an organisation has already: pinned, and only for its own parties."""

import datetime
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from fermata.errors import ConfigError, IdentityError, Refusal
from fermata.node.config import load_config
from fermata.node.pki.certificates import ROOT_NAME, key_to_pem, make_csr
from fermata.node.pki.tls import TlsFiles, parse_tls
from fermata.node.pki.trust import Pins, check_chain, party_anchors, root_anchors
from fermata.node.run.parts import connect, tls_files
from harness.node.node_world import (
    DEPLOYMENT,
    HOUR,
    Authority,
    StaticTls,
    call,
    name_of,
    now,
    pem,
    world,
)
from harness.nodes import COORDINATOR, NAME, lay_out

ADA = f"fermata://{DEPLOYMENT}/lab/ada"
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


class Company:
    """An organisation's own authority: a root, and an intermediate that issues."""

    def __init__(self, organisation="Ada Corp", end=None, path_length=None, common="CA", ca=True):
        self.keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
        root_name, name = name_of(organisation, common), name_of(organisation, "issuing")
        self.root = self.sign(root_name, root_name, self.keys[0], self.keys[0], path_length)
        self.issuing = self.sign(name, root_name, *self.keys[::-1], None, ca, end=end)

    def sign(self, subject, issuer, key, by, path_length=None, ca=True, more=(), end=None):
        serial = x509.random_serial_number()
        builder = x509.CertificateBuilder(issuer, subject, key.public_key(), serial)
        builder = builder.not_valid_before(now() - HOUR).not_valid_after(end or now() + HOUR)
        constraints = x509.BasicConstraints(ca, path_length if ca else None)
        for each in (constraints, *more):
            builder = builder.add_extension(each, False)
        return builder.sign(by, hashes.SHA256())

    def leaf(self, uri=ADA, usage=CLIENT):
        names = [x509.UniformResourceIdentifier(uri)] if uri else [x509.DNSName("ada.example")]
        more = (x509.SubjectAlternativeName(names), x509.ExtendedKeyUsage([usage]))
        key = ec.generate_private_key(ec.SECP256R1())
        subject = name_of("Ada Corp", "leaf")
        made = self.sign(subject, self.issuing.subject, key, self.keys[1], None, False, more)
        return key, made

    def chain(self, **more):
        return (self.leaf(**more)[1], self.issuing)

    def anchors(self, *parties):
        return party_anchors(pem(self.root), parties or ("lab/ada",))


class Shown(StaticTls):
    """A client's files: a chain of the company, and the deployment's root pinned for the log."""

    def __init__(self, company, root, **leaf):
        key, made = company.leaf(**leaf)
        super().__init__(key, made, root)
        self.chain_pem = pem(made) + pem(company.issuing)

    def channel_credentials(self):
        return grpc.ssl_channel_credentials(self.found.root_pem, self.found.key_pem, self.chain_pem)


@pytest.fixture(scope="module")
def company():
    return Company()


def time_ms(ahead=datetime.timedelta()):
    return int((now() + ahead).timestamp() * 1000)


def reason(*args):
    with pytest.raises(IdentityError) as caught:
        check_chain(*args)
    return caught.value.reason


@pytest.fixture(scope="module")
def serving(company, tmp_path_factory):
    """A server that pins the company's authority for lab/ada, over real files."""
    authority, folder = Authority(), tmp_path_factory.mktemp("hub")
    found = authority.party("coordinator", "hub").found
    for name, data in (
        ("key", found.key_pem), ("cert", found.chain_pem), ("root", found.root_pem),
    ):  # fmt: skip
        (folder / f"{name}.pem").write_bytes(data)
    (folder / "key.pem").chmod(0o600)
    paths = (folder / f"{name}.pem" for name in ("key", "cert", "root"))
    with world(tls=TlsFiles(*paths, pins=Pins(configured=company.anchors()))) as made:
        made.authority = authority
        yield made


def answer(serving, tls):
    with serving.channel(tls) as channel:
        try:
            call(channel, "GetNews")
        except grpc.RpcError as failure:
            return failure.code().name
    return "OK"


def test_party_of_a_company_is_let_in_over_tls(serving, company):
    assert answer(serving, Shown(company, serving.authority.certificate)) == "OK"
    assert answer(serving, serving.authority.party("lab", "bel")) == "OK"


@pytest.mark.parametrize(
    "leaf",
    [
        {"uri": f"fermata://{DEPLOYMENT}/lab/bel"},
        {"uri": f"fermata://{DEPLOYMENT}/operator/ada"},
        {"uri": f"fermata://{DEPLOYMENT}/coordinator/hub"},
        {"uri": "fermata://other/lab/ada"},
        {"uri": ""},
    ],
)
def test_company_cannot_speak_for_another(serving, company, leaf):
    shown = Shown(company, serving.authority.certificate, **leaf)
    assert answer(serving, shown) == "UNAUTHENTICATED"


def test_certificate_for_servers_only_is_no_clients(serving, company):
    shown = Shown(company, serving.authority.certificate, usage=SERVER)
    assert answer(serving, shown) == "UNAVAILABLE"
    chain = company.chain(usage=SERVER)
    assert reason(chain, company.anchors(), DEPLOYMENT, time_ms()) == "CERT_FOREIGN"


def test_company_that_is_not_pinned_is_refused_in_tls(serving):
    shown = Shown(Company(), serving.authority.certificate)
    assert answer(serving, shown) == "UNAVAILABLE"


def test_denied_serial_of_a_company_is_refused_at_the_next_call(serving, company):
    shown = Shown(company, serving.authority.certificate)
    serving.denied.add(shown.found.certificate.serial_number)
    assert answer(serving, shown) == "PERMISSION_DENIED"


def test_chain_needs_what_is_between_it_and_the_root(company):
    chain = company.chain()
    check_chain(chain, company.anchors(), DEPLOYMENT, time_ms())
    assert reason(chain[:1], company.anchors(), DEPLOYMENT, time_ms()) == "CERT_FOREIGN"
    pinned = party_anchors(pem(company.issuing), ("lab/ada",))
    check_chain(chain[:1], pinned, DEPLOYMENT, time_ms())


@pytest.mark.parametrize("made", [{"path_length": 0}, {"ca": False}])
def test_authority_that_may_not_issue_is_on_no_path(made):
    company = Company(**made)
    assert reason(company.chain(), company.anchors(), DEPLOYMENT, time_ms()) == "CERT_FOREIGN"


def test_end_of_an_intermediate_ends_its_leaves():
    company = Company(end=now() + HOUR / 2)
    chain = company.chain()
    check_chain(chain, company.anchors(), DEPLOYMENT, time_ms())
    late_ms = time_ms(HOUR * 3 / 4)
    assert reason(chain, company.anchors(), DEPLOYMENT, late_ms) == "CERT_EXPIRED"


def test_other_authorities_in_the_root_file_are_the_coordinators_only(company):
    own = Authority()
    anchors = root_anchors(pem(own.certificate) + pem(company.root), DEPLOYMENT)
    assert [each.is_own for each in anchors] == [True, False]
    assert reason(company.chain(), anchors, DEPLOYMENT, time_ms()) == "CERT_FOREIGN"
    uri = f"fermata://{DEPLOYMENT}/coordinator/hub"
    check_chain(company.chain(uri=uri), anchors, DEPLOYMENT, time_ms())


def test_root_of_another_deployment_is_no_coordinators_authority():
    other = Company("winter", common=ROOT_NAME)
    with pytest.raises(IdentityError) as caught:
        root_anchors(pem(other.root), DEPLOYMENT)
    assert caught.value.reason == "ROOT_FORM"


def test_leaf_is_no_authority_to_pin(company):
    with pytest.raises(IdentityError) as caught:
        party_anchors(pem(company.leaf()[1]), ("lab/ada",))
    assert caught.value.reason == "ROOT_FORM"


def test_files_of_a_company_fit_only_where_it_is_named(company):
    tls = Shown(company, Authority().certificate)
    files = (tls.found.key_pem, tls.chain_pem, tls.found.root_pem)
    assert parse_tls(Path("tls"), *files, Pins(configured=company.anchors())).is_foreign
    with pytest.raises(ConfigError) as caught:
        parse_tls(Path("tls"), *files)
    assert caught.value.reason == "TLS_FILES"


def test_configured_lab_with_its_own_authority_is_answered_by_the_coordinator(tmp_path, company):
    site = lay_out(tmp_path / "site")
    key, made = company.leaf(uri=f"fermata://{NAME}/lab/lab-1")
    hub, tls = site.node(COORDINATOR), site.node("lab-1") / "tls"
    (tls / "key.pem").write_bytes(key_to_pem(key))
    (tls / "cert.pem").write_bytes(pem(made) + pem(company.issuing))
    for folder in (hub, tls):
        (folder / "ca.pem").write_bytes(pem(company.root))
    pinned = '\n[[listen.authorities]]\nfile = "ca.pem"\nparties = ["lab/lab-1"]\n'
    with site.coordinator(extra=pinned) as address:
        site.write_config("lab-1", address, extra='\n[tls]\nissuer = "tls/ca.pem"\n')
        config = load_config(site.config("lab-1"), "lab")
        with connect(config, tls_files(config)) as log:
            assert log.read(0, 1)
            with pytest.raises(Refusal, match="another authority"):
                log.renew(make_csr(key))
