"""Lists every reason that the code can give, by class; --write puts it into docs/spec/errors.md.

tests/test_docs.py checks that the document has exactly this list.
"""

import argparse
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "spec" / "errors.md"
HEADING = "## 5. All reasons"
CLASSES = (
    "InvalidEncoding",
    "InvalidSignature",
    "InvalidProof",
    "Refusal",
    "Misbehaviour",
    "IdentityError",
    "TransportError",
    "StorageError",
    "ConfigError",
)
_RAISED = re.compile(rf"\b({'|'.join(CLASSES)})\(\s*\"([A-Z][A-Z0-9_]+)\"")
#: A class of its own for a reason; and a function of the file that raises what it is given.
_DERIVED = re.compile(
    rf"^class \w+\(({'|'.join(CLASSES)})\):(?:(?!^class ).)*?__init__\(\"([A-Z][A-Z0-9_]+)\"",
    re.MULTILINE | re.DOTALL,
)
#: In a key generation a fault is found first, and then said whose it is.
_FAULTS = re.compile(r"\b(?:Fault|culprit)\((?:[^()\"]*, )?\"(KEYGEN_[A-Z_]+)\"")
_REFUSED = re.compile(r"\b_refuse\(\s*\"([A-Z][A-Z0-9_]+)\"")
_REFUSES = re.compile(
    rf"^def _refuse\(.*?^    raise ({'|'.join(CLASSES)})\(", re.MULTILINE | re.DOTALL
)


def listing() -> str:
    """The section: a heading and one row a class."""
    found: dict[str, set[str]] = {name: set() for name in CLASSES}
    for path in sorted((ROOT / "src" / "fermata").rglob("*.py")):
        if "v1" in path.parts or "sim" in path.parts:
            continue
        text = path.read_text()
        for name, reason in (*_RAISED.findall(text), *_DERIVED.findall(text)):
            found[name].add(reason)
        found["Misbehaviour"].update(_FAULTS.findall(text))
        for name in _REFUSES.findall(text):
            found[name].update(_REFUSED.findall(text))
    rows = [f"| {name} | {' '.join(f'`{r}`' for r in sorted(found[name]))} |" for name in CLASSES]
    return "\n".join([HEADING, "", "| class | reasons |", "|---|---|", *rows, ""])


def main() -> None:
    """Prints the section, or writes it at the document's end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    if not parser.parse_args().write:
        print(listing())
        return
    text = DOCUMENT.read_text().split(HEADING)[0].rstrip() + "\n\n" + listing()
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
