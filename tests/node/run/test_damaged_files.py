"""Every file of a node's own folder, damaged: the node says what is wrong, or goes on.

A supervisor starts a node that ended again and again, so an error that is not told in one line
with its reason is a loop that nobody understands.
"""

import itertools
import shutil

import pytest

from fermata.errors import ConfigError, FermataError
from fermata.node.config import load_config
from fermata.node.run.participant import run_participant
from harness.nodes import COORDINATOR, Site, lay_out, run_node

LAB = "lab-1"
REQUEST = "data/backup-request.json"
DAMAGES = {
    "nothing": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "brackets": lambda data: b"[" * 4000,
    "not UTF-8": lambda data: b"\xff\xfe" + data,
    "not UTF-8 inside": lambda data: data[:20] + b"\xff" + data[20:],
    "another type": lambda data: b'{"format": [], "tokens": {"a": 1e999}, "id": NaN}\n',
}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A coordinator and a lab that have run and are stopped, each with a request for a backup."""
    site = lay_out(tmp_path_factory.mktemp("damaged") / "site")
    site.deal()
    with site.coordinator() as address:
        site.write_config(LAB, address)
        run_node(site, LAB, entries=1)
    site.authority().issue_token("lab", "lab-3", 600)
    for party in (COORDINATOR, LAB):
        request = site.node(party) / "data" / "backup-request.json"
        request.write_text('{"id": "0123456789abcdef", "recipient": "age1a"}')
        request.chmod(0o600)
    return site


def files_of(site, party):
    """Names of a node's own files; a log and locks are written, never read."""
    found = [p for p in sorted(site.node(party).rglob("*")) if p.is_file()]
    names = [p.relative_to(site.node(party)).as_posix() for p in found]
    return [n for n in names if not n.endswith((".lock", ".log", "-shm", "-wal"))]


def damage(template, folder, party, name, change):
    """A copy of the deployment with one file damaged in place."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template.folder, folder, symlinks=True)
    site = Site(folder)
    path = site.node(party) / name
    path.write_bytes(change(path.read_bytes()))
    return site


def run_some_turns(site):
    """The lab's node for a few turns of its loop, in each of which it looks for requests."""
    turns = itertools.count()
    run_participant(load_config(site.config(LAB)), lambda driver: next(turns) == 2)


@pytest.mark.parametrize("how", DAMAGES)
def test_a_coordinator_with_a_damaged_file_refuses_by_reason_or_goes_on(template, tmp_path, how):
    names = files_of(template, COORDINATOR)
    assert {"data/backup-request.json", "data/store.db", "charter.toml"} <= set(names)
    assert any("token" in name for name in names)
    outcomes = {}
    # The harness writes the configuration at each start; its own test is below.
    for name in [n for n in names if n != "fermata.toml"]:
        site = damage(template, tmp_path / "site", COORDINATOR, name, DAMAGES[how])
        try:
            with site.coordinator():
                outcomes[name] = "goes on"
            if name == REQUEST:
                assert site.events(COORDINATOR, "backup_refused")
        except FermataError as error:
            outcomes[name] = error.reason if str(error).isprintable() else "unprintable"
    assert outcomes["charter.toml"] != "goes on"
    assert "unprintable" not in outcomes.values()
    assert outcomes[REQUEST] == "goes on"


@pytest.mark.parametrize("how", DAMAGES)
def test_a_lab_with_a_damaged_file_refuses_by_reason_or_goes_on(template, tmp_path, how):
    names = files_of(template, LAB)
    assert {"data/backup-request.json", "data/store.db", "data/head.note"} <= set(names)
    outcomes = {}
    for name in [n for n in names if n != "fermata.toml"]:
        site = damage(template, tmp_path / "site", LAB, name, DAMAGES[how])
        try:
            with site.coordinator() as address:
                site.write_config(LAB, address)
                run_some_turns(site)
                outcomes[name] = "goes on"
            if name == REQUEST:
                assert site.events(LAB, "backup_refused")
        except FermataError as error:
            outcomes[name] = error.reason if str(error).isprintable() else "unprintable"
    assert "unprintable" not in outcomes.values()
    assert outcomes[REQUEST] == "goes on"


@pytest.mark.parametrize("how", sorted(set(DAMAGES) - {"half"}))
@pytest.mark.parametrize("party", [COORDINATOR, LAB])
def test_a_damaged_configuration_is_refused_by_reason(template, tmp_path, party, how):
    site = damage(template, tmp_path / "site", party, "fermata.toml", DAMAGES[how])
    with pytest.raises(ConfigError) as caught:
        load_config(site.config(party))
    assert caught.value.reason == "CONFIG"
    assert str(caught.value).isprintable()
