"""Checks that links inside the project lead somewhere: to a file, and to an anchor in it.

Without --pages it reads the Markdown documents, as a git host shows them; with --pages FOLDER the
pages that `make site` has built. Links to other sites are not followed.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("*.md", "docs/**/*.md", "tests/**/*.md")
#: What a git host leaves out of a heading's anchor.
NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")
#: Attributes of HTML that name another file.
LINKS = {"a": "href", "link": "href", "img": "src", "script": "src", "iframe": "src"}


class Page(HTMLParser):
    """The links and the anchors of a page, or of the HTML inside a document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        for name, value in attrs:
            if value and name in ("id", "name"):
                self.anchors.add(value)
            if value and LINKS.get(tag) == name:
                self.links.append(value)


@cache
def page_of(path: Path) -> Page:
    return Page(path.read_text())


def tokens_in(tokens: Iterable[Token]) -> Iterator[Token]:
    """All tokens of a document, those inside lines of text too."""
    for token in tokens:
        yield token
        yield from tokens_in(token.children or ())


@cache
def document_of(path: Path) -> Page:
    """The links and the anchors of a Markdown document, as git hosts make them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text())
    found = Page("".join(t.content for t in tokens_in(tokens) if t.type.startswith("html_")))
    for token in tokens_in(tokens):
        target = token.attrs.get("href") or token.attrs.get("src")
        if target:
            found.links.append(str(target))
    seen: Counter[str] = Counter()
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            text = "".join(t.content for t in token.children or ())
            anchor = NOT_IN_ANCHOR.sub("", text.strip().lower()).replace(" ", "-")
            found.anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
            seen[anchor] += 1
    return found


def problem_of(link: str, source: Path, root: Path) -> str | None:
    """What is wrong with a link of a file below ``root``, or None."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    target = (source.parent / unquote(parts.path)).resolve() if parts.path else source
    if not target.is_relative_to(root):
        return "leads out of the project"
    if not target.exists():
        return "there is no such file"
    if target.is_dir():
        return "is a folder, which has no page: link a file in it, such as its README.md"
    anchor = unquote(parts.fragment)
    if not anchor or target.suffix not in (".md", ".html"):
        return None
    read = document_of if target.suffix == ".md" else page_of
    return None if anchor in read(target).anchors else f"{target.name} has no anchor {anchor!r}"


def problems_in(root: Path, files: Iterable[Path]) -> tuple[int, list[str]]:
    """How many links the files below ``root`` have, and a line for each that is dead."""
    count, problems = 0, []
    for file in files:
        read = document_of if file.suffix == ".md" else page_of
        for link in read(file).links:
            count += 1
            problem = problem_of(link, file, root)
            if problem is not None:
                problems.append(f"{file.relative_to(root)}: {link}: {problem}")
    return count, problems


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 if a link is dead or there is none at all, 0 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=Path, help="folder of built pages")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the documents")
    options = parser.parse_args(arguments)
    root = (options.pages or options.root).resolve()
    patterns = ("**/*.html",) if options.pages else DOCUMENTS
    files = sorted({file for pattern in patterns for file in root.glob(pattern)})
    count, problems = problems_in(root, files)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{count} links in {len(files)} {'pages' if options.pages else 'documents'},"
          f" {len(problems)} dead")  # fmt: skip
    return 1 if problems or not count else 0


if __name__ == "__main__":
    raise SystemExit(main())
