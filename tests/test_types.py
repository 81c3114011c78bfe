"""What a tired engineer confuses is an error before the program runs: mypy refuses it."""

import re
from pathlib import Path

import pytest
from mypy import api

from fermata.protocol.fold.apply import RULES
from fermata.types import Role
from fermata.wire.v1 import statement_pb2

ROOT = Path(__file__).resolve().parent.parent
HEAD = """
from fermata.protocol.charter.pause_terms import PauseTerms
from fermata.protocol.charter.roster import Party
from fermata.protocol.fold.entry import Entry
from fermata.protocol.roles.auditor import endorsement_body
from fermata.protocol.state import pause
from fermata.protocol.fold import round_rules
from fermata.protocol.fold.governance import motions
from fermata.protocol.state.position import EntryRef
from fermata.protocol.state.state import (
    COLLECTING, CharteredState, Close, KeyedState, Round, State, ThresholdKey
)
from fermata.types import EntryIndex, Role, RoundNumber, TimeMs
from fermata.wire.v1.statement_pb2 import Report

def sound(p: pause.Pause, t: PauseTerms, e: EntryIndex, m: TimeMs, c: Close) -> None:
    pause.advance(p, t, e, m, (), True)
    endorsement_body(RoundNumber(1), c.ref, c.aggregate_sha256)
    Party("a", Role.LAB, "A", bytes(32))
    p.phase == pause.RUNNING

def sound_phases(s: State, k: KeyedState, e: Entry, r: Report) -> ThresholdKey:
    round_rules.report(s.keyed(), e, r, "lab")
    motions.settle(k)
    return k.key

"""
CONFUSED = {
    "entry and time are swapped":
        "def bad(p: pause.Pause, t: PauseTerms, e: EntryIndex, m: TimeMs) -> None:\n"
        "    pause.advance(p, t, m, e, (), True)\n",
    "entry and time of an acknowledgement are swapped":
        "def bad(e: EntryIndex, m: TimeMs) -> pause.Acknowledged:\n"
        "    return pause.Acknowledged(m, e)\n",
    "the two digests of an endorsement are swapped":
        "def bad(c: Close) -> None:\n"
        "    endorsement_body(RoundNumber(1),"
        "        EntryRef(c.entry, c.aggregate_sha256), c.leaf_hash)\n",
    "a role is misspelt":
        "def bad() -> Role:\n    return Role.AUDITER\n",
    "a role is a word of its own":
        "def bad() -> Party:\n    return Party('a', 'labb', 'A', bytes(32))\n",
    "a phase is compared with that of another machine":
        "def bad(found: Round) -> bool:\n    return found.phase(1) == pause.RUNNING\n",
    "a handler that needs the key gets a state that may have none":
        "def bad(s: CharteredState, e: Entry, r: Report) -> None:\n"
        "    round_rules.report(s, e, r, 'lab')\n",
    "a rule that needs the charter gets a state that may have none":
        "def bad(s: State) -> None:\n    motions.settle(s)\n",
    "a key that may be missing is used":
        "def bad(s: CharteredState) -> bytes:\n    return s.key.key_id\n",
    "a rule that needs the key is listed as one that needs none":
        "from fermata.protocol.fold.entry import Handler\n"
        "bad: Handler = round_rules.report\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """Errors of each snippet, by name; one run of mypy over all of them."""
    folder = tmp_path_factory.mktemp("types")
    files = {}
    for number, (name, text) in enumerate({"": "", **CONFUSED}.items()):
        path = folder / f"snippet_{number}.py"
        path.write_text(HEAD + text)
        files[path.name] = name
    config = ("--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(folder / "cache"))
    out, err, _ = api.run([*config, "--no-incremental", *map(str, sorted(folder.glob("*.py")))])
    assert err == ""
    found = {name: [] for name in files.values()}
    for line in out.splitlines():
        match = re.match(r".*?(snippet_\d+\.py):\d+: error: (.*)", line)
        if match:
            found[files[match[1]]].append(match[2])
    return found


def test_the_sound_snippet_is_sound(findings):
    assert findings[""] == []


@pytest.mark.parametrize("name", CONFUSED)
def test_the_compiler_refuses_it_where(findings, name):
    assert findings[name]


def test_every_body_of_a_statement_has_a_handler():
    bodies = {f.name for f in statement_pb2.Statement.DESCRIPTOR.oneofs_by_name["body"].fields}
    assert set(RULES) == bodies
    assert {rule.role for rule in RULES.values()} <= {None, *Role}
