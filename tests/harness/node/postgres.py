"""A real PostgreSQL server for tests: in a temporary folder, with a socket there and no port."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
ABSENT = "PostgreSQL's server is not on this machine: make setup-services installs it"


def is_installed() -> bool:
    return bool(PROGRAMS) or shutil.which("initdb") is not None


def _program(name: str) -> str:
    return str(PROGRAMS[-1] / name) if PROGRAMS else name


@contextmanager
def server() -> Iterator[str]:
    """Gives the folder of the socket of a server whose user ``fermata`` needs no password."""
    # The path of a socket must be short. PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
        run = {"user": user, "cwd": folder, "check": True, "capture_output": True}
        data = ["-D", folder / "data"]
        subprocess.run([_program("initdb"), *data, "-U", "fermata", "-A", "trust", "-N"], **run)
        log = folder / "data" / "log"
        options = f"-k {folder} -h '' -c max_connections=40"
        start = [_program("pg_ctl"), *data, "-l", log, "-w", "-o", options, "start"]
        subprocess.run(start, **{**run, "capture_output": False, "stdout": subprocess.DEVNULL})
        try:
            yield name
        finally:
            subprocess.run([_program("pg_ctl"), *data, "-m", "immediate", "-w", "stop"], **run)


class Databases:
    """Hands out places for a store: schemas, which are made faster than databases."""

    def __init__(self, socket: str) -> None:
        self._server = f"postgresql://fermata@/postgres?host={socket}"
        self._count = 0

    def run(self, sql: str, url: str = "") -> list[tuple[object, ...]]:
        """Runs one statement as somebody else than the store."""
        import psycopg

        with psycopg.connect(url or self._server, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description is not None else []

    def new(self) -> str:
        """The URL of a schema that is empty."""
        self._count += 1
        name = f"store_{self._count}"
        self.run(f"CREATE SCHEMA {name}")
        return f"{self._server}&options=-csearch_path%3D{name}"
