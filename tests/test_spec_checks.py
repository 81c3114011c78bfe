"""The checks of the specification and the code that makes them: the same reasons, either way."""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from fermata.cli.read.log import OWN_FAULT
from fermata.errors import ConfigError
from fermata.protocol.verify.check_texts import TITLES
from harness.scripts import load_script

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "fermata"


spec_index = load_script("spec_index")
REASONS: dict[str, frozenset[str]] = spec_index.reasons_of_checks(ROOT)
_NUMBER = spec_index._NUMBER
#: A comment that says at its beginning which checks come next.
BEGINS = re.compile(rf"# ({_NUMBER}(?:(?:, | to | and ){_NUMBER})*)")
#: The classes of errors that carry a reason.
CLASSES = frozenset(re.findall(r"^class (\w+)", (SRC / "errors.py").read_text(), re.MULTILINE))
VERIFIER = (ROOT / "docs" / "spec" / "verifier.md").read_text()
VERDICTS = [row for row in spec_index.tables(VERIFIER) if "exit code" in row]


def refusals(path: Path) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Each refusal of a file: its line, its reason, and the checks that the comment above it cites.

    That comment is the nearest one in the function, before the refusal or on one of its lines, that
    cites a check which has reasons; there may be none.
    """
    text = path.read_text()
    cited: dict[int, tuple[str, ...]] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            numbers = tuple(n for n in spec_index.expand(token.string) if n in REASONS)
            if numbers:
                cited[token.start[0]] = numbers
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            first = call.args[0] if call.args else None
            is_error = name == "_refuse" or name in CLASSES
            if is_error and isinstance(first, ast.Constant) and isinstance(first.value, str):
                last = call.end_lineno or call.lineno
                above = [line for line in cited if function.lineno <= line <= last]
                yield call.lineno, first.value, cited[max(above)] if above else ()


@functools.cache
def every_refusal() -> tuple[tuple[str, int, str, tuple[str, ...]], ...]:
    """The refusals of the whole source, each after the name of its file."""
    return tuple(
        (path.relative_to(SRC).as_posix(), *refusal)
        for path in sorted(SRC.rglob("*.py"))
        if not {"sim", "v1"} & set(path.parts)
        for refusal in refusals(path)
    )


def checks_in_order(path: Path) -> Iterator[tuple[str, str, list[int]]]:
    """By function and rule, the checks that its comments begin with, from above to below.

    A comment over a loop, which says what is checked of each thing in turn, is left out.
    """
    text = path.read_text()
    begun = [
        (token.start[0], spec_index.expand(match[1]))
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
        and (match := BEGINS.match(token.string))
        and not token.string.endswith("in turn.")
    ]
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef):
            continue
        places: dict[str, list[int]] = {}
        for line, numbers in begun:
            if function.lineno <= line <= (function.end_lineno or 0):
                cited: dict[str, set[int]] = {}
                for stem, _, part in (number.partition(".") for number in numbers):
                    cited.setdefault(stem, set()).add(int(part or 0))
                for stem, parts in cited.items():
                    places.setdefault(stem, []).extend(sorted(parts))
        for stem, parts_in_order in places.items():
            yield function.name, stem, parts_in_order


def test_the_checks_of_a_rule_stand_in_their_order_in_each_function() -> None:
    every = [
        (path.relative_to(SRC).as_posix(), *rule)
        for path in sorted(SRC.rglob("*.py"))
        if "v1" not in path.parts
        for rule in checks_in_order(path)
    ]
    assert len(every) > 100
    assert [rule for rule in every if rule[3] != sorted(rule[3])] == []


def test_checks_that_are_exchanged_in_the_code_are_found(tmp_path: Path) -> None:
    page = tmp_path / "code.py"
    page.write_text(
        "def check():\n    # F5.5: late.\n    a()\n    b()  # F5.4: out, unlike F5.9.\n"
    )
    assert list(checks_in_order(page)) == [("check", "F5", [5, 4])]


def test_a_refusal_under_the_comment_of_a_check_has_the_reason_of_that_check() -> None:
    wrong = [
        f"{path}:{line}: {reason} stands under {', '.join(numbers)}"
        for path, line, reason, numbers in every_refusal()
        if numbers and not any(reason in REASONS[number] for number in numbers)
    ]
    assert wrong == []


def test_a_check_that_refuses_where_it_is_cited_gives_each_of_its_reasons_there() -> None:
    given: dict[str, set[str]] = {}
    for _, _, reason, numbers in every_refusal():
        for number in numbers:
            given.setdefault(number, set()).add(reason)
    # Many other checks are made by a function that is called under their number.
    assert len(given) > 250
    missing = {n: REASONS[n] - given[n] for n in given if REASONS[n] - given[n]}
    assert missing == {}


def test_a_refusal_of_another_reason_than_its_checks_is_found(tmp_path: Path) -> None:
    page = tmp_path / "code.py"
    page.write_text(
        "def check():\n    # F5.5: late.\n    if late:\n        raise Refusal('LATE', 'x')\n"
        "    raise Refusal('TIER', 'x')\n"
    )
    assert sorted(refusals(page)) == [(4, "LATE", ("F5.5",)), (5, "TIER", ("F5.5",))]


@pytest.mark.parametrize("row", [r for r in VERDICTS if spec_index.expand(next(iter(r.values())))])
def test_the_reasons_of_a_verdict_are_those_of_the_checks_that_it_names(row) -> None:
    numbers = spec_index.expand(row["where the reason stood"])
    due = sorted(frozenset().union(*(REASONS[number] for number in numbers)))
    assert row["reasons"] == " ".join(f"`{reason}`" for reason in due)


def test_every_check_of_the_verifier_that_has_reasons_ends_with_exit_code_1() -> None:
    failing = {row["fails"]: row["exit code"] for row in VERDICTS if row["fails"].startswith("V")}
    assert failing == {f"V{n}": "1" for n in TITLES if n not in (7, 8, 10, 12)}


def test_the_other_exit_codes_are_those_of_the_classes_that_the_code_raises() -> None:
    codes = {row["where the reason stood"]: row["exit code"] for row in VERDICTS}
    raised = {name: set() for name in ("node/storage/bundle_files.py", "protocol/verify/bundle.py")}
    for path, _, reason, _ in every_refusal():
        if path in raised:
            raised[path].add(reason)
    assert set().union(*raised.values()) - {"NO_SEALED"} == {"BUNDLE", "BUNDLE_NEWER"}
    of_folder = next(code for where, code in codes.items() if "B1.1" in where)
    assert of_folder == codes["the command line"] == str(ConfigError("BUNDLE", "").exit_code)
    assert codes["a fault of the verifier itself"] == str(OWN_FAULT)
