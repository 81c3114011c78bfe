"""The dashboard of a running coordinator: in its process, in its own thread."""

from contextlib import ExitStack

from fermata.dashboard.checks import Checks
from fermata.dashboard.server import is_loopback, serving
from fermata.dashboard.source import LogWriterSource
from fermata.errors import ConfigError
from fermata.node.config import NodeConfig
from fermata.node.pki.tls import TlsFiles
from fermata.node.run.coordinator import Embed, LeftViews
from fermata.node.run.parts import clock_ms
from fermata.node.run.shared_log_writer import SharedLogWriter


def dashboard_of(config: NodeConfig) -> Embed:
    """The dashboard that ``run_coordinator`` starts; it starts none unless the configuration asks.

    Raises ConfigError CONFIG if other machines could reach it without TLS. The returned function
    raises ConfigError PORT_IN_USE.
    """
    text = config.text.dashboard
    if text is not None and not text.tls and not is_loopback(text.address):
        raise ConfigError(
            "CONFIG",
            f"{config.file}: dashboard.address: must be on 127.0.0.1 unless dashboard.tls = true,"
            " since other machines can reach it",
        )

    def start(writer: SharedLogWriter, tls: TlsFiles, stack: ExitStack, left: LeftViews) -> str:
        wanted = config.text.dashboard
        if wanted is None:
            return ""
        source = LogWriterSource(writer, clock_ms, folder=config.file.parent, left=left)
        text = config.text.tls
        files = (config.path(text.certificate), config.path(text.key)) if wanted.tls else None
        return stack.enter_context(serving(source, Checks(source, clock_ms), wanted.address, files))

    return start
