"""Measures key generation without a dealer: real processes on this machine, with relayed messages.

    python scripts/bench_keys.py [--runs 5] [--only joint_2048_3,...] [--out bench-keys.json]

Each party is a process; this one relays, as a coordinator would, over pipes. The file has lists of
wall times in seconds (``joint_2048_3_s``, ``joint_3072_3_s``, ``joint_2048_5_s``), and for each run
the CPU seconds of all parties, what one party sent, and its powers, beside what
docs/spec/keys.md (K12) expects. ``tno_512_s`` and ``tno_1024_s``: the same by
``tno.mpc.protocols.distributed_keygen``, with its own processes, over HTTP; it is not audited, and
its security is semi-honest. It is in the group ``bench``; without it these two are left out.
"""

import argparse
import asyncio
import importlib.util
import json
import logging
import multiprocessing
import secrets
import socket
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fermata.crypto.threshold.ceremony.lockstep import Received
from fermata.crypto.threshold.keygen.generation import KeyGeneration
from fermata.crypto.threshold.keygen.outcome import Outcome
from fermata.crypto.threshold.keygen.parameters import parameters_of
from fermata.crypto.threshold.keygen.steps import batch
from fermata.crypto.threshold.opening import KeyShare, check_share

JOINT = {"joint_2048_3": (2048, 3), "joint_3072_3": (3072, 3), "joint_2048_5": (2048, 5)}
PEER = {"tno_512": 512, "tno_1024": 1024}
PEER_PACKAGE = "tno.mpc.protocols.distributed_keygen"
PEER_TIMEOUT_S = 900
#: How long its servers take to listen, and its last messages to arrive.
PEER_START_S = 2


