"""The pages in a real Chromium: accessible, in both schemes, on a phone, with nothing from outside.

Run by ``make browser-test``, which needs Chromium; see docs/dashboard.md.
"""

import threading
from dataclasses import replace

import pytest

from fermata.dashboard.checks import RUNNING, Checks
from fermata.dashboard.pages import site_files
from fermata.dashboard.server import serving
from harness.browser import PAGES, SCHEMES, SIZES, axe_source, browser, served, violations
from harness.dashboard import paused_checks, paused_source

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chrome():
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def site():
    with served() as url:
        yield url


@pytest.fixture(scope="module")
def axe():
    return axe_source()


def opened(chrome, size, scheme="light", **options):
    width, height = SIZES[size]
    return chrome.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme, **options
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_on_any_page(chrome, site, axe, size, scheme):
    page = opened(chrome, size, scheme)
    for name in (*PAGES, "no-such-page.html"):
        page.goto(site + name)
        for details in page.locator("details").all():
            details.evaluate("each => { each.open = true }")
        assert violations(page, axe) == [], name
    page.close()


def test_no_page_is_wider_than_a_small_phone(chrome, site):
    page = opened(chrome, "phone")
    for name in PAGES:
        page.goto(site + name)
        over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(over) <= 0, name
    page.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_table_is_cut_off_and_no_time_or_number_is_broken_up(chrome, site, width):
    page = chrome.new_page(viewport={"width": width, "height": 844})
    for name in PAGES:
        page.goto(site + name)
        for region in page.locator(".wide").all():
            assert region.evaluate("each => each.scrollWidth - each.clientWidth") <= 0, name
        for mark in page.locator("time, .power, .digits:not(.exact)").all():
            assert mark.evaluate("each => each.getClientRects().length") == 1, name
    page.close()


def test_a_card_names_its_columns_and_leaves_out_what_says_nothing(chrome, site):
    page = opened(chrome, "phone")
    page.goto(site + "participants.html")
    member = page.locator("tr", has_text="member-1")
    shown = member.evaluate("each => getComputedStyle(each.children[1], '::before').content")
    assert shown == '"Role"'
    assert member.locator("[data-empty]").first.is_hidden()
    page.set_viewport_size({"width": 1280, "height": 900})
    assert member.locator("[data-empty]").first.is_visible()
    assert page.locator("thead").first.is_visible()
    page.close()


def test_nothing_is_asked_of_another_place_and_nothing_is_blocked(chrome, site):
    page, asked, said = opened(chrome, "desk"), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    for name in PAGES:
        page.goto(site + name)
    assert asked
    assert [url for url in asked if not url.startswith(site)] == []
    assert said == []
    page.close()


def test_the_keyboard_alone_skips_to_the_content_and_sees_where_it_is(chrome, site):
    page = opened(chrome, "desk")
    page.goto(site)
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.textContent")
    assert focused == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.close()


def test_everything_works_without_scripts(chrome, site):
    page = opened(chrome, "desk", java_script_enabled=False)
    page.goto(site)
    page.click("text=Rounds")
    page.click("text=2026Q2")
    assert page.inner_text("h1") == "Round 4: 2026Q2"
    page.close()


def test_pages_in_a_folder_look_the_same_and_their_links_work(chrome, tmp_path):
    for name, data in site_files(paused_source().snapshot(), paused_checks().view()).items():
        (tmp_path / name).write_bytes(data)
    page, said = opened(chrome, "desk"), []
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "index.html").as_uri())
    assert page.evaluate("getComputedStyle(document.body).marginTop") == "0px"
    page.click("text=Log")
    page.click('th >> text="107"')
    assert page.inner_text("h1") == "Entry 107"
    assert said == []
    page.close()


class Growing:
    """The log in a pause as a coordinator shows it; its verifier waits until it is let go."""

    def __init__(self):
        self.go_on = threading.Event()

    def snapshot(self):
        return replace(paused_source().snapshot(), is_live=True)

    def verify(self):
        self.go_on.wait(60)
        return paused_source().verification


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_button_of_the_verifier_works_and_all_its_states_are_accessible(chrome, axe, scheme):
    source = Growing()
    checks = Checks(source, lambda: 0)
    with serving(source, checks, "127.0.0.1:0") as address:
        page = opened(chrome, "phone", scheme)
        page.goto(f"http://{address}/verify.html")
        assert violations(page, axe) == []
        page.click("text=Verify the log now")
        assert "It runs since" in page.inner_text("main")
        assert violations(page, axe) == []
        source.go_on.set()
        for _ in range(600):
            if checks.view().status != RUNNING:
                break
            page.wait_for_timeout(50)
        page.click("text=Look again")
        assert "passed" in page.inner_text("main")
        assert violations(page, axe) == []
        page.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_warnings_can_be_read_too(chrome, axe, scheme):
    found = paused_checks().view()
    failed = replace(found.checks[0], status="failed", findings=("entry 0: SIGNATURE: no",))
    doubtful = replace(found, is_valid=False, checks=(failed, *found.checks[1:]))
    checks = Checks(paused_source(), lambda: 0, doubtful)
    with serving(paused_source(), checks, "127.0.0.1:0") as address:
        page = opened(chrome, "phone", scheme)
        for name in ("index.html", "verify.html"):
            page.goto(f"http://{address}/{name}")
            assert "Do not trust anything here" in page.inner_text("main")
            assert violations(page, axe) == []
        page.close()


#: What a browser draws: the box of every text, and of every mark of a result, in CSS pixels.
BOXES = """chart => {
  const box = each => {
    const { left, top, right, bottom } = each.getBoundingClientRect();
    return [left, top, right, bottom, each.textContent];
  };
  const all = words => [...chart.querySelectorAll(words)].map(box);
  return [all("text"), all(".point > *, .bar > *, .none > *"), box(chart)];
}"""


@pytest.mark.parametrize("size", SIZES)
def test_no_text_of_a_chart_covers_another_or_a_mark_in_the_fonts_of_a_browser(chrome, site, size):
    page = opened(chrome, size)
    page.goto(site + "aggregates.html")
    charts = page.locator("svg.chart").all()
    assert len(charts) == 5
    for chart in charts:
        words, annotations, frame = chart.evaluate(BOXES)
        assert len(words) > len(annotations) > 1
        for index, word in enumerate(words):
            assert frame[0] <= word[0] <= word[2] <= frame[2], word
            for other in words[index + 1 :] + annotations:
                assert apart(word, other), (word, other)
    page.close()


def apart(one, other):
    """Boxes of browsers are as high as a line, which is higher than its letters by a pixel."""
    return (
        one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] + 1 or other[3] <= one[1] + 1
    )
