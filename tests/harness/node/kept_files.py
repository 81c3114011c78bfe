"""The operator's guide, as to which files a node's data folder has: whoever runs nodes checks it.

Every deployment in processes, and every one of nodes in threads, is looked at when its nodes end.
So a role that some test plays is looked at, whatever files it writes.
"""

import functools
import re
from fnmatch import fnmatchcase
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "operator.md"
#: Of a write that was killed; the next start of the node removes it.
LEFT_OVER = ".fermata-*"


def tables() -> list[list[tuple[str, str]]]:
    """The tables of the section "What a node keeps": names in code marks, and how long, by row."""
    section = GUIDE.read_text().partition("## What a node keeps, and for how long\n")[2]
    lines = section.partition("\n## ")[0].splitlines()
    made: list[list[tuple[str, str]]] = []
    for before, line in zip(["", *lines], lines, strict=False):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != 5:
            continue
        if not before.startswith("|"):
            # The first row of a table has its titles.
            made.append([])
            continue
        made[-1] += [(name, cells[3]) for name in re.findall(r"`([^`]+)`", cells[1])]
    return made


@functools.cache
def known() -> tuple[str, ...]:
    """Patterns of the files that a data folder has, by the guide."""
    return tuple(name for name, _ in tables()[1])


def strangers(data: Path) -> list[str]:
    """The files below a data folder that the guide does not tell of."""
    files = (path.relative_to(data) for path in data.rglob("*") if not path.is_dir())
    return sorted(
        path.as_posix()
        for path in files
        if not fnmatchcase(path.name, LEFT_OVER)
        and not any(fnmatchcase(path.as_posix(), pattern) for pattern in known())
    )


def check_kept(*nodes: Path) -> None:
    """Looks at the data folders of nodes, each in the folder of its node; some may have none."""
    told = {str(node): strangers(node / "data") for node in nodes if (node / "data").is_dir()}
    unknown = {node: names for node, names in told.items() if names}
    assert not unknown, f"files that the operator's guide does not name: {unknown}"
