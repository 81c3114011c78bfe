"""``fermata pki invite``, ``coordinator gather`` and ``join``: what the commands refuse and say."""

import json
import re
import stat
import threading

import pytest

from fermata.cli.setup import join as join_module
from fermata.errors import TransportError
from fermata.node.joining.join_file import read_invitation
from fermata.node.run import loop
from harness.nodes import COORDINATOR, fermata

LABS, AUDITORS = [f"lab-{i}" for i in range(1, 6)], ["auditor-1"]


@pytest.fixture
def oversight(tmp_path):
    """A coordinator's folder with a charter that lacks all keys."""
    folder = tmp_path / COORDINATOR
    words = ("--role", "coordinator", "--deployment", "trial", "--host", "127.0.0.1")
    assert fermata("init", folder, *words).code == 0
    charter = folder / "charter.toml"
    sizes = ("--labs", len(LABS), "--auditors", len(AUDITORS), "--deployment", "trial", "--dealer")
    assert fermata("charter", "new", charter, *sizes).code == 0
    text = re.sub('"<(.*)>"', r'"\1"', charter.read_text())
    charter.write_text(text.replace("modulus_bits = 3072", "modulus_bits = 2048"))
    config = folder / "fermata.toml"
    config.write_text(config.read_text().replace("0.0.0.0:7441", "127.0.0.1:0"))
    return folder


def invite(oversight, *words):
    return fermata("pki", "invite", "--config", oversight / "fermata.toml", *words)


def test_everybody_on_the_roster_gets_a_join_file_with_a_token_of_its_own(oversight, tmp_path):
    answer = invite(oversight, "--out", tmp_path / "joins", "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert set(told["files"]) == {*LABS, *AUDITORS}
    invitations = [read_invitation(tmp_path / "joins" / f"{p}.join") for p in told["files"]]
    assert len({i.token for i in invitations}) == len(invitations)
    assert {i.identity.id: i.identity.role for i in invitations} == dict.fromkeys(
        LABS, "lab"
    ) | dict.fromkeys(AUDITORS, "auditor")
    assert {i.log for i in invitations} == {"127.0.0.1:7440"}
    assert {i.keyless_sha256.hex() for i in invitations} == {told["keyless_hash"]}
    assert not any(i.token in answer.out + answer.err for i in invitations)
    for path in (tmp_path / "joins").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_join_file_is_overwritten_and_no_token_wasted(oversight, tmp_path):
    (tmp_path / "joins").mkdir()
    (tmp_path / "joins" / "lab-5.join").write_text("mine")
    before = (oversight / "authority" / "tokens.json").read_bytes()
    answer = invite(oversight, "--out", tmp_path / "joins")
    assert (answer.code, answer.error.endswith("[FILE_EXISTS]")) == (2, True)
    assert [p.name for p in (tmp_path / "joins").iterdir()] == ["lab-5.join"]
    assert (oversight / "authority" / "tokens.json").read_bytes() == before


def test_one_party_or_one_who_only_reads_is_invited_alone(oversight, tmp_path):
    out = ("--out", tmp_path / "joins")
    assert invite(oversight, *out, "--id", "lab-2").code == 0
    assert invite(oversight, *out, "--id", "press", "--role", "observer").code == 0
    names = sorted(p.name for p in (tmp_path / "joins").iterdir())
    assert names == ["lab-2.join", "press.join"]
    press = read_invitation(tmp_path / "joins" / "press.join")
    assert press.identity.uri == "fermata://trial/observer/press"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--id", "lab-9"), "PARTY"),
        (("--id", COORDINATOR), "PARTY"),
        (("--role", "observer"), "USAGE"),
        (("--role", "observer", "--id", "lab-1"), "USAGE"),
        (("--role", "lab", "--id", "lab-9"), "USAGE"),
        (("--role", "observer", "--id", "No Id"), "IDENTITY_FORM"),
        (("--ttl-s", "0"), "TOKEN_TTL"),
    ],
)
def test_who_cannot_be_invited_is_not(oversight, tmp_path, words, reason):
    answer = invite(oversight, "--out", tmp_path / "joins", *words)
    assert answer.error.endswith(f"[{reason}]"), answer.err
    assert not list(tmp_path.glob("joins/*"))


