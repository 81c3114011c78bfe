"""Makes tests/vectors, or compares it with what the code makes.

    python scripts/make_vectors.py [--check] [NAME ...]

Without a name, all generators run, one after the other. ``--check`` writes nothing and fails on a
difference. docs/spec/vectors.md describes the files.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parent
#: Some read what an earlier one has written.
GENERATORS = {
    "opening": "make_opening_vectors.py",
    "report-proof": "make_proof_vectors.py",
    "bytes": "vectors/make_byte_vectors.py",
    "signatures": "vectors/make_signature_vectors.py",
    "modulus-proof": "vectors/make_modulus_vectors.py",
    "drills": "vectors/make_drill_vectors.py",
    "epochs": "vectors/make_epoch_vectors.py",
    "succession": "vectors/make_succession_vectors.py",
    "factor-proof": "vectors/make_factor_vectors.py",
    "bundles": "vectors/make_bundle_vectors.py",
    "value-opening": "vectors/make_value_vectors.py",
    "charters": "vectors/make_charter_vectors.py",
    "statistics": "vectors/make_statistics_vectors.py",
    "rules": "vectors/make_rule_vectors.py",
    "joining": "vectors/make_joining_vectors.py",
    "fold": "make_fold_vectors.py",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(GENERATORS))
    options = parser.parse_args()
    if unknown := set(options.names) - set(GENERATORS):
        parser.error(f"no generator is called {', '.join(sorted(unknown))}")
    folders = (str(SCRIPTS.parent / "tests"), str(SCRIPTS))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    stale = []
    for name in options.names or GENERATORS:
        command = [sys.executable, str(SCRIPTS / GENERATORS[name]), *["--check"] * options.check]
        if subprocess.run(command, env=environment).returncode != 0:
            stale.append(name)
    if stale:
        sys.exit(f"vectors: failed: {', '.join(stale)}")


if __name__ == "__main__":
    main()
