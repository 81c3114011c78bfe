"""Bundles with one defect each, made from a good one: with all keys, or with none."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fermata.log.checkpoint import Checkpoint, sign_checkpoint
from fermata.log.tiles import export_tiles
from fermata.protocol.fold.references import next_leaf
from fermata.protocol.verify.bundle import CHARTER, CHECKPOINT, MARKER, PUBLIC, WITNESSES
from fermata.protocol.wire.codec import encode
from fermata.protocol.wire.envelope import statement_of, unseal
from fermata.protocol.wire.ports import Witness
from fermata.protocol.wire.witnesses import encode_witnesses
from fermata.wire.v1 import envelope_pb2
from fermata.wire.v1 import statement_pb2 as wire
from harness.bundles import bundle_of, tree_of, witness_of
from harness.chains import COORDINATOR, Chain, Deployment, entropy_of
from harness.forged import endorse_unseen, forged, other_plaintexts
from harness.spec.bundle_vectors import Files

Defects = dict[str, tuple[str, Files]]


class Story:
    """A finished log, and what a forger with all keys can make of it."""

    def __init__(self, chain: Chain, in_force: int) -> None:
        self.chain, self.in_force = chain, in_force
        self.deployment: Deployment = chain.deployment
        self.leaves: list[bytes] = list(chain.leaves)

    def files(self) -> Files:
        return bundle_of(self.chain)

    def prefix(self, size: int, name: str = "") -> Chain:
        """A chain with the first entries; ``name`` seeds whatever is drawn from there on."""
        chain = Chain(self.deployment)
        chain.sealed_parts = dict(self.chain.sealed_parts)
        chain.entropy = entropy_of(0, f"bundle vectors/{name}")
        for leaf in self.leaves[:size]:
            chain.put_leaf(leaf)
        chain.time_ms = chain.state.time_ms
        return chain

    def cut(self, size: int) -> Files:
        """The bundle of the log when it had so many entries."""
        return bundle_of(self.prefix(size))

    def signed_head(self, size: int, root: bytes) -> bytes:
        """The coordinator's note."""
        origin, key = self.deployment.charter.log_origin, self.deployment.keys[COORDINATOR]
        head = Checkpoint(origin, size, root)
        return sign_checkpoint(head, origin, key.sign, key.public_key)

    def witnesses(self, sizes: Mapping[str, int]) -> list[Witness]:
        """What auditors have cosigned, by the sizes that the log then had."""
        tree = tree_of(self.leaves)
        return [witness_of(self.deployment, tree, name, size) for name, size in sizes.items()]

    def rebuilt(self, files: Files, leaves: Sequence[bytes]) -> Files:
        """The bundle with another log, whose head everyone has signed."""
        kept = {p: d for p, d in files.items() if not p.startswith("tile/")}
        tree = tree_of(leaves)
        auditors = self.deployment.charter.auditors
        lines = [witness_of(self.deployment, tree, name, tree.size) for name in auditors]
        note = self.signed_head(tree.size, tree.root())
        witnesses = encode_witnesses(lines)
        return {**kept, CHECKPOINT: note, WITNESSES: witnesses, **export_tiles(leaves)}

    def entry_of(self, body: str, number: int | None = None) -> int:
        """The first entry with such a statement, of the round if one is named."""
        for index, leaf in enumerate(self.leaves[1:], 1):
            found = statement_in(leaf)
            is_body = found.WhichOneof("body") == body
            if is_body and number in (None, getattr(getattr(found, body), "round", None)):
                return index
        raise SystemExit(f"round {number} has no {body}")


def statement_in(leaf: bytes) -> wire.Statement:
    return statement_of(unseal(envelope_pb2.LogEntry.FromString(leaf).envelope))


def relogged(leaf: bytes, **changes: Any) -> bytes:
    """The leaf with fields of its own changed."""
    entry = envelope_pb2.LogEntry.FromString(leaf)
    entry.MergeFrom(envelope_pb2.LogEntry(**changes))
    return encode(entry)


def edited(leaf: bytes, edit: Callable[[envelope_pb2.Envelope], object]) -> bytes:
    """The leaf with its envelope changed, and nothing signed again."""
    entry = envelope_pb2.LogEntry.FromString(leaf)
    envelope = envelope_pb2.Envelope.FromString(entry.envelope)
    edit(envelope)
    return relogged(leaf, envelope=encode(envelope))


