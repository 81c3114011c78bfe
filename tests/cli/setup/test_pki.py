"""``fermata pki`` and ``fermata enroll``: certificates from the root to the node."""

import json
import shutil

import pytest

from fermata.node.config import load_config
from fermata.node.pki.own_certificate import host_names_in, open_tls
from fermata.node.run.parts import clock_ms
from harness.nodes import COORDINATOR, NAME, fermata


def authority(site):
    return site.node(COORDINATOR) / "authority"


def pki(site, command, *words):
    return fermata("pki", command, authority(site), *words)


def drop_tls(site, party):
    tls = site.node(party) / "tls"
    shutil.rmtree(tls.resolve())
    tls.unlink()
    return tls


def test_a_root_is_made_once_and_its_fingerprint_is_told(site, tmp_path):
    words = ("--deployment", NAME, "--identity", site.identity(COORDINATOR))
    folder = tmp_path / "authority"
    told = json.loads(fermata("pki", "init", folder, *words, "--json").out)
    assert told["root_fingerprint"].startswith("SHA256:")
    again = fermata("pki", "init", folder, *words)
    assert (again.code, again.error.endswith("[FILE_EXISTS]")) == (2, True)
    bad = fermata("pki", "init", tmp_path / "other", "--deployment", "No Name", *words[2:])
    assert (bad.code, bad.error.endswith("[USAGE]")) == (2, True)
    assert not (tmp_path / "other").exists()
    assert fermata("pki", "init", tmp_path / "none" / "a", *words).code == 2


def test_a_token_is_made_without_the_root_key(site):
    answer = pki(site, "token", "--role", "lab", "--id", "lab-1")
    assert answer.code == 0
    assert len(answer.out.strip()) == 43
    told = json.loads(pki(site, "token", "--role", "lab", "--id", "lab-1", "--json").out)
    assert set(told) == {"token", "root_fingerprint"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--role", "lab", "--id", "Not An Id"), 2),
        (("--role", "king", "--id", "lab-1"), 2),
        (("--role", "lab", "--id", "lab-1", "--ttl-s", "0"), 2),
        (("--role", "lab", "--id", "lab-1", "--ttl-s", "x"), 2),
        (("--role", "lab", "--id", "lab-1", "--host-name", "a.example"), 2),
        (("--role", "coordinator", "--id", "c", "--host-name", "*.example"), 2),
        (("--role", "lab"), 2),
    ],
)
def test_a_token_for_nobody_is_not_made(site, words, code):
    before = (authority(site) / "tokens.json").read_bytes()
    answer = pki(site, "token", *words)
    assert answer.code == code
    assert answer.error
    assert (authority(site) / "tokens.json").read_bytes() == before


@pytest.mark.parametrize("name", ["none", "file", "empty"])
def test_a_folder_that_is_no_authority_is_one_line(tmp_path, name):
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for command in ("token", "deny"):
        answer = fermata("pki", command, tmp_path / name, "--role", "lab", "--id", "lab-1")
        assert answer.code == 2
        assert answer.error


