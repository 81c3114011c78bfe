import copy
import io
import os
import pickle
import stat
import subprocess
import sys
import traceback
from getpass import GetPassWarning
from pathlib import Path
from warnings import warn

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.node.storage import keystore

CANARY = "canary-7d1f0c-passphrase"
SECRET = b"canary-seed-" + bytes(range(200, 220))


@pytest.fixture
def identity(tmp_path):
    return keystore.new_identity(tmp_path / "identity.txt")


@pytest.fixture
def no_scrypt(monkeypatch):
    """Counts uses of a passphrase instead of spending a second on each."""
    identities = {}

    def encrypt(data, text):
        identities.setdefault(text, pyrage.x25519.Identity.generate())
        return pyrage.encrypt(data, [identities[text].to_public()])

    def decrypt(data, text):
        return pyrage.decrypt(
            data, [identities.setdefault(text, pyrage.x25519.Identity.generate())]
        )

    monkeypatch.setattr(pyrage.passphrase, "encrypt", encrypt)
    monkeypatch.setattr(pyrage.passphrase, "decrypt", decrypt)
    return identities


def _reason(call, *args, **kwargs):
    with pytest.raises(ConfigError) as error:
        call(*args, **kwargs)
    return error.value.reason


def test_secret_under_a_passphrase_comes_back(tmp_path):
    path = tmp_path / "key.age"
    keystore.save_sealed(path, SECRET, keystore.SIGNING, "spring", keystore.Passphrase(CANARY))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    data = path.read_bytes()
    assert data.startswith(b"age-encryption.org/v1\n-> scrypt ")
    assert SECRET not in data
    assert CANARY.encode() not in data
    again = keystore.Passphrase(CANARY)
    assert keystore.load_sealed(path, keystore.SIGNING, "spring", again) == SECRET


@settings(max_examples=20, deadline=None)
@given(secret=st.binary(max_size=300))
def test_any_secret_to_a_recipient_comes_back(tmp_path_factory, secret):
    folder = tmp_path_factory.mktemp("keys")
    identity = keystore.new_identity(folder / "identity.txt")
    lock = keystore.Recipient(identity.recipient)
    keystore.save_sealed(folder / "key.age", secret, keystore.KEY_SHARE, "spring", lock)
    found = keystore.load_sealed(folder / "key.age", keystore.KEY_SHARE, "spring", identity)
    assert found == secret


def test_identity_seals_to_itself(tmp_path, identity):
    keystore.save_sealed(tmp_path / "a", SECRET, keystore.SIGNING, "spring", identity)
    assert keystore.load_sealed(tmp_path / "a", keystore.SIGNING, "spring", identity) == SECRET


def test_key_file_is_never_overwritten(tmp_path, identity):
    path = tmp_path / "a"
    keystore.save_sealed(path, SECRET, keystore.SIGNING, "spring", identity)
    old = path.read_bytes()
    reason = _reason(keystore.save_sealed, path, b"new", keystore.SIGNING, "spring", identity)
    assert (reason, path.read_bytes()) == ("FILE_EXISTS", old)


def test_wrong_opener_and_damage_look_the_same(tmp_path, identity):
    path = tmp_path / "a"
    keystore.save_sealed(path, SECRET, keystore.SIGNING, "spring", identity)
    good = path.read_bytes()
    other = keystore.new_identity(tmp_path / "other.txt")
    texts = set()

    def refuse(unlock):
        with pytest.raises(ConfigError) as error:
            keystore.load_sealed(path, keystore.SIGNING, "spring", unlock)
        assert error.value.reason == "KEYFILE_UNREADABLE"
        texts.add(str(error.value))

    refuse(other)
    refuse(keystore.Passphrase(CANARY))
    flipped = good[:-1] + bytes([good[-1] ^ 1])
    for bad in (b"", good[:-1], good[:40], good + b"x", flipped, b"not age"):
        path.write_bytes(bad)
        refuse(identity)
    path.write_bytes(good)
    assert len(texts) == 1
    assert keystore.load_sealed(path, keystore.SIGNING, "spring", identity) == SECRET


def test_wrong_passphrase_is_refused(tmp_path, no_scrypt):
    path = tmp_path / "a"
    right = keystore.Passphrase(CANARY)
    keystore.save_sealed(path, SECRET, keystore.SIGNING, "spring", right)
    wrong = keystore.Passphrase("another")
    reason = _reason(keystore.load_sealed, path, keystore.SIGNING, "spring", wrong)
    assert reason == "KEYFILE_UNREADABLE"