def flipped(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def flipped_line(line: bytes) -> tuple[bytes, bytes]:
    """A signature line, and the same line with another signature."""
    head, _, blob = line.rpartition(b" ")
    return line, head + b" " + base64.b64encode(flipped(base64.b64decode(blob), -1))


def entries_path(files: Files) -> str:
    return next(p for p in files if p.startswith("tile/entries/"))


def hashes_path(files: Files) -> str:
    return next(p for p in files if p.startswith("tile/0/"))


def sealed_paths(files: Files) -> list[str]:
    return sorted(p for p in files if p.startswith("sealed/"))


def of_files(files: Files) -> Defects:
    """What anyone can do to the files."""
    entries, hashes = entries_path(files), hashes_path(files)
    one, two = sealed_paths(files)[:2]
    less = {p: d for p, d in files.items() if p != one}
    no_checkpoint = {p: d for p, d in files.items() if p != CHECKPOINT}
    no_marker = {p: d for p, d in files.items() if p != MARKER}
    newer = files[MARKER].replace(b"bundle/1", b"bundle/2")
    return {
        "leaf_changed": (
            "a bit of an entry",
            {**files, entries: flipped(files[entries], 30_000)},
        ),
        "entries_truncated": (
            "the entries end early",
            {**files, entries: files[entries][:-100]},
        ),
        "hash_tile_changed": ("a bit of a hash", {**files, hashes: flipped(files[hashes], 5)}),
        "hash_tile_missing": (
            "no hashes",
            {p: d for p, d in files.items() if p != hashes},
        ),
        "charter_file_changed": (
            "charter.toml is not entry 0's",
            {**files, CHARTER: files[CHARTER] + b"\n"},
        ),
        "charter_file_missing": (
            "no charter.toml",
            {p: d for p, d in files.items() if p != CHARTER},
        ),
        "sealed_changed": ("a bit of a sealed part", {**files, one: flipped(files[one], 100)}),
        "sealed_missing": ("no sealed part of one report", less),
        "sealed_exchanged": (
            "two sealed parts under each other's names",
            {**files, one: files[two], two: files[one]},
        ),
        "extra_file": ("a file that does not belong", {**files, "README": b"read me\n"}),
        "results_file": (
            "results beside the log, which a bundle never has",
            {**files, "results.json": b'{"rounds":[]}\n'},
        ),
        "sealed_in_public": ("a public bundle with sealed parts", {**files, MARKER: PUBLIC}),
        "newer_format": ("a later format", {**files, MARKER: newer}),
        "other_format": ("another format", {**files, MARKER: b'{"format":"zip"}\n'}),
        "marker_spaced": (
            "the marker in another form",
            {**files, MARKER: files[MARKER].replace(b":", b": ")},
        ),
        "no_marker": ("no bundle.json", no_marker),
        "no_checkpoint": ("no checkpoint", no_checkpoint),
        "witnesses_missing": (
            "no file that says who witnessed the log",
            {p: d for p, d in files.items() if p != WITNESSES},
        ),
        "checkpoint_garbled": (
            "a checkpoint that does not parse",
            {**files, CHECKPOINT: files[CHECKPOINT][:-1]},
        ),
    }


def of_beginnings(story: Story, files: Files) -> Defects:
    """Other charters' envelopes and key records, in a log that everyone cosigned."""
    at = story.entry_of("key_record")
    charter, key = story.leaves[0], story.leaves[at]
    begun = story.leaves[:at]
    deployment = story.deployment

    def bend(envelope: envelope_pb2.Envelope) -> None:
        signature = envelope.signatures[0].signature
        envelope.signatures[0].signature = flipped(signature, 0)

    def drop(envelope: envelope_pb2.Envelope) -> None:
        del envelope.signatures[0]

    def record(change: Callable[[wire.KeyRecord], None]) -> list[bytes]:
        """The log up to its key, with another key record that all auditors signed."""
        statement = statement_in(key)
        change(statement.key_record)
        auditors = deployment.charter.auditors
        return [*begun, relogged(key, envelope=deployment.seal(statement, *auditors))]

    def other_share(found: wire.KeyRecord) -> None:
        found.verification[1] = found.verification[0]

    def other_root(found: wire.KeyRecord) -> None:
        found.modulus_proof.rounds[3].x = found.modulus_proof.rounds[4].x

    def other_response(found: wire.KeyRecord) -> None:
        found.factor_proof.responses[3] = found.factor_proof.responses[4]

    def no_factor_proof(found: wire.KeyRecord) -> None:
        found.ClearField("factor_proof")

    def fewer_rounds(found: wire.KeyRecord) -> None:
        del found.modulus_proof.rounds[127]

    logs = {
        "charter_signature_forged": (
            "a party's signature of the charter is false",
            [edited(charter, bend), *story.leaves[1:]],
        ),
        "charter_signature_missing": (
            "a party has not signed the charter",
            [edited(charter, drop), *story.leaves[1:]],
        ),
        "key_record_wrong": ("two auditors' shares are one", record(other_share)),
        "modulus_proof_wrong": ("a fourth root of another round", record(other_root)),
        "modulus_proof_truncated": ("a round too few", record(fewer_rounds)),
        "factor_proof_wrong": ("a response of another round", record(other_response)),
        "factor_proof_missing": ("no proof that no prime is small", record(no_factor_proof)),
        "key_record_signature_forged": (
            "an auditor's signature of the key record is false",
            [*begun, edited(key, bend)],
        ),
        "no_key_record": ("the log ends before the key", begun),
        "key_record_twice": ("a second key record", [*story.leaves, _later(story, key)]),
    }
    unreported = {p: d for p, d in files.items() if not p.startswith("sealed/")}
    found = {}
    for name, (what, log) in logs.items():
        # Without reports in the log no sealed part belongs to the bundle.
        kept = files if len(log) >= len(story.leaves) else unreported
        found[name] = what, story.rebuilt(kept, log)
    return found


def _later(story: Story, leaf: bytes) -> bytes:
    """The same envelope at the end of the log."""
    return next_leaf(story.chain.tree, envelope_pb2.LogEntry.FromString(leaf).envelope)


def of_statements(story: Story, files: Files) -> Defects:
    """Statements that their authors did not make, and what only colluding parties make."""
    *before, last = story.leaves

    def other_part(envelope: envelope_pb2.Envelope) -> None:
        statement = wire.Statement.FromString(envelope.payload)
        parts = statement.partial_opening.panels[0].parts
        parts[0] = (2).to_bytes(len(parts[0]), "big")
        envelope.payload = encode(statement)

    stranger = story.prefix(len(story.leaves))
    stranger.say("lab-1", open_round=wire.OpenRound(round=5))
    garbage = story.prefix(len(story.leaves))
    garbage.put(b"garbage")
    no_leaf = story.prefix(len(story.leaves))
    no_leaf.put_leaf(b"garbage")
    logs = {
        "result_altered": (
            "the part that opens the last round is another, and its auditor did not sign it",
            [*before, edited(last, other_part)],
        ),
        "entry_of_nobody": ("an entry that is no envelope", garbage.leaves),
        "entry_of_wrong_role": ("a lab opens a round", stranger.leaves),
    }
    found = {name: (what, story.rebuilt(files, log)) for name, (what, log) in logs.items()}
    sizes = dict.fromkeys(story.deployment.charter.auditors, len(story.leaves))
    return {
        **found,
        "garbage_beyond": (
            "an entry after the witnessed ones is no leaf",
            bundle_of(no_leaf, sizes=sizes),
        ),
        "aggregate_of_too_few": (
            "coordinator and auditors agree on a product that lacks a lab's ciphertext",
            bundle_of(without_a_lab(story)),
        ),
        "link_false": (
            "a report's ciphertext holds another value than its proof; nobody looked",
            bundle_of(with_false_link(story)),
        ),
    }


def without_a_lab(story: Story) -> Chain:
    """Round 4 with lab-3 left out of the product."""
    chain = story.prefix(story.entry_of("close_round", 4), "without a lab")
    statement = chain.close_statement()
    product = statement.close_round.aggregates[0].ciphertexts
    key = chain.state.key
    data = chain.sealed(chain.round.reports["lab-3"].sealed_sha256)
    if key is None or data is None:
        raise SystemExit("lab-3 has not reported")
    theirs = wire.SealedPart.FromString(data).panels[0].ciphertexts[0]
    n_squared = key.record.n**2
    inverse = pow(int.from_bytes(theirs, "big"), -1, n_squared)
    without = int.from_bytes(product[0], "big") * inverse % n_squared
    product[0] = without.to_bytes(len(product[0]), "big")
    chain.put_ok(chain.seal(statement))
    endorse_unseen(chain)
    chain.open_part("auditor-1", "auditor-2")
    return chain


def with_false_link(story: Story) -> Chain:
    """Round 4, in which lab-1's ciphertext holds 7 and its open proof is of 10."""
    chain = story.prefix(story.entry_of("report", 4), "false link")
    witness = other_plaintexts({"training": (7,)})
    chain.put_ok(chain.seal(forged(chain, "lab-1", witness=witness, values=TEN)))
    for lab in ("lab-2", "lab-3"):
        chain.report(lab, TEN)
    for lab in ("lab-4", "lab-5", "lab-6"):
        chain.abstain(lab)
    chain.close()
    endorse_unseen(chain)
    chain.open_part("auditor-1", "auditor-2")
    return chain


TEN = {"hours": "10"}


def defects(story: Story, files: Files) -> Defects:
    """By name: what is wrong, and the files."""
    return {
        **of_files(files),
        **of_beginnings(story, files),
        **of_statements(story, files),
    }
