"""A ceremony of processes over gRPC: kills at every turn, and no secret at the relay."""

import json
import secrets
import signal
import subprocess
from pathlib import Path

import pytest

from fermata.node.storage import keystore
from harness.ceremony.processes import AUDITORS, CeremonyPlay, without_key
from harness.e2e.deployment import COORDINATOR, SMALL
from harness.e2e.fleet import WAIT_S, wait_for

PROGRAM = "harness.ceremony.coin_command"
CANARY = secrets.token_bytes(32)
KILLED = "auditor-2"


def take_part(play: CeremonyPlay, auditor: str, **env: str) -> "subprocess.Popen[str]":
    command = ("keys", "ceremony", "--config", "fermata.toml", "--kind", "coin", "--json")
    return play.start(auditor, PROGRAM, *command, COIN_CANARY=CANARY.hex(), **env)


@pytest.fixture
def play(template, tmp_path):
    with CeremonyPlay(without_key(template(SMALL).copy_to(tmp_path / "deployment"))) as playing:
        yield playing


def memory_of(process: "subprocess.Popen[str]") -> bytes:
    """All that a process can read and write."""
    found = []
    with Path(f"/proc/{process.pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines():
            bounds, rights = line.split()[:2]
            start, end = (int(text, 16) for text in bounds.split("-"))
            if rights.startswith("rw"):
                try:
                    memory.seek(start)
                    found.append(memory.read(end - start))
                except (OSError, ValueError):
                    continue
    return b"\0".join(found)


def files_under(folder: Path) -> bytes:
    return b"\0".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file())


def forms(secret: bytes) -> list[bytes]:
    return [secret, secret.hex().encode(), secret[::-1]]


def test_a_node_that_is_killed_in_every_turn_goes_on_and_the_relay_too(play):
    relay = play.gather(PROGRAM)
    others = [take_part(play, a, COIN_PAUSE_S="0.3") for a in AUDITORS if a != KILLED]
    died = 0
    while True:
        process = take_part(play, KILLED, COIN_DIE=str(play.made.folder / "died"))
        out, _ = process.communicate(timeout=WAIT_S)
        if process.returncode != -signal.SIGKILL:
            break
        died += 1
        if died == 2:
            # The relay dies too, and listens where it listened.
            relay.kill()
            relay.wait()
            play.listen_again_at(play.address())
            play.gather(PROGRAM)
    assert died == 3
    told = [json.loads(out)]
    for process in others:
        out, _ = process.communicate(timeout=WAIT_S)
        told.append(json.loads(out))
    assert {t["outcome"] for t in told} == {"done"}
    assert len({t["record_sha256"] for t in told}) == 1
    assert not any(t["culprits"] or t["absent"] for t in told)
    by_id = {p["id"]: p for p in told[0]["participants"]}
    assert {a: by_id[a]["resumed"] for a in AUDITORS} == {
        "auditor-1": 0,
        "auditor-2": 3,
        "auditor-3": 0,
    }
    # What each keeps opens with its own identity alone, and nothing else of it is left.
    deployment = play.made.charter.deployment
    for auditor in AUDITORS:
        node = play.made.node(auditor)
        identity = keystore.load_identity(node / "keys" / "identity.txt")
        share = keystore.load_sealed(
            node / "keys" / "share.age", keystore.KEY_SHARE, deployment, identity
        )
        assert len(share) == 32
        assert not list((node / "data" / "ceremony").iterdir())


def test_no_private_body_is_in_the_relays_memory_or_in_any_file(play):
    relay = play.gather(PROGRAM)
    taking = [take_part(play, a, COIN_PAUSE_S="2") for a in AUDITORS]
    folder = play.made.node(COORDINATOR) / "ceremonies"
    wait_for("private bodies", lambda: len(list(folder.rglob("sealed-*"))) == 6)
    wait_for("turn 1", lambda: list(folder.rglob("turn-1-0001-0")))
    at_relay, at_auditor = memory_of(relay), memory_of(taking[0])
    on_disk = files_under(play.made.folder)
    # What was searched has what it should have; or finding nothing means nothing.
    assert any(form in at_auditor for form in forms(CANARY))
    sealed = next(folder.rglob("sealed-1-*")).read_bytes()
    assert sealed in on_disk
    assert b"auditor-1" in at_relay
    for form in forms(CANARY):
        assert form not in at_relay
        assert form not in on_disk
    for process in taking:
        process.communicate(timeout=WAIT_S)
        assert process.returncode == 0
    on_disk = files_under(play.made.folder)
    assert not any(form in on_disk for form in forms(CANARY))
    assert not any(form in memory_of(relay) for form in forms(CANARY))


def test_a_cancelled_ceremony_ends_for_all_with_the_reason(play):
    play.gather(PROGRAM)
    waiting = [take_part(play, a) for a in AUDITORS[:2]]
    wait_for("both wait", lambda: "waiting to begin: auditor-3" in play.stderr("auditor-1"))
    words = ("keys", "cancel", "--config", "fermata.toml", "--kind", "coin")
    process = play.start("auditor-3", PROGRAM, *words, "--reason", "the room is not safe")
    process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    for process in waiting:
        out, _ = process.communicate(timeout=WAIT_S)
        assert process.returncode == 1
        told = json.loads(out)
        assert told["outcome"] == "cancelled"
        assert told["notes"]["auditor-3"] == "the room is not safe"
        assert told["culprits"] == {}
