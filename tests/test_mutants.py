"""The list of planted bugs fits the source; `make mutants` runs it, and here it is only read."""

from dataclasses import replace
from pathlib import Path

from harness.scripts import load_script

ROOT = Path(__file__).resolve().parent.parent


mutants = load_script("mutants")
EVERY = mutants.read_mutants()


def test_every_fragment_stands_once_in_its_file_and_every_test_file_is_there() -> None:
    assert list(mutants.faults(EVERY)) == []


def test_the_list_plants_bugs_in_every_part_of_the_rule_book_the_cryptography_and_the_log() -> None:
    assert len(EVERY) >= 50
    rules = " ".join(m.what for m in EVERY)
    for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13):
        assert f"F{number}." in rules
    for number in (*range(1, 11), 12):
        assert f"V{number}:" in rules
    files = " ".join(m.file for m in EVERY)
    for part in ("crypto/report/", "crypto/threshold/", "log/merkle", "log/checkpoint"):
        assert part in files


def test_a_fragment_that_is_not_there_once_is_a_fault() -> None:
    first = EVERY[0]
    for old, count in (("no such fragment", 0), ("def ", 12)):
        found = list(mutants.faults([replace(first, old=old)]))
        assert len(found) == 1
        assert "occurs" in found[0]
        assert (f"occurs {count} times" in found[0]) == (count == 0)


def test_a_mutant_that_changes_nothing_and_one_without_its_tests_are_faults() -> None:
    first = EVERY[0]
    assert list(mutants.faults([replace(first, new=first.old)])) == [
        f"{first.what}: changes nothing"
    ]
    missing = list(mutants.faults([replace(first, tests=("tests/test_nothing.py",))]))
    assert missing == [f"{first.what}: there is no tests/test_nothing.py"]


def test_two_mutants_of_one_name_are_a_fault() -> None:
    assert list(mutants.faults([EVERY[0], EVERY[0]])) == [
        f"{EVERY[0].what}: there are two mutants of this name"
    ]


def tree(tmp_path: Path, check: str) -> Path:
    """A tree of one module and one test, which looks at the check or does not."""
    (tmp_path / "src").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "src" / "rule.py").write_text(
        "def is_late(now: int) -> bool:\n    return now > 5\n"
    )
    (tmp_path / "tests" / "test_rule.py").write_text(
        f"from rule import is_late\n\n\ndef test_rule() -> None:\n    assert {check}\n"
    )
    return tmp_path


def planted(equivalent: str = "") -> object:
    return mutants.Mutant(
        what="late",
        file="src/rule.py",
        old="now > 5",
        new="now > 6",
        tests=("tests/test_rule.py",),
        equivalent=equivalent,
    )


def test_a_mutant_is_killed_by_a_test_that_notices_it_and_the_source_is_restored(
    tmp_path: Path,
) -> None:
    copy = tree(tmp_path, "is_late(6) and not is_late(5)")
    before = (copy / "src" / "rule.py").read_text()
    assert mutants.judge(planted(), copy) == "killed"
    assert mutants.judge(planted("nobody is late"), copy).startswith("killed, so")
    assert (copy / "src" / "rule.py").read_text() == before
    assert mutants.run_tests(copy, ("tests/test_rule.py",))[0] == 0


def test_a_mutant_that_no_test_notices_survives_unless_it_is_known_to_be_equivalent(
    tmp_path: Path,
) -> None:
    copy = tree(tmp_path, "not is_late(5)")
    assert mutants.judge(planted(), copy) == "survives"
    assert mutants.judge(planted("nobody is late"), copy) == "equivalent"


def test_a_mutant_that_does_not_run_is_broken_and_not_killed(tmp_path: Path) -> None:
    copy = tree(tmp_path, "is_late(6)")
    found = mutants.judge(replace(planted(), new="now >"), copy)  # type: ignore[type-var]
    assert found.startswith("broken")


def test_tests_that_do_not_end_in_time_have_failed(tmp_path: Path) -> None:
    copy = tree(tmp_path, "is_late(6) and not __import__('time').sleep(60)")
    code, output = mutants.run_tests(copy, ("tests/test_rule.py",), seconds_max=1)
    assert (code, output) == (1, "the tests do not end")
