"""The set-up of 14 parties by the guides' commands, over real ports, and what it costs each.

One coordinator, four auditors, six labs and three members of a committee; then an observer who
joins the log that runs. The key is dealt on a machine of its own.
"""

import json
from contextlib import ExitStack

import pytest

from harness.e2e.fleet import wait_for
from harness.e2e.setup_play import DEALER, OVERSIGHT, SetupPlay, free_port

AUDITORS = tuple(f"auditor-{i}" for i in range(1, 5))
LABS = tuple(f"lab-{i}" for i in range(1, 7))
MEMBERS = tuple(f"member-{i}" for i in range(1, 4))
OBSERVER = "press"
OTHERS = (*AUDITORS, *LABS, *MEMBERS)
SIGNED_BY_ALL = {OVERSIGHT, *OTHERS}
CONFIG = f"{OVERSIGHT}/fermata.toml"
CHARTER = f"{OVERSIGHT}/charter.toml"
#: The goals of the set-up: at most so many (commands, files carried by hand).
GOALS = {OVERSIGHT: (8, 3), "auditor": (3, 1), "lab": (3, 1), "member": (3, 1)}
#: What docs/CHANGELOG.md and docs/guides/oversight.md say that it takes.
SAID = {OVERSIGHT: (7, 2), "auditor": (2, 1), "lab": (2, 1), "member": (1, 1)}


@pytest.fixture
def play(tmp_path):
    with ExitStack() as stack:
        yield SetupPlay(tmp_path, stack)


def prepare(play: SetupPlay) -> str:
    """Oversight's folder, charter and join files; gives the keyless hash, which people read out."""
    words = ("--role", "coordinator", "--deployment", "joins", "--host", "127.0.0.1")
    play.run(OVERSIGHT, "init", OVERSIGHT, *words)
    play.edit(
        OVERSIGHT,
        CONFIG,
        ("0.0.0.0:7440", f"127.0.0.1:{free_port()}"),
        ("0.0.0.0:7441", f"127.0.0.1:{free_port()}"),
    )
    sizes = ("--labs", len(LABS), "--auditors", len(AUDITORS), "--members", len(MEMBERS))
    play.run(OVERSIGHT, "charter", "new", CHARTER, *sizes, "--deployment", "joins", "--dealer")
    play.edit(
        OVERSIGHT, CHARTER, ('"<(.*)>"', r'"\1"'), ("modulus_bits = 3072", "modulus_bits = 2048")
    )
    checked = json.loads(play.run(OVERSIGHT, "charter", "check", CHARTER, "--json"))
    assert set(checked["keys_missing"]) == SIGNED_BY_ALL
    play.run(OVERSIGHT, "pki", "invite", "--config", CONFIG, "--out", "joins")
    return checked["keyless_hash"]


def join(play: SetupPlay, keyless_hash: str):
    """Everybody joins at once; gives the running commands."""
    joining = {}
    for party in OTHERS:
        play.carry(OVERSIGHT, party, f"joins/{party}.join")
        words = ("--charter-hash", keyless_hash, "--every-s", 4, "--json")
        joining[party] = play.start(party, "join", f"{party}.join", *words)
    return joining


def deal(play: SetupPlay) -> None:
    play.wait_said(OVERSIGHT, "deal the key on a machine of its own")
    play.carry(OVERSIGHT, DEALER, f"{OVERSIGHT}/for-dealer.bin")
    play.run(DEALER, "keys", "deal", "for-dealer.bin", "--out", "from-dealer.bin")
    play.carry(DEALER, OVERSIGHT, "from-dealer.bin", f"{OVERSIGHT}/from-dealer.bin")


def role_of(party: str) -> str:
    return party.partition("-")[0]


def test_14_parties_are_set_up_within_the_goals(play):
    keyless_hash = prepare(play)
    gathering = play.start(OVERSIGHT, "coordinator", "gather", "--config", CONFIG)
    play.wait_said(OVERSIGHT, "parties may join")
    joining = join(play, keyless_hash)
    deal(play)
    hashes = set()
    for party, process in joining.items():
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, (party, out, play.log(party))
        hashes.add(json.loads(out)["charter_hash"])
    assert gathering.wait(60) == 0, play.log(OVERSIGHT)
    shown = play.told(OVERSIGHT, "charter", "show", CHARTER)
    assert shown["complete"]
    assert hashes == {shown["charter_hash"]}
    running = [play.start(OVERSIGHT, "coordinator", "run", "--config", CONFIG)]
    address = play.folder(OVERSIGHT) / OVERSIGHT / "data" / "log.address"
    wait_for("the log listens", address.exists)
    for party in (*AUDITORS, *LABS):
        config = f"{party}/fermata.toml"
        running.append(play.start(party, role_of(party), "run", "--config", config))
    entries: list[dict[str, object]] = []

    def are_witnessed() -> bool:
        words = ("log", "show", "--config", "lab-1/fermata.toml")
        entries[:] = play.told("lab-1", *words, may_be_away=True)
        seen = [e["statement"] for e in entries if e["witnessed"]]
        return seen[:2] == ["Charter", "KeyRecord"] and "Heartbeat" in seen

    wait_for("the charter and the key record are witnessed", are_witnessed)
    assert {e["verdict"] for e in entries} == {"accepted"}
    # Members run no node; what they joined for is there.
    for member in MEMBERS:
        assert play.told(member, "motion", "list", "--config", f"{member}/fermata.toml")
    check_goals(play)
    follow(play)
    assert [play.stop(process) for process in reversed(running)] == [0] * len(running)


def check_goals(play: SetupPlay) -> None:
    """Counts include the dealer's, whose machine oversight operates."""
    costs = {party: (play.commands[party], play.carried[party]) for party in OTHERS}
    costs[OVERSIGHT] = (
        play.commands[OVERSIGHT] + play.commands[DEALER],
        play.carried[OVERSIGHT] + play.carried[DEALER],
    )
    for party, (commands, files) in costs.items():
        goal = GOALS.get(party) or GOALS[role_of(party)]
        assert commands <= goal[0], (party, commands)
        assert files <= goal[1], (party, files)
        assert (commands, files) == (SAID.get(party) or SAID[role_of(party)]), party


def follow(play: SetupPlay) -> None:
    """An observer joins the log that runs, as docs/guides/observer.md says, and reads it."""
    words = ("--out", "joins", "--role", "observer", "--id", OBSERVER)
    play.run(OVERSIGHT, "pki", "invite", "--config", CONFIG, *words)
    play.carry(OVERSIGHT, OBSERVER, f"joins/{OBSERVER}.join")
    joined = json.loads(play.run(OBSERVER, "join", f"{OBSERVER}.join", "--json"))
    assert (
        joined["charter_hash"] == play.told(OVERSIGHT, "charter", "show", CHARTER)["charter_hash"]
    )
    config = f"{OBSERVER}/fermata.toml"

    def sees_all() -> bool:
        status = play.told(OBSERVER, "status", "--config", config)
        return {OVERSIGHT, *AUDITORS, *LABS} <= {
            node["node"] for node in status["nodes"] if node["last_seen"]
        }

    wait_for("the observer sees every node's heartbeat", sees_all)
    assert json.loads(play.run(OBSERVER, "results", "--config", config)) == []
    watching = play.start(OBSERVER, "watch", "--config", config, "--json")
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["phase"] == "running"
    assert play.stop(watching) == 0
