"""Which engine a coordinator's configuration names (docs/spec/engine.md, EN4)."""

import multiprocessing
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fermata.crypto.report.proof_cache import ProofCache
from fermata.errors import ConfigError
from fermata.node.config import NodeConfig
from fermata.node.rpc.engine.own_process import OwnEngine
from fermata.node.rpc.engine.settings import EngineText
from fermata.node.rpc.engine.spread import Engine, Terms
from fermata.protocol.wire.ports import Entropy, OnEvent

LOCAL = "local"
CLUSTER = "dask+tls://"
FORMS = f"{LOCAL}, processes:N with N of 1 to 256, or {CLUSTER}host:port"
PROCESSES_MAX = 256
_PROCESSES = re.compile(r"processes:([1-9][0-9]{0,2})\Z")
_ADDRESS = re.compile(r"[A-Za-z0-9.\-\[\]:]+:[0-9]{1,5}\Z")


@dataclass(frozen=True, slots=True)
class ClusterFiles:
    """PEM files for mutual TLS with the cluster: its authority, this node's certificate and key.

    They are of the cluster alone, and have nothing to do with the deployment's certificates.
    """

    ca: Path
    certificate: Path
    key: Path


def make_engine(
    config: NodeConfig, url: str, entropy: Entropy, on_event: OnEvent, cache: ProofCache
) -> Engine | None:
    """The engine that ``url`` names, or the configuration if it is empty.

    None: this process alone, since the machine has one core for it. It has not connected yet.
    ``cache``: the node's own. Raises ConfigError ENGINE_URL, ENGINE_FILES, DASK_MISSING.
    """
    text = config.text.engine or EngineText()
    chosen = url or text.url
    if chosen == LOCAL:
        # EN7: two processes on one core would only take turns.
        return OwnEngine(time.monotonic, entropy, on_event, cache) if _cores() > 1 else None
    terms = Terms(text.at_once, text.tasks, float(text.task_s))
    if (match := _PROCESSES.match(chosen)) and int(match[1]) <= PROCESSES_MAX:
        return Engine(processes(int(match[1])), terms, time.monotonic, entropy, on_event)
    address = chosen.removeprefix(CLUSTER)
    if address == chosen or not _ADDRESS.match(address):
        raise ConfigError("ENGINE_URL", f"engine: must be {FORMS}, got {chosen!r}")
    files = ClusterFiles(*(config.path(name) for name in (text.ca, text.certificate, text.key)))
    for path in (files.ca, files.certificate, files.key):
        if not path.is_file():
            raise ConfigError(
                "ENGINE_FILES",
                f"{path}: is not there; a cluster is reached with the certificates that"
                f" [engine] of {config.file} names",
            )
    return Engine(cluster(address, files, text.connect_s), terms, time.monotonic, entropy, on_event)


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes(count: int) -> Callable[[], Executor]:
    """Opens as many processes of this machine, which begin with nothing of this one's memory."""
    context = multiprocessing.get_context("spawn")
    return lambda: ProcessPoolExecutor(count, mp_context=context)


def cluster(address: str, files: ClusterFiles, connect_s: float) -> Callable[[], Executor]:
    """Opens a Dask cluster that has at least one worker within ``connect_s`` seconds.

    Raises ConfigError DASK_MISSING. What is returned raises OSError, also TimeoutError.
    """
    try:
        # An optional package, and no other role pays for its import.
        from fermata.node.rpc.engine.dask_cluster import open_cluster
    except ModuleNotFoundError as error:
        if error.name not in ("distributed", "dask"):
            raise
        raise ConfigError(
            "DASK_MISSING",
            f"engine: {CLUSTER} needs the package distributed; install fermata-protocol[dask]",
        ) from None
    return lambda: open_cluster(f"tls://{address}", files, connect_s)
