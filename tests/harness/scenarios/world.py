"""The deployments that scenarios run on: the charter beside this file, with small keys."""

import base64
import functools
from pathlib import Path

from fermata.crypto.signing import SigningKey
from fermata.crypto.threshold.dealer import deal
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.fold.references import first_entry
from fermata.protocol.wire.codec import key_record_to_wire
from fermata.protocol.wire.envelope import seal_statement
from fermata.wire.v1 import statement_pb2
from harness.chains import MODULUS_BITS_MIN, Deployment, entropy_of, seal_charter_file

HERE = Path(__file__).parents[2] / "scenarios"
SEED = 0
AUDITORS = ("auditor-1", "auditor-2", "auditor-3")
LABS = ("lab-1", "lab-2", "lab-3", "lab-4", "lab-5", "lab-6")
MEMBERS = ("member-1", "member-2", "member-3", "member-4")
#: What a scenario's second line may ask for.
PLAIN, COMMITTEE, STRICT = "plain", "committee", "strict"


def charter_data(kind: str) -> bytes:
    """The charter of this kind; ``strict`` takes no key that a dealer made."""
    text = (HERE / "charter.toml").read_text()
    if kind == COMMITTEE:
        text = "test = true\n" + text + (HERE / "committee.toml").read_text()
    if kind == STRICT:
        text = text.replace("[cryptography]\n", '[cryptography]\nkey_origin = "distributed"\n')
    for party, key in keys(kind).items():
        text = text.replace(f"<{party}>", base64.b64encode(key.public_key).decode())
    return text.encode()


def keys(kind: str) -> dict[str, SigningKey]:
    """The signing keys of all parties."""
    names = ["oversight", *AUDITORS, *LABS, *(MEMBERS if kind == COMMITTEE else ())]
    return {n: SigningKey.from_seed(entropy_of(SEED, f"scenario/{n}")(32)) for n in names}


@functools.cache
def deployment(kind: str) -> Deployment:
    """A deployment; the same one, with the same key, each time."""
    data = charter_data(kind)
    charter = parse_charter(data, MODULUS_BITS_MIN)
    count = len(charter.auditors)
    entropy = entropy_of(SEED, "scenario dealer")
    dealt = deal(charter.modulus_bits, charter.threshold, count, entropy, charter.sha256)
    signing_keys = keys(kind)
    charter_envelope = seal_charter_file(data, signing_keys)
    record = key_record_to_wire(
        dealt.record, dealt.modulus_proof, dealt.factor_proof, first_entry(charter_envelope)
    )
    statement = statement_pb2.Statement(charter_sha256=charter.sha256, key_record=record)
    return Deployment(
        seed=SEED,
        charter_data=data,
        charter=charter,
        keys=signing_keys,
        shares=dict(zip(charter.auditors, dealt.shares, strict=True)),
        record=dealt.record,
        key_record=record,
        charter_envelope=charter_envelope,
        key_envelope=seal_statement(statement, {a: signing_keys[a] for a in charter.auditors}),
    )
