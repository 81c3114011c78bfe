"""Writes tests/vectors/epochs.json: the record of a key's next epoch, and others with one defect.

    PYTHONPATH=tests python scripts/vectors/make_epoch_vectors.py [--check]

A log with a key and a charter with a committee, the leaf of a record of epoch 2 and the state after
it, and leaves of records that are refused, each with its reason. docs/spec/vectors.md has the form.
"""

from typing import Any

from common import run, text_of

from fermata.protocol.fold.references import next_leaf
from fermata.wire.v1 import statement_pb2
from harness.chains import MODULUS_BITS_MIN, Chain, chain_at
from harness.epoch_defects import DEFECTS
from harness.epochs import next_epoch, next_statement, retired, sealed_record
from harness.protocol.state_digest import state_digest


def record(chain: Chain) -> statement_pb2.Statement:
    return next_statement(chain)[0]


def refused(chain: Chain) -> list[dict[str, str]]:
    """Leaves that are refused, with what is wrong and the reason."""
    made = []
    for what, (reason, change) in DEFECTS.items():
        statement = record(chain)
        change(statement.key_record)
        made.append((what, reason, retired(chain, statement)))
    few = retired(chain, record(chain), ("auditor-1", "auditor-2"))
    made.append(("two of three auditors give the epoch up (F3.19)", "RETIRES", few))
    other = record(chain)
    other.key_record.retires.extend(retired(chain, record(chain)).key_record.retires)
    made.append(("the epoch is given up for another record (F3.21)", "SIGNATURE", other))
    early = retired(chain, next_statement(chain, after=0)[0])
    made.append(("it comes after entry 0 (F3.15)", "KEY_AFTER", early))
    leaves = []
    for what, reason, statement in made:
        leaf = next_leaf(chain.tree, sealed_record(chain, statement))
        verdict = chain.fork().put_leaf(leaf)
        assert (verdict.accepted, verdict.reason) == (False, reason), (what, verdict)
        leaves.append({"what": what, "leaf": leaf.hex(), "reason": reason})
    return leaves


def make() -> dict[str, str]:
    chain = chain_at("endorsed", members="axyz", labs=4).fork()
    before = [leaf.hex() for leaf in chain.leaves]
    bad = refused(chain)
    twin = chain.fork()
    assert next_epoch(twin).accepted
    entry = twin.state.keyed().key.entry
    assert all(verdict.accepted for verdict in twin.verdicts)
    document: dict[str, Any] = {
        "charter_sha256": chain.deployment.charter.sha256.hex(),
        "modulus_bits_min": MODULUS_BITS_MIN,
        "leaves": before,
        "state": state_digest(chain.state),
        "next": [leaf.hex() for leaf in twin.leaves[len(before) :]],
        "record": entry,
        "next_state": state_digest(twin.state),
        "refused": bad,
    }
    return {"epochs.json": text_of(document)}


if __name__ == "__main__":
    run(__doc__, "epochs.json", make)
