import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import FermataError, IdentityError
from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import CSR_BYTES_MAX, DAY_MS, key_of_csr, make_csr, new_key
from fermata.node.pki.identity import (
    ROLES,
    Identity,
    check_certificate,
    identity_of,
    load_chain,
    not_after_ms,
    not_before_ms,
)
from fermata.node.storage import keystore
from harness.node.pki_world import (
    COORDINATOR,
    DEPLOYMENT,
    LAB,
    OTHER_LAB,
    CountedEntropy,
    make_world,
)

HOUR_MS = 60 * 60 * 1000


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path / "w")


def _reason(call, *args, **kwargs):
    with pytest.raises(FermataError) as error:
        call(*args, **kwargs)
    return error.value.reason


def test_root_is_a_ten_year_p256_authority_over_leaves_only(world):
    root = world.authority.root
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (
        True,
        True,
        0,
    )
    assert isinstance(root.public_key().curve, ec.SECP256R1)
    assert not_after_ms(root) - world.clock() > 10 * 365 * DAY_MS
    root.verify_directly_issued_by(root)


def test_authority_keeps_its_key_sealed(world):
    assert sorted(each.name for each in world.folder.iterdir()) == [
        "denied.txt",
        "root-key.age",
        "root.pem",
        "tokens.json",
    ]
    for name in ("root-key.age", "tokens.json"):
        assert stat.S_IMODE((world.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(world.folder.stat().st_mode) == 0o700
    assert (world.folder / "root-key.age").read_bytes().startswith(b"age-encryption.org/v1")


def test_authority_is_never_made_over_another(world):
    old = (world.folder / "root.pem").read_bytes()
    for name in ("autumn", DEPLOYMENT):
        reason = _reason(
            Authority.create, world.folder, name, world.unlock, world.clock, world.entropy
        )
        assert reason == "DIRECTORY_IN_USE"
    assert (world.folder / "root.pem").read_bytes() == old
    assert world.reopen(world.unlock).fingerprint == world.authority.fingerprint


def test_authority_of_a_bad_name_is_not_made(world, tmp_path):
    folder = tmp_path / "new"
    reason = _reason(Authority.create, folder, "Spring *", world.unlock, world.clock, world.entropy)
    assert reason == "IDENTITY_FORM"
    assert not folder.exists()


def test_fingerprint_is_the_hash_of_the_root(world):
    root = load_chain((world.folder / "root.pem").read_bytes())[0]
    digest = hashes.Hash(hashes.SHA256())
    digest.update(root.public_bytes(serialization.Encoding.DER))
    assert world.authority.fingerprint == f"SHA256:{digest.finalize().hex()}"


def test_wrong_identity_does_not_open_the_authority(world, tmp_path):
    other = keystore.new_identity(tmp_path / "other.txt")
    assert _reason(world.reopen, other) == "KEYFILE_UNREADABLE"


def test_key_of_another_authority_is_refused(world, tmp_path):
    other = make_world(tmp_path / "other")
    (world.folder / "root.pem").write_bytes(other.authority.root_pem)
    assert _reason(world.reopen, world.unlock) == "AUTHORITY_KEY"
    autumn = make_world(tmp_path / "autumn", "autumn")
    (world.folder / "root.pem").write_bytes(autumn.authority.root_pem)
    assert _reason(world.reopen, world.unlock) == "KEYFILE_FOREIGN"


def test_damaged_root_is_refused(world):
    (world.folder / "root.pem").write_bytes(b"damaged")
    assert _reason(world.reopen, world.unlock) == "AUTHORITY_ROOT"


def test_sealed_authority_issues_tokens_and_no_certificates(world):
    sealed = world.reopen()
    token = sealed.issue_token("lab", "alpha", 60)
    assert _reason(sealed.enroll, token, make_csr(world.key())) == "AUTHORITY_SEALED"
    assert _reason(sealed.issue, LAB, make_csr(world.key())) == "AUTHORITY_SEALED"
    # And the refusal has not used the token up.
    world.authority.enroll(token, make_csr(world.key()))


def test_certificate_lives_thirty_days_and_starts_an_hour_ago(world):
    leaf = world.leaf()
    second = world.clock() // 1000 * 1000
    assert not_before_ms(leaf) in (second - HOUR_MS, second - HOUR_MS - 1000)
    assert not_after_ms(leaf) == second + 30 * DAY_MS


def test_certificate_never_outlives_its_root(world):
    world.clock.pass_days(3652)
    assert not_after_ms(world.leaf()) == not_after_ms(world.authority.root)


@pytest.mark.parametrize("days", [0, 91, -1])
def test_life_out_of_bounds_is_refused(world, days):
    reason = _reason(Authority.open, world.folder, None, world.clock, world.entropy, leaf_days=days)
    assert reason == "LEAF_DAYS"


@pytest.mark.parametrize("role", ROLES)
def test_certificate_names_one_identity_and_what_it_is_for(world, role):
    identity = Identity(DEPLOYMENT, role, "some-party")
    leaf = world.leaf(identity)
    assert identity_of(leaf) == identity
    check_certificate(leaf, world.authority.root, world.clock(), world.authority.is_denied)
    usages = list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    serves = ExtendedKeyUsageOID.SERVER_AUTH in usages
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usages
    assert serves == (role in ("coordinator", "auditor"))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = names.get_values_for_type(x509.DNSName)
    served = {
        "coordinator": ["spring.fermata"],
        "auditor": ["some-party.auditor.spring.fermata"],
    }
    assert hosts == served.get(role, [])
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_coordinator_gets_its_host_names(world):
    hosts = ["log.example.org", "127.0.0.1", "::1"]
    chain = world.authority.issue(COORDINATOR, make_csr(world.key()), hosts)
    names = load_chain(chain)[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["spring.fermata", "log.example.org"]
    addresses = names.value.get_values_for_type(x509.IPAddress)
    assert [str(each) for each in addresses] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize(
    "name", ["*.example.org", "a b", "", "host:1", "https://a", "a\0b", "-a", "a..b", "A.org"]
)
def test_host_name_of_another_form_is_refused(world, name):
    csr = make_csr(world.key())
    assert _reason(world.authority.issue, COORDINATOR, csr, [name]) == "HOST_NAME"


def test_host_names_are_for_coordinators_and_few(world):
    csr = make_csr(world.key())
    assert _reason(world.authority.issue, LAB, csr, ["a.org"]) == "HOST_NAME"
    assert _reason(world.authority.issue_token, "lab", "alpha", 60, ["a.org"]) == "HOST_NAME"
    assert _reason(world.authority.issue, COORDINATOR, csr, ["a.org"] * 17) == "HOST_NAME"


def test_chain_is_leaf_then_root(world):
    key, chain = world.issue()
    leaf, root = load_chain(chain)
    assert root == world.authority.root
    assert leaf.public_key() == key.public_key()


def test_serial_numbers_differ(world):
    assert len({world.leaf().serial_number for _ in range(5)}) == 5


def test_identity_of_another_deployment_gets_nothing(world):
    foreign = Identity("autumn", "lab", "alpha")
    assert _reason(world.authority.issue, foreign, make_csr(world.key())) == "CERT_FOREIGN"


def _named_csr(key, names):
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "coordinator oversight")])
    )
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_identity_comes_from_the_token_and_never_from_the_request(world):
    token = world.authority.issue_token("lab", "alpha", 60)
    names = [x509.UniformResourceIdentifier(COORDINATOR.uri), x509.DNSName("spring.fermata")]
    leaf = load_chain(world.authority.enroll(token, _named_csr(world.key(), names)))[0]
    assert identity_of(leaf) == LAB
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def _csr_of(key, algorithm):
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


