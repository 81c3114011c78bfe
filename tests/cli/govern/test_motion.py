"""``fermata motion``: motions and votes through the log, and what is refused before it leaves."""

import json

import pytest

from fermata.cli.govern.charter_changes import charter_changes
from fermata.protocol.charter.parse import parse_charter
from harness.deployments import changing
from harness.nodes import AUDITORS, MEMBERS, PARTIES, fermata, lay_out
from harness.prepared import copied, opened


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    site = lay_out(tmp_path_factory.mktemp("motion") / "site", (*PARTIES, *MEMBERS))
    site.deal()
    return opened(site)


@pytest.fixture
def site(template, tmp_path):
    """A log with its first round, in which member-1 has the chair."""
    found = copied(template, tmp_path / "site")
    with found.coordinator() as address:
        for party in (*PARTIES[1:], *MEMBERS):
            found.write_config(party, address)
        yield found


def motion(site, party, *words):
    site.witness()
    return fermata("motion", *words, "--config", site.config(party))


def listed(site):
    return json.loads(motion(site, "lab-1", "list", "--json").out)


def filed(site, party, *words):
    answer = motion(site, party, "file", *words, "--json")
    assert answer.code == 0, answer.err
    return json.loads(answer.out)["entry"]


def test_a_dispute_is_filed_ruled_on_and_shown(site):
    dispute = filed(site, "lab-2", "dispute", "--about", 2, "--lab", "lab-3", "--reason", "why")
    ruling = filed(site, "member-1", "ruling", "--about", dispute, "--upheld")
    assert [m["status"] for m in listed(site)["motions"]] == ["filed", "open"]
    assert "filed, waits for a ruling" in motion(site, "lab-1", "show", dispute).out
    assert "carried" not in motion(site, "lab-1", "list").out
    for member in MEMBERS[:2]:
        assert motion(site, member, "vote", ruling, "for").code == 0
    found = listed(site)
    assert (found["round"], found["chair"], found["overdue"]) == (1, "member-1", [])
    assert [m["status"] for m in found["motions"]] == ["upheld", "carried"]
    assert found["disputes"][0]["status"] == "upheld"
    appeal = filed(site, "lab-3", "appeal", "--about", dispute)
    assert [m["status"] for m in listed(site)["motions"]] == ["appealed", "carried", "filed"]
    shown = motion(site, "lab-1", "show", appeal).out
    assert f"entry {appeal}: an appeal, filed by lab-3 at 20" in shown
    assert "appealed, waits for the second ruling" in shown
    assert "votes:" not in shown
    text = motion(site, "member-2", "list").out
    assert "in the chair: member-1" in text
    assert "ruling" in text


def test_a_motion_expires_at_a_time_that_the_auditors_tell(site):
    dispute = filed(site, "lab-2", "dispute", "--about", 2, "--lab", "lab-3")
    entry = filed(site, "member-1", "ruling", "--about", dispute, "--upheld")
    assert [m["expires"] for m in listed(site)["motions"] if m["entry"] == entry] == [None]
    assert "expires a time not told yet" in motion(site, "lab-1", "list").out
    assert "expires a time not told yet" in motion(site, "member-2", "vote", entry, "against").err
    assert site.tell() == list(AUDITORS)
    (expires,) = (m["expires"] for m in listed(site)["motions"] if m["entry"] == entry)
    assert f"expires {expires}" in motion(site, "lab-1", "list").out
    assert f"expires {expires}" in motion(site, "member-3", "vote", entry, "against").err


def test_an_exclusion_names_a_dispute_that_was_upheld_and_is_final(site):
    dispute = filed(site, "lab-2", "dispute", "--about", 2, "--lab", "lab-3")
    words = ("exclusion", "--lab", "lab-3", "--from-round", 5)
    assert "--about" in motion(site, "member-1", "file", *words).err
    answer = motion(site, "member-1", "file", *words, "--about", dispute)
    assert (answer.code, answer.out) == (4, "")
    assert answer.error.endswith("[NO_GROUND]")
    assert "must name a dispute about lab-3 that was upheld and is final" in answer.error


def test_what_the_log_would_refuse_does_not_leave(site):
    answer = motion(site, "member-2", "file", "lift")
    assert (answer.code, answer.out) == (4, "")
    assert answer.error.endswith("[NOT_CHAIR]")
    answer = motion(site, "lab-1", "vote", 1, "for")
    assert answer.error.endswith("[NO_MOTION]")
    assert listed(site)["motions"] == []


