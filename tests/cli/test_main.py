"""The edge of the command line: one error line for everything, no traceback, no secret."""

import json
import subprocess
import sys

import click
import pytest

from fermata.cli import main as edge
from fermata.errors import ConfigError
from harness.commands import commands_of
from harness.nodes import fermata, numbers_as_text

FERMATA = (sys.executable, "-m", "fermata.cli.main")


def commands(group, words=()):
    """All commands by their words."""
    for name, command in commands_of(group).items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


ALL = dict(commands(edge.cli))


def test_every_command_is_there():
    wanted = (
        "init,join,pki invite,coordinator gather,"
        "charter new,charter check,charter sign,charter accept,charter show,charter in-force,"
        "keys identity,keys new,keys deal,"
        "keys ceremony,keys cancel,keys record,"
        "keys check,keys sign,pki init,pki token,pki issue,pki deny,pki allow,enroll,"
        "coordinator run,"
        "auditor run,auditor check,lab run,lab check,lab report,lab open-value,audit check-value,"
        "log show,log evidence,log judge,lab place,lab push,motion list,motion show,motion send,"
        "motion vote,lab plead,lab sources,auditor take,motion file dispute,"
        "auditor backup-share,auditor restore-share,auditor export-task,auditor open,"
        "auditor import-opening,keys public,"
        "motion file ruling,motion file appeal,motion file lift,motion file exclusion,"
        "motion file amendment,motion file withdrawal,"
        "bundle,status,watch,verify,demo,results,report,node backup,node restore,store copy,"
        "dashboard"
    )
    assert {" ".join(words) for words in ALL} == set(wanted.split(","))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_help_and_json_where_it_has_a_result(words):
    answer = fermata(*words, "--help")
    assert answer.code == 0
    assert answer.err == ""
    # What results prints is data in any case; --format says in which form.
    assert ("--json" in answer.out) == (words[-1] not in ("run", "results"))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_option_and_argument_has_a_help_text(words):
    without = [p.name for p in ALL[words].params if not (p.help or "").rstrip(".")]
    assert without == []
    shown = fermata(*words, "--help").out
    metavars = {p.human_readable_name for p in ALL[words].params if isinstance(p, click.Argument)}
    assert ("Positional arguments:" in shown) == bool(metavars), shown


def test_the_walk_over_json_finds_numbers_that_are_text():
    assert numbers_as_text({"a": [{"round": "3"}, {"value": "0.5", "round": 3}], "b": "-1.5"}) == [
        "round", "b",
    ]  # fmt: skip


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_wrong_option_is_one_line(words):
    answer = fermata(*words, "--nonsense")
    assert (answer.code, answer.error.endswith("[USAGE]")) == (2, True)
    assert answer.err.count("\n") == 1
    assert answer.out == ""


def test_no_command_is_help_and_an_unknown_one_is_one_line():
    assert fermata().code == 2
    assert "Commands:" in fermata().err
    assert fermata("nonsense").error.endswith("[USAGE]")
    assert fermata("--version").out.startswith("fermata, version ")


@pytest.mark.parametrize("role", ["coordinator", "auditor", "lab"])
@pytest.mark.parametrize("data", [None, b"", b"\xff\xfe", b"[[", b'charter = "x"', b"a = 1"])
def test_a_bad_configuration_is_one_line_for_every_role(tmp_path, role, data):
    file = tmp_path / "fermata.toml"
    if data is None:
        file.mkdir()
    else:
        file.write_bytes(data)
    answer = fermata(role, "run", "--config", file)
    assert answer.code == 2
    assert str(file) in answer.error
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        (ConfigError("REASON", "x.toml: line\nfeed \x1b[31m"), 2, "REASON"),
        (KeyError("a secret"), 1, "INTERNAL"),
        (ValueError("a secret"), 1, "INTERNAL"),
        (UnicodeDecodeError("utf-8", b"a secret", 0, 1, "a secret"), 1, "INTERNAL"),
        (PermissionError(13, "Permission denied", "/x"), 1, "SYSTEM"),
        (OSError("a secret"), 1, "SYSTEM"),
        (KeyboardInterrupt(), 130, "INTERRUPTED"),
        (click.UsageError("wrong"), 2, "USAGE"),
    ],
)
def test_whatever_happens_is_one_line_that_shows_nothing_foreign(monkeypatch, fault, code, reason):
    def fail(*arguments, **options):
        raise fault

    monkeypatch.setattr(ALL["charter", "check"], "callback", fail)
    answer = fermata("charter", "check", "x.toml")
    assert answer.code == code
    assert answer.err.rstrip("\n").endswith(f"[{reason}]")
    assert "a secret" not in answer.err
    assert "\x1b" not in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_a_reader_that_goes_away_is_no_fault(tmp_path):
    command = f"{' '.join(FERMATA)} charter new {tmp_path / 'c.toml'} --json | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_the_program_ends_with_the_code_of_its_command(tmp_path):
    done = subprocess.run(
        [*FERMATA, "verify", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.endswith("[BUNDLE]\n")
    done = subprocess.run(
        [*FERMATA, "charter", "new", str(tmp_path / "é.toml"), "--json"],
        capture_output=True,
        check=False,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["file"]
