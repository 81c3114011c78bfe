"""Signatures that stand beside a file: who has signed, whose is wrong, and what was signed."""

import base64
import shutil

import pytest

from fermata.errors import ConfigError
from fermata.node.storage.signatures import (
    MISSING,
    SIGNED,
    WRONG,
    check_unchanged,
    folder_of,
    read_signatures,
    sign_file,
    signature_states,
)
from fermata.protocol.wire.envelope import check_signatures, seal_charter, unseal
from harness.nodes import COORDINATOR, PARTIES, Site, lay_out


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("signatures") / "site")


@pytest.fixture
def site(template, tmp_path):
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site")


def signature_of(site, party):
    return folder_of(site.charter_file) / party


def states(site):
    return signature_states(site.charter_file, site.charter_file.read_bytes(), site.charter)


def test_signatures_of_all_parties_make_the_first_entry(site):
    charter = site.charter
    found = read_signatures(site.charter_file, charter, charter.signers)
    assert set(found) == set(PARTIES)
    envelope = unseal(seal_charter(site.charter_file.read_bytes(), found))
    check_signatures(envelope, charter.signing_keys, charter.signers)
    assert set(states(site).values()) == {SIGNED}


def test_who_has_not_signed_is_named(site):
    signature_of(site, "lab-2").unlink()
    signature_of(site, "auditor-1").unlink()
    charter = site.charter
    with pytest.raises(ConfigError, match="not signed by auditor-1, lab-2") as caught:
        read_signatures(site.charter_file, charter, charter.signers)
    assert caught.value.reason == "SIGNATURES"
    assert {p for p, s in states(site).items() if s == MISSING} == {"auditor-1", "lab-2"}


def make_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"junk\xff\n"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"A" * 100_000),
        lambda path: path.write_bytes(base64.b64encode(bytes(64))),
        lambda path: path.write_bytes((path.parent / "lab-1").read_bytes()),
        make_folder,
    ],
)
def test_a_signature_that_is_none_of_the_partys_is_refused(site, spoil):
    spoil(signature_of(site, "lab-2"))
    assert states(site)["lab-2"] == WRONG
    with pytest.raises(ConfigError):
        read_signatures(site.charter_file, site.charter, PARTIES)
    with pytest.raises(ConfigError, match="the signature of lab-2 is of other bytes"):
        check_unchanged(site.charter_file, site.charter_file.read_bytes(), site.charter)


def test_a_file_that_changes_between_the_check_and_the_signature_is_not_signed(site):
    checked = site.charter_file.read_bytes()
    site.charter_file.write_bytes(checked + b"# later\n")
    before = signature_of(site, "lab-1").read_bytes()
    with pytest.raises(ConfigError) as caught:
        sign_file(site.charter_file, "lab-1", site.signing_key("lab-1"), checked)
    assert caught.value.reason == "FILE_CHANGED"
    assert signature_of(site, "lab-1").read_bytes() == before


def test_signing_again_gives_the_same_signature(site):
    before = signature_of(site, "lab-1").read_bytes()
    sign_file(site.charter_file, "lab-1", site.signing_key("lab-1"))
    assert signature_of(site, "lab-1").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_told(site):
    shutil.rmtree(folder_of(site.charter_file))
    folder_of(site.charter_file).write_text("a file")
    with pytest.raises(ConfigError) as caught:
        sign_file(site.charter_file, COORDINATOR, site.signing_key(COORDINATOR))
    assert caught.value.reason == "FILE_UNWRITABLE"
