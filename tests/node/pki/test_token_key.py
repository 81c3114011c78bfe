"""Signing keys in a token: what its URI may say, and, with SoftHSM, what the key does (K35)."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fermata.crypto.signing import SigningKey, verify_signature
from fermata.errors import ConfigError, FermataError, TransportError
from fermata.node.config import load_config
from fermata.node.pki import token_key
from fermata.node.pki.token_key import TokenUri, is_token_uri, open_token_key, parse_uri
from fermata.node.run.parts import load_signing_key
from fermata.node.storage.keystore import Passphrase
from harness.nodes import fermata, lay_out

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")
PIN = "1234"
#: RFC 8410: the curve of a token's Ed25519 key.
ED25519 = bytes.fromhex("06032b6570")


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        (
            "pkcs11:token=a%20b;object=key-1?module-path=/usr/lib/x.so",
            TokenUri("/usr/lib/x.so", "a b", label="key-1"),
        ),
        (
            "pkcs11:serial=12;id=%01%ff;type=private?module-path=x.so",
            TokenUri("x.so", "", serial="12", key_id=b"\x01\xff"),
        ),
    ],
)
def test_a_uri_names_a_library_a_token_and_a_key(text: str, uri: TokenUri) -> None:
    assert is_token_uri(text)
    assert parse_uri(text) == uri
    assert not is_token_uri("keys/signing.age")


@pytest.mark.parametrize(
    "text",
    [
        "pkcs11:",
        "pkcs11:token=a;object=b",
        "pkcs11:object=b?module-path=x",
        "pkcs11:token=a?module-path=x",
        "pkcs11:token=a;object=b;object=c?module-path=x",
        "pkcs11:token=a;object=b;type=public?module-path=x",
        "pkcs11:token=a;object=b;slot-id=1?module-path=x",
        "pkcs11:token=a;object=b?module-path=x&module-name=y",
        "pkcs11:token=a;object=%?module-path=x",
        "pkcs11:token=a;object=%ff?module-path=x",
        "pkcs11:token=;object=b?module-path=x",
        "pkcs11:token=a;object=b?module-path=" + "x" * 1024,
        "pkcs11:token=a;object=b?module-path=x&pin-value=geheim",
        "pkcs11:token=a;object=b?module-path=x&pin-source=/geheim",
        "pkcs11:token=a;object=b;pin-value=geheim?module-path=x",
    ],
)
def test_a_uri_that_is_not_clear_or_holds_a_pin_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_uri(text)
    assert caught.value.reason == "TOKEN_URI"
    assert "geheim" not in str(caught.value)


def test_without_the_library_a_token_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pkcs11", None)
    with pytest.raises(ConfigError, match="pkcs11") as caught:
        open_token_key("pkcs11:token=a;object=b?module-path=x", Passphrase(PIN), None, "")
    assert caught.value.reason == "TOKEN_LIBRARY"


class Faulty:
    """A library whose key signs something else."""

    class PKCS11Error(Exception):
        pass

    class Mechanism:
        EDDSA = 1

    def __init__(self, sign) -> None:
        self._sign = sign

    def sign(self, message, mechanism):
        return self._sign(message)


def test_a_faulty_signature_of_a_token_never_leaves(monkeypatch) -> None:
    key = SigningKey.from_seed(bytes(32))
    library = Faulty(lambda message: key.sign(message + b"!"))
    monkeypatch.setattr(token_key, "_library", lambda: library)
    monkeypatch.setattr(token_key.TokenSigner, "_open", lambda self: (library, key.public_key))
    signer = open_token_key("pkcs11:token=a;object=b?module-path=x", Passphrase(PIN), None, "")
    with pytest.raises(TransportError) as caught:
        signer.sign(b"message")
    assert caught.value.reason == "TOKEN_AWAY"
    library._sign = key.sign
    assert signer.sign(b"message") == key.sign(b"message")


@pytest.fixture
def token(tmp_path, monkeypatch):
    """A token of SoftHSM with one key that has a name of its own and three that share one."""
    pkcs11 = pytest.importorskip("pkcs11", reason="needs the extra pkcs11")
    module = next((path for path in MODULES if Path(path).exists()), "")
    if not module or not shutil.which("softhsm2-util"):
        pytest.skip("needs SoftHSM (Debian: softhsm2)")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    made = ["softhsm2-util", "--init-token", "--free", "--label", "trial"]
    subprocess.run([*made, "--pin", PIN, "--so-pin", "5678"], check=True, capture_output=True)
    library = pkcs11.lib(module)
    library.reinitialize()
    with library.get_token(token_label="trial").open(rw=True, user_pin=PIN) as session:
        curve = {pkcs11.Attribute.EC_PARAMS: ED25519}
        domain = session.create_domain_parameters(pkcs11.KeyType.EC_EDWARDS, curve, local=True)
        for place, name in enumerate(("auditor-1", "twin", "twin", "twin"), 1):
            domain.generate_keypair(
                mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                store=True, label=name, id=bytes([place]),
            )  # fmt: skip
    return f"?module-path={module}"


def refused(uri: str, pin: str = PIN, public_key: bytes | None = None) -> str:
    with pytest.raises(FermataError) as caught:
        open_token_key(uri, Passphrase(pin), public_key, "auditor-1")
    assert pin not in str(caught.value)
    return caught.value.reason


@pytest.mark.token
def test_a_key_in_a_token_signs_as_a_seed_would(token) -> None:
    key = open_token_key("pkcs11:token=trial;object=auditor-1" + token, Passphrase(PIN), None, "")
    for message in (b"", b"message", bytes(100_000)):
        signature = key.sign(message)
        verify_signature(key.public_key, signature, message)
        assert signature == key.sign(message)
    again = open_token_key("pkcs11:token=trial;id=%01" + token, Passphrase(PIN), key.public_key, "")
    assert again.public_key == key.public_key
    assert "1234" not in repr(key)


@pytest.mark.token
def test_a_token_that_does_not_have_the_key_is_refused_by_its_reason(token) -> None:
    good = "pkcs11:token=trial;object=auditor-1" + token
    assert refused(good, pin="9999") == "TOKEN_PIN"
    assert refused(good, public_key=bytes(32)) == "SIGNING_KEY"
    assert refused("pkcs11:token=other;object=auditor-1" + token) == "TOKEN"
    assert refused("pkcs11:token=trial;object=nobody" + token) == "TOKEN_KEY"
    assert refused("pkcs11:token=trial;object=twin" + token) == "TOKEN_KEY"
    assert refused("pkcs11:token=trial;object=auditor-1?module-path=/none.so") == "TOKEN"


@pytest.mark.token
def test_a_search_of_a_token_is_over_when_its_answer_is_given(token, monkeypatch) -> None:
    searches = []
    session = pytest.importorskip("pkcs11")._pkcs11.Session

    class Watched:
        """A session that keeps its searches."""

        def __init__(self, given) -> None:
            self._given = given

        def __getattr__(self, name):
            return getattr(self._given, name)

        def get_objects(self, wanted):
            searches.append(self._given.get_objects(wanted))
            return searches[-1]

        def get_key(self, **wanted):
            return session.get_key(self, **wanted)

    opened = token_key.TokenSigner._session
    monkeypatch.setattr(
        token_key.TokenSigner, "_session", lambda self, place: Watched(opened(self, place))
    )
    named = "pkcs11:token=trial;object="
    open_token_key(named + "auditor-1" + token, Passphrase(PIN), None, "")
    assert refused(named + "twin" + token) == "TOKEN_KEY"
    assert refused(named + "nobody" + token) == "TOKEN_KEY"
    assert len(searches) == 4
    # A generator that has ended gives nothing more; one left open would go on, or end in a
    # session that is gone.
    assert [list(search) for search in searches] == [[]] * 4


@pytest.mark.token
def test_a_node_and_the_commands_sign_with_a_key_in_a_token(token, tmp_path) -> None:
    uri = "pkcs11:token=trial;object=auditor-1" + token
    pin = tmp_path / "pin"
    pin.write_text(PIN + "\n")
    pin.chmod(0o600)
    shown = fermata("keys", "public", uri, "--passphrase-file", pin)
    assert shown.code == 0, shown.err
    public_key = shown.out.strip()

    def edit(text: str) -> str:
        """The roster with the token's key in place of auditor-1's own."""
        before, mark, after = text.partition('id = "auditor-1"')
        line = next(x for x in after.splitlines() if x.startswith("signing_key"))
        return before + mark + after.replace(line, f'signing_key = "{public_key}"', 1)

    site = lay_out(tmp_path / "site", edit=edit)
    signed = fermata(
        "charter", "sign", site.node("auditor-1") / "charter.toml", "--party", "auditor-1",
        "--key", uri, "--passphrase-file", pin,
    )  # fmt: skip
    assert signed.code == 0, signed.err
    config = site.config("auditor-1")
    text = f'[keys]\nsigning = "{uri}"\npin_file = "{os.path.relpath(pin, config.parent)}"'
    config.write_text(config.read_text().replace("[keys]", text))
    key = load_signing_key(load_config(config))
    assert key.public_key == site.charter.parties["auditor-1"].signing_key
    identity = fermata(
        "keys", "public", uri, "--identity", site.identity("auditor-1")
    )  # fmt: skip
    assert identity.error.endswith("[UNLOCK]")
