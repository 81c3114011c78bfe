"""A coordinator that does not log what lab-1 hands in while there is a file ``shut-out`` here.

Everything else is the coordinator's own program. It takes the same arguments as ``fermata``.
"""

from pathlib import Path
from typing import Any

from fermata.cli.main import main
from fermata.errors import TransportError
from fermata.node.run.shared_log_writer import SharedLogWriter
from fermata.types import Role

VICTIM = "lab-1"
_append_as = SharedLogWriter.append_as


def append_as(writer: SharedLogWriter, role: Role, caller: str, *parts: Any) -> Any:
    """As SharedLogWriter.append_as, but for the victim. Raises TransportError."""
    if caller == VICTIM and Path("shut-out").exists():
        raise TransportError("UNREACHABLE", "log: does not answer")
    return _append_as(writer, role, caller, *parts)


if __name__ == "__main__":
    SharedLogWriter.append_as = append_as  # type: ignore[method-assign]
    main()
