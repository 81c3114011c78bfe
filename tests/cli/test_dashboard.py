"""``fermata dashboard``: a bundle as a folder of pages, or served on this machine."""

import json
import shutil
import urllib.request

import pytest

from fermata.cli import dashboard as command
from fermata.node.storage.bundles import write_bundle
from harness.bundles import files
from harness.chains import MODULUS_BITS_MIN
from harness.nodes import fermata


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dashboard") / "bundle"
    write_bundle(folder, files())
    return folder


@pytest.fixture
def toy_keys(monkeypatch):
    monkeypatch.setattr(command, "MODULUS_BITS_MIN", MODULUS_BITS_MIN)


@pytest.mark.usefixtures("toy_keys")
def test_an_export_is_a_new_folder_of_pages(bundle, tmp_path):
    out = tmp_path / "site"
    answer = fermata("dashboard", bundle, "--export", out, "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert said["valid"]
    assert said["files"] == len(list(out.iterdir()))
    assert "2025Q3" in (out / "rounds.html").read_text()
    again = fermata("dashboard", bundle, "--export", out)
    assert again.error.endswith("[FILE_EXISTS]")


@pytest.mark.usefixtures("toy_keys")
def test_it_serves_and_says_where(bundle, monkeypatch):
    pages = []

    def looked(self, seconds):
        pages.append(self)
        self.stop()

    def emitted(as_json, data, text):
        with urllib.request.urlopen(data["url"], timeout=10) as answer:
            pages.append(answer.read())

    monkeypatch.setattr(command.Wake, "wait", looked)
    monkeypatch.setattr(command, "emit", emitted)
    answer = fermata("dashboard", bundle)
    assert answer.code == 0, answer.err
    assert b"<h1>Overview</h1>" in pages[0]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--address", "0.0.0.0:0"], "USAGE"),
        (["--address", "here"], "ADDRESS"),
        (["--charter-hash", "12"], "CHARTER_HASH"),
    ],
)
def test_what_cannot_be_is_one_line(bundle, words, reason):
    answer = fermata("dashboard", bundle, *words)
    assert answer.error.endswith(f"[{reason}]")


def test_a_bundle_of_too_short_a_key_is_refused(bundle):
    answer = fermata("dashboard", bundle)
    assert answer.error.endswith("(V1); see: fermata verify [BUNDLE_INVALID]")


@pytest.mark.usefixtures("toy_keys")
@pytest.mark.parametrize("words", [(), ("--export",)])
def test_a_bundle_that_is_invalid_is_not_shown(bundle, tmp_path, words):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / next(p for p in files() if p.startswith("sealed/"))).unlink()
    out = tmp_path / "site"
    answer = fermata("dashboard", copy, *words, *([out] if words else []))
    assert answer.error.endswith("(V6, V7); see: fermata verify [BUNDLE_INVALID]")
    assert (answer.code, answer.out, out.exists()) == (4, "", False)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    assert fermata("dashboard", tmp_path).error.endswith("[BUNDLE]")
