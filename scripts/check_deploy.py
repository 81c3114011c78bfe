"""Checks the files of deploy/ with the tools that they are for.

Says of each tool what it found, or that it is not on this machine; with --strict a tool that is
missing fails the run. Nothing here needs a container engine or a cluster.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
#: systemd-analyze's scale: 0 is closed, 10 is open.
EXPOSURE_MAX = 1.5


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What is wrong, or nothing."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, check=False, capture_output=True, text=True
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr or f"exit {done.returncode}"


def containerfile() -> str:
    return run("hadolint", "--failure-threshold", "info", DEPLOY / "Containerfile")


def compose() -> str:
    return run("docker-compose", "-f", DEPLOY / "compose" / "compose.yaml", "config", "-q")


def kubernetes() -> str:
    files = sorted((DEPLOY / "kustomize").rglob("*.yaml"))
    return run(
        "kubernetes-validate", "--strict", *(f for f in files if f.name != "kustomization.yaml")
    )


def systemd() -> str:
    """Verifies copies in which the program is one that is here, and rates each service."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for unit in sorted((DEPLOY / "systemd").iterdir()):
            text = unit.read_text().replace("/opt/fermata/bin/fermata", "/bin/true")
            # A template is checked as one of its instances.
            (Path(folder) / unit.name.replace("@.", "@x.")).write_text(text)
        for unit in sorted(Path(folder).iterdir()):
            found.append(run("systemd-analyze", "verify", "--man=no", unit))
            if unit.suffix == ".service":
                found.append(_rating(unit))
    return "".join(found)


def _rating(unit: Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        check=False,
        capture_output=True,
        text=True,
    )
    level = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    if level is None:
        return done.stdout + done.stderr or f"{unit.name}: no rating\n"
    return "" if float(level[1]) <= EXPOSURE_MAX else f"{unit.name}: exposure {level[1]}\n"


def rules() -> str:
    folder = DEPLOY / "prometheus"
    checked = run("promtool", "check", "rules", *sorted(folder.glob("*.rules.yml")))
    tested = run("promtool", "test", "rules", *sorted(folder.glob("*.test.yml")), cwd=folder)
    return checked + tested


def scrape() -> str:
    """The demo's configuration, with the rules where its container has them."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(DEPLOY / "compose" / "prometheus.yml", folder)
        shutil.copytree(DEPLOY / "prometheus", Path(folder) / "rules")
        return run("promtool", "check", "config", Path(folder) / "prometheus.yml")


def routes() -> str:
    return run("amtool", "check-config", DEPLOY / "alertmanager" / "alertmanager.yml")


CHECKS: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("image", "hadolint", containerfile),
    ("compose", "docker-compose", compose),
    ("kustomize bases", "kubernetes-validate", kubernetes),
    ("systemd units", "systemd-analyze", systemd),
    ("alert rules and their tests", "promtool", rules),
    ("scrape configuration", "promtool", scrape),
    ("alert routes", "amtool", routes),
)


def main() -> int:
    """Returns 1 if something is wrong, or missing with --strict; 0 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strict", action="store_true", help="a missing tool is an error")
    strict = parser.parse_args().strict
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    wrong = missing = 0
    for what, tool, check in CHECKS:
        if shutil.which(tool) is None:
            missing += 1
            print(f"NOT CHECKED  {what}: {tool} is not on this machine")
            continue
        problem = check()
        wrong += bool(problem)
        print(f"{'WRONG' if problem else 'ok':<12} {what} ({tool})")
        if problem:
            print(problem, file=sys.stderr)
    print(f"{len(CHECKS) - wrong - missing} ok, {wrong} wrong, {missing} not checked")
    return 1 if wrong or (strict and missing) else 0


if __name__ == "__main__":
    raise SystemExit(main())
