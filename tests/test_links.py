"""Links between documents and between the site's pages, on planted faults."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fermata

ROOT = Path(__file__).resolve().parent.parent
#: A document with headings as they occur: code, punctuation, the same one twice.
TARGET = """# The `log`, and what it's for
<a id="old-name"></a>
## Notes
## Notes
"""
PAGE = '<!doctype html><a href="{}">x</a><h2 id="here">x</h2><img src="picture.svg">'


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(ROOT / "scripts" / "check_links.py"), *map(str, arguments)]
    return subprocess.run(words, check=False, capture_output=True, text=True)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "target.md").write_text(TARGET)
    (tmp_path / "docs" / "picture.svg").write_text("<svg/>")
    return tmp_path


def test_links_between_documents_lead_somewhere() -> None:
    found = check()
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    "link",
    [
        "docs/target.md",
        "docs/target.md#the-log-and-what-its-for",
        "docs/target.md#notes-1",
        "docs/target.md#old-name",
        "docs/picture.svg",
        "#front",
        "https://example.org/nowhere#x",
    ],
)
def test_a_living_link_passes(documents: Path, link: str) -> None:
    (documents / "README.md").write_text(f"# Front\n\n[x]({link})\n")
    found = check("--root", documents)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[x](docs/gone.md)", "docs/gone.md: there is no such file"),
        ("| a |\n|---|\n| [x](docs/Target.md) |", "docs/Target.md: there is no such file"),
        ("![x](docs/gone.png)", "docs/gone.png: there is no such file"),
        ('<img src="docs/gone.png">', "docs/gone.png: there is no such file"),
        ("[x](docs/target.md#notes-2)", "target.md has no anchor 'notes-2'"),
        ("[x](#gone)", "README.md has no anchor 'gone'"),
        ("[x](docs)", "is a folder"),
        ("[x](../README.md)", "leads out of the project"),
    ],
)
def test_a_dead_link_is_named_with_its_document(documents: Path, text: str, message: str) -> None:
    (documents / "README.md").write_text(f"# Front\n\n[y](docs/target.md)\n\n{text}\n")
    found = check("--root", documents)
    assert found.returncode == 1
    assert found.stderr.startswith("README.md: ")
    assert message in found.stderr
    assert found.stdout == "2 links in 2 documents, 1 dead\n"


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("sub/index.html#here", ""),
        ("gone.html", "gone.html: there is no such file"),
        ("sub/index.html#gone", "index.html has no anchor 'gone'"),
    ],
)
def test_a_dead_link_of_a_built_page_is_named(tmp_path: Path, link: str, message: str) -> None:
    (tmp_path / "sub").mkdir()
    for folder, target in ((tmp_path, link), (tmp_path / "sub", "../index.html#here")):
        (folder / "index.html").write_text(PAGE.format(target))
        (folder / "picture.svg").write_text("<svg/>")
    found = check("--pages", tmp_path)
    assert found.returncode == (1 if message else 0)
    assert message in found.stderr


def test_a_folder_without_a_link_is_not_passed_as_checked(tmp_path: Path) -> None:
    assert check("--pages", tmp_path).returncode == 1


def test_every_decision_is_in_their_index() -> None:
    folder = ROOT / "docs" / "adr"
    index = re.findall(r"^\* \[(\d{4})\]\((\S+)\): (.+)$", (folder / "README.md").read_text(), re.M)
    heads = [(p.name[:4], p.name, p.read_text().split("\n")[0]) for p in folder.glob("0*.md")]
    assert [(number, name, f"# {number}: {title}") for number, name, title in index] == sorted(
        heads
    )


def test_the_page_of_the_python_api_has_every_public_name() -> None:
    page = (ROOT / "docs" / "site" / "python.md").read_text()
    shown = re.findall(r"^\.\. auto(?:class|function):: (\S+)$", page, re.MULTILINE)
    names = {line.rsplit(".", 1)[-1] for line in shown}
    missing = set(fermata.__all__) - names - {"FermataError", "__version__"}
    assert missing == set()
    assert ".. automodule:: fermata.errors" in page
