"""The pictures of docs are drawn from the code as it is, and say what it does."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fermata.node.rpc.service import ALLOWED

ROOT = Path(__file__).resolve().parent.parent
LAYERS = [["top"], ["left", "right"], ["base"]]


@pytest.fixture
def pictures(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import draw_pictures

    return draw_pictures


@pytest.fixture
def tree(tmp_path):
    """Packages of three layers that import downwards only."""
    for name, text in {
        "__init__.py": "from fermata.top import one\n",
        "top/one.py": "import fermata.left.one\n",
        "left/one.py": "from fermata import base\n",
        "right/one.py": "import os\nfrom fermata.right import one\n",
        "base.py": "from fermata import __version__\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_pictures_are_those_of_the_code():
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "draw_pictures.py"), "--check"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_are_read_from_the_files(pictures, tree):
    assert pictures.read_imports(tree, LAYERS) == {
        "top": {"left"},
        "left": {"base"},
        "right": set(),
        "base": set(),
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("base.py", "from fermata import top\n"),
        ("base.py", "def later():\n    import fermata.left.one\n"),
        ("left/one.py", "from fermata.right import one\n"),
    ],
)
def test_an_import_upwards_or_sideways_is_an_error(pictures, tree, name, text):
    (tree / name).write_text(text)
    with pytest.raises(pictures.WrongImport, match=f"^{name}: imports fermata"):
        pictures.read_imports(tree, LAYERS)


def test_a_package_without_a_layer_is_an_error(pictures, tree):
    (tree / "other.py").write_text("")
    with pytest.raises(pictures.WrongImport, match="other: is in no layer"):
        pictures.read_imports(tree, LAYERS)


def test_only_arrows_that_a_longer_way_replaces_are_left_out(pictures):
    imports = {"a": {"b", "c", "d"}, "b": {"c"}, "c": set(), "d": set()}
    assert pictures.shortest(imports) == [("a", "b"), ("a", "d"), ("b", "c")]


@pytest.mark.parametrize("name", ["architecture", "what-each-party-learns"])
def test_pictures_can_be_read_aloud_and_at_night(name):
    text = (ROOT / "docs" / f"{name}.svg").read_text()
    root = ElementTree.fromstring(text)
    found = {child.tag.rpartition("}")[2]: child.text for child in root}
    assert found["title"]
    assert found["desc"]
    assert "prefers-color-scheme:dark" in found["style"]


def test_ciphertexts_are_for_those_whom_the_picture_names(pictures):
    facts = {fact: cells for fact, *cells in pictures.FACTS}
    assert ALLOWED["FetchSealed"] == {"coordinator", "auditor"}
    assert facts["its ciphertexts"] == ["yes", "no", "sealed", "sealed", "can open", "no"]
