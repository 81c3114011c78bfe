"""The lint of prose: what it refuses, where it looks, and that the documents have none of it."""

from pathlib import Path

import pytest

from harness.scripts import load_script

ROOT = Path(__file__).resolve().parent.parent


check_prose = load_script("check_prose")

BAD = [
    "5 bytes where 768 are due",
    "the hash has not 32 bytes",
    "they have not the key",
    "it is no token",
    "these are no labs",
    "Mend the file",
    "it was mended",
    "say it anew",
    "as dear as an encryption",
    "it is as good as new",
    "Returns beta.",
    "what is told of the pause",
    "one row a result",
    "a page a round",
    "It holds. Else it is refused.",
]
GOOD = [
    "the proof must have 768 bytes, got 5",
    "the hash must have 32 bytes, got 5",
    "it has not been sent",
    "it is not a token",
    "there is no token",
    "where there are no labs",
    "it is no longer there, and no larger",
    "that is no reason to stop",
    "fix the file",
    "amend the charter, recommended",
    "say it again",
    "as good as another",
    "Returns beta, a scalar from 1 to q - 1.",
    "what the node tells its owner",
    "one row per result",
    "one for a round, and a part of a report",
    "in a round a lab is refused",
    "or else it is refused",
]


def test_every_pattern_has_an_example_that_only_it_finds() -> None:
    found = {
        i for text in BAD for i, p in enumerate(check_prose.PATTERNS) if p.expression.search(text)
    }
    assert found == set(range(len(check_prose.PATTERNS)))


@pytest.mark.parametrize("text", BAD)
def test_a_refused_phrase_is_found_in_a_document_a_docstring_and_a_message(text: str) -> None:
    assert len(list(check_prose.hits_in_document("a.md", f"# A\n\n* {text}\n"))) == 1
    assert len(list(check_prose.hits_in_source("a.py", f'def f():\n    """{text}"""\n'))) == 1
    assert len(list(check_prose.hits_in_source("a.py", f'raise Error("CODE", "{text}")\n'))) == 1


@pytest.mark.parametrize("text", GOOD)
def test_plain_english_is_not_found(text: str) -> None:
    assert list(check_prose.hits_in_document("a.md", f"# A\n\n* {text}\n")) == []
    assert list(check_prose.hits_in_source("a.py", f'"""{text}"""\n')) == []


@pytest.mark.parametrize(
    "source",
    [
        '"""A module that is no module."""\n',
        'class A:\n    """A class\n    that is no class."""\n',
        'async def f():\n    """It is no function."""\n',
        'raise E("C", f"{x}: is no {y}")\n',
        'raise E("C", message="it is " "no word") from None\n',
        'raise E("C", "it is a word" if x else "it is no word")\n',
        'raise E("C", g("it is no word"))\n',
    ],
)
def test_docstrings_and_messages_of_every_form_are_read(source: str) -> None:
    assert len(list(check_prose.hits_in_source("a.py", source))) == 1


def test_an_insertion_stands_for_a_word() -> None:
    source = 'raise E("C", f"{what}: {len(data)} bytes where {width} are due")\n'
    (hit,) = check_prose.hits_in_source("a.py", source)
    assert hit.text == "where {} are due"


@pytest.mark.parametrize("source", ['x = "is no word"\n', "# is no word\n", 'f("is no word")\n'])
def test_other_strings_and_comments_of_the_source_are_left_out(source: str) -> None:
    assert list(check_prose.hits_in_source("a.py", source)) == []


@pytest.mark.parametrize(
    "text", ["Say `it is no token` not.\n", "```\nit is no token\n```\n", "it is\n\nno token\n"]
)
def test_code_is_left_out_and_a_phrase_ends_with_its_paragraph(text: str) -> None:
    assert list(check_prose.hits_in_document("a.md", text)) == []


def test_a_phrase_over_two_lines_is_found_where_it_begins() -> None:
    (hit,) = check_prose.hits_in_document(
        "a.md", "# A\n\nOne.\n```\ncode\n```\nThis is\n  no token.\n"
    )
    assert (hit.line, hit.text) == (7, "is no t")
    (hit,) = check_prose.hits_in_source("a.py", '"""One.\n\n    This is\n    no token.\n"""\n')
    assert hit.line == 3


def test_the_tree_is_read_from_its_root_and_generated_code_is_not(tmp_path: Path) -> None:
    for name in ("README.md", "docs/a/b.md", "src/fermata/a.py", "src/fermata/wire/v1/a_pb2.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('"""It is no word."""\n')
    assert [hit.path for hit in check_prose.find(tmp_path, ["docs"])] == [
        "README.md",
        "docs/a/b.md",
    ]
    assert [hit.path for hit in check_prose.find(tmp_path, ["src"])] == ["src/fermata/a.py"]
    assert len(check_prose.find(tmp_path, ["src/fermata/a.py"])) == 1


def test_the_documents_have_none_of_the_refused_phrases() -> None:
    assert check_prose.find(ROOT, ["docs"]) == []


def test_a_folder_without_python_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_prose.find(tmp_path, ["source"])
