"""The guides' blocks: which ones nothing runs, and how their comments are read."""

import pytest

from harness.guides import GUIDES, all_guides, blocks_in, blocks_of

#: Every block of a guide that no test runs; tests/e2e/test_guides.py runs the others. A guide may
#: not grow one by itself.
OFFLINE = "runs them, with a share that is not on its node"
NOT_RUN = [
    ("auditor", "fermata auditor", f"tests/e2e/test_drills.py {OFFLINE}"),
    ("auditor", "fermata auditor", f"tests/e2e/test_offline.py {OFFLINE}"),
    ("operator", "apt-get install", "installs packages and makes users as root"),
    (
        "operator",
        "cp deploy/systemd/fermata-lab@.service",
        "needs systemd; `make deploy-check` checks the units",
    ),
    (
        "operator",
        "podman build",
        "needs podman and docker; `make deploy-check` checks the files",
    ),
]


def test_only_these_blocks_of_the_guides_are_not_run() -> None:
    blocks = [block for guide in all_guides() for block in blocks_of(guide) if block.not_run]
    found = [(b.guide, " ".join(b.text.split()[:2]), b.not_run) for b in blocks]
    assert sorted(found) == NOT_RUN
    assert {block.kind for block in blocks} == {"console"}


def test_every_guide_but_those_for_reading_has_blocks_that_run() -> None:
    still = [g for g in all_guides() if not any(b.is_followed for b in blocks_of(g))]
    assert still == ["demo", "regulator"]


def test_a_reader_replaces_what_the_comment_names_and_nothing_else() -> None:
    page = (
        "text\n  <!-- yours: HOST:PORT, lab-1 -->\n  ```console\n  a HOST:PORT lab-1 lab-2\n  ```\n"
    )
    (block,) = blocks_in("page", page)
    assert (
        block.filled_in({"HOST:PORT": "lab-1", "lab-1": "b", "lab-2": "c"}) == "a lab-1 b lab-2\n"
    )
    with pytest.raises(AssertionError, match="no value"):
        block.filled_in({"HOST:PORT": "lab-1"})


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("<!-- yours: HEX -->", "must be in the block"),
        ("<!-- skip: no time -->", "must be one of yours"),
        ("<!-- not run -->", "must be <!-- WORD: TEXT -->"),
    ],
)
def test_a_comment_that_says_nothing_of_its_block_is_refused(comment: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        blocks_in("page", f"{comment}\n```console\nfermata --version\n```\n")


def test_all_console_blocks_of_a_page_are_found() -> None:
    for guide in all_guides():
        page = (GUIDES / f"{guide}.md").read_text()
        assert page.count("```console") == sum(b.kind == "console" for b in blocks_of(guide))
