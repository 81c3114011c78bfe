"""Bundles of one log whose checkpoint, or whose cosignatures, have one defect each."""

from bundle_defects import Defects, Story, flipped_line

from fermata.crypto.signing import SigningKey
from fermata.log.checkpoint import add_signatures, cosign
from fermata.protocol.verify.bundle import CHECKPOINT, WITNESSES
from fermata.protocol.wire.ports import Witness
from fermata.protocol.wire.witnesses import encode_witnesses
from harness.bundles import tree_of, witness_of
from harness.spec.bundle_vectors import Files


def of_heads(story: Story, files: Files) -> Defects:
    """Other checkpoints over the same log."""
    tree = tree_of(story.leaves)
    size, root, note = tree.size, tree.root(), files[CHECKPOINT]
    cosignature = story.witnesses({"auditor-1": size})[0].line
    text, _, line = note.partition(b"\n\n")
    heads = {
        "signature_forged": (
            "the coordinator's signature is false",
            note.replace(*flipped_line(line.rstrip(b"\n"))),
        ),
        "not_signed_by_coordinator": ("a cosignature alone", text + b"\n\n" + cosignature),
        "foreign_line": (
            "a line beside the coordinator's, though it is an auditor's cosignature",
            add_signatures(note, [cosignature]),
        ),
        "root_of_another": (
            "the coordinator signed a root that is not the entries'",
            story.signed_head(size, bytes(32)),
        ),
        "size_too_large": (
            "the coordinator signed a size beyond the entries",
            story.signed_head(size + 1, root),
        ),
    }
    return {name: (what, {**files, CHECKPOINT: head}) for name, (what, head) in heads.items()}


def of_witnesses(story: Story, files: Files) -> Defects:
    """Other cosignatures of the same log."""
    size = len(story.leaves)
    one, two, three = lines = story.witnesses(
        dict.fromkeys(story.deployment.charter.auditors, size)
    )
    key, charter = SigningKey.from_seed(bytes(32)), story.deployment.charter
    name = charter.witness_name("auditor-9")
    line = cosign(files[CHECKPOINT], name, key.sign, key.public_key, 2_000_000_000)
    (older,) = story.witnesses({"auditor-1": size - 1})
    longer = story.prefix(size, "longer")
    longer.put_leaf(b"another entry")
    beyond = witness_of(story.deployment, longer.tree, "auditor-3", size + 1)
    forged = Witness("auditor-1", size, flipped_line(one.line.rstrip(b"\n"))[1] + b"\n")
    texts = {
        "witness_of_stranger": (
            "a line of a stranger, beside those of all auditors",
            encode_witnesses([*lines, Witness("auditor-9", size, line)]),
        ),
        "cosignature_forged": (
            "a cosignature that is false",
            encode_witnesses([forged, two, three]),
        ),
        "cosignature_of_another_size": (
            "a cosignature that is said to be of one entry more than it is of",
            encode_witnesses([Witness("auditor-1", size, older.line), two, three]),
        ),
        "witness_twice": (
            "an auditor's cosignatures of two heads",
            encode_witnesses([older]) + encode_witnesses(lines),
        ),
        "witnesses_unordered": (
            "the cosignatures in another order",
            encode_witnesses([two]) + encode_witnesses([one, three]),
        ),
        "witnesses_too_few": ("one cosignature less than needed", encode_witnesses([one, two])),
        "witnesses_none": ("no cosignature", b""),
        "witness_beyond": (
            "a cosignature of a head with an entry that the bundle does not have",
            encode_witnesses([one, two, beyond]),
        ),
    }
    return {name: (what, {**files, WITNESSES: text}) for name, (what, text) in texts.items()}
