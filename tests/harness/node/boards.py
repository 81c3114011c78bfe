"""A coordinator's board behind a real server, for the parties of a succession."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fermata.errors import IdentityError
from fermata.log.merkle import Tree
from fermata.memory_store import MemoryStore
from fermata.node.rpc.client import GrpcLog
from fermata.node.run.succession.board_client import BoardClient
from fermata.node.run.succession.board_folder import BoardFolder, LogStanding
from fermata.node.run.succession.board_service import board_handler
from fermata.node.run.succession.coordinators import Place
from fermata.protocol.roles.replica import Replica
from fermata.protocol.roles.succession.sealed_parts import SealedParts
from harness.deployments import MODULUS_BITS_MIN
from harness.node.node_world import DEPLOYMENT, Authority, World, pem, world
from harness.succession import Succession

LABS = ("lab-1", "lab-2", "lab-3")
COORDINATORS = ("oversight", "successor-1", "successor-2")


class Boards:
    """A board on a server; ``tree`` is of the log that its coordinator has."""

    def __init__(self, made: World, folder: BoardFolder, standing: LogStanding) -> None:
        self.world, self.folder, self.standing = made, folder, standing

    @contextlib.contextmanager
    def client(self, role: str, party: str) -> Iterator[BoardClient]:
        tls = self.world.authority.party(role, party)
        with self.world.client(tls, attempts_max=1, call_s=20.0) as connection:
            assert isinstance(connection, GrpcLog)
            yield BoardClient(connection)


def folder_of(
    path: Path, succession: Succession, tree: Tree, entries: Sequence[bytes] = ()
) -> BoardFolder:
    """A board whose coordinator has this log, in view 0, and lacks no sealed part."""
    charter = succession.deployment.charter
    return BoardFolder(
        path / "board",
        lambda: succession.views,
        lambda: LogStanding(0, 0, tree),
        lambda start, stop: list(entries[start:stop]),
        SealedParts(Replica(charter, MemoryStore(), MODULUS_BITS_MIN)),
    )


@contextlib.contextmanager
def boards(
    path: Path,
    succession: Succession,
    tree: Tree,
    clients: Authority | None = None,
    standing: Callable[[], LogStanding] | None = None,
    entries: Sequence[bytes] = (),
) -> Iterator[Boards]:
    """``clients``: the authority of the parties' certificates, if it is not the server's own.
    ``standing``: the log that the coordinator has, if it is not this tree in view 0."""
    path.mkdir(exist_ok=True)
    folder, own = folder_of(path, succession, tree, entries), Authority()
    if standing is not None:
        folder.standing = standing
    tls = own.party("coordinator", "hub")
    tls.trust(clients or own)
    more = {"tls": tls, "authority": own}
    with world(more=lambda guard: [board_handler(lambda: folder, guard)], **more) as made:
        roles = {
            "auditor": succession.auditors,
            "lab": LABS,
            "coordinator": COORDINATORS,
            "observer": ("eye",),
        }

        def authorise(identity):
            if identity.id not in roles.get(identity.role, ()):
                raise IdentityError("NOT_ON_ROSTER", "certificate: must be of a party")

        made.server._guard.authorise = authorise
        yield Boards(made, folder, folder.standing())


def place_of(coordinator: str, servers: list[Boards], tls: object) -> Place:
    """A party's way to a coordinator, which has these servers as its addresses."""
    logs = [
        GrpcLog(
            at.world.address,
            DEPLOYMENT,
            tls,
            attempts_max=1,
            call_s=3.0,
            has_causes=False,
            roots=pem(at.world.authority.certificate),
        )
        for at in servers
    ]
    return Place(coordinator, logs, logs)
