"""Hand-ins over a real port: what is kept, and what each party gets and signs (JN2 to JN4)."""

import base64
import stat

import pytest

from fermata.crypto.signing import pae
from fermata.errors import ConfigError, FermataError, InvalidSignature, Refusal
from fermata.node.joining import joiner as joiner_module
from fermata.node.joining.hand_in import seal_hand_in
from fermata.node.joining.joiner import Next
from fermata.node.joining.keyless import without_keys
from fermata.node.pki import enrolment
from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import DAY_MS, make_csr, new_key
from fermata.node.pki.enrolment import enroll_locally
from fermata.node.pki.identity import Identity, load_chain, not_after_ms
from fermata.node.run.parts import clock_ms, entropy
from fermata.node.storage import keystore
from fermata.node.storage.signatures import SIGNED, sign_file, signature_states
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.wire.codec import CHARTER_TYPE
from fermata.wire.v1 import log_service_pb2
from harness.node.setup_world import KEYS, TEXT, make_setup


@pytest.fixture
def setup(tmp_path):
    made = make_setup(tmp_path)
    yield made
    made.server.stop(0)


def reason(call, *args, **fields):
    with pytest.raises(FermataError) as error:
        call(*args, **fields)
    return error.value.reason


def of_role(setup, role):
    return [p.id for p in setup.roster.values() if p.role == role]


def test_the_charter_is_filled_in_and_signed_by_all_who_join(setup):
    joiners = setup.complete()
    data = setup.folder.charter().data
    charter = parse_charter(data)
    assert without_keys(data) == without_keys(TEXT)
    for party, joiner in joiners.items():
        assert joiner.step() == Next.AGAIN
        expected = Next.WAIT if charter.parties[party].role == "auditor" else Next.DONE
        assert joiner.step() == expected
        assert (joiner.folder / "charter.toml").read_bytes() == data
    states = signature_states(setup.folder.charter_file, data, charter)
    assert set(states.values()) == {SIGNED}
    auditor = joiners[charter.auditors[0]]
    assert auditor.step() == Next.WAIT
    assert auditor.waits_for == "the dealer"
    assert sorted(p.name for p in setup.folder.recipients.iterdir()) == sorted(
        f"{a}.recipient" for a in charter.auditors
    )


def test_the_coordinators_folder_has_no_secret_of_a_party(setup):
    joiners = setup.complete()
    for joiner in joiners.values():
        joiner.step()
        joiner.step()
    kept = b"".join(p.read_bytes() for p in setup.folder.folder.rglob("*") if p.is_file())
    for joiner in joiners.values():
        for path in (joiner.folder / "keys").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.read_bytes()[-40:] not in kept
        assert joiner.invitation.token.encode() not in kept
        assert joiner.invitation.token not in repr(joiner.invitation)


def test_a_token_joins_once_and_as_its_own_party(setup, tmp_path):
    first = setup.joiner("lab-1")
    thief = joiner_module.Joiner(
        tmp_path / "thief", first.invitation, lambda keyless: None, first.clock, first.entropy
    )
    assert reason(thief.prepare) == "TOKEN_REFUSED"
    other = setup.invitation("lab-2")
    mixed = joiner_module.Joiner(
        tmp_path / "mixed",
        joiner_module.Invitation(
            first.invitation.identity,
            other.enrolment,
            other.log,
            other.root_fingerprint,
            other.keyless_sha256,
            other.token,
        ),
        lambda keyless: None,
        first.clock,
        first.entropy,
    )
    assert reason(mixed.prepare) == "WRONG_CERTIFICATE"


