"""A server that answers as a test says, and a client before it."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import grpc

from fermata.node.rpc.client import GrpcLog
from fermata.node.rpc.status_codes import to_status
from harness.node.node_world import DEPLOYMENT, Authority


class Script:
    """A server that answers as a test says and keeps the bytes that it got."""

    def __init__(self, tls, *answers):
        self.seen = []
        self.answers = list(answers)
        self._server = grpc.server(
            ThreadPoolExecutor(4), handlers=[self], options=[("grpc.so_reuseport", 0)]
        )
        port = self._server.add_secure_port("127.0.0.1:0", tls.server_credentials(True))
        self.address = f"127.0.0.1:{port}"
        self._server.start()

    def service(self, details):
        if details.method.endswith("/Watch"):
            return grpc.unary_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, data, context):
        self.seen.append(data)
        answer = self.answers.pop(0) if self.answers else b""
        if isinstance(answer, grpc.StatusCode):
            context.abort(answer, "scripted")
        if isinstance(answer, Exception):
            context.abort_with_status(to_status(answer))
        return answer

    def _stream(self, data, context):
        self.seen.append(data)
        for answer in self.answers.pop(0):
            if isinstance(answer, grpc.StatusCode):
                context.abort(answer, "scripted")
            yield answer

    def close(self):
        self._server.stop(0).wait()


@contextlib.contextmanager
def scripting():
    """Gives a function that starts a server with a script, and a client before it."""
    authority = Authority()
    opened = []

    def start(*answers, server_tls=None):
        script = Script(server_tls or authority.party("coordinator", "hub"), *answers)
        waits = []
        log = GrpcLog(
            script.address,
            DEPLOYMENT,
            authority.party("lab", "ada"),
            entropy=lambda count: b"\xff" * count,
            sleep=waits.append,
        )
        opened.extend([log, script])
        return script, log, waits

    start.authority = authority
    try:
        yield start
    finally:
        for each in opened:
            each.close()
