"""The build of the site fails on planted faults. ``make site`` runs these tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDE = '# You are a lab\n\n<a id="old-name"></a>\n## Keys\n\nText.\n'

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


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("[x](docs/guides/gone.md)", "docs/guides/gone.md"),
        ("[x](docs/guides/lab.md#gone)", "'gone'"),
        ("![x](gone.png)", "gone.png"),
        ("```{eval-rst}\n.. autofunction:: fermata.api.gone\n```", "gone"),
    ],
)
def test_a_planted_fault_fails_the_build_and_is_named(
    tmp_path: Path, front: str, message: str
) -> None:
    done = build(tmp_path, front)
    assert done.returncode == 1
    assert "README.md" in done.stderr or "autodoc" in done.stderr
    assert message in done.stderr
