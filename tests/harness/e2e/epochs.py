"""A next epoch of a deployment's key, by the commands of the guide that its auditors run."""

import json
from concurrent.futures import ThreadPoolExecutor

from harness.e2e.fleet import Fleet, run_cli
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
