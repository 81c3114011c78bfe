"""What a deployment changes while it runs: its charter, and its key as the guide has it."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.e2e.fleet import Fleet, run_cli, wait_for
from harness.guides import followed_in


def together(fleet: Fleet, auditors: tuple[str, ...], *words: str) -> list[dict[str, object]]:
    """What a command of all these auditors says, run at the same time."""

    def run(auditor: str) -> dict[str, object]:
        config = fleet.deployment.config(auditor)
        done = run_cli(*words, "--config", config, "--json")
        assert done.returncode == 0, (auditor, done.stdout, done.stderr, fleet.tail())
        return json.loads(done.stdout)

    with ThreadPoolExecutor(len(auditors)) as pool:
        return list(pool.map(run, auditors))


def guide_commands(kind: str) -> list[list[str]]:
    """What the guide's chapter on new shares has each auditor run, for a kind of ceremony."""
    lines = [b.text.strip() for b in followed_in("key-ceremony") if "--kind refresh" in b.text]
    assert [line.split()[:3] for line in lines] == [
        ["fermata", "keys", "ceremony"],
        ["fermata", "keys", "next-epoch"],
    ]
    here = "--config fermata.toml "
    assert all(here in line for line in lines)
    return [line.replace(here, "").replace("refresh", kind).split()[1:] for line in lines]


def begin_next_epoch(fleet: Fleet, kind: str, auditors: tuple[str, ...], *options: str) -> None:
    """The ceremony, and then the record in the log, by the commands of the guide."""
    ceremony, into_log = guide_commands(kind)
    ended = together(fleet, auditors, *ceremony, *options)
    assert {end["outcome"] for end in ended} == {"done"}
    assert len({end["record_sha256"] for end in ended}) == 1
    told = together(fleet, auditors, *into_log)
    assert len({said["record_sha256"] for said in told}) == 1


def amend(fleet: Fleet, file: Path) -> None:
    """The committee and the labs decide on a charter."""
    made = fleet.deployment
    for party in (*made.members, *made.labs):
        made.write_config(party, fleet.address)

    def motion(party: str, *words: str) -> str:
        done = run_cli("motion", *words, "--config", made.config(party), "--json")
        assert done.returncode == 0, (done.stderr, fleet.tail())
        return done.stdout

    rounds = fleet.wait("the next round is open", lambda s: len(s.rounds) > 1 and len(s.rounds))
    words = ("file", "amendment", "--charter", str(file), "--from-round", str(rounds + 1))
    # The chair goes round with the rounds.
    chair = made.members[(rounds - 1) % len(made.members)]
    entry = json.loads(motion(chair, *words))["entry"]
    fleet.cosigned_note()
    for party in (*made.members, *made.labs):
        show = ("motion", "show", str(entry), "--config", made.config(party))
        wait_for("the motion is witnessed", lambda show=show: run_cli(*show).returncode == 0)
        if fleet.state().governance.motions[entry].status != "open":
            break
        motion(party, "vote", str(entry), "for")
    fleet.wait("it carried", lambda s: s.governance.motions[entry].status == "carried")
