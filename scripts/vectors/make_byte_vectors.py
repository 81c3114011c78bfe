"""Writes tests/vectors/bytes.json: what each recipe of docs/spec/bytes.md takes and gives.

    PYTHONPATH=tests python scripts/vectors/make_byte_vectors.py [--check]

Everything is made by the product. ``tests/spec/test_bytes.py`` makes it again from the inputs,
by the recipes alone. ``--check`` writes nothing and fails on a difference.
"""

import hashlib
import json
from typing import Any

import pyrage
from common import FOLDER, run, text_of

from fermata.assessment.calibration import seed_of
from fermata.crypto.paillier import PublicKey
from fermata.crypto.report.batch import BatchItem, batch_weights
from fermata.crypto.report.challenges import ReportTranscript
from fermata.crypto.report.decomposition import cover
from fermata.crypto.report.statements import StatementSet, encode_statements
from fermata.crypto.signing import SigningKey, pae
from fermata.crypto.threshold import factor_proof, modulus_proof
from fermata.crypto.threshold.auditor_share import AuditorShare
from fermata.crypto.threshold.ceremony.private_bodies import Place, Secrets, commit
from fermata.crypto.threshold.drill import drill_commitment, drill_root
from fermata.crypto.threshold.key_record import DEALER, DELTA, KeyRecord, epoch_id, key_id
from fermata.crypto.threshold.key_record import verification_base as product_base
from fermata.crypto.threshold.opening import KeyShare
from fermata.crypto.threshold.reshare.outcome import Dispute, Outcome, dealt_sha256
from fermata.crypto.threshold.reshare.plan import plan_reshare
from fermata.crypto.threshold.reshare.turns import Complaint
from fermata.log.checkpoint import (
    Checkpoint,
    add_signatures,
    checkpoint_text,
    cosign,
    parse_note,
    sign_checkpoint,
)
from fermata.log.merkle import Tree, leaf_hash, node_hash
from fermata.node.hook.governance_notice import governance_key
from fermata.node.hook.notice import canonical_json, idempotency_key
from fermata.node.hook.silence_notice import silence_key
from fermata.node.opener.drill_file import encode_drill_file
from fermata.node.opener.opening_file import GivenOpening, encode_opening
from fermata.node.opener.share_backup import ShareBackup
from fermata.node.opener.task_file import Task, encode_task
from fermata.node.storage.keystore import AgeIdentity, seal
from fermata.protocol.ceremony.basis import Basis
from fermata.protocol.ceremony.messages import payload_hash
from fermata.protocol.ceremony.plan import make_plan
from fermata.protocol.drills.drill import Drill
from fermata.protocol.drills.duties import DrillAnswer, encode_answer
from fermata.protocol.fold.governance.retire import RETIRE_TYPE, record_digest
from fermata.protocol.fold.proofs import context_of
from fermata.protocol.fold.round_rules import aggregate_digest
from fermata.protocol.state.position import EntryRef as EntryPlace
from fermata.protocol.succession.leave import LEAVE_TYPE
from fermata.protocol.wire.codec import STATEMENT_TYPE, encode, leaf_of, sha256
from fermata.protocol.wire.envelope import assemble
from fermata.protocol.wire.ports import Witness
from fermata.protocol.wire.report_secrets import (
    EvidenceFile,
    evidence_commitment,
    evidence_sha256,
)
from fermata.protocol.wire.witnesses import encode_witnesses
from fermata.summary.records.governance_events import Step
from fermata.types import EntryIndex, LeafHash
from fermata.wire.v1 import log_service_pb2
from fermata.wire.v1 import statement_pb2 as wire
from fermata.wire.v1.ceremony_service_pb2 import CeremonySetUp
from fermata.wire.v1.envelope_pb2 import EntryProof, EntryRef
from fermata.wire.v1.succession_pb2 import Certificate, HeadCosignature, Leave, ViewHead
from harness.crypto.proof_vectors import inputs
from harness.deployments import make_deployment

Vectors = dict[str, dict[str, Any]]

