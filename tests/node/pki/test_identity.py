import base64
import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import IdentityError
from fermata.node.pki.certificates import DAY_MS, make_root, new_key
from fermata.node.pki.identity import (
    ROLES,
    Identity,
    certificate_expiry_ms,
    check_certificate,
    check_root,
    deployment_of,
    fingerprint_of,
    identity_of,
    load_chain,
    not_after_ms,
    not_before_ms,
    utc_of,
)
from harness.node.pki_world import (
    COORDINATOR,
    DEPLOYMENT,
    LAB,
    OTHER_LAB,
    CountedEntropy,
    forge,
    make_world,
)

AUDITOR = Identity(DEPLOYMENT, "auditor", "alpha")
URI = x509.UniformResourceIdentifier
WORDS = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
NOW_MS = 1_900_000_000_000


@pytest.fixture(scope="module")
def root_pair():
    entropy = CountedEntropy("identity")
    key = new_key(entropy)
    return make_root(key, DEPLOYMENT, NOW_MS, entropy), key, entropy


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path / "w")


def _forged(root_pair, names, **more):
    root, key, entropy = root_pair
    return forge(root, key, names, entropy, now_ms=NOW_MS, **more)


def _reason(call, *args):
    with pytest.raises(IdentityError) as error:
        call(*args)
    return error.value.reason


@settings(max_examples=50, deadline=None)
@given(deployment=WORDS, role=st.sampled_from(ROLES), party=WORDS)
def test_identity_reads_what_it_prints(deployment, role, party):
    identity = Identity(deployment, role, party)
    assert Identity.parse(identity.uri) == identity


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=60) | st.from_regex(r"fermata://[a-z/.@:%-]{1,40}"))
def test_what_parses_prints_as_it_was(text):
    try:
        printed = Identity.parse(text).uri
    except IdentityError:
        return
    assert printed == text


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "fermata://spring/lab",
        "fermata://spring/lab/",
        "fermata://spring/lab/alpha/",
        "fermata://spring/lab/alpha\n",
        "fermata://spring/lab/alpha\0",
        "fermata://spring/lab/alpha?x",
        "fermata://spring/lab/alpha#x",
        "fermata://spring/lab/%61lpha",
        "fermata://spring/lab/*",
        "fermata://*/lab/alpha",
        "fermata://spring/labs/alpha",
        "fermata://spring/Lab/alpha",
        "fermata://spring/lab/Alpha",
        "fermata://spring/lab/-alpha",
        "fermata://spring/lab/alpha-",
        "fermata://spring/lab/" + "a" * 41,
        "fermata://user@spring/lab/alpha",
        "fermata://spring:1/lab/alpha",
        "FERMATA://spring/lab/alpha",
        "https://spring/lab/alpha",
        " fermata://spring/lab/alpha",
        "fermata://spring/lab/\u0430lpha",
    ],
)
def test_uri_of_another_form_is_refused(uri):
    assert _reason(Identity.parse, uri) == "IDENTITY_FORM"


def test_identity_cannot_be_made_of_anything_else():
    for parts in (("Spring", "lab", "a"), ("spring", "dealer", "a"), ("spring", "lab", "a/b")):
        assert _reason(Identity, *parts) == "IDENTITY_FORM"


def test_one_exact_uri_is_the_identity(root_pair):
    assert identity_of(_forged(root_pair, [URI(LAB.uri)])) == LAB


def test_common_name_is_no_identity(root_pair):
    for names in (None, [x509.DNSName("alpha")]):
        certificate = _forged(root_pair, names, common_name="lab alpha")
        assert _reason(identity_of, certificate) == "IDENTITY_FORM"
    certificate = _forged(root_pair, [URI(OTHER_LAB.uri)], common_name=LAB.uri)
    assert identity_of(certificate) == OTHER_LAB


@pytest.mark.parametrize(
    "names",
    [
        [URI(LAB.uri), URI(OTHER_LAB.uri)],
        [URI(LAB.uri), URI(LAB.uri)],
        [URI(LAB.uri), URI("https://example.org")],
        [URI("fermata://spring/lab/*")],
        [URI(LAB.uri + "\0.example.org")],
        [URI("fermata://spring/lab/")],
        [URI(LAB.uri), x509.DNSName("alpha.example.org")],
        [URI(LAB.uri), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))],
        [URI(LAB.uri), x509.RFC822Name("alpha@example.org")],
        [URI(COORDINATOR.uri), x509.RFC822Name("alpha@example.org")],
        [URI(LAB.uri), x509.DirectoryName(x509.Name([]))],
        [URI(LAB.uri), x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))],
        [x509.DNSName(LAB.uri)],
        [URI(AUDITOR.uri), x509.DNSName("spring.fermata")],
        [URI(AUDITOR.uri), x509.DNSName("other.auditor.spring.fermata")],
        [URI(AUDITOR.uri), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))],
    ],
)
def test_any_other_alternative_names_are_refused(root_pair, names):
    assert _reason(identity_of, _forged(root_pair, names)) == "IDENTITY_FORM"


def test_coordinator_may_have_host_names(root_pair):
    names = [x509.DNSName("log.example.org"), URI(COORDINATOR.uri)]
    assert identity_of(_forged(root_pair, names)) == COORDINATOR


def test_auditor_may_have_the_name_of_its_own_server(root_pair):
    names = [URI(AUDITOR.uri), x509.DNSName("alpha.auditor.spring.fermata")]
    assert identity_of(_forged(root_pair, names)) == AUDITOR


