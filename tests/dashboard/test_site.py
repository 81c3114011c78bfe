"""The site as bytes: every page, its links, hostile texts, and the folder of an export."""

import re
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser

import pytest

from fermata.dashboard.checks import ChecksView, checks_view
from fermata.dashboard.pages import NAVIGATION, names, render, site_files
from fermata.dashboard.source import BundleSource
from fermata.dashboard.views.log import entry_page
from fermata.errors import Refusal
from fermata.protocol.charter.rules.trigger_rules import CHANGE, Rule
from fermata.protocol.state.state import Verdict
from fermata.protocol.verify.verifier import verify_bundle
from harness.bundles import bundle_of
from harness.chains import MODULUS_BITS_MIN
from harness.dashboard import paused_chain, paused_checks, paused_files, paused_source
from harness.drills import commit, drilling_chain

NASTY = "<script>alert(1)</script>\"' onload=x \u202e\u0007&amp; {{ 7 * 7 }}"


class Parsed(HTMLParser):
    """Tags with their attributes, ids, and whether all that was opened was closed."""

    VOID = ("meta", "link", "br")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
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

    @property
    def ids(self):
        return [a["id"] for _, a in self.tags if "id" in a]


def now():
    return paused_source().snapshot()


FILES = {}


def files():
    if not FILES:
        FILES.update(site_files(now(), paused_checks().view()))
    return FILES


def pages():
    return {n: d.decode() for n, d in files().items() if n.endswith(".html")}


def nasty_snapshot():
    shown = now()
    parties = {k: replace(p, organisation=NASTY) for k, p in shown.charter.parties.items()}
    charter = replace(shown.charter, title=NASTY, parties=parties)
    versions = tuple(replace(v, charter=charter) for v in shown.state.charters)
    motions = {k: replace(m, reason=NASTY) for k, m in shown.state.governance.motions.items()}
    beats = {k: replace(b, version=NASTY) for k, b in shown.state.heartbeats.items()}
    state = replace(
        shown.state,
        charter=charter,
        charters=versions,
        heartbeats=beats,
        governance=replace(shown.state.governance, motions=motions),
    )
    rejected = (Verdict(5, NASTY, NASTY, False, NASTY, NASTY),)
    return replace(shown, state=state, charter=charter, rejected=rejected)


def test_there_is_a_page_for_every_name():
    assert sorted(files()) == sorted(names(now()))
    assert all(files().values())


def test_every_link_leads_to_a_file_and_every_page_can_be_reached():
    seen, waiting = set(), ["index.html"]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if not name.endswith(".html"):
            continue
        parsed = Parsed(files()[name].decode())
        for _, attributes in parsed.tags:
            target = attributes.get("href")
            if target is None:
                continue
            if target.startswith("#"):
                assert target[1:] in parsed.ids
            else:
                assert target in files(), (name, target)
                waiting.append(target)
    assert seen == set(files())


def test_pages_are_closed_well_and_run_load_and_style_nothing_of_their_own():
    for name, text in pages().items():
        parsed = Parsed(text)
        assert parsed.open == [], name
        assert len(parsed.ids) == len(set(parsed.ids)), name
        for tag, attributes in parsed.tags:
            assert tag not in ("script", "style", "iframe", "img", "object", "base")
            assert not [a for a in attributes if a.startswith("on") or a in ("style", "src")]
            assert "//" not in (attributes.get("href") or "")
            for label in (attributes.get("aria-labelledby") or "").split():
                assert label in parsed.ids, (name, label)


def test_pages_have_one_main_heading_and_say_where_one_is():
    for name, text in pages().items():
        tags = Parsed(text).tags
        assert [t for t, _ in tags].count("h1") == 1, name
        assert [t for t, _ in tags].count("main") == 1, name
        assert sum(a.get("aria-current") == "page" for _, a in tags) == 1, name
        scoped = [a.get("scope") for t, a in tags if t == "th"]
        assert all(scope in ("col", "row") for scope in scoped), name
        pictures = [a for t, a in tags if t == "svg"]
        assert all(a["role"] == "img" and a["aria-labelledby"] for a in pictures), name


def test_a_page_in_a_folder_has_the_policy_in_itself_and_one_of_a_server_has_not():
    assert "default-src &#39;none&#39;; style-src &#39;self&#39;" in pages()["index.html"]
    served = render(now(), ChecksView(), "index.html")
    assert served is not None
    assert b"http-equiv" not in served.body


def test_the_overview_shows_the_pause_at_a_glance():
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", pages()["index.html"]))
    for said in (
        "State: lifting",
        "Calm rounds1 of 2",
        "rule hot, in round 4",
        "5 of 6 labs",
        "Not acknowledged bylab-6",
        "A change of the pause is not acknowledged",
        "Proved that they comply5 of 6 labs",
    ):
        assert said in text


def test_charts_show_limits_and_shade_the_pause():
    text = pages()["aggregates.html"]
    assert "hot: at least 100" in text
    assert 'class="span"' in text


def test_a_machine_that_cannot_draw_says_so_and_shows_the_numbers(cannot_draw):
    for name, number in (("aggregates.html", "120.000"), ("round-4.html", "120.000")):
        page = render(now(), paused_checks().view(), name)
        assert page is not None
        assert page.status == 200
        text = page.body.decode()
        assert "<svg" not in text
        assert f'<td class="number">{number}</td>' in text
        if name == "aggregates.html":
            assert text.count("could not be drawn on this machine") == text.count("<details>") > 0


