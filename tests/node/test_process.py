"""The code that a process says it runs: every module, with its place."""

import hashlib
from importlib import resources

import pytest

from fermata.node import process
from fermata.node.process import code_sha256, modules_below
from fermata.node.rpc.engine import tasks
from fermata.node.storage.snapshots import body

#: Every digest that nodes compare: the packages that it is of.
DIGESTS = {"a worker's": tasks.CODE, "a snapshot's": body._CODE}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of this test's own, in the place of the real one."""
    monkeypatch.setattr(process.resources, "files", lambda name: tmp_path)
    for path in ("crypto/group.py", "crypto/report/batch.py", "log/merkle.py"):
        write(tmp_path, path, f"# {path}")
    return tmp_path


def write(package, path, text):
    (package / path).parent.mkdir(parents=True, exist_ok=True)
    (package / path).write_text(text)


def digest(folders=("crypto", "log"), first=b""):
    return code_sha256.__wrapped__(folders, first)


@pytest.mark.parametrize("folders", DIGESTS.values(), ids=DIGESTS)
def test_a_digest_is_of_every_module_of_its_packages(folders):
    for name in folders:
        folder = resources.files("fermata").joinpath(*name.split("/"))
        paths = {path for path, _ in modules_below(folder)}
        assert paths == {str(path.relative_to(folder)) for path in folder.rglob("*.py")}
        assert paths
    assert code_sha256(folders) == digest(folders)


def test_the_same_code_has_the_same_digest(package):
    before = digest()
    write(package, "crypto/generators.bin", "no module")
    write(package, "crypto/__pycache__/group.pyc", "no module either")
    assert digest() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda package: write(package, "crypto/report/batch.py", "# changed"),
        lambda package: write(package, "crypto/report/more.py", ""),
        lambda package: (package / "crypto/report/batch.py").unlink(),
        lambda package: (package / "crypto/report/batch.py").rename(package / "crypto/batch.py"),
        lambda package: (package / "crypto/report").rename(package / "crypto/reports"),
        lambda package: (package / "log/merkle.py").rename(package / "crypto/merkle.py"),
    ],
    ids=["bytes", "one more", "one less", "another folder", "a folder's name", "another package"],
)
def test_whatever_changes_changes_the_digest(package, change):
    before = digest()
    change(package)
    assert digest() != before


def test_what_comes_first_and_which_packages_count(package):
    digests = {digest(), digest(first=b"schema"), digest(("crypto",)), digest(("log", "crypto"))}
    assert len(digests) == 4


def test_a_digest_is_a_sha256_of_paths_lengths_and_bytes(package):
    said = b"log/merkle.py 15\n# log/merkle.py"
    assert digest(("log",), b"first") == hashlib.sha256(b"first" + said).digest()
