"""Logs of a fork, and the words with which auditors leave and a successor goes on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fermata.crypto.signing import SigningKey
from fermata.log.checkpoint import Checkpoint, cosign, sign_checkpoint
from fermata.log.merkle import Tree, leaf_hash
from fermata.protocol.charter.roster import Party
from fermata.protocol.succession.certificate import make_certificate
from fermata.protocol.succession.handover import make_handover
from fermata.protocol.succession.leave import seal_leave
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.ports import Witness
from fermata.wire.v1.succession_pb2 import Certificate, Handover, Leave, ViewHead
from harness.deployments import Deployment, make_deployment

TIME_S = 1_800_000_000
AUDITORS = ("auditor-1", "auditor-2", "auditor-3", "auditor-4")


@dataclass(frozen=True)
class Succession:
    """A deployment whose auditors may turn to a second coordinator."""

    deployment: Deployment
    views: Views
    keys: Mapping[str, SigningKey]

    @property
    def auditors(self) -> tuple[str, ...]:
        return self.deployment.charter.auditors

    def note(self, view: int, tree: Tree, size: int | None = None) -> bytes:
        """The coordinator's head of a view."""
        size = tree.size if size is None else size
        origin, leader = self.views.origin(view), self.views.coordinator(view)
        key = self.keys[leader.id]
        root = tree.root(size)
        return sign_checkpoint(Checkpoint(origin, size, root), origin, key.sign, key.public_key)

    def witness(self, view: int, tree: Tree, auditor: str, size: int | None = None) -> Witness:
        """An auditor's cosignature of a head of a view."""
        size = tree.size if size is None else size
        key, name = self.keys[auditor], self.deployment.charter.witness_name(auditor)
        line = cosign(self.note(view, tree, size), name, key.sign, key.public_key, TIME_S)
        return Witness(auditor, size, line)

    def certificate(
        self, tree: Tree, view: int = 0, auditors: Iterable[str] = AUDITORS[:3]
    ) -> Certificate:
        """The certificate of all entries of a tree."""
        lines = [self.witness(view, tree, auditor) for auditor in auditors]
        made = make_certificate(self.views, view, tree, lines)
        assert made is not None
        return made

    def leave(
        self,
        auditor: str,
        head: Tree | None,
        certified: Tree | None = None,
        view: int = 1,
        head_view: int = 0,
        certificate_view: int = 0,
    ) -> Leave:
        """A Leave that shows a head, and a certificate if there is one."""
        said = Leave(charter_sha256=self.deployment.charter.sha256, auditor=auditor, view=view)
        if head is not None:
            said.head.CopyFrom(ViewHead(view=head_view, note=self.note(head_view, head)))
        if certified is not None:
            said.certificate.CopyFrom(self.certificate(certified, certificate_view))
        return said

    def seal(self, *leaves: Leave) -> list[bytes]:
        """Their envelopes."""
        return [seal_leave(leave, self.keys[leave.auditor]) for leave in leaves]

    def handover(self, kept: Tree, *leaves: Leave, view: int = 1) -> Handover:
        """The Handover that goes on after the entries of a tree."""
        return make_handover(self.views, view, kept, self.seal(*leaves))


def tree_of(*leaves: str) -> Tree:
    """A tree of these entries."""
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf_hash(leaf.encode()))
    return tree


def make_succession(auditors: int = 4, threshold: int = 2, successors: int = 2) -> Succession:
    """Of four auditors with threshold 2 three make a quorum."""
    deployment = make_deployment(auditors=auditors, threshold=threshold)
    first = deployment.charter.parties[deployment.charter.coordinator]
    keys, coordinators = dict(deployment.keys), [first]
    for number in range(1, successors + 1):
        key = SigningKey.from_seed(bytes([200 + number]) * 32)
        name = f"successor-{number}"
        keys[name] = key
        coordinators.append(replace(first, id=name, signing_key=key.public_key))
    parties: tuple[Party, ...] = tuple(coordinators)
    return Succession(
        deployment, Views(deployment.charter, parties, deployment.charter.sha256), keys
    )
