"""Which of several replicas writes to a database: a lease with a fencing token.

The database's clock decides when a lease has ended, and the holder's own clock when it stops to
count on it, which is earlier: it counts from before it asked. So a process that was paused serves
nothing after another has taken over, and a write that it had begun finds another token and fails
(M. Kleppmann, "How to do distributed locking", 2016).
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from fermata.errors import FermataError, StorageError

if TYPE_CHECKING:
    from fermata.node.storage.database.postgres_server import PgConnection

MonotonicS = Callable[[], float]
_SECONDS_LEFT = """
    SELECT extract(epoch FROM renewed - clock_timestamp()) + lease_ms / 1000.0, token
    FROM writer WHERE id = 0
"""


def fenced(where: str) -> StorageError:
    """The error of a process that writes no more."""
    return StorageError(
        "STORE_FENCED",
        f"{where}: another process has taken over as its writer; this one stops, and waits for its"
        " turn when it is started again",
    )


class Lease:
    """The right of this process to write, renewed by a thread of its own until ``end``."""

    def __init__(
        self, connect: "Callable[[], PgConnection]", where: str, lease_s: float, clock: MonotonicS
    ) -> None:
        self._connect = connect
        self._where = where
        self._lease_s = lease_s
        self._clock = clock
        self._until = 0.0
        self._is_lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.token = 0

    def take(self, connection: "PgConnection") -> float:
        """Takes the lease if nobody holds it; else returns the seconds until it may end."""
        from psycopg.errors import LockNotAvailable

        asked = self._clock()
        try:
            token, left = self._take(connection)
        except LockNotAvailable:
            # The holder is in the middle of a write, or was stopped there.
            return self._lease_s
        if left > 0:
            return left
        self.token, self._until = token, asked + self._lease_s
        self._thread.start()
        return 0.0

    def _take(self, connection: "PgConnection") -> tuple[int, float]:
        """The new token and 0; or that of another process, and the seconds that are left to it."""
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '1s'")
            connection.execute("SELECT 1 FROM writer WHERE id = 0 FOR UPDATE")
            row = connection.execute(_SECONDS_LEFT.encode()).fetchone()
            if row is None:
                raise StorageError("DATA_LOSS", f"{self._where}: table writer has no row")
            left, token = float(row[0]), int(row[1])
            if left > 0:
                return token, left
            connection.execute(
                "UPDATE writer SET token = %s, renewed = clock_timestamp(), lease_ms = %s",
                (token + 1, round(self._lease_s * 1000)),
            )
        return token + 1, 0.0

    def check(self) -> None:
        """Raises StorageError STORE_FENCED if this process can no longer count on the lease."""
        if self._is_lost or self._clock() >= self._until:
            raise fenced(self._where)

    def check_token(self, connection: "PgConnection") -> None:
        """The same by the database itself, until the transaction ends. Raises StorageError."""
        row = connection.execute("SELECT token FROM writer WHERE id = 0 FOR UPDATE").fetchone()
        if row is None or row[0] != self.token:
            self._is_lost = True
            raise fenced(self._where)

    def end(self) -> None:
        """Gives the lease up, so that nobody has to wait for its end."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.token and not self._is_lost:
            import psycopg

            # Whoever waits finds out by the database's clock.
            with suppress(FermataError, psycopg.Error), self._connect() as connection:
                connection.execute(
                    "UPDATE writer SET renewed = to_timestamp(0), lease_ms = 0 WHERE token = %s",
                    (self.token,),
                )

    def _keep(self) -> None:
        import psycopg

        connection: PgConnection | None = None
        while not self._ended.wait(self._lease_s / 3) and not self._is_lost:
            try:
                connection = connection or self._connect()
                self._renew(connection)
            except (FermataError, psycopg.Error):
                # The next attempt is by a connection of its own; until then the lease runs out.
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _renew(self, connection: "PgConnection") -> None:
        asked = self._clock()
        done = connection.execute(
            "UPDATE writer SET renewed = clock_timestamp() WHERE token = %s", (self.token,)
        )
        if done.rowcount == 1:
            self._until = asked + self._lease_s
        else:
            self._is_lost = True
