"""``fermata charter``: what it writes, refuses and says."""

import itertools
import json
import re
import shutil

import pytest

from fermata.assessment.report_cost import Cost
from fermata.cli.setup.charter import away_line, cost_lines, explain, warnings
from harness.chains import make_deployment
from harness.deployments import PAUSE_TABLES, changing, charter_text, party_keys
from harness.nodes import COORDINATOR, PARTIES, fermata


def sign(site, party, *more):
    node = site.node(party)
    words = ("charter", "sign", site.charter_file, "--party", party)
    key = ("--key", node / "keys" / "signing.age", "--identity", site.identity(party))
    return fermata(*words, *key, *more)


def unsign(site):
    shutil.rmtree(site.charter_file.with_name("charter.toml.sig"))


def test_a_new_charter_is_a_template_that_says_what_to_fill_in(tmp_path):
    file = tmp_path / "charter.toml"
    answer = fermata("charter", "new", file, "--json")
    assert (answer.code, json.loads(answer.out)) == (0, {"file": str(file)})
    refused = fermata("charter", "check", file)
    assert (refused.code, refused.out) == (2, "")
    lines = file.read_text().splitlines()
    blanks = [(i, line) for i, line in enumerate(lines, 1) if '= "<' in line and line[0] != "#"]
    assert len(blanks) == 13
    for number, line in blanks:
        key, value = line.split(" = ")
        said = f"charter line {number}: {key}: must be filled in, got {value.strip(chr(34))}"
        assert said in refused.err
    assert "(and 12 more faults, listed above)" in refused.error


def filled_in(file):
    file.write_text(re.sub('"<(.*)>"', r'"\1"', file.read_text()))


@pytest.mark.parametrize(
    ("labs", "auditors", "members"), [(5, 1, 0), (5, 3, 2), (6, 4, 3), (13, 5, 0), (5, 7, 4)]
)
def test_a_new_charter_passes_the_check_once_names_are_filled_in(tmp_path, labs, auditors, members):
    file = tmp_path / "charter.toml"
    words = ("--labs", labs, "--auditors", auditors, "--members", members)
    words += () if auditors >= 3 else ("--dealer",)
    assert fermata("charter", "new", file, *words, "--deployment", "trial").code == 0
    filled_in(file)
    answer = fermata("charter", "check", file, "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert (told["labs"], told["auditors"], told["deployment"]) == (labs, auditors, "trial")
    assert len(told["keys_missing"]) == 1 + labs + auditors + members
    assert told["charter_hash"] is None
    assert len(told["rounds"]) == 8
    out = fermata("charter", "check", file).out
    assert f"Signing keys of {len(told['keys_missing'])} parties are missing" in out
    away = "At most 1 may be away" if auditors in (4, 5, 7) else "No auditor may be away"
    assert away in out
    comes = "comes out" if labs > 5 else "does not come out"
    assert f"panel capability: the first sum {comes} without it" in out


def test_all_faults_of_a_charter_are_named_at_once(site, tmp_path):
    file = tmp_path / "charter.toml"
    text = site.charter_file.read_text()
    edits = {"format = 1": "format = 2", "window_s = 3600": "window_s = 3600\nheartbeat_s = 0"}
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text + '\n[[rule]]\nid = "x"\nkind = "level"\nmetric = "none"\n')
    refused = fermata("charter", "check", file)
    assert refused.code == 2
    for key in ("format: ", "rounds.heartbeat_s: ", "rule["):
        assert key in refused.err


def test_a_template_for_numbers_that_cannot_be_is_refused(tmp_path):
    file = tmp_path / "charter.toml"
    for words in (
        ("--auditors", 2),
        ("--labs", 4),
        ("--auditors", 8),
        ("--members", 1),
        ("--deployment", "No Name"),
    ):
        answer = fermata("charter", "new", file, *words)
        assert (answer.code, answer.error.endswith("[USAGE]")) == (2, True), words
    assert not file.exists()


@pytest.mark.parametrize(
    ("words", "origin", "says"),
    [
        ((), "distributed", "the key: its auditors make it together, and no dealer can"),
        (("--dealer",), "any", "the key: a dealer may make it, who could keep it"),
        (("--dealer", "--auditors", "1"), "any", "the key: a dealer may make it"),
    ],
    ids=("together", "dealer", "one auditor"),
)
def test_a_new_charter_takes_a_dealers_key_only_if_it_was_asked_for(tmp_path, words, origin, says):
    file = tmp_path / "charter.toml"
    answer = fermata("charter", "new", file, *words)
    assert answer.code == 0
    assert ("a dealer made, who could keep it" in answer.err) == (origin == "any")
    assert ('key_origin = "distributed"' in file.read_text()) == (origin == "distributed")
    filled_in(file)
    assert says in fermata("charter", "check", file).out
    assert json.loads(fermata("charter", "check", file, "--json").out)["key_origin"] == origin


