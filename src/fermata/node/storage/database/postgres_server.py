"""A connection to a PostgreSQL server: what it must promise, and what its failures mean."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeAlias

from fermata.errors import ConfigError, StorageError
from fermata.node.storage.database.rows import Row, Rows, Table

if TYPE_CHECKING:
    import psycopg

    PgConnection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

SCHEMA_VERSION = 1
#: PostgreSQL releases before it are not maintained any more.
SERVER_VERSION_MIN = 140_000
#: "Ferm": two replicas that start at once must not both make the tables.
_SCHEMA_LOCK = 0x4665726D
#: Rows that a scan has in memory at a time.
SCAN_ROWS = 256
#: A server that is gone is found within seconds, unless the URL says otherwise.
_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
    "application_name": "fermata",
}
#: What must be on for a commit to be on the disk when it returns.
_SAFE = ("fsync", "full_page_writes", "synchronous_commit")


def connect(url: str) -> "PgConnection":
    """A connection that begins no transaction by itself.

    Raises ConfigError POSTGRESQL_MISSING without the package psycopg, and STORE_URL for a URL that
    libpq does not read; StorageError STORE_UNREACHABLE, STORE_UNSAFE.
    """
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict, make_conninfo
    except ImportError:
        raise ConfigError(
            "POSTGRESQL_MISSING",
            "store.url: needs the package psycopg; install fermata-protocol[postgresql]",
        ) from None
    try:
        wanted = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError:
        raise ConfigError(
            "STORE_URL", "store.url: must be postgresql://host/database, as libpq reads it"
        ) from None
    if "password" in wanted:
        raise ConfigError(
            "STORE_URL",
            "store.url: must have no password, which belongs into a file of mode 0600 (?passfile=)",
        )
    try:
        connection = psycopg.connect(make_conninfo("", **{**_DEFAULTS, **wanted}), autocommit=True)
    except psycopg.OperationalError:
        raise StorageError(
            "STORE_UNREACHABLE",
            f"{place(wanted)}: the database cannot be reached, or does not let this user in; check"
            " store.url, the server and its log",
        ) from None
    try:
        _check_server(connection, place(wanted))
    except BaseException:
        connection.close()
        raise
    return connection


def place(wanted: Mapping[str, str]) -> str:
    """Where a database is, for messages: host and name, without user and options."""
    return f"PostgreSQL {wanted.get('host', 'on this machine')}/{wanted.get('dbname', '')}"


def _check_server(connection: "PgConnection", where: str) -> None:
    """Raises StorageError STORE_UNSAFE unless a commit is on the disk when it returns."""
    connection.execute("SET synchronous_commit = on")
    connection.execute("SET client_encoding = 'UTF8'")
    # Nothing here takes so long, and a node that waits for ever does not say what is wrong.
    connection.execute("SET lock_timeout = '30s'")
    # A process that is paused in a transaction must not keep the next writer out.
    connection.execute("SET idle_in_transaction_session_timeout = '10s'")
    for name in _SAFE:
        row = connection.execute(f"SHOW {name}".encode()).fetchone()
        if row is None or row[0] != "on":
            raise StorageError("STORE_UNSAFE", f"{where}: {name} must be on, or writes may be lost")
    if connection.info.server_version < SERVER_VERSION_MIN:
        raise StorageError(
            "STORE_UNSAFE",
            f"{where}: the server must be of release {SERVER_VERSION_MIN // 10_000} or newer",
        )
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    if row is None or row[0]:
        raise StorageError(
            "STORE_UNSAFE", f"{where}: is a standby server; the address must be the primary's"
        )


def make_tables(connection: "PgConnection", where: str) -> bool:
    """Makes the tables in an empty database, and tells whether it did.

    Raises StorageError STORE_NEWER, STORE_FOREIGN.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
        tables = connection.execute("SELECT to_regclass('writer'), to_regclass('entries')")
        known = [name is not None for name in tables.fetchone() or ()]
        if known == [False, False]:
            script = resources.files("fermata.node.storage.database") / "postgres_schema.sql"
            connection.execute(script.read_bytes())
            connection.execute(
                "INSERT INTO writer VALUES (0, %s, 0, to_timestamp(0), 0)", (SCHEMA_VERSION,)
            )
            return True
        if known != [True, True]:
            raise StorageError("STORE_FOREIGN", f"{where}: is another program's database")
        row = connection.execute("SELECT schema_version FROM writer WHERE id = 0").fetchone()
        version = int(row[0]) if row else 0
        if version > SCHEMA_VERSION:
            raise StorageError(
                "STORE_NEWER",
                f"{where}: was written by a newer version of fermata (schema {version}, this one"
                f" knows {SCHEMA_VERSION}); start that version",
            )
    return False


@contextmanager
def mend_errors(where: str) -> Iterator[None]:
    """Turns failures of the database into StorageError; its own text is not passed on."""
    import psycopg
    from psycopg import errors

    try:
        yield
    except psycopg.ProgrammingError as error:
        if isinstance(error, errors.InsufficientPrivilege):
            raise StorageError(
                "STORE_UNWRITABLE", f"{where}: the database user may not do this; grant it all"
            ) from None
        # A bug of ours, such as a wrong number of values; it must not look like damage.
        raise
    except (errors.DiskFull, errors.OutOfMemory):
        raise StorageError(
            "STORAGE_FULL", f"{where}: the server had no room for a write; nothing changed"
        ) from None
    except (errors.DataCorrupted, errors.IndexCorrupted):
        raise StorageError(
            "DATA_LOSS", f"{where}: the server found damage; restore it from a backup"
        ) from None
    except psycopg.Error as error:
        state = error.sqlstate or "connection lost"
        raise StorageError(
            "STORE_LOST", f"{where}: the database did not answer ({state}); restart the node"
        ) from None


class PgStatements:
    """Runs the statements of ``Rows``, which are written with SQLite's question marks."""

    def __init__(self, connection: "PgConnection") -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Iterator[Any]:
        """The rows of one statement."""
        cursor = self._connection.execute(sql.replace("?", "%s").encode(), values)
        return iter(cursor) if cursor.description is not None else iter(())

    def scan(self, sql: str) -> Iterator[Any]:
        """The rows of a SELECT, of which few are in memory at a time; in a transaction."""
        with self._connection.cursor(name="scan") as cursor:
            cursor.itersize = SCAN_ROWS
            yield from cursor.execute(sql.encode())


class PgRows(Rows):
    """``Rows`` of a database that would otherwise send a whole table at once."""

    def __init__(self, connection: "PgConnection") -> None:
        statements = PgStatements(connection)
        super().__init__(statements)
        self._scan = statements.scan

    def all_of(self, table: Table) -> Iterator[Row]:
        """See Rows; in a transaction."""
        for row in self._scan(table.select(table.by_order)):
            yield self.checked(table, row)
