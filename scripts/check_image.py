"""Builds the image of deploy/Containerfile with buildah, and starts it as it is meant to be run.

Without buildah on this machine it prints so and does nothing. It needs no container engine: each
program runs in a folder of its own (``--isolation chroot``), which also works inside a container.

The environment may have BASE (any image with Python, or the name of one that buildah has), INDEX
(an index of packages) and CA_FILE (a PEM file with an authority): see the Containerfile.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "localhost/fermata-check"
#: What runs in the image, and what its output must have.
PROBES = (
    (("fermata", "--version"), "fermata, version "),
    (("fermata", "keys", "identity", "/var/lib/fermata/identity.txt"), "age1"),
    (("fermata", "charter", "new", "/var/lib/fermata/charter.toml"), "wrote "),
    (("python3", "-c", "import os; print(os.getuid(), os.getgid())"), "65532 65532"),
    (("sh", "-c", "find / -xdev -type f -perm /6000 2>/dev/null | wc -l"), "0\n"),
    (("sh", "-c", "ls /opt; test ! -e /opt/authorities.pem && echo clean"), "clean"),
    (("python3", "/opt/fermata/probe.py", "http://127.0.0.1:9/-/healthy"), ""),
)
#: The probe of a node that does not run must fail.
FAILS = "/opt/fermata/probe.py"


def buildah(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs buildah over storage that needs no driver of the kernel's."""
    environment = os.environ | {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
    command = ["buildah", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    if check and done.returncode != 0:
        raise SystemExit(f"image-check: {' '.join(words[:2])} failed:\n{done.stdout}{done.stderr}")
    return done


def arguments() -> list[str]:
    """The build arguments that the environment asks for."""
    values = {name: os.environ.get(name, "") for name in ("BASE", "INDEX")}
    if file := os.environ.get("CA_FILE"):
        values["CA"] = Path(file).read_text()
    return [word for name, value in values.items() if value for word in build_arg(name, value)]


def build_arg(name: str, value: str) -> tuple[str, str]:
    return ("--build-arg", f"{name}={value}")


@contextmanager
def started() -> Iterator[str]:
    """A container of the image; removed at the end."""
    name = buildah("from", "--pull-never", IMAGE).stdout.strip()
    try:
        yield name
    finally:
        buildah("rm", name)


def check(container: str) -> list[str]:
    """What does not work in the image."""
    wrong = []
    for command, wanted in PROBES:
        done = buildah("run", container, "--", *command, check=False)
        is_failing = FAILS in command
        if (done.returncode != 0) != is_failing or wanted not in done.stdout:
            wrong.append(f"{' '.join(command)}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return wrong


def main() -> int:
    """Exit code 0 if the image works or cannot be tried here, otherwise 1."""
    if shutil.which("buildah") is None:
        print("image-check: skipped, since buildah is not on this machine (Debian: buildah)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        digest = Path(folder) / "id"
        file = str(ROOT / "deploy" / "Containerfile")
        buildah("build", "--iidfile", str(digest), *arguments(), "-f", file, "-t", IMAGE, str(ROOT))
        built = digest.read_text().strip()
    try:
        with started() as container:
            wrong = check(container)
    finally:
        buildah("rmi", IMAGE)
    for line in wrong:
        print(f"image-check: {line}", file=sys.stderr)
    print(f"image-check: {built[:19]}: {len(PROBES) - len(wrong)} of {len(PROBES)} probes are well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
