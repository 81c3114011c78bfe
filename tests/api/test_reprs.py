"""What a prompt and a notebook show of the API's results: a line, or a table, and never all."""

import html.parser
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction

import pytest

import fermata
from fermata import api
from fermata.node.storage.bundles import write_bundle
from fermata.protocol import reprs
from fermata.protocol.reprs import CELL_CHARS_MAX, REPR_CHARS_MAX, ROWS_MAX, Records, short_repr
from harness.bundles import files
from harness.chains import MODULUS_BITS_MIN

#: Numbers of proofs and trees, which nobody gets without asking for them by name.
INNER = ("fermata.crypto.", "fermata.log.")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What the API's functions return."""
    folder = tmp_path_factory.mktemp("reprs") / "bundle"
    write_bundle(folder, files())
    with pytest.MonkeyPatch.context() as patch:
        # The bundle has a key that is too short for real use.
        patch.setattr(api, "MODULUS_BITS_MIN", MODULUS_BITS_MIN)
        return fermata.verify(folder), fermata.open_bundle(folder)


def reachable(value, seen):
    """Every object of this package that a result leads to, once."""
    if id(value) in seen or isinstance(value, str | bytes):
        return
    seen[id(value)] = value
    if is_dataclass(value) or isinstance(value, Records):
        yield value
    held = ()
    if is_dataclass(value):
        held = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, Mapping):
        held = [*value, *value.values()]
    elif isinstance(value, tuple | list | set | frozenset):
        held = value
    for each in held:
        yield from reachable(each, seen)


def public(results):
    return [e for e in reachable(results, {}) if not type(e).__module__.startswith(INNER)]


def test_the_repr_of_everything_that_the_api_returns_is_short(results):
    shown = public(results)
    kinds = {type(each).__name__ for each in shown}
    wanted = {"Bundle", "Results", "RoundRecord", "ResultRecord", "PauseRecord", "Verification"}
    wanted |= {"Check", "StandingRecord", "KeyedState", "Round", "Charter", "Panel", "Metric"}
    assert wanted <= kinds
    long = {type(each).__name__: len(repr(each)) for each in shown if len(repr(each)) > 240}
    assert long == {}


def test_what_can_grow_with_a_log_has_no_repr_of_dataclasses(results):
    """Short today and long tomorrow: so every record that holds others is asked how it is made."""
    holds = (tuple, list, Mapping, frozenset, set)
    grows = {
        type(each)
        for each in public(results)
        for field in (fields(each) if is_dataclass(each) else ())
        if isinstance(getattr(each, field.name), holds)
    }
    assert {k.__name__ for k in grows if k.__repr__ is not reprs._short} == set()


def test_every_public_kind_of_the_api_is_a_table_in_a_notebook():
    kinds = [getattr(fermata, name) for name in fermata.__all__]
    kinds = [kind for kind in kinds if isinstance(kind, type) and kind is not fermata.FermataError]
    assert len(kinds) == 10
    assert [kind.__name__ for kind in kinds if not hasattr(kind, "_repr_html_")] == []


class Tags(html.parser.HTMLParser):
    """The tags of a page, which must be closed in order, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert attributes == []
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_tables_are_whole_and_have_what_was_found(results):
    for each in results:
        assert set(Tags(each._repr_html_()).tags) == {"table", "tr", "th", "td"}
    verification, bundle = results
    page = Tags(verification._repr_html_())
    assert all(check.title in page.text for check in verification.checks)
    page = Tags(bundle.results._repr_html_())
    assert page.tags.count("tr") == len(bundle.results) + 1
    assert all(result.text in page.text for result in bundle.results)
    assert repr(bundle.results) == f"Results({len(bundle.results)} ResultRecord)"
    assert repr(api.Results()) == "Results(0)"
    assert Tags(api.Results()._repr_html_()).text == "nothing"


def test_what_somebody_wrote_into_a_charter_or_a_log_is_escaped(results):
    nasty = "<script>alert('x')</script>&amp;"
    (first, *_) = results[1].results
    record = replace(first, metric=nasty, unit=nasty)
    for table in (record._repr_html_(), api.Results([record])._repr_html_()):
        page = Tags(table)
        assert "script" not in page.tags
        assert nasty in page.text
    check = replace(results[0].checks[0], findings=(nasty, nasty))
    assert nasty in Tags(Records([check])._repr_html_()).text


@short_repr()
@dataclass(frozen=True, slots=True)
class Lot:
    a: object
    b: object = None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "None"),
        (True, "True"),
        (2**64 - 1, "18446744073709551615"),
        (-(2**64), "<integer of 65 bits>"),
        (Fraction(1, 3), "Fraction(1, 3)"),
        (Fraction(1, 2**70), "<Fraction of 71 bits>"),
        (b"\x01\x02" * 30, "<60 bytes 01020102>"),
        ((), "()"),
        ([1, 2], "(2 items)"),
        ({1: 2}, "{1 items}"),
        (frozenset("ab"), "(2 items)"),
        (Lot(1), "<Lot>"),
        ("x" * 100, f"'{'x' * 40}..."),
    ],
)
def test_a_value_is_shown_in_a_few_characters(value, shown):
    assert repr(Lot(value)) == f"Lot(a={shown}, b=None)"


def test_a_record_with_many_values_and_a_long_list_are_cut():
    @short_repr()
    @dataclass(frozen=True)
    class Wide:
        a: str
        b: str
        c: str
        d: str
        e: str
        f: str
        g: str

    text = repr(Wide(*["x" * 60] * 7))
    assert (len(text) <= REPR_CHARS_MAX, text.endswith(", ...)")) == (True, True)
    rows = Records([Lot("y" * 500)] * (ROWS_MAX + 3))
    page = Tags(rows._repr_html_())
    assert page.text.endswith("and 3 more")
    assert page.tags.count("tr") == ROWS_MAX + 1
    assert "y" * CELL_CHARS_MAX not in page.text
