"""A lab's own hold, as ``fermata status`` says it, also when the log does not answer."""

from types import SimpleNamespace

import pytest

from fermata.cli.read.own_hold import hold_text, own_silence, silence_document
from fermata.cli.read.status import silence_problems
from fermata.errors import ConfigError
from fermata.node.config import SilenceText
from fermata.node.hook.silence_watch import FILE
from fermata.types import Role
from harness.node.silence_world import SILENCE_MS, SilenceWorld
from harness.nodes import fermata, lay_out


@pytest.fixture
def world():
    made = SilenceWorld()
    made.live()
    return made


def of(folder):
    """The configuration of the lab whose data are in this folder."""
    return SimpleNamespace(data=folder)


def test_a_lab_that_does_not_hold_says_nothing(world, tmp_path):
    assert own_silence(of(tmp_path)) is None
    assert (hold_text(None), silence_document(None)) == ("", None)


def test_a_hold_says_since_when_and_whom_it_asked_until_it_is_over(world, tmp_path):
    lab = world.lab(tmp_path)
    lab.step()
    world.auditors["auditor-3"].reach.is_cut = True
    world.pass_time(SILENCE_MS)
    lab.look()
    silence = own_silence(of(tmp_path))
    text = hold_text(silence)
    assert "since its log is silent" in text
    assert "auditor-2: none, auditor-3: unreachable" in text
    found = silence_document(silence)
    assert (found["why"], found["holding"]) == ("silence", True)
    assert found["asked"]["auditor-3"] == "unreachable"
    world.live()
    lab.step()
    over = own_silence(of(tmp_path))
    assert (hold_text(over), silence_document(over)["holding"]) == ("", False)


def test_a_file_that_is_not_the_nodes_is_named(tmp_path):
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(ConfigError) as caught:
        own_silence(of(tmp_path))
    assert caught.value.reason == "SILENCE_FILE"


def test_a_lab_that_knows_too_few_auditors_needs_a_look(world):
    def config(role, *auditors):
        text = SimpleNamespace(party="lab-1", silence=SilenceText(dict.fromkeys(auditors, "a:1")))
        return SimpleNamespace(role=role, text=text)

    replica = world.lab_replica()
    ((party, what),) = silence_problems(config(Role.LAB, "auditor-1"), replica)
    assert party == "lab-1"
    assert "names 1 of its auditors" in what
    assert list(silence_problems(config(Role.LAB, "auditor-1", "auditor-2"), replica)) == []
    assert list(silence_problems(config(Role.AUDITOR), replica)) == []


def test_status_says_the_hold_first_though_the_log_is_away(world, tmp_path):
    site = lay_out(tmp_path / "site")
    data = site.node("lab-1") / "data"
    data.mkdir(exist_ok=True)
    lab = world.lab(data)
    lab.step()
    world.pass_time(SILENCE_MS)
    lab.look()
    answer = fermata("status", "--config", site.config("lab-1"))
    assert answer.code == 6
    assert "this lab holds" in answer.err.splitlines()[0]
