"""The views, the report's pages, and the table for spreadsheets."""

import base64
import csv
import hashlib
import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.dashboard.report import report_files
from fermata.dashboard.tables import csv_text, safe_cell
from fermata.dashboard.views.overview import overview
from fermata.protocol.charter.parse import parse_charter
from fermata.summary.documents import ROW_COLUMNS, result_rows
from harness.chains import MODULUS_BITS_MIN
from harness.protocol.panels import aggregate, charter_file, metric
from harness.rounds import state_of

NASTY = "<b onclick=x>| `h` & [a](b)"
TEXT = (
    charter_file(
        metric("hours", "0", "1000", "0.5"),
        metric("gain", "-10", "10"),
        aggregate("hours", "sum", "mean", "stddev", histogram=["200", "600"], count_above=["400"]),
        aggregate("gain", "mean", "covariance", other="hours"),
    )
    .replace('unit = "u"', f'unit = "{NASTY}"')
    .replace('title = "For tests"', f'title = "{NASTY}"')
)
CHARTER = parse_charter(TEXT.encode(), MODULUS_BITS_MIN)
FIRST = {f"lab-{i}": {"hours": str(100 * i), "gain": str(i - 5)} for i in range(1, 7)}
SECOND = {f"lab-{i}": {"hours": str(90 * i), "gain": "0"} for i in range(1, 6)}
STATE = state_of(CHARTER, [FIRST, SECOND, FIRST], refused=[2])
LIMITS = {("hours", "mean"): [("pause above", 500.0)]}
RUN = overview(STATE, CHARTER, LIMITS, spans=[(2, 3)])
FILES = {name: data.decode() for name, data in report_files(RUN).items()}
PAGES = sorted(name for name in FILES if name.endswith(".html"))


class Page(HTMLParser):
    """Tags, attributes and ids of a page."""

    VOID = ("meta", "link", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_there_is_a_page_a_round_and_an_index_in_both_forms():
    names = ["index", "round-1", "round-2", "round-3"]
    assert [f"{n}.html" for n in names] == PAGES
    assert sorted(n for n in FILES if n.endswith(".md")) == [f"{n}.md" for n in names]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_closed_well_and_runs_and_loads_nothing(name):
    page = Page(FILES[name])
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag not in ("script", "iframe", "link", "img", "b")
        assert not [a for a in attributes if a.startswith("on") or a in ("style", "src")]
        assert "://" not in (attributes.get("href") or "")
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for label in (attributes.get("aria-labelledby") or "").split():
            assert label in ids


@pytest.mark.parametrize("name", PAGES)
def test_the_policy_allows_the_pages_own_style_and_nothing_else(name):
    (style,) = re.findall(r"<style>(.*?)</style>", FILES[name], re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(
        a["content"] for t, a in Page(FILES[name]).tags if t == "meta" and "http-equiv" in a
    )
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


def test_links_between_pages_and_pictures_lead_somewhere():
    for name in PAGES:
        for _, attributes in Page(FILES[name]).tags:
            target = attributes.get("href") or "#main"
            assert target in FILES or target == "#main"
    for name, text in FILES.items():
        if name.endswith(".md"):
            # What is escaped is no link.
            for target in re.findall(r"(?<!\\)\]\(([^)]+)\)", text):
                assert target in FILES


def test_pictures_are_well_formed():
    pictures = [t for n, t in FILES.items() if n.endswith(".svg")]
    assert len(pictures) == len(RUN.series) + 2
    for text in pictures:
        ElementTree.fromstring(text)


def test_a_report_without_charts_says_so_and_links_to_none(cannot_draw):
    files = {name: data.decode() for name, data in report_files(RUN).items()}
    assert set(FILES) - set(files) == {name for name in FILES if name.endswith(".svg")}
    assert "could not be drawn on this machine" in files["index.html"]
    assert "could not be drawn on this machine" in files["round-1.html"]
    assert ".svg" not in files["index.md"] + files["round-1.md"]
    assert "350.0000" in files["index.html"]


def test_numbers_and_refusals_stand_on_the_pages():
    assert "350.0000" in FILES["round-1.html"]
    assert "too few" in FILES["round-2.html"]
    assert "There are no results." in FILES["round-2.md"]
    assert "pause above" in FILES["index.html"]
    assert "no result" in FILES["index.md"]


def test_text_of_the_charter_is_text_in_markdown_too():
    assert "<b" not in "".join(t for n, t in FILES.items() if n.endswith(".md"))
    assert "&lt;b onclick=x&gt;\\| \\`h\\` &amp; \\[a\\](b)" in FILES["round-1.md"]


def test_a_report_is_the_same_from_the_same_state():
    again = report_files(
        overview(
            STATE, CHARTER, limits={("hours", "mean"): [("pause above", 500.0)]}, spans=[(2, 3)]
        )
    )
    assert {n: d.decode() for n, d in again.items()} == FILES


def test_a_series_has_a_point_for_every_closed_round():
    mean = next(s for s in RUN.series if (s.metric, s.statistic) == ("hours", "mean"))
    assert [(p.label, p.text) for p in mean.points] == [
        ("2025Q3", "350.0000"),
        ("2025Q4", "no result"),
        ("2026Q1", "350.0000"),
    ]
    assert mean.limits == (("pause above", 500.0),)
    assert mean.spans == ((1, 2, "pause"),)
    assert len({s.name for s in RUN.series}) == len(RUN.series)


def test_rows_have_one_result_each_and_say_why_there_is_none():
    rows = result_rows(STATE)
    assert {tuple(row) for row in rows} == {ROW_COLUMNS}
    assert rows[0] == {
        "round": 1, "period": "2025Q3", "state": "opened", "metric": "hours", "unit": NASTY,
        "statistic": "sum", "value": "2100.0", "cohort": 6, "refusal": "",
        "group": "",
    }  # fmt: skip
    (refused,) = [row for row in rows if row["round"] == 2]
    assert (refused["metric"], refused["state"]) == ("", "refused")
    assert refused["refusal"].startswith("too few; trace it: ")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+2", "@x", " =1", "\t=1", "\r=1", "-"])
def test_no_cell_is_a_formula(text):
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-1", "-0.50", "12", "fraction", "a=b", ""])
def test_numbers_and_plain_text_stay_as_they_are(text):
    assert safe_cell(text) == text


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_csv_reads_back_as_the_cells_that_went_in(cells):
    text = csv_text(("a", "b"), [dict(zip("ab", row, strict=True)) for row in cells])
    back = list(csv.reader(io.StringIO(text, newline="")))
    assert back == [["a", "b"], *[[safe_cell(c) for c in row] for row in cells]]
