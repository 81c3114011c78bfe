"""Commands trust what a quorum of auditors has witnessed, and no head that one party signed (L35 to
L37)."""

import json
import shutil

import pytest

from harness.nodes import AUDITORS, COORDINATOR, LABS, fermata
from harness.prepared import copied

#: Commands that say what follows from the log, or sign because of it.
COMMANDS = {
    "results": ("results",),
    "lab place": ("lab", "place", "--period", "2026Q1"),
    "charter in-force": ("charter", "in-force"),
    "motion show": ("motion", "show", "2"),
    "motion vote": ("motion", "vote", "2", "for"),
    "motion file": ("motion", "file", "lift"),
    "lab open-value": (
        *("lab", "open-value", "--round", 1, "--metric", "score", "--auditor", "auditor-1"),
    ),
}


@pytest.fixture
def site(opened_site):
    """A coordinator with an open round, and no auditor that has looked."""
    with opened_site.coordinator() as address:
        for party in (*AUDITORS, *LABS):
            opened_site.write_config(party, address)
        yield opened_site


def asked(site, *words, party="lab-1"):
    return fermata(*words, "--config", site.config(party))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_head_that_only_the_coordinator_signed_is_not_trusted(site, tmp_path, command):
    more = ("--out", tmp_path / "out") if command == "lab open-value" else ()
    for cosigned in ((), AUDITORS[:1]):
        if cosigned:
            site.witness(*cosigned)
        answer = asked(site, *COMMANDS[command], *more)
        assert (answer.code, answer.out) == (6, "")
        assert answer.error.endswith("[NOT_COSIGNED]")
        assert "auditor-2" in answer.error
    site.witness()
    answer = asked(site, *COMMANDS[command], *more)
    assert "NOT_COSIGNED" not in answer.err


def test_status_shows_what_is_witnessed_and_for_whom_the_rest_waits(site):
    site.witness("auditor-1")
    found = json.loads(asked(site, "status", "--json").out)["witnessed"]
    assert (found["entries"], found["quorum"], found["waits_for"]) == (0, 2, ["auditor-2"])
    assert found["auditors"]["auditor-1"]["entries"] == found["of"]
    assert "waits for auditor-2" in asked(site, "status").out
    site.witness()
    found = json.loads(asked(site, "status", "--json").out)["witnessed"]
    assert (found["entries"], found["waits_for"]) == (found["of"], [])


def test_what_came_after_the_witnessed_entries_is_left_out_and_said(site):
    site.witness()
    assert "witnessed" not in asked(site, "results").err
    assert fermata("lab", "report", "--config", site.config("lab-2")).code == 0
    answer = asked(site, "results")
    assert answer.code == 0
    assert "entries are witnessed by 2 auditors; the rest waits for auditor-1" in answer.err


def test_a_log_that_is_set_back_or_another_is_refused_by_every_folder_that_saw_it(
    template, tmp_path
):
    site = copied(template, tmp_path / "site")
    data = site.node(COORDINATOR) / "data"
    with site.coordinator():
        pass
    shutil.copytree(data, tmp_path / "before")
    with site.coordinator() as address:
        for party in (*AUDITORS, *LABS):
            site.write_config(party, address)
        site.open_round(address)
        site.witness()
        # The log grows, and this folder sees it.
        fermata("lab", "report", "--config", site.config("lab-2"))
        site.witness()
        assert asked(site, "results").code == 0
        seen = (site.node("lab-1") / "data" / "view.note").read_bytes()
    shutil.rmtree(data)
    shutil.copytree(tmp_path / "before", data)
    with site.coordinator() as address:
        for party in (*AUDITORS, *LABS):
            site.write_config(party, address)
        for command in ("results", "status"):
            answer = asked(site, command)
            assert answer.code == 3
            assert answer.error.endswith("[ROLLBACK]")
        site.open_round(address)
        # On another branch it grows as long.
        for lab in LABS[::2]:
            fermata("lab", "report", "--config", site.config(lab))
        site.witness()
        for command in ("results", "status"):
            answer = asked(site, command)
            assert (answer.code, answer.out) == (3, "")
            assert answer.error.endswith(("[SPLIT_VIEW]", "[ROLLBACK]"))
    assert (site.node("lab-1") / "data" / "view.note").read_bytes() == seen
