"""All faults of a charter at once: complete, and in agreement with the parser that nodes use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.charter_faults import charter_faults
from harness.chains import MODULUS_BITS_MIN
from harness.protocol.charter_edits import TEXT, edit
from harness.protocol.charter_refusals import REFUSED


def faults(text: str) -> list[str]:
    return charter_faults(text.encode(), MODULUS_BITS_MIN)


def first_fault(text: str) -> str:
    """What the parser says; empty if it takes the charter."""
    try:
        parse_charter(text.encode(), MODULUS_BITS_MIN)
    except ConfigError as error:
        return str(error)
    return ""


def test_a_good_charter_has_no_faults():
    assert faults(TEXT) == []


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_the_parsers_message_is_the_first_of_the_faults(case):
    text = edit(case[0], case[1])
    assert faults(text)[0] == first_fault(text) != ""


@given(st.lists(st.sampled_from(list(REFUSED.values())), min_size=2, max_size=4, unique=True))
def test_several_faults_begin_with_the_one_that_the_parser_names(cases):
    text = TEXT
    for old, new, *_ in cases:
        text = text.replace(old, new, 1)
    expected = first_fault(text)
    assert faults(text)[:1] == ([expected] if expected else [])


def test_faults_of_different_parts_are_all_named():
    edits = [
        ('title = "', 'title = "\\u0007'),
        ("format = 1", "format = 2"),
        ("modulus_bits = 512", "modulus_bits = 192"),
    ]
    text = TEXT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    text += '\n[[rule]]\nid = "bad"\nkind = "level"\nmetric = "none"\n'
    text += '\n[[rule]]\nid = "worse"\nkind = "nothing"\n'
    said = "\n".join(faults(text))
    for key in ("format", "title", "cryptography.modulus_bits", "rule[0]", "rule[1]"):
        assert key in said, said
