"""A coordinator that shows two logs is convicted by two files of two nodes that were deceived."""

import json
import shutil
import threading
import time

import pytest

from fermata.node.config import load_config
from fermata.node.run.participant import run_participant
from harness.nodes import AUDITORS, COORDINATOR, WAIT_S, fermata
from harness.prepared import copied


def heard_of(site, auditor, address):
    """Runs an auditor's node until the log has a heartbeat of it; gives that entry."""
    config = load_config(site.write_config(auditor, address))
    limit, entries = time.monotonic() + WAIT_S, []

    def done(driver):
        entries.append(driver.replica.state.last_entry.get(auditor, 0))
        return entries[-1] > 1 or time.monotonic() > limit

    thread = threading.Thread(target=run_participant, args=(config, done))
    thread.start()
    thread.join()
    return entries[-1]


@pytest.fixture(scope="module")
def deceived(template, tmp_path_factory):
    """The coordinator's data is set back after one auditor has read it, and shown to another."""
    site = copied(template, tmp_path_factory.mktemp("evidence") / "site")
    data = site.node(COORDINATOR) / "data"
    with site.coordinator():
        pass
    shutil.copytree(data, site.folder / "before")
    heard = []
    for auditor in AUDITORS:
        if auditor != AUDITORS[0]:
            shutil.rmtree(data)
            shutil.copytree(site.folder / "before", data)
        with site.coordinator() as address:
            heard.append(heard_of(site, auditor, address))
    return site, min(heard)


def written(site, auditor, out, *words):
    answer = fermata("log", "evidence", out, "--config", site.config(auditor), *words)
    assert answer.code == 0, answer.err
    return out


def judged(site, *files):
    return fermata("log", "judge", *files, "--charter", site.charter_file, "--json")


def test_two_files_about_one_entry_convict_the_coordinator(deceived, tmp_path):
    site, entry = deceived
    entry = ("--entry", entry)
    files = [written(site, a, tmp_path / f"{a}.json", *entry) for a in AUDITORS]
    answer = judged(site, *files)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["convicts"] == COORDINATOR
    assert [(c["entry"], len(c["files"])) for c in found["by"]] == [(entry[1], 2)]


def test_files_that_agree_convict_nobody(deceived, tmp_path):
    site, _ = deceived
    files = [written(site, a, tmp_path / f"{a}.json", "--entry", 0) for a in AUDITORS]
    answer = judged(site, *files)
    assert answer.code == 4
    assert "NOT_CONVICTED" in answer.error
    assert judged(site, files[0]).code == 4


def test_without_an_entry_the_newest_is_written(deceived, tmp_path):
    document = json.loads(written(deceived[0], AUDITORS[0], tmp_path / "a.json").read_text())
    assert [view["index"] for view in document["views"]][-1] >= deceived[1]


def test_a_file_is_not_overwritten_and_an_entry_must_be_there(deceived, tmp_path):
    out = written(deceived[0], AUDITORS[0], tmp_path / "a.json")
    config = ("--config", deceived[0].config(AUDITORS[0]))
    assert fermata("log", "evidence", out, *config).code == 2
    answer = fermata("log", "evidence", tmp_path / "b.json", *config, "--entry", 10**6)
    assert answer.code == 2
    assert not (tmp_path / "b.json").exists()


def test_a_file_that_is_none_is_named(deceived, tmp_path):
    (tmp_path / "junk.json").write_text("{}")
    answer = judged(deceived[0], tmp_path / "junk.json")
    assert answer.code == 2
    assert "junk.json" in answer.error
