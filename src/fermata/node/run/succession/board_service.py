"""The board on a coordinator's port, behind the guard of the log's own calls."""

from collections.abc import Callable

import grpc
from google.protobuf.message import Message

from fermata.errors import InvalidEncoding, TransportError
from fermata.node.pki.identity import Identity
from fermata.node.rpc.guard import Guard
from fermata.node.rpc.service import EVERY_ROLE
from fermata.node.run.succession.board_client import SERVICE
from fermata.node.run.succession.board_folder import BoardFolder
from fermata.types import Role
from fermata.wire.v1 import board_service_pb2 as wire

_AUDITORS = frozenset({Role.AUDITOR.value})
_WITH_COPIES = frozenset({Role.AUDITOR.value, Role.COORDINATOR.value})
_WITH_PARTS = frozenset({Role.AUDITOR.value, Role.LAB.value})
#: Roles of the roster: there are so many of them, and no more.
_PARTIES = frozenset({"lab", "auditor", "member", "coordinator"})


#: Gives the board as long as there is one.
BoardNow = Callable[[], BoardFolder | None]


def board_handler(board_now: BoardNow, guard: Guard) -> grpc.GenericRpcHandler:
    """The methods of the service, behind a guard.

    Before there is a board a caller is told to come again (SU25.3): an amendment may bring one to
    a coordinator that runs.
    """

    def board() -> BoardFolder:
        folder = board_now()
        if folder is None:
            raise TransportError("NO_BOARD", "board: the charter in force here has no successors")
        return folder

    def post(caller: Identity, request: wire.PostWordsRequest) -> Message:
        if not request.HasField("words"):
            raise InvalidEncoding("MISSING", "PostWords: must have the field words")
        board().post(caller.id, request.words)
        return wire.PostWordsResponse()

    def read(caller: Identity, request: wire.GetBoardRequest) -> Message:
        return board().read_by(caller.id, caller.role)

    def prefix(caller: Identity, request: wire.GetPrefixRequest) -> Message:
        return board().prefix(request.size)

    def hand_in(caller: Identity, request: wire.HandInRequest) -> Message:
        return board().hand_in(caller.id, request)

    def copy(caller: Identity, request: wire.GetCopyRequest) -> Message:
        return board().copy(request)

    def give_sealed(caller: Identity, request: wire.GiveSealedRequest) -> Message:
        return board().give_sealed(caller.id, caller.role, request.sealed_part)

    methods = {
        "PostWords": guard.call("PostWords", _PARTIES, post, wire.PostWordsRequest),
        "GetBoard": guard.call("GetBoard", EVERY_ROLE, read, wire.GetBoardRequest),
        "GetPrefix": guard.call("GetPrefix", _AUDITORS, prefix, wire.GetPrefixRequest),
        "HandIn": guard.call("HandIn", _AUDITORS, hand_in, wire.HandInRequest),
        "GetCopy": guard.call("GetCopy", _WITH_COPIES, copy, wire.GetCopyRequest),
        "GiveSealed": guard.call("GiveSealed", _WITH_PARTS, give_sealed, wire.GiveSealedRequest),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)