def test_good_certificate_passes_at_both_ends_of_its_life(world):
    leaf, root = world.leaf(), world.authority.root
    for now_ms in (not_before_ms(leaf), world.clock(), not_after_ms(leaf)):
        check_certificate(leaf, root, now_ms)


def test_expired_certificate_is_refused(world):
    leaf, root = world.leaf(), world.authority.root
    assert _reason(check_certificate, leaf, root, not_after_ms(leaf) + 1) == "CERT_EXPIRED"


def test_a_certificate_that_passed_before_is_refused_once_it_is_expired_or_denied(world):
    leaf, root = world.leaf(), world.authority.root
    for _ in range(2):
        check_certificate(leaf, root, world.clock(), lambda identity, serial: False)
    late_ms = not_after_ms(leaf) + 1
    assert _reason(check_certificate, leaf, root, late_ms) == "CERT_EXPIRED"
    denied = (leaf, root, world.clock(), lambda identity, serial: True)
    assert _reason(check_certificate, *denied) == "CERT_DENIED"


def test_certificate_of_the_future_is_refused(world):
    leaf, root = world.leaf(), world.authority.root
    with pytest.raises(IdentityError, match="clock") as error:
        check_certificate(leaf, root, not_before_ms(leaf) - 1)
    assert error.value.reason == "CERT_NOT_YET_VALID"


def test_denied_certificate_is_refused(world):
    leaf, root = world.leaf(), world.authority.root
    asked = []

    def is_denied(identity, serial):
        asked.append((identity, serial))
        return True

    with pytest.raises(IdentityError) as error:
        check_certificate(leaf, root, world.clock(), is_denied)
    assert error.value.reason == "CERT_DENIED"
    assert asked == [(LAB, leaf.serial_number)]


def test_certificate_of_another_root_is_refused(tmp_path, world):
    other = make_world(tmp_path / "other")
    assert fingerprint_of(other.authority.root) != fingerprint_of(world.authority.root)
    reason = _reason(check_certificate, other.leaf(), world.authority.root, world.clock())
    assert reason == "CERT_FOREIGN"


def test_root_itself_is_no_certificate_of_a_party(world):
    root = world.authority.root
    assert _reason(check_certificate, root, root, world.clock()) == "CERT_FOREIGN"


def test_authority_below_the_root_is_refused(root_pair):
    root = root_pair[0]
    certificate = _forged(root_pair, [URI(LAB.uri)], ca=True)
    assert _reason(check_certificate, certificate, root, NOW_MS) == "CERT_FOREIGN"
    check_certificate(_forged(root_pair, [URI(LAB.uri)]), root, NOW_MS)


def test_certificate_for_another_deployment_is_refused(root_pair):
    certificate = _forged(root_pair, [URI("fermata://autumn/lab/alpha")])
    assert _reason(check_certificate, certificate, root_pair[0], NOW_MS) == "CERT_FOREIGN"


def test_only_a_self_signed_authority_of_a_deployment_is_a_root(world, root_pair):
    check_root(world.authority.root)
    key = new_key(CountedEntropy("nameless"))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, DEPLOYMENT)])
    nameless = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(utc_of(NOW_MS))
        .not_valid_after(utc_of(NOW_MS + DAY_MS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    for certificate in (
        world.leaf(COORDINATOR),
        _forged(root_pair, [URI(LAB.uri)], ca=True),
        nameless,
    ):
        assert _reason(check_root, certificate) == "ROOT_FORM"


def test_deployment_stands_in_the_root(root_pair):
    assert deployment_of(root_pair[0]) == DEPLOYMENT
    nameless = _forged(root_pair, None, common_name=DEPLOYMENT)
    assert _reason(deployment_of, nameless) == "IDENTITY_FORM"


def test_expiry_is_read_from_a_chain(world):
    _, chain = world.issue()
    expected_ms = (world.clock() // 1000) * 1000 + 30 * DAY_MS
    assert certificate_expiry_ms(chain) == expected_ms
    leaf = x509.load_pem_x509_certificates(chain)[0]
    end = datetime.datetime.fromtimestamp(expected_ms / 1000, datetime.UTC)
    assert leaf.not_valid_after_utc == end
    assert _reason(certificate_expiry_ms, b"nothing") == "CHAIN_FORM"
    assert _reason(certificate_expiry_ms, chain * 100) == "CHAIN_FORM"


def _flipped(certificate, bit):
    der = bytearray(certificate.public_bytes(Encoding.DER))
    der[bit // 8 % len(der)] ^= 1 << (bit % 8)
    text = base64.encodebytes(bytes(der))
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"


@settings(max_examples=50, deadline=None)
@given(bit=st.integers(0, 8 * 400))
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_certificate_with_a_flipped_bit_never_says_anything_else(root_pair, bit):
    good = _forged(root_pair, [URI(LAB.uri)])
    try:
        (found,) = load_chain(_flipped(good, bit))
        check_certificate(found, root_pair[0], NOW_MS)
    except IdentityError:
        return
    assert (identity_of(found), found.serial_number) == (LAB, good.serial_number)


def test_certificate_of_another_version_is_refused(root_pair):
    good = _forged(root_pair, [URI(LAB.uri)])
    at = good.public_bytes(Encoding.DER).index(b"\xa0\x03\x02\x01\x02") + 4
    assert _reason(load_chain, _flipped(good, 8 * at + 4)) == "CHAIN_FORM"