def test_jn2_a_hand_in_is_of_the_holder_of_a_certificate(setup):
    identity = setup.identity("lab-1")
    key, other = new_key(entropy), new_key(entropy)
    (leaf, root) = load_chain(setup.authority.issue(identity, make_csr(key)))

    def send(hand_in, certificate, signer):
        request = seal_hand_in(hand_in, certificate, signer)
        return enrolment.exchange(setup.address, root, request, clock_ms)

    hand_in = log_service_pb2.HandIn(deployment=identity.deployment)
    assert send(hand_in, leaf, key).charter
    assert reason(send, hand_in, leaf, other) == "HAND_IN_SIGNATURE"
    assert reason(send, hand_in, root, key) == "CERT_FOREIGN"
    assert reason(send, log_service_pb2.HandIn(deployment="else"), leaf, key) == "DEPLOYMENT"
    setup.authority.deny("lab", "lab-1")
    assert reason(send, hand_in, leaf, key) == "CERT_DENIED"


def test_jn2_junk_is_refused_with_a_reason_and_stops_nothing(setup):
    root = setup.authority.root
    for request in (
        log_service_pb2.ExchangeRequest(),
        log_service_pb2.ExchangeRequest(certificate=b"x" * 100, hand_in=b"y"),
        log_service_pb2.ExchangeRequest(certificate=b"x" * 3000),
    ):
        assert reason(enrolment.exchange, setup.address, root, request, clock_ms) == "CERTIFICATE"
    large = log_service_pb2.ExchangeRequest(hand_in=bytes(6000))
    assert reason(enrolment.exchange, setup.address, root, large, clock_ms) == "OVERLOADED"
    assert setup.hand_in(setup.identity("lab-1")).charter


@pytest.mark.parametrize(("role", "party"), [("lab", "lab-99"), ("auditor", "lab-1")])
def test_jn2_who_is_not_on_the_roster_in_this_role_has_no_part(setup, role, party):
    identity = Identity.of(setup.authority.deployment, role, party)
    assert reason(setup.hand_in, identity, signing_key=bytes(32)) == "NOT_ON_ROSTER"


def test_jn3_signing_keys_that_would_spoil_the_charter_are_refused(setup):
    key = KEYS["lab-1"].public_key
    setup.hand_in(setup.identity("lab-1"), signing_key=key)
    assert setup.folder.signing_keys() == {"lab-1": key}
    assert reason(setup.hand_in, setup.identity("lab-2"), signing_key=key) == "KEY_TAKEN"
    assert reason(setup.hand_in, setup.identity("lab-2"), signing_key=bytes(32)) == "PUBLIC_KEY"
    assert reason(setup.hand_in, setup.identity("lab-2"), signing_key=b"x") == "PUBLIC_KEY"
    # Before the charter has it, a party may begin again with another key.
    newer = KEYS["lab-3"].public_key
    setup.hand_in(setup.identity("lab-1"), signing_key=newer)
    assert setup.folder.signing_keys() == {"lab-1": newer}
    setup.folder.charter_file.write_bytes(TEXT)
    assert reason(setup.hand_in, setup.identity("lab-1"), signing_key=newer) == "KEY_OTHER"
    setup.hand_in(setup.identity("lab-1"), signing_key=key)


def test_jn3_a_recipient_counts_only_with_its_auditors_signature(setup):
    (auditor, other, *_) = of_role(setup, "auditor")
    fields = setup.recipient_fields(auditor)
    identity, key = setup.identity(auditor), KEYS[auditor].public_key
    for signature in (b"", bytes(64), setup.recipient_fields(other)["recipient_signature"]):
        wrong = fields | {"recipient_signature": signature, "signing_key": key}
        assert reason(setup.hand_in, identity, **wrong) == "RECIPIENT_SIGNATURE"
    wrong = fields | {"recipient": "age1none", "signing_key": key}
    assert reason(setup.hand_in, identity, **wrong) == "RECIPIENT_FORM"
    assert not setup.folder.recipients.exists()
    setup.hand_in(identity, **fields, signing_key=key)
    assert setup.folder.recipient(auditor)[0] == fields["recipient"]


