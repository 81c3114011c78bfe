"""Heartbeats and statements logged one by one: nobody says the time but who is told to."""

from typing import Any

from fermata.protocol.fold.heartbeats import next_count
from fermata.protocol.fold.references import next_leaf
from fermata.protocol.state.state import Verdict
from fermata.wire.v1 import statement_pb2
from harness.chains import Chain

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1000, 60_000, 3_600_000, 86_400_000
YEAR_MS = 365 * DAY_MS


def signed_beat(
    chain: Chain, party: str, time_ms: int, later: int = 0, seen: int | None = None, **more: Any
) -> bytes:
    """The envelope of a heartbeat; ``later``: how many others of its author come before it."""
    beat = {"count": next_count(chain.state, party) + later, "time_ms": time_ms} | more
    statement = chain.deployment.statement(party, heartbeat=statement_pb2.Heartbeat(**beat))
    if seen is not None:
        statement.seen.CopyFrom(chain.ref(seen))
    return chain.seal(statement)


def log(chain: Chain, envelope: bytes) -> Verdict:
    """Logs an envelope alone: no auditor says the time before it or after it."""
    return chain.put_leaf(next_leaf(chain.tree, envelope))


def log_said(chain: Chain, author: str, **body: Any) -> Verdict:
    """The same with a statement."""
    return log(chain, chain.seal(chain.deployment.statement(author, **body)))


def log_beat(chain: Chain, party: str, time_ms: int, **more: Any) -> Verdict:
    """The same with a heartbeat."""
    return log(chain, signed_beat(chain, party, time_ms, **more))


def tell_all(chain: Chain, time_ms: int) -> None:
    """Every auditor says this time; one whose word is not needed any more may be refused."""
    for auditor in chain.deployment.charter.auditors:
        verdict = log_beat(chain, auditor, time_ms)
        assert verdict.reason in ("", "TOO_OFTEN"), verdict
    assert chain.state.time_ms >= time_ms


def hold_back(chain: Chain, length_ms: int) -> list[bytes]:
    """What honest auditors sign every quarter of an hour while a coordinator logs none of it.

    All have seen the log as it is now.
    """
    now_ms = chain.state.time_ms
    count = length_ms // (15 * MINUTE_MS) + 1
    return [
        signed_beat(chain, auditor, now_ms + (k + 1) * 15 * MINUTE_MS, later=k)
        for k in range(count)
        for auditor in chain.deployment.charter.auditors
    ]


def let_go(chain: Chain, held: list[bytes]) -> None:
    """Logs what was held back; all of it is accepted."""
    for envelope in held:
        verdict = log(chain, envelope)
        assert verdict.accepted, verdict
