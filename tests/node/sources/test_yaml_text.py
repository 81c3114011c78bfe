"""YAML as everybody reads it in the same way, or not at all."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.node.sources.formats.yaml_text import YAML_BYTES_MAX, read_front_matter, read_yaml
from fermata.node.sources.reading import Literal


def refused(text, read=read_yaml):
    with pytest.raises(ConfigError) as caught:
        read("file", text if isinstance(text, bytes) else text.encode())
    assert caught.value.reason == "SOURCE_FORMAT"
    assert str(caught.value).startswith("file: ")
    return str(caught.value).removeprefix("file: ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.10", Literal("0.10")), ("-3", Literal("-3")), ("1e-05", Literal("1e-05")),
        (".nan", Literal(".nan")), ("-.inf", Literal("-.inf")), ("2.5E+3", Literal("2.5E+3")),
        # Each of these is a number to some readers of YAML, and another or text to others.
        ("010", "010"), ("0o10", "0o10"), ("0x10", "0x10"), ("0b1", "0b1"), ("1_000", "1_000"),
        ("1:30", "1:30"), ("1.", "1."), (".5", ".5"), ("1,5", "1,5"), ("5%", "5%"),
        ("2025-02-25", "2025-02-25"), ("yes", "yes"), ("off", "off"), ("~", None), ("true", True),
        ("'0.5'", "0.5"), ('"0.5"', "0.5"), ("|-\n 0.5", "0.5"), ("false", False),
    ],
)  # fmt: skip
def test_only_plain_decimals_are_numbers(text, value):
    found = read_yaml("file", f"a: {text}\n".encode())["a"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: has the key a twice in one table"),
        ("{a: 1, 'a': 2}\n", "line 1: has the key a twice"),
        ("a: &x 1\nb: *x\n", "line 2: has an alias (*name), which is not followed"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "line 3: has a merge key (<<)"),
        ("a: !!float 1\n", "line 1: has a tag (!name)"),
        ("a: !!python/object/apply:os.system [ls]\n", "line 1: has a tag (!name)"),
        ("!x\na: 1\n", "has a tag (!name)"),
        ("a: 1\n---\na: 2\n", "line 2: begins a second document"),
        ("? [a]\n: 1\n", "line 1: has a key that is a list or a table"),
        ("a: [1\n", "is not YAML; is the file still being written?"),
        ("a: 'x\n", "is not YAML; is the file still being written?"),
        ("a: 1\n\tb: 2\n", "line 2: is not YAML"),
        ("a: 0.8", "line 1: has no line end"),
        ("[" * 101 + "\n", "line 1: must be nested at most 100 deep"),
        ("{a: " * 101 + "\n", "line 1: must be nested at most 100 deep"),
        ("[" * 200_000 + "\n", "line 1: must be nested at most 100 deep"),
        ("- " * 400 + "a\n", "line 1: must be nested at most 100 deep"),
        ("a: \x07\n", "is not YAML"),
        ("# only a remark\n", "is empty"),
        ("a" * (YAML_BYTES_MAX + 1), "is longer than"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_with_its_line(text, said):
    assert said in refused(text)


def test_a_last_line_of_spaces_needs_no_end():
    assert read_yaml("file", b"- a: 0.5\n  ") == [{"a": "0.5"}]


def test_a_bomb_of_aliases_is_not_unfolded():
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 30)]
    assert "has an alias" in refused("\n".join(["l0: &l0 x", *levels, ""]))


def test_the_front_matter_of_a_card_ends_where_its_dashes_do():
    assert read_front_matter("file", b"---\r\na: 0.5\r\n---\r\nb: 1\n") == {"a": "0.5"}
    assert "line 1: must be ---" in refused("# Card\n", read_front_matter)
    assert "has no second line ---" in refused("---\na: 0.5\n", read_front_matter)
    assert "line 3: has the key a twice" in refused("---\na: 1\na: 2\n---\n", read_front_matter)
    assert "is empty" in refused("---\n---\n", read_front_matter)


_leaves = (
    st.none() | st.booleans() | st.integers(-99, 99) | st.text("ab .:-{[*&!#'\"01", max_size=6)
)
_documents = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1,
    max_size=3), inner, max_size=3), max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(_documents)
def test_what_pyyaml_writes_is_read_as_it_was(document):
    def kept(value):
        if isinstance(value, dict):
            return {k: kept(v) for k, v in value.items()}
        if isinstance(value, list):
            return [kept(v) for v in value]
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return Literal(value) if is_number else value

    class Written(yaml.SafeDumper):
        def ignore_aliases(self, data):
            return True

    text = yaml.dump(document, Dumper=Written)
    if text.endswith("...\n"):
        text = text.removesuffix("...\n")
    assert read_yaml("file", text.encode()) == kept(document)


@settings(max_examples=200, deadline=None)
@given(st.text("ab:-[]{},*&!|>'\"#%@?<~ \n0.1", max_size=40))
def test_any_text_is_read_or_refused(text):
    reason = "SOURCE_FORMAT"
    try:
        read_yaml("file", text.encode())
    except ConfigError as error:
        reason = error.reason
    assert reason == "SOURCE_FORMAT"
