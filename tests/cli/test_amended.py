"""After an amendment every command goes by the charter in force, and pins the log by the first.

The amendment brings a metric, ``extra``, which lab-1 pushes and the others have in their tables.
"""

import ast
import io
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest

from fermata import open_bundle
from fermata.cli.main import cli
from fermata.node.config import load_config, read_charter
from fermata.node.hook.governance_notice import open_governance
from fermata.node.run.participant import run_participant
from harness.commands import commands_of
from harness.deployments import added_metric, changing
from harness.node.hook_world import Program
from harness.nodes import (
    AUDITORS,
    COORDINATOR,
    LABS,
    MEMBERS,
    METRICS,
    PARTIES,
    WAIT_S,
    fermata,
    lay_out,
)
from harness.nodes import until as wait_until

SOURCES = Path(__file__).parents[2] / "src" / "fermata"
EXTRA = added_metric("sum", "mean")
PUSHED = '\n[[lab.source]]\nmetric = "extra"\nkind = "push"\nunit = "u"\n'
ROWS = "2026Q2,hours,7\n2026Q2,extra,2.5\n2026Q3,score,0.5\n2026Q3,hours,7\n2026Q3,extra,3\n"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    """A running deployment whose second round was opened under the amended charter."""
    found = lay_out(
        tmp_path_factory.mktemp("amended") / "site",
        (*PARTIES, *MEMBERS),
        edit=lambda text: text.replace("notice_s = 3600", "notice_s = 1"),
    )
    found.deal()
    ending, threads = threading.Event(), []
    with found.coordinator() as address:
        program = Program(tmp_path_factory.mktemp("governance-hook"))
        hook = f'\n[governance_hook]\ncommand = ["{program.path}"]\n'
        for party in (*PARTIES[1:], *MEMBERS):
            more = {"lab-1": PUSHED, "lab-2": hook}.get(party, "")
            found.write_config(party, address, more)
        found.open_round(address)
        new = found.node("member-1") / "new.toml"
        new.write_text(changing(found.charter_file.read_text(), found.charter) + EXTRA)
        words = ("--charter", new, "--from-round", 2, "--json")
        entry = json.loads(motion(found, "member-1", "file", "amendment", *words).out)["entry"]
        for member in MEMBERS[:2]:
            motion(found, member, "vote", entry, "for")
        # It has the labs report a metric more, so each agrees; by its vote its node goes on.
        for lab in LABS:
            agreed = motion(found, lab, "vote", entry, "for")
            assert "metrics adds extra: needs the lab's consent" in agreed.err
        # The notice begins when the auditors have seen the last vote, and ends by their clocks.
        assert found.tell()
        wait_until(found.tell)
        for lab in LABS:
            rows = METRICS + ROWS
            if lab == "lab-1":
                rows = "".join(line for line in rows.splitlines(True) if "extra" not in line)
            (found.node(lab) / "metrics.csv").write_text(rows)
        # lab-3 has no node: it reports by hand, under the first charter and under the amended one.
        for party in (*AUDITORS, *LABS[:2]):
            config = load_config(found.config(party))
            done = lambda driver: ending.is_set()  # noqa: E731
            threads.append(threading.Thread(target=run_participant, args=(config, done)))
            threads[-1].start()
        try:
            reports_by_hand(found)
            wait_until(lambda: len(found.events("auditor-1", "results_opened")) >= 1)
            wait_until(lambda: pushes(found, "2026Q2=5"))
            reports_by_hand(found)
            wait_until(lambda: len(found.events("auditor-1", "results_opened")) >= 2)
            wait_until(lambda: len(found.events("lab-2", "governance_hook_taken")) >= 3)
            yield found, program
        finally:
            ending.set()
            for thread in threads:
                thread.join()


@pytest.fixture(scope="module")
def site(deployment):
    return deployment[0]


def pushes(site, what):
    period, _, value = what.partition("=")
    words = ("--config", site.config("lab-1"), "--period", period, f"extra={value}")
    return fermata("lab", "push", *words).code == 0


