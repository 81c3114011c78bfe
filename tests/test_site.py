"""The build of the site fails on planted faults. ``make site`` runs these tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDE = '# You are a lab\n\n<a id="old-name"></a>\n## Keys\n\nText.\n'
#: What an author may get wrong, and what the build then says of the README.
FAULTS = {
    "[x](docs/guides/gone.md)": "docs/guides/gone.md",
    "[x](docs/guides/lab.md#no-such-anchor)": "'no-such-anchor'",
    "[x](#no-such-heading)": "'no-such-heading'",
    "[x](docs/guides)": "'docs/guides'",
    "![x](gone.png)": "gone.png",
    "```{no-such-directive}\n```": "no-such-directive",
}

pytestmark = pytest.mark.site


def build(folder: Path, front: str) -> subprocess.CompletedProcess[str]:
    """Builds a small repository with this front page, as the Makefile builds the real one."""
    (folder / "docs" / "guides").mkdir(parents=True)
    (folder / "docs" / "guides" / "lab.md").write_text(GUIDE)
    (folder / "README.md").write_text(f"# Fermata\n\n{front}\n")
    (command,) = [w for w in (ROOT / "Makefile").read_text().splitlines() if "sphinx-build" in w]
    options = command.split("sphinx-build ")[1].split(" -d ")[0].split()
    assert {"-W", "-n"} < set(options)
    words = [sys.executable, "-m", "sphinx", *options, "-c", ROOT / "docs" / "site"]
    words += [folder, folder / "build"]
    return subprocess.run(words, check=False, capture_output=True, text=True)


def test_a_site_whose_links_lead_somewhere_is_built(tmp_path: Path) -> None:
    links = ("docs/guides/lab.md", "docs/guides/lab.md#keys", "docs/guides/lab.md#old-name")
    done = build(tmp_path, " ".join(f"[x]({link})" for link in links))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "build" / "README.html").read_text()
    assert 'href="docs/guides/lab.html#old-name"' in page
    # In the sidebar, below its heading.
    assert page.index(">Guides<") < page.index(">You are a lab<")


def test_planted_faults_fail_the_build_and_each_is_named(tmp_path: Path) -> None:
    done = build(tmp_path, "\n\n".join(FAULTS))
    assert done.returncode == 1
    for message in FAULTS.values():
        lines = [line for line in done.stderr.splitlines() if message in line]
        assert any("README.md" in line for line in lines), (message, done.stderr)
