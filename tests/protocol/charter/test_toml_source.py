"""The charter as TOML: typos, unknown keys, wrong types, and bytes that are no text at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import CHARTER_BYTES_MAX, parse_charter
from harness.chains import MODULUS_BITS_MIN
from harness.protocol.charter_edits import TEXT, edit, line_of, parse, refused


def test_an_empty_file_names_a_key_that_is_missing() -> None:
    refused("", "missing required field `format`")


def test_a_table_that_is_missing_is_named() -> None:
    refused(edit("[disclosure]\ncohort_min = 3\n", ""), "missing required field `disclosure`")


def test_a_key_that_is_missing_names_the_line_of_its_table() -> None:
    text = edit('unit = "%"\n', "")
    refused(text, "missing required field `unit`", line=line_of(text, "[[metric]]", 2))


@pytest.mark.parametrize(
    ("old", "new", "path", "mark"),
    [
        ("threshold = 2", "treshold = 2", "cryptography.treshold", "treshold"),
        ('title = "For tests"', 'title = "x"\nquorum = 1', "quorum", "quorum"),
        ('unit = "%"', 'unit = "%"\nsealed = true', "metric[1].sealed", "sealed"),
        ('id = "lab-3"', 'id = "lab-3"\ncolour = 2', "lab[2].colour", "colour"),
        ("[disclosure]", "[disclosure]\ndominant = 25", "disclosure.dominant", "dominant"),
    ],
)
def test_an_unknown_key_is_refused_with_its_line(old: str, new: str, path: str, mark: str) -> None:
    text = edit(old, new)
    refused(text, f"{path}: is not a key of this table", line=line_of(text, mark))


def test_an_unknown_table_is_refused_with_its_line() -> None:
    text = TEXT + "\n[colours]\nafter = 3\n"
    refused(text, "colours: is not a key of this table", line=line_of(text, "[colours]"))


@pytest.mark.parametrize(
    ("old", "new", "path", "mark"),
    [
        ("threshold = 2", 'threshold = "2"', "cryptography.threshold", "threshold"),
        ("threshold = 2", "threshold = true", "cryptography.threshold", "threshold"),
        ("threshold = 2", "threshold = 2.0", "cryptography.threshold", "threshold"),
        ("threshold = 2", "threshold = 1e400", "cryptography.threshold", "threshold"),
        ("threshold = 2", "threshold = nan", "cryptography.threshold", "threshold"),
        ('max = "100"', "max = 100", "metric[1].max", "max = 100"),
        ('title = "For tests"', "title = 2026-01-01", "title", "title"),
        ('statistics = ["mean"]', 'statistics = "mean"', "aggregate[1].statistics", "statistics#2"),
        ('labs = ["lab-2"', "labs = [2", "panel[1].labs[0]", "labs = ["),
        ("[disclosure]", "[[disclosure]]", "disclosure", "[[disclosure]]"),
    ],
)
def test_a_wrong_type_is_refused_with_its_line(old: str, new: str, path: str, mark: str) -> None:
    text = edit(old, new)
    fragment, _, occurrence = mark.partition("#")
    refused(text, f"{path}: expected", line=line_of(text, fragment, int(occurrence or 1)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("threshold = 2", "threshold = "),
        ("threshold = 2", "threshold = 2\nthreshold = 3"),
        ("[rounds]", "[cryptography]\n[rounds]"),
        ('"quarter"', "'quarter\""),
        ("[[lab]]", "[[lab]"),
    ],
)
def test_what_is_not_toml_is_refused_with_its_line(old: str, new: str) -> None:
    message = refused(edit(old, new), "must be TOML")
    assert "line " in message or "at end of document" in message


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.encode().replace(b"For tests", b"For \xff tests"),
        TEXT.encode("utf-16"),
        b"a = " + b"[" * 100_000,
        b"format = " + b"9" * 5000,
        b"\x00" * 100,
        b"a." * 50_000 + b"a = 1",
        b"[" + b"a." * 50_000 + b"a]",
        b"a = {" + b"a." * 50_000 + b"a = 1}",
    ],
)
def test_bytes_that_no_editor_would_write_are_refused(data: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_charter(data, MODULUS_BITS_MIN)
    assert caught.value.reason == "CHARTER"


def test_a_file_above_256_kib_is_refused_before_it_is_parsed() -> None:
    text = TEXT + "#" * (CHARTER_BYTES_MAX - len(TEXT.encode()))
    parse(text)
    refused(text + "#", f"must have at most {CHARTER_BYTES_MAX} bytes")


def test_a_message_does_not_repeat_escapes_of_the_file() -> None:
    message = refused(edit("threshold = 2", '"\\u001b[31mred" = 2'))
    assert message.isprintable()


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_damaged_charter_is_refused_or_parsed_but_never_fails_otherwise(
    data: st.DataObject,
) -> None:
    damaged = bytearray(TEXT.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        action = data.draw(st.sampled_from(["change", "delete", "insert"]))
        if action == "change":
            damaged[position] = data.draw(st.integers(0, 255))
        elif action == "delete":
            del damaged[position : position + data.draw(st.integers(1, 40))]
        else:
            damaged[position:position] = data.draw(st.binary(min_size=1, max_size=8))
    try:
        parse_charter(bytes(damaged), MODULUS_BITS_MIN)
    except ConfigError as error:
        reason = error.reason
    else:
        reason = "CHARTER"
    assert reason == "CHARTER"


def test_dots_in_a_comment_are_no_keys() -> None:
    assert parse(TEXT + "# " + "." * 1000 + "\n").labs