def test_request_with_a_broken_signature_is_refused_and_costs_no_token(world):
    token = world.authority.issue_token("lab", "alpha", 60)
    good = make_csr(world.key())
    other = make_csr(world.key())
    key_at = good.index(b"\x03\x42\x00\x04")
    swapped = good[:key_at] + other[key_at : key_at + 68] + good[key_at + 68 :]
    for bad in (swapped, good[:-1], good + b"\0", b"", good + b"\0" * CSR_BYTES_MAX):
        assert _reason(world.authority.enroll, token, bad) == "CSR_REFUSED"
    world.authority.enroll(token, good)


REQUEST = make_csr(new_key(CountedEntropy("request")))


@settings(max_examples=50, deadline=None)
@given(bit=st.integers(0, 8 * len(REQUEST) - 1))
def test_request_with_a_flipped_bit_never_gives_another_key(bit):
    key = key_of_csr(REQUEST)
    bad = bytearray(REQUEST)
    bad[bit // 8] ^= 1 << (bit % 8)
    try:
        # The count of a bit string's unused bits is not signed, and may pass.
        found = key_of_csr(bytes(bad))
    except IdentityError:
        return
    assert found == key


def test_request_of_another_version_is_refused():
    at = REQUEST.index(b"\x02\x01\x00") + 2
    bad = REQUEST[:at] + b"\x02" + REQUEST[at + 1 :]
    assert _reason(key_of_csr, bad) == "CSR_REFUSED"


def test_request_with_another_kind_of_key_is_refused(world):
    for key, algorithm in (
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA256()),
        (ec.generate_private_key(ec.SECP256K1()), hashes.SHA256()),
        (ed25519.Ed25519PrivateKey.generate(), None),
    ):
        reason = _reason(world.authority.issue, LAB, _csr_of(key, algorithm))
        assert reason == "CSR_REFUSED"


