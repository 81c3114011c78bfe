"""Later epochs of the key in a deployment of real processes: a refresh, and a replaced auditor."""

import base64
import shutil
from pathlib import Path

import pytest

from fermata.node.pki.enrolment import enroll_locally
from fermata.node.storage.signatures import sign_file
from harness.e2e.deployment import COORDINATOR, SMALL, Deployment, Shape, node_keys
from harness.e2e.epochs import amend, begin_next_epoch
from harness.e2e.fleet import Fleet, check_sums, run_cli


def verified(fleet: Fleet, party: str) -> None:
    fleet.cosigned_note()
    bundle = fleet.deployment.folder / "bundle"
    done = run_cli("bundle", "--config", fleet.deployment.config(party), bundle)
    assert done.returncode == 0, done.stderr
    checked = run_cli("verify", bundle)
    assert checked.returncode == 0, checked.stdout
    assert (bundle / "ceremony-epoch-2.record").exists()
    (bundle / "ceremony-epoch-2.record").unlink()
    without = run_cli("verify", bundle)
    assert without.returncode != 0
    assert "ceremony-epoch-2.record: the file is missing" in without.stdout


@pytest.mark.timeout(600)
def test_auditors_refresh_the_key_and_the_old_shares_go(new_fleet):
    fleet = new_fleet(SMALL)
    made = fleet.deployment
    fleet.start(COORDINATOR, *made.auditors)
    fleet.report(1)
    check_sums(made, fleet.wait_opened(1))
    begin_next_epoch(fleet, "refresh", made.auditors)
    fleet.wait("the log has the next epoch", lambda s: s.key.record.epoch == 2)
    number = len(fleet.state().rounds)
    fleet.report(number)
    check_sums(made, fleet.wait_opened(number))
    for auditor in made.auditors:
        fleet.wait_told(auditor, "share_erased", where="epoch 1")
        assert not (made.node(auditor) / "keys" / "share.age").exists()
        assert (made.node(auditor) / "keys" / "share-epoch-2.age").exists()
    verified(fleet, "auditor-2")


#: Three of four endorse, two of four open; rounds follow each other at once.
REPLACED = Shape("replaced", auditors=4, threshold=2, labs=3, rounds=0, figures=400, members=3)
GONE, COMES = "auditor-4", "auditor-5"
AFTER = ("auditor-1", "auditor-2", "auditor-3", COMES)


def new_charter(made: Deployment) -> Path:
    """The charter with another auditor in the place of one, which has signed it."""
    key = node_keys(made.node(COMES), made.charter.deployment)
    text = made.node(COORDINATOR).joinpath("charter.toml").read_text()
    old = made.charter.parties[GONE]
    text = text.replace(f'"{GONE}"', f'"{COMES}"').replace(
        base64.b64encode(old.signing_key).decode(), base64.b64encode(key.public_key).decode()
    )
    file = made.folder / "new.toml"
    file.write_text(f'previous = "{made.charter.sha256.hex()}"\n{text}')
    sign_file(file, COMES, key)
    shutil.copy(made.node(COORDINATOR) / "charter.toml", made.node(COMES) / "charter.toml")
    shutil.copy(file, made.node(COMES) / "new.toml")
    enroll_locally(made.authority(), "auditor", COMES, made.node(COMES) / "tls")
    return file


@pytest.mark.timeout(900)
def test_an_auditor_that_is_gone_is_replaced_and_rounds_go_on(new_fleet):
    fleet = new_fleet(REPLACED)
    made = fleet.deployment
    fleet.start(COORDINATOR, *made.auditors)
    fleet.report(1)
    check_sums(made, fleet.wait_opened(1))
    # Its machine is gone, with its share; nobody asks it for anything again.
    fleet.kill(GONE)
    file = new_charter(made)
    amend(fleet, file)
    fleet.edits[COMES] = lambda text: text.replace(
        'charter = "charter.toml"', 'charter = "charter.toml"\namended = "new.toml"'
    )
    fleet.start(COMES)
    begin_next_epoch(fleet, "reshare", AFTER)
    fleet.wait("the log has the next epoch", lambda s: s.key.record.epoch == 2)
    assert fleet.state().key.auditors == AFTER
    assert fleet.state().charter.auditors == AFTER
    # Every auditor of the new set opens, also the one that has come. The others may have opened a
    # round, and the next one may be there, before that one has read so far.
    first = len(fleet.state().rounds)
    for number in range(first, first + 6):
        fleet.report(number)
        check_sums(made, fleet.wait_opened(number))
        fleet.wait("the next round", lambda s, n=number: len(s.rounds) > n)
        if number > first and set(fleet.state().round(number).parts) == set(AFTER):
            break
    else:
        raise AssertionError(f"{COMES} has opened no round together with the others")
    verified(fleet, "auditor-1")