def test_nobody_is_invited_to_a_charter_with_blanks(oversight, tmp_path):
    charter = oversight / "charter.toml"
    charter.write_text(charter.read_text().replace('"organisation of lab-3"', '"<who>"'))
    answer = invite(oversight, "--out", tmp_path / "joins")
    assert (answer.code, "must be filled in, got <who>" in answer.error) == (2, True)
    gather = fermata("coordinator", "gather", "--config", oversight / "fermata.toml")
    assert (gather.code, gather.error.endswith("[CHARTER]")) == (2, True)


@pytest.mark.parametrize(
    ("old", "new"), [('public = "127.0.0.1"', ""), ('authority = "authority"', "")]
)
def test_a_configuration_that_lets_nobody_join_is_refused(oversight, tmp_path, old, new):
    config = oversight / "fermata.toml"
    config.write_text(config.read_text().replace(old, new))
    answer = invite(oversight, "--out", tmp_path / "joins")
    assert (answer.code, answer.error.endswith("[CONFIG]")) == (2, True)


def test_a_join_without_anybody_to_agree_signs_nothing(oversight, tmp_path):
    assert invite(oversight, "--out", tmp_path / "joins").code == 0
    file, folder = tmp_path / "joins" / "lab-1.join", tmp_path / "lab-1"
    wrong = fermata("join", file, "--folder", folder, "--charter-hash", "0" * 64)
    assert (wrong.code, wrong.error.endswith("[CHARTER_HASH]")) == (2, True)
    assert not folder.exists()
    with gathering(oversight) as address:
        file.write_text(re.sub('enrolment = ".*"', f'enrolment = "{address}"', file.read_text()))
        answer = fermata("join", file, "--folder", folder)
        assert (answer.code, answer.error.endswith("[CONSENT]")) == (2, True)
        assert "What each party learns beyond that" in answer.err
    assert (folder / "tls").exists()
    assert not (folder / "charter.toml.sig").exists()
    assert not (folder / "charter.toml").exists()
    # What it handed in is there, and nobody else's.
    kept = sorted(p.name for p in (oversight / "signing-keys").iterdir())
    assert kept == ["lab-1", COORDINATOR]


class gathering:
    """``coordinator gather`` in this process, until the block is over."""

    def __init__(self, oversight):
        self.oversight, self.wakes = oversight, []

    def __enter__(self):
        config = join_module.load_config(
            self.oversight / "fermata.toml", None, join_module._charter_of
        )
        lines, ready = [], threading.Event()

        def say(line):
            lines.append(line)
            ready.set()

        real = loop.stop_on_signal

        def here(wake):
            self.wakes.append(wake)
            return real(wake) if threading.current_thread() is threading.main_thread() else _still()

        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("fermata.node.joining.gather.stop_on_signal", here)
        self.thread = threading.Thread(target=join_module.gather, args=(config, say))
        self.thread.start()
        assert ready.wait(60)
        return (self.oversight / "data" / "enrolment.address").read_text().strip()

    def __exit__(self, *_):
        for wake in self.wakes:
            wake.stop()
        self.thread.join(60)
        assert not self.thread.is_alive()
        self.patch.undo()


class _still:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


def test_a_port_that_is_away_is_tried_again_until_the_command_is_stopped(
    oversight, tmp_path, monkeypatch
):
    assert invite(oversight, "--out", tmp_path / "joins").code == 0
    file = tmp_path / "joins" / "lab-1.join"
    file.write_text(re.sub('enrolment = ".*"', 'enrolment = "127.0.0.1:1"', file.read_text()))
    tries = []

    def wait(wake, seconds):
        tries.append(seconds)
        if len(tries) == 3:
            wake.stop()

    monkeypatch.setattr(loop.Wake, "wait", wait)
    answer = fermata("join", file, "--folder", tmp_path / "lab-1", "--every-s", 7)
    assert (answer.code, answer.error.endswith("[STOPPED]")) == (TransportError.exit_code, True)
    assert tries == [7, 7, 7]
    assert answer.err.count("trying again") == 1
