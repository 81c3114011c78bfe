"""``fermata keys``: identities, signing keys, the dealer's ceremony."""

import base64
import getpass
import json
import os
import shutil
import stat

import pytest

from fermata.crypto.signing import SigningKey
from fermata.node.storage import keystore
from fermata.protocol.wire.codec import decode, encode
from fermata.wire.v1 import statement_pb2
from harness.nodes import AUDITORS, NAME, fermata


def new(out, *more, deployment=NAME):
    return fermata("keys", "new", out, "--deployment", deployment, *more)


def key_in(file, unlock):
    return SigningKey.from_seed(keystore.load_sealed(file, keystore.SIGNING, NAME, unlock))


def test_an_identity_is_made_once(tmp_path):
    file = tmp_path / "identity.txt"
    answer = fermata("keys", "identity", file)
    assert answer.code == 0
    assert answer.out.startswith("age1")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    again = fermata("keys", "identity", file)
    assert (again.code, again.error.endswith("[FILE_EXISTS]")) == (2, True)
    assert file.read_bytes() == before
    told = json.loads(fermata("keys", "identity", tmp_path / "other", "--json").out)
    assert told["recipient"].startswith("age1")
    assert fermata("keys", "identity", tmp_path / "none" / "x").code == 2


def test_a_signing_key_is_sealed_to_an_identity(tmp_path):
    fermata("keys", "identity", tmp_path / "identity.txt")
    file = tmp_path / "signing.age"
    answer = new(file, "--identity", tmp_path / "identity.txt", "--json")
    public_key = base64.b64decode(json.loads(answer.out)["signing_key"])
    found = key_in(file, keystore.load_identity(tmp_path / "identity.txt"))
    assert found.public_key == public_key
    assert new(file, "--identity", tmp_path / "identity.txt").error.endswith("[FILE_EXISTS]")


def test_a_passphrase_comes_from_a_file_or_a_descriptor(tmp_path):
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    assert new(tmp_path / "a.age", "--passphrase-file", secret).code == 0
    descriptor = os.open(secret, os.O_RDONLY)
    assert new(tmp_path / "b.age", "--passphrase-fd", descriptor).code == 0
    for name in ("a.age", "b.age"):
        key_in(tmp_path / name, keystore.Passphrase("correct horse"))
    assert new(tmp_path / "c.age", "--passphrase-fd", 999).error.endswith("[PASSPHRASE_DESCRIPTOR]")
    secret.chmod(0o644)
    assert new(tmp_path / "c.age", "--passphrase-file", secret).error.endswith("[SECRET_MODE]")
    assert not (tmp_path / "c.age").exists()


def test_a_new_passphrase_is_asked_for_twice(tmp_path, monkeypatch):
    answers = ["one", "two", "three", "three"]
    asked = []

    def ask(prompt):
        asked.append(prompt)
        return answers.pop(0)

    monkeypatch.setattr(keystore.passphrase_from_prompt, "__defaults__", ("Passphrase", False, ask))
    assert new(tmp_path / "a.age").error.endswith("[PASSPHRASE_MISMATCH]")
    assert new(tmp_path / "a.age").code == 0
    assert len(asked) == 4
    key_in(tmp_path / "a.age", keystore.Passphrase("three"))


def test_no_terminal_to_ask_is_one_line(tmp_path, monkeypatch):
    def ask(prompt):
        raise getpass.GetPassWarning

    defaults = ("Passphrase", False, ask)
    monkeypatch.setattr(keystore.passphrase_from_prompt, "__defaults__", defaults)
    answer = new(tmp_path / "a.age")
    assert (answer.code, answer.error.endswith("[PASSPHRASE_NO_TERMINAL]")) == (2, True)


@pytest.mark.parametrize("name", ["", "Upper", "a b", "x" * 41, "-a"])
def test_a_name_that_no_deployment_can_have_is_refused(tmp_path, name):
    answer = new(tmp_path / "a.age", deployment=name)
    assert (answer.code, answer.error.endswith("[USAGE]")) == (2, True)
    assert not list(tmp_path.iterdir())


def recipients(site, folder):
    folder.mkdir()
    for auditor in AUDITORS:
        (folder / f"{auditor}.recipient").write_text(site.unlock(auditor).recipient + "\n")
    return folder


def deal(site, out, *more):
    words = ("keys", "deal", site.charter_file, "--out", out)
    return fermata(*words, "--recipients", site.folder / "recipients", *more)


def test_the_dealer_makes_no_key_for_a_charter_that_takes_none_of_it(site):
    text = site.charter_file.read_text()
    strict = text.replace("[cryptography]\n", '[cryptography]\nkey_origin = "distributed"\n')
    site.charter_file.write_text(strict)
    recipients(site, site.folder / "recipients")
    answer = deal(site, site.folder / "ceremony")
    assert (answer.code, answer.error.endswith("[KEY_ORIGIN]")) == (2, True)
    assert not (site.folder / "ceremony").exists()