def test_renewed_certificate_has_the_same_identity_and_another_key(world):
    old_key, old = world.issue()
    world.clock.pass_days(20)
    key = world.key()
    new = load_chain(world.authority.issue(LAB, make_csr(key)))[0]
    assert identity_of(new) == identity_of(load_chain(old)[0]) == LAB
    assert new.public_key() == key.public_key() != old_key.public_key()
    assert not_after_ms(new) > not_after_ms(load_chain(old)[0])


def test_denied_party_is_refused_from_the_next_call_on(world):
    leaf, other = world.leaf(LAB), world.leaf(OTHER_LAB)
    authority = world.authority
    check_certificate(leaf, authority.root, world.clock(), authority.is_denied)
    # By another process: the command line beside the running coordinator.
    world.reopen().deny("lab", "alpha")
    reason = _reason(check_certificate, leaf, authority.root, world.clock(), authority.is_denied)
    assert reason == "CERT_DENIED"
    check_certificate(other, authority.root, world.clock(), authority.is_denied)


def test_denied_party_gets_no_certificate_and_no_token(world):
    token = world.authority.issue_token("lab", "alpha", 60)
    world.authority.deny("lab", "alpha")
    assert _reason(world.authority.issue, LAB, make_csr(world.key())) == "CERT_DENIED"
    assert _reason(world.authority.enroll, token, make_csr(world.key())) == "CERT_DENIED"
    assert _reason(world.authority.issue_token, "lab", "alpha", 60) == "CERT_DENIED"


def test_denied_serial_number_leaves_the_party_its_next_certificate(world):
    stolen, next_one = world.leaf(), world.leaf()
    world.authority.deny_serial(stolen.serial_number)
    assert world.authority.is_denied(LAB, stolen.serial_number)
    assert not world.authority.is_denied(LAB, next_one.serial_number)


def test_all_certificates_issued_to_a_party_can_be_denied(world):
    stolen = [world.leaf(), world.leaf()]
    other = world.leaf(OTHER_LAB)
    assert world.authority.deny_issued("lab", "alpha") == 2
    fresh = world.leaf()
    denied = [world.authority.is_denied(LAB, each.serial_number) for each in stolen]
    assert denied == [True, True]
    assert not world.authority.is_denied(OTHER_LAB, other.serial_number)
    assert not world.authority.is_denied(LAB, fresh.serial_number)


def test_authority_does_not_print_its_secrets(world):
    secret = (world.folder.parent / "identity.txt").read_text().splitlines()[1]
    token = world.authority.issue_token("lab", "alpha", 60)
    for text in (repr(world.authority), str(world.authority)):
        assert text == "<Authority of spring: open>"
    assert repr(world.reopen()) == "<Authority of spring: sealed>"
    with pytest.raises(IdentityError) as error:
        world.authority.enroll(token[:-1], make_csr(world.key()))
    assert token[:-1] not in repr(error.value)
    for path in world.folder.rglob("*"):
        if path.is_file():
            assert b"PRIVATE" not in path.read_bytes()
            assert token.encode() not in path.read_bytes()
            assert secret.encode() not in path.read_bytes()