#: Numbers of no meaning; 1 is the lowest bit, so that n is odd.
N = int.from_bytes(hashlib.sha512(b"n").digest(), "big") | 1 << 511 | 1
CHARTER, SALT, W = sha256(b"charter"), sha256(b"salt"), 12345
RECORD = KeyRecord(N, 2, 1, DELTA, 7, (11, 12, 13), DEALER)
ROSTER = ("a-1", "a-2", "a-3")
ROUNDS = tuple((3 + i, 5 + i, bool(i % 2), bool(i % 3)) for i in range(128))
PLACES = (0, 1, 127)
ANNOUNCEMENTS = [3 + i for i in range(64)]
FILES = (EvidenceFile("b.json", b"two"), EvidenceFile("a.json", b"one"))
AGGREGATES = {"alpha": (b"\1" * 8, b"\2" * 8), "beta/east+west": (b"\3" * 8,)}
SEED = sha256(b"signing key")
KEY = SigningKey.from_seed(SEED)
ORIGIN, WITNESS = "tests.fermata/log", "tests.fermata/auditor/a-1"
TIME_S, TIME_MS = 2_082_758_400, 2_082_758_400_123
LEAVES = tuple(bytes([i]) * (i + 1) for i in range(5))
PROOFS: dict[str, Any] = json.loads((FOLDER / "report_proof.json").read_text())
#: The case of report_proof.json that has every kind of statement.
CASE = PROOFS["cases"][1]


def be(value: int, width: int) -> bytes:
    return value.to_bytes(width, "big")