@pytest.mark.parametrize(
    ("purpose", "deployment"), [(keystore.KEY_SHARE, "spring"), (keystore.SIGNING, "autumn")]
)
def test_key_file_of_another_purpose_or_deployment_is_refused(
    tmp_path, identity, purpose, deployment
):
    path = tmp_path / "a"
    keystore.save_sealed(path, SECRET, keystore.SIGNING, "spring", identity)
    with pytest.raises(ConfigError) as error:
        keystore.load_sealed(path, purpose, deployment, identity)
    assert error.value.reason == "KEYFILE_FOREIGN"
    assert "a signing-key of deployment spring" in str(error.value)


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"fermata/v1/keyfile signing-key spring",
        b"fermata/v1/keyfile signing-key spring\n",
        b"fermata/v1/keyfile signing-key spring\n\0\0\0\2a",
        b"fermata/v1/keyfile signing-key spring\n\0\0\0\1ab",
        b"fermata/v1/keyfile signing-key  spring\n\0\0\0\1a",
        b"fermata/v2/keyfile signing-key spring\n\0\0\0\1a",
        b"fermata/v1/keyfile signing\x1b[2J spring\n\0\0\0\1a",
        SECRET,
    ],
)
def test_plaintext_of_another_form_is_refused(tmp_path, identity, plain):
    path = tmp_path / "a"
    to = pyrage.x25519.Recipient.from_str(identity.recipient)
    path.write_bytes(pyrage.encrypt(plain, [to]))
    path.chmod(0o600)
    reason = _reason(keystore.load_sealed, path, keystore.SIGNING, "spring", identity)
    assert reason == "KEYFILE_UNREADABLE"


def test_key_file_that_others_can_read_is_refused(tmp_path, identity):
    path = tmp_path / "a"
    keystore.save_sealed(path, SECRET, keystore.SIGNING, "spring", identity)
    path.chmod(0o644)
    reason = _reason(keystore.load_sealed, path, keystore.SIGNING, "spring", identity)
    assert reason == "SECRET_MODE"


def test_words_that_would_blur_the_header_are_our_mistake(tmp_path, identity):
    for purpose, deployment in (("a b", "c"), ("a", "b c"), ("a", "b\n"), ("", "c"), ("A", "c")):
        with pytest.raises(ValueError, match="must be words"):
            keystore.seal(b"", purpose, deployment, identity)


def test_identity_file_is_an_age_file_for_its_owner(tmp_path, identity):
    path = tmp_path / "identity.txt"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    comment, key = path.read_text().splitlines()
    assert comment == f"# public key: {identity.recipient}"
    assert key.startswith("AGE-SECRET-KEY-1")
    assert keystore.load_identity(path).recipient == identity.recipient
    assert _reason(keystore.new_identity, path) == "FILE_EXISTS"


@pytest.mark.parametrize("text", ["", "# only\n", "AGE-SECRET-KEY-1ABC\n", "\xe9\n", "two\ntwo\n"])
def test_identity_file_of_another_form_is_refused(tmp_path, text):
    path = tmp_path / "identity.txt"
    path.write_text(text)
    path.chmod(0o600)
    assert _reason(keystore.load_identity, path) == "IDENTITY_FILE_FORM"


def test_recipient_of_another_form_is_refused(identity):
    assert _reason(keystore.Recipient, "age1nonsense") == "RECIPIENT_FORM"
    assert _reason(keystore.Recipient, identity.recipient.upper() + "x") == "RECIPIENT_FORM"


@pytest.mark.parametrize("text", ["", "two\nlines", "nul\0", "x" * 1025])
def test_passphrase_of_another_form_is_refused(text):
    assert _reason(keystore.Passphrase, text) == "PASSPHRASE_FORM"


def test_passphrase_file_must_be_its_owners_alone(tmp_path, no_scrypt):
    path = tmp_path / "passphrase"
    path.write_bytes(f"{CANARY}\n".encode())
    path.chmod(0o644)
    assert _reason(keystore.passphrase_from_file, path) == "SECRET_MODE"
    path.chmod(0o600)
    lock = keystore.passphrase_from_file(path)
    keystore.save_sealed(tmp_path / "a", SECRET, keystore.SIGNING, "spring", lock)
    assert list(no_scrypt) == [CANARY]
    path.write_bytes(b"\xff\xfe")
    assert _reason(keystore.passphrase_from_file, path) == "PASSPHRASE_FORM"


def test_passphrase_comes_from_a_descriptor(tmp_path, no_scrypt):
    reading, writing = os.pipe()
    os.write(writing, f"{CANARY}\r\n".encode())
    os.close(writing)
    lock = keystore.passphrase_from_descriptor(reading)
    keystore.seal(b"", keystore.SIGNING, "spring", lock)
    assert list(no_scrypt) == [CANARY]
    for closed in (reading, -1):
        reason = _reason(keystore.passphrase_from_descriptor, closed)
        assert reason == "PASSPHRASE_DESCRIPTOR"


def test_passphrase_comes_from_a_prompt(no_scrypt):
    asked = []

    def ask(prompt):
        asked.append(prompt)
        return CANARY

    lock = keystore.passphrase_from_prompt("Passphrase of the key", confirm=True, ask=ask)
    keystore.seal(b"", keystore.SIGNING, "spring", lock)
    assert list(no_scrypt) == [CANARY]
    assert asked == ["Passphrase of the key: ", "Passphrase of the key, once more: "]


def test_prompts_that_differ_are_refused():
    answers = iter([CANARY, "other"])
    reason = _reason(
        keystore.passphrase_from_prompt, confirm=True, ask=lambda prompt: next(answers)
    )
    assert reason == "PASSPHRASE_MISMATCH"