def test_a_new_charter_replaces_nothing(tmp_path):
    file = tmp_path / "charter.toml"
    file.write_text("mine")
    (tmp_path / "link.toml").symlink_to(tmp_path / "nowhere")
    for path in (file, tmp_path / "link.toml"):
        answer = fermata("charter", "new", path)
        assert (answer.code, answer.error.endswith("[FILE_EXISTS]")) == (2, True)
    assert file.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()
    assert fermata("charter", "new", tmp_path / "none" / "charter.toml").code == 2
    assert "[CHARTER_NAME]" in fermata("charter", "new", tmp_path / "charter.txt").error


def test_a_good_charter_is_explained(site):
    answer = fermata("charter", "check", site.charter_file)
    assert answer.code == 0
    assert "What each party learns beyond that" in answer.out
    assert (
        "Warning: panel scores has 3 organisations: it gives no sum before 3 of them have reported."
        in answer.out
    )
    told = json.loads(fermata("charter", "check", site.charter_file, "--json").out)
    assert told["charter_hash"] == site.charter.sha256.hex()
    assert len(told["warnings"]) == 5
    alone = "all 2 auditors: if one is away, no round closes and nothing is witnessed."
    assert any(alone in warning for warning in told["warnings"])


def test_the_dates_of_the_next_eight_rounds_are_told(tmp_path, monkeypatch):
    """2026-04-01, the day of a key record: no round opens before its quarter is over."""
    monkeypatch.setattr("fermata.cli.setup.charter.clock_ms", lambda: 1_775_001_600_000)
    text = charter_text(party_keys(0, 6, 3), 2048, first="2026Q1", window_s=1_209_600)
    file = tmp_path / "charter.toml"
    file.write_text(text)
    rounds = json.loads(fermata("charter", "check", file, "--json").out)["rounds"]
    assert len(rounds) == 8
    assert rounds[0] == {
        "period": "2026Q1",
        "opens": "2026-04-01T00:00:00Z",
        "closes": "2026-04-15T00:00:00Z",
    }
    assert rounds[7]["period"] == "2027Q4"
    assert rounds[7]["opens"] == "2028-01-01T00:00:00Z"
    told = fermata("charter", "check", file).out
    assert "2026Q2: opens 2026-07-01T00:00:00Z, closes 2026-07-15T00:00:00Z at the latest" in told


def test_how_often_nodes_send_heartbeats_is_told_with_the_dates(site, tmp_path):
    told = json.loads(fermata("charter", "check", site.charter_file, "--json").out)
    assert told["heartbeat_s"] == 900
    assert "sends a heartbeat every 900 s" in fermata("charter", "check", site.charter_file).out
    other = tmp_path / "other.toml"
    text = site.charter_file.read_text()
    other.write_text(text.replace("window_s = 3600", "window_s = 3600\nheartbeat_s = 61"))
    assert "sends a heartbeat every 61 s" in fermata("charter", "check", other).out


def test_how_long_a_close_waits_for_pleas_is_told_with_the_dates(site, tmp_path):
    """A quarter of the window, unless the charter says otherwise."""
    told = json.loads(fermata("charter", "check", site.charter_file, "--json").out)
    assert told["plea_s"] == 900
    assert "another 900 s (plea_s)" in fermata("charter", "check", site.charter_file).out
    other = tmp_path / "other.toml"
    text = site.charter_file.read_text()
    other.write_text(text.replace("window_s = 3600", "window_s = 3600\nplea_s = 61"))
    assert "another 61 s (plea_s)" in fermata("charter", "check", other).out


@pytest.mark.parametrize(
    ("auditors", "threshold", "is_warned"),
    [(3, 2, False), (3, 3, True), (4, 2, False), (4, 3, True), (5, 3, False), (5, 4, True)],
)
def test_auditors_of_whom_none_could_be_named_for_a_wrong_part_are_warned_of(
    auditors, threshold, is_warned
):
    charter = make_deployment(auditors=auditors, threshold=threshold).charter
    said = f"{threshold} of {auditors} auditors open: one that gives a wrong part"
    assert any(said in line for line in warnings(charter)) == is_warned


HOLD = PAUSE_TABLES.replace("silence_s = 1800", 'silence_s = 1800\nsilence = "hold"')


