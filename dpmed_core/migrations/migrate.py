"""Bringing a database up to the last version of the schema, by Alembic.

Whoever opens a database compares one short row with `LAST`; Alembic is imported only where there is something to do.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from dpmed_core.errors import SettingsError

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep

LAST = "0004"
"""The version of the schema that this DPMed reads and writes; versions are four digits and count up."""
TABLE = "alembic_version"
"""Where Alembic keeps the version of a database."""


def schema_version(connection: Connection) -> str | None:
    """The version of a database's schema; None where it is new, or of a DPMed that kept none.

    Raises:
        SettingsError: a later DPMed wrote it.
    """
    if not inspect(connection).has_table(TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {TABLE}")).scalar()
    if found is not None and str(found) > LAST:
        raise SettingsError(
            f"The database is of a later version of DPMed (its schema is {found}, this one knows {LAST}): start that version, or restore "
            "a backup that this one made."
        )
    return None if found is None else str(found)


def migrate(connection: Connection, *, to: str = LAST) -> None:
    """Bring a database up to version `to` of the schema, within the transaction of `connection`; its rows stay.

    Call it under the writers' lock: of two processes that open a database at once, the second then finds nothing left to do.

    Raises:
        SettingsError: a later DPMed wrote it.
    """
    if schema_version(connection) == to:
        return
    # Here and not above: most processes find a database that is up to date.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(Path(__file__).parent))

    def steps(found: "str | tuple[str, ...]", context: "MigrationContext") -> "Iterable[RevisionStep]":
        del context
        return script._upgrade_revs(to, found)  # type: ignore[arg-type]

    # As `alembic upgrade` does, without an env.py and its settings: the connection and its transaction are the caller's.
    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
