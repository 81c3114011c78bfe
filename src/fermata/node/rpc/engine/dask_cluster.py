"""A Dask cluster as an executor: over mutual TLS, never in the clear."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from distributed import Client
from distributed.security import Security

if TYPE_CHECKING:
    from fermata.node.rpc.engine.choose import ClusterFiles


class ClusterExecutor(Executor):
    """The workers of one cluster. Its shutdown leaves the cluster as it is."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # Not pure: equal tasks are computed each, and no answer is kept at the cluster.
        self._executor: Executor = client.get_executor(pure=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As Executor. Raises OSError or RuntimeError once the scheduler is gone."""
        if self._client.status != "running":
            raise ConnectionError("engine: the scheduler is gone")
        future: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Closes the connection; running tasks are left to the cluster."""
        self._client.close(timeout=1)


def open_cluster(address: str, files: "ClusterFiles", connect_s: float) -> ClusterExecutor:
    """Connects to the scheduler at ``tls://host:port``, and waits for a first worker.

    Raises TimeoutError if there is none in ``connect_s`` seconds, OSError if there is no scheduler.
    """
    security = Security(
        tls_ca_file=str(files.ca),
        tls_client_cert=str(files.certificate),
        tls_client_key=str(files.key),
        require_encryption=True,
    )
    client = Client(address, security=security, timeout=connect_s, set_as_default=False)
    try:
        client.wait_for_workers(1, timeout=connect_s)
    except BaseException:
        client.close(timeout=1)
        raise
    return ClusterExecutor(client)
