"""A sound charter as text, edits of it, and what a refusal must say."""

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import Charter, parse_charter
from harness.chains import MODULUS_BITS_MIN, charter_text, party_keys

KEYS = party_keys(0, 6, 3)
TEXT = charter_text(KEYS)


def parse(text: str) -> Charter:
    return parse_charter(text.encode(), MODULUS_BITS_MIN)


def edit(old: str, new: str, occurrence: int = 1) -> str:
    """The charter with one occurrence of ``old`` replaced."""
    parts = TEXT.split(old)
    assert len(parts) > occurrence
    return old.join(parts[:occurrence]) + new + old.join(parts[occurrence:])


def line_of(text: str, fragment: str, occurrence: int = 1) -> int:
    """The line on which the n-th ``fragment`` stands."""
    numbers = [i for i, line in enumerate(text.split("\n"), 1) if fragment in line]
    return numbers[occurrence - 1]


def refused(text: str, *fragments: str, line: int | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.reason == "CHARTER"
    message = str(caught.value)
    for fragment in fragments:
        assert fragment in message
    if line is not None:
        assert f"charter line {line}: " in message
    return message
