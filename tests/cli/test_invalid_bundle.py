"""No command tells results of a bundle that does not verify: all of them are walked."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from fermata.cli import dashboard as dashboard_command
from fermata.cli.main import cli
from fermata.cli.read import audit as audit_command
from fermata.cli.read import log as log_command
from fermata.cli.read import results as results_command
from fermata.node.storage.bundles import write_bundle
from fermata.protocol.verify.value_audit import OpenedValue
from fermata.summary.records.rounds import result_records
from harness.bundles import files, finished_run
from harness.chains import MODULUS_BITS_MIN
from harness.commands import commands_of
from harness.nodes import Answer, fermata, lay_out

#: Parameters by which a command is given a bundle to read. ``bundle`` has a folder to make instead.
READS = {"bundle", "folder"}
#: Commands with a parameter of such a name that read no bundle.
OTHERS = {"bundle", "demo", "enroll", "init", "join"}

#: By command: its words for a bundle, and a folder to write into.
Words = Callable[[Path, Path], tuple[object, ...]]
COMMANDS: dict[str, tuple[Words, ...]] = {
    "verify": (lambda b, out: (b,), lambda b, out: (b, "--json")),
    "results": (
        lambda b, out: (b,),
        lambda b, out: (b, "--format", "csv"),
        lambda b, out: (b, "--out", out),
        lambda b, out: (b, "--format", "csv", "--out", out),
    ),
    "report": (lambda b, out: (b, "--out", out), lambda b, out: (b, "--out", out, "--json")),
    "dashboard": (
        lambda b, out: (b,),
        lambda b, out: (b, "--json"),
        lambda b, out: (b, "--export", out),
        lambda b, out: (b, "--export", out, "--json"),
    ),
    "lab place": (
        lambda b, out: ("--config", CONFIG["lab"], "--period", "2025Q3", "--bundle", b),
        lambda b, out: ("--config", CONFIG["lab"], "--period", "2025Q3", "--bundle", b, "--json"),
    ),
    "audit check-value": (
        lambda b, out: (CONFIG["value"], "--bundle", b),
        lambda b, out: (CONFIG["value"], "--bundle", b, "--json"),
    ),
}
CONFIG: dict[str, Path] = {}


def leaves_of(group: click.Group, *before: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in commands_of(group).items():
        if isinstance(command, click.Group):
            yield from leaves_of(command, *before, name)
        else:
            yield " ".join((*before, name)), command


@pytest.fixture(scope="module", autouse=True)
def inputs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A lab's node, and an opened value; neither comes to be used."""
    site = lay_out(tmp_path_factory.mktemp("invalid") / "site")
    CONFIG["lab"] = site.write_config("lab-1")
    value = tmp_path_factory.mktemp("value")
    opened = OpenedValue(
        bytes(32), "lab-1", 1, bytes(32), "alpha", "hours", "1", 1, "auditor-1", bytes(48)
    )
    (value / "value.json").write_bytes(opened.to_bytes())
    CONFIG["value"] = value


@pytest.fixture(autouse=True)
def toy_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (audit_command, dashboard_command, log_command, results_command):
        monkeypatch.setattr(module, "MODULUS_BITS_MIN", MODULUS_BITS_MIN)


def figures() -> set[str]:
    """Every result of the bundle that nothing else in an answer is likely to be."""
    state = finished_run().state
    texts = {r.text for round_ in state.rounds for r in result_records(state, round_)}
    return {text for text in texts if len(text) > 5}


def told(answer: Answer, out: Path) -> str:
    """All that a command has printed and written."""
    written = sorted(p for p in out.rglob("*") if p.is_file()) if out.is_dir() else [out]
    return (
        answer.out
        + answer.err
        + "".join(p.read_bytes().decode(errors="replace") for p in written if p.is_file())
    )


def spoiled(folder: Path) -> Path:
    """A bundle whose every result can be derived, and which is invalid all the same."""
    bundle = files()
    del bundle[next(p for p in bundle if p.startswith("sealed/"))]
    write_bundle(folder, bundle)
    return folder


def test_every_command_that_reads_a_bundle_is_walked() -> None:
    reading = {
        name
        for name, command in leaves_of(cli)
        if READS & {parameter.name for parameter in command.params}
    }
    by_setup = {name for name in reading if name.startswith("pki ")}
    assert reading - OTHERS - by_setup == set(COMMANDS)


@pytest.mark.parametrize(
    ("command", "form"), [(c, i) for c, forms in COMMANDS.items() for i in range(len(forms))]
)
def test_no_form_of_a_command_tells_results_of_an_invalid_bundle(
    command: str, form: int, tmp_path: Path
) -> None:
    bundle, out = spoiled(tmp_path / "spoiled"), tmp_path / "out"
    answer = fermata(*command.split(), *COMMANDS[command][form](bundle, out))
    assert answer.code != 0
    said = told(answer, out)
    assert not [figure for figure in figures() if figure in said]
    assert not out.exists()
    if command == "verify":
        assert answer.code == 1
        assert "--json" not in COMMANDS[command][form](bundle, out) or (
            json.loads(answer.out)["results"] is None
        )
    else:
        assert "[BUNDLE_INVALID]" in answer.err
        assert answer.out == ""


@pytest.mark.parametrize(
    ("command", "form"),
    [("verify", 1), ("results", 0), ("results", 3), ("report", 0), ("dashboard", 2)],
)
def test_the_same_forms_tell_results_of_a_valid_one(
    command: str, form: int, tmp_path: Path
) -> None:
    bundle, out = tmp_path / "valid", tmp_path / "out"
    write_bundle(bundle, files())
    answer = fermata(*command.split(), *COMMANDS[command][form](bundle, out))
    assert answer.code == 0, answer.err
    said = told(answer, out)
    assert [figure for figure in figures() if figure in said]
