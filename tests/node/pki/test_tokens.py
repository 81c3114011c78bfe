import json
import stat
import threading

import pytest
from cryptography import x509

from fermata.errors import FermataError, IdentityError
from fermata.node.pki.certificates import make_csr
from fermata.node.pki.identity import load_chain
from harness.node.pki_world import LAB, make_world


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path / "w")


def _reason(call, *args, **kwargs):
    with pytest.raises(FermataError) as error:
        call(*args, **kwargs)
    return error.value.reason


def test_token_is_good_once(world):
    token = world.authority.issue_token("lab", "alpha", 60)
    world.authority.enroll(token, make_csr(world.key()))
    assert _reason(world.authority.enroll, token, make_csr(world.key())) == "TOKEN_REFUSED"


def test_token_is_good_once_for_many_callers_at_a_time(world):
    token = world.authority.issue_token("lab", "alpha", 60)
    # A second authority on the same folder stands for a second process.
    authorities = [world.authority, world.reopen(world.unlock)]
    requests = [make_csr(world.key()) for _ in range(8)]
    outcomes = []
    start = threading.Barrier(len(requests))

    def use(number):
        start.wait()
        try:
            authorities[number % 2].enroll(token, requests[number])
            outcomes.append("certificate")
        except IdentityError as error:
            outcomes.append(error.reason)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["TOKEN_REFUSED"] * 7 + ["certificate"]


def test_token_is_gone_from_the_disk_before_the_certificate_exists(world, monkeypatch):
    token = world.authority.issue_token("lab", "alpha", 60)
    seen = []

    def crash(*args, **kwargs):
        seen.append(json.loads((world.folder / "tokens.json").read_text())["tokens"])
        raise KeyboardInterrupt

    monkeypatch.setattr("fermata.node.pki.certificates.make_leaf", crash)
    with pytest.raises(KeyboardInterrupt):
        world.authority.enroll(token, make_csr(world.key()))
    assert seen == [[]]


def test_token_expires(world):
    token = world.authority.issue_token("lab", "alpha", 60)
    late = world.authority.issue_token("lab", "beta", 60)
    world.clock.now_ms += 59_999
    world.authority.enroll(token, make_csr(world.key()))
    world.clock.now_ms += 1
    assert _reason(world.authority.enroll, late, make_csr(world.key())) == "TOKEN_REFUSED"


def test_every_refused_token_gets_the_same_words(world):
    expired = world.authority.issue_token("lab", "alpha", 1)
    used = world.authority.issue_token("lab", "alpha", 60)
    world.authority.enroll(used, make_csr(world.key()))
    world.clock.now_ms += 1000
    texts = set()
    for token in (expired, used, "A" * 43, "", used[:-1], used + "A", "\0", used.lower() + " "):
        with pytest.raises(IdentityError) as error:
            world.authority.enroll(token, make_csr(world.key()))
        texts.add((error.value.reason, str(error.value)))
    assert len(texts) == 1


def test_token_has_256_bits_and_is_kept_as_a_hash(world):
    token = world.authority.issue_token("lab", "alpha", 60)
    assert len(token) == 43
    text = (world.folder / "tokens.json").read_text()
    assert token not in text
    (entry,) = json.loads(text)["tokens"]
    assert set(entry) == {"sha256", "identity", "expires_ms", "host_names"}
    assert entry["identity"] == LAB.uri
    assert stat.S_IMODE((world.folder / "tokens.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("ttl_s", [0, -1, 30 * 86400 + 1])
def test_token_for_no_time_or_for_ever_is_refused(world, ttl_s):
    assert _reason(world.authority.issue_token, "lab", "alpha", ttl_s) == "TOKEN_TTL"


def test_token_for_a_bad_identity_is_refused(world):
    for role, party in (("dealer", "alpha"), ("lab", "Alpha"), ("lab", "*")):
        assert _reason(world.authority.issue_token, role, party, 60) == "IDENTITY_FORM"


def test_token_of_a_coordinator_keeps_its_host_names(world):
    token = world.authority.issue_token("coordinator", "oversight", 60, ["log.example.org"])
    leaf = load_chain(world.authority.enroll(token, make_csr(world.key())))[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "log.example.org" in names.get_values_for_type(x509.DNSName)


def test_damaged_book_of_tokens_is_told(world):
    path = world.folder / "tokens.json"
    bad = [b"", b"[]", b'{"format":2,"tokens":[]}', b'{"format":1,"tokens":[],"x":1}']
    bad += [b"[" * 4000, b'{"format":1,"tokens":[]}\xff', b'{"format":1,"tokens":["\xff"]}']
    bad += [b'{"format":1,"format":1,"tokens":[]}', b'{"format":1e999,"tokens":[]}']
    for data in bad:
        path.write_bytes(data)
        assert _reason(world.authority.issue_token, "lab", "alpha", 60) == "TOKEN_BOOK"
