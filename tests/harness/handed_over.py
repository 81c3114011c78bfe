"""Chains whose charter names successors, and Handovers in them."""

from fermata.protocol.fold.references import next_leaf
from fermata.protocol.state.state import Verdict
from fermata.protocol.succession.views import Views
from fermata.wire.v1.succession_pb2 import Handover
from harness.chains import Chain
from harness.deployments import make_deployment
from harness.succession import Succession

LEAVERS = ("auditor-1", "auditor-2", "auditor-3")


def begun(successors: int = 2) -> tuple[Chain, Succession]:
    deployment = make_deployment(auditors=4, successors=successors)
    chain = Chain(deployment)
    chain.start()
    return chain, Succession(deployment, Views.of(deployment.charter), deployment.keys)


def made(chain: Chain, world: Succession, view: int = 1, quorum: int = 3) -> Handover:
    leaves = [
        world.leave(auditor, chain.tree, view=view, head_view=chain.state.view)
        for auditor in LEAVERS[:quorum]
    ]
    return world.handover(chain.tree, *leaves, view=view)


def log(chain: Chain, handover: Handover, author: str = "successor-1") -> Verdict:
    said = chain.deployment.statement(author, handover=handover)
    return chain.put_leaf(next_leaf(chain.tree, chain.seal(said)))


def handed_over() -> tuple[Chain, Succession]:
    chain, world = begun()
    verdict = log(chain, made(chain, world))
    assert verdict.accepted, verdict
    return chain, world