def test_jn3_signatures_of_other_bytes_are_not_kept(setup):
    setup.folder.charter_file.write_bytes(TEXT)
    identity = setup.identity("lab-1")
    for data in (TEXT + b"\n", without_keys(TEXT)):
        signature = KEYS["lab-1"].sign(pae(CHARTER_TYPE, data))
        assert reason(setup.hand_in, identity, charter_signature=signature) == "SIGNATURES"
    signature = KEYS["lab-2"].sign(pae(CHARTER_TYPE, TEXT))
    assert reason(setup.hand_in, identity, charter_signature=signature) == "SIGNATURES"
    good = KEYS["lab-1"].sign(pae(CHARTER_TYPE, TEXT))
    files = setup.hand_in(identity, charter_signature=good)
    assert [(s.party, s.content) for s in files.charter_signatures] == [("lab-1", good)]
    (auditor, *_) = of_role(setup, "auditor")
    setup.folder.place_key(b"record", {})
    wrong = {"key_record_signature": bytes(64)}
    assert reason(setup.hand_in, setup.identity(auditor), **wrong) == "SIGNATURES"
    assert not setup.hand_in(setup.identity("lab-1"), **wrong).key_record


def test_jn3_the_first_good_signature_of_a_party_stays(setup):
    """Another one of the same bytes would make the key record that was dealt useless."""
    setup.folder.charter_file.write_bytes(TEXT)
    good = KEYS["lab-1"].sign(pae(CHARTER_TYPE, TEXT))
    setup.hand_in(setup.identity("lab-1"), charter_signature=good)
    file = setup.folder.folder / "charter.toml.sig" / "lab-1"
    # The same signature in a spelling of its own, to see that it is not written again.
    file.write_bytes(file.read_bytes().strip() + b"\n\n")
    setup.hand_in(setup.identity("lab-1"), charter_signature=good)
    assert file.read_bytes().endswith(b"\n\n")
    for bad in (b"junk", b"AAAA\n"):
        file.write_bytes(bad)
        setup.hand_in(setup.identity("lab-1"), charter_signature=good)
        assert file.read_bytes() == base64.b64encode(good) + b"\n"


def test_jn3_a_sealed_share_goes_to_its_auditor_alone(setup):
    setup.folder.charter_file.write_bytes(TEXT)
    auditors = of_role(setup, "auditor")
    setup.folder.place_key(b"record", {a: a.encode() for a in auditors})
    for party in setup.roster:
        files = setup.hand_in(setup.identity(party))
        expected = [(party, party.encode())] if party in auditors else []
        assert [(s.party, s.content) for s in files.sealed_shares] == expected
        assert files.key_record == (b"record" if party in auditors else b"")
    reader = Identity.of(setup.authority.deployment, "observer", "press")
    files = setup.hand_in(reader, signing_key=bytes(32), charter_signature=bytes(64))
    assert (files.charter, len(files.charter_signatures), files.key_record) == (TEXT, 0, b"")
    assert not (setup.folder.folder / "signing-keys").exists()


def test_jn4_terms_that_changed_are_not_signed(setup):
    joiner = setup.joiner("lab-1")
    text = setup.folder.charter_file.read_bytes()
    setup.folder.charter_file.write_bytes(text.replace(b"cohort_min = 3", b"cohort_min = 4"))
    assert reason(joiner.step) == "CHARTER_OTHER"
    assert not (joiner.folder / "charter.toml").exists()


def test_jn4_a_key_that_is_not_ones_own_is_not_signed(setup):
    """A coordinator that fills in its own keys: it answers, but does not check."""
    joiner = setup.joiner("lab-1")
    setup.folder.charter_file.write_bytes(TEXT)
    assert reason(joiner.step) == "KEY_OTHER"

    def lie(address, root, request, clock):
        return log_service_pb2.SetupFiles(charter=TEXT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joiner_module.enrolment, "exchange", lie)
        with pytest.raises(Refusal, match="do not sign") as error:
            joiner.step()
        assert error.value.reason == "KEY_OTHER"
        moved = TEXT.replace(b'id = "lab-1"', b'id = "lab-01"')
        patch.setattr(
            joiner_module.enrolment,
            "exchange",
            lambda *args: log_service_pb2.SetupFiles(charter=moved),
        )
        # Another name is other terms.
        assert reason(joiner.step) == "CHARTER_OTHER"
    assert not (joiner.folder / "charter.toml.sig").exists()