def test_the_dealer_makes_a_record_and_a_share_for_each_auditor(site):
    recipients(site, site.folder / "recipients")
    out = site.folder / "ceremony"
    answer = deal(site, out, "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert told["origin"] == "dealer"
    assert "dealer key" in answer.err
    assert sorted(told["shares"]) == list(AUDITORS)
    for auditor in AUDITORS:
        file = out / f"{auditor}.share.age"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        keystore.load_sealed(file, keystore.KEY_SHARE, NAME, site.unlock(auditor))
    record = out / "key-record.bin"
    assert fermata("keys", "check", site.charter_file, record).code == 0
    answer = sign(site, "auditor-1", record, "--share", out / "auditor-1.share.age")
    assert answer.code == 0, answer.err
    # A second ceremony does not go over the first.
    before = record.read_bytes()
    assert deal(site, out).error.endswith("[FILE_EXISTS]")
    assert record.read_bytes() == before


def test_no_ceremony_begins_before_every_party_has_signed_the_charter(site):
    recipients(site, site.folder / "recipients")
    (site.charter_file.with_name("charter.toml.sig") / "lab-2").unlink()
    answer = deal(site, site.folder / "ceremony")
    assert (answer.code, answer.error.endswith("[SIGNATURES]")) == (2, True)
    assert "lab-2" in answer.error
    assert not (site.folder / "ceremony").exists()
    for answer in (
        fermata("keys", "check", site.charter_file, site.record),
        sign(site, "auditor-1", site.record),
    ):
        assert (answer.code, answer.error.endswith("[SIGNATURES]")) == (2, True)


def test_no_ceremony_begins_without_all_recipients(site):
    folder = recipients(site, site.folder / "recipients")
    out = site.folder / "ceremony"
    file = folder / "auditor-2.recipient"
    for data, reason in ((b"\xff", "RECIPIENT_FORM"), (b"age1x", "RECIPIENT_FORM")):
        file.write_bytes(data)
        answer = deal(site, out)
        assert (answer.code, answer.error.endswith(f"[{reason}]")) == (2, True)
        assert "auditor-2.recipient" in answer.error
    file.unlink()
    assert deal(site, out).error.endswith("[FILE_MISSING]")
    assert not out.exists()


def sign(site, auditor, record, *more):
    node = site.node(auditor)
    words = ("keys", "sign", site.charter_file, record, "--party", auditor)
    key = ("--key", node / "keys" / "signing.age", "--identity", site.identity(auditor))
    return fermata(*words, *key, *more)


def test_a_record_is_checked_and_signed(site):
    told = json.loads(fermata("keys", "check", site.charter_file, site.record, "--json").out)
    assert (told["valid"], told["threshold"], told["modulus_bits"]) == (True, 2, 2048)
    shutil.rmtree(site.record.with_name("key-record.bin.sig"))
    share = site.node("auditor-1") / "keys" / "share.age"
    answer = sign(site, "auditor-1", site.record, "--share", share, "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["party"] == "auditor-1"
    assert sign(site, "auditor-1", site.record, "--party", "lab-1").error.endswith("[PARTY]")
    answer = sign(site, "auditor-1", site.record, "--party", "auditor-2")
    assert answer.error.endswith("[SIGNING_KEY]")


def other_modulus(statement):
    width = len(statement.key_record.modulus)
    statement.key_record.modulus = b"\xff" * width


def swapped(statement):
    values = list(statement.key_record.verification)
    del statement.key_record.verification[:]
    statement.key_record.verification.extend(reversed(values))


def one_short(statement):
    del statement.key_record.verification[-1:]


def second_epoch(statement):
    statement.key_record.epoch = 2


def of_an_author(statement):
    statement.author = "auditor-1"


def another_body(statement):
    statement.heartbeat.time_ms = 1


def another_charter(statement):
    statement.charter_sha256 = bytes(32)


def another_log(statement):
    statement.key_record.after.leaf_hash = bytes(32)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (other_modulus, 3),
        (swapped, 3),
        (one_short, 4),
        (second_epoch, 4),
        (of_an_author, 3),
        (another_body, 3),
        (another_charter, 2),
        (another_log, 4),
    ],
)
def test_a_record_that_does_not_hold_is_neither_passed_nor_signed(site, change, code):
    statement = decode(statement_pb2.Statement, site.record.read_bytes())
    change(statement)
    site.record.write_bytes(encode(statement))
    folder = site.record.with_name("key-record.bin.sig")
    shutil.rmtree(folder)
    for answer in (
        fermata("keys", "check", site.charter_file, site.record),
        sign(site, "auditor-1", site.record),
    ):
        assert answer.code == code, answer.err
        assert answer.error
    assert not folder.exists()


@pytest.mark.parametrize("data", [b"", b"junk", bytes(600_000), b"\x0a\x02\xff"])
def test_junk_for_a_record_is_one_line(site, data):
    site.record.write_bytes(data)
    for answer in (
        fermata("keys", "check", site.charter_file, site.record),
        sign(site, "auditor-1", site.record),
    ):
        assert answer.code in (2, 3)
        assert answer.error
        assert answer.out == ""
    assert fermata("keys", "check", site.charter_file, site.folder).code == 2
    assert fermata("keys", "check", site.folder, site.record).code == 2


def test_a_share_that_does_not_fit_the_record_keeps_an_auditor_from_signing(site):
    shutil.rmtree(site.record.with_name("key-record.bin.sig"))
    share = site.node("auditor-1") / "keys" / "share.age"
    data = keystore.load_sealed(share, keystore.KEY_SHARE, NAME, site.unlock("auditor-1"))
    other = site.node("auditor-2") / "keys" / "share.age"
    theirs = keystore.load_sealed(other, keystore.KEY_SHARE, NAME, site.unlock("auditor-2"))
    cases = {"damaged": data[:-20], "wrong": data.replace(b"index: 1", b"index: 2")}
    cases |= {"another": theirs}
    for name, secret in cases.items():
        file = site.folder / name
        lock = site.unlock("auditor-1")
        keystore.save_sealed(file, secret, keystore.KEY_SHARE, NAME, lock)
        answer = sign(site, "auditor-1", site.record, "--share", file)
        assert (answer.code, answer.error.endswith("[KEY_SHARE]")) == (2, True), answer.err
    assert not site.record.with_name("key-record.bin.sig").exists()
