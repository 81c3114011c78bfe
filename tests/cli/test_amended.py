"""After an amendment every command goes by the charter in force, and pins the log by the first.

The amendment brings a metric, ``extra``, which lab-1 pushes and the others have in their tables.
"""

import ast
import json
import threading
from pathlib import Path

import click
import pytest

from fermata import open_bundle
from fermata.cli.main import cli
from fermata.node.config import load_config
from fermata.node.run.participant import run_participant
from harness.nodes import AUDITORS, COORDINATOR, LABS, MEMBERS, METRICS, PARTIES, fermata, lay_out
from harness.nodes import until as wait_until

SOURCES = Path(__file__).parents[2] / "src" / "fermata"
EXTRA = """
[[panel]]
id = "extras"

[[metric]]
id = "extra"
panel = "extras"
unit = "u"
min = "0"
max = "10"
resolution = "0.5"

[[aggregate]]
metric = "extra"
statistics = ["sum", "mean"]
"""
PUSHED = '\n[[lab.source]]\nmetric = "extra"\nkind = "push"\nunit = "u"\n'
ROWS = "2026Q2,hours,7\n2026Q2,extra,2.5\n2026Q3,score,0.5\n2026Q3,hours,7\n2026Q3,extra,3\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A running deployment whose second round was opened under the amended charter."""
    found = lay_out(
        tmp_path_factory.mktemp("amended") / "site",
        (*PARTIES, *MEMBERS),
        edit=lambda text: text.replace("notice_s = 3600", "notice_s = 1"),
    )
    found.deal()
    ending, threads = threading.Event(), []
    with found.coordinator() as address:
        for party in (*PARTIES[1:], *MEMBERS):
            found.write_config(party, address, PUSHED if party == "lab-1" else "")
        wait_until(lambda: found.events(COORDINATOR, "round_opened"))
        new = found.node("member-1") / "new.toml"
        new.write_text(found.charter_file.read_text() + EXTRA)
        words = ("--charter", new, "--from-round", 2, "--json")
        entry = json.loads(motion(found, "member-1", "file", "amendment", *words).out)["entry"]
        for member in MEMBERS[:2]:
            motion(found, member, "vote", entry, "for")
        for lab in LABS:
            rows = METRICS + ROWS
            if lab == "lab-1":
                rows = "".join(line for line in rows.splitlines(True) if "extra" not in line)
            (found.node(lab) / "metrics.csv").write_text(rows)
        for party in (*AUDITORS, *LABS):
            config = load_config(found.config(party))
            done = lambda agent: ending.is_set()  # noqa: E731
            threads.append(threading.Thread(target=run_participant, args=(config, done)))
            threads[-1].start()
        try:
            wait_until(lambda: pushes(found, "2026Q2=5"))
            wait_until(lambda: len(found.events("auditor-1", "results_opened")) >= 2)
            yield found
        finally:
            ending.set()
            for thread in threads:
                thread.join()


def pushes(site, what):
    period, _, value = what.partition("=")
    words = ("--config", site.config("lab-1"), "--period", period, f"extra={value}")
    return fermata("lab", "push", *words).code == 0


def motion(site, party, *words):
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


#: Commands that no amendment can touch: they read no log of a deployment, or run until stopped.
UNTOUCHED = {
    "charter", "keys", "pki", "enroll", "demo", "node",
    "coordinator run", "auditor run", "lab run", "lab report", "watch",
    "motion send", "motion vote", "motion file",
}  # fmt: skip
TRIED = {
    "lab check", "lab place", "lab open-value", "lab push", "audit check-value", "results",
    "verify", "report", "dashboard", "log show", "motion list", "status", "auditor check", "bundle",
}  # fmt: skip


def leaves(group, prefix=""):
    for name, command in group.commands.items():
        path = f"{prefix}{name}"
        if isinstance(command, click.Group) and path not in UNTOUCHED:
            yield from leaves(command, f"{path} ")
        else:
            yield path


def test_every_command_is_tried_after_an_amendment_or_is_untouched_by_one():
    assert set(leaves(cli)) <= UNTOUCHED | TRIED


#: What may be asked of the first charter: its hash and the names that amendments must keep.
PINNED = {"sha256", "deployment", "cadence", "log_origin", "signers", "auditors"}


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
            if called not in ("Replica", "read_signatures"):
                wrong.append(f"{path.name}:{node.lineno}: {ast.unparse(above)[:60]}")
    assert wrong == []
