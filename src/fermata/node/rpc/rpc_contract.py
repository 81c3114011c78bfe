"""What both ends of a call to the log agree on: names, sizes, how a message is read."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from fermata.errors import InvalidEncoding
from fermata.protocol.wire.codec import encode
from fermata.wire.v1 import log_service_pb2

SERVICE = log_service_pb2.DESCRIPTOR.services_by_name["LogService"]
HEALTH = "grpc.health.v1.Health"
#: An envelope and a sealed part of the largest size, and room to spare.
MESSAGE_BYTES_MAX = 2 * 1024 * 1024
#: A side that has heard nothing for so long asks whether the other is still there.
KEEPALIVE_MS = 60_000

M = TypeVar("M", bound=Message)


def path_of(method: str, service: str = SERVICE.full_name) -> str:
    """The path under which gRPC calls a method."""
    return f"/{service}/{method}"


def parse(kind: type[M], data: bytes) -> M:
    """Parses a message that must be the canonical encoding of itself.

    Unlike a signed statement it may have fields of a later version, which are ignored. Raises
    InvalidEncoding ENCODING or SIZE.
    """
    name = kind.DESCRIPTOR.name
    if len(data) > MESSAGE_BYTES_MAX:
        raise InvalidEncoding("SIZE", f"{name}: {len(data)} bytes, more than {MESSAGE_BYTES_MAX}")
    try:
        message = kind.FromString(data)
    except (DecodeError, ValueError):
        raise InvalidEncoding("ENCODING", f"{name}: not a protobuf message of this kind") from None
    if encode(message) != data:
        raise InvalidEncoding("ENCODING", f"{name}: not the canonical encoding of its fields")
    return message