def test_jn4_an_auditor_signs_one_key_record(setup):
    joiners = setup.complete()
    for _ in range(2):
        for joiner in joiners.values():
            joiner.step()
    auditor = joiners[of_role(setup, "auditor")[0]]
    record = auditor.folder / "key-record.bin"
    record.write_bytes(b"first")
    sign_file(record, auditor.party, KEYS["lab-1"])
    real = enrolment.exchange

    def lie(address, root, request, clock):
        plain = log_service_pb2.HandIn.FromString(request.hand_in)
        assert plain.key_record_signature
        plain.ClearField("key_record_signature")
        files = setup.folder.exchange(auditor.invitation.identity, plain)
        files.key_record = b"second"
        files.sealed_shares.add(party=auditor.party, content=b"share")
        return files

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joiner_module.enrolment, "exchange", lie)
        assert reason(auditor.step) == "KEY_RECORD"
    assert joiner_module.enrolment.exchange is real
    assert record.read_bytes() == b"first"


def test_nothing_is_signed_without_consent(setup):
    def refuse(keyless):
        raise ConfigError("CONSENT", "no")

    joiner = setup.joiner("lab-1", consent=refuse)
    assert reason(joiner.step) == "CONSENT"
    assert not (joiner.folder / "charter.toml.sig").exists()


def test_a_charter_that_is_signed_is_never_replaced(setup):
    joiners = setup.complete()
    lab = joiners["lab-1"]
    assert (lab.step(), lab.step()) == (Next.AGAIN, Next.DONE)
    keys = {p: k.public_key for p, k in KEYS.items()}
    keys["lab-1"] = setup.roster["lab-1"].signing_key
    other = joiner_module.read_keyless(without_keys(setup.folder.charter().data)).completed(keys)
    signed = (lab.folder / "charter.toml").read_bytes()
    assert other != signed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            joiner_module.enrolment,
            "exchange",
            lambda *args: log_service_pb2.SetupFiles(charter=other),
        )
        assert reason(lab.step) == "CHARTER_OTHER"
    assert (lab.folder / "charter.toml").read_bytes() == signed


def test_a_node_that_joined_before_goes_on_where_it_was(setup):
    joiner = setup.joiner("lab-1")
    key = (joiner.folder / "keys" / "signing.age").read_bytes()
    joiner.prepare()
    assert (joiner.step(), joiner.step()) == (Next.WAIT, Next.WAIT)
    assert (joiner.folder / "keys" / "signing.age").read_bytes() == key
    assert isinstance(joiner.waits_for, str)
    assert "to join" in joiner.waits_for
    with pytest.raises(InvalidSignature):
        setup.hand_in(setup.identity("lab-2"), signing_key=bytes(32))


def test_an_observer_gets_the_charter_once_it_has_all_keys(setup):
    observer = setup.joiner("press", "observer")
    assert observer.step() == Next.WAIT
    setup.complete()
    assert observer.step() == Next.DONE
    assert (observer.folder / "charter.toml").read_bytes() == setup.folder.charter().data
    assert sorted(p.name for p in observer.folder.iterdir() if "tls" not in p.name) == [
        "charter.toml",
        "fermata.toml",
    ]


def test_a_certificate_that_has_expired_is_replaced_with_a_new_join_file(setup):
    joiner = setup.joiner("lab-1")
    unlock = keystore.load_identity(setup.home.parent / "identity.txt")
    place = setup.authority.directory
    old = Authority.open(place, unlock, lambda: clock_ms() - 31 * DAY_MS, entropy)
    enroll_locally(old, "lab", "lab-1", joiner.folder / "tls")
    key = (joiner.folder / "keys" / "signing.age").read_bytes()
    assert reason(joiner.prepare) == "TOKEN_REFUSED"
    again = setup.joiner("lab-1")
    assert again.step() == Next.WAIT
    leaf = load_chain((again.folder / "tls" / "cert.pem").read_bytes())[0]
    assert not_after_ms(leaf) > clock_ms()
    assert (again.folder / "keys" / "signing.age").read_bytes() == key
