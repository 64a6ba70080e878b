"""The installation's database of the ledger and of readers' answers: SQLite in the data folder, or PostgreSQL for teams."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, inspect, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from dpmed_core.errors import SettingsError
from dpmed_core.files import Signature, is_settled, signature_of
from dpmed_core.settings import Settings

BUSY_MILLISECONDS = 30_000
WRITERS_LOCK = 7_224_651
"""Names the lock among PostgreSQL's advisory locks; any number that no other program uses in this database."""
metadata = MetaData()
"""Every table; the module that uses a table defines it here."""


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

        Args:
            exclusive: wait until no other exclusive transaction is open, and keep others waiting: for decisions that depend on what is
                stored, such as whether one more model fits under a cap.

        Raises:
            SettingsError: the database cannot be reached or used.
        """
        engine = self._engine()
        try:
            _create_missing_tables(engine)
            with engine.begin() as connection:
                if exclusive:
                    _wait_for_other_writers(connection)
                yield connection
        except SQLAlchemyError as error:
            # The error's own message may hold parameters of the statement, hence answers of readers: only its type is shown.
            raise SettingsError(
                f"The database cannot be used ({type(error).__name__}): check DPMED_DATABASE_URL, that the database server runs, and that "
                "its disk is not full."
            ) from None
        finally:
            engine.dispose()

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


def _create_missing_tables(engine: Engine) -> None:
    """Create the tables that are missing; processes that find them missing at once create them one after another."""
    with engine.connect() as connection:
        there = set(inspect(connection).get_table_names())
    if not set(metadata.tables) <= there:
        with engine.begin() as connection:
            _wait_for_other_writers(connection)
            metadata.create_all(connection)


def _wait_for_other_writers(connection: Connection) -> None:
    """Hold the one lock of exclusive transactions until this transaction ends."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver's own BEGIN, before the first change, would lock too late
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")


def _set_pragmas(connection: object, _: object) -> None:
    """Set SQLite up so that readers do not wait for writers, writers wait for each other, and a commit is on disk when it returns."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    # The waiting time first: switching a new file to WAL may itself have to wait.
    for pragma in (f"busy_timeout={BUSY_MILLISECONDS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