def test_an_envelope_is_written_and_sent_later(site, tmp_path):
    out = tmp_path / "motion.bin"
    words = ("dispute", "--lab", "lab-3", "--about", 2)
    assert motion(site, "member-1", "file", *words, "--out", out).code == 0
    assert listed(site)["motions"] == []
    assert motion(site, "member-1", "file", *words, "--out", out).error.endswith("[FILE_EXISTS]")
    assert motion(site, "lab-1", "send", out).error.endswith("[NOT_AUTHOR]")
    assert motion(site, "member-1", "send", out).code == 0
    assert [m["subject"] for m in listed(site)["motions"]] == ["lab-3"]


def test_an_amendment_is_filed_with_the_new_charters_bytes(site):
    new = site.node("member-1") / "new.toml"
    text = site.charter_file.read_text().replace("A charter for", "Amended for")
    new.write_text(changing(text, site.charter))
    filed(site, "member-1", "amendment", "--charter", new, "--from-round", 2)
    assert listed(site)["motions"][0]["kind"] == "amendment"
    assert parse_charter(new.read_bytes()).title == "Amended for tests"
    other = site.node("member-1") / "other.toml"
    other.write_text(new.read_text().replace('first = "2026Q1"', 'first = "2026Q2"'))
    words = ("amendment", "--charter", other, "--from-round", 2)
    assert motion(site, "member-1", "file", *words).error.endswith("[MOTION_OPEN]")


def test_without_a_committee_there_is_nothing_to_list(tmp_path):
    site = lay_out(tmp_path / "site")
    with site.coordinator() as address:
        for party in PARTIES[1:]:
            site.write_config(party, address)
        answer = motion(site, "lab-1", "list")
        assert answer.error.endswith("[NO_COMMITTEE]")
        assert motion(site, "lab-1", "file", "lift").error.endswith("[NO_TIME]")
        site.tell()
        assert motion(site, "lab-1", "file", "lift").error.endswith("[NO_COMMITTEE]")


def test_a_vote_is_not_cast_blind(site):
    """The motion is printed before it is signed: of an amendment every line that changes."""
    dispute = filed(site, "lab-2", "dispute", "--about", 2, "--lab", "lab-3")
    words = ("ruling", "--about", dispute, "--upheld", "--reason", "It does not answer.")
    entry = filed(site, "member-1", *words)
    answer = motion(site, "member-2", "vote", entry, "for")
    assert answer.code == 0
    for part in (f"entry {entry}: a ruling, filed by member-1", f"entry {dispute}", "not answer."):
        assert part in answer.err
    text = site.charter_file.read_text().replace("window_s = 3600", "window_s = 7200")
    new = changing(text, site.charter)
    amended = site.node("member-1") / "amended.toml"
    amended.write_text(new)
    entry = filed(site, "member-1", "amendment", "--charter", amended, "--from-round", 2)
    answer = motion(site, "member-2", "vote", entry, "against")
    assert answer.code == 0
    shown = [line.strip() for line in answer.err.splitlines()]
    assert "window_s 3600 -> 7200" in shown
    at = shown.index("[rounds]")
    assert shown[at : at + 3] == ["[rounds]", "- window_s = 3600", "+ window_s = 7200"]
    changed = [line for line in shown if line[:2] in ("- ", "+ ")]
    base = f'+ previous = "{site.charter.sha256.hex()}"'
    assert changed == [base, *shown[at + 1 : at + 3]]


def test_changes_of_a_charter_stand_under_their_tables():
    old = 'title = "a"\n[rounds]\nwindow_s = 1\n[[lab]]\nid = "x"\n[[lab]]\nid = "y"\n'
    new = 'title = "b"\n[rounds]\nwindow_s = 1\nfirst = "1"\n[[lab]]\nid = "y"\n'
    assert list(charter_changes(old, new)) == [
        "  (top)",
        '  - title = "a"',
        '  + title = "b"',
        "  [[lab]]",
        "  - [[lab]]",
        '  - id = "x"',
        "  [rounds]",
        '  + first = "1"',
    ]
    assert list(charter_changes(old, old)) == []


def test_an_amendments_text_cannot_harm_a_screen():
    """C1 controls and directions of text are allowed in a comment of a charter's file."""
    (_, line) = charter_changes("", "a = 1 # \x9b2J \u202e b")
    assert line == r"  + a = 1 # \x9b2J \x202e b"
