"""Vectors that are another one with some values replaced."""

import json
from typing import Any

from harness.crypto.keys import VECTORS


def changed_vector(name: str, of: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The vector of a file that replaces values of ``of``, and how it is refused, if it is."""
    found = json.loads((VECTORS / name).read_text())
    assert found["of"] == of
    vector = json.loads((VECTORS / of).read_text())
    if "case" in found:
        vector = vector["cases"][found["case"]]
    for change in found["changes"]:
        *path, last = change["replace"]
        place = vector
        for step in path:
            place = place[step]
        assert place[last] != change["by"]
        place[last] = change["by"]
    return vector, found["refused"]
