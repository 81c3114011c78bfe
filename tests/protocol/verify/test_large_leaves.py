"""An entry of the largest size, or none at all, ends in a verdict everywhere (log.md, L8)."""

import ast
from pathlib import Path

import fermata
from fermata.protocol.wire.codec import ENVELOPE_BYTES_MAX, leaf_of
from fermata.wire.v1 import statement_pb2
from fermata.wire.v1.envelope_pb2 import EntryRef
from harness.bundles import bundle_of, failed, verify
from harness.chains import PAUSE_TABLES, Chain, chain_at

SOURCE = Path(fermata.__file__).parent


def large(chain: Chain) -> bytes:
    """An authentic envelope of exactly the largest size, whose author names another log."""
    seen = EntryRef(index=1, leaf_hash=bytes(32))
    size = ENVELOPE_BYTES_MAX - 1000
    while True:
        motion = statement_pb2.Motion(
            kind=statement_pb2.MOTION_KIND_AMENDMENT, charter=bytes(size), from_round=1
        )
        statement = chain.deployment.statement("lab-1", motion=motion)
        statement.seen.CopyFrom(seen)
        envelope = chain.seal(statement)
        if len(envelope) == ENVELOPE_BYTES_MAX:
            return envelope
        size += ENVELOPE_BYTES_MAX - len(envelope)


def test_evidence_of_the_largest_size_leaves_every_bundle_verifiable() -> None:
    """One lab's statement, kept as evidence, would have made the verifier fail for everybody."""
    chain = chain_at("opened")
    envelope = large(chain)
    verdict = chain.put(envelope)
    assert (verdict.reason, verdict.author) == ("SPLIT_VIEW", "lab-1")
    assert len(chain.leaves[-1]) > ENVELOPE_BYTES_MAX
    assert verify(bundle_of(chain)).is_valid


def test_a_leaf_that_is_no_entry_fails_its_check_and_raises_nothing() -> None:
    chain = chain_at("opened")
    assert chain.put_leaf(b"\xff").reason == "ENCODING"
    assert 4 in failed(verify(bundle_of(chain)))


def test_every_reader_of_a_leaf_takes_the_largest() -> None:
    """``decode`` alone has the bound of an envelope, which a leaf may exceed."""
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) != "decode":
                continue
            if "LogEntry" in ast.unparse(node.args[0]) and path.name != "codec.py":
                wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []


def test_a_heartbeat_without_effect_does_not_move_the_replayed_pause() -> None:
    chain = chain_at("opened", extra=PAUSE_TABLES)
    assert chain.state.pause.phase == "triggered"
    for auditor in chain.deployment.charter.auditors:
        far = chain.seal(chain.beat_statement(auditor, chain.time_ms + 10**9))
        assert chain.put_leaf(leaf_of(bytes(32), far)).reason == "PREVIOUS_ROOT"
    assert chain.state.pause.phase == "triggered"
    # The logger's fault fails V4, and nothing else.
    assert set(failed(verify(bundle_of(chain)))) == {4}