def reports_by_hand(site):
    ok("lab", "report", "--config", site.config("lab-3"))


def motion(site, party, *words):
    site.witness()
    answer = fermata("motion", *words, "--config", site.config(party))
    assert answer.code == 0, answer.err
    return answer


@pytest.fixture(scope="module")
def bundle(site, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "out"
    answer = fermata("bundle", "--config", site.config("auditor-1"), out)
    assert answer.code == 0, answer.err
    return out


def ok(*words):
    answer = fermata(*words)
    assert answer.code == 0, answer.err
    return answer.out


def test_a_charter_is_accepted_only_if_the_log_has_it_and_the_owner_says_yes(
    site, tmp_path, monkeypatch
):
    config = ("--config", site.config("lab-3"))
    unknown = fermata("charter", "accept", "00" * 32, *config, "--yes")
    assert unknown.error.endswith("[CHARTER_HASH]")
    file = tmp_path / "other.toml"
    text = changing(site.charter_file.read_text(), site.charter)
    file.write_text(text.replace("cohort_min = 3", "cohort_min = 3\nopenings_per_key_max = 20000"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    unsaid = fermata("charter", "accept", file, *config)
    assert "! openings_per_key_max 10000 -> 20000: weaker" in unsaid.err
    assert unsaid.err.rstrip().endswith("[INTERRUPTED]")
    folder = site.node("lab-3") / "data/consent"
    assert not list(folder.glob("*.new"))
    said = json.loads(fermata("charter", "accept", file, *config, "--yes", "--json").out)
    assert said["changes"][0]["article"] == "openings_per_key_max"
    assert [path.stem for path in folder.glob("*.new")] == [said["charter_hash"]]
    # The charter that the lab has voted for is known by its hash, and changes nothing any more.
    again = json.loads(fermata("charter", "accept", said["before"], *config, "--json").out)
    assert (again["charter_hash"], again["changes"]) == (said["before"], [])


def test_nodes_of_labs_that_voted_for_the_amendment_did_not_wait_for_their_owners(site):
    assert [site.events(lab, "not_consented") for lab in LABS[:2]] == [[], []]


def test_a_lab_checks_a_figure_that_came_by_the_amendment(site):
    out = ok("lab", "check", "--config", site.config("lab-2"), "--period", "2026Q2")
    assert "extra" in out


def test_a_lab_finds_its_place_by_log_and_by_bundle(site, bundle):
    words = ("lab", "place", "--config", site.config("lab-2"), "--period", "2026Q2", "--json")
    for more in ((), ("--bundle", bundle)):
        assert "extra" in {row["metric"] for row in json.loads(ok(*words, *more))}
    first = json.loads(ok(*words[:-2], "2026Q1", "--json", "--bundle", bundle))
    assert {row["metric"] for row in first} == {"score", "hours"}


@pytest.mark.parametrize(("number", "metric"), [(2, "extra"), (2, "score"), (1, "score")])
def test_a_figure_of_either_charter_is_opened_and_checked(site, bundle, tmp_path, number, metric):
    out = tmp_path / "value"
    words = ("--round", number, "--metric", metric, "--auditor", "auditor-1", "--out", out)
    ok("lab", "open-value", "--config", site.config("lab-1"), *words)
    assert "VALID" in ok("audit", "check-value", out, "--bundle", bundle)
    assert "VALID" in ok("audit", "check-value", out, "--config", site.config("auditor-1"))


def test_a_figure_that_the_rounds_charter_did_not_have_is_refused(site, tmp_path):
    words = ("--round", 1, "--metric", "extra", "--auditor", "auditor-1", "--out", tmp_path / "v")
    answer = fermata("lab", "open-value", "--config", site.config("lab-1"), *words)
    assert answer.error.endswith("[METRIC_UNKNOWN]")


def test_whoever_reads_sees_the_amended_metric(site, bundle, tmp_path):
    config = ("--config", site.config("lab-3"))
    assert "extra" in ok("results", *config)
    assert "extra" in ok("results", bundle)
    assert "VALID" in ok("verify", bundle, "--charter-hash", site.charter.sha256.hex())
    ok("report", bundle, "--out", tmp_path / "report")
    ok("dashboard", bundle, "--export", tmp_path / "pages")
    assert "extra" in (tmp_path / "pages" / "aggregates.html").read_text()
    ok("log", "show", *config)
    ok("motion", "list", *config)
    assert fermata("status", *config).code in (0, 1)
    ok("auditor", "check", "--config", site.config("auditor-2"))


def test_every_reading_of_a_test_charter_says_that_it_is_one(site, bundle, tmp_path):
    config = ("--config", site.config("lab-3"))
    readings = (
        ("results", *config), ("results", bundle), ("log", "show", *config), ("status", *config),
        ("motion", "list", *config), ("verify", bundle), ("charter", "check", site.charter_file),
        ("report", bundle, "--out", tmp_path / "report"), ("lab", "place", *config, "--period",
        "2026Q1"), ("charter", "accept", site.charter_file, *config, "--yes"),
    )  # fmt: skip
    for words in readings:
        answer = fermata(*words)
        assert "TEST CHARTER: " in answer.out + answer.err, words
    for page in (tmp_path / "report").glob("**/*.*"):
        if page.suffix in (".html", ".md"):
            assert "TEST CHARTER: " in page.read_text(), page.name
    ok("dashboard", bundle, "--export", tmp_path / "pages")
    for page in (tmp_path / "pages").glob("*.html"):
        assert "TEST CHARTER: " in page.read_text(), page.name
    assert json.loads(fermata("status", *config, "--json").out)["test"] is True
    assert json.loads(fermata("verify", bundle, "--json").out)["results"]["test"] is True


def test_checking_a_value_names_the_hash_to_pin_and_that_hash_is_accepted(site, bundle, tmp_path):
    out, first = tmp_path / "value", site.charter.sha256.hex()
    words = ("--round", 2, "--metric", "extra", "--auditor", "auditor-1", "--out", out)
    ok("lab", "open-value", "--config", site.config("lab-1"), *words)
    check = ("audit", "check-value", out, "--bundle", bundle)
    told = json.loads(ok(*check, "--json"))
    assert (told["charter_hash"], told["round_charter_hash"] != first) == (first, True)
    assert f"charter {first}: compare it, or give it as --charter-hash" in ok(*check)
    assert "VALID" in ok(*check, "--charter-hash", told["charter_hash"])


def test_a_motion_is_filed_sent_and_voted_on_under_the_amended_charter(site, tmp_path):
    chair = json.loads(motion(site, "lab-1", "list", "--json").out)["chair"]
    file = tmp_path / "motion"
    words = ("--about", 2, "--lab", "lab-3", "--reason", "a test", "--json")
    dispute = json.loads(motion(site, "lab-2", "file", "dispute", *words).out)["entry"]
    words = ("--about", dispute, "--upheld", "--out", file)
    motion(site, chair, "file", "ruling", *words)
    entry = json.loads(motion(site, chair, "send", file, "--json").out)["entry"]
    motion(site, "member-1", "vote", entry, "against")
    shown = json.loads(motion(site, "lab-1", "list", "--json").out)["motions"]
    assert [(m["kind"], m["against"]) for m in shown if m["entry"] == entry] == [("ruling", 1)]


def test_a_watch_goes_by_the_charter_in_force(site):
    """It has no pause, and is watched for what its committee does."""
    words = ("watch", "--json", "--config", str(site.config("lab-1")))
    watch = subprocess.Popen(
        [sys.executable, "-m", "fermata.cli.main", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        first = json.loads(watch.stdout.readline())
    finally:
        watch.send_signal(signal.SIGTERM)
        watch.communicate(timeout=WAIT_S)
    assert (first["event"], "phase" in first) == ("state", False)
    assert first["governance"]["chair"] in MEMBERS


def test_the_charter_in_force_is_the_amended_one(site, tmp_path):
    config = ("--config", site.config("lab-1"))
    out = tmp_path / "in-force.toml"
    told = json.loads(ok("charter", "in-force", *config, "--out", out, "--json"))
    new = read_charter(out)
    assert (told["charter_hash"], told["previous"]) == (new.sha256.hex(), site.charter.sha256.hex())
    assert "extra" in {metric.id for panel in new.panels for metric in panel.metrics}
    assert (told["from_round"], told["pending"]) == (2, None)
    shown = json.loads(ok("motion", "show", told["motion"], *config, "--json"))
    assert shown["in_effect"] == {"entry": told["entry"], "from_round": 2}
    assert shown["amendment"]["charter_hash"] == told["charter_hash"]
    # What it was voted on for stays readable once it is in force.
    assert shown["amendment"]["changes_charter"] == told["previous"]
    changes = [change["text"] for change in shown["amendment"]["changes"]]
    assert "metrics adds extra: needs the lab's consent" in changes
    text = ok("charter", "in-force", *config, "--text")
    assert text.startswith(f"charter in force: {told['charter_hash']} since 20")
    assert text.endswith(out.read_text())
    again = fermata("charter", "in-force", *config, "--out", out)
    assert again.error.endswith("[FILE_EXISTS]")


def test_the_governance_hook_of_a_running_node_got_every_step(deployment):
    site, program = deployment
    new = json.loads(ok("charter", "in-force", "--config", site.config("lab-2"), "--json"))
    out = site.node("lab-2") / "in-force.toml"
    ok("charter", "in-force", "--config", site.config("lab-2"), "--out", out)
    notices = [
        open_governance(call["notice"].encode(), read_charter(out), site.charter.sha256)
        for call in program.calls[:3]
    ]
    assert [n.event.step for n in notices] == [
        "motion_filed",
        "motion_decided",
        "amendment_in_force",
    ]
    assert {n.event.motion for n in notices} == {new["motion"]}
    assert all(n.event.concerns_node for n in notices)


def test_every_node_told_once_that_the_amendment_is_in_force_and_what_it_changes(site):
    for party in (*AUDITORS, *LABS[:2], COORDINATOR):
        (event,) = map(json.loads, site.events(party, "amendment_in_force"))
        assert event["round"] == 2
        assert "metrics adds extra: needs the lab's consent" in event["where"]
    asked = [json.loads(line)["status"] for line in site.events("lab-1", "motion_about_this_lab")]
    assert asked == ["motion_filed", "motion_decided", "amendment_in_force"]
    assert site.events("auditor-1", "motion_about_this_lab") == []


def test_the_hash_of_an_amended_charter_says_what_to_pin_instead(site, bundle):
    told = json.loads(fermata("verify", bundle, "--json").out)
    first = told["results"]["charter_hash"]
    log = open_bundle(bundle)
    assert (log.charter_hash, log.charter.sha256.hex() != first) == (first, True)
    for form in ("{}", "SHA256:{}"):
        words = ("verify", bundle, "--charter-hash", form.format(log.charter.sha256.hex()))
        answer = fermata(*words)
        assert (answer.code, "V1  FAILED" in answer.out) == (1, True)
        assert "amended charter in force from round 2" in answer.out
        assert first in answer.out
    assert "amended" not in fermata("verify", bundle, "--charter-hash", "00" * 32).out
    assert fermata("verify", bundle, "--charter-hash", f"SHA256:{first.upper()}").code == 0


def test_a_push_is_checked_against_the_range_that_the_amendment_brought(site):
    words = ("--config", site.config("lab-1"), "--period", "2026Q3")
    answer = fermata("lab", "push", *words, "extra=10.5")
    assert answer.error.endswith("[METRIC_RANGE]")


READS_FILES = "reads files that are named to it, and no log"
BEFORE_LOG = "sets up a node before there is a log"
NEXT_EPOCH = "is before there is a log, or for the next epoch: see tests/e2e/test_next_epoch.py"
NODE = "runs until stopped; the deployment above has run it"
LIKE_RULING = "is filed by the same code as a ruling, from another body"
#: Why a command needs no case here, one by one: a new one needs a case, or a reason of its own.
UNTOUCHED = {
    "charter new": READS_FILES, "charter sign": READS_FILES,
    "charter show": READS_FILES, "keys identity": READS_FILES, "keys new": READS_FILES,
    "keys deal": READS_FILES, "keys record": READS_FILES,
    "keys ceremony": NEXT_EPOCH, "keys cancel": NEXT_EPOCH, "keys check": READS_FILES,
    "keys sign": READS_FILES,
    "keys next-epoch": NEXT_EPOCH,
    "init": BEFORE_LOG, "join": BEFORE_LOG, "coordinator gather": BEFORE_LOG,
    "pki invite": BEFORE_LOG, "pki init": READS_FILES, "pki token": READS_FILES,
    "pki issue": READS_FILES,
    "pki deny": READS_FILES, "pki allow": READS_FILES,
    "enroll": "asks for a certificate, and knows no charter",
    "coordinator run": NODE, "auditor run": NODE, "lab run": NODE,
    "motion file exclusion": LIKE_RULING,
    "motion file appeal": LIKE_RULING, "motion file lift": LIKE_RULING,
    "motion file withdrawal": LIKE_RULING,
    "node backup": "copies the store, and names it by the first charter",
    "node restore": "folds a copy of the store, and names it by the first charter",
    "store copy": "copies rows, and names the store by the first charter",
    "log evidence": "proves what this node was shown, whatever it means",
    "log judge": READS_FILES, "lab sources": READS_FILES,
    "lab plead": "writes what the node has drafted, for the log that the first charter began",
    "auditor take": "hands a file to the running node, whose own fold judges it",
    "auditor backup-share": READS_FILES, "auditor open": READS_FILES, "keys public": READS_FILES,
    "auditor restore-share": "compares a share with the key in force, whatever else changes",
    "auditor export-task": "gives the whole log, whose reader folds it",
    "auditor import-opening": "hands a file to the running node, whose own fold judges it",
    "demo": "makes a deployment of its own",
}  # fmt: skip


def leaves(group, prefix=""):
    for name, command in commands_of(group).items():
        path = f"{prefix}{name}"
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path} ")
        else:
            yield path


def tried():
    """The beginnings of all commands that this file runs, as its own text has them."""
    for node in ast.walk(ast.parse(Path(__file__).read_text())):
        if not isinstance(node, (ast.Call, ast.Tuple)):
            continue
        words, parts = [], node.args if isinstance(node, ast.Call) else node.elts
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "motion":
            # After the deployment and the party.
            words, parts = ["motion"], parts[2:]
        for each in parts:
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                words.append(each.value)
                yield " ".join(words)
            else:
                break


def test_every_command_is_tried_after_an_amendment_or_has_a_reason_not_to_be():
    commands, known = set(leaves(cli)), set(tried())
    assert commands - known == set(UNTOUCHED)


#: What may be asked of the first charter: its hash and the names that amendments must keep.
PINNED = {"sha256", "deployment", "cadence", "log_origin", "signers", "auditors", "succession"}


def test_the_first_charter_pins_the_log_and_answers_nothing_else():
    """Its hash and what amendments keep are read; a Replica and the signers of entry 0 get it."""
    wrong = []
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text())
        parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Attribute) and node.attr == "genesis"):
                continue
            above = parents[node]
            if isinstance(above, ast.Attribute) and above.attr in PINNED:
                continue
            called = ast.unparse(above.func) if isinstance(above, ast.Call) else ""
            readers = "Replica", "start_replica", "begin", "read_signatures", "sealed_charter"
            if called not in readers:
                wrong.append(f"{path.name}:{node.lineno}: {ast.unparse(above)[:60]}")
    assert wrong == []
