"""The dashboard's pages by name, the same from a server and in a folder."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup, escape

from fermata.dashboard.charts.inks import CSS_CHARTS
from fermata.dashboard.checks import ChecksView
from fermata.dashboard.filters import environment
from fermata.dashboard.markup import timed
from fermata.dashboard.report import bins_chart, series_chart, static
from fermata.dashboard.source import Snapshot
from fermata.dashboard.tables import csv_text
from fermata.dashboard.views.labs import lab_ids, lab_page, troubled_nodes
from fermata.dashboard.views.log import entry_page, log_page, page_count
from fermata.dashboard.views.overview import metric_views, overview
from fermata.protocol.charter.parse import Charter
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.charter.rules.trigger_rules import Rule
from fermata.summary.documents import ROW_COLUMNS, result_rows
from fermata.summary.records.drills import drill_records
from fermata.summary.records.dues import account_records
from fermata.summary.records.governance import (
    GovernanceRecord,
    charter_record,
    governance_record,
)
from fermata.summary.records.governance_events import governance_events
from fermata.summary.records.pause import (
    RuleRecord,
    newest_judged,
    overdue_records,
    pause_record,
    pause_spans,
    rule_records,
)
from fermata.summary.records.rounds import result_records, round_record, round_records
from fermata.summary.records.succession import succession_record

HTML, CSS, CSV = "text/html; charset=utf-8", "text/css; charset=utf-8", "text/csv; charset=utf-8"
SVG, BYTES = "image/svg+xml", "application/octet-stream"
#: Nothing may run; only the style sheet and the icon are loaded, and from this site.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
#: More points than these would blur; the table of all results has every one.
CHART_ROUNDS_MAX = 60
_LAB = re.compile(r"lab-([a-z0-9-]{1,40})\.html\Z")
_NUMBERED = re.compile(r"(round|log|entry)-(0|[1-9][0-9]{0,11})\.(html|bin)\Z")


@dataclass(frozen=True, slots=True)
class Page:
    """One file: its media type and bytes, and the status under which a server sends it."""

    media_type: str
    body: bytes
    status: int = 200


def render(now: Snapshot, checks: ChecksView, name: str, is_file: bool = False) -> Page | None:
    """The page of this name, or None. ``is_file`` says that it will be in a folder."""
    if name in _STATIC:
        return _STATIC[name]
    if name == "results.csv":
        return Page(CSV, csv_text(ROW_COLUMNS, result_rows(now.state)).encode())
    numbered, lab = _NUMBERED.match(name), _LAB.match(name)
    content: Mapping[str, Any] | None
    if lab is not None:
        template, here, content = "each/lab.html", "participants.html", _lab(now, lab[1])
    elif numbered is None:
        template = here = name
        content = _PAGES[name][1](now) if name in _PAGES else None
    elif numbered[3] == "bin":
        return _leaf(now, int(numbered[2])) if numbered[1] == "entry" else None
    else:
        template, here, make = _NUMBERED_PAGES[numbered[1]]
        content = make(now, int(numbered[2]))
    return None if content is None else _page(now, checks, here, is_file, template, content)


def missing_page(now: Snapshot, checks: ChecksView) -> Page:
    """A server's answer to a name that no page has."""
    return replace(_page(now, checks, "", False, "missing.html", {}), status=404)


def names(now: Snapshot) -> list[str]:
    """The names of all pages and files as of now."""
    names = [name for name, _ in NAVIGATION] + [*_STATIC, "results.csv"]
    names += [f"round-{r.number}.html" for r in now.state.rounds]
    names += [f"lab-{lab}.html" for lab in lab_ids(now.state)]
    names += [f"log-{n}.html" for n in range(1, page_count(now.state.size) + 1)]
    for entry in range(now.state.size):
        names += [f"entry-{entry}.html", f"entry-{entry}.bin"]
    return names


def site_files(now: Snapshot, checks: ChecksView) -> dict[str, bytes]:
    """Every page as of now, by file name, for a folder; the links between them are relative."""
    pages = {name: render(now, checks, name, is_file=True) for name in names(now)}
    return {name: page.body for name, page in pages.items() if page is not None}


def _visible(value: object) -> object:
    """A text with its times marked, and as ``_shown`` has it; markup of ours is kept."""
    return (
        value if not isinstance(value, str) or isinstance(value, Markup) else timed(_shown(value))
    )


def _shown(value: str) -> str:
    """Text without characters that move the cursor, hide or turn text."""
    kept = (c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in value)
    return "".join(kept)


_TEMPLATES = environment("templates/site", _visible)


def _page(
    now: Snapshot,
    checks: ChecksView,
    here: str,
    is_file: bool,
    template: str,
    content: Mapping[str, Any],
) -> Page:
    """A page with what every page shows; ``here`` is its entry in the navigation."""
    charter = now.charter
    frame = {
        # It is in the page's title as well, which has no marks in it.
        "title": escape(_shown(charter.heading)),
        "deployment": charter.deployment,
        "charter_hash": now.state.charters[0].charter.sha256.hex(),
        "size": now.state.size,
        "as_of": utc_text(now.state.time_ms),
        "is_live": now.is_live,
        "is_file": is_file,
        "entries": now.head.size,
        "witnessed": now.witnessed.size,
        "quorum": charter.endorsement_quorum,
        "doubt": "This does not verify." if checks.checks and not checks.is_valid else "",
        "navigation": NAVIGATION,
        "here": here,
        "policy": POLICY.partition(" frame-ancestors")[0],  # A page cannot say this about itself.
    }
    text = _TEMPLATES.get_template(template).render(frame=frame, checks=checks, **content)
    return Page(HTML, text.encode())


