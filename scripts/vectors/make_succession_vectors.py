"""Writes tests/vectors/succession.json: Handovers that hold, and others with one defect.

    PYTHONPATH=tests python scripts/vectors/make_succession_vectors.py [--check]

docs/spec/vectors.md has the form.
"""

from typing import Any

from common import run, text_of

from fermata.errors import VerificationError
from fermata.log.merkle import Tree
from fermata.protocol.fold.references import next_leaf
from fermata.protocol.succession.handover import check_handover
from fermata.protocol.wire.codec import encode
from fermata.wire.v1.succession_pb2 import Handover
from harness.chains import MODULUS_BITS_MIN, Chain
from harness.handed_over import begun, made
from harness.protocol.state_digest import state_digest
from harness.succession import AUDITORS, tree_of
from harness.succession_defects import DEFECTS, LONG, OTHER, SHORT, WORLD, leaves


def good() -> list[tuple[str, Handover, Tree]]:
    """What is accepted: the Handover, and the entries that it comes after."""
    grown = tree_of("a", "b", "c", "handover")
    later = [
        WORLD.leave("auditor-1", LONG, LONG, view=2),
        WORLD.leave("auditor-2", grown, grown, view=2, head_view=1, certificate_view=1),
        WORLD.leave("auditor-3", grown, view=2, head_view=1),
    ]
    nothing = [WORLD.leave(auditor, None) for auditor in AUDITORS[:3]]
    return [
        ("no head is left out", WORLD.handover(LONG, *leaves()), LONG),
        ("a head is left out", WORLD.handover(SHORT, *leaves()), SHORT),
        ("nothing was witnessed", WORLD.handover(SHORT, *nothing), SHORT),
        ("a later view outweighs a longer log", WORLD.handover(grown, *later, view=2), grown),
    ]


def accepted() -> list[dict[str, Any]]:
    cases = []
    for what, handover, tree in good():
        handed = check_handover(WORLD.views, handover, tree.size, tree.root())
        cases.append(
            {
                "what": what, "handover": encode(handover).hex(), "start": tree.size,
                "root": tree.root().hex(), "coordinator": handed.coordinator,
                "certified": list(handed.certified),
                "left_out": [[auditor, head.size] for auditor, head in handed.left_out],
            }
        )  # fmt: skip
    return cases


def refused() -> list[dict[str, Any]]:
    cases = []
    for what, (defect, reason) in DEFECTS.items():
        handover = WORLD.handover(LONG, *leaves())
        defect(handover)
        cases.append((what, handover, LONG, reason))
    settled = WORLD.handover(LONG, *[WORLD.leave(a, LONG, LONG) for a in AUDITORS[:3]])
    cases.append(("SU8.1: settled entries are lost", settled, OTHER, "CONSISTENCY"))
    return [
        {
            "what": what, "handover": encode(handover).hex(), "start": tree.size,
            "root": tree.root().hex(), "reason": checked(handover, tree, reason),
        }
        for what, handover, tree, reason in cases
    ]  # fmt: skip


def checked(handover: Handover, tree: Tree, reason: str) -> str:
    try:
        check_handover(WORLD.views, handover, tree.size, tree.root())
    except VerificationError as error:
        if error.reason == reason:
            return reason
        raise
    raise ValueError(f"accepted, and must be refused as {reason}")


def put(chain: Chain, handover: Handover, author: str) -> bytes:
    """The leaf of a Handover that comes next in a log."""
    said = chain.deployment.statement(author, handover=handover)
    return next_leaf(chain.tree, chain.seal(said))


def log() -> dict[str, Any]:
    """A log in which two views begin, and Handovers that it does not take (F15)."""
    chain, world = begun()
    before, state = list(chain.leaves), state_digest(chain.state)
    bad = [
        ("F15.2: the view has begun", 1, "VIEW", made(chain, world), "successor-1"),
        ("F15.3: another one leads it", 0, "NOT_LEADER", made(chain, world), "successor-2"),
        ("F15.5: too few Leaves", 0, "LEAVES", made(chain, world, quorum=2), "successor-1"),
    ]
    twin, states = chain.fork(), []
    for view in (1, 2):
        leaf = put(twin, made(twin, world, view=view), f"successor-{view}")
        verdict = twin.put_leaf(leaf)
        assert verdict.accepted, verdict
        states.append(state_digest(twin.state))
    after = twin.leaves[len(before) :]
    refused_leaves = []
    for what, come, reason, handover, author in bad:
        fork = chain.fork()
        for leaf in after[:come]:
            fork.put_leaf(leaf)
        leaf = put(fork, handover, author)
        verdict = fork.put_leaf(leaf)
        assert (verdict.accepted, verdict.reason) == (False, reason), (what, verdict)
        follows = [each.hex() for each in after[:come]]
        refused_leaves.append({"what": what, "next": follows, "leaf": leaf.hex(), "reason": reason})
    return {
        "charter_sha256": chain.deployment.charter.sha256.hex(),
        "leaves": [leaf.hex() for leaf in before],
        "state": state,
        "next": [leaf.hex() for leaf in after],
        "states": states,
        "refused": refused_leaves,
    }


def make() -> dict[str, str]:
    coordinators = [[c.id, c.signing_key.hex()] for c in WORLD.views.coordinators]
    document = {
        "charter": WORLD.deployment.charter_data.decode(),
        "modulus_bits_min": MODULUS_BITS_MIN,
        "coordinators": coordinators,
        "accepted": accepted(),
        "refused": refused(),
        "log": log(),
    }
    return {"succession.json": text_of(document)}


if __name__ == "__main__":
    run(__doc__, "succession.json", make)
