"""A bundle that was changed, cut or padded on disk never verifies, and the place is named."""

import random
import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.e2e.finished_run import Finished
from harness.e2e.fleet import run_cli

Done = subprocess.CompletedProcess[str]
SEALED = "sealed/*.bin"
#: A file of each kind in a bundle, and the check that its damage must fail.
KINDS = {
    "bundle.json": 3,
    "charter.toml": 1,
    "checkpoint": 3,
    "witnesses": 3,
    "tile/0/*.p/*": 3,
    "tile/entries/*.p/*": 3,
    SEALED: 6,
}
TOO_MANY = ("notes.txt", "sealed/0.bin", "tile/1/000", ".hidden")


def file_of(bundle: Path, kind: str) -> Path:
    return sorted(bundle.glob(kind))[0]


def flip(kind: str) -> Callable[[Path], Path]:
    def change(bundle: Path) -> Path:
        path, dice = file_of(bundle, kind), random.Random(f"flip {kind}")
        data = bytearray(path.read_bytes())
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        path.write_bytes(data)
        return path

    return change


def remove(kind: str) -> Callable[[Path], Path]:
    def change(bundle: Path) -> Path:
        path = file_of(bundle, kind)
        path.unlink()
        return path

    return change


def add(name: str) -> Callable[[Path], Path]:
    def change(bundle: Path) -> Path:
        path = bundle / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        return path

    return change


def link(bundle: Path) -> Path:
    path = file_of(bundle, SEALED)
    path.rename(bundle.with_suffix(".away"))
    path.symlink_to(bundle.with_suffix(".away"))
    return path


CHANGES: dict[str, Callable[[Path], Path]] = {
    **{f"flip {kind}": flip(kind) for kind in KINDS},
    **{f"remove {kind}": remove(kind) for kind in KINDS},
    **{f"add {name}": add(name) for name in TOO_MANY},
    "link": link,
}


@pytest.fixture(scope="module")
def damaged(finished: Finished, tmp_path_factory) -> dict[str, tuple[str, Done]]:
    """For each change: the path of the file, and what ``fermata verify`` said; two at a time."""
    folder = tmp_path_factory.mktemp("damaged")

    def verify(item: tuple[int, Callable[[Path], Path]]) -> tuple[str, Done]:
        number, change = item
        bundle = Path(shutil.copytree(finished.bundle, folder / f"bundle-{number}"))
        path = change(bundle)
        return str(path.relative_to(bundle)), run_cli("verify", bundle)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(CHANGES, pool.map(verify, enumerate(CHANGES.values())), strict=True))


def failed_checks(output: str) -> set[int]:
    return {int(number) for number in re.findall(r"^V(\d) +FAILED", output, re.MULTILINE)}


def check_invalid(done: Done, check: int) -> None:
    assert done.returncode == 1, done.stdout
    assert done.stderr == ""
    assert check in failed_checks(done.stdout), done.stdout
    assert done.stdout.endswith("INVALID\n")


#: Without these, or with a bit of the marker turned over, it is not a bundle that can be judged.
UNREADABLE = {"flip bundle.json", "remove bundle.json", "remove checkpoint"}


@pytest.mark.parametrize("change", sorted(UNREADABLE))
def test_what_is_no_bundle_is_refused_by_one_line_and_not_called_invalid(damaged, change):
    path, done = damaged[change]
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert path in done.stderr


@pytest.mark.parametrize("kind", [k for k in KINDS if f"flip {k}" not in UNREADABLE])
def test_one_flipped_bit_is_found_and_its_place_is_named(damaged, kind):
    path, done = damaged[f"flip {kind}"]
    check_invalid(done, KINDS[kind])
    assert path in done.stdout or re.search(r"entry \d", done.stdout), done.stdout


@pytest.mark.parametrize("kind", [k for k in KINDS if f"remove {k}" not in UNREADABLE])
def test_a_missing_file_is_found_and_named(damaged, kind):
    path, done = damaged[f"remove {kind}"]
    check_invalid(done, KINDS[kind])
    assert path in done.stdout


@pytest.mark.parametrize("name", TOO_MANY)
def test_a_file_too_many_is_found_and_named(damaged, name):
    path, done = damaged[f"add {name}"]
    check_invalid(done, 3)
    assert path in done.stdout


def test_a_link_out_of_the_bundle_is_not_followed(damaged):
    path, done = damaged["link"]
    assert done.returncode == 2
    assert path in done.stderr
    assert done.stderr.endswith("[BUNDLE]\n")


def test_only_the_charter_that_was_asked_for_verifies(finished):
    right = finished.charter_hash
    assert run_cli("verify", finished.bundle, "--charter-hash", right).returncode == 0
    wrong = f"{int(right[0], 16) ^ 1:x}{right[1:]}"
    done = run_cli("verify", finished.bundle, "--charter-hash", wrong)
    check_invalid(done, 1)
    assert "CHARTER_HASH" in done.stdout


def test_a_charter_hash_that_is_none_is_a_usage_error(finished):
    for wrong in ("", "x" * 64):
        done = run_cli("verify", finished.bundle, "--charter-hash", wrong)
        assert done.returncode == 2
        assert done.stderr.startswith("fermata: charter hash")
        assert done.stdout == ""


def test_what_is_no_bundle_at_all_is_told_apart_from_a_bad_one(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    for folder in ("missing", "empty", "other"):
        done = run_cli("verify", tmp_path / folder)
        assert done.returncode == 2, folder
        assert done.stderr.endswith("[BUNDLE]\n")
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""