def test_prompt_that_would_echo_is_refused():
    def echoing(prompt):
        warn("Can not control echo on the terminal.", GetPassWarning, stacklevel=2)
        return CANARY

    def ended(prompt):
        raise EOFError

    for ask in (echoing, ended):
        assert _reason(keystore.passphrase_from_prompt, ask=ask) == "PASSPHRASE_NO_TERMINAL"


def test_prompt_without_a_terminal_is_refused():
    code = (
        "from fermata.node.storage import keystore\n"
        "try:\n    keystore.passphrase_from_prompt()\n"
        "except Exception as error:\n    print(error.reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=True,
    )
    assert done.stdout == "PASSPHRASE_NO_TERMINAL\n"


def test_secrets_do_not_print_copy_or_pickle(tmp_path, identity):
    key = (tmp_path / "identity.txt").read_text().splitlines()[1]
    for secret, canary in ((keystore.Passphrase(CANARY), CANARY), (identity, key)):
        for text in (repr(secret), str(secret), f"{secret}", f"{[secret]}"):
            assert canary not in text
        for call in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                call(secret)


def test_no_error_shows_a_secret(tmp_path, identity):
    path = tmp_path / "a"
    keystore.save_sealed(path, SECRET, keystore.SIGNING, "spring", identity)
    shown = io.StringIO()
    calls = [
        lambda: keystore.load_sealed(path, keystore.KEY_SHARE, "spring", identity),
        lambda: keystore.load_sealed(path, keystore.SIGNING, "spring", other),
        lambda: keystore.save_sealed(path, SECRET, keystore.SIGNING, "spring", identity),
        lambda: keystore.Passphrase(CANARY + "\n"),
    ]
    other = keystore.Passphrase(CANARY)
    for call in calls:
        try:
            call()
        except ConfigError as error:
            traceback.print_exception(error, file=shown)
            shown.write(repr(error) + repr(error.__dict__))
    assert shown.getvalue().count("ConfigError") >= len(calls)
    for canary in (CANARY, SECRET.decode("latin-1"), SECRET.hex(), repr(SECRET)[2:-1]):
        assert canary not in shown.getvalue()


def test_age_tool_format_is_plain_age(tmp_path, identity):
    path: Path = tmp_path / "a"
    keystore.save_sealed(path, b"\1\2", keystore.SIGNING, "spring", identity)
    key = (tmp_path / "identity.txt").read_text().splitlines()[1]
    plain = pyrage.decrypt(path.read_bytes(), [pyrage.x25519.Identity.from_str(key)])
    assert plain == b"fermata/v1/keyfile signing-key spring\n\0\0\0\2\1\2"


@pytest.mark.parametrize("size", [0, 1, 100, 65536, 300_000])
def test_file_of_any_size_comes_back(tmp_path, size):
    identity = keystore.new_identity(tmp_path / "identity.txt")
    (tmp_path / "clear").write_bytes(b"x" * size)
    to = keystore.Recipient(identity.recipient)
    keystore.seal_file(tmp_path / "clear", tmp_path / "sealed", to)
    keystore.open_file(tmp_path / "sealed", tmp_path / "again", identity)
    assert (tmp_path / "again").read_bytes() == b"x" * size
    assert (tmp_path / "sealed").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", [1, 20, 70_000])
def test_file_that_was_cut_off_does_not_open(tmp_path, cut):
    identity = keystore.new_identity(tmp_path / "identity.txt")
    (tmp_path / "clear").write_bytes(b"x" * 300_000)
    to = keystore.Recipient(identity.recipient)
    keystore.seal_file(tmp_path / "clear", tmp_path / "sealed", to)
    (tmp_path / "sealed").write_bytes((tmp_path / "sealed").read_bytes()[:-cut])
    with pytest.raises(ConfigError) as caught:
        keystore.open_file(tmp_path / "sealed", tmp_path / "again", identity)
    assert caught.value.reason == "KEYFILE_UNREADABLE"


@pytest.mark.parametrize("size", [10, 300_000])
@pytest.mark.parametrize("opens", [False, True])
def test_full_disk_is_told_also_at_the_last_byte(tmp_path, monkeypatch, size, opens):
    # The age library says nothing when its last write fails.
    identity = keystore.new_identity(tmp_path / "identity.txt")
    (tmp_path / "clear").write_bytes(b"x" * size)
    to = keystore.Recipient(identity.recipient)
    keystore.seal_file(tmp_path / "clear", tmp_path / "sealed", to)
    (tmp_path / "full").symlink_to("/dev/full")
    monkeypatch.setattr(keystore, "write_secret", lambda path, data: None)
    with pytest.raises(ConfigError) as caught:
        if opens:
            keystore.open_file(tmp_path / "sealed", tmp_path / "full", identity)
        else:
            keystore.seal_file(tmp_path / "clear", tmp_path / "full", to)
    assert caught.value.reason == "FILE_UNWRITABLE"
