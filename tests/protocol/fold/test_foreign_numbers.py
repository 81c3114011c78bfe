"""Whatever number stands in a statement, the fold gives a verdict, soon, and goes on."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import Message

from fermata.wire.v1 import statement_pb2
from harness.chains import Chain, chain_at

#: Stage of a chain, who speaks, and what is said there.
SAMPLES: dict[str, tuple[str, str, Any]] = {
    "open_round": ("keyed", "coordinator-1", lambda chain: chain.open_round_statement()),
    "report": ("collecting", "lab-1", lambda chain: chain.report_statement("lab-1")),
    "close_round": ("reported", "coordinator-1", lambda chain: chain.close_statement()),
    "endorsement": ("closed", "auditor-1", lambda chain: chain.endorsement_statement("auditor-1")),
    "partial_opening": (
        "endorsed", "auditor-1", lambda chain: chain.opening_statement("auditor-1")),
}  # fmt: skip
NUMBERS = (0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


def integers_in(message: Message) -> Iterator[tuple[Message, Any]]:
    """Every integer field of a message and of those in it, with the message that holds it."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            held = getattr(message, field.name)
            for inner in held if field.is_repeated else [held]:
                yield from integers_in(inner)
        elif field.cpp_type in (field.CPPTYPE_UINT64, field.CPPTYPE_UINT32, field.CPPTYPE_INT32):
            yield message, field


def statement_of(chain: Chain, make: Any) -> tuple[statement_pb2.Statement, str]:
    found = make(chain)
    return (found[0], found[1]) if isinstance(found, tuple) else (found, found.author)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", SAMPLES)
def test_every_integer_of_a_statement_gets_a_verdict(kind: str) -> None:
    stage, _, make = SAMPLES[kind]
    changed = 0
    for position in range(len(list(integers_in(statement_of(chain_at(stage), make)[0])))):
        for number in NUMBERS:
            chain = chain_at(stage)
            statement, _ = statement_of(chain, make)
            holder, field = list(integers_in(statement))[position]
            if field.is_repeated:
                continue
            most = 2**32 if field.cpp_type != field.CPPTYPE_UINT64 else 2**64
            setattr(holder, field.name, number % most)
            before = chain.state.size
            verdict = chain.put(chain.seal(statement))
            assert chain.state.size > before
            assert verdict.accepted or verdict.reason
            changed += 1
    assert changed >= len(NUMBERS)


@pytest.mark.parametrize(
    "body",
    [
        statement_pb2.Statement(heartbeat=statement_pb2.Heartbeat()),
        statement_pb2.Statement(motion=statement_pb2.Motion(kind=1)),
        statement_pb2.Statement(vote=statement_pb2.Vote()),
        statement_pb2.Statement(acknowledgement=statement_pb2.Acknowledgement()),
        statement_pb2.Statement(abstention=statement_pb2.Abstention()),
    ],
    ids=lambda body: body.WhichOneof("body"),
)
def test_every_integer_of_a_short_statement_gets_a_verdict(body: statement_pb2.Statement) -> None:
    name = body.WhichOneof("body")
    for field in getattr(body, name).DESCRIPTOR.fields:
        if field.cpp_type != field.CPPTYPE_UINT64 or field.is_repeated:
            continue
        for number in NUMBERS:
            chain = chain_at("collecting")
            statement = statement_pb2.Statement()
            statement.CopyFrom(body)
            setattr(getattr(statement, name), field.name, number)
            statement.author = "lab-1"
            statement.charter_sha256 = chain.deployment.charter.sha256
            verdict = chain.put(chain.seal(statement))
            assert verdict.accepted or verdict.reason
