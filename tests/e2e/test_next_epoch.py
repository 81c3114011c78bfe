"""Later epochs of the key in a deployment of real processes: a refresh, and a replaced auditor."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.e2e.deployment import COORDINATOR, SMALL
from harness.e2e.fleet import Fleet, check_sums, run_cli


def together(fleet: Fleet, auditors: tuple[str, ...], *words: str) -> list[dict[str, object]]:
    """What a command of all these auditors says, run at the same time."""

    def run(auditor: str) -> dict[str, object]:
        config = fleet.deployment.config(auditor)
        done = run_cli(*words, "--config", config, "--json")
        assert done.returncode == 0, (auditor, done.stdout, done.stderr, fleet.tail())
        return json.loads(done.stdout)

    with ThreadPoolExecutor(len(auditors)) as pool:
        return list(pool.map(run, auditors))


def begin_next_epoch(fleet: Fleet, kind: str, auditors: tuple[str, ...]) -> None:
    """The ceremony, and then the record in the log."""
    ended = together(fleet, auditors, "keys", "ceremony", "--kind", kind)
    assert {end["outcome"] for end in ended} == {"done"}
    assert len({end["record_sha256"] for end in ended}) == 1
    told = together(fleet, auditors, "keys", "next-epoch", "--kind", kind)
    assert len({said["record_sha256"] for said in told}) == 1


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
