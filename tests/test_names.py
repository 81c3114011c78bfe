"""The lint of identifiers: what it refuses, and that src has none of it unnoticed."""

import sys
from pathlib import Path

import pytest

from harness.scripts import load_script

ROOT = Path(__file__).resolve().parent.parent


check_names = load_script("check_names")
HEAD = "| not | but | kinds | where | why |\n|---|---|---|---|---|\n"
EXCEPTIONS = "| name | why |\n|---|---|\n"


def glossary(rules: str, allowed: str = "", terms: str = "") -> str:
    return (
        f"# Terms\n\n{terms}\n"
        f"## Names that the code does not use\n\n{HEAD}{rules}\n"
        f"## Names that are allowed\n\n{EXCEPTIONS}{allowed}"
    )


def write(root: Path, text: str, files: dict[str, str]) -> None:
    for name, content in ({"docs/spec/terms.md": text} | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


AGENT = "| `*agent*` | driver | all | everywhere | see driver |\n"


@pytest.mark.parametrize(
    ("kind", "text", "source"),
    [
        ("class", "LabAgent", "class LabAgent: ...\n"),
        ("function", "make_agent", "def make_agent(): ...\n"),
        ("function", "agent", "class A:\n    async def agent(self): ...\n"),
        ("parameter", "agent", "def f(*, agent): ...\n"),
        ("parameter", "agents", "f = lambda *agents: 0\n"),
        ("variable", "AGENTS_MAX", "AGENTS_MAX = 3\n"),
        ("variable", "agent", "for agent, _ in ():\n    pass\n"),
        ("variable", "agent", "a = [agent for agent in ()]\n"),
        ("variable", "agent", "if (agent := 1): ...\n"),
        ("variable", "agent", "with open('') as agent: ...\n"),
        ("variable", "agent", "try: ...\nexcept OSError as agent: ...\n"),
        ("variable", "agent", "import os as agent\n"),
        ("variable", "agent", "match 1:\n    case int() as agent: ...\n"),
        ("variable", "agents", "match []:\n    case [*agents]: ...\n"),
        ("variable", "agents", "match {}:\n    case {**agents}: ...\n"),
        ("attribute", "_agent", "class A:\n    def f(self): self._agent = 1\n"),
        ("attribute", "agent", "class A:\n    agent: int\n"),
        ("attribute", "agent", "class A:\n    agent = 1\n"),
    ],
)
def test_a_refused_name_of_every_kind_is_found(
    tmp_path: Path, kind: str, text: str, source: str
) -> None:
    write(tmp_path, glossary(AGENT), {"src/fermata/roles/lab.py": source})
    refused, wrong = check_names.problems(tmp_path)
    assert [(name.kind, name.text) for name, _ in refused] == [(kind, text)]
    assert wrong == []


@pytest.mark.parametrize("path", ["agent.py", "agent/__init__.py"])
def test_a_refused_name_of_a_module_or_a_folder_is_found(tmp_path: Path, path: str) -> None:
    write(tmp_path, glossary(AGENT), {f"src/fermata/{path}": ""})
    refused, _ = check_names.problems(tmp_path)
    assert [(name.kind, name.text) for name, _ in refused] == [("module", "agent")]


@pytest.mark.parametrize(
    "source", ["driver = 1\n", "'agent'\n", "# agent\n", "f(agent=1)\n", "print(agent)\n"]
)
def test_what_binds_no_refused_name_is_not_found(tmp_path: Path, source: str) -> None:
    write(tmp_path, glossary(AGENT), {"src/fermata/lab.py": source})
    assert check_names.problems(tmp_path) == ([], [])


def test_a_rule_is_for_its_folder_and_its_kinds_alone(tmp_path: Path) -> None:
    rule = "| `terms` | equations | variable | crypto | see terms |\n"
    files = {
        "src/fermata/crypto/a.py": "terms = 1\ndef f(terms): ...\n",
        "src/fermata/crypto_not/a.py": "terms = 1\n",
    }
    write(tmp_path, glossary(rule), files)
    refused, _ = check_names.problems(tmp_path)
    assert [(name.path, name.line) for name, _ in refused] == [("crypto/a.py", 1)]


def test_an_exception_that_is_needed_silences_the_rule(tmp_path: Path) -> None:
    allowed = "| `lab.py:agent` | a foreign word |\n"
    files = {"src/fermata/lab.py": "agent = 1\n", "src/fermata/other.py": "agent = 1\n"}
    write(tmp_path, glossary(AGENT, allowed), files)
    refused, wrong = check_names.problems(tmp_path)
    assert [name.path for name, _ in refused] == ["other.py"]
    assert wrong == []


def test_an_exception_that_nothing_needs_is_a_problem(tmp_path: Path) -> None:
    allowed = "| `lab.py:agent` | a foreign word |\n"
    write(tmp_path, glossary(AGENT, allowed), {"src/fermata/lab.py": "driver = 1\n"})
    refused, (problem,) = check_names.problems(tmp_path)
    assert refused == []
    assert problem.startswith("lab.py:agent is allowed")


def test_a_name_in_the_glossary_that_src_does_not_have_is_a_problem(tmp_path: Path) -> None:
    terms = "| term | in code |\n|---|---|\n| log | `log.Log` |\n| lab | `Role.LAB` |\n"
    files = {"src/fermata/log.py": "class Log: ...\n", "src/fermata/wire/v1/a_pb2.py": ""}
    write(tmp_path, glossary(AGENT, terms=terms), files)
    assert check_names.problems(tmp_path) == (
        [],
        ["Role.LAB: src has no name Role", "Role.LAB: src has no name LAB"],
    )


@pytest.mark.parametrize(
    "rule",
    [
        "| `agent` | driver | all | everywhere |\n",
        "| `agent` | driver | all | everywhere | |\n",
        "| `agent` | driver | names | everywhere | why |\n",
    ],
)
def test_a_rule_that_is_not_complete_is_refused(rule: str) -> None:
    with pytest.raises(ValueError):
        check_names.read_glossary(glossary(rule))


def test_a_glossary_without_its_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="must have a section"):
        check_names.read_glossary("# Terms\n")


def test_the_exit_code_says_whether_there_is_a_problem_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, glossary(AGENT), {"src/fermata/lab.py": "x = 1\nagent = 1\n"})
    monkeypatch.setattr(sys, "argv", ["check_names.py"])
    assert check_names.main(tmp_path) == 0
    monkeypatch.setattr(sys, "argv", ["check_names.py", "--check"])
    assert check_names.main(tmp_path) == 1
    assert "src/fermata/lab.py:2: variable agent: say driver" in capsys.readouterr().out
    write(tmp_path, glossary(AGENT), {"src/fermata/lab.py": "x = 1\n"})
    assert check_names.main(tmp_path) == 0


def test_the_glossary_names_what_src_has_and_allows_nothing_without_need() -> None:
    _, wrong = check_names.problems(ROOT)
    assert wrong == []
