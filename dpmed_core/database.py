"""The installation's database: what people did, as opposed to what was computed. SQLite in the data folder, or PostgreSQL for teams."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from dpmed_core.errors import SettingsError
from dpmed_core.settings import Settings

BUSY_MILLISECONDS = 30_000
metadata = MetaData()
"""Every table; the modules that own them describe them."""


class Database:
    """The database that `settings` name."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened before it is needed."""
        self._settings = settings

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection whose changes are durable when the block ends without an error, and undone otherwise.

        Raises:
            SettingsError: the database cannot be reached or used.
        """
        engine = self._engine()
        try:
            with engine.begin() as connection:
                metadata.create_all(connection)
                yield connection
        except SQLAlchemyError as error:
            raise SettingsError(
                f"The database cannot be used ({type(error).__name__}): check DPMED_DATABASE_URL, and that the server runs and has room."
            ) from None
        finally:
            engine.dispose()

    def _engine(self) -> Engine:
        try:
            if self._settings.database_url is not None:
                return create_engine(self._settings.database_url, poolclass=NullPool, hide_parameters=True)
            self._settings.data_dir.mkdir(parents=True, exist_ok=True)
            path = self._settings.database_path
            path.touch(mode=0o600)
            engine = create_engine(f"sqlite:///{path.absolute()}", poolclass=NullPool, hide_parameters=True)
        except (SQLAlchemyError, ImportError) as error:
            raise SettingsError(
                f"DPMED_DATABASE_URL names no database that can be opened here ({type(error).__name__}): write it as "
                "postgresql+psycopg://user@host/name and install its driver, or leave it out."
            ) from None
        event.listen(engine, "connect", _be_durable)
        return engine


def _be_durable(connection: object, _: object) -> None:
    """SQLite's settings: readers do not wait for writers, writers wait for each other, a commit is on disk."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MILLISECONDS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
