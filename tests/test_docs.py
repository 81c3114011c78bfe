"""The documents say what the code does, where that can be compared."""

import re
import subprocess
import sys
from pathlib import Path

from fermata.protocol.verify.check_texts import TITLES

ROOT = Path(__file__).resolve().parent.parent


def test_every_reason_of_the_code_is_in_the_specification() -> None:
    found = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "list_reasons.py")],
        check=True,
        capture_output=True,
        text=True,
    )
    document = (ROOT / "docs" / "spec" / "errors.md").read_text()
    assert found.stdout.strip() in document, "run: python scripts/list_reasons.py --write"


def test_every_reason_of_lost_workers_is_in_the_specification() -> None:
    code = (ROOT / "src" / "fermata" / "node" / "rpc" / "engine").glob("*.py")
    ways = re.compile(r'none_reason = "([A-Z_]+)"|_lose\(([^\n]+)\)')
    told = {
        reason
        for source in code
        for whole in ways.finditer(source.read_text())
        for reason in re.findall(r'"([A-Z_]+)"', whole.group())
    }
    document = (ROOT / "docs" / "spec" / "engine.md").read_text()
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", document, re.MULTILINE)) == told


def test_the_verifiers_checks_are_numbered_as_in_the_specification() -> None:
    document = (ROOT / "docs" / "spec" / "verifier.md").read_text()
    numbers = [int(n) for n in re.findall(r"^\| V(\d+) \|", document, re.MULTILINE)]
    assert numbers == list(TITLES)


def test_every_command_in_the_documents_exists() -> None:
    found = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "check_docs.py")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr


def test_the_page_of_the_charters_keys_is_that_of_the_code() -> None:
    script = str(ROOT / "scripts" / "charter_schema.py")
    found = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    specification = (ROOT / "docs" / "spec" / "README.md").read_text()
    folders = [ROOT / "docs", ROOT / "docs" / "guides", ROOT / "docs" / "spec"]
    documents = [d for folder in folders for d in folder.glob("*.md") if d.name != "README.md"]
    names = sorted(d.relative_to(ROOT / "docs").as_posix() for d in documents)
    assert len(names) > 30
    assert [name for name in names if f"]({name})" not in index] == []
    rules = [d.name for d in (ROOT / "docs" / "spec").glob("*.md") if d.name != "README.md"]
    assert [name for name in rules if f"]({name})" not in specification] == []
