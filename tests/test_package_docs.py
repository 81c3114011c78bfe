"""Each package says what lives in it, with an example that runs; examples of modules run, too."""

import doctest
import importlib
import pkgutil

import pytest

import fermata

#: What is generated from proto/, and programs that run when they are imported.
LEFT_OUT = ("fermata.wire.v1", "__main__")
MODULES = [
    found
    for found in pkgutil.walk_packages(fermata.__path__, "fermata.")
    if not any(part in found.name for part in LEFT_OUT)
]
PACKAGES = ["fermata", *(found.name for found in MODULES if found.ispkg)]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_what_is_in_it_with_an_example(name: str) -> None:
    text = importlib.import_module(name).__doc__ or ""
    first = text.split("\n\n")[0]
    assert first.endswith((".", ":")), first
    assert doctest.DocTestParser().get_examples(text), f"{name} has no example"


@pytest.mark.parametrize("name", ["fermata", *(found.name for found in MODULES)])
def test_examples_give_what_they_say(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
