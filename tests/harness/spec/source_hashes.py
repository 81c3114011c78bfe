"""Where the source hashes, signs and keeps transcripts, read from its syntax trees."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "src" / "fermata"
#: A call of one of these is a place where bytes are hashed or signed.
HASHING = {
    "digest_parts", "fingerprint", "hash_to_zn", "hash_to_curve", "pae", "sha256", "sha512",
    "shake_256", "sign", "Transcript",
}  # fmt: skip
ABSORBING = {"absorb", "challenge", "challenge_scalar", "challenge_short"}
#: What a string begins with that separates one use of a key or a hash from all others.
DOMAIN = re.compile(r"(?:fermata/v1/[a-z-]+|paillier-root/1|DSSEv1|cosignature/v1)")
#: Nothing that is hashed or signed there is protocol: runs of faults, and pages.
OUTSIDE = ("sim", "dashboard")


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Name (without the package's) and syntax tree of each module that is not generated."""
    for path in sorted(SOURCE.rglob("*.py")):
        relative = path.relative_to(SOURCE)
        if "v1" not in relative.parts and relative.parts[0] not in OUTSIDE:
            yield ".".join(relative.with_suffix("").parts), ast.parse(path.read_text())


def name_of(call: ast.Call) -> str:
    """The called function's last name."""
    target = call.func
    if isinstance(target, ast.Attribute):
        return target.attr
    return target.id if isinstance(target, ast.Name) else ""


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def hashing_functions() -> set[str]:
    """``module.function`` of every function that hashes, signs or begins a transcript."""
    found = set()
    for module, tree in modules():
        for function in functions(tree):
            calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
            if any(name_of(call) in HASHING for call in calls):
                found.add(f"{module}.{function.name}")
    return found


def texts(node: ast.AST) -> Iterator[str]:
    """Every literal text in a tree, bytes as ASCII."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str | bytes):
            value = part.value
            yield value if isinstance(value, str) else value.decode("ascii", "replace")


def domains() -> set[str]:
    """Every domain string of the source."""
    return {
        match for _, tree in modules() for text in texts(tree) for match in DOMAIN.findall(text)
    }


def labels() -> set[str]:
    """The labels of all transcripts; where a variable is the label, all texts of its function."""
    found = set()
    for module, tree in modules():
        if module == "crypto.transcript":
            continue
        for function in functions(tree):
            calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
            for call in calls:
                if name_of(call) not in ABSORBING or not isinstance(call.func, ast.Attribute):
                    continue
                label = call.args[0]
                named = isinstance(label, ast.Name)
                found |= set(texts(function if named else label)) - {ast.get_docstring(function)}
    return found
