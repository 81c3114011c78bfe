"""Generates src/fermata/wire/v1 from proto/, or with --check compares it (docs/adr/0003)."""

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
WIRE = ROOT / "src" / "fermata" / "wire" / "v1"


def generate(out: Path) -> None:
    """Writes the messages, stubs and types of every .proto file under out."""
    sources = sorted(str(p) for p in (PROTO / "fermata" / "wire" / "v1").glob("*.proto"))
    well_known = str(resources.files("grpc_tools") / "_proto")
    services = [s for s in sources if s.endswith("_service.proto")]
    common = ["protoc", f"-I{PROTO}", f"-I{well_known}"]
    messages = [*common, f"--python_out={out}", f"--mypy_out={out}", *sources]
    stubs = [*common, f"--grpc_python_out={out}", f"--mypy_grpc_out={out}", *services]
    for arguments in (messages, stubs):
        if protoc.main(arguments) != 0:
            raise SystemExit("protoc failed; its message is above")


def main() -> int:
    """Returns the exit code: 1 when --check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = {p.name: p.read_bytes() for p in Path(folder).rglob("*_pb2*.py*")}
    kept = {p.name: p.read_bytes() for p in WIRE.glob("*_pb2*.py*")}
    if check:
        changed = sorted(n for n in fresh.keys() | kept.keys() if fresh.get(n) != kept.get(n))
        for name in changed:
            print(f"{name} differs from what proto/ generates; run make proto", file=sys.stderr)
        return 1 if changed else 0
    for name in kept.keys() - fresh.keys():
        (WIRE / name).unlink()
    for name, data in fresh.items():
        (WIRE / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
