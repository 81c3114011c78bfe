"""Drills in a log that is written by hand: what each auditor says in one."""

import hashlib
from typing import Any

from fermata.crypto.integers import int_to_bytes
from fermata.crypto.threshold.drill import drill_commitment, drill_part
from fermata.crypto.threshold.opening import KeyShare
from fermata.protocol.drills.drill import Drill
from fermata.protocol.state.state import Verdict
from fermata.wire.v1 import statement_pb2
from harness.chains import Chain, chain_at

EVERY_S, ANSWER_S = 86_400, 7_200
DRILLS = f"\n[drills]\nevery_s = {EVERY_S}\nanswer_s = {ANSWER_S}\n"


def drilling_chain(**settings: Any) -> Chain:
    """A log with a key whose first drill has begun."""
    return chain_at("keyed", **({"extra": DRILLS} | settings)).fork()


def drill_of(chain: Chain) -> Drill:
    """The newest drill."""
    return chain.state.drills[-1]


def nonce_of(chain: Chain, auditor: str) -> bytes:
    return hashlib.sha256(f"{auditor}/{drill_of(chain).number}".encode()).digest()


def part_of(chain: Chain, auditor: str, share: KeyShare | None = None) -> int:
    """The auditor's part, of its own share or of another."""
    record = chain.state.keyed().key.record
    share = chain.deployment.shares[auditor] if share is None else share
    return drill_part(record, share, drill_of(chain).root, chain.entropy)


def commitment_statement(
    chain: Chain, auditor: str, part: int | None = None, **changes: Any
) -> statement_pb2.Statement:
    """The auditor's commitment to its part, or to another."""
    drill, record = drill_of(chain), chain.state.keyed().key.record
    part = part_of(chain, auditor) if part is None else part
    made = drill_commitment(
        record, drill.epoch_id, drill.number, drill.index(auditor), nonce_of(chain, auditor), part
    )
    body = {"start": chain.ref(drill.start.index), "commitment": made}
    return chain.deployment.statement(
        auditor, drill_commitment=statement_pb2.DrillCommitment(**(body | changes))
    )


def part_statement(
    chain: Chain, auditor: str, part: int | None = None, **changes: Any
) -> statement_pb2.Statement:
    """The auditor's part, or another."""
    width = (chain.state.keyed().key.record.n.bit_length() + 7) // 8
    part = part_of(chain, auditor) if part is None else part
    body = {
        "start": chain.ref(drill_of(chain).start.index),
        "nonce": nonce_of(chain, auditor),
        "part": int_to_bytes(part, width),
    }
    return chain.deployment.statement(
        auditor, drill_part=statement_pb2.DrillPart(**(body | changes))
    )


def commit(chain: Chain, *auditors: str, part: int | None = None) -> Verdict:
    """Logs their commitments; gives the verdict on the last."""
    verdicts = [chain.put(chain.seal(commitment_statement(chain, a, part))) for a in auditors]
    return verdicts[-1]


def show(chain: Chain, *auditors: str, part: int | None = None) -> Verdict:
    """Logs their parts; gives the verdict on the last."""
    verdicts = [chain.put(chain.seal(part_statement(chain, a, part))) for a in auditors]
    return verdicts[-1]


def wait(chain: Chain, seconds: int) -> None:
    """Lets time pass: the auditors say so a minute from now, and again at the end."""
    end_ms = chain.time_ms + seconds * 1000
    chain.advance(chain.time_ms + 60_000)
    chain.advance(end_ms)
