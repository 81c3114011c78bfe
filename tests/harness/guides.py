"""Reads the guides of docs/guides as a person does who types what they say.

Directly above a block stand comments that a reader of the page does not see:

* ``<!-- yours: A, B -->``: what a reader replaces in the block. Nothing else is replaced.
* ``<!-- file: NAME -->``: the reader writes the block into this file; ``added to`` appends it.
* ``<!-- not run: REASON -->``: the block needs what a test does not have.

Every ``console`` block runs unless it is ``not run``. So does every ``python`` block.
"""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
MARKS = ("yours", "file", "added to", "not run")
_BLOCK = re.compile(
    r"(?P<marks>(?:^[ ]*<!--[^\n]*-->\n)*)^(?P<indent>[ ]*)```(?P<kind>[a-z]+)\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"^ *<!-- ([a-z ]+): (.+) -->$")


@dataclass(frozen=True)
class Block:
    """One fenced block of a guide, and what the comments above it say."""

    guide: str
    kind: str
    text: str
    yours: tuple[str, ...] = ()
    file: str = ""
    added_to: str = ""
    not_run: str = ""

    @property
    def is_followed(self) -> bool:
        """Whether a reader does something with the block, rather than just read it."""
        is_run = self.kind in ("console", "python") and not self.not_run
        return bool(is_run or self.file or self.added_to)

    def filled_in(self, values: Mapping[str, str]) -> str:
        """The block with the reader's own values, each of which must be there."""
        missing = [word for word in self.yours if word not in values]
        assert not missing, f"{self.guide}: the test has no value for {missing} of\n{self.text}"
        if not self.yours:
            return self.text
        words = sorted(self.yours, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, words)), lambda m: values[m[0]], self.text)


def blocks_in(guide: str, page: str) -> list[Block]:
    """All fenced blocks of a page that name their language, in order."""
    blocks = []
    for found in _BLOCK.finditer(page):
        marks: dict[str, str] = {}
        for line in found["marks"].splitlines():
            mark = _MARK.match(line)
            assert mark, f"{guide}: {line.strip()} must be <!-- WORD: TEXT -->"
            assert mark[1] in MARKS, f"{guide}: {mark[1]!r} must be one of {', '.join(MARKS)}"
            marks[mark[1]] = mark[2]
        text = textwrap.dedent(found["text"])
        yours = tuple(marks.get("yours", "").split(", ")) if "yours" in marks else ()
        absent = [word for word in yours if word not in text]
        assert not absent, f"{guide}: {absent} must be in the block below the comment:\n{text}"
        file, added_to = marks.get("file", ""), marks.get("added to", "")
        block = Block(guide, found["kind"], text, yours, file, added_to, marks.get("not run", ""))
        blocks.append(block)
    return blocks


def blocks_of(guide: str) -> list[Block]:
    """All fenced blocks of a guide of docs/guides, in order."""
    return blocks_in(guide, (GUIDES / f"{guide}.md").read_text())


def followed_in(guide: str) -> list[Block]:
    """The blocks of a guide with which a reader does something, in order."""
    return [block for block in blocks_of(guide) if block.is_followed]


def all_guides() -> list[str]:
    return sorted(path.stem for path in GUIDES.glob("*.md"))
