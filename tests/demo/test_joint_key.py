"""The demo whose auditors make the key together; `make demo KEY=joint` runs all of it."""

import pytest
from click.testing import CliRunner

from fermata.cli.demo import demo as command
from fermata.demo.charter import COORDINATOR, MEMBERS, demo_figures
from fermata.demo.joint_key import make_joint_key
from fermata.demo.layout import lay_out
from fermata.demo.waiting import DemoFailed
from fermata.node.storage.signatures import SIGNED, signature_states


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("joint") / "demo"
    (folder / "logs").mkdir(parents=True)
    return lay_out(folder, demo_figures(), 10, lambda n: None, is_joint=True)


def test_nobody_has_a_share_and_no_dealer_may_make_one(made):
    assert (made.charter.key_origin, made.charter.modulus_bits) == ("distributed", 2048)
    assert not list(made.folder.glob("**/share.age"))
    assert not list(made.folder.glob("**/key-record.bin"))


def test_all_have_signed_the_charter_so_that_only_the_key_is_missing(made):
    file = made.node(COORDINATOR) / "charter.toml"
    states = signature_states(file, file.read_bytes(), made.charter)
    assert set(states.values()) == {SIGNED}
    assert set(states) == {*made.parties, *MEMBERS}


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (("-c", "raise SystemExit(1)"), "the coordinator did not start"),
        (
            (
                "-c",
                "import sys, pathlib, time\n"
                "if 'gather' not in sys.argv: sys.exit('auditor-2' in pathlib.Path.cwd().name)\n"
                "pathlib.Path('data/log.address').write_text('127.0.0.1:1\\n')\n"
                "time.sleep(60)",
            ),
            "auditor-2's command failed",
        ),
    ],
    ids=["coordinator", "auditor"],
)
def test_a_command_that_fails_ends_the_demo_and_says_where_its_lines_are(made, program, says):
    with pytest.raises(DemoFailed, match=says) as caught:
        make_joint_key(made, lambda line: None, program)
    assert str(made.folder / "logs") in str(caught.value)
    (made.node(COORDINATOR) / "data" / "log.address").unlink(missing_ok=True)


def test_nodes_that_run_apart_get_a_dealt_key(tmp_path):
    words = ["--out", str(tmp_path / "d"), "--prepare", "h:1", "--key", "joint"]
    answer = CliRunner().invoke(command, words)
    assert answer.exit_code == 2
    assert "leave out --prepare" in answer.output
    assert not (tmp_path / "d").exists()
