"""The installation's database of the ledger and of readers' answers: SQLite in the data folder, or PostgreSQL for teams."""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from dpmed_core.errors import DpmedError, SettingsError, StorageError
from dpmed_core.files import Signature, is_settled, signature_of
from dpmed_core.migrations.migrate import LAST, migrate, schema_version
from dpmed_core.settings import Settings

BUSY_MILLISECONDS, RETRY_SECONDS = 30_000, 0.01
WRITERS_LOCK = 7_224_651
"""Names the lock among PostgreSQL's advisory locks; any number that no other program uses in this database."""
REFUSED = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR")
"""How SQLite's names of errors begin where the disk takes nothing. Source: sqlite.org/rescode.html."""
ONE_STATE = {"sqlite": "SERIALIZABLE", "postgresql": "REPEATABLE READ"}
"""The isolation level, by dialect, at which a transaction reads one state of the database."""
DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
CLOSED = "the disk of the data folder is full or read-only, or closed to the account that runs DPMed"
metadata = MetaData()
"""Every table; the module that uses a table defines it here, and `dpmed_core/migrations/versions` makes it."""


class Database:
    """The database named by `settings`, opened for each transaction and closed after it."""

    def __init__(self, settings: Settings) -> None:
        """Remember the settings; nothing is opened yet."""
        self._settings = settings

    def is_empty(self) -> bool:
        """Whether no table holds a row; nothing is created.

        Raises:
            SettingsError: the database cannot be reached or used.
        """
        if self._settings.database_url is None and not self._settings.database_path.exists():
            return True
        engine = self._engine()
        try:
            with engine.connect() as connection:
                there = set(inspect(connection).get_table_names()) & set(metadata.tables)
                return not any(connection.execute(select(metadata.tables[name]).limit(1)).first() for name in there)
        except SQLAlchemyError as error:
            raise SettingsError(f"The database cannot be used ({type(error).__name__}): restore it from a backup.") from None
        finally:
            engine.dispose()

    def signature(self) -> tuple[Signature, ...] | None:
        """Changes with every commit, of any process; None where that cannot be told: of a server, and shortly after a commit."""
        if self._settings.database_url is not None:
            return None
        path, found = self._settings.database_path, []
        for file in (path, path.with_name(f"{path.name}-wal")):
            with suppress(OSError):
                found.append(signature_of(file))
        return tuple(found) if found and all(map(is_settled, found)) else None

    @contextmanager
    def transaction(self, *, exclusive: bool = False) -> Iterator[Connection]:
        """A connection whose changes are committed when the block ends without an error, and rolled back otherwise.

        Looking needs no writable disk: where the SQLite file cannot be opened for writing, because its disk is full or read-only, the
        connection reads it, and a change is refused.

        Args:
            exclusive: wait until no other exclusive transaction is open, and keep others waiting: for decisions that depend on what is
                stored, such as whether one more model fits under a cap.

        Raises:
            SettingsError: the database cannot be reached or used.
            StorageError: a change cannot be stored, because the disk is full or read-only.
        """
        try:
            with ExitStack() as opened:
                engine = self._opened(opened, writing=exclusive)
                with engine.begin() as connection:
                    if exclusive:
                        _wait_for_other_writers(connection)
                    yield connection
        except SQLAlchemyError as error:
            raise _told(error) from None

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that reads one state of all tables, however long that takes; others write meanwhile.

        Raises:
            SettingsError: the database cannot be reached or used.
        """
        try:
            with ExitStack() as opened:
                engine = self._opened(opened, writing=False)
                with engine.execution_options(isolation_level=ONE_STATE[engine.dialect.name]).connect() as connection:
                    if engine.dialect.name == "sqlite":
                        connection.exec_driver_sql("BEGIN")  # the driver begins no transaction to read
                    yield connection
        except SQLAlchemyError as error:
            raise _told(error) from None

    def _opened(self, opened: ExitStack, *, writing: bool) -> Engine:
        """The SQLAlchemy engine, with all tables; it reads alone where nothing can be written and `writing` is not needed."""
        try:
            engine = self._engine()
            opened.callback(engine.dispose)
            _bring_up_to_date(engine)
            return engine
        except (OSError, SQLAlchemyError) as error:
            told = StorageError(f"The database cannot be written: {CLOSED}.") if isinstance(error, OSError) else _told(error)
            if self._settings.database_url is not None and isinstance(told, StorageError):
                told = SettingsError("The database that DPMED_DATABASE_URL names cannot be opened or written: check its path and its disk.")
            if writing or not isinstance(told, StorageError):
                raise told from None
        return _reading(self._settings.database_path, opened)

    def _engine(self) -> Engine:
        """The SQLAlchemy engine for PostgreSQL as configured, else for the SQLite file (mode 0600)."""
        # NullPool: no connection outlives its transaction, so forked processes never share one.
        try:
            if self._settings.database_url is not None:
                return create_engine(self._settings.database_url, poolclass=NullPool, hide_parameters=True)
            self._settings.data_dir.mkdir(parents=True, exist_ok=True)
            path = self._settings.database_path
            if not path.exists():  # touching it at each look would look like a commit
                path.touch(mode=0o600)
            engine = create_engine(f"sqlite:///{path.absolute()}", poolclass=NullPool, hide_parameters=True)
        except (SQLAlchemyError, ImportError) as error:
            raise SettingsError(
                f"The database that DPMED_DATABASE_URL names cannot be opened ({type(error).__name__}): write it as "
                "postgresql+psycopg://user@host/name and install its driver, or remove the variable to use SQLite."
            ) from None
        event.listen(engine, "connect", _set_pragmas)
        return engine


def _reading(path: Path, opened: ExitStack) -> Engine:
    """The SQLAlchemy engine that reads the SQLite file `path` and changes nothing beside it.

    SQLite reads a file on a read-only disk as long as nothing waits in its write-ahead log; with a log, or where an earlier version made
    the file, a temporary copy is read.
    """
    log = path.with_name(f"{path.name}-wal")
    if path.exists() and path.stat().st_size and not (log.exists() and log.stat().st_size):
        engine = create_engine(f"sqlite:///file:{quote(str(path.absolute()))}?mode=ro&immutable=1&uri=true", poolclass=NullPool)
        if _is_up_to_date(engine):
            return engine
    try:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="dpmed-")))  # mode 0700
        for part in (path, log):
            if part.exists():
                shutil.copyfile(part, folder / part.name)
    except OSError:
        raise StorageError(
            "The database can be read in a temporary copy alone, and there is no space for one: free some for temporary files."
        ) from None
    engine = create_engine(f"sqlite:///{folder / path.name}", poolclass=NullPool, hide_parameters=True)
    _bring_up_to_date(engine)
    # What is written into the copy would be lost: refused, as in the file itself.
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only=ON"))
    return engine


def _told(error: SQLAlchemyError) -> DpmedError:
    """The error for a user; its own message may hold parameters of the statement, hence answers of readers: only its type is shown."""
    name = str(getattr(getattr(error, "orig", None), "sqlite_errorname", ""))
    if name.startswith(REFUSED):
        return StorageError(f"The database cannot be written: {CLOSED}.")
    if name.startswith(DAMAGED):
        return SettingsError(
            "The database, dpmed.db in the data folder, is damaged: restore it from a backup. What models spent since then is entered "
            "again from the runs' own records; nothing private is trained until the database can be read."
        )
    return SettingsError(
        f"The database cannot be used ({type(error).__name__}): check DPMED_DATABASE_URL, that the database server runs, and that "
        "its disk is not full."
    )


def _is_up_to_date(engine: Engine) -> bool:
    with engine.connect() as connection:
        return schema_version(connection) == LAST


def _bring_up_to_date(engine: Engine) -> None:
    """Migrate a database that is new, or of an earlier version; processes that find it so at once do it one after another."""
    if not _is_up_to_date(engine):
        with engine.begin() as connection:
            _wait_for_other_writers(connection)
            migrate(connection)


def _wait_for_other_writers(connection: Connection) -> None:
    """Hold the one lock of exclusive transactions until this transaction ends."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver's own BEGIN, before the first change, would lock too late
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")


def _set_pragmas(connection: object, _: object) -> None:
    """Set SQLite up so that readers do not wait for writers, writers wait for each other, and a commit is on disk when it returns."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
    _switch_to_wal(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Have SQLite write ahead. Of two connections that switch a new file at once, SQLite refuses one without letting it wait."""
    latest = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > latest:
                raise
        time.sleep(RETRY_SECONDS)