def test_the_coordinator_gets_its_certificate_where_the_authority_is(site):
    tls = drop_tls(site, COORDINATOR)
    words = ("--role", "coordinator", "--id", COORDINATOR, "--out", tls)
    unlock = ("--identity", site.identity(COORDINATOR))
    names = ("--host-name", "log.example.org", "--host-name", "192.0.2.1")
    answer = pki(site, "issue", *words, *names, *unlock, "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["identity"] == f"fermata://{NAME}/coordinator/{COORDINATOR}"
    files = open_tls(load_config(site.config(COORDINATOR)), clock_ms)
    found = host_names_in(files.material().certificate, files.material().identity)
    assert found == ["log.example.org", "192.0.2.1"]
    wrong = ("--identity", site.identity("lab-1"))
    assert pki(site, "issue", *words, *wrong).error.endswith("[KEYFILE_UNREADABLE]")
    (site.folder / "mine").mkdir()
    other = pki(site, "issue", *words[:4], "--out", site.folder / "mine", *unlock)
    assert other.error.endswith("[DIRECTORY_IN_USE]")


def test_a_node_enrols_with_its_token_once(site):
    tls = drop_tls(site, "lab-1")
    told = json.loads(pki(site, "token", "--role", "lab", "--id", "lab-1", "--json").out)
    file = site.folder / "token"
    file.write_text(told["token"] + "\n")

    def enroll(fingerprint=told["root_fingerprint"], file=file, folder=tls, party=""):
        words = ("enroll", folder, "--address", address, "--root-fingerprint", fingerprint)
        words += ("--party", party) if party else ()
        return fermata(*words, "--token-file", file, "--json")

    with site.coordinator():
        address = (site.node(COORDINATOR) / "data" / "enrolment.address").read_text().strip()
        wrong = enroll("SHA256:" + "0" * 64)
        assert (wrong.code, wrong.error.endswith("[ROOT_FINGERPRINT]")) == (5, True)
        assert enroll("SHA256:12").code == 2
        file.with_name("junk").write_bytes(b"\xff")
        assert enroll(file=file.with_name("junk")).error.endswith("[TOKEN]")
        assert enroll(file=site.folder).code == 2
        assert enroll(folder=site.node("lab-2") / "keys").error.endswith("[DIRECTORY_IN_USE]")
        assert not tls.exists()
        other = enroll(party="lab-2")
        assert (other.code, other.error.endswith("[TOKEN_PARTY]")) == (5, True)
        assert "was that of lab lab-1, not of lab-2; nothing was written" in other.error
        assert not tls.exists()
        file.write_text(pki(site, "token", "--role", "lab", "--id", "lab-1").out)
        answer = enroll(party="lab-1")
        assert answer.code == 0, answer.err
        assert json.loads(answer.out)["identity"] == f"fermata://{NAME}/lab/lab-1"
        open_tls(load_config(site.config("lab-1")), clock_ms)
        again = enroll(folder=site.folder / "again")
        assert (again.code, again.error.endswith("[TOKEN_REFUSED]")) == (5, True)
    gone = enroll(folder=site.folder / "again")
    assert (gone.code, gone.error.endswith("[UNREACHABLE]")) == (6, True)
    address = "nowhere"
    assert enroll().error.endswith("[ADDRESS]")


def denied(site):
    return (authority(site) / "denied.txt").read_text()


def test_a_party_is_denied(site):
    answer = pki(site, "deny", "--role", "lab", "--id", "lab-1", "--json")
    assert answer.code == 0
    assert json.loads(answer.out) == {"role": "lab", "id": "lab-1", "issued": False}
    assert f"identity fermata://{NAME}/lab/lab-1" in denied(site)
    again = pki(site, "token", "--role", "lab", "--id", "lab-1")
    assert (again.code, again.error.endswith("[CERT_DENIED]")) == (5, True)


def test_what_was_issued_so_far_is_denied_and_no_more(site):
    told = json.loads(pki(site, "deny", "--role", "lab", "--id", "lab-1", "--issued", "--json").out)
    assert told["certificates"] == 1
    assert "identity" not in denied(site).partition("\n")[2]
    assert pki(site, "token", "--role", "lab", "--id", "lab-1").code == 0


def test_one_certificate_is_denied(site):
    answer = pki(site, "deny", "--serial", "AB:cd", "--json")
    assert answer.code == 0
    assert "serial abcd\n" in denied(site)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--role", "lab"),
        ("--id", "lab-1"),
        ("--issued",),
        ("--serial", "1", "--role", "lab", "--id", "lab-1"),
        ("--serial", "1", "--issued"),
        ("--serial", "0"),
        ("--serial", "xyz"),
        ("--serial", "1_0"),
        ("--serial", "1" * 41),
        ("--role", "lab", "--id", "Not An Id"),
    ],
)
@pytest.mark.parametrize("command", ["deny", "allow"])
def test_a_denial_of_nothing_is_refused(site, command, words):
    before = denied(site)
    answer = pki(site, command, *words)
    assert (answer.code, answer.error.endswith("[USAGE]")) == (2, True)
    assert denied(site) == before


def test_a_denial_of_a_party_is_taken_back(site):
    party = ("--role", "lab", "--id", "lab-1")
    assert pki(site, "deny", *party).code == 0
    assert pki(site, "token", *party).error.endswith("[CERT_DENIED]")
    answer = pki(site, "allow", *party, "--json")
    told = {"role": "lab", "id": "lab-1", "issued": False, "certificates_denied": 0}
    assert json.loads(answer.out) == told
    assert pki(site, "token", *party).code == 0
    again = pki(site, "allow", *party)
    assert (again.code, again.error.endswith("[NOT_DENIED]")) == (2, True)


def test_certificates_stay_denied_by_number_until_they_are_allowed_too(site):
    party = ("--role", "lab", "--id", "lab-1")
    pki(site, "deny", *party, "--issued")
    pki(site, "deny", *party)
    still = "lab lab-1 is no longer denied; 1 of its certificates still are (--issued)\n"
    assert pki(site, "allow", *party).out == still
    pki(site, "deny", *party)
    told = pki(site, "allow", *party, "--issued").out
    assert told.endswith("by their numbers; the party itself is still denied\n")
    assert pki(site, "allow", *party, "--issued").error.endswith("[NOT_DENIED]")


def test_one_certificate_is_allowed_again(site):
    pki(site, "deny", "--serial", "AB:cd")
    assert pki(site, "allow", "--serial", "ab:CD", "--json").code == 0
    assert "abcd" not in denied(site)
    assert pki(site, "allow", "--serial", "abcd").error.endswith("[NOT_DENIED]")