def vector(out: bytes, **inputs_of: Any) -> dict[str, Any]:
    """Bytes in hex, long integers in hex without a prefix, small ones as numbers."""
    return {"in": {k: _plain(v) for k, v in inputs_of.items()}, "out": out.hex()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return f"{value:x}" if isinstance(value, int) and value >= 1 << 53 else value


def keys() -> Vectors:
    """The threshold key and what a dealer proves of it."""
    width = (N.bit_length() + 7) // 8
    challenges = modulus_proof._challenges(N, W, CHARTER)
    proof = modulus_proof.ModulusProof(W, ROUNDS)
    weights = modulus_proof._weights(N, proof, CHARTER)
    share = KeyShare(2, -0x1234567890ABCDEF, key_id(RECORD))
    record = {
        "epoch": RECORD.epoch,
        "threshold": RECORD.threshold,
        "auditors": ROSTER,
        "kappa": RECORD.kappa,
        "theta": RECORD.theta,
        "verification": RECORD.verification,
    }
    return {
        "key-id": vector(key_id(RECORD), n=N),
        "epoch-id": vector(epoch_id(RECORD, ROSTER), n=N, **record),
        "encryption-base": vector(be(PublicKey(N).h, width), n=N),
        "verification-base": vector(be(product_base(N), width), n=N),
        "modulus-proof-challenge": vector(
            b"".join(be(challenges[i], width) for i in PLACES),
            charter=CHARTER, n=N, w=W, places=PLACES,
        ),
        "modulus-proof-weights": vector(
            b"".join(be(w, 3) for row in weights for w in row),
            charter=CHARTER, n=N, w=W, rounds=[[x, z, int(a), int(b)] for x, z, a, b in ROUNDS],
        ),
        "factor-proof-base": vector(
            be(factor_proof._base(N, CHARTER), width), charter=CHARTER, n=N
        ),
        "factor-proof-challenge": vector(
            factor_proof._challenge(N, ANNOUNCEMENTS, CHARTER),
            charter=CHARTER, n=N, announcements=ANNOUNCEMENTS,
        ),
        "key-share": vector(
            share.to_bytes(), index=share.index, key_id=share.key_id, value="-1234567890abcdef"
        ),
    }  # fmt: skip


def ceremonies() -> Vectors:
    """What carries ceremonies."""
    place = Place(sha256(b"plan"), 2, 3, 41)
    where = {"ceremony": place.ceremony, "sender": 2, "receiver": 3, "turn": 41}
    salt = Secrets(SEED, place.ceremony).salt(3, 41)
    payload = encode(CeremonySetUp(ceremony=place.ceremony, sender=2, version="1"))
    envelope = assemble("a type", payload, {"a-1": KEY.sign(b"")})
    plan = make_plan(
        Basis(make_deployment().charter), "keygen", is_rehearsal=True, attempt=1,
        created_ms=TIME_MS, life_ms=1, nonce=SALT,
    )  # fmt: skip
    return {
        "ceremony-id": vector(plan.id, plan=plan.data),
        "ceremony-sealed": vector(place.info, **where),
        "ceremony-commitment": vector(
            commit(place, salt, b"body"), salt=salt, body=b"body", **where
        ),
        "ceremony-secret": vector(
            salt, seed=SEED, ceremony=place.ceremony, label="salt", other=3, turn=41
        ),
        "ceremony-seen": vector(payload_hash(envelope), payload=payload),
    }


def epochs() -> Vectors:
    """What is signed or hashed of refreshes, reshares and drills. The numbers mean nothing."""
    messages, message = (b"\1" * 40, b"\2" * 40), b"\3" * 40
    plan = plan_reshare(RECORD, sha256(b"before"), sha256(b"ceremony"), 2, 3, {1: 3, 4: 1})
    dealt = dealt_sha256(plan, dict(zip((1, 4), messages, strict=True)))
    dispute = Complaint.of(plan, 1, message).received_sha256
    outcome = Outcome(
        plan.ceremony, plan.kind, plan.before, plan.old_indices, RECORD, dealt,
        (Dispute(3, 2, dispute),),
    )  # fmt: skip
    return {
        "reshare-dealt": vector(dealt, ceremony=plan.ceremony, messages=messages),
        "sub-share-hash": vector(dispute, message=message),
        "drill-root": vector(
            be(drill_root(N, SALT, 8, CHARTER), 64), n=N, epoch=SALT, number=8, leaf_hash=CHARTER
        ),
        "drill-commitment": vector(
            drill_commitment(RECORD, SALT, 7, 2, CHARTER, N - 2),
            n=N, epoch=SALT, number=7, index=2, nonce=CHARTER, part=N - 2,
        ),
        "next-epoch": vector(
            outcome.to_bytes(), ceremony=plan.ceremony, kind=plan.kind, before=plan.before,
            key=key_id(RECORD), origin=RECORD.origin, dealers=plan.old_indices, epoch=RECORD.epoch,
            threshold=RECORD.threshold, kappa=f"{RECORD.kappa:x}", theta=f"{RECORD.theta:x}",
            dealt=dealt, verification=[f"{v:x}" for v in RECORD.verification],
            disputes=[[3, 2, dispute]],
        ),
    }  # fmt: skip


def retirements() -> Vectors:
    """How an auditor gives an epoch of the key up, in favour of one record of the next."""
    record = wire.KeyRecord(
        epoch=2, origin=wire.KEY_ORIGIN_DEALER, threshold=2, theta=b"\1",
        after=EntryRef(index=7, leaf_hash=sha256(b"motion")),
    )  # fmt: skip
    statement = wire.Statement(charter_sha256=CHARTER, key_record=record)
    statement.key_record.retires.add(auditor="auditor-1", signature=bytes(64))
    digest = record_digest(statement)
    said = wire.Retirement(
        charter_sha256=CHARTER, auditor="auditor-1", epoch_id=epoch_id(RECORD, ROSTER),
        record_sha256=digest, seen=EntryRef(index=9, leaf_hash=sha256(b"seen")),
    )  # fmt: skip
    return {
        "record-digest": vector(digest, charter=CHARTER, record=encode(record)),
        "retirement": vector(
            pae(RETIRE_TYPE, encode(said)), charter=CHARTER, auditor="auditor-1",
            epoch_id=said.epoch_id, record_digest=digest, seen=[9, sha256(b"seen")],
        ),
    }  # fmt: skip


def leaves() -> Vectors:
    """How an auditor leaves a coordinator, with a certificate and a head."""
    root, newer, proof = sha256(b"root"), sha256(b"newer root"), [sha256(b"a"), sha256(b"b")]
    witness = HeadCosignature(
        auditor="auditor-2", size=12, root=newer, line=b"a line\n", proof=proof
    )
    said = Leave(
        charter_sha256=CHARTER, auditor="auditor-1", view=2,
        certificate=Certificate(view=1, size=9, root=root, witnesses=[witness]),
        head=ViewHead(view=1, note=b"a note\n"),
    )  # fmt: skip
    return {
        "leave": vector(
            pae(LEAVE_TYPE, encode(said)), charter=CHARTER, auditor="auditor-1", view=2,
            certificate=[1, 9, root, [["auditor-2", 12, newer, witness.line, proof]]],
            head=[1, said.head.note],
        ),
    }  # fmt: skip


def evidence() -> Vectors:
    """What a report commits to."""
    digest = evidence_sha256(FILES)
    return {
        "evidence": vector(digest, files=[[f.name, f.data] for f in FILES]),
        "evidence-commitment": vector(evidence_commitment(digest, SALT), salt=SALT, digest=digest),
    }


def statements() -> Vectors:
    """Envelopes, leaves, and the statements whose bytes others bind."""
    endorsement = wire.Statement(
        charter_sha256=CHARTER,
        author="a-1",
        endorsement=wire.Endorsement(
            round=3,
            close=EntryRef(index=300, leaf_hash=leaf_hash(b"close")),
            aggregate_sha256=aggregate_digest(AGGREGATES),
        ),
        seen=EntryRef(index=301, leaf_hash=leaf_hash(b"seen")),
    )
    payload = encode(endorsement)
    heartbeat = wire.Statement(
        charter_sha256=CHARTER,
        author="a-1",
        heartbeat=wire.Heartbeat(
            count=200, time_ms=TIME_MS, version="1", certificate_expires_ms=TIME_MS + 1, backlog=4
        ),
        seen=EntryRef(index=301, leaf_hash=leaf_hash(b"seen")),
    )
    message = pae(STATEMENT_TYPE, payload)
    signature = KEY.sign(message)
    signatures = {"a-1": signature}
    envelope = assemble(STATEMENT_TYPE, payload, signatures)
    panel = wire.SealedPanel(
        panel="alpha", ciphertexts=[b"\1" * 8], announcements=[b"\2" * 8], responses=[b"\3" * 4]
    )
    sealed = encode(wire.SealedPart(panels=[panel]))
    return {
        "charter-hash": vector(CHARTER, file=b"charter"),
        "aggregate": vector(aggregate_digest(AGGREGATES), cells=list(AGGREGATES.items())),
        "endorsement": vector(
            payload, charter=CHARTER, author="a-1", round=3, close=[300, leaf_hash(b"close")],
            aggregate=aggregate_digest(AGGREGATES), seen=[301, leaf_hash(b"seen")],
        ),
        "heartbeat": vector(
            encode(heartbeat), charter=CHARTER, author="a-1", count=200, time_ms=TIME_MS,
            version="1", certificate_expires_ms=TIME_MS + 1, backlog=4,
            seen=[301, leaf_hash(b"seen")],
        ),
        "dsse": vector(message, type=STATEMENT_TYPE, payload=payload),
        "signature": vector(signature, seed=SEED, message=message),
        "envelope": vector(
            envelope, type=STATEMENT_TYPE, payload=payload, signatures=list(signatures.items())
        ),
        "envelope-hash": vector(sha256(envelope), envelope=envelope),
        "entry-ref": vector(
            encode(EntryRef(index=300, leaf_hash=leaf_hash(b"close"))),
            index=300,
            leaf_hash=leaf_hash(b"close"),
        ),
        "leaf": vector(
            leaf_of(
                leaf_hash(b"before"),
                envelope,
                [EntryProof(leaf_hash=leaf_hash(b"close"), path=[leaf_hash(b"other")])],
            ),
            previous_root=leaf_hash(b"before"),
            envelope=envelope,
            proofs=[[leaf_hash(b"close"), [leaf_hash(b"other")]]],
        ),
        "sealed-part": vector(
            sealed,
            panels=[["alpha", [b"\1" * 8], [b"\2" * 8], [b"\3" * 4]]],
        ),
        "sealed-part-hash": vector(sha256(sealed), sealed_part=sealed),
        "ciphertext-digest": vector(sha256(b"\1" * 8), ciphertext=b"\1" * 8),
    }  # fmt: skip


def tree() -> Vectors:
    """Merkle hashes and proofs, and the receipt that carries one."""
    found = Tree()
    for data in LEAVES:
        found.append(leaf_hash(data))
    size, left, right = found.size, leaf_hash(LEAVES[0]), leaf_hash(LEAVES[1])
    inclusion = found.inclusion_proof(2, size)
    head = Checkpoint(ORIGIN, size, found.root())
    note = sign_checkpoint(head, ORIGIN, KEY.sign, KEY.public_key)
    refusal = log_service_pb2.AppendRefusal(
        charter_sha256=CHARTER,
        envelope_sha256=sha256(b"an envelope"),
        reason="LATE",
        head=EntryRef(index=2, leaf_hash=leaf_hash(LEAVES[2])),
    )
    receipt = log_service_pb2.AppendResponse(
        entry=2, checkpoint=note, inclusion_proof=inclusion, leaf=LEAVES[2]
    )
    return {
        "leaf-hash": vector(left, leaf=LEAVES[0]),
        "node-hash": vector(node_hash(left, right), left=left, right=right),
        "root": vector(found.root(), leaves=LEAVES),
        "inclusion-proof": vector(b"".join(inclusion), leaves=LEAVES, index=2),
        "consistency-proof": vector(
            b"".join(found.consistency_proof(3, size)), leaves=LEAVES, old=3
        ),
        "refusal": vector(
            encode(refusal),
            charter=CHARTER,
            envelope_hash=sha256(b"an envelope"),
            reason="LATE",
            head=[2, leaf_hash(LEAVES[2])],
        ),
        "receipt": vector(
            encode(receipt), entry=2, checkpoint=note, proof=inclusion, leaf=LEAVES[2]
        ),
    }


def notes() -> Vectors:
    """Checkpoints and cosignatures."""
    root = sha256(b"root")
    head = Checkpoint(ORIGIN, 7, root)
    text = checkpoint_text(head)
    note = sign_checkpoint(head, ORIGIN, KEY.sign, KEY.public_key)
    line = note.removeprefix(text + b"\n")
    seen: list[bytes] = []

    def sign(message: bytes) -> bytes:
        seen.append(message)
        return KEY.sign(message)

    witness = cosign(note, WITNESS, sign, KEY.public_key, TIME_S)
    return {
        "checkpoint-text": vector(text, origin=ORIGIN, size=7, root=root),
        "note-key-id": vector(
            parse_note(note).signatures[0].key_id, name=ORIGIN, kind=1, public_key=KEY.public_key
        ),
        "checkpoint-line": vector(line, name=ORIGIN, seed=SEED, text=text),
        "cosignature-message": vector(seen[0], time_s=TIME_S, text=text),
        "cosignature-line": vector(witness, name=WITNESS, seed=SEED, time_s=TIME_S, text=text),
        "note": vector(add_signatures(note, [witness]), text=text, lines=[line, witness]),
    }


def form_of(form: Any) -> list[Any]:
    return [str(form.constant), [[i, str(coef)] for i, coef in form.coefficients]]


def shape_of(found: StatementSet) -> dict[str, Any]:
    """All integers that the preimage of a statement hash has, in its order."""
    layout, ranges = found.layout, []
    for claim in found.all_ranges:
        parts = cover(claim.bound, layout.base)
        pairs = list(zip(parts.weights, parts.tops, strict=True))
        ranges.append([form_of(claim.form), str(claim.bound), pairs])
    return {
        "constants": [128, 16, 4, found.exponent_bits],
        "shape": [found.modulus_bits, found.headroom_bits, layout.base, layout.size],
        "values": [[str(v.bound), int(v.enc)] for v in found.values],
        "offsets": [list(offset) for offset in found.packing.offsets],
        "ranges": ranges,
        "equalities": [form_of(e.form) for e in found.equalities],
        "products": [[form_of(f) for f in (p.a, p.b, p.c)] for p in found.products],
    }


def proofs() -> Vectors:
    """What goes into the report proof beside its own messages; its challenges are in its files."""
    found, key, context, open_part, sealed = inputs(CASE)
    item = BatchItem(found, context, open_part, sealed)
    leaf = sha256(b"a close")
    drawn = batch_weights(key, [item, BatchItem(found, context, open_part)], leaf)
    round_context = context_of(make_deployment().charter, 7, "alpha", "lab-1")
    prefix = ReportTranscript(found, key, context)._running._running.digest()
    fields = [found.statement_hash, context.charter_hash, context.round_id, context.lab_id]
    return {
        "statements": vector(encode_statements(found), **shape_of(found)),
        "report-proof-prefix": vector(
            prefix, charter=context.charter_hash, statements=found.statement_hash,
            round=context.round_id, lab=context.lab_id, n=key.n, exponent_bits=found.exponent_bits,
        ),
        "round-id": vector(round_context.round_id, round=7, panel="alpha"),
        "batch-weights": vector(
            be(next(drawn), 16) + be(next(drawn), 16), n=key.n, leaf_hash=leaf,
            items=[[*fields, open_part], [*fields, open_part]],
        ),
    }  # fmt: skip


def local() -> Vectors:
    """Hooks, calibration, and the frames of files."""
    identity = pyrage.x25519.Identity.generate()
    keyfile = seal(b"secret", "key-share", "tests", AgeIdentity(identity))
    document = {"format": 1, "deployment": "tests", "node": "lab-é", "fired": ["hot"], "round": 3}
    return {
        "notice": vector(bytes.fromhex(idempotency_key(CHARTER, 3)), charter=CHARTER, index=3),
        "silence-notice": vector(
            bytes.fromhex(silence_key(CHARTER, "lab-1", 3)), charter=CHARTER, node="lab-1", index=3
        ),
        "governance-notice": vector(
            bytes.fromhex(governance_key(CHARTER, Step.FILED, 41)),
            charter=CHARTER, motion=41, step="motion_filed",
        ),
        "canonical-json": vector(canonical_json(document), document=document),
        # The age file differs each time; what it holds does not.
        "keyfile": vector(
            pyrage.decrypt(keyfile, [identity]), purpose="key-share", deployment="tests",
            secret=b"secret",
        ),
        "calibration": vector(be(seed_of(CHARTER, "fast"), 32), charter=CHARTER, rule="fast"),
    }  # fmt: skip


def shares() -> Vectors:
    """What takes a share, and a round to it and back; the statement is any bytes here."""
    share = KeyShare(2, 0x1234567890ABCDEF, key_id(RECORD))
    of_epoch = epoch_id(RECORD, ROSTER)
    placed = AuditorShare(share, CHARTER, "auditor-2", RECORD.epoch, of_epoch)
    root, leaf = sha256(b"root"), sha256(b"leaf")
    opened = [(1, 7, leaf.hex(), of_epoch.hex()), (2, 19, leaf.hex(), of_epoch.hex())]
    head = (23, root.hex())
    marks = "".join(" ".join(map(str, line)) + "\n" for line in (head, *opened)).encode()
    note = sign_checkpoint(Checkpoint(ORIGIN, 2, root), ORIGIN, KEY.sign, KEY.public_key)
    witness = Witness("a-1", 2, cosign(note, WITNESS, KEY.sign, KEY.public_key, TIME_S))
    sealed = [b"sealed one", b"sealed two"]
    task = Task(
        b"a charter", "auditor-2", 3, note, (witness,), (b"leaf one", b"leaf two"),
        {sha256(part): part for part in sealed},
    )  # fmt: skip
    signature = KEY.sign(b"statement")
    began = EntryPlace(EntryIndex(7), LeafHash(leaf))
    drill = Drill(1, began, of_epoch, ROSTER, 2, 1, 1)
    return {
        "auditor-share": vector(
            placed.to_bytes(), charter=CHARTER, auditor="auditor-2", epoch=RECORD.epoch,
            epoch_id=of_epoch, share=share.to_bytes(),
        ),
        "share-backup": vector(
            ShareBackup(placed, marks).to_bytes(), share=placed.to_bytes(), head=head,
            opened=opened,
        ),
        "opening-task": vector(
            b"".join(encode_task(task)), charter=task.charter, auditor=task.auditor,
            number=task.number, note=task.note, witnesses=encode_witnesses(task.witnesses),
            leaves=list(task.leaves), sealed=sealed,
        ),
        "drill-answer": vector(
            encode_drill_file(encode_answer(RECORD, drill, DrillAnswer(CHARTER, N - 2))),
            n=N, start=leaf, nonce=CHARTER, part=N - 2,
        ),
        "opening": vector(
            encode_opening(GivenOpening(b"statement", signature)), statement=b"statement",
            signature=signature,
        ),
    }  # fmt: skip


def make() -> dict[str, str]:
    found = {
        **keys(), **ceremonies(), **epochs(), **retirements(), **leaves(), **evidence(),
        **statements(), **tree(), **notes(), **proofs(), **local(), **shares(),
    }  # fmt: skip
    return {"bytes.json": text_of(found)}


if __name__ == "__main__":
    run(__doc__, "bytes.json", make)