def page_with_bands():
    shown = now()
    rule = Rule("jump", CHANGE, "hours", "sum", "at_least", Fraction(20), "20", over_rounds=1)
    charter = replace(shown.charter, rules=(*shown.charter.rules, rule))
    page = render(replace(shown, charter=charter), paused_checks().view(), "aggregates.html")
    assert page is not None
    return page.body.decode()


def test_sentences_of_every_page_are_apart_from_each_other():
    # The template engine takes away the end of a line behind a condition.
    joined = re.compile(r"[a-z)][.;,][A-Z][a-z]+ ")
    texts = {n: re.sub("<[^>]*>", "", p) for n, p in [*pages().items(), ("", page_with_bands())]}
    assert {name: joined.findall(text) for name, text in texts.items() if joined.search(text)} == {}


def test_limits_of_change_and_growth_are_bands_of_their_charts():
    text = page_with_bands()
    assert text.count('class="band"') == 4
    assert text.count("jump: change over 1 round, at least 20") == 2


def test_hostile_texts_stay_text_on_every_page():
    shown = nasty_snapshot()
    some = [name for name, _ in NAVIGATION] + ["round-5.html", "entry-5.html", "log-1.html"]
    for name in some:
        page = render(shown, paused_checks().view(), name)
        assert page is not None
        text = page.body.decode()
        assert NASTY not in text
        assert "&lt;script&gt;" in text
        assert "\u202e" not in text
        assert "\u0007" not in text
        assert "{{ 7 * 7 }}" in text
        assert [t for t, _ in Parsed(text).tags if t == "script"] == []


@pytest.mark.parametrize(
    "name",
    ["", "nothing", "round-0.html", "round-99.html", "round-5", "round.html", "log-0.html",
     "log-99999999999.html", "log-999999999999999999999.html", "entry-92000.html", "entry--1.html",
     "entry-07.html", "entry-99999.bin", "round-1.bin", "../pages.py", "style.css/", "entry.html",
     "parts/base.html", "parts/macros.html", "missing.html"],
)  # fmt: skip
def test_a_name_that_is_none_has_no_page(name):
    assert render(now(), ChecksView(), name) is None


def test_an_entry_can_be_had_as_it_stands_in_the_log():
    assert files()["entry-7.bin"] == now().leaves(7, 8)[0]


def test_a_log_that_does_not_verify_has_a_warning_on_every_page():
    chain = paused_chain().fork()
    chain.put(b"nothing")
    found = checks_view(verify_bundle(bundle_of(chain), None, MODULUS_BITS_MIN), 0)
    for name, _ in NAVIGATION:
        page = render(now(), found, name)
        assert page is not None
        assert b"Do not trust anything here" in page.body


def test_the_pages_of_a_bundle_show_the_witnessed_entries_and_prove_them_under_its_head():
    chain = paused_chain()
    size = chain.state.size
    sizes = dict.fromkeys(chain.deployment.charter.auditors, size - 3)
    source = BundleSource(bundle_of(chain, sizes=sizes), None, MODULUS_BITS_MIN)
    shown = source.snapshot()
    pages = names(shown)
    assert f"entry-{size - 4}.html" in pages
    assert f"entry-{size - 3}.html" not in pages
    page = entry_page(shown, size - 4)
    assert (page.leads, page.size) == (True, size)
    text = " ".join(render(shown, ChecksView(), "index.html").body.decode().split())
    assert f"A bundle: {size - 3} entries" in text
    witnessed = f"of {size} entries, of which {len(sizes)} auditors have witnessed {size - 3}."
    assert f"Its head is {witnessed}" in text


def test_a_bundle_that_does_not_verify_is_refused():
    chain = paused_chain().fork()
    chain.put(b"nothing")
    with pytest.raises(Refusal, match=r"\(V4\)") as refused:
        BundleSource(bundle_of(chain), None, MODULUS_BITS_MIN)
    assert refused.value.reason == "BUNDLE_INVALID"


def test_a_bundle_whose_log_cannot_be_read_is_refused():
    broken = {k: v for k, v in paused_files().items() if not k.startswith("tile/entries")}
    with pytest.raises(Refusal) as refused:
        BundleSource(broken, None, MODULUS_BITS_MIN)
    assert refused.value.reason == "BUNDLE_INVALID"


def test_a_bundle_of_another_charter_than_the_one_trusted_is_refused():
    with pytest.raises(Refusal):
        BundleSource(paused_files(), b"\0" * 32, MODULUS_BITS_MIN)


def test_the_dashboard_tells_what_is_before_the_committee_and_what_happened():
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", pages()["index.html"]))
    assert "Before the committee" in text
    assert "lift of entry" in text
    assert "charter in force: " in text
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", pages()["governance.html"]))
    assert "lab-2 filed a dispute (dispute about entry" in text
    assert "filed, waits for a ruling" in text
    # Nothing has carried here: a dispute and its ruling that is voted on.
    assert "carried" not in text


def test_the_page_on_the_key_shows_the_drills():
    chain = drilling_chain()
    commit(chain, "auditor-1", "auditor-2")
    state = chain.state
    shown = replace(now(), state=state, charter=state.charter)
    page = site_files(shown, paused_checks().view())["key.html"].decode()
    assert "auditor-1: committed, auditor-2: committed, auditor-3: waited for" in page
    assert "the charter asks for none" in files()["key.html"].decode()
