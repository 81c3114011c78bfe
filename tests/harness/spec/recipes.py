"""The recipes of docs/spec/bytes.md, written again with hashlib and an Ed25519 library alone.

Nothing of the product is imported. Each function of ``RECIPES`` takes the inputs of a vector of
tests/vectors/bytes.json as they stand there (bytes in hex, long integers in hex without a prefix)
and returns bytes.
"""

import base64
import hashlib
import hmac
import json
from math import ceil

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.spec.epoch_recipes import (
    drill_commitment,
    drill_root,
    next_epoch,
    reshare_dealt,
    sub_share_hash,
)
from harness.spec.transcripts import report_prefix


def be(value, width):
    return value.to_bytes(width, "big")


def raw(text):
    return bytes.fromhex(text)


def number(value):
    """An integer that is a JSON number, or hex where it is long."""
    return int(value, 16) if isinstance(value, str) else value


def width_of(n):
    return ceil(n.bit_length() / 8)


def minimal(value):
    return be(value, (value.bit_length() + 7) // 8)


def sha256(data):
    return hashlib.sha256(data).digest()


def parts(domain, *items):
    return sha256(b"".join(be(len(i), 8) + i for i in (domain.encode(), *items)))


def shake_mod(domain, data, n):
    found = hashlib.shake_256(domain.encode() + data).digest(ceil((n.bit_length() + 256) / 8))
    return int.from_bytes(found, "big") % n


# Keys.


def key_id(n):
    n = number(n)
    return parts("fermata/v1/key-id", b"paillier-root/1", be(n, width_of(n)))


def place_of(ceremony, sender, receiver, turn):
    return (raw(ceremony), *(be(number, 4) for number in (sender, receiver, turn)))


def ceremony_commitment(salt, body, **place):
    where = place_of(**place)
    return parts("fermata/v1/ceremony-commitment", *where, raw(salt), raw(body))


def ceremony_secret(seed, ceremony, label, other, turn):
    numbers = (be(other, 4), be(turn, 4))
    message = parts("fermata/v1/ceremony-secret", raw(ceremony), label.encode(), *numbers)
    return hmac.digest(raw(seed), message, "sha256")


def epoch_id(n, epoch, threshold, auditors, kappa, theta, verification):
    width = width_of(number(n))
    return parts(
        "fermata/v1/epoch-id", key_id(n), be(epoch, 8), be(threshold, 4), be(len(auditors), 4),
        *(a.encode() for a in auditors), minimal(number(kappa)), minimal(number(theta)),
        *(be(number(v), width) for v in verification),
    )  # fmt: skip


def square_of_hash(domain, n):
    n = number(n)
    return be(shake_mod(domain, be(n, width_of(n)), n) ** 2 % n, width_of(n))


def modulus_seed(charter, n, w):
    width = width_of(n)
    return parts("fermata/v1/modulus-proof", charter, be(n, width), be(w, width))


def modulus_challenge(charter, n, w, place):
    seed = modulus_seed(charter, n, w)
    return shake_mod("fermata/v1/modulus-proof", seed + be(place, 4), n)


def modulus_weights(charter, n, w, rounds):
    """Seven lists of 128 weights."""
    width = width_of(n)
    roots = [be(v, width) for x, z, _, _ in rounds for v in (x, z)]
    signs = bytes(2 * a + b for _, _, a, b in rounds)
    key = parts("fermata/v1/root-weights", charter, be(n, width), be(w, width), *roots, signs)
    words = hashlib.shake_256(key).digest(7 * 128 * 4)
    flat = [int.from_bytes(words[i : i + 4], "big") >> 12 for i in range(0, len(words), 4)]
    return [flat[i : i + 128] for i in range(0, len(flat), 128)]


def modulus_challenges_joined(charter, n, w, places):
    n, w = number(n), number(w)
    found = (modulus_challenge(raw(charter), n, w, place) for place in places)
    return b"".join(be(y, width_of(n)) for y in found)


def modulus_weights_joined(charter, n, w, rounds):
    found = modulus_weights(raw(charter), number(n), number(w), rounds)
    return b"".join(be(weight, 3) for row in found for weight in row)


def factor_base(charter, n):
    seed = parts("fermata/v1/factor-base", charter, be(n, width_of(n)))
    return shake_mod("fermata/v1/factor-base", seed, n)


def factor_challenge(charter, n, announcements):
    width = width_of(n)
    sent = (be(x, width) for x in announcements)
    return parts("fermata/v1/factor-proof", charter, be(n, width), *sent)[:16]


def factor_base_bytes(charter, n):
    return be(factor_base(raw(charter), number(n)), width_of(number(n)))


def factor_challenge_bytes(charter, n, announcements):
    return factor_challenge(raw(charter), number(n), [number(x) for x in announcements])


def key_share(index, key_id, value):
    return f"fermata/v1/key-share\nindex: {index}\nkey: {key_id}\nvalue: {value}\n".encode()


def auditor_share(charter, auditor, epoch, epoch_id, share):
    lines = ["fermata/v1/auditor-share", f"charter: {charter}", f"auditor: {auditor}"]
    lines += [f"epoch: {epoch}", f"epoch-id: {epoch_id}", ""]
    return "\n".join(lines).encode() + raw(share)


def share_backup(share, head, opened):
    share = raw(share)
    marks = [" ".join(map(str, line)) + "\n" for line in (head, *opened)]
    return b"fermata/v1/share-backup\n" + be(len(share), 4) + share + "".join(marks).encode()


def opening_task(charter, auditor, number, note, witnesses, leaves, sealed):
    parts = sorted(map(raw, sealed), key=sha256)
    pieces = [("C", raw(charter)), ("A", auditor.encode()), ("R", be(number, 8))]
    pieces += [("N", raw(note)), ("W", raw(witnesses)), *(("L", raw(leaf)) for leaf in leaves)]
    pieces += [*(("S", part) for part in parts), ("E", b"")]
    framed = [kind.encode() + be(len(data), 4) + data for kind, data in pieces]
    return b"fermata/v1/opening-task\n" + b"".join(framed)


def drill_answer(n, start, nonce, part):
    width = width_of(number(n))
    return b"fermata/v1/drill-answer\n" + raw(start) + raw(nonce) + be(number(part), width)


def opening(statement, signature):
    statement = raw(statement)
    return b"fermata/v1/opening\n" + be(len(statement), 4) + statement + raw(signature)


def keyfile(purpose, deployment, secret):
    secret = raw(secret)
    return f"fermata/v1/keyfile {purpose} {deployment}\n".encode() + be(len(secret), 4) + secret


# Protocol Buffers, in the one canonical form (log.md, L6).


def varint(value):
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def field(place, value):
    """A field of a message: nothing for a default, a varint, or bytes after their length."""
    if not value:
        return b""
    if isinstance(value, int):
        return varint(place << 3) + varint(value)
    return varint(place << 3 | 2) + varint(len(value)) + value


def element(place, value):
    """An element of a repeated field, which is written also where it is empty."""
    return varint(place << 3 | 2) + varint(len(value)) + value


def envelope(type, payload, signatures):
    found = field(1, type.encode()) + field(2, raw(payload))
    return found + b"".join(
        element(3, field(1, party.encode()) + field(2, raw(signature)))
        for party, signature in sorted(signatures)
    )


def leaf(previous_root, envelope, proofs):
    found = field(1, raw(previous_root)) + field(2, raw(envelope))
    for leaf_hash, path in proofs:
        proof = field(1, raw(leaf_hash)) + b"".join(element(2, raw(h)) for h in path)
        found += element(3, proof)
    return found


def entry_ref(index, leaf_hash):
    return field(1, index) + field(2, raw(leaf_hash))


def statement(charter, author, place, body, seen):
    found = field(1, raw(charter)) + field(2, author.encode()) + element(place, body)
    return found + element(14, entry_ref(*seen))


def endorsement(charter, author, round, close, aggregate, seen):
    body = field(1, round) + element(2, entry_ref(*close)) + field(3, raw(aggregate))
    return statement(charter, author, 8, body, seen)


def heartbeat(charter, author, count, time_ms, version, certificate_expires_ms, backlog, seen):
    body = field(1, count) + field(2, time_ms) + field(3, version.encode())
    body += field(4, certificate_expires_ms) + field(5, backlog)
    return statement(charter, author, 10, body, seen)


def sealed_part(panels):
    found = b""
    for panel, ciphertexts, announcements, responses in panels:
        body = field(1, panel.encode())
        for place, items in ((2, ciphertexts), (3, announcements), (4, responses)):
            body += b"".join(element(place, raw(item)) for item in items)
        found += element(1, body)
    return found


def refusal(charter, envelope_hash, reason, head):
    found = field(1, raw(charter)) + field(2, raw(envelope_hash)) + field(3, reason.encode())
    return found + element(4, entry_ref(*head))


def receipt(entry, checkpoint, proof, leaf):
    found = field(1, entry) + field(2, raw(checkpoint))
    return found + b"".join(element(3, raw(h)) for h in proof) + field(4, raw(leaf))


# Statements and signatures.


def dsse(type, payload):
    kind, payload = type.encode(), raw(payload)
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def record_digest(charter, record):
    return sha256(field(1, raw(charter)) + element(3, raw(record)))


def retirement(charter, auditor, epoch_id, record_digest, seen):
    said = field(1, raw(charter)) + field(2, auditor.encode()) + field(3, raw(epoch_id))
    said += field(4, raw(record_digest)) + element(5, entry_ref(*seen))
    return dsse("application/vnd.fermata.retire.v1+protobuf", said.hex())


def leave(charter, auditor, view, certificate, head):
    said = field(1, raw(charter)) + field(2, auditor.encode()) + field(3, view)
    if certificate:
        of_view, size, root, witnesses = certificate
        proven = field(1, of_view) + field(2, size) + field(3, raw(root))
        for name, newer, its_root, line, proof in witnesses:
            one = field(1, name.encode()) + field(2, newer) + field(3, raw(its_root))
            one += field(4, raw(line)) + b"".join(element(5, raw(h)) for h in proof)
            proven += element(4, one)
        said += element(4, proven)
    if head:
        said += element(5, field(1, head[0]) + field(2, raw(head[1])))
    return dsse("application/vnd.fermata.leave.v1+protobuf", said.hex())


def sign(seed, message):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def public_key(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def aggregate(cells):
    items = []
    for cell, ciphertexts in cells:
        items += [cell.encode(), be(len(ciphertexts), 4), *map(raw, ciphertexts)]
    return parts("fermata/v1/aggregate", *items)


def evidence(files):
    digests = sorted((name, sha256(raw(data))) for name, data in files)
    items = (item for name, digest in digests for item in (name.encode(), digest))
    return parts("fermata/v1/evidence", be(len(digests), 4), *items)


# The tree: RFC 6962, section 2.1.


def leaf_hash(data):
    return sha256(b"\0" + data)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def split(leaves):
    return 1 << (len(leaves) - 1).bit_length() - 1


def root(leaves):
    if len(leaves) < 2:
        return leaf_hash(leaves[0]) if leaves else sha256(b"")
    k = split(leaves)
    return node_hash(root(leaves[:k]), root(leaves[k:]))


def inclusion(leaves, index):
    if len(leaves) == 1:
        return []
    k = split(leaves)
    if index < k:
        return [*inclusion(leaves[:k], index), root(leaves[k:])]
    return [*inclusion(leaves[k:], index - k), root(leaves[:k])]


def consistency(leaves, old, is_known=True):
    if old == len(leaves):
        return [] if is_known else [root(leaves)]
    k = split(leaves)
    if old <= k:
        return [*consistency(leaves[:k], old, is_known), root(leaves[k:])]
    return [*consistency(leaves[k:], old - k, False), root(leaves[:k])]


# Notes: C2SP signed-note, tlog-checkpoint, tlog-cosignature.


def checkpoint_text(origin, size, root):
    return f"{origin}\n{size}\n{base64.b64encode(raw(root)).decode()}\n".encode()


def note_key_id(name, kind, public_key):
    return sha256(name.encode() + b"\n" + bytes([kind]) + public_key)[:4]


def note_line(name, kind, seed, signature):
    blob = note_key_id(name, kind, public_key(seed)) + signature
    return f"\u2014 {name} {base64.b64encode(blob).decode()}\n".encode()


def checkpoint_line(name, seed, text):
    return note_line(name, 1, raw(seed), sign(raw(seed), raw(text)))


def cosignature_message(time_s, text):
    return f"cosignature/v1\ntime {time_s}\n".encode() + raw(text)


def cosignature_line(name, seed, time_s, text):
    signature = sign(raw(seed), cosignature_message(time_s, text))
    return note_line(name, 4, raw(seed), be(time_s, 8) + signature)


def note(text, lines):
    def key(line):
        _, name, blob = line.decode().split(" ")
        return name.encode(), base64.b64decode(blob)[:4]

    return raw(text) + b"\n" + b"".join(sorted(map(raw, lines), key=key))


# The report proof.


def signed_integers(*values):
    found = b""
    for value in map(int, values):
        magnitude = minimal(abs(value))
        found += bytes([value < 0]) + be(len(magnitude), 2) + magnitude
    return found


def form(found):
    constant, terms = found
    return signed_integers(constant, *(v for term in terms for v in term))


def statements(constants, shape, values, offsets, ranges, equalities, products):
    items = [
        b"fermata/v1/statements",
        signed_integers(*constants),
        signed_integers(*shape),
        signed_integers(*(v for pair in values for v in pair)),
        signed_integers(*(v for pair in offsets for v in pair)),
        signed_integers(len(ranges)),
    ]
    for found, bound, cover in ranges:
        items += [form(found), signed_integers(bound, *(v for pair in cover for v in pair))]
    items += [signed_integers(len(equalities)), *map(form, equalities)]
    items += [signed_integers(len(products)), *(form(f) for product in products for f in product)]
    return b"".join(be(len(i), 4) + i for i in items)


def batch_weights(n, leaf_hash, items):
    n = number(n)
    seed = hashlib.sha512(b"fermata/v1/report-batch")
    for part in (be(n, width_of(n)), raw(leaf_hash), *(raw(p) for item in items for p in item)):
        seed.update(be(len(part), 8) + part)
    draws = (hashlib.shake_256(seed.digest() + be(i, 8)).digest(16) for i in (1, 2))
    return b"".join(draws)


def canonical_json(document):
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def report_proof_prefix(charter, statements, round, lab, n, exponent_bits):
    context = (raw(charter), raw(statements), raw(round), raw(lab))
    return report_prefix(*context, number(n), exponent_bits).running.digest()


RECIPES = {
    "key-id": key_id,
    "epoch-id": epoch_id,
    "encryption-base": lambda n: square_of_hash("fermata/v1/h", n),
    "verification-base": lambda n: square_of_hash("fermata/v1/verification-base", n),
    "modulus-proof-challenge": modulus_challenges_joined,
    "modulus-proof-weights": modulus_weights_joined,
    "factor-proof-base": factor_base_bytes,
    "factor-proof-challenge": factor_challenge_bytes,
    "key-share": key_share,
    "ceremony-id": lambda plan: sha256(raw(plan)),
    "ceremony-sealed": lambda **place: parts("fermata/v1/ceremony-sealed", *place_of(**place)),
    "ceremony-commitment": ceremony_commitment,
    "ceremony-secret": ceremony_secret,
    "ceremony-seen": lambda payload: sha256(raw(payload)),
    "keyfile": keyfile,
    "auditor-share": auditor_share,
    "share-backup": share_backup,
    "opening-task": opening_task,
    "opening": opening,
    "drill-answer": drill_answer,
    "drill-root": drill_root,
    "drill-commitment": drill_commitment,
    "reshare-dealt": reshare_dealt,
    "sub-share-hash": sub_share_hash,
    "next-epoch": next_epoch,
    "charter-hash": lambda file: sha256(raw(file)),
    "aggregate": aggregate,
    "endorsement": endorsement,
    "heartbeat": heartbeat,
    "dsse": dsse,
    "record-digest": record_digest,
    "retirement": retirement,
    "leave": leave,
    "signature": lambda seed, message: sign(raw(seed), raw(message)),
    "envelope": envelope,
    "envelope-hash": lambda envelope: sha256(raw(envelope)),
    "entry-ref": entry_ref,
    "leaf": leaf,
    "leaf-hash": lambda leaf: leaf_hash(raw(leaf)),
    "node-hash": lambda left, right: node_hash(raw(left), raw(right)),
    "root": lambda leaves: root([raw(data) for data in leaves]),
    "inclusion-proof": lambda leaves, index: b"".join(inclusion([*map(raw, leaves)], index)),
    "consistency-proof": lambda leaves, old: b"".join(consistency([*map(raw, leaves)], old)),
    "receipt": receipt,
    "refusal": refusal,
    "checkpoint-text": checkpoint_text,
    "note-key-id": lambda name, kind, public_key: note_key_id(name, kind, raw(public_key)),
    "checkpoint-line": checkpoint_line,
    "cosignature-message": cosignature_message,
    "cosignature-line": cosignature_line,
    "note": note,
    "sealed-part": sealed_part,
    "sealed-part-hash": lambda sealed_part: sha256(raw(sealed_part)),
    "ciphertext-digest": lambda ciphertext: sha256(raw(ciphertext)),
    "evidence": evidence,
    "evidence-commitment": lambda salt, digest: parts(
        "fermata/v1/evidence-commitment", raw(salt), raw(digest)
    ),
    "statements": statements,
    "round-id": lambda round, panel: be(round, 8) + panel.encode(),
    "report-proof-prefix": report_proof_prefix,
    "batch-weights": batch_weights,
    "notice": lambda charter, index: sha256(b"fermata/v1/notice" + raw(charter) + be(index, 8)),
    "silence-notice": lambda charter, node, index: sha256(
        b"fermata/v1/silence-notice" + raw(charter) + node.encode() + be(index, 8)
    ),
    "governance-notice": lambda charter, motion, step: sha256(
        b"fermata/v1/governance-notice" + raw(charter) + be(motion, 8) + step.encode()
    ),
    "canonical-json": canonical_json,
    "calibration": lambda charter, rule: sha256(
        b"fermata/v1/calibration" + raw(charter) + rule.encode()
    ),
}
