"""``fermata init``: a folder that only its owner can read, whole or not at all."""

import json
import os
import re
import stat

import pytest

from fermata.crypto.signing import check_public_key
from fermata.errors import ConfigError
from fermata.node.config import load_config
from fermata.node.joining import node_folder
from fermata.node.joining.config_text import NO_ADDRESS, config_text
from fermata.node.storage import keystore
from fermata.types import READERS, Role
from harness.nodes import COORDINATOR, fermata

PARTY = {
    Role.COORDINATOR: COORDINATOR,
    Role.AUDITOR: "auditor-1",
    Role.LAB: "lab-1",
    Role.MEMBER: "member-1",
    Role.OPERATOR: "ops",
    Role.OBSERVER: "press",
}


def words(role, folder):
    host = ("--host", "log.example") if role == Role.COORDINATOR else ()
    return ("init", folder, "--role", role, "--id", PARTY[role], "--deployment", "trial", *host)


@pytest.mark.parametrize("role", Role)
def test_a_new_folder_is_its_owners_alone(tmp_path, role):
    folder = tmp_path / "node"
    old = os.umask(0)
    try:
        answer = fermata(*words(role, folder), "--json")
    finally:
        os.umask(old)
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert told["identity"] == f"fermata://trial/{role}/{PARTY[role]}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "keys").exists() == (role not in READERS)
    for path in folder.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700, path
        elif path.name in ("identity.txt", "signing.age", "key.pem", "root-key.age", "tokens.json"):
            assert mode == 0o600, path
    assert [p.name for p in tmp_path.iterdir()] == ["node"]
    assert "AGE-SECRET-KEY" not in answer.out + answer.err


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.AUDITOR, Role.LAB, Role.MEMBER])
def test_the_key_that_is_printed_is_the_one_in_the_folder(tmp_path, role):
    folder = tmp_path / "node"
    told = json.loads(fermata(*words(role, folder), "--json").out)
    unlock = keystore.load_identity(folder / "keys" / "identity.txt")
    assert unlock.recipient == told["recipient"]
    seed = folder / "keys" / "signing.age"
    public = keystore.load_sealed(seed, keystore.SIGNING, "trial", unlock)
    key = node_folder.SigningKey.from_seed(public).public_key
    check_public_key(key)
    assert keystore.open_signing_key(seed, "trial", unlock, key, "p").public_key == key
    assert (told["root_fingerprint"] is None) == (role != Role.COORDINATOR)


@pytest.mark.parametrize("role", Role)
def test_nothing_is_overwritten(tmp_path, role):
    folder = tmp_path / "node"
    assert fermata(*words(role, folder)).code == 0
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    again = fermata(*words(role, folder))
    assert (again.code, again.error.endswith("[DIRECTORY_IN_USE]")) == (2, True)
    (tmp_path / "file").write_text("mine")
    assert fermata(*words(role, tmp_path / "file")).error.endswith("[DIRECTORY_IN_USE]")
    assert fermata(*words(role, tmp_path / "none" / "node")).error.endswith("[FILE_UNWRITABLE]")
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "node"]


def test_a_fault_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    def broken(*args):
        raise ConfigError("FILE_UNWRITABLE", "no room")

    monkeypatch.setattr(node_folder, "enroll_locally", broken)
    assert fermata(*words(Role.COORDINATOR, tmp_path / "node")).code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("role", Role)
def test_the_configuration_loads_beside_a_charter(site, role):
    folder = site.folder / "new"
    assert fermata(*words(role, folder)).code == 0
    text = (folder / "fermata.toml").read_text()
    assert text == config_text(role, PARTY[role], host="log.example" * (role == "coordinator"))
    (folder / "charter.toml").write_bytes(site.charter_file.read_bytes())
    if role == Role.MEMBER:
        (folder / "fermata.toml").write_text(text.replace(NO_ADDRESS, "log.example:7440"))
        with pytest.raises(ConfigError, match="party: must be on the charter's roster"):
            load_config(folder / "fermata.toml")
        return
    if role != Role.COORDINATOR:
        with pytest.raises(ConfigError, match=r"log\.address: must be host:port"):
            load_config(folder / "fermata.toml")
    (folder / "fermata.toml").write_text(text.replace(NO_ADDRESS, "log.example:7440"))
    config = load_config(folder / "fermata.toml")
    assert (config.role, config.text.party) == (role, PARTY[role])


@pytest.mark.parametrize("role", Role)
def test_the_commented_tables_of_a_configuration_are_right_too(site, role):
    if role == Role.MEMBER:
        return
    text = config_text(role, PARTY[role], "log.example:7440", "log.example")
    text = re.sub(r"^# (\[.*|[a-z_0-9-]+ = .*)$", r"\1", text, flags=re.MULTILINE)
    file = site.node("lab-1") / "other.toml"
    file.write_text(text)
    assert load_config(file).role == role


@pytest.mark.parametrize(
    "change",
    [
        ("--deployment", "No Name"),
        ("--id", "No Id"),
        ("--log", "nowhere"),
        ("--host", "log.example"),
        ("--role", "king"),
        ("--role", "coordinator"),
    ],
)
def test_words_that_name_no_node_are_refused(tmp_path, change):
    answer = fermata(*words(Role.LAB, tmp_path / "node"), *change)
    assert (answer.code, answer.error.endswith("[USAGE]")) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_one_who_only_reads_signs_nothing(site):
    """A command that signs says so, and does not fall over."""
    folder = site.folder / "press"
    assert fermata(*words(Role.OBSERVER, folder), "--log", "127.0.0.1:1").code == 0
    (folder / "charter.toml").write_bytes(site.charter_file.read_bytes())
    answer = fermata("motion", "vote", "--config", folder / "fermata.toml", 1, "for")
    assert answer.code != 1, answer.err
    run = fermata("lab", "run", "--config", folder / "fermata.toml")
    assert (run.code, "must be of role lab" in run.error) == (2, True)
