"""Drills as ``fermata verify`` and the Python interface show them: who could open, and who not."""

import json

import pytest

import fermata as package
from fermata import api
from fermata.cli.read import log as command
from fermata.node.storage.bundles import write_bundle
from harness.bundles import bundle_of
from harness.chains import MODULUS_BITS_MIN, chain_at
from harness.drills import ANSWER_S, commit, drilling_chain, show, wait
from harness.epochs import next_epoch
from harness.nodes import fermata

ONE, TWO, THREE = AUDITORS = ("auditor-1", "auditor-2", "auditor-3")
UNDRILLED = "undrilled: too few auditors have shown that they could open with the key in force"


@pytest.fixture(autouse=True)
def toy_keys(monkeypatch):
    """The bundles have keys that are too short for real use."""
    for module in (command, api):
        monkeypatch.setattr(module, "MODULUS_BITS_MIN", MODULUS_BITS_MIN)


@pytest.fixture
def told(tmp_path):
    """What the command says of a chain's bundle, in words and as data, and the interface's."""

    def tell(chain):
        folder = tmp_path / f"bundle-{len(list(tmp_path.iterdir()))}"
        write_bundle(folder, bundle_of(chain))
        words, data = fermata("verify", folder), fermata("verify", folder, "--json")
        assert (words.code, data.code) == (0, 0), words.out
        return words.out.splitlines(), json.loads(data.out), package.open_bundle(folder).drills

    return tell


def test_a_charter_without_drills_shows_none(told):
    lines, data, drills = told(chain_at("keyed"))
    assert not any("drill" in line for line in lines)
    assert (data["drills"], data["undrilled"], list(drills)) == ([], False, [])


def test_while_the_first_drill_runs_it_is_said_who_is_waited_for(told):
    chain = drilling_chain()
    commit(chain, ONE)
    lines, data, drills = told(chain)
    assert any(line.startswith("drill 1: committing") for line in lines)
    assert UNDRILLED in lines
    assert data["undrilled"]
    assert data["drills"][0]["auditors"] == {
        ONE: "committed", TWO: "waited for", THREE: "waited for"
    }  # fmt: skip
    assert drills[0].phase == "committing"


def test_all_who_show_their_parts_are_able(told):
    chain = drilling_chain()
    commit(chain, *AUDITORS)
    show(chain, *AUDITORS)
    lines, data, drills = told(chain)
    assert "drill 1: 3 could open, of 3 wanted; auditor-1 able, auditor-2 able, auditor-3 able" in (
        lines
    )
    assert UNDRILLED not in lines
    assert not data["undrilled"]
    assert data["drills"][0]["enough"]
    assert isinstance(drills[0], package.DrillRecord)
    assert drills[0].lacking == ()


def test_who_did_not_show_stands_there_also_when_a_later_drill_goes_well(told):
    chain = drilling_chain()
    commit(chain, ONE, TWO)
    wait(chain, ANSWER_S + 600)
    show(chain, ONE, TWO)
    lines, data, drills = told(chain)
    lacking = "drill 1: 2 could open, of 3 wanted; auditor-1 able, auditor-2 able, auditor-3 absent"
    assert lacking in lines
    assert UNDRILLED in lines
    assert drills[0].lacking == (THREE,)
    wait(chain, 86_400)
    commit(chain, *AUDITORS)
    show(chain, *AUDITORS)
    lines, data, _ = told(chain)
    assert lacking in lines
    assert any(line.startswith("drill 2: 3 could open") for line in lines)
    assert not data["undrilled"]
    assert [drill["enough"] for drill in data["drills"]] == [False, True]


def test_with_a_new_epoch_of_the_key_it_is_undrilled_again(told):
    chain = drilling_chain()
    commit(chain, *AUDITORS)
    show(chain, *AUDITORS)
    assert next_epoch(chain).accepted
    lines, data, _ = told(chain)
    assert UNDRILLED in lines
    assert data["undrilled"]
