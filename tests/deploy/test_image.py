"""The image: what its build takes, what stays out of it, and where it cannot be built."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def stages():
    text = (ROOT / "deploy" / "Containerfile").read_text()
    _, build, image = text.split("\nFROM ")
    return build, image


def test_the_build_takes_an_index_and_an_authority_and_the_image_has_neither():
    build, image = stages()
    for argument in ("INDEX", "CA"):
        assert f'\nARG {argument}=""\n' in build
        assert "{" + argument + "}" not in image
    assert "settings" not in image
    copied = [line.split()[2] for line in image.splitlines() if line.startswith("COPY --from=")]
    assert copied == ["/opt/fermata"]


def test_whatever_the_index_the_packages_are_those_of_the_lock():
    build, _ = stages()
    assert "uv export --frozen" in build
    assert "uv pip install --require-hashes" in build


def test_without_buildah_the_check_says_that_it_is_skipped(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "check_image.py")],
        env=os.environ | {"PATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("image-check: skipped, since buildah is not on this machine")