def _rules(charter: Charter, said: Sequence[RuleRecord]) -> list[tuple[Rule, RuleRecord | None]]:
    """The charter's rules, each with what it said of a round, None if it was not judged."""
    by_rule = {record.rule: record for record in said}
    return [(rule, by_rule.get(rule.id)) for rule in charter.rules]


def _index(now: Snapshot) -> Mapping[str, Any]:
    state, charter = now.state, now.charter
    judged = newest_judged(state)
    closed = next((round_record(state, r) for r in reversed(state.rounds) if r.close), None)
    return {
        "pause": pause_record(state, not now.is_live) if charter.pause else None,
        "overdue": overdue_records(state, now.now_ms),
        "rules": _rules(charter, rule_records(state, judged)),
        "judged": state.round(judged),
        "newest": round_record(state, state.current) if state.current else None,
        "closed": closed,
        "charter": charter,
        "governance": _committee(now),
        "in_force": charter_record(state),
        "labs": lab_ids(state),
        "succession": succession_record(state, now.left),
    }


def _aggregates(now: Snapshot) -> Mapping[str, Any]:
    newest = replace(now.state, rounds=now.state.rounds[-CHART_ROUNDS_MAX:])
    run = overview(newest, now.charter, spans=pause_spans(now.state))
    charts = [(series, series_chart(series)) for series in run.series]
    return {"charts": charts, "cut": len(now.state.rounds) - len(run.rounds)}


def _rounds(now: Snapshot) -> Mapping[str, Any]:
    paused = {n for first, last in pause_spans(now.state) for n in range(first, last + 1)}
    return {"rounds": round_records(now.state)[::-1], "paused": paused}


def _round(now: Snapshot, number: int) -> Mapping[str, Any] | None:
    state, round_ = now.state, now.state.round(number)
    if round_ is None:
        return None
    charter, record = state.charter_at(number), round_record(state, round_)
    said = rule_records(state, number)
    return {
        "round": record,
        "logged": round_,
        "charter": charter,
        "charts": [(m, bins_chart(record, m)) for m in metric_views(state, round_)],
        "groups": [result for result in result_records(state, round_) if result.group],
        "rules": _rules(charter, said) if said else [],
        "later": number + 1 if number < len(state.rounds) else 0,
    }


def _participants(now: Snapshot) -> Mapping[str, Any]:
    return {"nodes": troubled_nodes(now), "now_ms": now.now_ms, "labs": lab_ids(now.state)}


def _dues(now: Snapshot) -> Mapping[str, Any]:
    state = now.state
    return {"dues": now.charter.dues, "accounts": account_records(state), "rounds": state.rounds}


def _governance(now: Snapshot) -> Mapping[str, Any]:
    events = governance_events(now.state)
    return {"governance": _committee(now), "charters": now.state.charters, "events": events}


def _committee(now: Snapshot) -> GovernanceRecord | None:
    return governance_record(now.state, now.now_ms) if now.charter.committee else None


def _log(now: Snapshot, number: int) -> Mapping[str, Any] | None:
    page = log_page(now, number)
    return None if page is None else {"page": page}


def _entry(now: Snapshot, number: int) -> Mapping[str, Any] | None:
    page = entry_page(now, number)
    return None if page is None else {"page": page}


def _lab(now: Snapshot, lab: str) -> Mapping[str, Any] | None:
    page = lab_page(now, lab)
    return None if page is None else {"page": page}


def _leaf(now: Snapshot, entry: int) -> Page | None:
    if entry >= now.state.size:
        return None
    return Page(BYTES, now.leaves(entry, entry + 1)[0])


_STATIC = {
    "style.css": Page(CSS, static("style.css") + CSS_CHARTS.encode()),
    "icon.svg": Page(SVG, static("icon.svg")),
}


def _key(now: Snapshot) -> Mapping[str, Any]:
    state = now.state
    return {
        "key": state.key,
        "past_keys": getattr(state, "past_keys", ()),
        "drills": drill_records(state),
        "charter_drills": state.charter.drills if state.charter else None,
    }


#: By name: the entry of the navigation, and the content.
_PAGES: Mapping[str, tuple[str, Callable[[Snapshot], Mapping[str, Any] | None]]] = {
    "index.html": ("Overview", _index),
    "aggregates.html": ("Aggregates", _aggregates),
    "rounds.html": ("Rounds", _rounds),
    "participants.html": ("Participants", _participants),
    "key.html": (
        "Key",
        _key,
    ),
    "dues.html": ("Dues", _dues),
    "governance.html": ("Governance", _governance),
    "log.html": ("Log", lambda now: _log(now, page_count(now.state.size))),
    "verify.html": ("Verify", lambda now: {}),
}
NAVIGATION = tuple((name, title) for name, (title, _) in _PAGES.items())
#: By kind: the template, the page of the navigation, the content.
_NUMBERED_PAGES = {
    "round": ("each/round.html", "rounds.html", _round),
    "log": ("log.html", "log.html", _log),
    "entry": ("each/entry.html", "log.html", _entry),
}
