"""Every file of tests/vectors is what its generator makes."""

import subprocess
import sys

import pytest

from harness.crypto.keys import VECTORS
from harness.scripts import SCRIPTS, load_script

GENERATORS: dict[str, str] = load_script("make_vectors").GENERATORS


@pytest.mark.parametrize("name", GENERATORS)
def test_vectors_are_what_their_generator_makes(name: str) -> None:
    command = [sys.executable, SCRIPTS / "make_vectors.py", "--check", name]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_generator_of_the_folder_is_in_the_list() -> None:
    listed = {SCRIPTS / name for name in GENERATORS.values()}
    assert listed == {*SCRIPTS.glob("vectors/make_*.py"), *SCRIPTS.glob("make_*_vectors.py")}
    assert VECTORS.is_dir()