def main() -> int:
    """Runs what was asked for, and writes the file after every run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--out", type=Path, default=Path("bench-keys.json"))
    options = parser.parse_args()
    names = options.only.split(",") if options.only else [*JOINT, *PEER]
    figures: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name in names:
        figures[f"{name}_s"], figures[f"{name}_work"] = [], []
    for _ in range(options.runs):
        for name in names:
            wall, work = run_joint(*JOINT[name]) if name in JOINT else run_peer(PEER[name])
            if wall is not None:
                figures[f"{name}_s"].append(round(wall, 2))
                figures[f"{name}_work"].append(work)
            print(name, wall and f"{wall:.1f} s", json.dumps(work), flush=True)
            options.out.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    return 0


def run_joint(bits: int, parties: int) -> tuple[float, dict[str, Any]]:
    """One ceremony: wall seconds, and what it took."""
    spawn = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for index in range(1, parties + 1):
        pipes[index], theirs = spawn.Pipe()
        processes.append(spawn.Process(target=_party, args=(theirs, index, parties, bits)))
        processes[-1].start()
    for pipe in pipes.values():
        pipe.recv()  # It has imported everything.
    start = time.perf_counter()
    for pipe in pipes.values():
        pipe.send("begin")
    turns = 0
    while True:
        sent = {index: pipe.recv() for index, pipe in pipes.items()}
        if "result" in sent[1]:
            break
        turns += 1
        for index, pipe in pipes.items():
            pipe.send(
                {j: (m["public"], m["private"][index]) for j, m in sent.items() if j != index}
            )
    wall = time.perf_counter() - start
    for process in processes:
        process.join()
    return wall, _work(sent, turns, bits, parties)


def _work(sent: dict[int, dict[str, Any]], turns: int, bits: int, parties: int) -> dict[str, Any]:
    """What the ceremony took, and a check that its key is right."""
    (public,) = {message["result"] for message in sent.values()}
    outcome = Outcome.from_bytes(public)
    for message in sent.values():
        check_share(outcome.record, KeyShare.from_bytes(message["share"]))
    parameters = parameters_of(bits, parties)
    return {
        "candidates": outcome.candidates,
        "candidates_expected": parameters.expected_candidates,
        "turns": turns,
        "cpu_s_all": round(sum(message["cpu"] for message in sent.values()), 2),
        "cpu_s_most": round(max(message["cpu"] for message in sent.values()), 2),
        "sent_bytes": sent[2]["sent"],
        "powers": sent[2]["powers"],
        "powers_expected": parameters.expected_survivors,
        "powers_expected_of_these": round(outcome.candidates * parameters.sieved_share),
        "kept_bytes_most": max(message["kept"] for message in sent.values()),
    }


def _party(pipe: Connection, index: int, parties: int, bits: int) -> None:
    """A party in its own process."""
    powers = _count_powers()
    party = KeyGeneration(index, parties, bits, (parties + 1) // 2, b"bench")
    pipe.send("ready")
    pipe.recv()
    start, sent, kept = time.process_time(), 0, 0
    turn = party.begin(secrets.token_bytes(32))
    while turn.messages is not None:
        private = {j: turn.messages.private.get(j, b"") for j in party.parties}
        sent += len(turn.messages.public) + sum(map(len, private.values()))
        kept = max(kept, len(turn.kept))
        pipe.send({"public": turn.messages.public, "private": private})
        received = {j: Received(*message) for j, message in pipe.recv().items()}
        turn = party.step(turn.kept, received)
    pipe.send(
        {
            "result": turn.public_result,
            "share": turn.secret_result,
            "cpu": time.process_time() - start,
            "sent": sent,
            "powers": powers[0],
            "kept": kept,
        }
    )


def _count_powers() -> list[int]:
    """Counts the powers that this process takes for the test of candidates."""
    count, honest = [0], batch.power_of

    def counted(*arguments: Any) -> int:
        count[0] += 1
        return honest(*arguments)

    batch.power_of = counted  # type: ignore[assignment]
    return count


def run_peer(bits: int) -> tuple[float | None, dict[str, Any]]:
    """The package of TNO, three parties of which one may be corrupt."""
    try:
        missing = importlib.util.find_spec(PEER_PACKAGE) is None
    except ModuleNotFoundError:
        missing = True
    if missing:
        return None, {"left out": f"{PEER_PACKAGE} is not installed"}
    spawn = multiprocessing.get_context("spawn")
    ports, (mine, theirs) = _free_ports(3), spawn.Pipe()
    gate = spawn.Barrier(4)
    processes = [
        spawn.Process(target=_peer, args=(index, ports, bits, gate, theirs)) for index in range(3)
    ]
    for process in processes:
        process.start()
    gate.wait(PEER_TIMEOUT_S)
    start = time.perf_counter()
    cpu: list[float] = []
    while len(cpu) < 3 and mine.poll(max(0.0, PEER_TIMEOUT_S - (time.perf_counter() - start))):
        cpu.append(mine.recv())
    wall = time.perf_counter() - start
    for process in processes:
        process.join(4 * PEER_START_S)
        process.kill()
    if len(cpu) < 3:
        return None, {"not finished": round(wall)}
    return wall, {"cpu_s_all": round(sum(cpu), 2)}


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for open_socket in sockets:
        open_socket.bind(("127.0.0.1", 0))
    ports = [open_socket.getsockname()[1] for open_socket in sockets]
    for open_socket in sockets:
        open_socket.close()
    return ports


def _peer(index: int, ports: list[int], bits: int, gate: Any, pipe: Connection) -> None:
    """One of TNO's parties in its own process."""
    from tno.mpc.communication import Pool
    from tno.mpc.protocols.distributed_keygen import DistributedPaillier

    # It logs each message that comes before the other side listens, with the whole traceback.
    logging.disable(logging.CRITICAL)

    async def generate() -> None:
        pool = Pool()
        pool.add_http_server(port=ports[index])
        for other, port in enumerate(ports):
            if other != index:
                pool.add_http_client(f"party{other}", "127.0.0.1", port)
        await asyncio.sleep(PEER_START_S)
        await asyncio.to_thread(gate.wait, PEER_TIMEOUT_S)
        start = time.process_time()
        scheme = await DistributedPaillier.from_security_parameter(
            pool, corruption_threshold=1, key_length=bits, distributed=True
        )
        assert scheme.public_key.n.bit_length() >= bits - 2
        pipe.send(time.process_time() - start)
        await asyncio.sleep(PEER_START_S)
        await pool.shutdown()

    asyncio.run(generate())


if __name__ == "__main__":
    sys.exit(main())