@pytest.mark.parametrize(("heartbeat_s", "is_warned"), [(450, False), (451, True), (1799, True)])
def test_labs_that_hold_after_a_few_late_heartbeats_are_warned_of(heartbeat_s, is_warned):
    charter = make_deployment(heartbeat_s=heartbeat_s, extra=HOLD).charter
    assert any("labs hold when silence_s (1800)" in line for line in warnings(charter)) == is_warned
    told = make_deployment(heartbeat_s=heartbeat_s, extra=PAUSE_TABLES).charter
    assert not any("silence_s" in line for line in warnings(told))


def test_a_check_says_what_labs_do_while_the_log_is_silent():
    def said(**settings):
        return [
            line for line in explain(make_deployment(**settings).charter) if "log is silent" in line
        ]

    (hold,), (tell,) = said(extra=HOLD), said(extra=PAUSE_TABLES)
    assert 'silent for 30 min (silence = "hold"), each lab holds' in hold
    assert "once 2 auditors have nothing newer either" in hold
    assert "holds after 1 h" in hold
    assert 'silent for 30 min (silence = "tell"), nodes tell people, and labs go on' in tell
    assert said() == []


def test_who_keeps_a_panel_from_coming_out_is_told(site):
    told = fermata("charter", "check", site.charter_file).out
    assert "panel scores: 1 of its 3 organisations, if they are silent; 2 who pool theirs" in told


def test_statistics_that_say_much_of_few_figures_are_refused(site, tmp_path):
    file = tmp_path / "charter.toml"
    text = site.charter_file.read_text()
    file.write_text(text.replace('statistics = ["sum"]', 'statistics = ["sum", "variance"]', 1))
    answer = fermata("charter", "check", file)
    assert (answer.code, answer.out) == (2, "")
    assert "score has variance: the sum and the squares of 3 figures" in answer.error
    assert answer.error.endswith("[CHARTER_UNSAFE]")


@pytest.mark.parametrize(("heartbeat_s", "is_warned"), [(1799, False), (1800, True), (7200, True)])
def test_a_pause_that_calls_the_time_between_heartbeats_silence_is_warned_of(
    heartbeat_s, is_warned
):
    charter = make_deployment(heartbeat_s=heartbeat_s, extra=PAUSE_TABLES).charter
    said = [line for line in warnings(charter) if "silence_s" in line]
    expected = f"silence_s of the pause is 1800, not longer than heartbeat_s ({heartbeat_s}): a log"
    assert [line.startswith(expected) for line in said] == [True] * is_warned
    assert not any("silence_s" in line for line in warnings(make_deployment().charter))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            ("window_s = 3600", "window_s = 3600\ninterval_s = 6480000"),
            "rounds.interval_s: must be left out unless",
        ),
        (("window_s = 3600", "window_s = 7776001"), "fall behind their periods"),
    ],
)
def test_rounds_that_would_drift_from_their_periods_are_refused(tmp_path, edit, said):
    text = charter_text(party_keys(0, 6, 3), 2048)
    file = tmp_path / "charter.toml"
    file.write_text(text.replace(*edit))
    answer = fermata("charter", "check", file)
    assert answer.code == 2
    assert said in answer.error


def test_the_time_of_a_report_is_told_for_each_panel(site, monkeypatch):
    ticks = itertools.count(0, 3_072_000)
    monkeypatch.setattr("fermata.cli.setup.charter.time.process_time_ns", lambda: next(ticks))
    told = json.loads(fermata("charter", "check", site.charter_file, "--json").out)
    panels = [p.id for p in site.charter.panels]
    assert [c["panel"] for c in told["cost"]] == panels
    assert all(min(c["make_ms"], c["check_ms"]) > 0 for c in told["cost"])
    out = fermata("charter", "check", site.charter_file).out
    for panel in panels:
        assert re.search(rf"panel {panel}: about [0-9.]+ m?s to make, about [0-9.]+ m?s to", out)


def test_times_are_told_to_two_digits():
    costs = {"a": Cost(12.345, 0.0), "b": Cost(1234.5, 999.6)}
    lines = cost_lines(costs)
    assert "panel a: about 12 ms to make, about 0 ms to check" in lines[-2]
    assert "panel b: about 1.2 s to make, about 1 s to check" in lines[-1]


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"format = 1", b"= 1", bytes(400_000)])
def test_junk_for_a_charter_is_one_line(tmp_path, data):
    file = tmp_path / "junk.toml"
    file.write_bytes(data)
    for command in ("check", "show"):
        answer = fermata("charter", command, file)
        assert answer.code == 2
        assert str(file) in answer.error
        assert answer.out == ""


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_file_that_is_none_is_one_line(tmp_path, command):
    assert fermata("charter", command, tmp_path).code == 2
    assert "[FILE_MISSING]" in fermata("charter", command, tmp_path / "none.toml").error


