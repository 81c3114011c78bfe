"""What both ends of a call to the log agree on: names, sizes, and how to read a message."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from fermata.errors import InvalidEncoding
from fermata.protocol.wire.codec import encode
from fermata.wire.v1 import log_service_pb2

SERVICE = log_service_pb2.DESCRIPTOR.services_by_name["LogService"]
HEALTH = "grpc.health.v1.Health"
#: Room for an envelope and a sealed part of the largest size.
MESSAGE_BYTES_MAX = 2 * 1024 * 1024
#: A side that has received nothing for this long asks whether the other is still there.
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
        raise InvalidEncoding(
            "SIZE", f"{name}: must have at most {MESSAGE_BYTES_MAX} bytes, got {len(data)}"
        )
    try:
        message = kind.FromString(data)
    except (DecodeError, ValueError):
        raise InvalidEncoding("ENCODING", f"{name}: must be a protobuf message") from None
    if encode(message) != data:
        raise InvalidEncoding("ENCODING", f"{name}: must be in canonical encoding")
    return message
