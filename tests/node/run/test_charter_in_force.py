"""What running nodes take from the charter: each key in one row, and nothing kept (G20, G21)."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import inspect

from fermata.protocol.charter.parse import CharterText
from harness.scripts import load_script

ROOT = Path(__file__).parents[3]
SPEC = ROOT / "docs" / "spec" / "governance.md"
NODE = ROOT / "src" / "fermata" / "node"
#: What no amendment changes (G12), so that whoever has read it once has it for good.
FOR_GOOD = {"deployment", "sha256", "cadence", "log_origin"}
#: Reads of a charter that was given at the start, each with the reason why no amendment changes it.
OF_THE_START = {
    ("run/coordinator.py", "auditors"): "they sign the first key record, before any amendment",
    ("run/key_shares.py", "auditors"): "the same, while there is no key",
    ("run/parts.py", "parties"): "its own key, which it opens once (G21)",
    ("run/parts.py", "succession"): "a way for commands, which have no copy",
    ("ceremony/take_part.py", "auditors"): "a command of one ceremony, that says who takes part",
}


def schema_keys(shape: inspect.StructType, table: str = "") -> Iterator[str]:
    """Every key of a charter, as ``table.key``."""
    table_of = load_script("charter_schema").table_of
    for field in shape.fields:
        inner, name = table_of(field.type), f"{table}.{field.encode_name}".lstrip(".")
        if inner is None:
            yield name
        else:
            yield from schema_keys(inner, name)


def listed() -> Iterator[str]:
    """The keys in the rows of G21."""
    _, _, after = SPEC.read_text().partition("\nG21. ")
    rows, _, _ = after.partition("\n## ")
    for line in rows.splitlines():
        if line.startswith("| ") and not line.startswith("| a running node"):
            yield from re.findall(r"`([a-z0-9_.]+)`", line.split("|")[2])


def test_g21_each_key_of_a_charter_is_in_one_row():
    shape = inspect.type_info(CharterText)
    assert isinstance(shape, inspect.StructType)
    keys = list(schema_keys(shape))
    assert len(keys) > 100
    assert Counter(listed()) == Counter(keys)


def owner_of(node: ast.AST) -> str:
    """``b`` of an expression ``a.b.c``; empty for any other."""
    is_owned = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)
    return node.value.attr if is_owned else ""


def reads_of_the_start() -> Iterator[tuple[str, str]]:
    """(file, attribute): what the node's code reads of ``config.genesis`` and ``config.roster``."""
    for path in sorted(NODE.rglob("*.py")):
        for each in ast.walk(ast.parse(path.read_text())):
            if owner_of(each) in ("genesis", "roster"):
                yield str(path.relative_to(NODE)), each.attr


def test_g20_of_the_charters_at_the_start_only_what_no_amendment_changes_is_read():
    known = {read for read in reads_of_the_start() if read[1] not in FOR_GOOD}
    assert known == set(OF_THE_START)


def kept(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(name, line): where a value of a charter in force is taken when an object is made."""
    for each in ast.walk(tree):
        if not isinstance(each, ast.FunctionDef) or each.name not in ("__init__", "__post_init__"):
            continue
        for read in ast.walk(each):
            if owner_of(read) in ("charter", "succession") and read.attr not in FOR_GOOD:
                yield read.attr, read.lineno


def test_g20_no_object_of_a_node_keeps_a_value_of_the_charter_in_force():
    folders = (NODE, ROOT / "src" / "fermata" / "protocol" / "roles")
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    assert len(paths) > 150
    assert {str(p): list(kept(ast.parse(p.read_text()))) for p in paths} == {
        str(p): [] for p in paths
    }


@pytest.mark.parametrize(
    "line",
    [
        "self.wait_ms = replica.charter.succession.succession_ms",
        "self.terms = self.replica.charter.succession",
    ],
)
def test_what_keeps_a_value_is_seen(line):
    text = f"class A:\n    def __post_init__(self):\n        {line}\n"
    assert list(kept(ast.parse(text)))


def terms_in_long_functions() -> Iterator[tuple[str, str]]:
    """(file, function): a local name of a function that runs as long as the node, and has a value
    of the charter in force."""
    for path in sorted((NODE / "run").rglob("*.py")):
        for each in ast.walk(ast.parse(path.read_text())):
            if not isinstance(each, ast.FunctionDef) or "run" not in each.name:
                continue
            for read in ast.walk(each):
                if isinstance(read, ast.Assign) and any(
                    owner_of(part) == "charter" and part.attr not in FOR_GOOD
                    for part in ast.walk(read.value)
                ):
                    yield path.name, each.name


def test_g20_no_function_that_runs_a_node_keeps_a_value_of_the_charter_in_force():
    assert list(terms_in_long_functions()) == []