def test_show_says_who_has_signed(site):
    answer = fermata("charter", "show", site.charter_file)
    assert answer.code == 0
    assert answer.out.endswith("signed by all\n")
    folder = site.charter_file.with_name("charter.toml.sig")
    (folder / "lab-1").unlink()
    (folder / "lab-2").write_bytes(b"\xff")
    told = json.loads(fermata("charter", "show", site.charter_file, "--json").out)
    states = {p["party"]: p["signature"] for p in told["parties"]}
    assert (states["lab-1"], states["lab-2"], states["lab-3"]) == ("not signed", "WRONG", "signed")
    assert told["complete"] is False
    assert "not signed by lab-1, lab-2" in fermata("charter", "show", site.charter_file).out


def test_all_parties_sign(site):
    unsign(site)
    for party in PARTIES:
        answer = sign(
            site, party, "--charter-hash", f"SHA256:{site.charter.sha256.hex().upper()}", "--json"
        )
        assert answer.code == 0, answer.err
        assert json.loads(answer.out)["party"] == party
    assert json.loads(fermata("charter", "show", site.charter_file, "--json").out)["complete"]
    assert sign(site, "lab-1").code == 0


def test_a_charter_that_changed_after_a_signature_is_not_signed(site):
    unsign(site)
    assert sign(site, "lab-1").code == 0
    site.charter_file.write_text(site.charter_file.read_text() + "# later\n")
    for party in ("lab-1", "lab-2"):
        answer = sign(site, party)
        assert (answer.code, answer.error.endswith("[SIGNATURES]")) == (2, True)
        assert "the signature of lab-1 is of other bytes" in answer.error
    assert not site.charter_file.with_name("charter.toml.sig").joinpath("lab-2").exists()


def test_a_charter_is_not_signed_by_mistake(site):
    unsign(site)
    answer = sign(site, "lab-1", "--charter-hash", "00" * 32)
    assert (answer.code, answer.error.endswith("[CHARTER_HASH]")) == (2, True)
    answer = sign(site, "lab-1", "--party", "lab-2")
    assert answer.error.endswith("[SIGNING_KEY]")
    answer = sign(site, "lab-1", "--party", "nobody")
    assert answer.error.endswith("[PARTY]")
    answer = sign(site, "lab-1", "--identity", site.identity("lab-2"))
    assert answer.error.endswith("[KEYFILE_UNREADABLE]")
    answer = sign(site, "lab-1", "--passphrase-file", "x")
    assert answer.error.endswith("[UNLOCK]")
    answer = sign(site, "lab-1", "--key", site.folder)
    assert answer.code == 2
    other = site.charter_file.with_name("charter.txt")
    shutil.copy(site.charter_file, other)
    assert "[CHARTER_NAME]" in fermata("charter", "sign", other, "--party", "a", "--key", "b").error
    assert not site.charter_file.with_name("charter.toml.sig").exists()
    assert site.charter.parties[COORDINATOR].role == "coordinator"


@pytest.mark.parametrize(
    ("auditors", "threshold", "words"),
    [
        (3, 2, "No auditor may be away"),
        (4, 2, "At most 1 may be away"),
        (5, 3, "At most 1 may be away"),
        (7, 4, "At most 1 may be away"),
    ],
)
def test_a_charter_says_how_many_auditors_may_be_away(auditors, threshold, words):
    charter = make_deployment(auditors=auditors, threshold=threshold).charter
    line = away_line(charter)
    assert line.startswith(words)
    assert (f"Up to {threshold - 1} who lie" in line) == ("No auditor" not in words)


def test_check_and_show_name_the_charter_that_a_new_one_changes(site, tmp_path):
    new = tmp_path / "new.toml"
    new.write_text(changing(site.charter_file.read_text(), site.charter))
    for command in ("check", "show"):
        assert f"changes the charter {site.charter.sha256.hex()}" in ok(command, new)
        told = json.loads(fermata("charter", command, new, "--json").out)
        assert told["previous"] == site.charter.sha256.hex()
        assert "changes the charter" not in ok(command, site.charter_file)


def ok(command, file):
    answer = fermata("charter", command, file)
    assert answer.code == 0, answer.error
    return answer.out
