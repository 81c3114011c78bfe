"""Whoever lies in a key generation over the network is named, and nobody else (CE11)."""

import json

import pytest

from harness.ceremony.keygen_lies import rows
from harness.ceremony.lies_network import CEREMONY, LIMIT_S, PROGRAM, LyingPlay, check_row
from harness.ceremony.processes import AUDITORS, CeremonyPlay, without_key
from harness.e2e.deployment import SMALL
from harness.e2e.fleet import run_cli, wait_for

ROWS = {row.name: row for row in rows()}
#: One of each way to find a lie: by who is shown two faces, by who cannot open a body, by who
#: repeats an accuser, by a complaint, and at the audit.
REPRESENTATIVE = (
    "turn faces",
    "garbage",
    "accusation",
    "key shares: another share",
    "units: another share",
)


@pytest.fixture(scope="module")
def lying(template, tmp_path_factory):
    made = template(SMALL).copy_to(tmp_path_factory.mktemp("lies") / "deployment")
    with CeremonyPlay(without_key(made)) as play:
        yield LyingPlay(play)


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_ce11_a_liar_is_named_with_evidence_that_anybody_accepts(lying, name):
    told = lying.tell(ROWS[name])
    check_row(ROWS[name], told)
    words = (told["auditor-1"]["file"], "--charter", lying.charter_file)
    shown = run_cli("keys", "record", *words)
    assert f"MISBEHAVED: auditor-2 [{ROWS[name].reason}], proven" in shown.stdout


@pytest.mark.lies
@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("name", [name for name in ROWS if name not in REPRESENTATIVE])
def test_ce11_the_rest_of_the_table(lying, name):
    check_row(ROWS[name], lying.tell(ROWS[name]))


@pytest.mark.timeout(LIMIT_S)
def test_ce11_one_that_is_killed_is_no_culprit_and_goes_on(lying):
    play, killed = lying._play, "auditor-2"
    taking = {a: play.start(a, PROGRAM, *CEREMONY) for a in AUDITORS}
    before = play.stderr(killed).count("turn 3:")
    wait_for("it is in the middle", lambda: play.stderr(killed).count("turn 3:") > before)
    taking[killed].kill()
    taking[killed].wait()
    taking[killed] = play.start(killed, PROGRAM, *CEREMONY)
    for auditor, process in taking.items():
        out, _ = process.communicate(timeout=LIMIT_S)
        told = json.loads(out)
        assert told["outcome"] == "done", auditor
        assert told["culprits"] == {}
        assert told["named_without_proof"] == []
        resumed = {each["id"]: each["resumed"] for each in told["participants"]}
        assert resumed == {a: int(a == killed) for a in AUDITORS}
