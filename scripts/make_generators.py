"""Hashes the generators of report proofs into their data file, or checks it (--check)."""

import argparse
import hashlib
import sys
from pathlib import Path

from fermata.crypto.group import GENERATOR_FILE, GENERATOR_FILE_SHA256, generator_file_bytes

FILE = Path(__file__).resolve().parent.parent / "src" / "fermata" / "crypto" / GENERATOR_FILE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    data = generator_file_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if check and FILE.read_bytes() != data:
        sys.exit(f"{FILE.name} differs from what this script makes")
    if not check:
        FILE.write_bytes(data)
    if digest != GENERATOR_FILE_SHA256:
        sys.exit(f"pin this digest in fermata/crypto/group.py: {digest}")


if __name__ == "__main__":
    main()
