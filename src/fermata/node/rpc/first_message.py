"""The wait for the one message of a call, which must not last as long as the caller likes."""

import threading
from collections.abc import Iterator

import grpc

from fermata.errors import InvalidEncoding, TransportError


def first_message(
    method: str, requests: Iterator[bytes], context: grpc.ServicerContext, seconds: float
) -> bytes:
    """The first message of a call, waited for at most so many seconds.

    Raises TransportError DEADLINE if it did not come in time (the call is then cancelled),
    InvalidEncoding MISSING if the caller ended its side without one.
    """
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        context.cancel()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        return next(requests)
    except (StopIteration, grpc.RpcError) as failure:
        if is_late.is_set():
            raise TransportError(
                "DEADLINE", f"{method}: no message within {seconds:g} s of the headers"
            ) from None
        if isinstance(failure, grpc.RpcError):
            raise
        raise InvalidEncoding("MISSING", f"{method}: the call carried no message") from None
    finally:
        timer.cancel()
