"""Writes tests/vectors/drills.json: a drill in a log, and what is refused in one.

    PYTHONPATH=tests python scripts/vectors/make_drill_vectors.py [--check]

A log whose first drill has begun, what its auditors say in it, other ways in which it goes on, and
leaves that are refused, each with its reason. docs/spec/vectors.md has the form.
"""

from collections.abc import Callable, Iterator
from typing import Any

from common import run, text_of

from fermata.crypto.integers import int_to_bytes
from fermata.protocol.fold.references import next_leaf
from fermata.wire.v1 import statement_pb2 as wire
from harness.chains import MODULUS_BITS_MIN, Chain
from harness.drills import (
    ANSWER_S,
    commit,
    commitment_statement,
    drill_of,
    drilling_chain,
    part_of,
    part_statement,
    show,
    wait,
)
from harness.epochs import next_epoch
from harness.protocol.state_digest import state_digest

ONE, TWO, THREE = AUDITORS = ("auditor-1", "auditor-2", "auditor-3")
Made = Callable[[Chain], wire.Statement]


def changed(**values: bytes) -> Made:
    """A part with other bytes in it."""

    def made(chain: Chain) -> wire.Statement:
        statement = part_statement(chain, ONE)
        for name, value in values.items():
            setattr(statement.drill_part, name, value)
        return statement

    return made


def minus_one(chain: Chain) -> wire.Statement:
    """The part n - 1, which says nothing."""
    statement = part_statement(chain, ONE)
    statement.drill_part.part = int_to_bytes(chain.state.keyed().key.record.n - 1, 64)
    return statement


def other_start(make: Callable[..., wire.Statement]) -> Made:
    """Names the entry before the drill's."""
    return lambda chain: make(chain, ONE, start=chain.ref(drill_of(chain).start.index - 1))


#: After how many of the drill's six statements: what is wrong, the reason, and the statement.
REFUSED: tuple[tuple[int, str, str, Made], ...] = (
    (0, "a commitment names another entry (F14.1)", "NO_DRILL", other_start(commitment_statement)),
    (3, "a commitment once parts are shown (F14.2)", "LATE",
     lambda chain: commitment_statement(chain, ONE)),
    (1, "a second commitment (F14.3)", "DUPLICATE",
     lambda chain: commitment_statement(chain, ONE, 5)),
    (0, "a commitment of 31 bytes (F14.4)", "LENGTH",
     lambda chain: commitment_statement(chain, ONE, commitment=bytes(31))),
    (3, "a part names another entry (F14.5)", "NO_DRILL", other_start(part_statement)),
    (1, "a part while others commit themselves (F14.6)", "TOO_EARLY",
     lambda chain: part_statement(chain, ONE)),
    (6, "a part after the end (F14.7)", "LATE", lambda chain: part_statement(chain, ONE)),
    (4, "a second part (F14.9)", "DUPLICATE", lambda chain: part_statement(chain, ONE)),
    (3, "a part of 63 bytes (F14.10)", "WIDTH", changed(part=bytes(63))),
    (3, "the part 1 (F14.11)", "PART_RANGE", changed(part=bytes(63) + b"\x01")),
    (3, "the part n - 1 (F14.11)", "PART_RANGE", minus_one),
    (3, "a nonce of 31 bytes (F14.13)", "LENGTH", changed(nonce=bytes(31))),
    (3, "another nonce (F14.14)", "DRILL_COMMITMENT", changed(nonce=bytes(32))),
    (3, "another part (F14.14)", "DRILL_COMMITMENT", changed(part=bytes(63) + b"\x05")),
    (3, "another auditor's part (F14.14)", "DRILL_COMMITMENT",
     lambda chain: part_statement(chain, ONE, part_of(chain, TWO))),
)  # fmt: skip


def stages() -> list[Chain]:
    """The log after none, one, ... all six statements of the drill."""
    chain = drilling_chain()
    made = [chain.fork()]
    for say in (commit, show):
        for auditor in AUDITORS:
            assert say(chain, auditor).accepted
            made.append(chain.fork())
    return made


def lives(begun: Chain) -> Iterator[tuple[str, Chain]]:
    """Other ways in which the drill goes on."""
    for what, absent, lost, liar in (
        ("one has lost its share, and says nothing", True, False, False),
        ("one commits itself, and shows nothing", False, True, False),
        ("one shows a wrong part", False, False, True),
    ):
        chain = begun.fork()
        commit(chain, ONE, TWO)
        if absent:
            wait(chain, ANSWER_S + 600)
        else:
            commit(chain, THREE, part=7 if liar else None)
        show(chain, ONE, TWO)
        if liar:
            show(chain, THREE, part=7)
        if lost:
            wait(chain, ANSWER_S + 600)
        yield what, chain
    chain = begun.fork()
    wait(chain, ANSWER_S + 600)
    yield "nobody says anything", chain
    chain = begun.fork()
    commit(chain, *AUDITORS)
    show(chain, ONE)
    assert next_epoch(chain).accepted
    wait(chain, 120)
    yield "an epoch of the key begins, and another drill with it", chain


def refused(made: list[Chain]) -> list[dict[str, Any]]:
    """Leaves that are refused, with what is wrong and the reason."""
    leaves = []
    for count, what, reason, statement in REFUSED:
        chain = made[count].fork()
        leaf = next_leaf(chain.tree, chain.seal(statement(chain)))
        verdict = chain.fork().put_leaf(leaf)
        assert (verdict.accepted, verdict.reason) == (False, reason), (what, verdict)
        leaves.append(_bad(made[0], chain, what, leaf, reason))
    without = made[2].fork()
    wait(without, ANSWER_S + 600)
    leaf = next_leaf(without.tree, without.seal(part_statement(without, THREE)))
    verdict = without.fork().put_leaf(leaf)
    assert verdict.reason == "NOT_COMMITTED", verdict
    what = "a part of who has not committed itself (F14.8)"
    return [*leaves, _bad(made[0], without, what, leaf, verdict.reason)]


def _bad(begun: Chain, chain: Chain, what: str, leaf: bytes, reason: str) -> dict[str, Any]:
    following = [leaf.hex() for leaf in chain.leaves[len(begun.leaves) :]]
    return {"what": what, "next": following, "leaf": leaf.hex(), "reason": reason}


def make() -> dict[str, str]:
    made = stages()
    begun, ended = made[0], made[-1]
    before = len(begun.leaves)
    assert drill_of(ended).is_enough
    states, chain = [], begun.fork()
    for leaf in ended.leaves[before:]:
        assert chain.put_leaf(leaf).accepted
        states.append(state_digest(chain.state))
    document: dict[str, Any] = {
        "charter_sha256": begun.deployment.charter.sha256.hex(),
        "modulus_bits_min": MODULUS_BITS_MIN,
        "leaves": [leaf.hex() for leaf in begun.leaves],
        "state": state_digest(begun.state),
        "next": [leaf.hex() for leaf in ended.leaves[before:]],
        "states": states,
        "refused": refused(made),
        "lives": [
            {
                "what": what,
                "next": [leaf.hex() for leaf in life.leaves[before:]],
                "state": state_digest(life.state),
            }
            for what, life in lives(begun)
        ],
    }
    return {"drills.json": text_of(document)}


if __name__ == "__main__":
    run(__doc__, "drills.json", make)
